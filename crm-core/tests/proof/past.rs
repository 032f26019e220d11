//! Lists of the past: what they hold is what the log says of each record, whoever walks them and however.

use crm_core::{
    Error,
    access::{Action, Grant, Scope},
    collection::Collection,
    deals::{Deal, DealPatch, NewDeal},
    filter::{Filter, Op},
    leads::{Lead, LeadPatch, NewLead},
    listing::{ListPage, ListQuery},
    pipelines::PipelinePatch,
    properties::{NewProperty, PropertyType},
    roles::Role,
    schema::{Record, RecordKind},
    scoring::{Axis, Group, ModelDefinition, NewScoringModel, On, Rule},
    tasks::{NewTask, TaskPatch, TaskStatus},
    users::User,
    value::{Currency, Id, Kind, Money, Time, Value},
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{World, assert_fault, assert_forbidden, faults, hidden, run};

/// One thing that happens to one of the deals.
#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Move(usize),
    Title(u8),
    Money(i64),
    Tags(u8),
    Plan(u8),
    Owner(bool),
    Archive,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Step::Create),
        4 => (0..6_usize).prop_map(Step::Move),
        2 => (0..4_u8).prop_map(Step::Title),
        2 => (0..5_i64).prop_map(Step::Money),
        1 => (0..3_u8).prop_map(Step::Tags),
        2 => (0..3_u8).prop_map(Step::Plan),
        1 => any::<bool>().prop_map(Step::Owner),
        3 => Just(Step::Archive),
        2 => Just(Step::Restore),
    ]
}

/// To which deal, what, hours that pass before it (several things may happen at one moment), hours it is dated back.
type Happened = (usize, Step, i64, Option<i64>);

fn story() -> impl Strategy<Value = Vec<Happened>> {
    let back = proptest::option::weighted(0.4, 0..60_i64);
    proptest::collection::vec((0..8_usize, step(), prop_oneof![1 => Just(0), 3 => 1..20_i64], back), 4..28)
}

/// What is asked of a list: a moment among those of the log and their neighbours, one that it is known by, a filter.
type Asked = (usize, Option<usize>, usize, usize);

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let one = (any::<usize>(), proptest::option::weighted(0.5, any::<usize>()), any::<usize>(), 1..5_usize);
    proptest::collection::vec(one, 8)
}

async fn happen(world: &World, ids: &mut Vec<Id<Deal>>, (which, step, hours, back): &Happened) -> Result<(), Error> {
    let deals = world.crm.deals(&world.admin);
    world.clock.advance_seconds(hours * 3600);
    let at = back.map(|hours| world.clock.now().plus_micros(-hours * 3_600_000_000));
    macro_rules! done {
        ($pending:expr) => {
            match at {
                Some(at) => $pending.occurred_at(at).await?,
                None => $pending.await?,
            }
        };
    }
    if let (Step::Create(_), _) | (_, true) = (step, ids.is_empty()) {
        let title = if let Step::Create(number) = step { *number } else { 0 };
        let new = NewDeal { title: format!("title {title}"), description: Some("long".into()), ..Default::default() };
        ids.push(done!(deals.create(new)).id);
        return Ok(());
    }
    let id = ids[which % ids.len()];
    let patch = match step {
        Step::Move(stage) => {
            let stage = world.deal_pipeline.stages[*stage].id;
            done!(deals.move_with(id, stage, &DealPatch::new().close_reason("why")));
            return Ok(());
        }
        Step::Archive => {
            done!(deals.archive(id));
            return Ok(());
        }
        Step::Restore => {
            done!(deals.restore(id, DealPatch::new()));
            return Ok(());
        }
        Step::Title(number) => DealPatch::new().title(format!("title {number}")).description(format!("{number}")),
        Step::Money(number) => DealPatch::new().value((*number != 0).then(|| Money::new(*number, Currency::EUR))),
        Step::Tags(number) => DealPatch::new().tags((0..*number).map(|n| n.to_string()).collect::<Vec<_>>()),
        Step::Plan(0) => DealPatch::new().property("plan", Value::Null),
        Step::Plan(number) => DealPatch::new().property("plan", Value::Int(i64::from(*number))),
        Step::Owner(some) => DealPatch::new().owner_id(some.then_some(world.rep_user.id)),
        Step::Create(_) => unreachable!("was done above"),
    };
    done!(deals.update(id, patch));
    Ok(())
}

