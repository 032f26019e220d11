//! The laws of the log: its content, a record as of any time, stage intervals, undo and rollback.

use crm_core::{
    Error,
    change::{Change, Origin},
    collection::NewWithHistory,
    companies::NewCompany,
    contacts::NewContact,
    deals::{Deal, DealPatch, NewDeal},
    error::UndoRefusal,
    leads::{ConvertLead, LeadPatch, NewLead},
    pipelines::StageKind,
    properties::{NewProperty, PropertyType},
    schema::Record,
    store::CommitId,
    value::{Currency, Date, Id, Kind, Money, Time, Value},
};
use proptest::prelude::*;

use crate::support::{World, assert_fault, assert_forbidden, assert_refused, run};

#[derive(Clone, Debug)]
enum Step {
    Move(usize),
    Text(u8),
    Money(i64),
    Probability(i64),
    Reason(u8),
    Tags(u8),
    Property(u8),
    Owner(bool),
    Archive,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_usize).prop_map(Step::Move),
        2 => any::<u8>().prop_map(Step::Text),
        2 => (0..5_i64).prop_map(Step::Money),
        1 => (0..=100_i64).prop_map(Step::Probability),
        1 => any::<u8>().prop_map(Step::Reason),
        1 => (0..4_u8).prop_map(Step::Tags),
        2 => (0..4_u8).prop_map(Step::Property),
        1 => any::<bool>().prop_map(Step::Owner),
        1 => Just(Step::Archive),
        1 => Just(Step::Restore),
    ]
}

/// A step, the time in hours before it, and the hours by which it is backdated.
fn steps() -> impl Strategy<Value = Vec<(Step, i64, Option<i64>)>> {
    proptest::collection::vec((step(), 0..30_i64, proptest::option::weighted(0.3, 0..40_i64)), 1..14)
}

async fn apply(world: &World, deal: Id<Deal>, step: &Step, at: Option<Time>) -> Result<Option<CommitId>, Error> {
    let deals = world.crm.deals(&world.admin);
    let patch = match step {
        Step::Move(stage) => {
            let stage = world.deal_pipeline.stages[*stage].id;
            let pending = deals.move_with(deal, stage, &DealPatch::new().close_reason("why"));
            return Ok(if let Some(at) = at { pending.occurred_at(at).await? } else { pending.await? }.commit);
        }
        Step::Archive => return Ok(deals.archive(deal).await?.commit),
        Step::Restore => return Ok(deals.restore(deal, DealPatch::new()).await?.commit),
        Step::Text(n) => DealPatch::new().title(format!("title {n}")).next_step((n % 3 != 0).then(|| n.to_string())),
        Step::Money(n) => DealPatch::new().value((*n != 0).then(|| Money::new(*n, Currency::EUR))),
        Step::Probability(n) => DealPatch::new().probability(*n),
        Step::Reason(n) => {
            DealPatch::new().close_reason(format!("{n}")).expected_close_date(Date::from_days(i32::from(*n)).unwrap())
        }
        Step::Tags(n) => DealPatch::new().tags((0..*n).map(|n| n.to_string()).collect::<Vec<_>>()),
        Step::Property(n) => {
            DealPatch::new().property("plan", if *n == 0 { Value::Null } else { Value::Int(i64::from(*n)) })
        }
        Step::Owner(some) => DealPatch::new().owner_id(some.then_some(world.rep_user.id)),
    };
    let pending = deals.update(deal, patch);
    Ok(if let Some(at) = at { pending.occurred_at(at).await? } else { pending.await? }.commit)
}

async fn prepared() -> (World, Id<Deal>) {
    let world = World::new().await;
    let new = NewProperty {
        kind: Some(Kind::Deal),
        key: "plan".into(),
        name: "Plan".into(),
        r#type: PropertyType::Integer,
        ..Default::default()
    };
    world.crm.properties(&world.admin).create(new).await.unwrap();
    let new = NewDeal { title: "D".into(), value: Some(Money::new(9, Currency::EUR)), ..Default::default() };
    let deal = world.crm.deals(&world.admin).create(new).await.unwrap().id;
    (world, deal)
}

