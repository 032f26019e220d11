//! The figures of the life report, and what each of them means.

use serde::Serialize;

use super::survival::TimeInStage;
use crate::{
    pipelines::record::StageKind,
    reports::{MissingRate, RateUsed, Sums},
    value::{Currency, Id, Kind, Time},
};

/// How leads or deals went through a pipeline. See [`Reports::life`](crate::reports::Reports::life).
///
/// For each stage, *standing at the end = standing at the start + entries − exits*, and the exits are the sum of
/// [`StageLife::went_to`]: all of it goes by the same stays, of which each begins with an entry and ends with an exit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LifeReport {
    /// Leads or deals.
    pub kind: Kind,
    /// Of which pipeline.
    pub pipeline_id: Id,
    /// What occurred at this moment or later; `None` from the beginning on.
    pub from: Option<Time>,
    /// What occurred before this moment; where it is now, what occurs now included.
    pub until: Time,
    /// How far what began in the period was followed.
    pub followed_until: Time,
    /// How many records are in the report: those that have ever been in the pipeline.
    pub records: u64,
    /// The stages of the pipeline in their order; a retired one only where anything was in it.
    pub stages: Vec<StageLife>,
    /// Of the records that entered the pipeline for the first time in the period: what became of them.
    pub cohort: Outcomes,
    /// What was won and lost in the period, and how fast.
    pub velocity: Velocity,
    /// What was won and lost in the period, by reason: of deals `close_reason`, of lost leads `unqualified_reason`. It
    /// is the reason that the record has now while it still is in that stage, else the one that was written as it
    /// entered. The most frequent first; `None` where the actor may not see reasons.
    pub reasons: Option<Vec<Reason>>,
    /// The currency that [`Sums::in_base`] is in.
    pub base_currency: Currency,
    /// The rates by which amounts were converted: each deal's at the day it closed.
    pub rates: Vec<RateUsed>,
    /// What could not be converted: in no [`Sums::in_base`].
    pub missing_rates: Vec<MissingRate>,
}

/// How records went through one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageLife {
    /// Which stage.
    pub id: Id,
    /// Its key.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What it means.
    pub kind: StageKind,
    /// How many stood in it as the period began.
    pub standing_at_start: u64,
    /// How often it was entered in the period.
    pub entries: u64,
    /// How many of these entries were the creation of a record.
    pub created: u64,
    /// How often it was left in the period.
    pub exits: u64,
    /// How many stood in it as the period ended.
    pub standing_at_end: u64,
    /// Where the exits went: a row of the matrix of conversions between stages, in the order of the stages, those to
    /// another pipeline last; only what occurred.
    pub went_to: Vec<WentTo>,
    /// How long the stays took that began in the period.
    pub time: TimeInStage,
    /// What became of the records that entered this stage for the first time in the period. Of a pipeline's first
    /// stage, [`Outcomes::conversion_rate`] is the rate from first stage to won.
    pub outcomes: Outcomes,
}

/// Exits of one stage to one other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WentTo {
    /// To which stage; `None` for another pipeline's.
    pub stage_id: Option<Id>,
    /// Its key.
    pub key: Option<String>,
    /// How many exits.
    pub exits: u64,
    /// Of all exits of the stage in the period.
    pub rate: f64,
}

/// What became of some records by the end of the observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Outcomes {
    /// How many records.
    pub records: u64,
    /// In a stage that means won: of leads, converted.
    pub won: u64,
    /// In a stage that means lost: of leads, unqualified.
    pub lost: u64,
    /// In any other stage of the pipeline.
    pub open: u64,
    /// In another pipeline.
    pub elsewhere: u64,
    /// Won ÷ records: what has been reached so far; it grows as long as some are open. `None` of no records.
    pub conversion_rate: Option<f64>,
    /// Won ÷ (won + lost); `None` where none is closed.
    pub win_rate: Option<f64>,
}

/// What was won and lost in the period, and how fast. A record was won or lost in the period where it stood in such a
/// stage as the period ended and had come to be so within it: one that was opened again is neither, and one that went
/// from one won stage to another was won when it entered the first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Velocity {
    /// Standing in open stages as the period ended: the opportunities.
    pub open: u64,
    /// Won in the period: of leads, converted.
    pub won: u64,
    /// Lost in the period: of leads, unqualified.
    pub lost: u64,
    /// Won ÷ (won + lost); `None` where none was closed.
    pub win_rate: Option<f64>,
    /// From creation to won: of leads, to converted. `None` where none was won.
    pub time_to_win: Option<TimeToWin>,
    /// Won records left out of it because they are said to have been won before they were created.
    pub times_left_out: u64,
    /// What the won deals are worth now; nothing of leads.
    pub won_value: Sums,
    /// Wins a day to be expected: open × win rate ÷ mean time to win in days. `None` where one of these is not known or
    /// the mean is nought.
    pub wins_per_day: Option<f64>,
    /// Sales velocity, in base currency a day: open × win rate × average won value ÷ mean time to win in days. `None`
    /// as above, and of leads.
    pub value_per_day: Option<f64>,
}

/// How long won records took from their creation to being won, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeToWin {
    /// Of how many.
    pub n: u64,
    /// Sum ÷ n, cut to whole microseconds.
    pub mean_micros: i64,
    /// The middle one; of an even number of them the mean of the two in the middle.
    pub median_micros: i64,
    /// The shortest.
    pub min_micros: i64,
    /// The longest.
    pub max_micros: i64,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Won: of leads, converted.
    Won,
    /// Lost: of leads, unqualified.
    Lost,
}

/// What was won or lost for one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// Won or lost.
    pub ending: Ending,
    /// Why; `None` where none was given.
    pub reason: Option<String>,
    /// How many records.
    pub records: u64,
    /// Of all that ended so in the period.
    pub rate: f64,
    /// What the deals are worth now; nothing of leads.
    pub value: Sums,
}
