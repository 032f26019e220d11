//! The jobs of scoring: backtesting a model, and training one on outcomes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{ask::Scoring, backtest::Backtest};
use crate::{
    engine::{
        collection::Collection,
        draft::{Draft, Stop},
        jobs::{JobContext, JobHandler, Piece},
    },
    model::{
        error::Error,
        records::job::{Job, read, written},
        schema::Record,
        value::Id,
    },
    scoring::ScoringModel,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TryArgs {
    /// The scoring model to backtest.
    model_id: Id<ScoringModel>,
}

/// The type of the job that backtests a model.
const TRY_MODEL: &str = "try_model";

impl Collection<'_, Job> {
    /// Starts a job that backtests a scoring model: how scores would change, and how well the model would have ranked
    /// outcomes. The result is stored in the job's `product` ([`Job::trial`]).
    ///
    /// With a `key`, a second call with the same key returns the job of the first call, for 24 hours.
    ///
    /// # Errors
    /// As [`Scoring::begin_backtest`]; for the key as [`Collection::start`].
    pub async fn try_model(&self, model: Id<ScoringModel>, key: Option<&str>) -> Result<Record<Job>, Error> {
        self.start(TRY_MODEL, written(&TryArgs { model_id: model })?, key).await
    }
}

impl Job {
    /// Returns the result of a backtest so far; it is complete once the job is completed.
    pub fn trial(&self) -> Option<Backtest> {
        let data = self.product.as_ref().or(self.place.as_ref()).filter(|_| self.r#type == TRY_MODEL);
        data.and_then(|data| data.read().ok())
    }
}

pub(super) struct TryModel;

#[async_trait]
impl JobHandler for TryModel {
    fn name(&self) -> &'static str {
        TRY_MODEL
    }

    fn discloses(&self) -> &'static [&'static str] {
        &["lead.score", "contact.score", "company.score", "deal.score"]
    }

    fn begin(&self, draft: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        Backtest::begin(&draft.cx.access, read::<TryArgs>(args)?.model_id, draft.cx.now)?;
        Ok(args.clone())
    }

    fn understands(&self, args: &Json, place: Option<&Json>) -> bool {
        read::<TryArgs>(args).is_ok() && place.is_none_or(|place| read::<Backtest>(place).is_ok())
    }

    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error> {
        let model = read::<TryArgs>(cx.args())?.model_id;
        let scoring = Scoring::new(&cx.crm().engine, cx.actor());
        let trial = match place {
            Some(place) => read(place)?,
            None => scoring.begin_backtest(model).await?,
        };
        let before = trial.scored;
        // As far as the time allows: the position is large, and each piece stores it.
        let trial = scoring.resume_backtest(model, trial, cx.until()).await?;
        let (scored, json) = (trial.scored - before, written(&trial)?);
        let piece = if trial.is_done() { Piece::done(Some(json)) } else { Piece::new(Vec::new(), json) };
        Ok(piece.counting(scored))
    }
}

#[cfg(feature = "predictive")]
pub(super) use training::Train;

#[cfg(feature = "predictive")]
mod training {
    use super::{
        Collection, Deserialize, Draft, Error, Job, JobContext, JobHandler, Json, Piece, Record, Scoring, Serialize,
        Stop, async_trait, read, written,
    };
    use crate::{
        model::{
            access::{Action, Permission},
            value::Kind,
        },
        predict::Options,
    };

    /// The type of the job that trains a model.
    const TRAIN: &str = "train";

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TrainArgs {
        /// The kind of record.
        kind: Kind,
        /// Fields to exclude.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
    }

    impl Collection<'_, Job> {
        /// Starts a job that trains a model on the outcomes of leads or deals, excluding some fields. Model and report
        /// are stored in the job's `product` when it is completed. The job consists of one piece.
        ///
        /// With a `key`, a second call with the same key returns the job of the first call, for 24 hours.
        ///
        /// # Errors
        /// [`Error::Forbidden`] without `scoring_model.create`; for the key as [`Collection::start`]. Too few outcomes
        /// fail the job.
        pub async fn train(&self, kind: Kind, exclude: Vec<String>, key: Option<&str>) -> Result<Record<Job>, Error> {
            self.start(TRAIN, written(&TrainArgs { kind, exclude })?, key).await
        }
    }

    pub(in crate::scoring) struct Train;

    #[async_trait]
    impl JobHandler for Train {
        fn name(&self) -> &'static str {
            TRAIN
        }

        fn discloses(&self) -> &'static [&'static str] {
            &["lead", "contact", "company", "deal"]
        }

        fn begin(&self, draft: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
            read::<TrainArgs>(args)?;
            draft.cx.access.demand(Permission::new(Kind::ScoringModel, Action::Create))?;
            Ok(args.clone())
        }

        fn understands(&self, args: &Json, _: Option<&Json>) -> bool {
            read::<TrainArgs>(args).is_ok()
        }

        async fn next(&self, cx: &JobContext<'_>, _: Option<&Json>) -> Result<Piece, Error> {
            let args: TrainArgs = read(cx.args())?;
            let options = Options { exclude: args.exclude, ..Options::default() };
            let scoring = Scoring::new(&cx.crm().engine, cx.actor());
            let learned = scoring.train_until(args.kind, &options, cx.until()).await?;
            Ok(Piece::done(Some(written(&learned)?)).counting(learned.report.rows as u64))
        }
    }
}