/// All fields that users write, and the fields derived from them.
fn essence(deal: &Record<Deal>) -> String {
    format!("{:?} {:?} {:?} {:?} {:?}", deal.body(), deal.archived_at, deal.external_id, deal.properties, deal.version)
}

/// The same without fields that depend on the time of a change.
fn values(deal: &Record<Deal>) -> String {
    let body = Deal { stage_entered_at: None, ..deal.body().clone() };
    format!("{body:?} {:?} {:?} {:?}", deal.archived_at.is_some(), deal.external_id, deal.properties)
}

/// An independent implementation of as-of: for each field, the highest version that had occurred.
fn by_the_letter(history: &[Change], at: Time, known: Time, field: &str) -> Option<Value> {
    let mut counted: Vec<&Change> =
        history.iter().filter(|change| change.occurred_at <= at && change.recorded_at <= known).collect();
    counted.sort_by_key(|change| change.version);
    counted.iter().rev().find_map(|change| change.field(field)).map(|field| field.new.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_tells_the_record_at_every_moment(steps in steps()) {
        run(async {
            let (world, id) = prepared().await;
            let deals = world.crm.deals(&world.admin);
            let created = world.clock.now();
            let mut snapshots: Vec<(Time, Record<Deal>)> = vec![(created, deals.get(id).await.unwrap())];
            let mut dated_back = false;
            for (step, hours, back) in &steps {
                world.clock.advance_seconds(hours * 3600 + 1);
                let at = back.map(|back| world.clock.now().plus_micros(-back * 3_600_000_000));
                let at = at.filter(|_| !matches!(step, Step::Archive | Step::Restore));
                match apply(&world, id, step, at).await {
                    Ok(commit) => {
                        dated_back |= at.is_some() && commit.is_some();
                        snapshots.push((world.clock.now(), deals.get(id).await.unwrap()));
                    }
                    Err(Error::Invalid(_)) => {}
                    Err(other) => panic!("{step:?}: {other:?}"),
                }
            }
            let now = world.clock.now();
            let current = deals.get(id).await.unwrap();
            let history = deals.history(id).await.unwrap();
            // As known at each time and as of it, the record is what it was then.
            for (when, then) in &snapshots {
                let known = deals.as_of_known(id, *when, Some(*when)).await.unwrap().unwrap();
                let unlike = values(&known) != values(then);
                assert!(!unlike || dated_back, "{}\n{}", values(&known), values(then));
                if !dated_back {
                    assert_eq!(essence(&known), essence(then));
                    assert_eq!(essence(&deals.as_of(id, *when).await.unwrap().unwrap()), essence(then));
                }
            }
            if !dated_back {
                let as_of = deals.as_of(id, now).await.unwrap().unwrap();
                assert_eq!((&as_of.updated_at, &as_of.updated_by, &as_of.created_at), (&current.updated_at, &current.updated_by, &current.created_at));
            }
            // As of now is the current record, whatever was backdated.
            assert_eq!(essence(&deals.as_of(id, now).await.unwrap().unwrap()), essence(&current));
            assert!(deals.as_of(id, created.plus_micros(-1)).await.unwrap().is_none());
            assert!(deals.as_of_known(id, now, Some(created.plus_micros(-1))).await.unwrap().is_none());
            // Each field at each time, by the independent implementation.
            let mut moments: Vec<Time> = history.iter().flat_map(|c| [c.occurred_at, c.recorded_at]).collect();
            moments.extend(moments.clone().iter().map(|time| time.plus_micros(-1)));
            for &at in &moments {
                for &known in &moments {
                    let Some(then) = deals.as_of_known(id, at, Some(known)).await.unwrap() else { continue };
                    assert_eq!(Some(Value::text(then.title.as_str())), by_the_letter(&history, at, known, "title"));
                    assert_eq!(then.stage_id.map(Value::from), by_the_letter(&history, at, known, "stage_id"));
                    let plan = by_the_letter(&history, at, known, "properties.plan").filter(|value| !value.is_null());
                    assert_eq!(then.property("plan").cloned(), plan);
                }
            }
            // The version is the number of changes; each old value is the previous new one; recorded time never
            // decreases.
            assert_eq!(history.len() as u64, current.version);
            for (at, change) in history.iter().enumerate() {
                assert_eq!(change.version, at as u64 + 1);
                assert!(!change.fields.is_empty());
                assert!(at == 0 || history[at - 1].recorded_at <= change.recorded_at);
                assert!(change.occurred_at <= change.recorded_at && change.occurred_at >= created);
                for field in &change.fields {
                    let before = history[..at].iter().rev().find_map(|earlier| earlier.field(&field.field));
                    let blank = |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || matches!(value, Value::List(items) if items.is_empty());
                    match before {
                        Some(before) => assert_eq!(before.new, field.old, "{}", field.field),
                        None => assert!(blank(&field.old), "{} {:?}", field.field, field.old),
                    }
                    assert_ne!(field.old, field.new);
                }
            }
            // Stage intervals are contiguous and ordered, and sum to the record's age.
            let intervals = deals.stage_intervals(id).await.unwrap();
            assert_eq!(intervals[0].entered_at, created);
            for pair in intervals.windows(2) {
                assert_eq!(pair[0].left_at, Some(pair[1].entered_at));
                assert_ne!(pair[0].stage_id, pair[1].stage_id);
                assert!(pair[0].entered_at <= pair[1].entered_at);
            }
            let last = intervals.last().unwrap();
            assert_eq!((Some(last.stage_id), Some(last.entered_at), last.left_at), (current.stage_id, current.stage_entered_at, None));
            let times = deals.stage_times(id).await.unwrap();
            assert_eq!(times.iter().map(|time| time.total_micros).sum::<i64>(), now.since(created));
            assert_eq!(times.iter().map(|time| time.times as usize).sum::<usize>(), intervals.len());
        });
    }

    #[test]
    fn undo_of_any_single_change_restores_exactly(steps in steps(), last in step()) {
        run(async {
            let (world, id) = prepared().await;
            let deals = world.crm.deals(&world.admin);
            for (step, hours, _) in &steps {
                world.clock.advance_seconds(hours * 3600 + 1);
                let _ = apply(&world, id, step, None).await;
            }
            let before = deals.get(id).await.unwrap();
            world.clock.advance_seconds(60);
            let Ok(Some(commit)) = apply(&world, id, &last, None).await else { return };
            world.clock.advance_seconds(60);
            let undone = deals.undo(id, commit).await.expect("an undo");
            assert_eq!(values(&undone), values(&before), "{last:?}");
            assert_eq!(undone.version, before.version + 2);
            // And undo of the undo restores the change.
            let redone = deals.undo(id, undone.commit.unwrap()).await.expect("an undo of an undo");
            assert_eq!(redone.version, before.version + 3);
        });
    }

    #[test]
    fn roll_back_brings_back_any_version(steps in steps(), pick in 0..100_usize) {
        run(async {
            let (world, id) = prepared().await;
            let deals = world.crm.deals(&world.admin);
            let mut versions = vec![deals.get(id).await.unwrap()];
            for (step, hours, _) in &steps {
                world.clock.advance_seconds(hours * 3600 + 1);
                if apply(&world, id, step, None).await.is_ok() {
                    versions.push(deals.get(id).await.unwrap());
                }
            }
            let wanted = &versions[pick % versions.len()];
            let current = deals.get(id).await.unwrap();
            if current.archived_at.is_some() && wanted.archived_at.is_some() && current.version != wanted.version {
                assert_fault(deals.roll_back(id, wanted.version).await, "archived_at archived");
                return;
            }
            let back = deals.roll_back(id, wanted.version).await.expect("a roll back");
            assert_eq!(values(&back), values(wanted));
            assert!(!deals.roll_back(id, back.version).await.unwrap().changed());
            assert_eq!(essence(&deals.as_of(id, world.clock.now()).await.unwrap().unwrap()), essence(&back));
        });
    }
}

#[test]
fn every_field_that_people_write_is_logged() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let now = world.clock.now();
        let address = crm_core::value::Address { city: Some("Berlin".into()), ..Default::default() };
        let patch = LeadPatch::new()
            .name("N")
            .first_name("F")
            .last_name("L")
            .email("n@example.com")
            .phone("+4930123456")
            .mobile_phone("+4915112345678")
            .company_name("C")
            .job_title("J")
            .website("https://example.com/")
            .industry("I")
            .employee_count(5)
            .annual_revenue(Money::new(5, Currency::EUR))
            .address(Some(address))
            .source("S")
            .source_detail("SD")
            .unqualified_reason("U")
            .description("D")
            .do_not_email(true)
            .do_not_call(true)
            .owner_id(None)
            .team_id(None)
            .tags(vec!["t".to_owned()])
            .external_id("x")
            .shared_with([crm_core::value::Ref::new(Kind::User, world.rep_user.id)])
            .stage_id(world.lead_pipeline.stages[1].id);
        let before = leads.get(world.lead.id).await.unwrap();
        leads.update(world.lead.id, patch).await.unwrap();
        let change = leads.history(world.lead.id).await.unwrap().pop().unwrap();
        let decl = crm_core::catalog::decl(Kind::Lead);
        for field in decl.fields.iter().filter(|field| field.section == crm_core::schema::Section::User) {
            if !["pipeline_id", "properties"].contains(&field.name) {
                assert!(change.field(field.name).is_some(), "{} is not logged", field.name);
            }
        }
        assert_eq!(change.field("name").unwrap().old, Value::text(before.name.as_str()));
        assert_eq!((change.recorded_at, change.by, change.action.as_ref()), (now, world.admin.user(), "update"));
        let derived = ["status", "stage_kind", "stage_entered_at", "search_text", "updated_at", "score"];
        assert!(derived.iter().all(|name| change.field(name).is_none()));
    });
}

