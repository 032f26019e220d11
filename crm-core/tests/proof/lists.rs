//! Access by id and access in lists agree; pages merged over owners, shares and teams are the whole list without
//! duplicates.

use std::collections::BTreeSet;

use crm_core::{
    Error, MemoryStore,
    access::{Action, Actor, Grant, Permission, Scope},
    companies::{Lifecycle, NewCompany},
    contacts::NewContact,
    deals::{Deal, NewDeal},
    filter::{Filter, Op},
    interactions::NewInteraction,
    leads::{Lead, LeadPatch, NewLead},
    listing::ListQuery,
    notes::NewNote,
    schema::Record,
    tasks::{NewTask, Task},
    teams::{NewTeam, Team, TeamPatch},
    users::User,
    value::{Date, Id, Kind, Ref, plain},
};
use proptest::prelude::*;

use crate::{
    racing::RacingStore,
    support::{World, assert_fault, assert_forbidden, assert_not_found, run},
};

/// Every record of a list, page by page.
async fn walk<K: crm_core::schema::RecordKind>(
    records: &crm_core::collection::Collection<'_, K>,
    query: &ListQuery,
    limit: usize,
) -> Result<Vec<Record<K>>, Error> {
    let mut all = Vec::new();
    let mut query = query.clone().limit(limit);
    for _ in 0..10_000 {
        let page = records.list(&query).await?;
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        match page.next_cursor {
            Some(cursor) => query = query.cursor(cursor),
            None => return Ok(all),
        }
    }
    panic!("a list that never ends");
}

/// A tree of teams with users, and leads of all of them.
struct Tree {
    world: World,
    teams: Vec<Id<Team>>,
    users: Vec<Id<User>>,
}

async fn tree() -> Tree {
    let world = World::new().await;
    let make = async |name: String, parent: Option<Id<Team>>| {
        let new = NewTeam { name, parent_id: parent, ..Default::default() };
        world.crm.teams(&world.admin).create(new).await.unwrap().id
    };
    let top = make("Top".into(), None).await;
    let mut teams = vec![top];
    for n in 0..3 {
        teams.push(make(format!("T{n}"), Some(top)).await);
    }
    teams.push(make("Far".into(), None).await);
    let rep = world.role_id("sales_rep").await;
    let mut users = Vec::new();
    for (n, &team) in teams.iter().enumerate() {
        users.push(world.member(&format!("u{n}"), vec![rep], vec![team]).await.1.id);
    }
    Tree { world, teams, users }
}

#[derive(Clone, Debug)]
struct Spec {
    owner: Option<usize>,
    team: Option<usize>,
    shared: Option<(bool, usize)>,
    stage: usize,
    source: usize,
    day: u32,
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let spec = (
        proptest::option::of(0..5_usize),
        proptest::option::of(0..5_usize),
        proptest::option::weighted(0.3, (any::<bool>(), 0..5_usize)),
        0..3_usize,
        0..3_usize,
        1..4_u32,
    )
        .prop_map(|(owner, team, shared, stage, source, day)| Spec { owner, team, shared, stage, source, day });
    proptest::collection::vec(spec, 1..25)
}

fn scoped() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((0..3_u8, 0..3_u8), 1..4)
}

