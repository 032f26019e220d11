//! Scores: they say what they are made of, are the same function of the past however they are asked for, and what
//! records carry follows them.

use std::time::Duration;

use crm_core::{
    Error,
    access::{Action, Scope},
    companies::{CompanyPatch, NewCompany},
    contacts::{ContactPatch, NewContact},
    filter::{Filter, Op},
    interactions::{Direction, Interaction, InteractionPatch, NewInteraction},
    leads::{ConvertLead, Lead, LeadPatch, NewLead},
    listing::ListQuery,
    schema::{Group as ChangeGroup, Record},
    scoring::{
        Axis, Behavior, Decay, Event, Fact, GradeMatrix, Group, Limit, ModelDefinition, NewScoringModel, On, Rule,
        ScoreQuery, ScoringModel, ScoringModelPatch, Source,
    },
    value::{Id, Kind, Ref, Time, Value},
};
use proptest::prelude::*;

use crate::support::{World, assert_fault, assert_forbidden, assert_not_found, faults, grants, hidden, run};

/// A budget that never ends a sweep.
const LONG: Duration = Duration::from_hours(1);

pub fn rule(key: &str, when: Filter, points: i64) -> Rule {
    Rule { key: key.into(), on: On::Record, when, points }
}

pub fn behavior(key: &str, event: Event, points: i64, decay: Decay, limit: Option<Limit>) -> Behavior {
    Behavior { key: key.into(), event, points, decay, limit }
}

pub fn calls() -> Event {
    Event::Interaction(Filter::eq("type", "call"))
}

pub fn group(key: &str, axis: Axis, rules: Vec<Rule>, behaviors: Vec<Behavior>) -> Group {
    Group { key: key.into(), axis, rules, behaviors, ..Group::default() }
}

pub fn model(definition: ModelDefinition) -> NewScoringModel {
    NewScoringModel {
        key: "ours".into(),
        name: "Ours".into(),
        kind: Some(Kind::Lead),
        definition: Some(definition),
        is_active: true,
        ..Default::default()
    }
}

/// Web leads are worth 10 points, calls 20 that halve in ten days, reaching `contacted` 5; hot from 30 on.
pub fn simple() -> ModelDefinition {
    ModelDefinition {
        groups: vec![
            group("fit", Axis::Fit, vec![rule("web", Filter::eq("source", "web"), 10_000)], vec![]),
            group(
                "does",
                Axis::Engagement,
                vec![],
                vec![
                    behavior("call", calls(), 20_000, Decay::HalfLifeDays(10), None),
                    behavior("contacted", Event::Stage(vec!["contacted".into()]), 5_000, Decay::None, None),
                ],
            ),
        ],
        grades: Some(GradeMatrix { fit: [10_000, 5_000, 1], engagement: [40_000, 20_000, 5_000] }),
        hot_threshold: Some(30_000),
        refresh_hours: 24,
    }
}

async fn with_model(definition: ModelDefinition) -> (World, Record<ScoringModel>) {
    let world = World::new().await;
    let model = world.crm.scoring_models(&world.admin).create(model(definition)).await.unwrap().into_value();
    (world, model)
}

async fn lead(world: &World, source: &str) -> Record<Lead> {
    let new = NewLead {
        name: "Ada".into(),
        source: Some(source.into()),
        company_name: Some("Acme".into()),
        ..Default::default()
    };
    world.crm.leads(&world.rep).create(new).await.unwrap().into_value()
}

fn lead_ref(id: Id<Lead>) -> Ref {
    Ref::new(Kind::Lead, id)
}

async fn call(world: &World, lead: Id<Lead>, at: Time) -> Id<Interaction> {
    let new = NewInteraction {
        r#type: "call".into(),
        direction: Some(Direction::Inbound),
        subject: "a call".into(),
        completed_at: Some(at),
        links: vec![lead_ref(lead)],
        ..Default::default()
    };
    world.crm.interactions(&world.admin).create(new).await.unwrap().id
}

pub async fn sweep(world: &World) -> crm_core::scoring::SweepReport {
    let swept = world.crm.score_sweeper().sweep(world.admin.tenant(), LONG).await.unwrap();
    assert!(!swept.more);
    swept
}

async fn stored(world: &World, id: Id<Lead>) -> Record<Lead> {
    world.crm.leads(&world.admin).get(id).await.unwrap()
}

#[test]
fn a_new_lead_is_scored_with_its_creation_and_what_it_carries_is_explained() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let lead = lead(&world, "web").await;
        assert_eq!((lead.score, lead.grade.as_deref(), lead.is_hot), (10_000, Some("A4"), false));
        assert_eq!(lead.model_version.as_deref(), Some("ours@1"));
        assert_eq!((lead.version, lead.scored_at), (1, Some(world.clock.now())));
        let score = world.crm.scoring(&world.rep).score(lead_ref(lead.id), &ScoreQuery::default()).await.unwrap();
        assert_eq!((score.points.total, score.model.as_str()), (10_000, "ours@1"));
        assert_eq!(score.contributions.len(), 1);
        let part = &score.contributions[0];
        assert_eq!((part.group.as_ref(), part.rule.as_deref(), part.source), ("fit", Some("web"), Source::Rule));
        assert!(matches!(&part.facts[..], [Fact::Field { field, value, .. }]
            if field.as_ref() == "source" && value.as_text() == Some("web")));
    });
}

