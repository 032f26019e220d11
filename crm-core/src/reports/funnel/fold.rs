//! The aggregation of stays into the funnel report. Counts are whole numbers; ratios are computed at the end.

use std::collections::{BTreeMap, HashMap};

use super::{
    course::Stay,
    figures::{Ending, FunnelReport, Outcomes, Reason, StageFunnel, StageTransition, TimeToWin, Velocity},
    survival::{Lasted, TimeInStage, time_in_stage},
};
use crate::{
    model::{
        error::Error,
        records::pipeline::{Pipeline, Stage, StageKind},
        schema::Record,
        value::{Currency, Id, Kind, Time},
    },
    reports::{
        money::{MissingRate, MoneyTally, RateUsed, Sums, Valued},
        table::MAX_GROUPS,
    },
};

/// The period, and the end of the follow-up of stays that began in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// Inclusive.
    pub(super) from: Time,
    /// Exclusive.
    pub(super) until: Time,
    /// At or after `until`.
    pub(super) followed: Time,
    pub(super) now: Time,
}

impl Period {
    fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }
}

/// A record that was won or lost in the period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Closing {
    pub(super) at: Time,
    ending: Ending,
    reason: Option<String>,
    /// Microseconds since its creation.
    took: Option<i64>,
}

/// Counts of records by outcome.
#[derive(Clone, Copy, Debug, Default)]
struct OutcomeTally {
    won: u64,
    lost: u64,
    open: u64,
    elsewhere: u64,
}

impl OutcomeTally {
    /// Counts a record by the kind of its stage; `None` is another pipeline.
    fn add(&mut self, kind: Option<StageKind>) {
        match kind {
            Some(StageKind::Won) => self.won += 1,
            Some(StageKind::Lost) => self.lost += 1,
            Some(StageKind::Open | StageKind::Unknown(_)) => self.open += 1,
            None => self.elsewhere += 1,
        }
    }

    fn outcomes(self) -> Outcomes {
        let Self { won, lost, open, elsewhere } = self;
        let records = won + lost + open + elsewhere;
        Outcomes {
            records,
            won,
            lost,
            open,
            elsewhere,
            conversion_rate: ratio(won, records),
            win_rate: ratio(won, won + lost),
        }
    }
}

/// The counts of one stage.
#[derive(Debug, Default)]
struct StageTally {
    standing_at_start: u64,
    entries: u64,
    created: u64,
    exits: u64,
    standing_at_end: u64,
    /// By the index of the stage in the pipeline; one past the last is another pipeline.
    went_to: BTreeMap<usize, u64>,
    lasted: Vec<Lasted>,
    /// Stays that begin in the future.
    lasted_left_out: u64,
    outcomes: OutcomeTally,
    /// `true` if any record ever was in it.
    used: bool,
}

/// The counts of one reason.
#[derive(Debug, Default)]
struct ReasonTally {
    records: u64,
    value: MoneyTally,
}

/// The state of the aggregation.
#[derive(Debug)]
pub(super) struct Fold<'a> {
    pipeline: &'a Record<Pipeline>,
    period: Period,
    /// The pipeline's stages in order.
    stages: Vec<&'a Stage>,
    places: HashMap<Id<Stage>, usize>,
    tallies: Vec<StageTally>,
    records: u64,
    cohort: OutcomeTally,
    won: u64,
    lost: u64,
    took: Vec<i64>,
    took_left_out: u64,
    won_value: MoneyTally,
    reasons: BTreeMap<(Ending, Option<String>), ReasonTally>,
}

impl<'a> Fold<'a> {
    pub(super) fn new(pipeline: &'a Record<Pipeline>, period: Period) -> Self {
        let mut stages: Vec<&Stage> = pipeline.stages.iter().collect();
        stages.sort_by_key(|stage| (stage.position, stage.id));
        Self {
            pipeline,
            period,
            places: stages.iter().enumerate().map(|(place, stage)| (stage.id, place)).collect(),
            tallies: stages.iter().map(|_| StageTally::default()).collect(),
            stages,
            records: 0,
            cohort: OutcomeTally::default(),
            won: 0,
            lost: 0,
            took: Vec::new(),
            took_left_out: 0,
            won_value: MoneyTally::default(),
            reasons: BTreeMap::new(),
        }
    }

    /// Counts the stays of one record with its current stage and reason. Returns its result if it was won or lost in
    /// the period.
    pub(super) fn add(
        &mut self,
        stays: &[Stay],
        stands_in: Option<Id<Stage>>,
        reason: Option<&str>,
        created_at: Option<Time>,
    ) -> Option<Closing> {
        let (first, last) = (stays.first()?, stays.last()?);
        self.records += 1;
        let became = if last.left.is_some() { None } else { Some(self.kind(last.stage)) };
        if self.period.holds(first.entered) {
            self.cohort.add(became);
        }
        let mut seen = vec![false; self.stages.len()];
        for stay in stays {
            let Some(&place) = self.places.get(&stay.stage) else { continue };
            self.stay(place, stay, !seen[place], became);
            seen[place] = true;
        }
        self.closing(stays, stands_in, reason, created_at)
    }