fn grant(kind: Kind, scope: u8, condition: u8) -> Grant {
    let scope = [Scope::Own, Scope::Team, Scope::All][usize::from(scope)];
    let condition = match condition {
        0 => None,
        1 => Some(Filter::eq("source", "s1")),
        _ => Some(Filter::eq("source", "s1").negate().and(Filter::is("source", Op::Ne, "s2"))),
    };
    Grant { condition, ..Grant::new(kind, Action::Read, scope) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// For any roles, records and page size, a list contains exactly the records accessible by id; so does a count.
    #[test]
    fn lists_and_single_reads_decide_alike(specs in specs(), scopes in scoped(), me in 0..5_usize, limit in 1..7_usize) {
        run(async {
            let tree = tree().await;
            let (world, crm) = (&tree.world, &tree.world.crm);
            let mut deals = Vec::new();
            let mut leads = vec![world.lead.clone()];
            for (n, spec) in specs.iter().enumerate() {
                let owner_id = spec.owner.map(|at| tree.users[at]);
                let team_id = spec.team.map(|at| tree.teams[at]);
                let shared_with: Vec<Ref> = spec.shared.iter().map(|&(user, at)| {
                    if user { Ref::new(Kind::User, tree.users[at]) } else { Ref::new(Kind::Team, tree.teams[at]) }
                }).collect();
                let source = Some(format!("s{}", spec.source));
                let stage_id = Some(world.deal_pipeline.stages[spec.stage * 2].id);
                let deal = NewDeal {
                    title: format!("d{n}"),
                    owner_id, team_id, source: source.clone(), stage_id,
                    shared_with: shared_with.clone(),
                    expected_close_date: Some(Date::from_ymd(2026, 1, spec.day).unwrap()),
                    ..Default::default()
                };
                deals.push(crm.deals(&world.admin).create(deal).await.unwrap().into_value());
                let lead = NewLead { name: format!("l{n}"), owner_id, team_id, source, shared_with, ..Default::default() };
                leads.push(crm.leads(&world.admin).create(lead).await.unwrap().into_value());
                if n % 7 == 6 {
                    crm.leads(&world.admin).archive(leads.pop().unwrap().id).await.unwrap();
                }
            }
            let role = [Kind::Lead, Kind::Deal].iter()
                .flat_map(|&kind| scopes.iter().map(move |&(scope, condition)| grant(kind, scope, condition))).collect();
            let role = world.role("generated", role, vec![]).await;
            let actor = Actor::trusted(world.admin.tenant(), tree.users[me], vec![role.id], vec![tree.teams[me]]);

            let mut seen = BTreeSet::new();
            for lead in &leads {
                let by_id = crm.leads(&actor).get(lead.id).await;
                if by_id.is_ok() {
                    seen.insert(lead.id);
                    assert!(crm.leads(&actor).explain(lead.id, Action::Read).await.unwrap().allowed);
                } else {
                    assert_not_found(by_id);
                }
            }
            assert_eq!(crm.leads(&actor).count(Filter::all([])).await.unwrap(), seen.len() as u64);
            for (sort, descending) in [("created_at", false), ("created_at", true), ("score", false), ("score", true)] {
                let mut query = ListQuery::new().sort(sort);
                if descending { query = query.descending(); }
                let walked: Vec<_> = walk(&crm.leads(&actor), &query, limit).await.unwrap().iter().map(|l| l.id).collect();
                let whole: Vec<_> = walk(&crm.leads(&world.admin), &query, 200).await.unwrap().iter().map(|l| l.id)
                    .filter(|id| seen.contains(id)).collect();
                assert_eq!(walked, whole, "{sort} {descending}");
            }
            let seen: BTreeSet<Id<Deal>> = {
                let mut seen = BTreeSet::new();
                for deal in &deals {
                    if crm.deals(&actor).get(deal.id).await.is_ok() { seen.insert(deal.id); }
                }
                seen
            };
            let open = Filter::eq("stage_kind", "open");
            let some = Filter::any([open.clone(), Filter::eq("source", "s1")]);
            for filter in [Filter::all([]), open, some, Filter::missing("owner_id"), Filter::missing("tags")] {
                for sort in ["created_at", "close_date"] {
                    let query = ListQuery::new().sort(sort).filter(filter.clone()).descending();
                    let walked: Vec<_> = walk(&crm.deals(&actor), &query, limit).await.unwrap().iter().map(|d| d.id).collect();
                    let whole: Vec<_> = walk(&crm.deals(&world.admin), &query, 200).await.unwrap().iter().map(|d| d.id)
                        .filter(|id| seen.contains(id)).collect();
                    assert_eq!(&walked, &whole, "{sort} {filter:?}");
                    assert_eq!(crm.deals(&actor).count(filter.clone()).await.unwrap(), whole.len() as u64);
                }
            }
        });
    }

    /// A search matches prefixes of words, whoever searches.
    #[test]
    fn search_is_for_words_by_their_beginnings(names in proptest::collection::vec("[a-zA-ZäÄßéﬁ 0-9]{1,12}", 1..12), part in "[a-zA-ZäÄßé ]{1,3}") {
        run(async {
            let world = World::new().await;
            let leads = world.crm.leads(&world.admin);
            for name in &names {
                let _ = leads.create(NewLead { name: name.clone(), ..Default::default() }).await;
            }
            let all = walk(&leads, &ListQuery::new(), 200).await.unwrap();
            let fields = |lead: &Record<Lead>| [Some(lead.name.clone()), lead.email.clone(), lead.company_name.clone()];
            let sought = plain(&part);
            let holds = |texts: Vec<String>| {
                let words: Vec<String> = texts.iter().flat_map(|text| {
                    plain(text).split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>()
                }).collect();
                sought.split(' ').all(|term| words.iter().any(|word| word.starts_with(term)))
            };
            let expected: Vec<Id<Lead>> = all.iter()
                .filter(|lead| holds(fields(lead).into_iter().flatten().collect()))
                .map(|lead| lead.id).collect();
            let found: Vec<_> = walk(&leads, &ListQuery::new().text(part.as_str()), 3).await.unwrap().iter().map(|l| l.id).collect();
            assert_eq!(found, expected);
            // A user from whom a searched field is hidden finds what the other fields contain.
            let blind = world.restricted_rep("blind", vec![crate::support::hidden(Kind::Lead, "company_name")]).await;
            leads.update(world.lead.id, LeadPatch::new().owner_id(blind.user())).await.unwrap();
            let found = walk(&world.crm.leads(&blind), &ListQuery::new().text(part.as_str()), 3).await.unwrap();
            let ada = ["ada lovelace".to_owned(), "ada@engines.example".to_owned()];
            assert_eq!(found.len() == 1, holds(ada.to_vec()));
        });
    }
}

#[test]
fn empty_lists_are_found_where_elements_are_indexed() {
    run(async {
        let world = World::new().await;
        let rep = world.role_id("sales_rep").await;
        let (_, loner) = world.member("loner", vec![rep], vec![]).await;
        let query = ListQuery::new().sort("name").filter(Filter::missing("team_ids"));
        let found = world.crm.users(&world.admin).list(&query).await.unwrap().items;
        assert!(found.iter().any(|user| user.id == loner.id), "{found:?}");
        assert!(found.iter().all(|user| user.team_ids.is_empty()));
        let new = NewTask { title: "free".into(), ..Default::default() };
        let task = world.crm.tasks(&world.admin).create(new).await.unwrap();
        let query = ListQuery::new().sort("due_at").filter(Filter::missing("links"));
        assert_eq!(world.crm.tasks(&world.admin).list(&query).await.unwrap().items[0].id, task.id);
    });
}

#[test]
fn own_and_team_lists_read_their_own_indexes() {
    run(async {
        let world = World::new().await;
        let store = &world.store;
        for _ in 0..30 {
            world.crm.leads(&world.admin).create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        }
        // One read of the epoch, one of owned records, and one each of records shared with the user and the team.
        let before = store.faults().calls();
        assert_eq!(world.crm.leads(&world.rep).list(&ListQuery::new().limit(5)).await.unwrap().items.len(), 1);
        assert_eq!(store.faults().calls() - before, 1 + 3);
        let before = store.faults().calls();
        assert_eq!(world.crm.leads(&world.manager).list(&ListQuery::new().limit(5)).await.unwrap().items.len(), 1);
        assert_eq!(store.faults().calls() - before, 1 + 4);
    });
}

#[test]
fn team_scope_is_the_teams_below_and_no_others() {
    run(async {
        let tree = tree().await;
        let (world, crm) = (&tree.world, &tree.world.crm);
        let mut leads = Vec::new();
        for &user in &tree.users {
            let new = NewLead { name: "L".into(), owner_id: Some(user), ..Default::default() };
            leads.push(crm.leads(&world.admin).create(new).await.unwrap().into_value());
        }
        let manager = world.role_id("sales_manager").await;
        let (boss, _) = world.member("boss", vec![manager], vec![tree.teams[0]]).await;
        let mine = walk(&crm.leads(&boss), &ListQuery::new(), 2).await.unwrap();
        let teams: BTreeSet<Id<Team>> = mine.iter().filter_map(|lead| lead.team_id).collect();
        assert_eq!(teams, tree.teams[..4].iter().copied().collect());
        assert_not_found(crm.leads(&boss).get(leads[4].id).await);
        // Moving a team takes effect on visibility at once.
        crm.teams(&world.admin).update(tree.teams[1], TeamPatch::new().parent_id(None)).await.unwrap();
        assert_not_found(crm.leads(&boss).get(leads[1].id).await);
        assert_eq!(walk(&crm.leads(&boss), &ListQuery::new(), 2).await.unwrap().len(), 3);
        // A record with its owner's team moves to the new owner's team.
        let moved =
            crm.leads(&world.admin).update(leads[2].id, LeadPatch::new().owner_id(tree.users[4])).await.unwrap();
        assert_eq!(moved.team_id, Some(tree.teams[4]));
    });
}

#[test]
fn sharing_opens_one_record() {
    run(async {
        let world = World::new().await;
        let rep = world.role_id("sales_rep").await;
        let (other, user) = world.member("other", vec![rep], vec![]).await;
        assert_not_found(world.crm.leads(&other).get(world.lead.id).await);
        let share =
            |with: Vec<Ref>| world.crm.leads(&world.rep).update(world.lead.id, LeadPatch::new().shared_with(with));
        share(vec![Ref::new(Kind::User, user.id)]).await.unwrap();
        world.crm.leads(&other).update(world.lead.id, LeadPatch::new().source("shared")).await.unwrap();
        assert_eq!(world.crm.leads(&other).count(Filter::all([])).await.unwrap(), 1);
        share(vec![]).await.unwrap();
        assert_not_found(world.crm.leads(&other).get(world.lead.id).await);
        share(vec![Ref::new(Kind::Team, world.team.id)]).await.unwrap();
        let mate = world.actor_with("mate", vec![rep]).await;
        world.crm.leads(&mate).get(world.lead.id).await.unwrap();
        let to_a_lead = share(vec![Ref::new(Kind::Lead, world.lead.id)]).await;
        assert_fault(to_a_lead, "shared_with wrong_kind");
    });
}

#[test]
fn activities_are_read_through_their_links() {
    run(async {
        let world = World::new().await;
        let links = vec![Ref::new(Kind::Lead, world.lead.id)];
        let task = NewTask { title: "T".into(), links: links.clone(), ..Default::default() };
        let task = world.crm.tasks(&world.admin).create(task).await.unwrap();
        let call = NewInteraction {
            r#type: "meeting".into(),
            subject: "S".into(),
            links: links.clone(),
            ..Default::default()
        };
        let call = world.crm.interactions(&world.admin).create(call).await.unwrap();
        let note = |is_private| NewNote { content: "N".into(), is_private, links: links.clone(), ..Default::default() };
        let shared = world.crm.notes(&world.admin).create(note(false)).await.unwrap();
        let private = world.crm.notes(&world.admin).create(note(true)).await.unwrap();
        let rep = &world.rep;
        world.crm.tasks(rep).get(task.id).await.unwrap();
        world.crm.interactions(rep).get(call.id).await.unwrap();
        world.crm.notes(rep).get(shared.id).await.unwrap();
        let why = world.crm.tasks(rep).explain(task.id, Action::Read).await.unwrap();
        assert!(why.allowed && why.reason.contains("linked"), "{why:?}");
        assert!(!world.crm.tasks(rep).explain(task.id, Action::Update).await.unwrap().allowed);
        assert_forbidden(world.crm.tasks(rep).complete(task.id, None).await);
        for result in [
            world.crm.notes(rep).get(private.id).await.map(drop),
            world.crm.notes(rep).history(private.id).await.map(drop),
            world
                .crm
                .notes(rep)
                .update(private.id, crm_core::notes::NotePatch::new().is_private(false))
                .await
                .map(drop),
        ] {
            assert_not_found(result);
        }
        let mine = world.crm.notes(rep).create(note(true)).await.unwrap();
        world.crm.notes(rep).get(mine.id).await.unwrap();
        assert_not_found(world.crm.notes(&world.manager).get(mine.id).await);
        world.crm.notes(&world.admin).get(mine.id).await.expect("administrators may audit");
        // Lists of notes depend on the author; the timeline shows linked notes.
        assert_eq!(world.crm.notes(rep).count(Filter::all([])).await.unwrap(), 1);
        let lead = Ref::new(Kind::Lead, world.lead.id);
        let entries = world.crm.timeline(rep).of(lead, None, 50).await.unwrap().items;
        let notes = entries.iter().filter(|entry| matches!(entry, crm_core::timeline::Entry::Note(_))).count();
        assert_eq!(notes, 2, "the shared one and their own");
        // A user who cannot read the lead reads nothing through it.
        let rep_role = world.role_id("sales_rep").await;
        let (stranger, _) = world.member("stranger", vec![rep_role], vec![]).await;
        assert_not_found(world.crm.tasks(&stranger).get(task.id).await);
        assert_not_found(world.crm.timeline(&stranger).of(lead, None, 50).await);
        let own = NewTask { title: "T".into(), links, ..Default::default() };
        assert_fault(world.crm.tasks(&stranger).create(own).await, "links not_found");
    });
}

#[test]
fn default_grants_are_as_told() {
    run(async {
        let world = World::new().await;
        let crm = &world.crm;
        let company = |name: &str, lifecycle| NewCompany { name: name.into(), lifecycle, ..Default::default() };
        let customer = crm.companies(&world.admin).create(company("C", Lifecycle::Customer)).await.unwrap();
        let prospect = crm.companies(&world.admin).create(company("P", Lifecycle::Prospect)).await.unwrap();
        let role = async |key: &str| {
            let id = world.role_id(key).await;
            world.actor_with(key, vec![id]).await
        };
        let support = role("support").await;
        crm.companies(&support).get(customer.id).await.unwrap();
        assert_not_found(crm.companies(&support).get(prospect.id).await);
        assert_eq!(crm.companies(&support).count(Filter::all([])).await.unwrap(), 1);
        assert_forbidden(crm.leads(&support).list(&ListQuery::new()).await);
        let analyst = role("analyst").await;
        crm.companies(&analyst).get(prospect.id).await.unwrap();
        let new = NewLead { name: "L".into(), ..Default::default() };
        assert_forbidden(crm.leads(&analyst).create(new.clone()).await);
        assert_forbidden(crm.leads(&analyst).update(world.lead.id, LeadPatch::new().source("x")).await);
        let marketing = role("marketing").await;
        crm.leads(&marketing).create(new.clone()).await.unwrap();
        crm.contacts(&marketing).create(NewContact { name: "C".into(), ..Default::default() }).await.unwrap();
        assert_forbidden(crm.deals(&marketing).list(&ListQuery::new()).await);
        // A representative owns the records they create, and cannot create records for others.
        let mine = crm.leads(&world.rep).create(new.clone()).await.unwrap();
        assert_eq!((mine.owner_id, mine.team_id), (world.rep.user(), Some(world.team.id)));
        let theirs = NewLead { owner_id: world.manager.user(), ..new.clone() };
        assert_forbidden(crm.leads(&world.rep).create(theirs).await);
        assert_forbidden(crm.leads(&world.rep).archive(mine.id).await);
        crm.leads(&world.manager).archive(mine.id).await.unwrap();
        // Records created by an administrator have no owner unless one is given.
        assert_eq!(crm.leads(&world.admin).create(new).await.unwrap().owner_id, None);
        assert_eq!(crm.permissions(&world.admin).await.unwrap().len(), Permission::all().count());
    });
}

#[test]
fn tasks_merge_over_assignee_and_state_in_order() {
    run(async {
        let world = World::new().await;
        let tasks = world.crm.tasks(&world.rep);
        let due = world.clock.now();
        for n in 0..9_i64 {
            let due_at = (n % 4 != 3).then(|| due.plus_days((n * 5) % 7));
            let new = NewTask { title: format!("t{n}"), due_at, ..Default::default() };
            let task = tasks.create(new).await.unwrap();
            if n % 3 == 0 {
                tasks.complete(task.id, None).await.unwrap();
            }
        }
        for descending in [false, true] {
            let mut query = ListQuery::new().sort("due_at");
            if descending {
                query = query.descending();
            }
            let walked: Vec<Record<Task>> = walk(&tasks, &query, 2).await.unwrap();
            assert_eq!(walked.len(), 9);
            let order: Vec<_> = walked.iter().map(|task| (task.due_at.is_none(), task.due_at, task.id)).collect();
            let mut sorted = order.clone();
            sorted.sort();
            if descending {
                sorted.reverse();
            }
            assert_eq!(order, sorted, "nulls last ascending, descending the exact reverse");
        }
    });
}

#[test]
fn archived_records_have_a_list_of_their_own() {
    run(async {
        let store = MemoryStore::new();
        let world = World::on(store, 0).await;
        let leads = world.crm.leads(&world.manager);
        let mut gone = Vec::new();
        for n in 0..5 {
            let lead = world
                .crm
                .leads(&world.rep)
                .create(NewLead { name: format!("L{n}"), ..Default::default() })
                .await
                .unwrap();
            world.clock.advance_days(1);
            leads.archive(lead.id).await.unwrap();
            gone.push(lead.id);
        }
        let listed: Vec<Id<Lead>> =
            walk(&leads, &ListQuery::new().archived(), 2).await.unwrap().iter().map(|lead| lead.id).collect();
        assert_eq!(listed, gone);
        assert_eq!(walk(&leads, &ListQuery::new(), 2).await.unwrap().len(), 1);
        assert_eq!(walk(&world.crm.leads(&world.rep), &ListQuery::new().archived(), 2).await.unwrap().len(), 5);
    });
}

#[test]
fn short_pages_bend_nothing() {
    run(async {
        let world = World::new().await;
        let slow = world.crm.on(RacingStore::on(world.store.clone()).in_crumbs());
        let lead = Ref::new(Kind::Lead, world.lead.id);
        for n in 0..12 {
            let owner_id = (n % 3 == 0).then_some(world.rep_user.id);
            let new = NewLead { name: format!("l{n}"), owner_id, ..Default::default() };
            world.crm.leads(&world.admin).create(new).await.unwrap();
            let note = NewNote { content: "n".into(), is_private: n % 4 != 0, links: vec![lead], ..Default::default() };
            world.crm.notes(&world.admin).create(note).await.unwrap();
            let task = NewTask { title: "t".into(), links: vec![lead], ..Default::default() };
            world.crm.tasks(&world.admin).create(task).await.unwrap();
        }
        for actor in [&world.rep, &world.manager, &world.admin] {
            for query in [ListQuery::new(), ListQuery::new().sort("score").descending(), ListQuery::new().text("l")] {
                let whole = walk(&world.crm.leads(actor), &query, 200).await.unwrap();
                for limit in [1, 5, 50] {
                    assert_eq!(walk(&slow.leads(actor), &query, limit).await.unwrap(), whole);
                }
                assert!(!whole.is_empty());
            }
            let filter = Filter::eq("name", "l3").negate();
            let count = world.crm.leads(actor).count(filter.clone()).await.unwrap();
            assert_eq!(slow.leads(actor).count(filter).await.unwrap(), count);
            let timeline = async |crm: &crm_core::Crm, limit: usize| {
                let (mut all, mut cursor) = (Vec::new(), None::<String>);
                for _ in 0..200 {
                    let page = crm.timeline(actor).of(lead, cursor.as_deref(), limit).await.unwrap();
                    all.extend(page.items);
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        return all;
                    }
                }
                panic!("a timeline that never ends");
            };
            let whole = timeline(&world.crm, 200).await;
            assert_eq!(timeline(&slow, 3).await, whole);
        }
        let board =
            world.crm.leads(&world.rep).board(world.lead_pipeline.id, &ListQuery::new().limit(3)).await.unwrap();
        let counts: Vec<u64> = board.iter().map(|column| column.count).collect();
        assert_eq!(counts, [5, 0, 0, 0, 0]);
        assert_eq!(board[0].items.len(), 3);
        let rest = ListQuery::new().filter(Filter::eq("stage_id", board[0].stage.id.to_string())).sort("created_at");
        let rest = rest.cursor(board[0].next_cursor.clone().unwrap());
        assert_eq!(world.crm.leads(&world.rep).list(&rest).await.unwrap().items.len(), 2);
        // A board's filter applies to the columns, their counts and their next pages.
        let some = ListQuery::new().filter(Filter::eq("name", "l3").negate()).limit(3);
        let board = world.crm.leads(&world.rep).board(world.lead_pipeline.id, &some).await.unwrap();
        let first = &board[0];
        let rest = ListQuery::new().filter(first.filter.clone()).sort("created_at");
        let rest = rest.cursor(first.next_cursor.clone().unwrap());
        let rest = world.crm.leads(&world.rep).list(&rest).await.unwrap().items;
        let all = world.crm.leads(&world.rep).list(&ListQuery::new().filter(first.filter.clone())).await.unwrap().items;
        assert_eq!(usize::try_from(first.count).unwrap(), first.items.len() + rest.len());
        assert!(usize::try_from(first.count).unwrap() == all.len() && all.iter().all(|lead| lead.name != "l3"));
        let cursor = ListQuery::new().cursor("x");
        assert_fault(world.crm.leads(&world.rep).board(world.lead_pipeline.id, &cursor).await, "cursor bad_cursor");
    });
}