/// A condition, and the same in words of its own.
type Case = (Option<Filter>, Box<dyn Fn(&Record<Deal>) -> bool>);

fn cases(world: &World, at: Time) -> Vec<Case> {
    let stage = world.deal_pipeline.stages[2].id;
    let rep = world.rep_user.id;
    let two_days_before = at.plus_days(-2);
    vec![
        (None, Box::new(|_| true)),
        (Some(Filter::eq("stage_id", stage.to_string())), Box::new(move |deal| deal.stage_id == Some(stage))),
        (Some(Filter::eq("status", "renamed")), Box::new(|deal| deal.status == "renamed")),
        (
            Some(Filter::eq("status", "prospecting").negate().and(Filter::missing("owner_id"))),
            Box::new(|deal| deal.status != "prospecting" && deal.owner_id.is_none()),
        ),
        (Some(Filter::is("title", Op::Ne, "title 1")), Box::new(|deal| deal.title != "title 1")),
        (
            Some(Filter::is("value", Op::Ge, json!({"amount": "3", "currency": "EUR"}))),
            Box::new(|deal| deal.value.is_some_and(|value| value.amount >= Money::new(3, Currency::EUR).amount)),
        ),
        (
            Some(Filter::any([Filter::eq("properties.plan", 2), Filter::is("tags", Op::Contains, "1")])),
            Box::new(|deal| {
                deal.property("plan") == Some(&Value::Int(2)) || deal.tags.iter().any(|tag| tag.as_str() == "1")
            }),
        ),
        (Some(Filter::eq("owner_id", rep.to_string())), Box::new(move |deal| deal.owner_id == Some(rep))),
        // Two days before the moment that is looked at, not before today.
        (
            Some(Filter::is("stage_entered_at", Op::Gt, json!({"days": -2}))),
            Box::new(move |deal| deal.stage_entered_at.is_some_and(|entered| entered > two_days_before)),
        ),
        (
            Some(Filter::is("updated_at", Op::Le, json!({"days": -2}))),
            Box::new(move |deal| deal.updated_at <= two_days_before),
        ),
    ]
}

/// All of a record but its long text, which lists leave out.
fn shown(deal: &Record<Deal>) -> String {
    let body = Deal { description: None, ..deal.body().clone() };
    format!(
        "{} {} {} {:?} {:?} {:?} {:?} {body:?} {:?} {:?} {:?}",
        deal.id,
        deal.version,
        deal.machine_version,
        deal.created_at,
        deal.created_by,
        deal.updated_at,
        deal.updated_by,
        deal.archived_at,
        deal.properties,
        deal.shared_with,
    )
}

/// Every record of a past list, page by page.
async fn walk<K: RecordKind>(
    records: &Collection<'_, K>,
    query: &ListQuery,
    (at, known_at): (Time, Option<Time>),
    limit: usize,
) -> Result<Vec<Record<K>>, Error> {
    let mut all = Vec::new();
    let mut query = query.clone().limit(limit);
    for _ in 0..10_000 {
        let ListPage { items, next_cursor } = records.list_as_of_known(&query, at, known_at).await?;
        assert!(items.len() <= limit);
        all.extend(items);
        match next_cursor {
            Some(cursor) => query = query.cursor(cursor),
            None => return Ok(all),
        }
    }
    panic!("a list that never ends");
}

