//! Stage gates: each applies to every writer, and each is attacked by every writer.

use crm_core::{
    Error,
    collection::NewWithHistory,
    deals::{Deal, DealPatch, NewDeal},
    filter::{Filter, Op},
    leads::{ConvertLead, LeadPatch, NewLead},
    pipelines::{NewPipeline, Pipeline, PipelineKind, PipelinePatch, Stage, StageKind},
    schema::Record,
    value::{Currency, Id, Money},
};

use crate::support::{World, assert_fault, faults, run, stage};

fn deal(title: &str) -> NewDeal {
    NewDeal { title: title.into(), ..Default::default() }
}

async fn make(world: &World, new: NewDeal) -> Record<Deal> {
    world.crm.deals(&world.admin).create(new).await.expect("a deal").into_value()
}

/// Every way to bring a deal into a stage, with its result.
async fn every_way_into(
    world: &World,
    pipeline: Id<Pipeline>,
    target: Id<Stage>,
    start: Id<Stage>,
) -> Vec<(&'static str, Result<(), Error>)> {
    let deals = world.crm.deals(&world.admin);
    let now = world.clock.now();
    let at = |stage: Id<Stage>| NewDeal { pipeline_id: Some(pipeline), stage_id: Some(stage), ..deal("d") };
    let mut ways = Vec::new();

    let here = make(world, at(start)).await;
    ways.push(("update", deals.update(here.id, DealPatch::new().stage_id(target)).await.map(drop)));
    ways.push(("move_to", deals.move_to(here.id, target).await.map(drop)));
    ways.push(("create", deals.create(at(target)).await.map(drop)));
    ways.push(("create_with_history", deals.create_with_history(at(target), now, vec![]).await.map(drop)));
    let steps = vec![(now, DealPatch::new().stage_id(target))];
    ways.push(("a later step of a history", deals.create_with_history(at(start), now, steps).await.map(drop)));
    let import = NewWithHistory::new(at(start)).created_at(now).then(now, DealPatch::new().stage_id(target));
    let mut verdicts = deals.create_many(vec![NewWithHistory::new(at(start)), import]).await;
    assert!(verdicts[0].is_ok(), "a bad record stops no other: {:?}", verdicts[0]);
    ways.push(("create_many", verdicts.remove(1).map(drop)));
    let key = |word: &str| format!("{word} {}", here.id);
    let new = NewDeal { external_id: Some(key("new")), ..at(target) };
    ways.push(("upsert of a new one", deals.upsert("external_id", &key("new"), new).await.map(drop)));
    make(world, NewDeal { external_id: Some(key("old")), ..at(start) }).await;
    let new = NewDeal { external_id: Some(key("old")), ..at(target) };
    ways.push(("upsert of an old one", deals.upsert("external_id", &key("old"), new).await.map(drop)));
    let lead = world.crm.leads(&world.admin).create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
    let convert = ConvertLead { open_deal: Some(at(target).into()), ..Default::default() };
    ways.push(("conversion", world.crm.leads(&world.admin).convert(lead.id, convert).await.map(drop)));
    let gone = make(world, at(start)).await;
    deals.archive(gone.id).await.unwrap();
    ways.push(("restore", deals.restore(gone.id, DealPatch::new().stage_id(target)).await.map(drop)));
    ways
}

async fn holds_for_every_writer(
    world: &World,
    pipeline: Id<Pipeline>,
    target: Id<Stage>,
    start: Id<Stage>,
    expected: &str,
) {
    for (way, result) in every_way_into(world, pipeline, target, start).await {
        let all = faults(result);
        // A conversion prefixes a fault with the name of the record.
        let says = |fault: &String| fault == expected || *fault == format!("deal.{expected}");
        assert!(all.iter().any(says), "{way}: expected `{expected}` among {all:?}");
    }
}

#[test]
fn required_fields_hold_for_every_writer() {
    run(async {
        let world = World::new().await;
        let stages = vec![
            Stage::new("a", "A", StageKind::Open, 10),
            Stage::new("b", "B", StageKind::Open, 20).requires(&["value", "tags", "close_note"]),
        ];
        let pipeline = world.pipeline("P", stages).await;
        let (a, b) = (stage(&pipeline, "a"), stage(&pipeline, "b"));
        holds_for_every_writer(&world, pipeline.id, b, a, "value required_by_stage").await;
        holds_for_every_writer(&world, pipeline.id, b, a, "tags required_by_stage").await;
        // Filled in the same write, the gate passes.
        let new = make(&world, NewDeal { pipeline_id: Some(pipeline.id), ..deal("d") }).await;
        let patch = DealPatch::new().value(Money::new(0, Currency::EUR)).tags(vec!["x".into()]).close_note("n");
        let moved = world.crm.deals(&world.admin).move_with(new.id, "b", &patch).await.unwrap();
        assert_eq!(moved.status, "b");
    });
}