#[test]
fn times_of_occurrence_have_bounds() {
    run(async {
        let world = World::new().await;
        let now = world.clock.now();
        world.clock.advance_days(10);
        let deal = || NewDeal { title: "D".into(), owner_id: world.rep.user(), ..Default::default() };
        // A user without the permission to backdate cannot do so in any way.
        let mine = world.crm.deals(&world.rep);
        let here = mine.create(NewDeal { owner_id: None, ..deal() }).await.unwrap();
        world.clock.advance_days(10);
        let earlier = world.clock.now().plus_days(-1);
        assert_forbidden(mine.create(deal()).occurred_at(earlier).await);
        assert_forbidden(mine.create_with_history(deal(), earlier, vec![]).await);
        assert_forbidden(mine.create_many(vec![NewWithHistory::new(deal()).created_at(earlier)]).await.remove(0));
        assert_forbidden(mine.update(here.id, DealPatch::new().source("x")).occurred_at(earlier).await);
        assert_forbidden(mine.win(here.id).occurred_at(earlier).await);
        let deals = world.crm.deals(&world.manager);
        let won = deals.win(here.id).occurred_at(earlier).await.unwrap();
        assert_eq!((won.stage_entered_at, won.actual_close_date), (Some(earlier), Some(Date::of(earlier))));
        let created = won.created_at;
        assert_fault(
            deals.move_to(here.id, "proposal").occurred_at(earlier.plus_micros(-1)).await,
            "occurred_at too_small",
        );
        assert_fault(
            deals.update(here.id, DealPatch::new().source("x")).occurred_at(created.plus_micros(-1)).await,
            "occurred_at too_small",
        );
        assert_fault(
            deals.update(here.id, DealPatch::new().source("x")).occurred_at(world.clock.now().plus_micros(1)).await,
            "occurred_at too_large",
        );
        // Changes of other fields may be backdated before the current stage.
        deals.update(here.id, DealPatch::new().source("fair")).occurred_at(created).await.unwrap();
        let steps = vec![
            (now.plus_days(3), DealPatch::new().stage_id(world.deal_pipeline.stages[1].id)),
            (now.plus_days(2), DealPatch::new().stage_id(world.deal_pipeline.stages[2].id)),
        ];
        assert_fault(
            world.crm.deals(&world.admin).create_with_history(deal(), now, steps).await,
            "occurred_at too_small",
        );
        let steps = vec![(now.plus_days(-1), DealPatch::new().source("x"))];
        assert_fault(
            world.crm.deals(&world.admin).create_with_history(deal(), now, steps).await,
            "occurred_at too_small",
        );
        // The clock is set back a little: recorded time does not decrease.
        world.clock.set(world.clock.now().plus_micros(-30_000_000));
        let late = deals.update(here.id, DealPatch::new().source("back")).await.unwrap();
        let history = deals.history(late.id).await.unwrap();
        assert!(history.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
    });
}

#[test]
fn a_year_comes_in_with_its_history() {
    run(async {
        let world = World::new().await;
        let now = world.clock.now();
        let day = |day: i64| now.plus_days(day - 100);
        let won = world.deal_pipeline.first_of(StageKind::Won).unwrap().id;
        let steps = vec![
            (day(5), DealPatch::new().stage_id(world.deal_pipeline.stages[2].id)),
            (day(30), DealPatch::new().stage_id(won)),
        ];
        let new = NewDeal { title: "D".into(), ..Default::default() };
        let deals = world.crm.deals(&world.admin);
        let deal = deals.create_with_history(new, day(0), steps).await.unwrap();
        assert_eq!((deal.created_at, deal.actual_close_date, deal.version), (day(0), Some(Date::of(day(30))), 3));
        let times = deals.stage_times(deal.id).await.unwrap();
        let days: Vec<i64> = times.iter().map(|time| time.total_micros / 86_400_000_000).collect();
        assert_eq!(days, [5, 25, 70]);
        let then = deals.as_of(deal.id, day(6)).await.unwrap().unwrap();
        assert_eq!((then.status.as_str(), then.stage_entered_at), ("proposal", Some(day(5))));
        assert!(deals.as_of_known(deal.id, day(6), Some(day(99))).await.unwrap().is_none(), "it was not known then");
    });
}

#[test]
fn a_conversion_goes_back_whole_or_not_at_all() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let known = NewCompany {
            name: "Engines".into(),
            domain: Some("engines.example".into()),
            owner_id: None,
            ..Default::default()
        };
        let known = world.crm.companies(&world.rep).create(known).await.unwrap().into_value();
        leads
            .update(world.lead.id, LeadPatch::new().website("https://www.engines.example/about").phone("+4930123456"))
            .await
            .unwrap();
        leads.move_to(world.lead.id, "qualified").await.unwrap();
        let how = || ConvertLead {
            open_deal: Some(NewDeal { title: "T".into(), ..Default::default() }.into()),
            ..Default::default()
        };
        let made = leads.convert(world.lead.id, how()).await.unwrap();
        let (contact, company, deal) =
            (made.contact.clone().unwrap(), made.company.clone().unwrap(), made.deal.clone().unwrap());
        assert_eq!((company.id, company.version), (known.id, 2), "linked, its blank fields filled");
        assert_eq!(
            (contact.company_id, deal.company_id, deal.primary_contact_id, deal.lead_id),
            (Some(company.id), Some(company.id), Some(contact.id), Some(world.lead.id))
        );
        assert_eq!((made.lead.converted_company_id, made.lead.converted_deal_id), (Some(company.id), Some(deal.id)));
        // Somebody changed the deal: the conversion cannot be reverted.
        world.crm.deals(&world.rep).move_to(deal.id, "proposal").await.unwrap();
        match leads.unconvert(world.lead.id).await {
            Err(Error::Undo { record, why: UndoRefusal::ChangedSince(fields) }) => {
                assert_eq!(record.kind, Kind::Deal);
                assert!(fields.iter().any(|changed| changed.field == "stage_id"));
            }
            other => panic!("{other:?}"),
        }
        assert!(world.crm.contacts(&world.rep).get(contact.id).await.unwrap().archived_at.is_none());
        let lead = NewLead { name: "Bob".into(), email: Some("bob@example.com".into()), ..Default::default() };
        let lead = leads.create(lead).await.unwrap();
        leads.move_to(lead.id, "contacted").await.unwrap();
        let made = leads.convert(lead.id, how()).await.unwrap();
        let back = leads.unconvert(lead.id).await.unwrap();
        assert_eq!(
            (back.status.as_str(), back.converted_at, back.converted_deal_id, back.converted_contact_ids.len()),
            ("contacted", None, None, 0)
        );
        assert!(world.crm.deals(&world.rep).get(made.deal.as_ref().unwrap().id).await.unwrap().archived_at.is_some());
        assert!(
            world.crm.contacts(&world.rep).get(made.contact.as_ref().unwrap().id).await.unwrap().archived_at.is_some()
        );
        // The address is available again, and the lead can be converted again.
        leads.convert(lead.id, how()).await.unwrap();
    });
}

