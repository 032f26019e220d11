//! Backtests: how scores would change with a model, and how well it would have ranked known outcomes. A backtest is a
//! value that advances step by step, so that a job can store and resume it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ask::{Chosen, ScoreQuery, Scoring, demand_seen},
    compiled::Compiled,
    history::{Known, Reader},
    models::Models as _,
    record::ScoringModel,
};
use crate::{
    catalog,
    engine::{
        access::Access,
        definitions::Definitions,
        listing::{self, ListQuery},
    },
    model::{
        access::{Action, Permission},
        error::Error,
        records::pipeline::{PipelineKind, StageKind},
        store::{LogPosition, Position, StageMoveQuery},
        value::{Id, Kind, Ref, Time},
    },
};

/// The maximum number of records listed among those that become hot, and among those that cease to be.
const MAX_NAMED: usize = 100;
/// The maximum number of outcomes in a ranking: the latest ones.
pub const MAX_OUTCOMES: usize = 1_000;
/// The maximum number of versions of the active model that are ranked for comparison: the newest ones.
const MAX_VERSIONS: u64 = 5;
/// The number of days whose outcomes count: a quarter.
const QUARTER_DAYS: i64 = 91;
/// The width of a bin in thousandths: five points.
pub const BAR: i64 = 5_000;
/// The bound of the outermost bins in thousandths: beyond 500 points no detail is needed.
const OUTERMOST: i64 = 500_000;
/// The number of records read together.
const PAGE: usize = 100;

/// Number of scores per bin, by the bin's lower bound in thousandths. At most 201 bins, from -500 to 500 points.
pub type Histogram = BTreeMap<i64, u64>;

/// The result of a backtest so far; complete when it is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backtest {
    /// The model under test, with its version, such as `ours@3`.
    pub model: String,
    /// The active model that it is compared with; empty if there is none, in which case all scores were zero.
    pub against: String,
    /// The time at which both models score.
    pub at: Option<Time>,
    /// The number of scored records.
    pub scored: u64,
    /// Records whose score would rise.
    pub up: u64,
    /// Records whose score would fall.
    pub down: u64,
    /// The distribution of scores with the active model, in bins of five points.
    pub before: Histogram,
    /// The distribution of scores with the new model.
    pub after: Histogram,
    /// The number of records that would become hot.
    pub becomes_hot: u64,
    /// The first hundred of them.
    pub becoming_hot: Vec<Id>,
    /// The number of records that would cease to be hot.
    pub ceases_hot: u64,
    /// The first hundred of them.
    pub ceasing_hot: Vec<Id>,
    /// How well each version would have ranked the outcomes of the last quarter, with each lead or deal scored just
    /// before its outcome from what was known then. Contacts and companies have no outcomes.
    pub rankings: Vec<Ranking>,
    /// The remaining work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// How well one version ranks outcomes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ranking {
    /// The version.
    pub model: String,
    /// Records that were won within the last quarter.
    pub won: u64,
    /// Records that were lost within it.
    pub lost: u64,
    /// The area under the ROC curve: the probability that a won record had a higher score than a lost one (0.5 is
    /// chance, 1 is perfect; ties count half). `None` if there were not both.
    pub auc: Option<f64>,
    /// The scores of won records so far, kept separately because they then need less room in the job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    won_scores: Vec<i64>,
    /// The scores of lost records so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lost_scores: Vec<i64>,
}

/// The next step of a backtest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Score the records after a position.
    Records(Option<Position>),
    /// Score these outcomes: the record, the time, and whether it was won.
    Outcomes(Vec<(Id, Time, bool)>),
}

impl Backtest {
    /// Creates a backtest of a model, before its first step.
    pub(crate) fn begin(access: &Access<'_>, model: Id<ScoringModel>, now: Time) -> Result<Self, Error> {
        let definitions = access.definitions();
        access.demand(Permission::new(Kind::ScoringModel, Action::Create))?;
        let tried = definitions.get::<ScoringModel>(model).ok_or(Error::NotFound(Kind::ScoringModel))?;
        let kind = tried.kind.unwrap_or(Kind::Lead);
        if access.is_hidden(kind, "score") {
            return Err(Error::forbidden(Permission::new(kind, Action::Read)));
        }
        demand_seen(access, kind, &Chosen::newest(tried).compile(definitions, now)?.needs)?;
        let against = definitions.active_model(kind).map(|model| model.version_name(model.version));
        Ok(Backtest {
            model: tried.version_name(tried.version),
            against: against.unwrap_or_default(),
            at: Some(now),
            next: Some(Next::Records(None)),
            ..Backtest::default()
        })
    }

