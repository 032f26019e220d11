//! Stage intervals: when a record entered and left each stage, and how long it stayed. Computed from the log alone.

use super::Change;
use crate::value::{Id, Time};

/// One stay in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StageInterval {
    /// Which stage.
    pub stage_id: Id,
    /// When it was entered.
    pub entered_at: Time,
    /// When it was left; `None` while the record is still there.
    pub left_at: Option<Time>,
}

impl StageInterval {
    /// Microseconds in the stage, up to `now` where it has not been left.
    pub fn micros(&self, now: Time) -> i64 {
        self.left_at.unwrap_or(now).since(self.entered_at).max(0)
    }
}

/// All time in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StageTime {
    /// Which stage.
    pub stage_id: Id,
    /// How often it was entered.
    pub times: u32,
    /// When it was first entered.
    pub first_entered_at: Time,
    /// When it was last entered.
    pub last_entered_at: Time,
    /// When it was last left; `None` while the record is there.
    pub left_at: Option<Time>,
    /// Microseconds of the latest stay.
    pub latest_micros: i64,
    /// Microseconds of all stays.
    pub total_micros: i64,
}

/// The stays of a record in its stages, in the order in which they happened, from its changes in version order.
///
/// Stage moves go by `occurred_at`, which never runs backwards for the stage. A record that left a stage and came back
/// has two stays.
pub fn stage_intervals(changes: &[Change]) -> Vec<StageInterval> {
    let mut stays: Vec<StageInterval> = Vec::new();
    for change in changes {
        let Some(moved) = change.field("stage_id") else { continue };
        if let Some(last) = stays.last_mut() {
            last.left_at = Some(change.occurred_at);
        }
        if let Some(stage_id) = moved.new.as_id() {
            stays.push(StageInterval { stage_id, entered_at: change.occurred_at, left_at: None });
        }
    }
    stays
}

/// The time of a record in each stage it has been in, in the order of first entry; open stays count up to `now`.
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
