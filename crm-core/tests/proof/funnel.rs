//! The funnel report: its numbers on a manual example, and its laws over random histories, with as-of and history as
//! oracles.

use std::collections::BTreeMap;

use crm_core::{
    Error,
    access::{Action, Actor, Scope},
    change::stage_times,
    deals::{Deal, DealPatch, NewDeal},
    filter::Filter,
    leads::{ConvertLead, Lead, NewLead},
    pipelines::{NewPipeline, Pipeline, PipelineKind, Stage, StageKind},
    reports::{Ending, FunnelQuery, FunnelReport, Moment, Outcomes, StageFunnel},
    value::{Id, Kind, Time},
};
use proptest::prelude::*;

use crate::support::{World, assert_fault, assert_forbidden, assert_not_found, grants, hidden, run};

const DAY: i64 = 86_400_000_000;

fn at<'a>(report: &'a FunnelReport, key: &str) -> &'a StageFunnel {
    report.stages.iter().find(|stage| stage.key == key).expect("a stage")
}

/// Count at the start, entries, exits, count at the end.
fn flow(report: &FunnelReport, key: &str) -> (u64, u64, u64, u64) {
    let stage = at(report, key);
    (stage.standing_at_start, stage.entries, stage.exits, stage.standing_at_end)
}

/// The targets of a stage's exits: keys, `None` for another pipeline.
fn exits(report: &FunnelReport, key: &str) -> Vec<(Option<String>, u64)> {
    at(report, key).went_to.iter().map(|to| (to.key.clone(), to.exits)).collect()
}

fn to(key: &str, exits: u64) -> (Option<String>, u64) {
    (Some(key.to_owned()), exits)
}

/// Lower quartile, median and upper quartile in days.
fn days(report: &FunnelReport, key: &str) -> [Option<i64>; 3] {
    let time = at(report, key).time;
    [time.lower_quartile_micros, time.median_micros, time.upper_quartile_micros].map(|micros| micros.map(|m| m / DAY))
}

/// Four leads over twelve days. Ada exists from the beginning and stays in `new`.
async fn leads() -> World {
    let world = World::new().await;
    let leads = world.crm.leads(&world.admin);
    let mut made: Vec<Id<Lead>> = Vec::new();
    for name in ["L1", "L2", "L3"] {
        let new = NewLead { name: name.into(), owner_id: Some(world.rep_user.id), ..Default::default() };
        made.push(leads.create(NewLead { source: Some("fair".into()), ..new }).await.unwrap().id);
    }
    world.clock.advance_days(2);
    leads.move_to(made[0], "contacted").await.unwrap();
    world.clock.advance_days(2);
    leads.move_to(made[1], "contacted").await.unwrap();
    leads.move_to(made[0], "qualified").await.unwrap();
    world.clock.advance_days(2);
    leads.disqualify(made[2], "no budget").await.unwrap();
    world.clock.advance_days(2);
    leads.convert(made[0], ConvertLead::default()).await.unwrap();
    world.clock.advance_days(2);
    leads.move_to(made[1], "new").await.unwrap();
    world.clock.advance_days(2);
    world
}

