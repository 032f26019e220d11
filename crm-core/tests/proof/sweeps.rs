//! Sweeps: what is scored together, what happens meanwhile, and what cannot be written; and deals, which are scored by the
//! same rules as everything else.

use std::{sync::Arc, time::Duration};

use crm_core::{
    Crm, Error,
    clock::Clock as _,
    companies::{CompanyPatch, NewCompany},
    contacts::{ContactPatch, NewContact},
    deals::{Deal, DealPatch, NewDeal},
    filter::{Filter, Op},
    ids::IdSource as _,
    interactions::{Direction, NewInteraction},
    leads::{Lead, LeadPatch, NewLead},
    properties::{NewProperty, PropertyType},
    rescorings::{Rescoring, RescoringFields},
    schema::{Group, Image, Record, RecordKind as _},
    scoring::{Axis, Decay, Event, ModelDefinition, NewScoringModel, On, Rule, ScoreQuery},
    store::{Commit, Records as _, Write},
    testing::{CountedIds, Ready},
    value::{Currency, Id, Kind, Money, Ref, Value},
};

use crate::{
    racing::RacingStore,
    scoring::{behavior, calls, group, model, rule, simple, sweep},
    support::{Ticking, World, faults, run},
};

const LONG: Duration = Duration::from_hours(1);

/// Of deals: a large one 8 points, one of a big company 4, of a boss 2, a proposal 10, a call 5 that halves in ten days.
fn of_deals() -> NewScoringModel {
    let on = |on: On, key: &str, when: Filter, points: i64| Rule { on, ..rule(key, when, points) };
    let definition = ModelDefinition {
        groups: vec![
            group(
                "what",
                Axis::Fit,
                vec![
                    on(
                        On::Record,
                        "large",
                        Filter::is("value", Op::Ge, serde_json::json!({"amount": "1000", "currency": "USD"})),
                        8_000,
                    ),
                    on(On::Company, "big", Filter::is("employee_count", Op::Ge, 100), 4_000),
                    on(On::Contact, "boss", Filter::eq("job_title", "CEO"), 2_000),
                ],
                vec![],
            ),
            group(
                "does",
                Axis::Engagement,
                vec![],
                vec![
                    behavior("call", calls(), 5_000, Decay::HalfLifeDays(10), None),
                    behavior("proposal", Event::Stage(vec!["proposal".into()]), 10_000, Decay::None, None),
                ],
            ),
        ],
        hot_threshold: Some(20_000),
        refresh_hours: 24,
        ..ModelDefinition::default()
    };
    NewScoringModel { key: "deals".into(), kind: Some(Kind::Deal), ..model(definition) }
}

async fn deal(world: &World, id: Id<Deal>) -> Record<Deal> {
    world.crm.deals(&world.admin).get(id).await.unwrap()
}