#[test]
fn a_linked_company_gets_back_what_it_was() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let contact =
            NewContact { name: "Ada L.".into(), emails: vec!["ada@engines.example".into()], ..Default::default() };
        let contact = world.crm.contacts(&world.rep).create(contact).await.unwrap().into_value();
        let made = leads.convert(world.lead.id, ConvertLead::default()).await.unwrap();
        let linked = made.contact.as_ref().unwrap();
        assert_eq!((linked.id, linked.name.as_str()), (contact.id, "Ada L."), "only blank fields are filled");
        assert_eq!(linked.first_name.as_deref(), Some("Ada"));
        leads.unconvert(world.lead.id).await.unwrap();
        let back = world.crm.contacts(&world.rep).get(contact.id).await.unwrap();
        assert_eq!((back.body(), &back.source_ids), (contact.body(), &contact.source_ids));
        assert!(back.archived_at.is_none());
        assert_refused(leads.unconvert(world.lead.id).await);
    });
}

#[test]
fn each_record_of_many_names_the_row_it_came_from() {
    run(async {
        let world = World::new().await;
        let importer = world.manager.clone().through(Origin {
            through: Some("import".into()),
            detail: Some("deals.csv".into()),
            address: Some("192.0.2.1".into()),
            ..Origin::default()
        });
        let deals = world.crm.deals(&importer);
        let won = world.deal_pipeline.first_of(StageKind::Won).unwrap().id;
        let now = world.clock.now();
        let deal = |row: usize, title: &str| {
            let new = NewDeal { title: title.into(), external_id: Some(format!("d{row}")), ..Default::default() };
            let new = NewWithHistory::new(new).created_at(now.plus_days(-2));
            new.then(now.plus_days(-1), DealPatch::new().stage_id(won))
        };
        let row = |row: usize| Origin { detail: Some(format!("deals.csv:{row}")), ..Origin::default() };
        let mut many: Vec<_> = (0..30).map(|at| deal(at, "D").through(row(at + 2))).collect();
        // One without an origin, one with an origin that exceeds the limits, one that fails its batch.
        many.push(deal(30, "D"));
        let odd = Origin { through: Some("by\0hand".into()), detail: Some("x".repeat(1000)), ..Origin::default() };
        many.push(deal(31, "D").through(odd));
        many.push(deal(32, "").through(row(34)));
        let verdicts = deals.create_many(many).await;
        assert!(verdicts[32].is_err());
        for (at, made) in verdicts.into_iter().take(32).enumerate() {
            let history = deals.history(made.unwrap().id).await.unwrap();
            assert_eq!(history.len(), 2);
            for change in history {
                let origin = change.origin.clone().unwrap();
                let (through, detail) = match at {
                    30 => ("import", "deals.csv".to_owned()),
                    31 => ("byhand", "x".repeat(255)),
                    at => ("import", format!("deals.csv:{}", at + 2)),
                };
                assert_eq!(
                    (origin.through.as_deref(), origin.detail.as_deref()),
                    (Some(through), Some(detail.as_str()))
                );
                assert_eq!(origin.address.as_deref(), Some("192.0.2.1"), "what the request was stays");
            }
        }
        // If the actor has no origin, the record has only that of its row.
        let plain = world.crm.deals(&world.manager);
        let made = plain.create_many(vec![deal(40, "D").through(row(9)), deal(41, "D")]).await;
        let of = async |id| plain.history(id).await.unwrap()[0].origin.clone();
        let ids: Vec<_> = made.into_iter().map(|made| made.unwrap().id).collect();
        assert_eq!(of(ids[0]).await.as_deref(), Some(&row(9)));
        assert_eq!(of(ids[1]).await, None);
    });
}