    fn kind(&self, stage: Id<Stage>) -> StageKind {
        self.places.get(&stage).map_or(StageKind::Open, |&place| self.stages[place].kind)
    }

    /// Counts one stay in the stage at an index. For the record's first stay there, also counts the outcome of the
    /// record, `None` for another pipeline.
    fn stay(&mut self, place: usize, stay: &Stay, is_first: bool, became: Option<StageKind>) {
        let Self { period, places, tallies, stages, .. } = self;
        let tally = &mut tallies[place];
        tally.used = true;
        tally.standing_at_start += u64::from(stay.stands(period.from));
        tally.standing_at_end += u64::from(stay.stands(period.until));
        if let Some((_, to)) = stay.left.filter(|(at, _)| period.holds(*at)) {
            let to = to.and_then(|stage| places.get(&stage).copied()).unwrap_or(stages.len());
            tally.exits += 1;
            *tally.went_to.entry(to).or_default() += 1;
        }
        if period.holds(stay.entered) {
            tally.entries += 1;
            tally.created += u64::from(stay.created);
            let ended = stay.left.map_or(period.followed.min(period.now), |(at, _)| at);
            let micros = ended.since(stay.entered);
            if micros < 0 {
                tally.lasted_left_out += 1;
            } else {
                tally.lasted.push(Lasted { micros, open: stay.left.is_none() });
            }
            if is_first {
                tally.outcomes.add(became);
            }
        }
    }

    fn closing(
        &self,
        stays: &[Stay],
        stands_in: Option<Id<Stage>>,
        reason: Option<&str>,
        created_at: Option<Time>,
    ) -> Option<Closing> {
        let end = stays.iter().rposition(|stay| stay.stands(self.period.until))?;
        let ending = match self.kind(stays[end].stage) {
            StageKind::Won => Ending::Won,
            StageKind::Lost => Ending::Lost,
            StageKind::Open | StageKind::Unknown(_) => return None,
        };
        // The result dates from the entry into the first of consecutive stages with the same result.
        let mut began = end;
        while began > 0
            && self.kind(stays[began - 1].stage) == self.kind(stays[end].stage)
            && stays[began - 1].left.is_some_and(|(_, to)| to.is_some())
        {
            began -= 1;
        }
        let at = stays[began].entered;
        if at < self.period.from {
            return None;
        }
        let still = stays[end].left.is_none() && stands_in == Some(stays[end].stage);
        let written = || stays[began..=end].iter().rev().find_map(|stay| stay.reason.as_deref());
        let reason = if still { reason } else { written() };
        Some(Closing {
            at,
            ending,
            // A converted lead keeps the reason of an earlier disqualification, which does not apply.
            reason: reason.filter(|_| ending == Ending::Lost || self.is_of_deals()).map(str::to_owned),
            took: created_at.map(|created| at.since(created)),
        })
    }

    fn is_of_deals(&self) -> bool {
        self.pipeline.kind == crate::model::records::pipeline::PipelineKind::Deal
    }

    /// Counts a record that was won or lost in the period, with its value.
    pub(super) fn close(&mut self, closing: Closing, value: Option<Valued>) -> Result<(), Error> {
        match closing.ending {
            Ending::Won => {
                self.won += 1;
                match closing.took {
                    Some(took) if took >= 0 => self.took.push(took),
                    Some(_) => self.took_left_out += 1,
                    None => {}
                }
                if let Some(value) = value {
                    self.won_value.add(value);
                }
            }
            Ending::Lost => self.lost += 1,
        }
        let key = (closing.ending, closing.reason);
        if self.reasons.len() >= MAX_GROUPS && !self.reasons.contains_key(&key) {
            return Err(Error::TooLarge { what: "the number of reasons", limit: MAX_GROUPS });
        }
        let tally = self.reasons.entry(key).or_default();
        tally.records += 1;
        if let Some(value) = value {
            tally.value.add(value);
        }
        Ok(())
    }