async fn with_plan(world: &World) {
    let new = NewProperty {
        kind: Some(Kind::Deal),
        key: "plan".into(),
        name: "Plan".into(),
        r#type: PropertyType::Integer,
        ..Default::default()
    };
    world.crm.properties(&world.admin).create(new).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_past_list_is_the_filter_over_each_record_as_it_was(story in story(), asked in asked()) {
        run(async {
            let world = World::new().await;
            with_plan(&world).await;
            let deals = world.crm.deals(&world.admin);
            let mut ids = Vec::new();
            for happened in &story {
                match happen(&world, &mut ids, happened).await {
                    Ok(()) | Err(Error::Invalid(_)) => {}
                    Err(other) => panic!("{happened:?}: {other:?}"),
                }
            }
            // What is derived goes by the definitions of today, stored or not.
            let mut stages = world.deal_pipeline.stages.clone();
            stages[1].key = "renamed".into();
            let patch = PipelinePatch::new().stages(stages);
            world.crm.pipelines(&world.admin).update(world.deal_pipeline.id, patch).await.unwrap();

            let mut moments: Vec<Time> = vec![world.clock.now().plus_days(400)];
            for id in &ids {
                let history = deals.history(*id).await.unwrap();
                moments.extend(history.iter().flat_map(|change| [change.occurred_at, change.recorded_at]));
            }
            moments.extend(moments.clone().iter().map(|moment| moment.plus_micros(-1)));
            for (at, known, case, limit) in asked {
                let at = moments[at % moments.len()];
                let known = known.map(|known| moments[known % moments.len()]);
                let mut cases = cases(&world, at);
                let (filter, holds) = cases.remove(case % cases.len());
                let mut expected: Vec<Record<Deal>> = Vec::new();
                for id in &ids {
                    let Some(then) = deals.as_of_known(*id, at, known).await.unwrap() else { continue };
                    if then.archived_at.is_none() && holds(&then) {
                        expected.push(then);
                    }
                }
                expected.sort_by_key(|deal| (deal.created_at, deal.id));
                for descending in [false, true] {
                    let mut query = ListQuery::new();
                    if let Some(filter) = &filter {
                        query = query.filter(filter.clone());
                    }
                    if descending {
                        query = query.sort("created_at").descending();
                        expected.reverse();
                    }
                    let listed = walk(&deals, &query, (at, known), limit).await.unwrap();
                    assert!(listed.iter().all(|deal| deal.description.is_none()), "a list has no long texts");
                    let (listed, expected): (Vec<String>, Vec<String>) =
                        (listed.iter().map(shown).collect(), expected.iter().map(shown).collect());
                    assert_eq!(listed, expected, "{filter:?} at {at:?} known {known:?} limit {limit}");
                }
            }
        });
    }
}

/// The names of a past list, as one page.
async fn names(leads: &Collection<'_, Lead>, query: &ListQuery, at: Time) -> Vec<String> {
    let page = leads.list_as_of(&query.clone().limit(200), at).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items.iter().map(|lead| lead.name.clone()).collect()
}

fn lead(name: &str, owner: Option<Id<User>>) -> NewLead {
    NewLead { name: name.into(), owner_id: owner, ..Default::default() }
}

#[test]
fn the_past_is_seen_by_who_may_list_the_record_today() {
    run(async {
        let world = World::new().await;
        let rep = world.role_id("sales_rep").await;
        let (other, user) = world.member("other", vec![rep], vec![]).await;
        let own = grants_of(&world, Scope::Own).await;
        let (own, own_user) = world.member("own", vec![own], vec![]).await;
        let leads = world.crm.leads(&world.admin);
        let kept = leads.create(lead("kept", Some(own_user.id))).await.unwrap().id;
        let given = leads.create(lead("given", Some(own_user.id))).await.unwrap().id;
        let got = leads.create(lead("got", Some(user.id))).await.unwrap().id;
        let archived = leads.create(lead("archived", Some(own_user.id))).await.unwrap().id;
        let then = world.clock.now();
        world.clock.advance_days(3);
        leads.update(given, LeadPatch::new().owner_id(user.id)).await.unwrap();
        leads.update(got, LeadPatch::new().owner_id(own_user.id).name("renamed since")).await.unwrap();
        leads.archive(archived).await.unwrap();
        let of = |actor| world.crm.leads(actor);
        let expected = [kept, got, archived];
        for limit in 1..5 {
            let seen = walk(&of(&own), &ListQuery::new(), (then, None), limit).await.unwrap();
            assert_eq!(seen.iter().map(|lead| lead.id).collect::<Vec<_>>(), expected);
        }
        assert_eq!(names(&of(&own), &ListQuery::new(), then).await, ["kept", "got", "archived"]);
        assert_eq!(names(&of(&own), &ListQuery::new(), world.clock.now()).await, ["kept", "renamed since"]);
        // By the owner of then, within what is one's own now.
        let by_owner = |id: Id<User>| ListQuery::new().filter(Filter::eq("owner_id", id.to_string()));
        assert_eq!(names(&of(&own), &by_owner(own_user.id), then).await, ["kept", "archived"]);
        assert_eq!(names(&of(&own), &by_owner(user.id), then).await, ["got"]);
        assert!(names(&of(&other), &ListQuery::new(), then).await.contains(&"given".to_owned()));
        // Each of them by itself says the same.
        for id in [kept, given, got, archived] {
            let one = of(&own).as_of(id, then).await;
            assert_eq!(one.is_ok(), expected.contains(&id), "{one:?}");
        }
        let nothing = world.role("nothing", vec![], vec![]).await.id;
        let nobody = world.actor_with("nobody", vec![nothing]).await;
        assert_forbidden(of(&nobody).list_as_of(&ListQuery::new(), then).await);
    });
}