    /// Returns `true` if the backtest is complete.
    pub const fn is_done(&self) -> bool {
        self.next.is_none() && self.at.is_some()
    }
}

/// A compiled model, and the one it is compared with.
struct Pair {
    tried: Compiled,
    other: Option<Compiled>,
}

impl Scoring<'_> {
    /// Starts a backtest of a model, which need not be active. [`Scoring::resume_backtest`] runs it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `scoring_model.create`; [`Error::NotFound`] for an unknown model;
    /// [`Error::Invalid`] if either model reads a field that is hidden from the actor.
    pub async fn begin_backtest(&self, model: Id<ScoringModel>) -> Result<Backtest, Error> {
        let definitions = self.definitions().await?;
        let now = self.engine.clock.now();
        Backtest::begin(&Access::new(self.actor, &definitions, now), model, now)
    }

    /// Continues a backtest until it is done or a time is reached by the CRM's clock; at least one step is done. The
    /// records are those that the actor may see.
    ///
    /// Costs one score per record, and for each outcome of the last quarter, at most 1,000, the record's history and
    /// interactions.
    ///
    /// # Errors
    /// As [`Scoring::begin_backtest`], and errors of the store; the backtest then keeps its previous state.
    pub async fn resume_backtest(
        &self,
        model: Id<ScoringModel>,
        mut trial: Backtest,
        until: Time,
    ) -> Result<Backtest, Error> {
        loop {
            trial = match trial.next.clone() {
                None => return Ok(trial),
                Some(Next::Records(after)) => self.try_records(model, trial, after).await?,
                Some(Next::Outcomes(left)) => self.try_outcomes(model, trial, left).await?,
            };
            if self.engine.clock.now() >= until {
                return Ok(trial);
            }
        }
    }

    /// Runs a complete backtest of a model.
    ///
    /// # Errors
    /// As [`Scoring::resume_backtest`].
    pub async fn try_model(&self, model: Id<ScoringModel>) -> Result<Backtest, Error> {
        let trial = self.begin_backtest(model).await?;
        self.resume_backtest(model, trial, Time::MAX).await
    }

    async fn try_records(
        &self,
        model: Id<ScoringModel>,
        mut trial: Backtest,
        after: Option<Position>,
    ) -> Result<Backtest, Error> {
        let definitions = self.definitions().await?;
        let now = self.engine.clock.now();
        let access = Access::new(self.actor, &definitions, now);
        let tried = definitions.get::<ScoringModel>(model).ok_or(Error::NotFound(Kind::ScoringModel))?;
        let kind = tried.kind.unwrap_or(Kind::Lead);
        let at = trial.at.unwrap_or(now);
        let pair = Pair {
            tried: Chosen::newest(tried).compile(&definitions, at)?,
            other: definitions
                .active_model(kind)
                .map(|model| Chosen::newest(model).compile(&definitions, at))
                .transpose()?,
        };
        let mut needs = pair.tried.needs.clone();
        if let Some(other) = &pair.other {
            needs.add(&other.needs);
        }
        demand_seen(&Access::new(self.actor, &definitions, now), kind, &needs)?;
        let plan = listing::plan(&access, catalog::decl(kind), &ListQuery::new().sort("created_at"), Action::Read)?;
        let page = listing::walk_page(self.engine, self.actor.tenant(), &plan, after, PAGE).await?;
        let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions: &definitions };
        for facts in reader.related(page.items, &needs).await? {
            let id = facts.record.id;
            let facts = reader.happened(facts, &needs, at).await?;
            let points = pair.tried.points(&facts);
            let (before, was_hot) = pair.other.as_ref().map_or((0, false), |other| {
                let points = other.points(&facts);
                (points.total, points.is_hot)
            });
            trial.scored += 1;
            trial.up += u64::from(points.total > before);
            trial.down += u64::from(points.total < before);
            *trial.before.entry(bar(before)).or_default() += 1;
            *trial.after.entry(bar(points.total)).or_default() += 1;
            let (count, named) = match (was_hot, points.is_hot) {
                (false, true) => (&mut trial.becomes_hot, &mut trial.becoming_hot),
                (true, false) => (&mut trial.ceases_hot, &mut trial.ceasing_hot),
                _ => continue,
            };
            *count += 1;
            if named.len() < MAX_NAMED {
                named.push(id);
            }
        }
        trial.next = match page.next {
            Some(next) => Some(Next::Records(Some(next))),
            None => match PipelineKind::of(kind) {
                Some(pipelines) => {
                    trial.rankings = versions(model, kind, &definitions);
                    Some(Next::Outcomes(self.outcomes(&definitions, &access, kind, pipelines, at).await?))
                }
                None => None,
            },
        };
        Ok(trial)
    }

    /// The records that were won or lost within the last quarter, the latest first: the last such move of each.
    async fn outcomes(
        &self,
        definitions: &Definitions,
        access: &Access<'_>,
        kind: Kind,
        pipelines: PipelineKind,
        now: Time,
    ) -> Result<Vec<(Id, Time, bool)>, Error> {
        if access.roles().is_hidden(kind, "stage_id") {
            return Ok(Vec::new());
        }
        let mut last: BTreeMap<Id, (Time, bool)> = BTreeMap::new();
        for pipeline in definitions.pipelines(pipelines) {
            let mut query = StageMoveQuery {
                tenant: self.actor.tenant(),
                pipeline: pipeline.id,
                from: now.plus_days(-QUARTER_DAYS),
                until: now.plus_micros(1),
                after: None,
                limit: 1_000,
            };
            loop {
                let page = self.engine.store.stage_moves(&query).await?;
                for change in &page.changes {
                    let stage = change.field("stage_id").and_then(|field| field.new.as_id());
                    let kind = stage.and_then(|id| definitions.stage(id.typed())).map(|(_, stage)| stage.kind);
                    match kind {
                        // A record created with its outcome had no score before it.
                        _ if change.is_creation() => {}
                        Some(StageKind::Won) => drop(last.insert(change.record.id, (change.occurred_at, true))),
                        Some(StageKind::Lost) => drop(last.insert(change.record.id, (change.occurred_at, false))),
                        _ => drop(last.remove(&change.record.id)),
                    }
                }
                query.after = page.changes.last().map(|change| LogPosition {
                    time: change.occurred_at,
                    record: change.record,
                    group: change.group,
                    version: change.version,
                });
                if !page.more || query.after.is_none() {
                    break;
                }
            }
        }
        let mut all: Vec<(Id, Time, bool)> = last.into_iter().map(|(id, (at, won))| (id, at, won)).collect();
        all.sort_by_key(|(id, at, _)| (std::cmp::Reverse(*at), *id));
        all.truncate(MAX_OUTCOMES);
        Ok(all)
    }

    async fn try_outcomes(
        &self,
        model: Id<ScoringModel>,
        mut trial: Backtest,
        mut left: Vec<(Id, Time, bool)>,
    ) -> Result<Backtest, Error> {
        let definitions = self.definitions().await?;
        let kind = definitions.get::<ScoringModel>(model).and_then(|tried| tried.kind).unwrap_or(Kind::Lead);
        let mut chosen = Vec::new();
        for ranking in &trial.rankings {
            let version = ranking.model.rsplit_once('@').and_then(|(_, version)| version.parse().ok());
            let active = definitions.active_model(kind).map(|active| active.id);
            let tried = definitions
                .get::<ScoringModel>(model)
                .is_some_and(|tried| ranking.model.starts_with(&format!("{}@", tried.key)));
            let id = if tried { Some(model) } else { active };
            let query = ScoreQuery { model: id, version, ..ScoreQuery::default() };
            chosen.push(self.chosen(&definitions, kind, &query).await?);
        }
        let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions: &definitions };
        for (id, at, won) in left.drain(..left.len().min(PAGE / 4)) {
            let record = Ref::new(kind, id);
            // Only records that the actor may see count, as in every report.
            if self.subject(record).await.is_err() {
                continue;
            }
            let before = at.plus_micros(-1);
            for (chosen, ranking) in chosen.iter().zip(&mut trial.rankings) {
                // A version that is no longer valid is not ranked.
                let Ok(compiled) = chosen.compile(&definitions, before) else { continue };
                let mut course = reader.course(record, &compiled.needs, Known::Then).await?;
                let Some(facts) = course.at(before, &definitions)? else { continue };
                let scores = if won { &mut ranking.won_scores } else { &mut ranking.lost_scores };
                scores.push(compiled.points(&facts).total);
            }
        }
        trial.next = Some(Next::Outcomes(left)).filter(|next| !matches!(next, Next::Outcomes(left) if left.is_empty()));
        if trial.next.is_none() {
            for ranking in &mut trial.rankings {
                let (won, lost) = (std::mem::take(&mut ranking.won_scores), std::mem::take(&mut ranking.lost_scores));
                (ranking.won, ranking.lost) = (won.len() as u64, lost.len() as u64);
                let won = won.into_iter().map(|score| (score, true));
                ranking.auc = auc(won.chain(lost.into_iter().map(|score| (score, false))).collect());
            }
        }
        Ok(trial)
    }
}

