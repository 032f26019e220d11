//! The fields that explain a closed stage are cleared when it is left. A move between stages of the same kind is not a
//! closing.

use crm_core::{
    deals::{DealPatch, NewDeal},
    leads::{ConvertLead, LeadPatch, NewLead},
    pipelines::{Stage, StageKind},
    value::{Date, Id, Time},
};
use proptest::prelude::*;

use crate::support::{World, assert_fault, run, stage};

fn stages() -> Vec<Stage> {
    vec![
        Stage::new("open", "Open", StageKind::Open, 10),
        Stage::new("later", "Later", StageKind::Open, 20),
        Stage::new("won_a", "Won a", StageKind::Won, 100),
        Stage::new("won_b", "Won b", StageKind::Won, 100),
        Stage::new("lost_a", "Lost a", StageKind::Lost, 0),
        Stage::new("lost_b", "Lost b", StageKind::Lost, 0),
    ]
}

fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

#[test]
fn a_reopened_lead_has_no_reason_and_is_asked_for_one_again() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let id = leads.create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap().id;
        leads.disqualify(id, "no budget").await.unwrap();
        let open = leads.move_to(id, "contacted").await.unwrap();
        assert_eq!(open.unqualified_reason, None);
        let dragged = leads.move_to(id, "unqualified").await.unwrap();
        assert_eq!(dragged.unqualified_reason, None, "what it was lost for then says nothing of now");
        let undone = leads.undo(id, open.commit.unwrap()).await;
        assert!(undone.is_err() || undone.unwrap().unqualified_reason.as_deref() == Some("no budget"));
        // A form sends back the values it has read.
        leads.update(id, LeadPatch::new().unqualified_reason("too small")).await.unwrap();
        let stage = world.crm.leads(&world.admin).get(id).await.unwrap().pipeline_id.unwrap();
        let pipeline = world.crm.pipelines(&world.admin).get(stage).await.unwrap();
        let form = LeadPatch::new()
            .stage_id(pipeline.stage_by_key("contacted").unwrap().id)
            .unqualified_reason("too small".to_owned());
        assert_eq!(leads.update(id, form).await.unwrap().unqualified_reason, None);
        leads.disqualify(id, "again").await.unwrap();
        let converted = leads.convert(id, ConvertLead::default()).await.unwrap();
        assert_eq!(converted.lead.unqualified_reason, None, "a customer has no reason to be none");
    });
}

#[test]
fn a_gate_asks_again_and_a_note_goes_with_its_reason() {
    run(async {
        let world = World::new().await;
        let mut stages = stages();
        stages[4] = stages[4].clone().requires(&["close_reason", "close_note"]);
        let pipeline = world.pipeline("P", stages).await;
        let deals = world.crm.deals(&world.admin);
        let at = |key: &str| stage(&pipeline, key);
        let new = NewDeal { title: "D".into(), pipeline_id: Some(pipeline.id), ..Default::default() };
        let id = deals.create(new.clone()).await.unwrap().id;
        let why = DealPatch::new().close_reason("price").close_note("far too high");
        let lost = deals.move_with(id, at("lost_a"), &why).await.unwrap();
        world.clock.advance_days(1);
        let moved = deals.move_to(id, at("lost_b")).await.unwrap();
        assert_eq!(moved.close_reason.as_deref(), Some("price"), "kept among lost stages");
        let open = deals.move_to(id, at("open")).await.unwrap();
        assert_eq!((&open.close_reason, &open.close_note, open.actual_close_date), (&None, &None, None));
        assert_fault(deals.move_to(id, at("lost_a")).await, "close_reason required_by_stage");
        assert_fault(deals.move_to(id, at("lost_a")).await, "close_note required_by_stage");
        // Values set while the deal is open belong to the next closing.
        deals.update(id, why.clone()).await.unwrap();
        deals.move_to(id, at("later")).await.unwrap();
        let won = deals.move_to(id, at("won_a")).await.unwrap();
        assert_eq!(won.close_reason.as_deref(), Some("price"));
        let lost_now = deals.move_to(id, at("lost_b")).await.unwrap();
        assert_eq!((&lost_now.close_reason, &lost_now.close_note), (&None, &None));
        let then = deals.as_of(id, lost.updated_at).await.unwrap().unwrap();
        assert_eq!(then.close_note.as_deref(), Some("far too high"), "history keeps it");

        let time = |text: &str| text.parse::<Time>().unwrap();
        let steps = vec![
            (time("2023-02-01T00:00:00Z"), why.stage_id(at("lost_a"))),
            (time("2023-03-01T00:00:00Z"), DealPatch::new().stage_id(at("open"))),
            (time("2023-04-01T00:00:00Z"), DealPatch::new().stage_id(at("lost_b"))),
        ];
        let made = deals.create_with_history(new, time("2023-01-01T00:00:00Z"), steps).await.unwrap();
        assert_eq!((&made.close_reason, made.actual_close_date), (&None, Some(day("2023-04-01"))));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// The closing date changes only when the kind of the stage changes.
    #[test]
    fn the_day_of_closing_is_that_of_the_first_of_a_row(path in proptest::collection::vec(0usize..6, 1..8)) {
        run(async {
            let world = World::new().await;
            let pipeline = world.pipeline("P", stages()).await;
            let deals = world.crm.deals(&world.admin);
            let new = NewDeal { title: "D".into(), pipeline_id: Some(pipeline.id), ..Default::default() };
            let id = deals.create(new).await.unwrap().id;
            let (mut kind, mut closed, mut reason) = (StageKind::Open, None, None);
            for (step, at) in path.into_iter().enumerate() {
                world.clock.advance_days(1);
                let to = &pipeline.stages[at];
                let today = world.clock.now().date_in(chrono_tz::UTC);
                let why = format!("reason {step}");
                let current = deals.get(id).await.unwrap();
                let patch = if to.kind == StageKind::Open { DealPatch::new() } else { DealPatch::new().close_reason(&*why) };
                let moved = deals.move_with(id, to.id, &patch).await.unwrap();
                if to.kind == StageKind::Open {
                    (closed, reason) = (None, if kind == StageKind::Open { reason } else { None });
                } else {
                    if to.kind != kind {
                        closed = Some(today);
                    }
                    reason = Some(why);
                }
                kind = to.kind;
                prop_assert_eq!(moved.actual_close_date, closed, "from {}", current.status);
                prop_assert_eq!(moved.close_reason.clone(), reason.clone());
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_day_that_was_given_stays_from_lost_to_lost() {
    run(async {
        let world = World::new().await;
        let pipeline = world.pipeline("P", stages()).await;
        let deals = world.crm.deals(&world.admin);
        for kind in ["won", "lost"] {
            let new = NewDeal { title: "D".into(), pipeline_id: Some(pipeline.id), ..Default::default() };
            let id = deals.create(new).await.unwrap().id;
            let at = |letter: &str| -> Id<Stage> { stage(&pipeline, &format!("{kind}_{letter}")) };
            let on = DealPatch::new().actual_close_date(day("2026-10-01"));
            deals.move_with(id, at("a"), &on).await.unwrap();
            let moved = deals.move_to(id, at("b")).await.unwrap();
            assert_eq!(moved.actual_close_date, Some(day("2026-10-01")), "{kind}");
            let on = DealPatch::new().actual_close_date(day("2026-10-02"));
            let moved = deals.move_with(id, at("a"), &on).await.unwrap();
            assert_eq!(moved.actual_close_date, Some(day("2026-10-02")), "{kind}: unless the input says another");
        }
    });
}
