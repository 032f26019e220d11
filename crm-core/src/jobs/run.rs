//! Starting jobs and going on with them: each stint does what it can until its time is over, and the next goes on where
//! it stopped. What a job does is what its use case does when it is called directly, record by record, so that an
//! interrupted one has lost nothing.

use super::record::{HeldBack, Job, JobFields, JobStatus, JobTarget, JobType, Product};
use crate::{
    access::Actor,
    collection::Collection,
    draft::{Draft, Lookup, Pending, Sets, Step, asked_for},
    error::Error,
    pipelines::{
        moves::{Moved, Stint},
        record::Pipeline,
    },
    schema::{Record, common},
    scoring::{Scoring, Trial},
    users::{Handover, record::User, signed_in::actor_of},
    value::{Choice, FieldValue, Id, Kind, Ref, Time, Value},
};

/// Microseconds for which a stint has a job to itself beyond its own end, should its process die.
const TAKEN_FOR: i64 = 30_000_000;
/// Records that could not be changed, of which a job tells.
const MAX_HELD_BACK: usize = 100;

/// What a stint came to.
struct Worked {
    moved: Moved,
    /// Of a trial: how far it is.
    trial: Option<Trial>,
    /// What it made.
    product: Option<Product>,
}

impl Collection<'_, Job> {
    /// Deactivates a user at once, and makes a job of handing over what is theirs. [`Collection::go_on`] does it.
    ///
    /// With a `key`, a second call with the same key answers the job of the first.
    ///
    /// # Errors
    /// As [`Collection::deactivate`].
    pub async fn deactivate_user(&self, user: Id, handover: Handover, key: Option<&str>) -> Result<Record<Job>, Error> {
        if handover == Handover::TransferTo(user) {
            return Err(Error::invalid("transfer_to", "same", "must be another user"));
        }
        let users = Collection::<User>::new(self.engine, self.actor);
        users.set_active(user, false, handover).await?;
        let transfer_to = if let Handover::TransferTo(to) = handover { Some(to) } else { None };
        let target = JobTarget { user_id: Some(user), transfer_to, ..JobTarget::default() };
        self.start(JobType::DeactivateUser, target, key).await
    }

    /// Lets nothing enter a stage any more, at once, and makes a job of moving what is in it.
    ///
    /// With a `key`, a second call with the same key answers the job of the first.
    ///
    /// # Errors
    /// As [`Collection::retire_stage`].
    pub async fn retire_stage(
        &self,
        pipeline: Id,
        stage: &str,
        target: &str,
        key: Option<&str>,
    ) -> Result<Record<Job>, Error> {
        let pipelines = Collection::<Pipeline>::new(self.engine, self.actor);
        let (from, to) = pipelines.close_stage(pipeline, stage, target).await?;
        let target = JobTarget {
            pipeline_id: Some(pipeline),
            stage_id: Some(from),
            to_stage_id: Some(to),
            ..JobTarget::default()
        };
        self.start(JobType::RetireStage, target, key).await
    }

    /// Makes a job of learning from the outcomes of leads or deals, but for some fields. The model and the report stand in
    /// the job's `product` when it is done. It is done in one stint.
    ///
    /// With a `key`, a second call with the same key answers the job of the first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `scoring_model.create`. What there is too little of, the job tells.
    #[cfg(feature = "predictive")]
    pub async fn train(&self, kind: Kind, exclude: Vec<String>, key: Option<&str>) -> Result<Record<Job>, Error> {
        let definitions = self.definitions().await?;
        let access = crate::access::Access::new(self.actor, &definitions, self.engine.clock.now());
        access.demand(crate::access::Permission::new(Kind::ScoringModel, crate::access::Action::Create))?;
        self.start(JobType::Train, JobTarget { kind: Some(kind), exclude, ..JobTarget::default() }, key).await
    }

    /// Makes a job of trying a scoring model: how records would move, and how well it would have ranked. What it comes to
    /// stands in the job's `trial`.
    ///
    /// With a `key`, a second call with the same key answers the job of the first.
    ///
    /// # Errors
    /// As [`Scoring::begin_trial`].
    pub async fn try_model(&self, model: Id, key: Option<&str>) -> Result<Record<Job>, Error> {
        Scoring::new(self.engine, self.actor).begin_trial(model).await?;
        self.start(JobType::TryModel, JobTarget { model_id: Some(model), ..JobTarget::default() }, key).await
    }

    async fn start(&self, ty: JobType, target: JobTarget, key: Option<&str>) -> Result<Record<Job>, Error> {
        let system = self.as_system();
        let external = key.map(|key| format!("key:{key}"));
        let mut sets = vec![
            (JobFields::r#type as usize, Value::text(ty.name())),
            (JobFields::user_id as usize, self.actor.user().into_value()),
            (JobFields::target as usize, Some(target.clone()).into_value()),
            (JobFields::status as usize, Value::text(JobStatus::Running.name())),
        ];
        if let Some(external) = &external {
            sets.push((common::EXTERNAL_ID, Value::text(external.as_str())));
        }
        let pending: Pending<Record<Job>> = Pending::new(
            self.engine,
            &system,
            "start",
            asked_for(&sets),
            Vec::new(),
            move |draft: &mut Draft<'_>, step: Step| {
                let id = draft.new_id();
                draft.create(Kind::Job, id, Sets::own(&sets), step).map(|record| vec![record])
            },
        );
        match (pending.await, external) {
            (Ok(job), _) => Ok(job.into_value()),
            (Err(Error::Duplicate { .. }), Some(external)) => {
                let job = Collection::<Job>::new(self.engine, &system).find("external_id", &external).await?;
                let same = job.r#type == ty && job.target == Some(target) && job.user_id == self.actor.user();
                if same { Ok(job) } else { Err(Error::KeyReused) }
            }
            (Err(error), _) => Err(error),
        }
    }

    fn as_system(&self) -> Actor {
        let system = Actor::system(self.actor.tenant());
        match self.actor.origin() {
            Some(origin) => system.through(origin.as_ref().clone()),
            None => system,
        }
    }

    /// Goes on with a job until a moment, and answers how far it is. Only who asked for it, or the system on their
    /// behalf, goes on with it; for others this is [`Collection::get`]. Of many at once one works; the others answer
    /// how far it was.
    ///
    /// # Errors
    /// As [`Collection::get`], and what the store says: then the job goes on with the next call.
    pub async fn go_on(&self, id: Id, until: Time) -> Result<Record<Job>, Error> {
        let job = self.get(id).await?;
        let mine = self.actor.is_system() || job.user_id.is_some() && job.user_id == self.actor.user();
        let now = self.engine.clock.now();
        if job.status != JobStatus::Running || !mine || job.taken_until.is_some_and(|taken| taken > now) {
            return Ok(job);
        }
        let taken_until = Time::from_micros(until.micros() + TAKEN_FOR).unwrap_or(Time::MAX);
        let take = vec![(JobFields::taken_until as usize, Some(taken_until).into_value())];
        match self.note(id, Some(job.machine_version), take, None).await {
            Ok(_) => {}
            // Somebody else has taken it.
            Err(Error::Conflict { .. }) => return self.get(id).await,
            Err(error) => return Err(error),
        }
        let stint = Stint { until: Some(until), held_back: job.held_back.iter().map(|one| one.id).collect() };
        match self.work(&job, &stint).await {
            Ok(Worked { moved, trial, product }) => {
                let mut held_back = job.held_back.clone();
                held_back.extend(
                    moved
                        .held_back
                        .iter()
                        .map(|(id, error)| HeldBack { id: *id, reason: error.to_string().chars().take(255).collect() }),
                );
                held_back.truncate(MAX_HELD_BACK);
                let done = job.done.saturating_add(i64::try_from(moved.moved).unwrap_or(i64::MAX));
                let mut progress = vec![
                    (JobFields::done as usize, done.into_value()),
                    (JobFields::held_back as usize, held_back.into_value()),
                    (JobFields::taken_until as usize, Value::Null),
                ];
                if trial.is_some() {
                    progress.push((JobFields::trial as usize, trial.into_value()));
                }
                if product.is_some() {
                    progress.push((JobFields::product as usize, product.into_value()));
                }
                let end = (!moved.unfinished).then_some((JobStatus::Completed, None));
                self.note(id, None, progress, end).await
            }
            Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Damaged(_))) => {
                let free = vec![(JobFields::taken_until as usize, Value::Null)];
                let _ = self.note(id, None, free, None).await;
                Err(error)
            }
            Err(error) => {
                let why: String = error.to_string().chars().take(255).collect();
                let free = vec![(JobFields::taken_until as usize, Value::Null)];
                self.note(id, None, free, Some((JobStatus::Failed, Some(why)))).await
            }
        }
    }

    async fn work(&self, job: &Record<Job>, stint: &Stint) -> Result<Worked, Error> {
        let on_behalf;
        let actor = match job.user_id {
            // With the rights that they have now.
            Some(user) if self.actor.is_system() => {
                on_behalf =
                    actor_of(self.engine, self.actor.tenant(), Lookup::from(Ref::new(Kind::User, user))).await?;
                &on_behalf
            }
            _ => self.actor,
        };
        let target = job.target.clone().unwrap_or_default();
        if let (JobType::TryModel, Some(model)) = (job.r#type, target.model_id) {
            let scoring = Scoring::new(self.engine, actor);
            let trial = match &job.trial {
                Some(trial) => trial.clone(),
                None => scoring.begin_trial(model).await?,
            };
            let before = trial.scored;
            let trial = scoring.go_on(model, trial, stint.until.unwrap_or(Time::MAX)).await?;
            let moved = trial.scored - before;
            let moved = Moved { moved, unfinished: !trial.is_done(), ..Moved::default() };
            return Ok(Worked { moved, trial: Some(trial), product: None });
        }
        if job.r#type == JobType::Train {
            return learn(&Scoring::new(self.engine, actor), target, stint.until.unwrap_or(Time::MAX)).await;
        }
        let moved = match (job.r#type, target) {
            (JobType::DeactivateUser, JobTarget { user_id: Some(user), transfer_to: Some(to), .. }) => {
                Collection::<User>::new(self.engine, actor).hand_over_all(user, to, stint).await
            }
            (
                JobType::RetireStage,
                JobTarget { pipeline_id: Some(pipeline), stage_id: Some(from), to_stage_id: Some(to), .. },
            ) => Collection::<Pipeline>::new(self.engine, actor).empty_stage(pipeline, from, to, stint).await,
            // Nothing is to be handed over.
            _ => Ok(Moved::default()),
        };
        Ok(Worked { moved: moved?, trial: None, product: None })
    }

    /// Notes how far a job is; `at` holds it to the version of its progress.
    async fn note(
        &self,
        id: Id,
        at: Option<u64>,
        progress: Vec<(usize, Value)>,
        end: Option<(JobStatus, Option<String>)>,
    ) -> Result<Record<Job>, Error> {
        let record = Ref::new(Kind::Job, id);
        let pending: Pending<Record<Job>> = Pending::new(
            self.engine,
            &self.as_system(),
            "finish",
            asked_for(&id),
            vec![record.into()],
            move |draft: &mut Draft<'_>, step: Step| {
                let job = draft.record::<Job>(id)?;
                if at.is_some_and(|version| version != job.machine_version) {
                    return Err(Error::Conflict { record, current: None, fields: Vec::new() }.into());
                }
                draft.compute(record, &progress)?;
                if let Some((status, why)) = &end {
                    let own = [
                        (JobFields::status as usize, Value::text(status.name())),
                        (JobFields::finished_at as usize, Value::Time(draft.cx.now)),
                        (JobFields::failure as usize, why.clone().into_value()),
                    ];
                    draft.update_for_rule(record, &own, step)?;
                }
                Ok(vec![record])
            },
        );
        Ok(pending.await?.into_value())
    }
}

/// Learns from the outcomes that can be read within the stint.
#[cfg(feature = "predictive")]
async fn learn(scoring: &Scoring<'_>, target: JobTarget, until: Time) -> Result<Worked, Error> {
    let options = crate::predict::Options { exclude: target.exclude, ..crate::predict::Options::default() };
    let learned = scoring.train_until(target.kind.unwrap_or(Kind::Lead), &options, until).await?;
    let moved = Moved { moved: learned.report.rows as u64, ..Moved::default() };
    let json = serde_json::to_value(&learned)
        .map_err(|error| Error::invalid("model", "unfit", format!("the model cannot be written: {error}")))?;
    Ok(Worked { moved, trial: None, product: Some(Product(json)) })
}

/// This program was built without what learns: another one goes on.
#[cfg(not(feature = "predictive"))]
async fn learn(_: &Scoring<'_>, _: JobTarget, _: Time) -> Result<Worked, Error> {
    Err(Error::Unavailable(crate::store::StoreError::unavailable("this program was built without training")))
}