#[test]
fn deals_are_scored_by_what_they_are_who_buys_and_what_happens() {
    run(async {
        let world = World::new().await;
        let made = world.crm.scoring_models(&world.admin).create(of_deals()).await.unwrap();
        let company = NewCompany { name: "Acme".into(), employee_count: Some(5), ..Default::default() };
        let company = world.crm.companies(&world.rep).create(company).await.unwrap().id;
        let contact = world.crm.contacts(&world.rep).create(NewContact { name: "Ada".into(), ..Default::default() });
        let contact = contact.await.unwrap().id;
        let new = NewDeal {
            title: "Engines".into(),
            value: Some(Money::new(5_000, Currency::USD)),
            company_id: Some(company),
            primary_contact_id: Some(contact),
            ..Default::default()
        };
        let id = world.crm.deals(&world.rep).create(new).await.unwrap().id;
        let first = deal(&world, id).await;
        assert_eq!((first.score, first.is_hot, first.model_version.as_deref()), (8_000, false, Some("deals@1")));
        sweep(&world).await;
        world.clock.advance_seconds(60);
        // What the company and the contact are reaches the deal, by way of their own marks.
        world.crm.companies(&world.admin).update(company, CompanyPatch::new().employee_count(500)).await.unwrap();
        sweep(&world).await;
        sweep(&world).await;
        assert_eq!(deal(&world, id).await.score, 12_000);
        world.crm.contacts(&world.admin).update(contact, ContactPatch::new().job_title("CEO")).await.unwrap();
        sweep(&world).await;
        sweep(&world).await;
        assert_eq!(deal(&world, id).await.score, 14_000);
        world.clock.advance_seconds(60);
        world.crm.deals(&world.rep).move_to(id, "proposal").await.unwrap();
        let call = NewInteraction {
            r#type: "call".into(),
            direction: Some(Direction::Inbound),
            subject: "a call".into(),
            completed_at: Some(world.clock.now()),
            links: vec![Ref::new(Kind::Deal, id)],
            ..Default::default()
        };
        world.crm.interactions(&world.rep).create(call).await.unwrap();
        sweep(&world).await;
        let hot = deal(&world, id).await;
        assert_eq!((hot.score, hot.is_hot), (29_000, true));
        let announced = |log: Vec<crm_core::change::Change>| -> Vec<String> {
            log.iter().filter(|change| change.group == Group::Machine).map(|change| change.action.to_string()).collect()
        };
        assert_eq!(announced(world.crm.deals(&world.admin).history(id).await.unwrap()), ["became_hot"]);
        // What is stored is what the log tells of that moment, and of any other.
        let record = Ref::new(Kind::Deal, id);
        let scoring = world.crm.scoring(&world.rep);
        let then = scoring.score(record, &ScoreQuery::as_it_was(hot.scored_at.unwrap())).await.unwrap();
        assert_eq!(then.points.total, hot.score);
        assert_eq!(then.contributions.iter().map(|part| part.points).sum::<i64>(), then.points.total);
        let at_first = scoring.score(record, &ScoreQuery::as_it_was(first.scored_at.unwrap())).await.unwrap();
        assert_eq!(at_first.points.total, 8_000);
        // Moved on to another contact, it is no longer a boss's.
        let patch = DealPatch::new().primary_contact_id(None);
        world.crm.deals(&world.rep).update(id, patch).await.unwrap();
        sweep(&world).await;
        assert_eq!(deal(&world, id).await.score, 27_000);
        // Won and lost deals of the quarter rank the versions.
        for outcome in ["closed_won", "closed_lost"] {
            let new = NewDeal {
                title: outcome.into(),
                value: (outcome == "closed_won").then(|| Money::new(5_000, Currency::USD)),
                ..Default::default()
            };
            let id = world.crm.deals(&world.rep).create(new).await.unwrap().id;
            world.clock.advance_seconds(60);
            world.crm.deals(&world.rep).update(id, DealPatch::new().close_reason("price")).await.unwrap();
            world.clock.advance_seconds(60);
            world.crm.deals(&world.rep).move_to(id, outcome).await.unwrap();
        }
        let trial = world.crm.scoring(&world.admin).try_model(made.id).await.unwrap();
        let ranking = &trial.rankings[0];
        assert_eq!((ranking.won, ranking.lost, ranking.auc), (1, 1, Some(1.0)), "{trial:?}");
        // Stages of leads are no stages of deals.
        let mut wrong = of_deals();
        wrong.key = "wrong".into();
        wrong.is_active = false;
        wrong.definition.as_mut().unwrap().groups[1].behaviors[1].event = Event::Stage(vec!["contacted".into()]);
        let refused = faults(world.crm.scoring_models(&world.admin).create(wrong).await);
        assert_eq!(refused, ["definition.groups[1].behaviors[1].event.stage unknown_stage"]);
    });
}

#[test]
fn a_batch_is_one_commit() {
    run(async {
        let world = World::new().await;
        let mut ids = Vec::new();
        for number in 0..60 {
            let new = NewLead { name: format!("l{number}"), source: Some("web".into()), ..Default::default() };
            ids.push(world.crm.leads(&world.admin).create(new).await.unwrap().id);
        }
        world.crm.scoring_models(&world.admin).create(model(simple())).await.unwrap();
        let commits = async || {
            let changes = world.crm.feed(None, 100_000).await.unwrap().changes;
            let announced = changes.iter().map(|(_, change)| change).filter(|change| change.group == Group::Machine);
            announced.map(|change| change.commit).collect::<std::collections::BTreeSet<_>>().len()
        };
        let swept = sweep(&world).await;
        // Each gets a grade, which is told: 61 records in commits of 25.
        assert_eq!((swept.written, commits().await), (61, 3));
    });
}

