//! Recommended next steps: the most urgent first, with the facts they are based on; hidden data is not used; and a step
//! that is said to raise a score raises it by that amount.

use crm_core::{
    deals::{DealPatch, NewDeal},
    filter::Filter,
    interactions::{Direction, InteractionPatch, NewInteraction},
    leads::{ConvertLead, Lead, LeadPatch, NewLead},
    pipelines::{Stage, StageKind},
    recommendations::{NextStep, Recommendation},
    schema::Record,
    scoring::{Axis, Decay, Fact, Limit, ModelDefinition, NewScoringModel, ScoreQuery, ScoringModel},
    tasks::NewTask,
    value::{Id, Kind, Ref, Value},
};

use crate::{
    scoring::{behavior, calls, group, model, rule, simple, sweep},
    support::{World, assert_fault, assert_not_found, hidden, run, stage},
};

fn lead_ref(id: Id<Lead>) -> Ref {
    Ref::new(Kind::Lead, id)
}

async fn lead(world: &World, new: NewLead) -> Record<Lead> {
    let new = NewLead { name: "Ada".into(), ..new };
    world.crm.leads(&world.rep).create(new).await.unwrap().into_value()
}

async fn told(world: &World, record: Ref) -> Vec<Recommendation> {
    world.crm.recommendations(&world.rep).of(record).await.unwrap()
}

fn steps(all: &[Recommendation]) -> Vec<&'static str> {
    use crm_core::value::Choice as _;
    all.iter().map(|one| one.step.name()).collect()
}

fn interaction(record: Ref, direction: Direction) -> NewInteraction {
    NewInteraction {
        r#type: "call".into(),
        direction: Some(direction),
        subject: "a call".into(),
        links: vec![record],
        ..Default::default()
    }
}

#[test]
fn what_waits_is_told_the_most_pressing_first() {
    run(async {
        let world = World::new().await;
        let id = lead_ref(lead(&world, NewLead::default()).await.id);
        let first = told(&world, id).await;
        assert_eq!(steps(&first), ["first_contact", "plan"]);
        assert_eq!(first[0].reason, "there has been no contact since it was created, today");
        // An incoming call has to be answered; a first contact is not needed.
        let call = NewInteraction { completed_at: Some(world.clock.now()), ..interaction(id, Direction::Inbound) };
        let call = world.crm.interactions(&world.rep).create(call).await.unwrap();
        world.clock.advance_days(2);
        let second = told(&world, id).await;
        assert_eq!(steps(&second), ["reply", "plan"]);
        assert_eq!(second[0].reason, "the latest event is their call, 2 days ago");
        assert!(matches!(second[0].facts[..], [Fact::Interaction { id, .. }] if id == call.id));
        // A future task is a plan; an overdue one is to be done.
        let task = NewTask {
            title: "Call back".into(),
            due_at: Some(world.clock.now().plus_days(1)),
            links: vec![id],
            ..Default::default()
        };
        let task = world.crm.tasks(&world.rep).create(task).await.unwrap().id;
        assert_eq!(steps(&told(&world, id).await), ["reply"]);
        world.clock.advance_days(4);
        let overdue = told(&world, id).await;
        assert_eq!(steps(&overdue), ["reply", "do_task"]);
        assert_eq!(overdue[1].reason, "a task is overdue by 3 days");
        assert!(matches!(overdue[1].facts[..], [Fact::Task { id, due_at: Some(_) }] if id == task));
        world.crm.tasks(&world.rep).complete(task, None).await.unwrap();
        // The call was answered and a meeting is scheduled: nothing is to be done until it is over.
        let answer = NewInteraction { completed_at: Some(world.clock.now()), ..interaction(id, Direction::Outbound) };
        world.crm.interactions(&world.rep).create(answer).await.unwrap();
        let meeting = NewInteraction {
            r#type: "meeting".into(),
            scheduled_at: Some(world.clock.now().plus_days(20)),
            ..interaction(id, Direction::Outbound)
        };
        let meeting = world.crm.interactions(&world.rep).create(meeting).await.unwrap().id;
        world.clock.advance_days(15);
        assert_eq!(steps(&told(&world, id).await), [""; 0]);
        world.clock.advance_days(6);
        let over = told(&world, id).await;
        assert_eq!(steps(&over), ["record_outcome", "follow_up", "plan"]);
        assert_eq!(over[0].reason, "the planned meeting has no recorded outcome");
        let held = InteractionPatch::new().completed_at(world.clock.now());
        world.crm.interactions(&world.rep).update(meeting, held).await.unwrap();
        assert_eq!(steps(&told(&world, id).await), ["plan"]);
        // A lead that opted out is not to be contacted again.
        world.clock.advance_days(30);
        assert_eq!(steps(&told(&world, id).await), ["follow_up", "plan"]);
        let patch = LeadPatch::new().do_not_call(true).do_not_email(true).owner_id(None);
        world.crm.leads(&world.admin).update(id.id.typed(), patch).await.unwrap();
        let unowned = world.crm.recommendations(&world.admin).of(id).await.unwrap();
        assert_eq!(steps(&unowned), ["assign", "plan"]);
    });
}