async fn grants_of(world: &World, scope: Scope) -> Id<Role> {
    world.role("reader", vec![Grant::new(Kind::Lead, Action::Read, scope)], vec![]).await.id
}

#[test]
fn a_grants_condition_goes_by_the_record_as_it_is_now() {
    run(async {
        let world = World::new().await;
        let condition = Some(Filter::eq("source", "web"));
        let grant = Grant { condition, ..Grant::new(Kind::Lead, Action::Read, Scope::All) };
        let role = world.role("web", vec![grant], vec![]).await;
        let reader = world.actor_with("reader", vec![role.id]).await;
        let leads = world.crm.leads(&world.admin);
        let from = |source: &str| NewLead { source: Some(source.into()), ..lead(source, None) };
        let (one, two) = (leads.create(from("web")).await.unwrap().id, leads.create(from("fair")).await.unwrap().id);
        let then = world.clock.now();
        world.clock.advance_days(1);
        leads.update(one, LeadPatch::new().source("fair")).await.unwrap();
        leads.update(two, LeadPatch::new().source("web")).await.unwrap();
        let seen = names(&world.crm.leads(&reader), &ListQuery::new(), then).await;
        assert_eq!(seen, ["fair"], "what is of the web now, as it was then");
    });
}

#[test]
fn a_hidden_field_does_not_exist_in_the_past_either() {
    run(async {
        let world = World::new().await;
        let rules = [hidden(Kind::Lead, "email"), hidden(Kind::Lead, "score"), hidden(Kind::Lead, "stage_id")];
        let rep = world.restricted_rep("blind", rules.to_vec()).await;
        let new = NewLead { email: Some("find-me@example.com".into()), ..lead("Secretive", rep.user()) };
        let changed = world.crm.leads(&world.admin).create(new).await.unwrap().id;
        let new = NewLead { email: Some("quiet@example.com".into()), ..lead("Quiet", rep.user()) };
        world.crm.leads(&world.admin).create(new).await.unwrap();
        let then = world.clock.now();
        world.clock.advance_days(1);
        let patch = LeadPatch::new().email("other@example.com");
        world.crm.leads(&world.admin).update(changed, patch).await.unwrap();
        let leads = world.crm.leads(&rep);
        for field in ["email", "score", "stage_id"] {
            for filter in [Filter::missing(field), Filter::missing(field).negate()] {
                let query = ListQuery::new().filter(filter);
                assert_eq!(faults(leads.list_as_of(&query, then).await), [format!("{field} unknown_field")]);
            }
        }
        let page = leads.list_as_of(&ListQuery::new(), then).await.unwrap();
        assert_eq!(page.items.len(), 2);
        assert!(page.items.iter().all(|lead| lead.email.is_none() && lead.stage_id.is_none()));
        let views = leads.view_list_as_of(&ListQuery::new(), then, None).await.unwrap().items;
        assert!(views.iter().all(|view| !view.shows("email") && !view.to_json(None).contains_key("email")));
        // Nor can it be guessed by searching for it, of what changed and of what did not.
        for guess in ["find-me", "quiet@example"] {
            assert_eq!(names(&leads, &ListQuery::new().text(guess), then).await, Vec::<String>::new());
        }
        assert_eq!(names(&leads, &ListQuery::new().text("quie"), then).await, ["Quiet"]);
    });
}