#[test]
fn who_is_faster_than_a_sweep_is_scored_as_he_left_it() {
    let (racing, fast, slow) = run(async {
        let world = World::new().await;
        let racing = RacingStore::on(world.store.clone());
        let ready = Ready { crm: world.crm.on(racing.clone()), ..(*world).clone() };
        let slow = World::from_ready(world.store.clone(), ready);
        (racing, world, slow)
    });
    let ids: Vec<Id<Lead>> = run(async {
        fast.crm.scoring_models(&fast.admin).create(model(simple())).await.unwrap();
        let mut ids = Vec::new();
        for number in 0..5 {
            let new = NewLead { name: format!("l{number}"), ..Default::default() };
            ids.push(fast.crm.leads(&fast.admin).create(new).await.unwrap().id);
        }
        sweep(&fast).await;
        fast.clock.advance_seconds(60);
        for id in &ids {
            fast.crm.leads(&fast.admin).update(*id, LeadPatch::new().source("web")).await.unwrap();
        }
        ids
    });
    let (crm, admin, clock, third) = (fast.crm.clone(), fast.admin.clone(), fast.clock.clone(), ids[2]);
    racing.before_next_commit(move || {
        clock.advance_seconds(60);
        run(async { crm.leads(&admin).update(third, LeadPatch::new().source("fair")).await }).unwrap();
    });
    run(async {
        let swept = sweep(&slow).await;
        assert!(!racing.is_armed());
        assert_eq!((swept.due, swept.written), (5, 4), "{swept:?}");
        let scoring = fast.crm.scoring(&fast.admin);
        for (number, id) in ids.iter().enumerate() {
            let lead = fast.crm.leads(&fast.admin).get(*id).await.unwrap();
            assert_eq!(lead.score, if number == 2 { 0 } else { 10_000 });
            // Also of the one that was read again: nothing in its score was recorded after it.
            let at = lead.scored_at.unwrap();
            let then = scoring.score(Ref::new(Kind::Lead, *id), &ScoreQuery::as_it_was(at)).await.unwrap();
            assert_eq!(then.points.total, lead.score);
        }
        assert_eq!(sweep(&fast).await.due, 0, "all marks are settled");
    });
}

/// A lead of whose 128 KB so little is left that no score fits in.
async fn full_lead(world: &World) -> Id<Lead> {
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        let new = NewProperty {
            kind: Some(Kind::Lead),
            key: key.into(),
            name: key.into(),
            r#type: PropertyType::LongText,
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(new).await.unwrap();
    }
    let sized = |bytes: usize| NewLead {
        name: "full".into(),
        tags: (10..60).map(|number| format!("{number}{}", "t".repeat(60))).collect(),
        job_title: Some("t".repeat(250)),
        company_name: Some("t".repeat(250)),
        properties: keys.iter().map(|&key| (key.into(), Value::text("p".repeat(15_800)))).collect(),
        description: Some("d".repeat(bytes)),
        ..NewLead::default()
    };
    let leads = world.crm.leads(&world.admin);
    let (mut fits, mut too_much) = (1_usize, 65_536);
    assert!(matches!(leads.create(sized(too_much)).plan().await, Err(Error::TooLarge { .. })));
    while too_much - fits > 1 {
        let middle = usize::midpoint(fits, too_much);
        match leads.create(sized(middle)).plan().await {
            Ok(_) => fits = middle,
            Err(Error::TooLarge { .. }) => too_much = middle,
            Err(other) => panic!("{other:?}"),
        }
    }
    leads.create(sized(fits)).await.unwrap().id
}

#[test]
fn one_that_has_no_room_for_a_score_stops_no_other_and_is_tried_again_later() {
    run(async {
        let world = World::new().await;
        let full = full_lead(&world).await;
        let mut others = Vec::new();
        for number in 0..3 {
            let new = NewLead { name: format!("l{number}"), source: Some("web".into()), ..Default::default() };
            others.push(world.crm.leads(&world.admin).create(new).await.unwrap().id);
        }
        world.crm.scoring_models(&world.admin).create(model(simple())).await.unwrap();
        let sweeper = world.crm.score_sweeper();
        let swept = sweeper.sweep(world.admin.tenant(), LONG).await.unwrap();
        assert!(
            matches!(&swept.failed[..], [(record, Error::TooLarge { .. })] if *record == full.into()),
            "{:?}",
            swept.failed
        );
        for id in others {
            assert_eq!(world.crm.leads(&world.admin).get(id).await.unwrap().score, 10_000);
        }
        assert_eq!(world.crm.leads(&world.admin).get(full).await.unwrap().model_version, None);
        // It does not come again before it would be refreshed.
        let swept = sweeper.sweep(world.admin.tenant(), LONG).await.unwrap();
        assert!(swept.due == 0 && swept.failed.is_empty(), "{swept:?}");
        world.clock.advance_seconds(25 * 3_600);
        assert_eq!(sweeper.sweep(world.admin.tenant(), LONG).await.unwrap().failed.len(), 1);
        // Made smaller, it is scored.
        world.crm.leads(&world.admin).update(full, LeadPatch::new().description("short").source("web")).await.unwrap();
        let swept = sweeper.sweep(world.admin.tenant(), LONG).await.unwrap();
        assert!(swept.failed.is_empty());
        assert_eq!(world.crm.leads(&world.admin).get(full).await.unwrap().score, 10_000);
    });
}