#[test]
fn what_happens_marks_a_lead_in_its_commit_and_a_sweep_scores_it() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let lead = lead(&world, "web").await;
        sweep(&world).await;
        call(&world, lead.id, world.clock.now()).await;
        call(&world, lead.id, world.clock.now()).await;
        assert_eq!(stored(&world, lead.id).await.score, 10_000, "a score follows, it is not waited for");
        let swept = sweep(&world).await;
        assert_eq!((swept.due, swept.scored, swept.written), (1, 1, 1));
        let hot = stored(&world, lead.id).await;
        assert_eq!((hot.score, hot.grade.as_deref(), hot.is_hot, hot.version), (50_000, Some("A1"), true, 1));
        // What it crossed is a change that others can follow; the score itself is none.
        let history = world.crm.leads(&world.rep).history(lead.id).await.unwrap();
        let announced: Vec<&str> =
            history.iter().filter(|change| change.group == ChangeGroup::Machine).map(|c| c.action.as_ref()).collect();
        // A new lead gets its first grade with its creation.
        assert_eq!(announced, ["grade_changed", "became_hot"]);
        assert!(history.iter().all(|change| change.field("score").is_none()));
        assert_eq!(sweep(&world).await.due, 0, "nothing is due any more");
        // Points fade though nobody does anything.
        world.clock.advance_days(10);
        let swept = sweep(&world).await;
        assert_eq!((swept.due, swept.written), (1, 1));
        let cooler = stored(&world, lead.id).await;
        assert_eq!((cooler.score, cooler.is_hot), (30_000, true));
        world.clock.advance_days(10);
        sweep(&world).await;
        let cold = stored(&world, lead.id).await;
        assert_eq!((cold.score, cold.is_hot), (20_000, false));
        let history = world.crm.leads(&world.rep).history(lead.id).await.unwrap();
        assert!(history.iter().any(|change| change.action == "cooled_down"));
        // After forty half-lives nothing is left that could fade, and nobody looks again.
        world.clock.advance_days(500);
        sweep(&world).await;
        world.clock.advance_days(500);
        assert_eq!(sweep(&world).await.due, 0);
        assert_eq!(stored(&world, lead.id).await.score, 10_000);
    });
}

#[test]
fn rescoring_never_turns_an_edit_into_a_conflict() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let lead = lead(&world, "web").await;
        call(&world, lead.id, world.clock.now()).await;
        let leads = world.crm.leads(&world.rep);
        sweep(&world).await;
        let renamed = leads.update(lead.id, LeadPatch::new().name("Ada L.")).if_version(lead.version).await.unwrap();
        assert_eq!((renamed.version, renamed.score), (2, 30_000));
        leads.update(lead.id, LeadPatch::new().source("fair")).if_version(2).await.unwrap();
        sweep(&world).await;
        assert_eq!(stored(&world, lead.id).await.score, 20_000);
    });
}

#[test]
fn a_change_that_no_rule_reads_marks_nothing() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let lead = lead(&world, "web").await;
        sweep(&world).await;
        world.crm.leads(&world.rep).update(lead.id, LeadPatch::new().job_title("CTO")).await.unwrap();
        assert_eq!(sweep(&world).await.due, 0);
        world.crm.leads(&world.rep).update(lead.id, LeadPatch::new().source("fair")).await.unwrap();
        assert_eq!(sweep(&world).await.written, 1);
        world.crm.leads(&world.rep).move_to(lead.id, "contacted").await.unwrap();
        assert_eq!(sweep(&world).await.written, 1);
        assert_eq!(stored(&world, lead.id).await.score, 5_000);
    });
}

#[test]
fn caps_and_floors_are_contributions_and_everything_sums() {
    run(async {
        let mut definition = simple();
        definition.groups[0].cap = Some(4_000);
        definition.groups[1].floor = Some(-3_000);
        definition.groups[1].behaviors[0].points = -20_000;
        definition.hot_threshold = None;
        let (world, _) = with_model(definition).await;
        let lead = lead(&world, "web").await;
        call(&world, lead.id, world.clock.now()).await;
        world.clock.advance_days(3);
        let score = world.crm.scoring(&world.rep).score(lead_ref(lead.id), &ScoreQuery::default()).await.unwrap();
        let parts: Vec<(Source, i64)> = score.contributions.iter().map(|part| (part.source, part.points)).collect();
        let faded = -16_245; // 20 points, 3 days of a half-life of 10: 20000 × 2^-0.3 = 16245.05
        assert_eq!(
            parts,
            [(Source::Rule, 10_000), (Source::Cap, -6_000), (Source::Behavior, faded), (Source::Floor, -3_000 - faded)]
        );
        assert_eq!(score.points.total, parts.iter().map(|(_, points)| points).sum::<i64>());
        assert_eq!((score.points.fit, score.points.engagement, score.points.total), (4_000, -3_000, 1_000));
    });
}

#[test]
fn a_limit_counts_the_first_within_its_time_and_linear_points_end() {
    run(async {
        let mut definition = simple();
        definition.groups[1].behaviors =
            vec![behavior("call", calls(), 10_000, Decay::LinearDays(10), Some(Limit { times: 2, hours: 24 }))];
        let (world, _) = with_model(definition).await;
        let lead = lead(&world, "fair").await;
        let start = world.clock.now();
        world.clock.advance_days(5);
        // Three within a day, of which two count; one a day after the first of them, which counts again.
        for hours in [0, 1, 2, 24] {
            call(&world, lead.id, start.plus_micros(hours * 3_600_000_000)).await;
        }
        let scoring = world.crm.scoring(&world.rep);
        let score = scoring.score(lead_ref(lead.id), &ScoreQuery::default()).await.unwrap();
        assert_eq!(score.contributions[0].facts.len(), 3);
        // 5 days, 4 days and 23 hours, 4 days old: 0.5 + (10 − 4.9583)/10 + 0.6 of ten points each, rounded once.
        assert_eq!(score.points.total, 16_042);
        world.clock.advance_days(20);
        let faded = scoring.score(lead_ref(lead.id), &ScoreQuery::default()).await.unwrap();
        assert_eq!(faded.points.total, 0);
    });
}