    /// Returns the report, without reasons if the actor may not see them.
    pub(super) fn finish(
        self,
        has_reasons: bool,
        base_currency: Currency,
        rates: Vec<RateUsed>,
        missing_rates: Vec<MissingRate>,
    ) -> Result<FunnelReport, Error> {
        let is_open = |(stage, _): &(&&Stage, &StageTally)| stage.kind.is_open();
        let open = self.stages.iter().zip(&self.tallies).filter(is_open).map(|(_, tally)| tally.standing_at_end).sum();
        let won_value = self.won_value.sums(base_currency)?;
        let times = (self.took, self.took_left_out);
        let velocity = velocity(open, self.won, self.lost, times, won_value);
        let stages: Vec<StageFunnel> = self
            .tallies
            .into_iter()
            .zip(&self.stages)
            .filter(|(tally, stage)| tally.used || !stage.retired)
            .map(|(tally, stage)| stage_funnel(tally, stage, &self.stages))
            .collect();
        let reasons = if has_reasons { Some(reasons(self.reasons, self.won, self.lost, base_currency)?) } else { None };
        let Period { from, until, followed, now } = self.period;
        Ok(FunnelReport {
            kind: self.pipeline.kind.record_kind().unwrap_or(Kind::Deal),
            pipeline_id: self.pipeline.id,
            from: Some(from).filter(|&from| from > Time::MIN),
            until: until.min(now),
            followed_until: followed.min(now),
            records: self.records,
            stages,
            cohort: self.cohort.outcomes(),
            velocity,
            reasons,
            base_currency,
            rates,
            missing_rates,
        })
    }
}

fn stage_funnel(tally: StageTally, stage: &Stage, stages: &[&Stage]) -> StageFunnel {
    let went_to = tally.went_to.iter().map(|(&place, &exits)| {
        let to = stages.get(place);
        StageTransition {
            stage_id: to.map(|stage| stage.id),
            key: to.map(|stage| stage.key.clone()),
            exits,
            rate: ratio(exits, tally.exits).unwrap_or_default(),
        }
    });
    StageFunnel {
        id: stage.id,
        key: stage.key.clone(),
        name: stage.name.clone(),
        kind: stage.kind,
        standing_at_start: tally.standing_at_start,
        entries: tally.entries,
        created: tally.created,
        exits: tally.exits,
        standing_at_end: tally.standing_at_end,
        went_to: went_to.collect(),
        time: TimeInStage { left_out: tally.lasted_left_out, ..time_in_stage(tally.lasted) },
        outcomes: tally.outcomes.outcomes(),
    }
}

/// Microseconds of a day.
const DAY: f64 = 86_400_000_000.0;

#[allow(clippy::cast_precision_loss)] // counts are far below 2^53, and the mean of times needs no more digits
fn velocity(open: u64, won: u64, lost: u64, (took, left_out): (Vec<i64>, u64), won_value: Sums) -> Velocity {
    let win_rate = ratio(won, won + lost);
    let time_to_win = time_to_win(took);
    let days = time_to_win.map(|time| time.mean_micros as f64 / DAY).filter(|&days| days > 0.0);
    let expected = win_rate.map(|rate| open as f64 * rate);
    let average = won_value.in_base.as_ref().map(|value| value.average.to_f64());
    Velocity {
        open,
        won,
        lost,
        win_rate,
        time_to_win,
        times_left_out: left_out,
        wins_per_day: expected.zip(days).map(|(wins, days)| wins / days),
        value_per_day: expected.zip(average).zip(days).map(|((wins, average), days)| wins * average / days),
        won_value,
    }
}

fn time_to_win(mut took: Vec<i64>) -> Option<TimeToWin> {
    took.sort_unstable();
    let (&min_micros, &max_micros) = (took.first()?, took.last()?);
    let sum: i128 = took.iter().map(|&micros| i128::from(micros)).sum();
    let mean = sum / i128::try_from(took.len()).ok()?;
    let (low, high) = (took[(took.len() - 1) / 2], took[took.len() / 2]);
    Some(TimeToWin {
        n: took.len() as u64,
        mean_micros: i64::try_from(mean).ok()?,
        median_micros: low + (high - low) / 2,
        min_micros,
        max_micros,
    })
}

fn reasons(
    tallies: BTreeMap<(Ending, Option<String>), ReasonTally>,
    won: u64,
    lost: u64,
    base: Currency,
) -> Result<Vec<Reason>, Error> {
    let mut reasons = Vec::with_capacity(tallies.len());
    for ((ending, reason), tally) in tallies {
        let all = if ending == Ending::Won { won } else { lost };
        let rate = ratio(tally.records, all).unwrap_or_default();
        reasons.push(Reason { ending, reason, records: tally.records, rate, value: tally.value.sums(base)? });
    }
    // The most frequent first; among equals, those without a reason last.
    reasons.sort_by(|a, b| {
        let key = |reason: &Reason| (reason.ending, std::cmp::Reverse(reason.records), reason.reason.is_none());
        key(a).cmp(&key(b)).then_with(|| a.reason.cmp(&b.reason))
    });
    Ok(reasons)
}

/// Returns a ratio of counts; `None` if the denominator is 0.
#[allow(clippy::cast_precision_loss)] // a count of records is far below 2^53
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