/// Sweeps with no budget, each of which ends after its first records, until nothing is due; how many there were.
async fn step_by_step(world: &World) -> usize {
    for round in 1..200 {
        let swept = world.crm.score_sweeper().sweep(world.admin.tenant(), Duration::ZERO).await.unwrap();
        if !swept.more && swept.due == 0 {
            return round;
        }
    }
    panic!("sweeping does not end");
}

#[test]
fn records_of_one_moment_are_all_swept_however_short_the_sweeps() {
    run(async {
        let world = World::new().await;
        for number in 0..230 {
            let new = NewLead { name: format!("l{number}"), source: Some("web".into()), ..Default::default() };
            world.crm.leads(&world.admin).create(new).await.unwrap();
        }
        world.crm.scoring_models(&world.admin).create(model(simple())).await.unwrap();
        let rounds = step_by_step(&world).await;
        assert!(rounds > 8, "{rounds}");
        let leads = world.crm.leads(&world.admin);
        assert_eq!(leads.count(Filter::eq("score", 10_000)).await.unwrap(), 230);
        assert_eq!(leads.count(Filter::eq("model_version", "ours@1")).await.unwrap(), 231);
    });
}

#[test]
fn what_depends_on_a_huge_company_is_marked_in_pages_and_a_sweep_goes_on_there() {
    run(async {
        let world = World::new().await;
        world.crm.scoring_models(&world.admin).create(of_deals()).await.unwrap();
        let company = NewCompany { name: "Acme".into(), employee_count: Some(5), ..Default::default() };
        let company = world.crm.companies(&world.admin).create(company).await.unwrap().id;
        for number in 0..330 {
            let new = NewDeal { title: format!("d{number}"), company_id: Some(company), ..Default::default() };
            world.crm.deals(&world.admin).create(new).await.unwrap();
        }
        sweep(&world).await;
        sweep(&world).await;
        world.clock.advance_seconds(60);
        world.crm.companies(&world.admin).update(company, CompanyPatch::new().employee_count(500)).await.unwrap();
        // One page of those that depend on it: a read and a commit for each 25 of the 100.
        let before = world.store.faults().calls();
        let swept = world.crm.score_sweeper().sweep(world.admin.tenant(), Duration::ZERO).await.unwrap();
        let calls = world.store.faults().calls() - before;
        assert!(swept.more && calls < 20, "{calls} {swept:?}");
        let rounds = step_by_step(&world).await;
        assert!(rounds > 12, "{rounds}");
        let deals = world.crm.deals(&world.admin);
        assert_eq!(deals.count(Filter::eq("score", 4_000)).await.unwrap(), 330);
    });
}

#[test]
fn a_mark_that_nobody_needs_is_removed_after_a_day_and_made_again_where_it_is_needed() {
    run(async {
        let world = World::new().await;
        world.crm.scoring_models(&world.admin).create(model(simple())).await.unwrap();
        let new = NewLead { name: "Ada".into(), ..Default::default() };
        let id = world.crm.leads(&world.admin).create(new).await.unwrap().id;
        sweep(&world).await;
        world.crm.leads(&world.admin).update(id, LeadPatch::new().source("web")).await.unwrap();
        sweep(&world).await;
        assert_eq!(world.store.forget_expired(world.clock.now()), 0);
        world.clock.advance_days(2);
        // Of the model and of the lead: it does not fade.
        assert_eq!(world.store.forget_expired(world.clock.now()), 2);
        world.crm.leads(&world.admin).update(id, LeadPatch::new().source("fair")).await.unwrap();
        world.clock.advance_days(2);
        assert_eq!(world.store.forget_expired(world.clock.now()), 0, "it is due, and waits for a sweep");
        sweep(&world).await;
        assert_eq!(world.crm.leads(&world.admin).get(id).await.unwrap().score, 0);
        // One that fades is due for ever.
        let call = NewInteraction {
            r#type: "call".into(),
            direction: Some(Direction::Inbound),
            subject: "a call".into(),
            completed_at: Some(world.clock.now()),
            links: vec![Ref::new(Kind::Lead, id)],
            ..Default::default()
        };
        world.crm.interactions(&world.admin).create(call).await.unwrap();
        sweep(&world).await;
        world.clock.advance_days(2);
        assert_eq!(world.store.forget_expired(world.clock.now()), 0);
    });
}