#[test]
fn a_past_cursor_is_of_one_query_one_moment_and_one_actor() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        for number in 0..4 {
            leads.create(lead(&format!("{number}"), None)).await.unwrap();
        }
        let now = world.clock.now();
        let query = ListQuery::new().limit(2);
        let cursor = async |query: &ListQuery, at, known| {
            leads.list_as_of_known(query, at, known).await.unwrap().next_cursor.expect("there is more")
        };
        let ours = query.clone().cursor(cursor(&query, now, None).await);
        assert_eq!(leads.list_as_of(&ours, now).await.unwrap().items.len(), 2);
        let later = now.plus_micros(1);
        let bad = "cursor bad_cursor";
        assert_fault(leads.list_as_of(&ours, later).await, bad);
        assert_fault(leads.list_as_of_known(&ours, now, Some(now)).await, bad);
        let known = query.clone().cursor(cursor(&query, now, Some(later)).await);
        assert_fault(leads.list_as_of_known(&known, now, Some(now)).await, bad);
        assert_fault(leads.list_as_of(&known, now).await, bad);
        assert_fault(leads.list_as_of(&ours.clone().descending(), now).await, bad);
        assert_fault(leads.list_as_of(&ours.clone().filter(Filter::missing("source")), now).await, bad);
        // Lists of today and of the past are not each other's.
        assert_fault(leads.list(&ours).await, bad);
        let todays = query.clone().cursor(leads.list(&query).await.unwrap().next_cursor.unwrap());
        assert_fault(leads.list_as_of(&todays, now).await, bad);
        // Another user's, another tenant's, another kind's.
        assert_fault(world.crm.leads(&world.manager).list_as_of(&ours, now).await, bad);
        let other = World::on(world.store.clone(), 7).await;
        assert_fault(other.crm.leads(&other.admin).list_as_of(&ours, now).await, bad);
        assert_fault(world.crm.contacts(&world.admin).list_as_of(&ours, now).await, bad);
        assert!(other.crm.leads(&other.admin).list_as_of(&ListQuery::new(), now).await.unwrap().items.len() == 1);
    });
}

#[test]
fn what_a_past_list_cannot_do_it_says() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let now = world.clock.now();
        let refused = async |query: ListQuery| faults(leads.list_as_of(&query, now).await);
        assert_eq!(refused(ListQuery::new().sort("score")).await, ["sort unknown_sort"]);
        assert_eq!(refused(ListQuery::new().sort("nope")).await, ["sort unknown_sort"]);
        assert_eq!(refused(ListQuery::new().archived()).await, ["archived not_in_the_past"]);
        assert_eq!(refused(ListQuery::new().limit(0)).await, ["limit too_large"]);
        assert_eq!(refused(ListQuery::new().filter(Filter::eq("nope", 1))).await, ["nope unknown_field"]);
        for field in ["score", "last_activity_at"] {
            let query =
                ListQuery::new().filter(Filter::any([Filter::missing(field).negate(), Filter::eq("name", "x")]));
            assert_eq!(refused(query).await, [format!("{field} not_in_the_past")]);
        }
        // Before there was anything, and at moments that no clock shows.
        assert_eq!(names(&leads, &ListQuery::new(), Time::MIN).await, Vec::<String>::new());
        assert_eq!(names(&leads, &ListQuery::new().descending(), Time::MIN).await, Vec::<String>::new());
        for query in [ListQuery::new(), ListQuery::new().descending()] {
            assert_eq!(names(&leads, &query, Time::MAX).await, ["Ada Lovelace"]);
        }
    });
}