#[test]
fn custom_properties_can_be_required_by_a_stage() {
    run(async {
        let world = World::new().await;
        let property = crm_core::properties::NewProperty {
            kind: Some(crm_core::value::Kind::Deal),
            key: "budget_holder".into(),
            name: "Budget holder".into(),
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(property).await.unwrap();
        let stages = vec![
            Stage::new("a", "A", StageKind::Open, 10),
            Stage::new("b", "B", StageKind::Open, 20).requires(&["properties.budget_holder"]),
        ];
        let pipeline = world.pipeline("P", stages).await;
        let (a, b) = (stage(&pipeline, "a"), stage(&pipeline, "b"));
        holds_for_every_writer(&world, pipeline.id, b, a, "properties.budget_holder required_by_stage").await;
    });
}

#[test]
fn allowed_moves_hold_for_every_writer() {
    run(async {
        let world = World::new().await;
        let stages = vec![
            Stage::new("a", "A", StageKind::Open, 10),
            Stage::new("b", "B", StageKind::Open, 20),
            Stage::new("c", "C", StageKind::Open, 30).only_from(&["b"]),
        ];
        let pipeline = world.pipeline("P", stages).await;
        let (a, c) = (stage(&pipeline, "a"), stage(&pipeline, "c"));
        holds_for_every_writer(&world, pipeline.id, c, a, "stage_id move_not_allowed").await;
        // Nor from another pipeline.
        let foreign = make(&world, deal("foreign")).await;
        assert_fault(world.crm.deals(&world.admin).move_to(foreign.id, c).await, "stage_id move_not_allowed");
        let here = make(&world, NewDeal { pipeline_id: Some(pipeline.id), ..deal("d") }).await;
        world.crm.deals(&world.admin).move_to(here.id, "b").await.unwrap();
        world.crm.deals(&world.admin).move_to(here.id, "c").await.unwrap();
    });
}

#[test]
fn gate_conditions_hold_for_every_writer() {
    run(async {
        let world = World::new().await;
        let stages = vec![
            Stage::new("a", "A", StageKind::Open, 10),
            Stage::new("b", "B", StageKind::Open, 20).gated_by(Filter::is(
                "value",
                Op::Ge,
                serde_json::json!({"amount": "100", "currency": "EUR"}),
            )),
        ];
        let pipeline = world.pipeline("P", stages).await;
        let (a, b) = (stage(&pipeline, "a"), stage(&pipeline, "b"));
        holds_for_every_writer(&world, pipeline.id, b, a, "stage_id gate").await;
        let new = make(&world, NewDeal { pipeline_id: Some(pipeline.id), ..deal("d") }).await;
        let deals = world.crm.deals(&world.admin);
        for (amount, currency, passes) in
            [(99, Currency::EUR, false), (500, Currency::USD, false), (100, Currency::EUR, true)]
        {
            let patch = DealPatch::new().value(Money::new(amount, currency));
            assert_eq!(deals.move_with(new.id, "b", &patch).await.is_ok(), passes, "{amount} {currency}");
        }
    });
}

#[test]
fn retired_stages_take_nobody() {
    run(async {
        let world = World::new().await;
        let stages = vec![
            Stage::new("a", "A", StageKind::Open, 10),
            Stage::new("b", "B", StageKind::Open, 20),
            Stage::new("c", "C", StageKind::Open, 30),
        ];
        let pipeline = world.pipeline("P", stages).await;
        let (a, b) = (stage(&pipeline, "a"), stage(&pipeline, "b"));
        let mut there = Vec::new();
        for _ in 0..3 {
            let new = NewDeal { pipeline_id: Some(pipeline.id), stage_id: Some(b), ..deal("d") };
            there.push(make(&world, new).await);
        }
        let deals = world.crm.deals(&world.admin);
        let leaving = deals.move_to(there[0].id, "c").await.unwrap().commit.unwrap();
        let pipelines = world.crm.pipelines(&world.admin);
        // An ordinary update cannot retire a stage, because it has no target.
        let mut stages = pipeline.stages.clone();
        stages[1].retired = true;
        assert_fault(
            pipelines.update(pipeline.id, PipelinePatch::new().stages(stages)).await,
            "stages[1].retired needs_target",
        );
        for (from, to, expected) in [
            ("b", "b", "target unknown_stage"),
            ("b", "nope", "target unknown_stage"),
            ("nope", "a", "stage unknown_stage"),
        ] {
            assert_fault(pipelines.retire_stage(pipeline.id, from, to).await, expected);
        }
        let moved = pipelines.retire_stage(pipeline.id, "b", "c").await.unwrap();
        assert_eq!((moved.moved, moved.held_back.len()), (2, 0));
        // A repeated call finds nothing left to move.
        assert_eq!(pipelines.retire_stage(pipeline.id, "b", "c").await.unwrap().moved, 0);
        holds_for_every_writer(&world, pipeline.id, b, a, "stage_id retired").await;
        assert_fault(deals.undo(there[0].id, leaving).await, "stage_id retired");
        assert_fault(deals.roll_back(there[0].id, 1).await, "stage_id retired");
    });
}

#[test]
fn stages_of_other_pipelines_are_refused() {
    run(async {
        let world = World::new().await;
        let other = world.pipeline("P", vec![Stage::new("x", "X", StageKind::Open, 10)]).await;
        let foreign = stage(&other, "x");
        let sales = &world.deal_pipeline;
        let start = sales.first_stage().unwrap().id;
        let tricked = NewDeal { pipeline_id: Some(sales.id), stage_id: Some(foreign), ..deal("d") };
        assert_fault(world.crm.deals(&world.admin).create(tricked).await, "stage_id stage_of_other_pipeline");
        let here = make(&world, deal("d")).await;
        assert_eq!(here.stage_id, Some(start));
        let deals = world.crm.deals(&world.admin);
        let update = deals.update(here.id, DealPatch::new().stage_id(foreign)).await;
        assert_fault(update, "stage_id stage_of_other_pipeline");
        let update = deals.update(here.id, DealPatch::new().pipeline_id(other.id)).await;
        assert_fault(update, "stage_id stage_of_other_pipeline");
        let leads = world.crm.leads(&world.admin);
        let lead_pipeline = LeadPatch::new().pipeline_id(other.id).stage_id(foreign);
        assert_fault(leads.update(world.lead.id, lead_pipeline).await, "pipeline_id unknown_pipeline");
        assert_fault(deals.move_to(here.id, world.lead.stage_id.unwrap()).await, "pipeline_id unknown_pipeline");
        assert_fault(deals.move_to(here.id, "x").await, "stage_id stage_of_other_pipeline");
        // By id, a deal moves to the pipeline of the stage.
        let moved = deals.move_to(here.id, foreign).await.unwrap();
        assert_eq!((moved.pipeline_id, moved.status.as_str()), (Some(other.id), "x"));
        // An archived pipeline accepts no new deals.
        world.crm.pipelines(&world.admin).archive(other.id).await.unwrap();
        let new = NewDeal { stage_id: Some(foreign), ..deal("d") };
        assert_refused_new(deals.create(new).await);
    });
}

fn assert_refused_new<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(faults(result).iter().any(|fault| fault == "pipeline_id archived"));
}