#[test]
fn a_new_version_scores_every_lead_again_and_an_interrupted_sweep_goes_on() {
    run(async {
        let (world, model) = with_model(simple()).await;
        for number in 0..250 {
            lead(&world, if number % 2 == 0 { "web" } else { "fair" }).await;
            world.clock.advance_seconds(1);
        }
        sweep(&world).await;
        let mut changed = simple();
        changed.groups[0].rules[0].points = 15_000;
        let models = world.crm.scoring_models(&world.admin);
        models.update(model.id, ScoringModelPatch::new().definition(Some(changed))).await.unwrap();
        let sweeper = world.crm.score_sweeper();
        let (mut rounds, mut scored) = (0, 0);
        loop {
            // With no budget a sweep ends after its first records: the next goes on there.
            let swept = sweeper.sweep(world.admin.tenant(), Duration::ZERO).await.unwrap();
            rounds += 1;
            scored += swept.scored;
            if !swept.more && swept.due == 0 {
                break;
            }
        }
        assert!(rounds > 10, "{rounds}");
        assert!(scored <= 300, "each is scored about once: {scored}");
        let leads = world.crm.leads(&world.admin);
        // With the ready tenant's own lead, which nobody scored before.
        assert_eq!(leads.count(Filter::eq("model_version", "ours@2")).await.unwrap(), 251);
        assert_eq!(leads.count(Filter::eq("score", 15_000)).await.unwrap(), 125);
        let first = leads.list(&ListQuery::new().sort("score").descending().limit(1)).await.unwrap().items;
        // The version before still makes what it made.
        let id = first[0].id;
        let before = ScoreQuery { model: Some(model.id), version: Some(1), ..Default::default() };
        let after = ScoreQuery { model: Some(model.id), version: Some(2), ..Default::default() };
        let scoring = world.crm.scoring(&world.rep);
        let (old, new) =
            (scoring.score(lead_ref(id), &before).await.unwrap(), scoring.score(lead_ref(id), &after).await.unwrap());
        assert_eq!((old.model.as_str(), new.model.as_str()), ("ours@1", "ours@2"));
        assert_eq!((old.points.total, new.points.total), (10_000, 15_000));
        let none = ScoreQuery { version: Some(9), ..before };
        assert_fault(scoring.score(lead_ref(id), &none).await, "version too_large");
    });
}

#[test]
fn a_sweep_touches_what_is_due_and_nothing_else() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let mut leads = Vec::new();
        for _ in 0..60 {
            leads.push(lead(&world, "fair").await.id);
        }
        sweep(&world).await;
        let before: Vec<u64> = {
            let mut all = Vec::new();
            for id in &leads {
                all.push(stored(&world, *id).await.machine_version);
            }
            all
        };
        call(&world, leads[7], world.clock.now()).await;
        call(&world, leads[31], world.clock.now()).await;
        let swept = sweep(&world).await;
        assert_eq!((swept.due, swept.scored, swept.written), (2, 2, 2));
        for (at, id) in leads.iter().enumerate() {
            let moved = stored(&world, *id).await.machine_version - before[at];
            assert_eq!(moved > 0, at == 7 || at == 31);
        }
    });
}

#[test]
fn what_a_lead_became_counts_for_it_and_changes_of_that_reach_it() {
    run(async {
        let mut definition = simple();
        definition.groups[0].rules = vec![
            Rule { key: "vip".into(), on: On::Contact, when: Filter::eq("job_title", "CEO"), points: 7_000 },
            Rule { key: "big".into(), on: On::Company, when: Filter::is("employee_count", Op::Ge, 100), points: 9_000 },
        ];
        let (world, _) = with_model(definition).await;
        let lead = lead(&world, "web").await;
        world.crm.leads(&world.rep).move_to(lead.id, "contacted").await.unwrap();
        world.crm.leads(&world.rep).move_to(lead.id, "qualified").await.unwrap();
        world.crm.leads(&world.rep).convert(lead.id, ConvertLead::default()).await.unwrap();
        sweep(&world).await;
        let converted = stored(&world, lead.id).await;
        assert_eq!(converted.score, 5_000);
        let contact = converted.converted_contact_ids[0];
        let company = converted.converted_company_id.unwrap();
        world.crm.contacts(&world.rep).update(contact, ContactPatch::new().job_title("CEO")).await.unwrap();
        sweep(&world).await;
        assert_eq!(stored(&world, lead.id).await.score, 12_000);
        world.crm.companies(&world.rep).update(company, CompanyPatch::new().employee_count(500)).await.unwrap();
        let moment = world.clock.now();
        sweep(&world).await;
        assert_eq!(stored(&world, lead.id).await.score, 21_000);
        // Before the contact was promoted it was worth less, then as now.
        let score =
            world.crm.scoring(&world.rep).score(lead_ref(lead.id), &ScoreQuery::as_it_was(moment)).await.unwrap();
        assert_eq!(score.points.total, 21_000);
    });
}

#[test]
fn contacts_and_companies_are_scored_too() {
    run(async {
        let world = World::new().await;
        let definition = ModelDefinition {
            groups: vec![group(
                "fit",
                Axis::Fit,
                vec![Rule {
                    key: "big".into(),
                    on: On::Company,
                    when: Filter::is("employee_count", Op::Ge, 100),
                    points: 9_000,
                }],
                vec![behavior("call", calls(), 1_000, Decay::None, None)],
            )],
            ..ModelDefinition::default()
        };
        let definition = ModelDefinition { refresh_hours: 24, ..definition };
        let new = NewScoringModel { kind: Some(Kind::Contact), ..model(definition) };
        world.crm.scoring_models(&world.admin).create(new).await.unwrap();
        let company = world
            .crm
            .companies(&world.rep)
            .create(NewCompany { name: "Acme".into(), ..Default::default() })
            .await
            .unwrap();
        let new = NewContact { name: "Ada".into(), company_id: Some(company.id), ..Default::default() };
        let contact = world.crm.contacts(&world.rep).create(new).await.unwrap();
        sweep(&world).await;
        world.crm.companies(&world.rep).update(company.id, CompanyPatch::new().employee_count(500)).await.unwrap();
        // The company's mark names its contacts; theirs then scores them.
        sweep(&world).await;
        sweep(&world).await;
        assert_eq!(world.crm.contacts(&world.rep).get(contact.id).await.unwrap().score, 9_000);
    });
}

