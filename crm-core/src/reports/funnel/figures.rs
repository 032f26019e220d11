//! The result of the funnel report, and the definitions of its metrics.

use serde::Serialize;

use super::survival::TimeInStage;
use crate::{
    model::{
        records::pipeline::{Pipeline, Stage, StageKind},
        value::{Currency, Id, Kind, Time},
    },
    reports::{MissingRate, RateUsed, Sums},
};

/// The funnel report: how leads or deals moved through a pipeline. See
/// [`Reports::funnel`](crate::reports::Reports::funnel).
///
/// For each stage, *standing at the end = standing at the start + entries − exits*, and the exits are the sum of
/// [`StageFunnel::went_to`]. All metrics are computed from the same stays, each of which begins with an entry and ends
/// with an exit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunnelReport {
    /// The kind of the records: leads or deals.
    pub kind: Kind,
    /// The id of the pipeline.
    pub pipeline_id: Id<Pipeline>,
    /// The start of the period, inclusive; `None` for the beginning of the log.
    pub from: Option<Time>,
    /// The end of the period, exclusive; if it is now, changes that occur now are included.
    pub until: Time,
    /// The end of the follow-up.
    pub followed_until: Time,
    /// The number of records in the report: those that have ever been in the pipeline.
    pub records: u64,
    /// The stages of the pipeline in order; a retired one only if a record was in it.
    pub stages: Vec<StageFunnel>,
    /// The outcomes of the records that first entered the pipeline in the period.
    pub cohort: Outcomes,
    /// The records won and lost in the period, and the sales velocity.
    pub velocity: Velocity,
    /// The records won and lost in the period by reason (for deals `close_reason`, for lost leads
    /// `unqualified_reason`), the most frequent first. The reason is the record's current one if it is still in that
    /// stage, and otherwise the one written with the entry. `None` if the actor may not see reasons.
    pub reasons: Option<Vec<Reason>>,
    /// The currency of [`Sums::in_base`].
    pub base_currency: Currency,
    /// The rates used for conversion: each deal's on the day it closed.
    pub rates: Vec<RateUsed>,
    /// Amounts that could not be converted and are not part of [`Sums::in_base`].
    pub missing_rates: Vec<MissingRate>,
}

/// How records moved through one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageFunnel {
    /// The id of the stage.
    pub id: Id<Stage>,
    /// The key of the stage.
    pub key: String,
    /// The name of the stage.
    pub name: String,
    /// The kind of the stage.
    pub kind: StageKind,
    /// Records in the stage at the start of the period.
    pub standing_at_start: u64,
    /// Entries into the stage in the period.
    pub entries: u64,
    /// Entries by the creation of a record.
    pub created: u64,
    /// Exits from the stage in the period.
    pub exits: u64,
    /// Records in the stage at the end of the period.
    pub standing_at_end: u64,
    /// The targets of the exits, in the order of the stages, other pipelines last; only those that occurred.
    pub went_to: Vec<StageTransition>,
    /// The duration of the stays that began in the period.
    pub time: TimeInStage,
    /// The outcomes of the records that first entered this stage in the period. For the first stage of a pipeline,
    /// [`Outcomes::conversion_rate`] is the rate from first stage to won.
    pub outcomes: Outcomes,
}

/// The exits from one stage to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTransition {
    /// The target stage; `None` for a stage of another pipeline.
    pub stage_id: Option<Id<Stage>>,
    /// The key of the target stage.
    pub key: Option<String>,
    /// The number of exits.
    pub exits: u64,
    /// The share of all exits from the stage in the period.
    pub rate: f64,
}

/// The outcomes of records at the end of the follow-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Outcomes {
    /// The number of records.
    pub records: u64,
    /// Records in a won stage; for leads, converted.
    pub won: u64,
    /// Records in a lost stage; for leads, unqualified.
    pub lost: u64,
    /// Records in any other stage of the pipeline.
    pub open: u64,
    /// Records in another pipeline.
    pub elsewhere: u64,
    /// Won ÷ records, so far; it grows while some are open. `None` without records.
    pub conversion_rate: Option<f64>,
    /// Won ÷ (won + lost). `None` without closed records.
    pub win_rate: Option<f64>,
}

/// The records won and lost in the period, and the sales velocity. A record counts as won or lost if it is in such a
/// stage at the end of the period and entered it within the period. A record that was reopened counts as neither; one
/// that moved from one won stage to another was won when it entered the first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Velocity {
    /// Open records at the end of the period: the opportunities.
    pub open: u64,
    /// Records won in the period; for leads, converted.
    pub won: u64,
    /// Records lost in the period; for leads, unqualified.
    pub lost: u64,
    /// Won ÷ (won + lost). `None` without closed records.
    pub win_rate: Option<f64>,
    /// The time from creation to won (for leads, to converted). `None` without wins.
    pub time_to_win: Option<TimeToWin>,
    /// Won records that are excluded from the time, because they were won before they were created.
    pub times_left_out: u64,
    /// The current value of the won deals; empty for leads.
    pub won_value: Sums,
    /// Expected wins per day: open × win rate ÷ mean time to win in days. `None` if one of these is unknown or the mean
    /// is zero.
    pub wins_per_day: Option<f64>,
    /// Sales velocity in the base currency per day: open × win rate × average won value ÷ mean time to win in days.
    /// `None` as above, and for leads.
    pub value_per_day: Option<f64>,
}

/// The time from creation to won, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeToWin {
    /// The number of records.
    pub n: u64,
    /// Sum ÷ n, truncated to whole microseconds.
    pub mean_micros: i64,
    /// The median; for an even number of records, the mean of the two middle values.
    pub median_micros: i64,
    /// The shortest time.
    pub min_micros: i64,
    /// The longest time.
    pub max_micros: i64,
}

/// The result of a closed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Won; for leads, converted.
    Won,
    /// Lost; for leads, unqualified.
    Lost,
}

/// The records won or lost for one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// Won or lost.
    pub ending: Ending,
    /// The reason; `None` if none was given.
    pub reason: Option<String>,
    /// The number of records.
    pub records: u64,
    /// The share of all records with this result in the period.
    pub rate: f64,
    /// The current value of the deals; empty for leads.
    pub value: Sums,
}