#[test]
fn a_stage_belongs_to_one_pipeline() {
    run(async {
        let world = World::new().await;
        let won = world.deal_pipeline.first_of(StageKind::Won).unwrap().clone();
        // A duplicate stage id in another pipeline would make stage ids ambiguous.
        let stolen = Stage { id: won.id, ..Stage::new("open", "Open", StageKind::Open, 10) };
        let new = NewPipeline { name: "Thief".into(), stages: vec![stolen], ..Default::default() };
        assert_fault(world.crm.pipelines(&world.admin).create(new).await, "stages[0].id duplicate");
    });
}

#[test]
fn a_lead_is_converted_by_conversion_alone() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let pipeline = &world.lead_pipeline;
        let converted = stage(pipeline, "converted");
        let new = || NewLead { name: "L".into(), ..Default::default() };
        let at = NewLead { stage_id: Some(converted), ..new() };
        let now = world.clock.now();
        let steps = vec![(now, LeadPatch::new().stage_id(converted))];
        let lead = leads.create(new()).await.unwrap().into_value();
        assert_fault(leads.create(at.clone()).await, "stage_id convert_only");
        assert_fault(leads.move_to(lead.id, "converted").await, "stage_id convert_only");
        assert_fault(leads.update(lead.id, LeadPatch::new().stage_id(converted)).await, "stage_id convert_only");
        assert_fault(leads.create_with_history(new(), now, steps).await, "stage_id convert_only");
        assert_fault(leads.create_many(vec![NewWithHistory::new(at)]).await.remove(0), "stage_id convert_only");

        let done = leads.convert(lead.id, ConvertLead::default()).await.unwrap();
        let commit = done.commit.unwrap();
        assert_fault(leads.convert(lead.id, ConvertLead::default()).await, "stage_id converted");
        for result in [
            leads.move_to(lead.id, "qualified").await.map(drop),
            leads.undo(lead.id, commit).await.map(drop),
            leads.roll_back(lead.id, 1).await.map(drop),
            // Undo of that commit through the contact it created.
            world.crm.contacts(&world.admin).undo(done.contact.as_ref().unwrap().id, commit).await.map(drop),
        ] {
            assert_fault(result, "stage_id converted");
        }
        let back = leads.unconvert(lead.id).await.unwrap();
        assert_eq!((back.status.as_str(), back.converted_at), ("new", None));
        let contact = world.crm.contacts(&world.admin).get(done.contact.as_ref().unwrap().id).await.unwrap();
        assert!(contact.archived_at.is_some());
        assert_fault(leads.unconvert(lead.id).await, "stage_id not_converted");
        // Undoing the undo of the conversion is also a move into the won stage.
        let undone = back.commit.unwrap();
        assert_fault(leads.undo(lead.id, undone).await, "stage_id convert_only");
        leads.convert(lead.id, ConvertLead::default()).await.unwrap();
    });
}