#[test]
fn a_score_that_rests_on_a_hidden_field_is_hidden() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let restricted = world.restricted_rep("Shy", vec![hidden(Kind::Lead, "source")]).await;
        let new = NewLead { name: "Ada".into(), owner_id: restricted.user(), ..Default::default() };
        let lead = world.crm.leads(&world.admin).create(new).await.unwrap();
        world.crm.leads(&world.admin).update(lead.id, LeadPatch::new().source("web")).await.unwrap();
        call(&world, lead.id, world.clock.now()).await;
        sweep(&world).await;
        // Its rules and points would tell the source, and so would the figures kept on the record.
        let scoring = world.crm.scoring(&restricted);
        assert_fault(scoring.score(lead_ref(lead.id), &ScoreQuery::default()).await, "score unknown_field");
        let moments = [world.clock.now()];
        assert_fault(scoring.course(lead_ref(lead.id), &moments, &ScoreQuery::default()).await, "score unknown_field");
        let seen = world.crm.leads(&restricted).get(lead.id).await.unwrap();
        assert_eq!((seen.score, seen.is_hot, &seen.model_version, seen.scored_at), (0, false, &None, None));
        assert_ne!(world.crm.leads(&world.admin).get(lead.id).await.unwrap().score, 0);
        for field in ["score", "grade", "is_hot"] {
            let asked = world.crm.leads(&restricted).count(Filter::missing(field)).await;
            assert_fault(asked, &format!("{field} unknown_field"));
        }
        assert!(world.crm.leads(&restricted).list(&ListQuery::new().sort("score")).await.is_err());
        let told = world.crm.recommendations(&restricted).of(lead_ref(lead.id)).await.unwrap();
        assert!(told.iter().all(|one| one.gain.is_none() && one.rule.is_none()), "{told:?}");
        // So too where a behaviour rests on interactions, and whichever of the score's fields is hidden.
        let deaf =
            [hidden(Kind::Interaction, "completed_at"), hidden(Kind::Lead, "is_hot"), hidden(Kind::Lead, "grade")];
        for (at, rule) in deaf.into_iter().enumerate() {
            let deaf = world.restricted_rep(&format!("Deaf{at}"), vec![rule]).await;
            world.crm.leads(&world.admin).update(lead.id, LeadPatch::new().owner_id(deaf.user())).await.unwrap();
            let refused = world.crm.scoring(&deaf).score(lead_ref(lead.id), &ScoreQuery::default()).await;
            assert_fault(refused, "score unknown_field");
            assert_eq!(world.crm.leads(&deaf).get(lead.id).await.unwrap().score, 0);
        }
        world.crm.leads(&world.admin).update(lead.id, LeadPatch::new().owner_id(restricted.user())).await.unwrap();
        let blind = world.restricted_rep("Blind", vec![hidden(Kind::Lead, "score")]).await;
        let new = NewLead { name: "Bob".into(), owner_id: blind.user(), ..Default::default() };
        let theirs = world.crm.leads(&world.admin).create(new).await.unwrap();
        let refused = world.crm.scoring(&blind).score(lead_ref(theirs.id), &ScoreQuery::default()).await;
        assert_fault(refused, "score unknown_field");
        // Another's lead, and another tenant's.
        assert_not_found(world.crm.scoring(&restricted).score(lead_ref(world.lead.id), &ScoreQuery::default()).await);
        let other = World::on(world.store.clone(), 7).await;
        assert_not_found(other.crm.scoring(&other.admin).score(lead_ref(lead.id), &ScoreQuery::default()).await);
    });
}

#[test]
fn who_may_not_see_the_company_sees_the_points_it_gives_and_not_why() {
    run(async {
        let mut definition = simple();
        definition.groups[0].rules = vec![Rule {
            key: "big".into(),
            on: On::Company,
            when: Filter::is("employee_count", Op::Ge, 100),
            points: 9_000,
        }];
        let (world, _) = with_model(definition).await;
        let lead = lead(&world, "web").await;
        for stage in ["contacted", "qualified"] {
            world.crm.leads(&world.rep).move_to(lead.id, stage).await.unwrap();
        }
        world.crm.leads(&world.rep).convert(lead.id, ConvertLead::default()).await.unwrap();
        let company = stored(&world, lead.id).await.converted_company_id.unwrap();
        world.crm.companies(&world.rep).update(company, CompanyPatch::new().employee_count(500)).await.unwrap();
        let reader = world.role("lead_reader", grants(&[Kind::Lead], &[Action::Read], Scope::All), vec![]).await;
        let reader = world.actor_with("Reader", vec![reader.id]).await;
        let score = world.crm.scoring(&reader).score(lead_ref(lead.id), &ScoreQuery::default()).await.unwrap();
        let part = score.contributions.iter().find(|part| part.rule.as_deref() == Some("big")).unwrap();
        assert_eq!((part.points, &part.facts[..]), (9_000, &[Fact::Hidden][..]));
    });
}

#[test]
fn only_who_may_writes_models_and_only_one_of_a_kind_is_in_force() {
    run(async {
        let (world, first) = with_model(simple()).await;
        let models = world.crm.scoring_models(&world.admin);
        assert_forbidden(world.crm.scoring_models(&world.rep).create(model(simple())).await);
        let second = NewScoringModel { key: "second".into(), name: "Second".into(), ..model(simple()) };
        let refused = models.create(second.clone()).await;
        assert!(matches!(refused, Err(Error::Duplicate { ref field, .. }) if field == "is_active"), "{refused:?}");
        let second = models.create(NewScoringModel { is_active: false, ..second }).await.unwrap();
        world.crm.scoring(&world.admin).activate(second.id).await.unwrap();
        assert!(!models.get(first.id).await.unwrap().is_active);
        let lead = lead(&world, "web").await;
        assert_eq!(lead.model_version.as_deref(), Some("second@2"));
        assert_forbidden(world.crm.scoring(&world.rep).activate(first.id).await);
        // The key of a model that is gone stays its own: old scores name it.
        models.archive(first.id).await.unwrap();
        assert_fault(models.create(NewScoringModel { is_active: false, ..model(simple()) }).await, "key archived");
        assert_fault(models.update(second.id, ScoringModelPatch::new().key("third")).await, "key fixed");
    });
}