#[test]
fn stages_ask_for_what_they_need() {
    run(async {
        let world = World::new().await;
        let mut stages = vec![
            Stage::new("new", "New", StageKind::Open, 5),
            Stage::new("closed", "Closed", StageKind::Open, 10).only_from(&["tried"]),
            Stage::new("tried", "Tried", StageKind::Open, 20).requires(&["email", "job_title"]),
            Stage::new("won", "Won", StageKind::Won, 100),
            Stage::new("lost", "Lost", StageKind::Lost, 0),
        ];
        stages[0].rotting_days = Some(7);
        let pipeline = crm_core::pipelines::NewPipeline {
            name: "Ours".into(),
            kind: crm_core::pipelines::PipelineKind::Lead,
            stages,
            ..Default::default()
        };
        let pipeline = world.crm.pipelines(&world.admin).create(pipeline).await.unwrap();
        let new = NewLead {
            job_title: Some("CEO".into()),
            do_not_call: true,
            do_not_email: true,
            pipeline_id: Some(pipeline.id),
            ..Default::default()
        };
        let id = lead(&world, new).await.id;
        let asked = told(&world, lead_ref(id)).await;
        assert_eq!(steps(&asked), ["fill_in", "plan"]);
        assert_eq!(asked[0].reason, "the next stage, `tried`, requires email");
        assert!(matches!(&asked[0].facts[..], [Fact::Field { field, value: Value::Null, .. }] if &**field == "email"));
        world.clock.advance_days(8);
        let stale = told(&world, lead_ref(id)).await;
        assert_eq!(steps(&stale), ["move_on", "fill_in", "plan"]);
        assert_eq!(stale[0].reason, "it has been in `new` for 8 days; the limit is 7 days");
        assert!(matches!(stale[0].facts[..], [Fact::Stage { id, .. }] if id == stage(&pipeline, "new")));
        // Hidden fields are not asked for.
        let blind = world.restricted_rep("Blind", vec![hidden(Kind::Lead, "email")]).await;
        let patch = LeadPatch::new().owner_id(blind.user());
        world.crm.leads(&world.admin).update(id, patch).await.unwrap();
        let theirs = world.crm.recommendations(&blind).of(lead_ref(id)).await.unwrap();
        assert_eq!(steps(&theirs), ["move_on", "plan"]);
        assert!(!serde_json::to_string(&theirs).unwrap().contains("email"));
        let patch = LeadPatch::new().owner_id(world.rep.user()).email("ada@acme.example");
        world.crm.leads(&world.admin).update(id, patch).await.unwrap();
        world.crm.leads(&world.rep).move_to(id, "tried").await.unwrap();
        let last = told(&world, lead_ref(id)).await;
        assert_eq!(steps(&last), ["convert", "plan"]);
        // A closed record has no next steps.
        let convert = ConvertLead {
            open_deal: Some(NewDeal { title: "d".into(), ..Default::default() }.into()),
            ..Default::default()
        };
        world.crm.leads(&world.rep).convert(id, convert).await.unwrap();
        assert_eq!(told(&world, lead_ref(id)).await, []);
        let lead = world.crm.leads(&world.rep).get(id).await.unwrap();
        let deal = lead.converted_deal_id.unwrap();
        let patch = DealPatch::new().expected_close_date("2026-01-01".parse::<crm_core::value::Date>().unwrap());
        world.crm.deals(&world.rep).update(deal, patch).await.unwrap();
        let late = told(&world, Ref::new(Kind::Deal, deal)).await;
        assert!(steps(&late).contains(&"update_close_date"), "{late:?}");
        world.crm.deals(&world.rep).win(deal).await.unwrap();
        assert_eq!(told(&world, Ref::new(Kind::Deal, deal)).await, []);
    });
}