#[test]
fn gates_added_later_hold_for_undo_and_roll_back() {
    run(async {
        let world = World::new().await;
        let deals = world.crm.deals(&world.admin);
        let here = make(&world, deal("d")).await;
        deals.lose(here.id, "price").await.unwrap();
        let reopened = deals.move_to(here.id, "proposal").await.unwrap();
        assert_eq!((reopened.close_reason.as_deref(), reopened.actual_close_date), (None, None));
        let mut stages = world.deal_pipeline.stages.clone();
        stages.iter_mut().find(|stage| stage.key == "closed_lost").unwrap().required_fields =
            vec!["close_reason".into(), "close_note".into()];
        world
            .crm
            .pipelines(&world.admin)
            .update(world.deal_pipeline.id, PipelinePatch::new().stages(stages))
            .await
            .unwrap();
        assert_fault(deals.undo(here.id, reopened.commit.unwrap()).await, "close_note required_by_stage");
        assert_fault(deals.roll_back(here.id, 2).await, "close_note required_by_stage");
    });
}

#[test]
fn what_a_stage_is_never_changes() {
    run(async {
        let world = World::new().await;
        let pipelines = world.crm.pipelines(&world.admin);
        let change = |edit: &dyn Fn(&mut Vec<Stage>)| {
            let mut stages = world.deal_pipeline.stages.clone();
            edit(&mut stages);
            PipelinePatch::new().stages(stages)
        };
        let id = world.deal_pipeline.id;
        let table: [(&str, PipelinePatch); 8] = [
            ("stages[0].kind fixed", change(&|stages| stages[0].kind = StageKind::Won)),
            ("stages fixed", change(&|stages| drop(stages.remove(2)))),
            ("stages duplicate", change(&|stages| stages[1].key = "prospecting".into())),
            ("stages[0].probability too_large", change(&|stages| stages[0].probability = 101)),
            ("stages[1].required_fields unknown_field", change(&|s| s[1].required_fields = vec!["nope".into()])),
            ("stages[1].allowed_from unknown_stage", change(&|s| s[1].allowed_from = vec!["nope".into()])),
            ("stages[1].gate.nope unknown_field", change(&|s| s[1].gate = Some(Filter::eq("nope", 1)))),
            ("kind fixed", PipelinePatch::new().kind(PipelineKind::Lead)),
        ];
        for (expected, patch) in table {
            assert_fault(pipelines.update(id, patch).await, expected);
        }
        let many = (0..51).map(|n| Stage::new(&format!("s{n}"), "S", StageKind::Open, 1)).collect();
        let new = NewPipeline { name: "Many".into(), stages: many, ..Default::default() };
        assert_fault(pipelines.create(new).await, "stages too_many");
        let new = NewPipeline { name: "None".into(), ..Default::default() };
        assert_fault(pipelines.create(new).await, "stages required");
    });
}

#[test]
fn exactly_one_pipeline_of_a_kind_is_the_default() {
    run(async {
        let world = World::new().await;
        let pipelines = world.crm.pipelines(&world.admin);
        let stages = vec![Stage::new("x", "X", StageKind::Open, 10)];
        let new = NewPipeline { name: "Next".into(), is_default: true, stages, ..Default::default() };
        let next = pipelines.create(new).await.expect("it takes over").into_value();
        assert!(!pipelines.get(world.deal_pipeline.id).await.unwrap().is_default);
        assert_eq!(make(&world, deal("d")).await.pipeline_id, Some(next.id));
        pipelines.update(world.deal_pipeline.id, PipelinePatch::new().is_default(true)).await.unwrap();
        assert!(!pipelines.get(next.id).await.unwrap().is_default);
        assert_eq!(make(&world, deal("d")).await.pipeline_id, Some(world.deal_pipeline.id));
        let unset = pipelines.update(world.deal_pipeline.id, PipelinePatch::new().is_default(false)).await;
        assert_fault(unset, "is_default needs_another");
        assert_fault(pipelines.archive(world.deal_pipeline.id).await, "is_default needs_another");
    });
}