#[test]
fn the_figures_of_leads_are_those_one_counts_by_hand() {
    run(async {
        let world = leads().await;
        let query = FunnelQuery::of(world.lead_pipeline.id);
        let report = world.crm.reports(&world.admin).funnel(&query).await.unwrap();
        assert_eq!((report.kind, report.records, report.from), (Kind::Lead, 4, None));
        assert_eq!((report.until, report.followed_until), (world.clock.now(), world.clock.now()));
        let keys: Vec<&str> = report.stages.iter().map(|stage| stage.key.as_str()).collect();
        assert_eq!(keys, ["new", "contacted", "qualified", "converted", "unqualified"]);
        assert_eq!(flow(&report, "new"), (0, 5, 3, 2));
        assert_eq!(at(&report, "new").created, 4, "one came back");
        assert_eq!(exits(&report, "new"), [to("contacted", 2), to("unqualified", 1)]);
        assert!((at(&report, "new").went_to[0].rate - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(exits(&report, "contacted"), [to("new", 1), to("qualified", 1)]);
        assert_eq!(exits(&report, "qualified"), [to("converted", 1)]);
        assert_eq!(flow(&report, "converted"), (0, 1, 0, 1));
        // Stays of 2, 4 and 6 days, and two open ones of 2 and 12 days: S is 0.8, 0.53 and 0.27.
        let new = at(&report, "new").time;
        assert_eq!((new.finished, new.open), (3, 2));
        assert_eq!(days(&report, "new"), [Some(4), Some(6), None]);
        assert_eq!(days(&report, "contacted"), [Some(2), Some(4), Some(6)]);
        assert_eq!(days(&report, "unqualified"), [None; 3]);
        let four = Outcomes {
            records: 4,
            won: 1,
            lost: 1,
            open: 2,
            elsewhere: 0,
            conversion_rate: Some(0.25),
            win_rate: Some(0.5),
        };
        assert_eq!(report.cohort, four);
        assert_eq!(at(&report, "new").outcomes, four, "from the first stage to converted");
        assert_eq!(at(&report, "contacted").outcomes.conversion_rate, Some(0.5));
        let velocity = &report.velocity;
        assert_eq!((velocity.open, velocity.won, velocity.lost, velocity.win_rate), (2, 1, 1, Some(0.5)));
        assert_eq!(velocity.time_to_win.map(|time| (time.n, time.median_micros / DAY)), Some((1, 8)));
        assert_eq!((velocity.wins_per_day, velocity.value_per_day), (Some(0.125), None));
        let reasons: Vec<_> =
            report.reasons.as_ref().unwrap().iter().map(|r| (r.ending, r.reason.as_deref())).collect();
        assert_eq!(reasons, [(Ending::Won, None), (Ending::Lost, Some("no budget"))]);
    });
}

#[test]
fn a_period_counts_what_occurred_in_it_and_follows_what_began_in_it() {
    run(async {
        let world = leads().await;
        let day = |number: i64| world.lead.created_at.plus_days(number);
        let reports = world.crm.reports(&world.admin);
        let query = FunnelQuery::of(world.lead_pipeline.id).from(day(3)).until(day(7));
        let report = reports.funnel(&query).await.unwrap();
        assert_eq!((report.from, report.until), (Some(day(3)), day(7)));
        assert_eq!(flow(&report, "new"), (3, 0, 2, 1));
        assert_eq!(flow(&report, "contacted"), (1, 1, 1, 1));
        assert_eq!((report.velocity.won, report.velocity.lost, report.velocity.open), (0, 1, 3));
        assert_eq!(report.cohort.records, 0, "nobody entered the pipeline in these days");
        // The one stay in contacted that began in the period ended after it.
        assert_eq!(days(&report, "contacted"), [Some(6); 3]);
        assert_eq!(at(&report, "qualified").outcomes.won, 1);
        let then = reports.funnel(&query.clone().follow_until(day(7))).await.unwrap();
        let time = at(&then, "contacted").time;
        assert_eq!((time.finished, time.open, time.median_micros), (0, 1, None));
        assert_eq!((at(&then, "qualified").outcomes.won, at(&then, "qualified").outcomes.open), (0, 1));
        // A time belongs to the period that begins with it, not to the one that ends with it.
        let first = reports.funnel(&FunnelQuery::of(world.lead_pipeline.id).until(day(2))).await.unwrap();
        assert_eq!(flow(&first, "new"), (0, 4, 0, 4));
        let second = reports.funnel(&FunnelQuery::of(world.lead_pipeline.id).from(day(2)).until(day(4))).await.unwrap();
        assert_eq!(flow(&second, "new"), (4, 0, 1, 3));
        // A day begins at midnight in the organization's time zone, here UTC.
        let by_day: Moment = "2026-01-08".parse().unwrap();
        let report = reports.funnel(&FunnelQuery::of(world.lead_pipeline.id).from(by_day)).await.unwrap();
        assert_eq!(report.from, Some("2026-01-08T00:00:00Z".parse::<Time>().unwrap()));
        let upside_down = FunnelQuery::of(world.lead_pipeline.id).from(day(7)).until(day(3));
        assert_fault(reports.funnel(&upside_down).await, "until bad_period");
    });
}

#[test]
fn a_reason_is_that_of_the_loss_even_after_another_life() {
    run(async {
        let world = leads().await;
        let leads = world.crm.leads(&world.admin);
        let lost = FunnelQuery::of(world.lead_pipeline.id).filter(Filter::eq("name", "L3"));
        let until = world.clock.now();
        let reports = world.crm.reports(&world.admin);
        let l3 = leads.list(&crm_core::listing::ListQuery::new().filter(Filter::eq("name", "L3"))).await.unwrap();
        let id = l3.items[0].id;
        // Corrected while lost: the current reason. Lost again for another reason: an earlier period keeps its own.
        leads.update(id, crm_core::leads::LeadPatch::new().unqualified_reason("no money")).await.unwrap();
        let reason = async |query: &FunnelQuery| -> Vec<Option<String>> {
            let report = reports.funnel(query).await.unwrap();
            report.reasons.unwrap().into_iter().map(|reason| reason.reason).collect()
        };
        let some = |reason: &str| vec![Some(reason.to_owned())];
        assert_eq!(reason(&lost).await, some("no money"));
        world.clock.advance_days(1);
        leads.move_to(id, "contacted").await.unwrap();
        world.clock.advance_days(1);
        leads.disqualify(id, "gone away").await.unwrap();
        assert_eq!(reason(&lost).await, some("gone away"));
        assert_eq!(reason(&lost.clone().until(until)).await, some("no budget"));
        let reopened = reports.funnel(&lost.clone().from(until).until(world.clock.now())).await.unwrap();
        assert_eq!(reopened.velocity.lost, 0, "open again in that time");
    });
}

#[test]
fn only_what_a_grant_covers_is_counted_and_hidden_fields_do_not_exist() {
    run(async {
        let world = leads().await;
        let other = NewLead { name: "not the representative's".into(), ..Default::default() };
        let archived = world.crm.leads(&world.admin).create(other.clone()).await.unwrap();
        world.crm.leads(&world.admin).create(other).await.unwrap();
        world.crm.leads(&world.admin).archive(archived.id).await.unwrap();
        let query = FunnelQuery::of(world.lead_pipeline.id);
        let count = async |actor: &Actor| world.crm.reports(actor).funnel(&query).await.unwrap().records;
        assert_eq!((count(&world.admin).await, count(&world.rep).await), (5, 4));
        let web = query.clone().filter(Filter::eq("source", "fair"));
        assert_eq!(world.crm.reports(&world.rep).funnel(&web).await.unwrap().records, 3);
        // Read access does not include reports, and a grant on deals does not include leads.
        for (kind, action) in [(Kind::Lead, Action::Read), (Kind::Deal, Action::Report)] {
            let name = format!("{kind}_{action:?}").to_lowercase();
            let role = world.role(&name, grants(&[kind], &[action], Scope::All), Vec::new()).await;
            let actor = world.actor_with(&name, vec![role.id]).await;
            assert_forbidden(world.crm.reports(&actor).funnel(&query).await);
        }
        let nowhere = FunnelQuery::of(Id::from_parts(7, [7; 10]));
        assert_not_found(world.crm.reports(&world.admin).funnel(&nowhere).await);
        let all = grants(&[Kind::Lead, Kind::Deal], &[Action::Report], Scope::All);
        let rules = vec![
            hidden(Kind::Lead, "source"),
            hidden(Kind::Lead, "unqualified_reason"),
            hidden(Kind::Deal, "value"),
            hidden(Kind::Deal, "close_reason"),
        ];
        let role = world.role("blind", all.clone(), rules).await;
        let blind = world.actor_with("blind", vec![role.id]).await;
        assert_fault(world.crm.reports(&blind).funnel(&web).await, "source unknown_field");
        let report = world.crm.reports(&blind).funnel(&query).await.unwrap();
        assert_eq!((report.records, report.reasons), (5, None));
        let deal = NewDeal { title: "D".into(), value: "70 USD".parse().ok(), ..Default::default() };
        let deal = world.crm.deals(&world.admin).create(deal).await.unwrap().id;
        world.clock.advance_days(1);
        world.crm.deals(&world.admin).win(deal).await.unwrap();
        let deals = FunnelQuery::of(world.deal_pipeline.id);
        let seen = world.crm.reports(&world.admin).funnel(&deals).await.unwrap().velocity;
        assert!(seen.won_value.in_base.is_some() && seen.win_rate == Some(1.0));
        let report = world.crm.reports(&blind).funnel(&deals).await.unwrap();
        assert_eq!((report.velocity.won, report.velocity.won_value.in_base, report.reasons), (1, None, None));
        let role = world.role("stageless", all, vec![hidden(Kind::Lead, "stage_id")]).await;
        let stageless = world.actor_with("stageless", vec![role.id]).await;
        assert_fault(world.crm.reports(&stageless).funnel(&query).await, "stage_id unknown_field");
    });
}

/// A step of a random history: the deal, the action, the time before it, and how far it is backdated, in thousandths of
/// the time since the last step.
#[derive(Clone, Debug)]
enum Step {
    Create { stage: usize, own: bool },
    Move { deal: usize, stage: usize, back: i64 },
    Archive { deal: usize },
}

fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let step = prop_oneof![
        3 => (0..8_usize, any::<bool>()).prop_map(|(stage, own)| Step::Create { stage, own }),
        8 => (0..12_usize, 0..8_usize, prop_oneof![Just(0_i64), 0..=1000_i64])
            .prop_map(|(deal, stage, back)| Step::Move { deal, stage, back }),
        1 => (0..12_usize).prop_map(|deal| Step::Archive { deal }),
    ];
    proptest::collection::vec((step, 0..5_i64), 1..40)
}

/// Two pipelines of four stages each; the report is on the first.
async fn play(world: &World, steps: &[(Step, i64)]) -> (Id<Pipeline>, Vec<Id<Deal>>) {
    let stages = |prefix: &str| {
        vec![
            Stage::new(&format!("{prefix}1"), "One", StageKind::Open, 10),
            Stage::new(&format!("{prefix}2"), "Two", StageKind::Open, 50),
            Stage::new(&format!("{prefix}3"), "Won", StageKind::Won, 100),
            Stage::new(&format!("{prefix}4"), "Lost", StageKind::Lost, 0),
        ]
    };
    let mut all: Vec<Id<Stage>> = Vec::new();
    let mut pipelines: Vec<Id<Pipeline>> = Vec::new();
    for prefix in ["a", "b"] {
        let new =
            NewPipeline { name: prefix.into(), kind: PipelineKind::Deal, stages: stages(prefix), ..Default::default() };
        let made = world.crm.pipelines(&world.admin).create(new).await.unwrap();
        pipelines.push(made.id);
        all.extend(made.stages.iter().map(|stage| stage.id));
    }
    let deals = world.crm.deals(&world.admin);
    let mut made: Vec<Id<Deal>> = Vec::new();
    for (step, hours) in steps {
        world.clock.advance_seconds(hours * 3600);
        match step {
            Step::Create { stage, own } => {
                let new = NewDeal {
                    title: "D".into(),
                    pipeline_id: Some(pipelines[stage / 4]),
                    stage_id: Some(all[*stage]),
                    owner_id: own.then_some(world.rep_user.id),
                    ..Default::default()
                };
                made.push(deals.create(new).await.unwrap().id);
            }
            Step::Move { deal, stage, back } if !made.is_empty() => {
                let id = made[deal % made.len()];
                let deal = deals.get(id).await.unwrap();
                let since = deal.stage_entered_at.unwrap_or(deal.created_at);
                let occurred = world.clock.now().plus_micros(-(world.clock.now().since(since) / 1000 * back));
                let patch = DealPatch::new().close_reason("why");
                match deals.move_with(id, all[*stage], &patch).occurred_at(occurred).await {
                    Ok(_) | Err(Error::Invalid(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            Step::Archive { deal } if !made.is_empty() => {
                let _ = deals.archive(made[deal % made.len()]).await.unwrap();
            }
            Step::Move { .. } | Step::Archive { .. } => {}
        }
    }
    (pipelines[0], made)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_of_the_report(steps in steps(), from in 0..100_i64, length in 0..100_i64, as_rep in any::<bool>()) {
        run(async {
            let world = World::new().await;
            let began = world.clock.now();
            let (pipeline, made) = play(&world, &steps).await;
            let now = world.clock.now();
            let actor = if as_rep { &world.rep } else { &world.admin };
            let (from, until) = (began.plus_micros(from * 3_600_000_000), began.plus_micros((from + length) * 3_600_000_000));
            let query = FunnelQuery::of(pipeline).from(from).until(until);
            let report = world.crm.reports(actor).funnel(&query).await.unwrap();
            let deals = world.crm.deals(actor);
            // The result of as-of and history, record by record.
            let mut standing: BTreeMap<Id<Stage>, (u64, u64)> = BTreeMap::new();
            let mut entries: BTreeMap<Id<Stage>, u64> = BTreeMap::new();
            let mut matrix: BTreeMap<(Id<Stage>, Option<Id<Stage>>), u64> = BTreeMap::new();
            let mut records = 0;
            for id in made {
                let Ok(deal) = deals.get(id).await else { continue };
                if deal.archived_at.is_some() {
                    continue;
                }
                let mut ever = false;
                for (moment, at_end) in [(from, false), (until, true)] {
                    let Some(then) = deals.as_of(id, moment.plus_micros(-1)).await.unwrap() else { continue };
                    let counts = standing.entry(then.stage_id.unwrap()).or_default();
                    if at_end { counts.1 += 1 } else { counts.0 += 1 }
                }
                for change in deals.history(id).await.unwrap() {
                    let Some(moved) = change.field("stage_id") else { continue };
                    let of_ours = |stage: Id<Stage>| report.stages.iter().any(|one| one.id == stage);
                    let to = moved.new.as_id().unwrap().typed();
                    ever |= of_ours(to);
                    if from <= change.occurred_at && change.occurred_at < until {
                        *entries.entry(to).or_default() += 1;
                        if let Some(old) = moved.old.as_id().map(Id::typed) {
                            *matrix.entry((old, Some(to).filter(|&to| of_ours(to)))).or_default() += 1;
                        }
                    }
                }
                records += u64::from(ever);
                // The times of a record sum to its age.
                let times = stage_times(&deals.stage_intervals(id).await.unwrap(), now);
                let total: i64 = times.iter().map(|time| time.total_micros).sum();
                assert_eq!(total, now.since(deal.created_at));
            }
            assert_eq!(report.records, records);
            for stage in &report.stages {
                let (start, end) = standing.get(&stage.id).copied().unwrap_or_default();
                assert_eq!((stage.standing_at_start, stage.standing_at_end), (start, end), "{}", stage.key);
                assert_eq!(stage.entries, entries.get(&stage.id).copied().unwrap_or_default(), "{}", stage.key);
                assert_eq!(stage.standing_at_end + stage.exits, stage.standing_at_start + stage.entries);
                assert_eq!(stage.went_to.iter().map(|to| to.exits).sum::<u64>(), stage.exits);
                let rates: f64 = stage.went_to.iter().map(|to| to.rate).sum();
                assert!(stage.exits == 0 || (rates - 1.0).abs() < 1e-9);
                for to in &stage.went_to {
                    assert_eq!(matrix.get(&(stage.id, to.stage_id)), Some(&to.exits), "{} to {:?}", stage.key, to.key);
                }
                assert_eq!(stage.time.finished + stage.time.open, stage.entries);
                let outcomes = stage.outcomes;
                assert_eq!(outcomes.won + outcomes.lost + outcomes.open + outcomes.elsewhere, outcomes.records);
                assert!(outcomes.records <= stage.entries);
            }
            let closed: u64 = report.reasons.iter().flatten().map(|reason| reason.records).sum();
            assert_eq!(closed, report.velocity.won + report.velocity.lost);
            let open = report.stages.iter().filter(|stage| stage.kind == StageKind::Open);
            assert_eq!(open.map(|stage| stage.standing_at_end).sum::<u64>(), report.velocity.open);
        });
    }
}
