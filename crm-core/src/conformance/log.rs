//! A tenant's log: the changes of all its records, by the time at which they were recorded.

use super::{Case, Lab, Outcome, World, case, ensure, history::same_changes, lab::place};
use crate::model::{
    change::Change,
    store::LogQuery,
    value::{Id, Kind, Ref, Time, Value},
};

pub(super) const CASES: &[Case] = &[
    case!(
        "log",
        in_order_of_recording,
        "the log goes by the time of recording, then record, group and version, either way"
    ),
    case!("log", from_and_until, "the log begins at `from` and ends before `until`, to the microsecond"),
    case!("log", log_in_pages, "pages of every size tell each change once, also within one moment"),
    case!("log", not_by_what_occurred, "what occurred long ago stands where it was recorded"),
    case!("log", log_positions_far_out, "a position beyond the range, or before it, is harmless"),
];

fn whole(tenant: Id) -> LogQuery {
    LogQuery { tenant, from: Time::MIN, until: Time::MAX, descending: false, after: None, limit: 1000 }
}

/// Creates a log of many records, with several changes at some times, and returns it in its order.
async fn busy(lab: &Lab<'_>) -> Result<(World, Vec<Change>), super::Failure> {
    let world = lab.tenant().await?;
    let mut all = Vec::new();
    lab.settle().await;
    all.extend(lab.log(&whole(world.tenant)).await?);
    let kinds = [Kind::Lead, Kind::Deal, Kind::Company, Kind::Lead, Kind::Contact];
    for round in 0..4 {
        let at = lab.now();
        let mut step = lab.step(world.tenant);
        for (number, kind) in kinds.into_iter().enumerate() {
            let record = Ref::new(kind, lab.mixed_id());
            let mut edit = super::edit::sample(world.tenant, record, at);
            if number == 0 {
                edit = edit.next(at).set("source", Value::text("web")).announce("is_hot", Value::Bool(true));
            }
            if number == 1 && round > 1 {
                edit = edit.occurred(Time::EPOCH);
            }
            step = step.write(edit);
        }
        let commit = step.send().await?;
        all.extend(commit.writes.iter().flat_map(|write| write.changes.clone()));
    }
    all.sort_by_key(|change| place(change, change.recorded_at));
    lab.settle().await;
    Ok((world, all))
}

async fn in_order_of_recording(lab: &Lab<'_>) -> Outcome {
    let (world, all) = busy(lab).await?;
    ensure!(all.len() > 30, "the log has only {} changes", all.len());
    same_changes("the log", &all, &lab.log(&whole(world.tenant)).await?)?;
    let reverse: Vec<Change> = all.iter().rev().cloned().collect();
    let latest_first = LogQuery { descending: true, ..whole(world.tenant) };
    same_changes("the log, latest first", &reverse, &lab.log(&latest_first).await?)
}

async fn from_and_until(lab: &Lab<'_>) -> Outcome {
    let (world, all) = busy(lab).await?;
    let times: Vec<Time> = all.iter().map(|change| change.recorded_at).collect();
    let (first, middle, last) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    let just = |time: Time| [time.plus_micros(-1), time, time.plus_micros(1)];
    for from in [Time::MIN].into_iter().chain(just(first)).chain(just(middle)) {
        for until in just(middle).into_iter().chain(just(last)).chain([Time::MAX]) {
            for descending in [false, true] {
                let mut expected: Vec<Change> = all
                    .iter()
                    .filter(|change| change.recorded_at >= from && change.recorded_at < until)
                    .cloned()
                    .collect();
                if descending {
                    expected.reverse();
                }
                let query = LogQuery { from, until, descending, limit: 7, ..whole(world.tenant) };
                same_changes(&format!("from {from} until {until}"), &expected, &lab.log(&query).await?)?;
            }
        }
    }
    Ok(())
}

async fn log_in_pages(lab: &Lab<'_>) -> Outcome {
    let (world, all) = busy(lab).await?;
    let reverse: Vec<Change> = all.iter().rev().cloned().collect();
    for limit in [1, 2, 3, all.len() - 1, all.len(), all.len() + 1] {
        let query = LogQuery { limit, ..whole(world.tenant) };
        same_changes(&format!("{limit} a page"), &all, &lab.log(&query).await?)?;
        let query = LogQuery { descending: true, ..query };
        same_changes(&format!("latest first, {limit} a page"), &reverse, &lab.log(&query).await?)?;
    }
    Ok(())
}

async fn not_by_what_occurred(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edit = lab.new_record(world.tenant, Kind::Deal).occurred(Time::MIN);
    let record = edit.record();
    let before = lab.now();
    lab.put(edit.next(lab.now()).set("source", Value::text("web")).occurred(Time::EPOCH)).await?;
    lab.settle().await;
    let log = lab.log(&LogQuery { from: before, ..whole(world.tenant) }).await?;
    ensure!(log.len() == 1 && log[0].record == record && log[0].version == 2, "recorded after {before} was {log:?}");
    let log = lab.log(&LogQuery { until: Time::EPOCH.plus_days(1), ..whole(world.tenant) }).await?;
    ensure!(log.is_empty(), "recorded long ago was {log:?}");
    Ok(())
}

async fn log_positions_far_out(lab: &Lab<'_>) -> Outcome {
    let (world, all) = busy(lab).await?;
    let middle = &all[all.len() / 2];
    for time in [Time::MIN, Time::MAX, middle.recorded_at] {
        for record in
            [middle.record, Ref { kind: Kind::Organization, id: Id::NIL }, Ref::new(Kind::Association, lab.id())]
        {
            for descending in [false, true] {
                let after =
                    crate::model::store::LogPosition { time, record, group: middle.group, version: middle.version };
                let from = middle.recorded_at.plus_micros(-2_000_000);
                let mut expected: Vec<Change> = all
                    .iter()
                    .filter(|change| change.recorded_at >= from)
                    .filter(|change| {
                        let place = place(change, change.recorded_at);
                        if descending { place < after } else { place > after }
                    })
                    .cloned()
                    .collect();
                if descending {
                    expected.reverse();
                }
                let query = LogQuery { from, descending, after: Some(after), limit: 5, ..whole(world.tenant) };
                same_changes(&format!("after {after:?}"), &expected, &lab.log(&query).await?)?;
            }
        }
    }
    Ok(())
}