#[test]
fn a_text_is_looked_for_in_what_stood_there_then() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let id = leads.create(lead("Grace", None)).await.unwrap().id;
        let then = world.clock.now();
        world.clock.advance_days(1);
        leads.update(id, LeadPatch::new().name("Hopper")).await.unwrap();
        let text = |text: &str| ListQuery::new().text(text);
        assert_eq!(names(&leads, &text("grac"), then).await, ["Grace"]);
        assert_eq!(names(&leads, &text("hopp"), then).await, Vec::<String>::new());
        assert_eq!(names(&leads, &text("hopp"), world.clock.now()).await, ["Hopper"]);
        assert_eq!(names(&leads, &text("lovelace"), then).await, ["Ada Lovelace"]);
    });
}

#[test]
fn what_the_machine_announced_is_told_and_what_it_computed_is_not() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let rule = Rule { key: "web".into(), on: On::Record, when: Filter::eq("source", "web"), points: 40_000 };
        let group = Group { key: "fit".into(), axis: Axis::Fit, rules: vec![rule], ..Group::default() };
        let definition = ModelDefinition {
            groups: vec![group],
            hot_threshold: Some(30_000),
            refresh_hours: 24,
            ..ModelDefinition::default()
        };
        let new = NewScoringModel {
            key: "ours".into(),
            name: "Ours".into(),
            kind: Some(Kind::Lead),
            definition: Some(definition),
            is_active: true,
            ..Default::default()
        };
        world.crm.scoring_models(&world.admin).create(new).await.unwrap();
        let cold = leads.create(lead("warms up", None)).await.unwrap().id;
        let hot = NewLead { source: Some("web".into()), ..lead("was hot", None) };
        leads.create(hot).await.unwrap();
        world.clock.advance_days(1);
        let then = world.clock.now();
        world.clock.advance_days(1);
        leads.update(cold, LeadPatch::new().source("web")).await.unwrap();
        world.crm.score_sweeper().sweep(world.admin.tenant(), std::time::Duration::from_hours(1)).await.unwrap();
        let hot = ListQuery::new().filter(Filter::eq("is_hot", true));
        assert_eq!(names(&leads, &hot, then).await, ["was hot"]);
        assert_eq!(names(&leads, &hot, world.clock.now()).await, ["warms up", "was hot"]);
        let page = leads.list_as_of(&ListQuery::new(), then).await.unwrap();
        for listed in &page.items {
            let one = leads.as_of(listed.id, then).await.unwrap().unwrap();
            assert_eq!(format!("{one:?}"), format!("{listed:?}"));
            assert_eq!(listed.score, 0, "the log does not tell it");
        }
        assert_eq!(page.items.len(), 3);
    });
}

#[test]
fn times_that_go_with_a_change_are_those_of_then() {
    run(async {
        let world = World::new().await;
        let tasks = world.crm.tasks(&world.admin);
        let mut ids = Vec::new();
        for number in 0..6 {
            let new = NewTask { title: format!("{number}"), ..Default::default() };
            ids.push(tasks.create(new).await.unwrap().id);
            world.clock.advance_seconds(60);
        }
        let done = |status| TaskPatch::new().status(status);
        let mut moments = vec![world.clock.now()];
        for (number, id) in ids.iter().enumerate() {
            tasks.update(*id, done(TaskStatus::Completed)).await.unwrap();
            world.clock.advance_seconds(3600);
            moments.push(world.clock.now());
            if number % 2 == 0 {
                tasks.update(*id, done(TaskStatus::InProgress)).await.unwrap();
            }
        }
        for at in moments {
            let open = ListQuery::new().filter(Filter::eq("is_open", true));
            let listed = walk(&tasks, &open, (at, None), 2).await.unwrap();
            let mut expected = Vec::new();
            for id in &ids {
                expected.extend(tasks.as_of(*id, at).await.unwrap().filter(|task| task.is_open));
            }
            assert_eq!(format!("{listed:?}"), format!("{expected:?}"));
        }
    });
}

/// Calls of the store that something makes.
async fn calls<T>(world: &World, call: impl Future<Output = T>) -> (T, u64) {
    let before = world.store.faults().calls();
    let result = call.await;
    (result, world.store.faults().calls() - before)
}