/// The versions to rank: the one under test, and the newest ones of the active model.
fn versions(model: Id<ScoringModel>, kind: Kind, definitions: &Definitions) -> Vec<Ranking> {
    let named = |model: String| Ranking { model, ..Ranking::default() };
    let tried = definitions.get::<ScoringModel>(model).map(|tried| named(tried.version_name(tried.version)));
    let active = definitions.active_model(kind).into_iter();
    let others = active.flat_map(|active| {
        let oldest = active.version.saturating_sub(MAX_VERSIONS - 1).max(1);
        (oldest..=active.version).rev().map(|version| active.version_name(version)).collect::<Vec<_>>()
    });
    let mut all: Vec<Ranking> = tried.into_iter().collect();
    for other in others {
        if all.iter().all(|known| known.model != other) {
            all.push(named(other));
        }
    }
    all
}

/// The lower bound of a score's bin; the outermost bins include everything beyond them.
fn bar(score: i64) -> i64 {
    score.clamp(-OUTERMOST, OUTERMOST).div_euclid(BAR) * BAR
}

/// The area under the ROC curve: the fraction of pairs of a won and a lost record in which the won one has the higher
/// score, ties counting half (Mann and Whitney's U divided by the number of pairs). Computed in integers up to the
/// division.
fn auc(mut scores: Vec<(i64, bool)>) -> Option<f64> {
    scores.sort_unstable();
    let (mut below, mut doubled) = (0_u64, 0_u64);
    for tied in scores.chunk_by(|a, b| a.0 == b.0) {
        let won = tied.iter().filter(|(_, won)| *won).count() as u64;
        let lost = tied.len() as u64 - won;
        doubled += won * (2 * below + lost);
        below += lost;
    }
    let pairs = below * (scores.len() as u64 - below);
    #[allow(clippy::cast_precision_loss)] // at most a quarter of a million pairs
    (pairs > 0).then(|| doubled as f64 / (2 * pairs) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_fits_into_its_job_at_every_step() {
        let id = |number: usize| Id::from_uuid(uuid::Uuid::from_u128(u128::MAX - number as u128));
        let (at, names) = ("2026-11-30T12:53:39.123456Z".parse().unwrap(), (0..MAX_NAMED).map(id).collect::<Vec<_>>());
        let bars: Histogram = (-100..=100).map(|bar| (bar * BAR, 1_000_000)).collect();
        for done in (0..=MAX_OUTCOMES).step_by(25) {
            let scores =
                |won: bool| (0..done).filter(|at| (at % 2 == 0) == won).map(|_| -crate::scoring::MAX_POINTS).collect();
            let ranking = Ranking {
                model: "m".repeat(50),
                won_scores: scores(true),
                lost_scores: scores(false),
                ..Ranking::default()
            };
            let trial = Backtest {
                at: Some(at),
                before: bars.clone(),
                after: bars.clone(),
                becoming_hot: names.clone(),
                ceasing_hot: names.clone(),
                rankings: vec![ranking; usize::try_from(MAX_VERSIONS).unwrap() + 1],
                next: Some(Next::Outcomes((done..MAX_OUTCOMES).map(|number| (id(number), at, false)).collect())),
                ..Backtest::default()
            };
            let bytes = serde_json::to_string(&trial).unwrap().len();
            assert!(bytes < crate::model::schema::MAX_MADE, "{bytes} after {done}");
        }
    }

    #[test]
    fn ranking_is_the_share_of_pairs_in_order() {
        let of = |scores: &[(i64, bool)]| auc(scores.to_vec());
        assert_eq!(of(&[(1, false), (2, true)]), Some(1.0));
        assert_eq!(of(&[(2, false), (1, true)]), Some(0.0));
        assert_eq!(of(&[(1, false), (1, true)]), Some(0.5));
        // Pairs: (3 > 1), (3 > 2), (2 > 1), (2 = 2): three and a half out of four.
        assert_eq!(of(&[(1, false), (2, false), (2, true), (3, true)]), Some(0.875));
        assert_eq!(of(&[(1, true), (5, true)]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn bars_are_five_points_wide_below_nought_too() {
        assert_eq!([-5_001, -5_000, -1, 0, 4_999, 5_000].map(bar), [-10_000, -5_000, -5_000, 0, 0, 5_000]);
        assert_eq!([i64::MIN, i64::MAX].map(bar), [-500_000, 500_000]);
    }
}