#[test]
fn what_is_wrong_with_a_model_names_the_rule_and_the_field() {
    run(async {
        let world = World::new().await;
        let models = world.crm.scoring_models(&world.admin);
        let check = async |change: fn(&mut ModelDefinition)| {
            let mut definition = simple();
            change(&mut definition);
            faults(models.create(model(definition)).await)
        };
        let one = |fault: &str| vec![format!("definition.{fault}")];
        assert_eq!(check(|d| d.groups.clear()).await, one("groups required"));
        assert_eq!(
            check(|d| d.groups[0].rules[0].when = Filter::eq("sauce", "web")).await,
            one("groups[0].rules[0].when.sauce unknown_field")
        );
        assert_eq!(
            check(|d| d.groups[0].rules[0].when = Filter::eq("employee_count", "many")).await,
            one("groups[0].rules[0].when.employee_count wrong_type")
        );
        assert_eq!(
            check(|d| d.groups[0].rules[0].when = Filter::is("score", Op::Gt, 5)).await,
            one("groups[0].rules[0].when.score computed")
        );
        assert_eq!(
            check(|d| d.groups[0].rules[0].when = Filter::missing("last_activity_at")).await,
            one("groups[0].rules[0].when.last_activity_at computed")
        );
        assert_eq!(check(|d| d.groups[0].rules[0].points = i64::MAX).await, one("groups[0].rules[0].points too_large"));
        assert_eq!(
            check(|d| d.groups[1].behaviors[0].decay = Decay::HalfLifeDays(0)).await,
            one("groups[1].behaviors[0].decay too_small")
        );
        assert_eq!(
            check(|d| d.groups[1].behaviors[0].decay = Decay::LinearDays(0)).await,
            one("groups[1].behaviors[0].decay too_small")
        );
        assert_eq!(
            check(|d| d.groups[1].behaviors[0].limit = Some(Limit { times: 0, hours: 5 })).await,
            one("groups[1].behaviors[0].limit too_small")
        );
        assert_eq!(
            check(|d| d.groups[1].behaviors[1].event = Event::Stage(vec!["gone".into()])).await,
            one("groups[1].behaviors[1].event.stage unknown_stage")
        );
        assert_eq!(
            check(|d| d.groups[1].behaviors[0].event = Event::Interaction(Filter::eq("no", 1))).await,
            one("groups[1].behaviors[0].event.interaction.no unknown_field")
        );
        assert_eq!(
            check(|d| (d.groups[0].cap, d.groups[0].floor) = (Some(-5), None)).await,
            one("groups[0].cap contradiction")
        );
        assert_eq!(
            check(|d| (d.groups[0].cap, d.groups[0].floor) = (Some(9), Some(5))).await,
            one("groups[0].floor contradiction")
        );
        assert_eq!(check(|d| d.groups[1].key = "fit".into()).await, one("groups[1].key duplicate"));
        assert_eq!(
            check(|d| d.groups[0].rules[0].key = "A rule".into()).await,
            one("groups[0].rules[0].key wrong_type")
        );
        assert_eq!(check(|d| d.groups[1].behaviors.clear()).await, one("hot_threshold too_large"));
        assert_eq!(check(|d| d.refresh_hours = 0).await, one("refresh_hours too_large"));
        assert_eq!(
            check(|d| d.grades = Some(GradeMatrix { fit: [1, 2, 3], engagement: [3, 2, 1] })).await,
            one("grades.fit wrong_order")
        );
        let task = NewScoringModel { kind: Some(Kind::Task), ..model(simple()) };
        assert_eq!(faults(models.create(task).await), ["kind unknown_choice"]);
        // All at once.
        let many = check(|d| {
            d.groups[0].rules[0].points = i64::MIN;
            d.groups[1].behaviors[0].decay = Decay::LinearDays(0);
        });
        assert_eq!(many.await.len(), 2);
        let unknown: Result<ModelDefinition, _> = serde_json::from_str(r#"{"groups": [], "hot": 3}"#);
        assert!(unknown.is_err());
    });
}

#[test]
fn moments_that_cannot_be_asked_for_are_refused() {
    run(async {
        let (world, _) = with_model(simple()).await;
        let lead = lead(&world, "web").await;
        let scoring = world.crm.scoring(&world.rep);
        let at = |at: Time| ScoreQuery { at: Some(at), ..Default::default() };
        let now = world.clock.now();
        assert_fault(scoring.score(lead_ref(lead.id), &at(now.plus_days(1))).await, "at too_large");
        assert_fault(scoring.score(lead_ref(lead.id), &at(now.plus_days(-1))).await, "at too_small");
        assert_fault(
            scoring.score(Ref::new(Kind::Team, world.team.id), &ScoreQuery::default()).await,
            "kind unknown_choice",
        );
        let course = scoring.course(lead_ref(lead.id), &[now, now.plus_days(-1)], &ScoreQuery::default()).await;
        assert_fault(course, "moments wrong_order");
        let none = World::new().await;
        assert_not_found(none.crm.scoring(&none.rep).score(lead_ref(none.lead.id), &ScoreQuery::default()).await);
    });
}

#[test]
fn the_starter_is_a_model_for_the_first_day() {
    run(async {
        let world = World::new().await;
        world.crm.scoring_models(&world.admin).create(ScoringModel::starter()).await.unwrap();
        let new = NewLead {
            name: "Ada".into(),
            email: Some("ada@engines.example".into()),
            company_name: Some("Engines".into()),
            job_title: Some("CTO".into()),
            employee_count: Some(300),
            source: Some("referral".into()),
            ..Default::default()
        };
        let lead = world.crm.leads(&world.rep).create(new).await.unwrap();
        assert_eq!((lead.score, lead.grade.as_deref(), lead.is_hot), (40_000, Some("A4"), false));
        for _ in 0..2 {
            call(&world, lead.id, world.clock.now()).await;
        }
        sweep(&world).await;
        let called = stored(&world, lead.id).await;
        assert_eq!((called.score, called.grade.as_deref(), called.is_hot), (76_000, Some("A1"), true));
    });
}

/// Leads whose outcome hangs on their source and their size; `sure` is filled in by whoever closes them.
async fn with_outcomes(world: &World, count: usize, telling: bool) {
    use crm_core::properties::{NewProperty, PropertyType};
    {
        let key = "sure";
        let new = NewProperty {
            kind: Some(Kind::Lead),
            key: key.into(),
            name: key.into(),
            r#type: PropertyType::Integer,
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(new).await.unwrap();
    }
    let leads = world.crm.leads(&world.admin);
    let mut seed = 7_u64;
    for number in 0..count {
        // A little generator of its own, so that outcomes are chance where nothing tells.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = seed >> 33;
        let (source, size) = (["web", "fair", "referral"][number % 3], i64::try_from(number * 37 % 100).unwrap());
        let likely = if telling { u64::from(source == "referral") * 40 + size.unsigned_abs() / 2 } else { 50 };
        let won = chance % 100 < likely;
        let new = NewLead {
            name: format!("Lead {number}"),
            source: Some(source.into()),
            employee_count: Some(size),
            job_title: Some(format!("title {number}")),
            ..Default::default()
        };
        let lead = leads.create(new).await.unwrap();
        world.clock.advance_seconds(600);
        if won {
            leads.move_to(lead.id, "contacted").await.unwrap();
            leads.move_to(lead.id, "qualified").await.unwrap();
            leads
                .convert(lead.id, ConvertLead { company: crm_core::leads::Target::Skip, ..Default::default() })
                .await
                .unwrap();
        } else {
            leads.disqualify(lead.id, "no budget").await.unwrap();
        }
        world.clock.advance_seconds(600);
        // Whoever closes a lead notes how sure they are: before it is closed nobody has.
        if !won {
            leads.update(lead.id, LeadPatch::new().property("sure", Value::Int(3))).await.unwrap();
        }
    }
}

#[test]
fn a_model_learns_from_outcomes_as_records_were_before_them() {
    use crm_core::predict::{Exclusion, LeakReason, Options};
    run(async {
        let world = World::new().await;
        with_outcomes(&world, 400, true).await;
        let options = Options { resamplings: 0, both_ways: false, ..Options::default() };
        let learned = world.crm.scoring(&world.admin).train(Kind::Lead, &options).await.unwrap();
        assert!(learned.model.is_confident(), "{:?}", learned.report.evaluation);
        assert!(learned.report.evaluation.metrics.auc.unwrap() > 0.6, "{:?}", learned.report.evaluation.metrics);
        let features = &learned.report.features;
        assert!(
            features.contains(&"source".to_owned()) && features.contains(&"employee_count".to_owned()),
            "{features:?}"
        );
        // Names, free text, what is personal and the stage are none.
        for none in ["name", "job_title", "email", "phone", "stage_id", "unqualified_reason"] {
            assert!(!features.iter().any(|feature| feature == none), "{none}");
        }
        // What was filled in only after the outcome is told by the log, which knows no name of it, and was missing then.
        let leak = learned.report.leakage.iter().find(|leak| leak.column == "properties.sure").unwrap();
        assert!(
            leak.reasons.iter().any(|reason| matches!(reason, LeakReason::WrittenAfter { share } if *share > 0.99))
        );
        assert!(
            learned.report.excluded.iter().any(|one| one.column == "properties.sure" && one.why == Exclusion::Empty)
        );
        // It is a plain value.
        let text = serde_json::to_string(&learned).unwrap();
        assert_eq!(serde_json::from_str::<crm_core::scoring::Learned>(&text).unwrap(), learned);
        let again = world.crm.scoring(&world.admin).train(Kind::Lead, &options).await.unwrap();
        assert_eq!(again.model, learned.model, "the same records give the same model");
        // It says why: the contributions add up to the log-odds in their order, bit for bit.
        let new = NewLead {
            name: "Ada".into(),
            source: Some("referral".into()),
            employee_count: Some(95),
            ..Default::default()
        };
        let good = world.crm.leads(&world.admin).create(new).await.unwrap();
        let new =
            NewLead { name: "Bob".into(), source: Some("web".into()), employee_count: Some(2), ..Default::default() };
        let bad = world.crm.leads(&world.admin).create(new).await.unwrap();
        let scoring = world.crm.scoring(&world.admin);
        let of = async |id: Id<Lead>| scoring.predict(lead_ref(id), &learned, None).await.unwrap();
        let (good_odds, bad_odds) = (of(good.id).await, of(bad.id).await);
        assert!(good_odds.probability > bad_odds.probability + 0.2);
        let sum = good_odds.contributions.iter().fold(good_odds.base, |sum, one| sum + one.log_odds);
        assert_eq!(sum.to_bits(), good_odds.log_odds.to_bits());
        // Then as now.
        world.clock.advance_seconds(60);
        world.crm.leads(&world.admin).update(good.id, LeadPatch::new().source("web").employee_count(1)).await.unwrap();
        let then = scoring.predict(lead_ref(good.id), &learned, Some(good.created_at)).await.unwrap();
        assert_eq!(then.log_odds.to_bits(), good_odds.log_odds.to_bits());
        assert!(of(good.id).await.probability < good_odds.probability);
        // Whoever may not see a field is told no likelihood that rests on it.
        let blind = world.restricted_rep("Blind", vec![hidden(Kind::Lead, "source")]).await;
        let new = NewLead {
            name: "Eve".into(),
            owner_id: blind.user(),
            source: Some("referral".into()),
            ..Default::default()
        };
        let theirs = world.crm.leads(&world.admin).create(new).await.unwrap();
        let refused = world.crm.scoring(&blind).predict(lead_ref(theirs.id), &learned, None).await;
        assert_fault(refused, "likelihood unknown_field");
        assert_forbidden(world.crm.scoring(&world.rep).train(Kind::Lead, &options).await);
        assert_not_found(world.crm.scoring(&blind).predict(lead_ref(good.id), &learned, None).await);
    });
}

#[test]
fn what_cannot_be_read_in_time_is_left_out_and_said() {
    use crm_core::predict::Options;
    run(async {
        let world = World::new().await;
        with_outcomes(&world, 1_100, false).await;
        let options = Options { resamplings: 0, both_ways: false, ..Options::default() };
        let scoring = world.crm.scoring(&world.admin);
        // The time is up from the beginning: the newest thousand are read all the same.
        let some = scoring.train_until(Kind::Lead, &options, world.clock.now()).await.unwrap();
        assert_eq!((some.report.rows, some.of_all), (1_000, false));
        let all = scoring.train(Kind::Lead, &options).await.unwrap();
        assert_eq!((all.report.rows, all.of_all), (1_100, true));
    });
}

#[test]
fn what_cannot_be_learned_is_refused_or_said() {
    use crm_core::predict::Options;
    run(async {
        let world = World::new().await;
        let options = Options { resamplings: 0, both_ways: false, ..Options::default() };
        let scoring = world.crm.scoring(&world.admin);
        assert_fault(scoring.train(Kind::Lead, &options).await, "outcomes too_few");
        assert_fault(scoring.train(Kind::Task, &options).await, "kind unknown_choice");
        with_outcomes(&world, 60, false).await;
        assert_fault(scoring.train(Kind::Lead, &options).await, "outcomes too_few");
        let unknown = Options { exclude: vec!["nonsense".into()], ..options.clone() };
        with_more(&world).await;
        assert_fault(scoring.train(Kind::Lead, &unknown).await, "exclude unknown_field");
        // Chance is not learned: the base rate is all there is, and nothing contributes to it.
        let learned = scoring.train(Kind::Lead, &options).await.unwrap();
        assert!(!learned.model.is_confident(), "{:?}", learned.report.evaluation);
        let odds = scoring.predict(lead_ref(world.lead.id), &learned, None).await.unwrap();
        assert!(!odds.confident && odds.contributions.is_empty());
        assert!((odds.probability - learned.model.parts().base_rate).abs() < 1e-12);
    });
}

/// As many again, by chance alone.
async fn with_more(world: &World) {
    let leads = world.crm.leads(&world.admin);
    let mut seed = 99_u64;
    for number in 0..240 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let source = ["web", "fair", "referral"][number % 3];
        let new = NewLead { name: format!("More {number}"), source: Some(source.into()), ..Default::default() };
        let lead = leads.create(new).await.unwrap();
        world.clock.advance_seconds(60);
        if (seed >> 33).is_multiple_of(2) {
            leads.disqualify(lead.id, "no budget").await.unwrap();
        } else {
            for stage in ["contacted", "qualified"] {
                leads.move_to(lead.id, stage).await.unwrap();
            }
            let convert = ConvertLead { company: crm_core::leads::Target::Skip, ..Default::default() };
            leads.convert(lead.id, convert).await.unwrap();
        }
    }
}

/// What somebody does, for the law below.
#[derive(Clone, Debug)]
enum Deed {
    Source(usize, &'static str),
    Title(usize, &'static str),
    Stage(usize, &'static str),
    Call(usize, i64),
    Recall(usize, usize),
    Drop(usize),
    Unlink(usize),
    Wait(i64),
    Model(i64),
    Sweep,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        (0..3_usize, prop_oneof![Just("web"), Just("fair"), Just("")])
            .prop_map(|(at, source)| Deed::Source(at, source)),
        (0..3_usize, prop_oneof![Just("CEO"), Just("clerk")]).prop_map(|(at, title)| Deed::Title(at, title)),
        (0..3_usize, prop_oneof![Just("contacted"), Just("new"), Just("qualified")])
            .prop_map(|(at, stage)| Deed::Stage(at, stage)),
        (0..3_usize, 0..40_i64).prop_map(|(at, hours)| Deed::Call(at, hours)),
        (0..8_usize, 0..3_usize).prop_map(|(call, lead)| Deed::Recall(call, lead)),
        (0..8_usize).prop_map(Deed::Drop),
        (0..8_usize).prop_map(Deed::Unlink),
        (1..400_i64).prop_map(Deed::Wait),
        (1..9_i64).prop_map(|points| Deed::Model(points * 1000)),
        Just(Deed::Sweep),
    ];
    proptest::collection::vec(deed, 1..40)
}

#[test]
fn a_model_that_stops_to_make_sense_stops_nobody_and_is_told() {
    use crm_core::properties::{NewProperty, PropertyType};
    run(async {
        let world = World::new().await;
        let new = NewProperty {
            kind: Some(Kind::Lead),
            key: "budget".into(),
            name: "Budget".into(),
            r#type: PropertyType::Integer,
            ..Default::default()
        };
        let property = world.crm.properties(&world.admin).create(new).await.unwrap();
        let mut definition = simple();
        definition.groups[0].rules.push(rule("rich", Filter::is("properties.budget", Op::Ge, 1000), 20_000));
        let model = world.crm.scoring_models(&world.admin).create(model(definition)).await.unwrap();
        let scored = lead(&world, "web").await;
        assert_eq!(scored.score, 10_000);
        world.crm.properties(&world.admin).archive(property.id).await.unwrap();
        // Leads come and go as before; they keep the scores they have, or have none.
        let new = lead(&world, "web").await;
        assert_eq!((new.score, new.model_version.as_deref()), (0, None));
        world.crm.leads(&world.rep).update(scored.id, LeadPatch::new().source("fair")).await.unwrap();
        call(&world, scored.id, world.clock.now()).await;
        assert_eq!(stored(&world, scored.id).await.score, 10_000);
        let asked = world.crm.scoring(&world.rep).score(lead_ref(scored.id), &ScoreQuery::default()).await;
        assert_fault(asked, "groups[0].rules[1].when.properties.budget unknown_field");
        // Mended, it scores them all.
        world
            .crm
            .scoring_models(&world.admin)
            .update(model.id, ScoringModelPatch::new().definition(Some(simple())))
            .await
            .unwrap();
        let swept = world.crm.score_sweeper().sweep(world.admin.tenant(), LONG).await.unwrap();
        assert!(swept.broken.is_empty(), "{swept:?}");
        assert_eq!((stored(&world, scored.id).await.score, stored(&world, new.id).await.score), (20_000, 10_000));
    });
}

/// What happens with one lead, each at a time of its own.
fn lives() -> impl Strategy<Value = Vec<Vec<(i64, Deed)>>> {
    let deed = prop_oneof![
        prop_oneof![Just("web"), Just("fair")].prop_map(|source| Deed::Source(0, source)),
        prop_oneof![Just("CEO"), Just("clerk")].prop_map(|title| Deed::Title(0, title)),
        prop_oneof![Just("contacted"), Just("new")].prop_map(|stage| Deed::Stage(0, stage)),
        (0..40_i64).prop_map(|hours| Deed::Call(0, hours)),
    ];
    let life = proptest::collection::vec((1..900_i64, deed), 0..10);
    proptest::collection::vec(life, 3)
}

/// The scores of three leads after their lives, told in an order.
async fn after(lives: &[Vec<(i64, Deed)>], by_time: bool) -> Vec<Vec<i64>> {
    let mut definition = simple();
    definition.groups[0].rules.push(rule("boss", Filter::eq("job_title", "CEO"), 3_000));
    let (world, _) = with_model(definition).await;
    let start = world.clock.now();
    let mut leads = Vec::new();
    for _ in lives {
        leads.push(lead(&world, "web").await.id);
    }
    // Each life at its own times: hours after the start, counted up.
    let mut all: Vec<(i64, usize, Deed)> = Vec::new();
    for (at, life) in lives.iter().enumerate() {
        let mut hours = 0;
        for (wait, deed) in life {
            hours += wait;
            all.push((hours, at, deed.clone()));
        }
    }
    if by_time {
        all.sort_by_key(|(hours, at, _)| (*hours, *at));
    }
    for (hours, at, deed) in all {
        world.clock.set(start.plus_micros(hours * 3_600_000_000));
        let id = leads[at];
        match deed {
            Deed::Source(_, source) => {
                world.crm.leads(&world.admin).update(id, LeadPatch::new().source(source)).await.unwrap();
            }
            Deed::Title(_, title) => {
                world.crm.leads(&world.admin).update(id, LeadPatch::new().job_title(title)).await.unwrap();
            }
            Deed::Stage(_, stage) => {
                let _ = world.crm.leads(&world.admin).move_to(id, stage).await;
            }
            Deed::Call(_, hours) => {
                call(&world, id, world.clock.now().plus_micros(-hours * 3_600_000_000)).await;
            }
            _ => {}
        }
        // A sweep between them changes nothing either.
        if by_time && hours % 3 == 0 {
            world.crm.score_sweeper().sweep(world.admin.tenant(), LONG).await.unwrap();
        }
    }
    world.clock.set(start.plus_days(500));
    sweep(&world).await;
    let days: Vec<Time> = (0..500).step_by(20).map(|day| start.plus_days(day)).collect();
    let mut told = Vec::new();
    for id in leads {
        let course = world.crm.scoring(&world.rep).course(lead_ref(id), &days, &ScoreQuery::default()).await.unwrap();
        let mut scores: Vec<i64> = course.moments.iter().map(|moment| moment.points.total).collect();
        scores.push(stored(&world, id).await.score);
        told.push(scores);
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// In which order commits on different leads come does not matter to any of them, then or now.
    #[test]
    fn the_order_of_commits_on_different_leads_does_not_matter(lives in lives()) {
        let (one, other) = run(async { (after(&lives, true).await, after(&lives, false).await) });
        prop_assert_eq!(one, other);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happened before and after: the score of a moment, of what was known then, by the version that made it, is
    /// what was stored then; its contributions sum to it; its course tells the same.
    #[test]
    fn replay_equals_what_was_stored(deeds in deeds()) {
        run(async move {
            let mut definition = simple();
            definition.groups[0].rules.push(rule("boss", Filter::eq("job_title", "CEO"), 3_000));
            definition.groups[1].behaviors.push(behavior("any_stage", Event::Stage(vec![]), 1_500, Decay::LinearDays(9), Some(Limit { times: 2, hours: 100 })));
            definition.groups[1].cap = Some(42_000);
            let (world, model) = with_model(definition.clone()).await;
            let mut leads = vec![];
            for _ in 0..3 {
                leads.push(lead(&world, "web").await.id);
            }
            let mut calls = vec![];
            let mut seen: Vec<Record<Lead>> = vec![];
            let interactions = world.crm.interactions(&world.admin);
            for deed in deeds {
                world.clock.advance_seconds(7);
                match deed {
                    Deed::Source(at, source) => {
                        world.crm.leads(&world.rep).update(leads[at], LeadPatch::new().source(source)).await.unwrap();
                    }
                    Deed::Title(at, title) => {
                        let when = world.clock.now().plus_micros(-1_000_000);
                        world.crm.leads(&world.admin).update(leads[at], LeadPatch::new().job_title(title)).occurred_at(when).await.unwrap();
                    }
                    Deed::Stage(at, stage) => {
                        let _ = world.crm.leads(&world.rep).move_to(leads[at], stage).await;
                    }
                    Deed::Call(at, hours) => {
                        calls.push(call(&world, leads[at], world.clock.now().plus_micros(-hours * 3_600_000_000)).await);
                    }
                    Deed::Recall(at, to) if !calls.is_empty() => {
                        let patch = InteractionPatch::new().links(vec![lead_ref(leads[to])]);
                        let _ = interactions.update(calls[at % calls.len()], patch).await;
                    }
                    Deed::Drop(at) if !calls.is_empty() => {
                        interactions.archive(calls[at % calls.len()]).await.unwrap();
                    }
                    Deed::Unlink(at) if !calls.is_empty() => {
                        let patch = InteractionPatch::new().completed_at(None::<Time>).links(vec![lead_ref(world.lead.id)]);
                        let _ = interactions.update(calls[at % calls.len()], patch).await;
                    }
                    Deed::Recall(..) | Deed::Drop(_) | Deed::Unlink(_) => {}
                    Deed::Wait(hours) => world.clock.advance_seconds(hours * 3600),
                    Deed::Model(points) => {
                        definition.groups[0].rules[0].points = points;
                        world.crm.scoring_models(&world.admin).update(model.id, ScoringModelPatch::new().definition(Some(definition.clone()))).await.unwrap();
                    }
                    Deed::Sweep => {
                        sweep(&world).await;
                        // What a company's change marks is due at once.
                        sweep(&world).await;
                        for id in &leads {
                            let lead = stored(&world, *id).await;
                            // What the sweep left is the score of now, by whatever way it is asked for.
                            let now = world.crm.scoring(&world.rep).score(lead_ref(*id), &ScoreQuery::default()).await.unwrap();
                            let replayed = world.crm.scoring(&world.rep).score(lead_ref(*id), &ScoreQuery::as_it_was(world.clock.now())).await.unwrap();
                            assert_eq!((&now.points, &now.contributions), (&replayed.points, &replayed.contributions));
                            seen.push(lead);
                        }
                    }
                }
            }
            for lead in seen {
                let version = lead.model_version.as_deref().unwrap().strip_prefix("ours@").unwrap().parse().unwrap();
                let query = ScoreQuery { version: Some(version), ..ScoreQuery::as_it_was(lead.scored_at.unwrap()) };
                let scoring = world.crm.scoring(&world.rep);
                let score = scoring.score(lead_ref(lead.id), &query).await.unwrap();
                assert_eq!((score.points.total, score.points.grade.clone(), score.points.is_hot), (lead.score, lead.grade.clone(), lead.is_hot));
                assert_eq!(score.contributions.iter().map(|part| part.points).sum::<i64>(), lead.score);
                let moments = [lead.created_at, lead.scored_at.unwrap(), world.clock.now()];
                let by = ScoreQuery { version: Some(version), ..Default::default() };
                let course = scoring.course_as_it_was(lead_ref(lead.id), &moments, &by).await.unwrap();
                assert_eq!(course.moments[1].points, score.points);
            }
        });
    }
}
