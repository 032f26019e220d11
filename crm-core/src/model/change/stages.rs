//! Stage intervals, computed from the log alone: when a record entered and left each stage, and how long it stayed.

use super::Change;
use crate::model::{
    records::pipeline::Stage,
    value::{Id, Time},
};

/// A continuous stay in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StageInterval {
    /// The stage.
    pub stage_id: Id<Stage>,
    /// The time of entry.
    pub entered_at: Time,
    /// The time of leaving; `None` while the record is still in the stage.
    pub left_at: Option<Time>,
}

impl StageInterval {
    /// Returns the microseconds spent in the stage, up to `now` if it has not been left.
    pub fn micros(&self, now: Time) -> i64 {
        self.left_at.unwrap_or(now).since(self.entered_at).max(0)
    }
}

/// The total time spent in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage_id: Id<Stage>,
    /// The number of times the stage was entered.
    pub times: u32,
    /// The time of first entry.
    pub first_entered_at: Time,
    /// The time of last entry.
    pub last_entered_at: Time,
    /// The time of last leaving; `None` while the record is in the stage.
    pub left_at: Option<Time>,
    /// The microseconds of the latest stay.
    pub latest_micros: i64,
    /// The microseconds of all stays.
    pub total_micros: i64,
}

/// Returns the stays of a record in its stages, in chronological order, from its changes in version order.
///
/// Stage moves are ordered by `occurred_at`, which never decreases for the stage. A record that left a stage and
/// returned has two stays.
pub fn stage_intervals(changes: &[Change]) -> Vec<StageInterval> {
    let mut stays: Vec<StageInterval> = Vec::new();
    for change in changes {
        let Some(moved) = change.field("stage_id") else { continue };
        if let Some(last) = stays.last_mut() {
            last.left_at = Some(change.occurred_at);
        }
        if let Some(stage_id) = moved.new.as_id() {
            stays.push(StageInterval { stage_id: stage_id.typed(), entered_at: change.occurred_at, left_at: None });
        }
    }
    stays
}

/// Returns the time a record spent in each stage, in the order of first entry; open stays count up to `now`.
pub fn stage_times(intervals: &[StageInterval], now: Time) -> Vec<StageTime> {
    let mut times: Vec<StageTime> = Vec::new();
    for stay in intervals {
        let micros = stay.micros(now);
        if let Some(time) = times.iter_mut().find(|time| time.stage_id == stay.stage_id) {
            time.times += 1;
            time.last_entered_at = stay.entered_at;
            time.left_at = stay.left_at;
            time.latest_micros = micros;
            time.total_micros += micros;
        } else {
            times.push(StageTime {
                stage_id: stay.stage_id,
                times: 1,
                first_entered_at: stay.entered_at,
                last_entered_at: stay.entered_at,
                left_at: stay.left_at,
                latest_micros: micros,
                total_micros: micros,
            });
        }
    }
    times
}
