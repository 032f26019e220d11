//! Stage moves: the records that moved within a pipeline, by the time at which it occurred.

use super::{Case, Failure, Lab, Outcome, World, case, ensure, history::same_changes, lab::place};
use crate::model::{
    change::Change,
    store::StageMoveQuery,
    value::{Kind, Time, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("stage_moves", by_what_occurred, "moves go by the time they occurred, not by when they were recorded"),
    case!("stage_moves", moves_only, "changes that move no stage are not told, nor moves of other pipelines"),
    case!("stage_moves", moves_in_range, "moves begin at `from` and end before `until`"),
    case!(
        "stage_moves",
        moves_in_pages,
        "pages of every size tell each move once, several of one record and moment too"
    ),
];

fn whole(world: &World) -> StageMoveQuery {
    StageMoveQuery {
        tenant: world.tenant,
        pipeline: world.deal_pipeline.typed(),
        from: Time::MIN,
        until: Time::MAX,
        after: None,
        limit: 1000,
    }
}

/// Creates deals with backdated histories, leads in another pipeline, and edits without moves, and returns the deals'
/// moves in order.
async fn moves(lab: &Lab<'_>) -> Result<(World, Vec<Change>), Failure> {
    let world = lab.tenant().await?;
    let mut all = Vec::new();
    let day = |number: i64| Time::EPOCH.plus_days(19_000 + number);
    for number in 0..6 {
        let record = crate::model::value::Ref::new(Kind::Deal, lab.mixed_id());
        let mut edit = super::edit::sample(world.tenant, record, lab.now())
            .stage(world.deal_pipeline, world.stages[0])
            .occurred(day(10 - number));
        edit = edit.next(lab.now()).set("source", Value::text("web")).occurred(day(11));
        edit = edit.next(lab.now()).stage(world.deal_pipeline, world.stages[1]).occurred(day(20));
        edit = edit.next(lab.now()).stage(world.deal_pipeline, world.stages[2]).occurred(day(20));
        let after = edit.after();
        let commit = lab.step(world.tenant).write(edit).send().await?;
        all.extend(commit.writes.iter().flat_map(|write| write.changes.clone()));
        if number % 2 == 0 {
            let edit = lab.change(&after).stage(world.deal_pipeline, world.stages[0]).occurred(day(25 - number));
            let commit = lab.step(world.tenant).write(edit).send().await?;
            all.extend(commit.writes.iter().flat_map(|write| write.changes.clone()));
        }
        let lead = lab.new_record(world.tenant, Kind::Lead).stage(world.lead_pipeline, world.stages[0]);
        lab.put(lead.occurred(day(15))).await?;
    }
    all.retain(|change| change.stage_move.is_some());
    all.sort_by_key(|change| place(change, change.occurred_at));
    lab.settle().await;
    Ok((world, all))
}

async fn by_what_occurred(lab: &Lab<'_>) -> Outcome {
    let (world, all) = moves(lab).await?;
    ensure!(all.len() == 21, "21 moves were written, {} are expected", all.len());
    same_changes("the moves", &all, &lab.stage_moves(&whole(&world)).await?)
}

async fn moves_only(lab: &Lab<'_>) -> Outcome {
    let (world, _) = moves(lab).await?;
    let leads = lab.stage_moves(&StageMoveQuery { pipeline: world.lead_pipeline.typed(), ..whole(&world) }).await?;
    ensure!(leads.len() == 6, "6 leads entered a stage, {} moves are told", leads.len());
    ensure!(leads.iter().all(|change| change.record.kind == Kind::Lead), "a deal moved in the leads' pipeline");
    let none = lab.stage_moves(&StageMoveQuery { pipeline: lab.id().typed(), ..whole(&world) }).await?;
    ensure!(none.is_empty(), "a pipeline that is not there has moves: {none:?}");
    Ok(())
}

async fn moves_in_range(lab: &Lab<'_>) -> Outcome {
    let (world, all) = moves(lab).await?;
    let middle = all[all.len() / 2].occurred_at;
    let last = all[all.len() - 1].occurred_at;
    for from in [Time::MIN, middle.plus_micros(-1), middle, middle.plus_micros(1)] {
        for until in [middle, middle.plus_micros(1), last, last.plus_micros(1), Time::MAX] {
            let expected: Vec<Change> =
                all.iter().filter(|change| change.occurred_at >= from && change.occurred_at < until).cloned().collect();
            let query = StageMoveQuery { from, until, limit: 4, ..whole(&world) };
            same_changes(&format!("from {from} until {until}"), &expected, &lab.stage_moves(&query).await?)?;
        }
    }
    Ok(())
}

async fn moves_in_pages(lab: &Lab<'_>) -> Outcome {
    let (world, all) = moves(lab).await?;
    for limit in [1, 2, 5, all.len(), all.len() + 1] {
        let query = StageMoveQuery { limit, ..whole(&world) };
        same_changes(&format!("{limit} a page"), &all, &lab.stage_moves(&query).await?)?;
    }
    Ok(())
}