#[test]
fn what_is_said_to_raise_a_score_raises_it_by_as_much() {
    run(async {
        let world = World::new().await;
        let definition = ModelDefinition {
            groups: vec![
                crm_core::scoring::Group {
                    cap: Some(12_000),
                    ..group(
                        "fit",
                        Axis::Fit,
                        vec![
                            rule("web", Filter::eq("source", "web"), 10_000),
                            rule("boss", Filter::eq("job_title", "CEO"), 5_000),
                            rule("bad", Filter::eq("industry", "none"), -5_000),
                        ],
                        vec![],
                    )
                },
                group(
                    "does",
                    Axis::Engagement,
                    vec![],
                    vec![
                        behavior("call", calls(), 20_000, Decay::HalfLifeDays(10), Some(Limit { times: 2, hours: 48 })),
                        behavior(
                            "no_show",
                            crm_core::scoring::Event::Interaction(Filter::eq("outcome", "no_show")),
                            -3_000,
                            Decay::None,
                            None,
                        ),
                    ],
                ),
            ],
            ..simple()
        };
        world.crm.scoring_models(&world.admin).create(model(definition)).await.unwrap();
        let id = lead(&world, NewLead { source: Some("web".into()), ..Default::default() }).await.id;
        let record = lead_ref(id);
        let gains = |all: &[Recommendation], step: NextStep| -> Vec<(String, i64)> {
            all.iter()
                .filter(|one| one.step == step)
                .map(|one| (one.rule.as_deref().unwrap().to_owned(), one.gain.unwrap()))
                .collect()
        };
        let score =
            async || world.crm.scoring(&world.rep).score(record, &ScoreQuery::default()).await.unwrap().points.total;
        let first = told(&world, record).await;
        assert_eq!(gains(&first, NextStep::Engage), [("call".to_owned(), 20_000)]);
        // The cap leaves room for two of the five points.
        assert_eq!(gains(&first, NextStep::FindOut), [("boss".to_owned(), 2_000)]);
        let before = score().await;
        let call = async || {
            let call =
                NewInteraction { completed_at: Some(world.clock.now()), ..interaction(record, Direction::Outbound) };
            world.crm.interactions(&world.rep).create(call).await.unwrap();
        };
        call().await;
        assert_eq!(score().await - before, 20_000);
        world.crm.leads(&world.rep).update(id, LeadPatch::new().job_title("CEO")).await.unwrap();
        assert_eq!(score().await - before, 22_000);
        world.clock.advance_seconds(60);
        let before = score().await;
        let gain = gains(&told(&world, record).await, NextStep::Engage)[0].1;
        call().await;
        // Rounded once: the sum of both is the stated gain.
        assert_eq!(score().await - before, gain);
        // A third within two days does not count, and is not recommended.
        let full = told(&world, record).await;
        assert_eq!(gains(&full, NextStep::Engage), []);
        assert_eq!(gains(&full, NextStep::FindOut), []);
        // It is hot, and would not be in a few days.
        sweep(&world).await;
        assert!(world.crm.leads(&world.rep).get(id).await.unwrap().is_hot);
        let days = full.iter().find(|one| one.step == NextStep::KeepWarm).map(|one| one.reason.clone()).unwrap();
        let ends: i64 = days.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
        world.clock.advance_days(ends);
        let then = world.crm.scoring(&world.rep).score(record, &ScoreQuery::default()).await.unwrap();
        assert!(!then.points.is_hot, "{days}");
        world.clock.advance_days(-1);
        // A user from whom scores are hidden gets no steps about them.
        let blind = world.restricted_rep("Blind", vec![hidden(Kind::Lead, "score")]).await;
        world.crm.leads(&world.admin).update(id, LeadPatch::new().owner_id(blind.user())).await.unwrap();
        let theirs = world.crm.recommendations(&blind).of(record).await.unwrap();
        assert!(theirs.iter().all(|one| one.gain.is_none() && one.step != NextStep::KeepWarm), "{theirs:?}");
    });
}

#[test]
fn who_may_not_see_a_record_is_told_nothing() {
    run(async {
        let world = World::new().await;
        let starter = NewScoringModel { is_active: true, ..ScoringModel::starter() };
        world.crm.scoring_models(&world.admin).create(starter).await.unwrap();
        let id = lead_ref(lead(&world, NewLead::default()).await.id);
        let other = World::on(world.store.clone(), 7).await;
        assert_not_found(other.crm.recommendations(&other.admin).of(id).await);
        let stranger = world.restricted_rep("Stranger", vec![]).await;
        assert_not_found(world.crm.recommendations(&stranger).of(id).await);
        let nothing = world.crm.recommendations(&world.admin).of(Ref::new(Kind::Task, id.id)).await;
        assert_fault(nothing, "kind unknown_choice");
        // Hidden interactions leave no trace.
        let call = NewInteraction { completed_at: Some(world.clock.now()), ..interaction(id, Direction::Inbound) };
        world.crm.interactions(&world.rep).create(call).await.unwrap();
        let blind = world.restricted_rep("Blind", vec![hidden(Kind::Interaction, "direction")]).await;
        world.crm.leads(&world.admin).update(id.id.typed(), LeadPatch::new().owner_id(blind.user())).await.unwrap();
        let theirs = world.crm.recommendations(&blind).of(id).await.unwrap();
        let steps = steps(&theirs);
        assert!(
            !steps.contains(&"reply") && !steps.contains(&"first_contact") && !steps.contains(&"plan"),
            "{steps:?}"
        );
        // The model counts replies: without the direction of interactions no step can raise the score.
        assert!(!steps.contains(&"find_out") && !steps.contains(&"engage"), "{steps:?}");
    });
}