#[test]
fn only_what_was_written_of_since_costs_a_read_of_its_log() {
    run(async {
        let world = World::new().await;
        let deals = world.crm.deals(&world.admin);
        let mut ids = Vec::new();
        for number in 0..60 {
            world.clock.advance_seconds(60);
            let title = format!("title {}", number % 20);
            ids.push(deals.create(NewDeal { title, ..Default::default() }).await.unwrap().id);
        }
        world.clock.advance_seconds(60);
        deals.archive(ids[7]).await.unwrap();
        let then = world.clock.now();
        world.clock.advance_days(1);
        // Live and archived by their creation, and the epoch.
        let all = ListQuery::new().limit(50);
        let (page, quiet) = calls(&world, deals.list_as_of(&all, then)).await;
        assert_eq!((page.unwrap().items.len(), quiet), (50, 3));
        for id in &ids[..5] {
            deals.update(*id, DealPatch::new().title("other")).await.unwrap();
        }
        deals.archive(ids[5]).await.unwrap();
        let (page, busy) = calls(&world, deals.list_as_of(&all, then)).await;
        assert_eq!((page.unwrap().items.len(), busy), (50, quiet + 6));
        // What nobody wrote of since is filtered by the engine; what was archived before is never looked at.
        let three = ListQuery::new().limit(50).filter(Filter::eq("title", "title 3"));
        let (page, filtered) = calls(&world, deals.list_as_of(&three, then)).await;
        let found: Vec<Id<Deal>> = page.unwrap().items.iter().map(|deal| deal.id).collect();
        assert_eq!((found, filtered), (vec![ids[3], ids[23], ids[43]], busy));
        // Of what was created later nothing is read, whichever way.
        let early = ListQuery::new().limit(5);
        for query in [early.clone(), early.descending()] {
            let created = deals.get(ids[4]).await.unwrap().created_at;
            let (page, cost) = calls(&world, deals.list_as_of(&query, created)).await;
            assert_eq!((page.unwrap().items.len(), cost), (5, 3 + 5));
        }
    });
}

#[test]
fn one_call_looks_at_a_bounded_number_of_records() {
    run(async {
        let world = World::new().await;
        let deals = world.crm.deals(&world.admin);
        for number in 0..620 {
            deals.create(NewDeal { title: format!("{number}"), ..Default::default() }).await.unwrap();
        }
        let then = world.clock.now();
        // By a derived field, which the engine is not asked for, nothing is found for long.
        let query = ListQuery::new().filter(Filter::eq("status", "closed_lost")).limit(5);
        let first = deals.list_as_of(&query, then).await.unwrap();
        assert_eq!(first.items.len(), 0);
        let cursor = first.next_cursor.expect("500 have been looked at, and there are more");
        let second = deals.list_as_of(&query.clone().cursor(cursor), then).await.unwrap();
        assert_eq!((second.items.len(), second.next_cursor), (0, None));
        // What stands at the very end is found all the same.
        let query = ListQuery::new().filter(Filter::eq("status", "prospecting").and(Filter::eq("title", "619")));
        assert_eq!(walk(&deals, &query, (then, None), 1).await.unwrap().len(), 1);
    });
}

#[test]
fn rights_that_changed_hold_for_the_past_at_once() {
    run(async {
        let world = World::new().await;
        let role = grants_of(&world, Scope::All).await;
        let (_, user) = world.member("reader", vec![role], vec![]).await;
        let then = world.clock.now();
        let actor = world.crm.actor(world.admin.tenant(), user.id).await.unwrap();
        let leads = world.crm.leads(&actor);
        assert_eq!(names(&leads, &ListQuery::new(), then).await, ["Ada Lovelace"]);
        // Another process takes the grant away; this one still has it cached.
        let elsewhere =
            crm_core::Crm::builder_shared(std::sync::Arc::new(world.store.clone())).clock(world.clock.clone()).build();
        let none = crm_core::roles::RolePatch::new().grants(Vec::<Grant>::new());
        elsewhere.roles(&world.admin).update(role, none).await.unwrap();
        assert_forbidden(leads.list_as_of(&ListQuery::new(), then).await);
    });
}