#[test]
fn a_round_looks_at_its_time_between_tenants_and_the_next_goes_on_there() {
    run(async {
        let first = World::new().await;
        let mut worlds = Vec::new();
        for number in 1..12 {
            let world = World::on(first.store.clone(), number).await;
            world.crm.scoring_models(&world.admin).create(model(simple())).await.unwrap();
            worlds.push(world);
        }
        let clock = Ticking::from(first.clock.now());
        let crm = Crm::builder(first.store.clone()).clock(clock.clone()).ids(CountedIds::series(99)).build();
        // The first has more to do than a round has time for, in every round.
        for number in 0..400 {
            let new = NewLead { name: format!("l{number}"), source: Some("web".into()), ..Default::default() };
            first.crm.leads(&first.admin).create(new).await.unwrap();
        }
        first.crm.scoring_models(&first.admin).create(model(simple())).await.unwrap();
        clock.tick(30_000);
        let mut tenants = std::collections::BTreeSet::new();
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 60, "rounds do not end: {}", tenants.len());
            let began = clock.now();
            // As a program of its own each time: how far a round came is kept by the store.
            let again = crm.on(first.store.clone());
            let all = again.score_sweeper().sweep_all(Duration::from_secs(4)).await.unwrap();
            assert!(all.failed.is_empty(), "{:?}", all.failed);
            let took = clock.now().since(began);
            assert!(took < 10_000_000, "a round of four seconds took {took} microseconds");
            tenants.extend(all.swept.iter().map(|(tenant, _)| *tenant));
            if rounds == 5 {
                assert!(tenants.len() > 6, "the others have their turns: {}", tenants.len());
            }
            if !all.more {
                break;
            }
        }
        assert_eq!(tenants.len(), 12);
        for world in worlds.iter().chain([&first]) {
            let left = Filter::missing("model_version");
            assert_eq!(world.crm.leads(&world.admin).count(left).await.unwrap(), 0);
        }
        // Nothing is due any more: all tenants are looked at in one round, with time enough.
        let all = crm.score_sweeper().sweep_all(LONG).await.unwrap();
        assert!(all.swept.is_empty() && !all.more);
    });
}

#[test]
fn where_nothing_is_due_a_round_costs_two_calls_however_many_tenants_there_are() {
    run(async {
        let world = World::new().await;
        world.crm.scoring_models(&world.admin).create(model(simple())).await.unwrap();
        let calls = async |crm: &Crm| {
            let before = world.store.faults().calls();
            let all = crm.score_sweeper().sweep_all(LONG).await.unwrap();
            assert!(!all.more && all.failed.is_empty(), "{all:?}");
            (all.swept.len(), world.store.faults().calls() - before)
        };
        assert_eq!(calls(&world.crm).await.0, 1);
        // Each has a record that is due tomorrow.
        let tomorrow = Value::Time(world.clock.now().plus_days(1));
        let ids = CountedIds::series(77);
        for _ in 0..1_000 {
            let tenant = ids.id(world.clock.now());
            let mut mark = Image::empty(Rescoring::decl(), tenant, ids.id(world.clock.now()));
            mark.versions.machine = 1;
            mark.values[RescoringFields::due_at as usize] = tomorrow.clone();
            let commit = Commit {
                id: ids.id(world.clock.now()).typed(),
                tenant,
                at: world.clock.now(),
                writes: vec![Write { before: None, after: Arc::new(mark), changes: Vec::new() }],
                guards: Vec::new(),
                claims: Vec::new(),
                key: None,
            };
            world.store.commit(&commit).await.unwrap();
        }
        assert_eq!(calls(&world.crm).await, (0, 2));
        // Of one of a thousand that has something due only that one is swept.
        world.crm.leads(&world.admin).update(world.lead.id, LeadPatch::new().source("web")).await.unwrap();
        let (swept, calls) = calls(&world.crm).await;
        assert!(swept == 1 && calls < 20, "{calls}");
    });
}
