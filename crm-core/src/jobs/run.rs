//! Starting jobs and going on with them: each stint does what it can until its time is over, and the next goes on where
//! it stopped. What a job does is what its use case does when it is called directly, record by record, so that an
//! interrupted one has lost nothing.
//!
//! A job is made in the one commit that takes its first step (the user is deactivated, the stage closed) and the
//! idempotency key: what is refused has no effect.

use super::record::{HeldBack, Job, JobFields, JobStatus, JobTarget, JobType, Product};
use crate::{
    access::{Access, Actor},
    collection::Collection,
    draft::{Asked, Draft, Lookup, Pending, Sets, Step, Stop, asked_for, decide_only},
    error::Error,
    pipelines::{moves::close_stage, record::Pipeline},
    schema::{Image, Record},
    scoring::{Scoring, Trial},
    users::{Handover, record::User, set_active, signed_in::actor_of},
    value::{Choice, FieldValue, Id, Kind, Ref, Time, Value},
    walk::Walk,
};

/// Microseconds for which a stint has a job to itself beyond its own end, should its process die.
const TAKEN_FOR: i64 = 30_000_000;
/// Records that could not be changed, of which a job tells.
const MAX_HELD_BACK: usize = 100;

/// What a stint came to.
#[derive(Default)]
struct Worked {
    /// Records that it changed.
    done: u64,
    unfinished: bool,
    /// Of work over many records: what it held back, and where to go on.
    walk: Option<Walk>,
    /// Of a trial: how far it is.
    trial: Option<Trial>,
    /// What it made.
    product: Option<Product>,
}

impl From<Walk> for Worked {
    fn from(walk: Walk) -> Self {
        Self { done: walk.moved.moved, unfinished: walk.is_unfinished(), walk: Some(walk), ..Self::default() }
    }
}

impl Collection<'_, Job> {
    /// Deactivates a user at once, and makes a job of handing over what is theirs, in one commit. [`Collection::go_on`]
    /// does it.
    ///
    /// With a `key`, a second call with the same key answers the job of the first, for 24 hours.
    ///
    /// # Errors
    /// As [`Collection::deactivate`]; [`Error::KeyReused`] for a key that was used for something else, and
    /// [`Error::Invalid`] for one of more than 255 characters: then nothing was done.
    pub async fn deactivate_user(&self, user: Id, handover: Handover, key: Option<&str>) -> Result<Record<Job>, Error> {
        let transfer_to = if let Handover::TransferTo(to) = handover { Some(to) } else { None };
        let target = JobTarget { user_id: Some(user), transfer_to, ..JobTarget::default() };
        let hints = vec![Ref::new(Kind::User, user).into(), Ref::new(Kind::Credential, user).into()];
        let asked = asked_for(&target);
        self.start(JobType::DeactivateUser, asked, hints, key, move |draft, step| {
            set_active(draft, user, false, handover, Step { action: "deactivate", ..step })?;
            Ok(target.clone())
        })
        .await
    }

    /// Lets nothing enter a stage any more, at once, and makes a job of moving what is in it, in one commit.
    ///
    /// With a `key`, a second call with the same key answers the job of the first, for 24 hours.
    ///
    /// # Errors
    /// As [`Collection::retire_stage`]; of the key as [`Collection::deactivate_user`].
    pub async fn retire_stage(
        &self,
        pipeline: Id,
        stage: &str,
        target: &str,
        key: Option<&str>,
    ) -> Result<Record<Job>, Error> {
        let (from, to) = (stage.to_owned(), target.to_owned());
        let asked = asked_for(&(pipeline, from.clone(), to.clone()));
        let hints = vec![Ref::new(Kind::Pipeline, pipeline).into()];
        self.start(JobType::RetireStage, asked, hints, key, move |draft, step| {
            let (from, to) = close_stage(draft, pipeline, &from, &to, Step { action: "retire_stage", ..step })?;
            Ok(JobTarget {
                pipeline_id: Some(pipeline),
                stage_id: Some(from),
                to_stage_id: Some(to),
                ..JobTarget::default()
            })
        })
        .await
    }

    /// Makes a job of learning from the outcomes of leads or deals, but for some fields. The model and the report stand in
    /// the job's `product` when it is done. It is done in one stint.
    ///
    /// With a `key`, a second call with the same key answers the job of the first, for 24 hours.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `scoring_model.create`; of the key as [`Collection::deactivate_user`]. What there is too
    /// little of, the job tells.
    #[cfg(feature = "predictive")]
    pub async fn train(&self, kind: Kind, exclude: Vec<String>, key: Option<&str>) -> Result<Record<Job>, Error> {
        let target = JobTarget { kind: Some(kind), exclude, ..JobTarget::default() };
        self.start(JobType::Train, asked_for(&target), Vec::new(), key, move |draft, _| {
            let access = &draft.cx.access;
            access.demand(crate::access::Permission::new(Kind::ScoringModel, crate::access::Action::Create))?;
            Ok(target.clone())
        })
        .await
    }

    /// Makes a job of trying a scoring model: how records would move, and how well it would have ranked. What it comes to
    /// stands in the job's `trial`.
    ///
    /// With a `key`, a second call with the same key answers the job of the first, for 24 hours.
    ///
    /// # Errors
    /// As [`Scoring::begin_trial`]; of the key as [`Collection::deactivate_user`].
    pub async fn try_model(&self, model: Id, key: Option<&str>) -> Result<Record<Job>, Error> {
        let target = JobTarget { model_id: Some(model), ..JobTarget::default() };
        self.start(JobType::TryModel, asked_for(&target), Vec::new(), key, move |draft, _| {
            Trial::begin(&draft.cx.access, model, draft.cx.now)?;
            Ok(target.clone())
        })
        .await
    }

    /// Makes a job together with its first step, which says what it is about.
    async fn start<F>(
        &self,
        ty: JobType,
        asked: Asked,
        hints: Vec<Lookup>,
        key: Option<&str>,
        first: F,
    ) -> Result<Record<Job>, Error>
    where
        F: Fn(&mut Draft<'_>, Step) -> Result<JobTarget, Stop> + Send + Sync + Clone + 'static,
    {
        let user = self.actor.user();
        let decide = move |draft: &mut Draft<'_>, step: Step| {
            let target = first(draft, step)?;
            let sets = [
                (JobFields::r#type as usize, Value::text(ty.name())),
                (JobFields::user_id as usize, user.into_value()),
                (JobFields::target as usize, Some(target).into_value()),
                (JobFields::status as usize, Value::text(JobStatus::Running.name())),
            ];
            let id = draft.new_id();
            let job = draft.create(Kind::Job, id, Sets::own(&sets), Step { action: "start", ..step })?;
            Ok(vec![job])
        };
        let pending: Pending<Record<Job>> = Pending::new(self.engine, self.actor, ty.name(), asked, hints, decide);
        let Some(key) = key else { return Ok(pending.await?.into_value()) };
        let job = pending.idempotency_key(key).await?.into_value();
        // A key that is known answers what was then; how far the job is, the job tells.
        self.get(job.id).await
    }

    fn as_system(&self) -> Actor {
        let system = Actor::system(self.actor.tenant());
        match self.actor.origin() {
            Some(origin) => system.through(origin.as_ref().clone()),
            None => system,
        }
    }

    /// Goes on with a job until a moment, and answers how far it is. Only who asked for it, or the system on their
    /// behalf, goes on with it; for others this is [`Collection::get`], and so it is of a job that a newer program made
    /// and this one does not understand as a whole. Of many at once one works; the others answer how far it was.
    ///
    /// # Errors
    /// As [`Collection::get`], and what the store says: then the job goes on with the next call.
    pub async fn go_on(&self, id: Id, until: Time) -> Result<Record<Job>, Error> {
        // As it is stored: what the actor may see of it says nothing of what is to be done.
        let record = Ref::new(Kind::Job, id);
        let outcome = decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        let image = outcome.images.first().ok_or(Error::NotFound(Kind::Job))?;
        let job: Record<Job> = Record::from_image(image)?;
        let mine = self.actor.is_system() || job.user_id.is_some() && job.user_id == self.actor.user();
        let now = self.engine.clock.now();
        let is_mine_to_do = mine && !is_beyond(&job, image);
        if job.status != JobStatus::Running || !is_mine_to_do || job.taken_until.is_some_and(|taken| taken > now) {
            let access = Access::new(self.actor, &outcome.definitions, now);
            return Ok(Record::from_image(&access.mask(image))?);
        }
        let taken_until = Time::from_micros(until.micros() + TAKEN_FOR).unwrap_or(Time::MAX);
        let take = vec![(JobFields::taken_until as usize, Some(taken_until).into_value())];
        match self.note(id, Some(job.machine_version), take, None).await {
            Ok(_) => {}
            // Somebody else has taken it.
            Err(Error::Conflict { .. }) => return self.get(id).await,
            Err(error) => return Err(error),
        }
        let mut worked = Worked::default();
        let ended = match self.work(&job, until, &mut worked).await {
            Ok(()) if worked.unfinished => None,
            Ok(()) => Some(Ok((JobStatus::Completed, None))),
            Err(error) if passes(&error) => Some(Err(error)),
            Err(error) => Some(Ok(failed(&error))),
        };
        // What was done is noted, whatever kept the rest from being done.
        let (waits, end) = match ended {
            None => (None, None),
            Some(Ok(end)) => (None, Some(end)),
            Some(Err(error)) => (Some(error), None),
        };
        let noted = match self.note(id, None, progress_of(&job, worked), end).await {
            // Its own record has no room for what it came to: it would have none the next time.
            Err(error) if !passes(&error) => {
                let free = vec![(JobFields::taken_until as usize, Value::Null)];
                self.note(id, None, free, Some(failed(&error))).await
            }
            noted => noted,
        };
        match (noted, waits) {
            (Err(error), _) | (Ok(_), Some(error)) => Err(error),
            (Ok(_), None) => self.get(id).await,
        }
    }

    async fn work(&self, job: &Record<Job>, until: Time, worked: &mut Worked) -> Result<(), Error> {
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
        let mut walk = Walk::slice(Some(until), job.progress.clone().unwrap_or_default());
        let walked = match (job.r#type, target) {
            (JobType::TryModel, JobTarget { model_id: Some(model), .. }) => {
                let scoring = Scoring::new(self.engine, actor);
                let trial = match &job.trial {
                    Some(trial) => trial.clone(),
                    None => scoring.begin_trial(model).await?,
                };
                let before = trial.scored;
                let trial = scoring.go_on(model, trial, until).await?;
                worked.done = trial.scored - before;
                worked.unfinished = !trial.is_done();
                worked.trial = Some(trial);
                return Ok(());
            }
            (JobType::Train, target) => {
                *worked = learn(&Scoring::new(self.engine, actor), target, until).await?;
                return Ok(());
            }
            (JobType::DeactivateUser, JobTarget { user_id: Some(user), transfer_to: Some(to), .. }) => {
                Collection::<User>::new(self.engine, actor).hand_over_all(user, to, &mut walk).await
            }
            (
                JobType::RetireStage,
                JobTarget { pipeline_id: Some(pipeline), stage_id: Some(from), to_stage_id: Some(to), .. },
            ) => Collection::<Pipeline>::new(self.engine, actor).empty_stage(pipeline, from, to, &mut walk).await,
            // Nothing is to be handed over.
            _ => Ok(()),
        };
        *worked = walk.into();
        walked
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

/// True for a job that a newer program made and this one does not understand as a whole: it is left to that one.
fn is_beyond(job: &Job, image: &Image) -> bool {
    let parts = [
        (JobFields::target, job.target.is_some()),
        (JobFields::progress, job.progress.is_some()),
        (JobFields::trial, job.trial.is_some()),
    ];
    let is_unread = |(field, is_read): (JobFields, bool)| !is_read && !image.values[field as usize].is_null();
    matches!(job.r#type, JobType::Unknown(_)) || parts.into_iter().any(is_unread)
}

/// True for failures that the next stint may be spared.
fn passes(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Conflict { .. })
}

/// How a job ends that was refused.
fn failed(error: &Error) -> (JobStatus, Option<String>) {
    (JobStatus::Failed, Some(shortened(error)))
}

fn shortened(error: &Error) -> String {
    error.to_string().chars().take(255).collect()
}

/// The fields of a job that say how far it is, after a stint.
fn progress_of(job: &Job, worked: Worked) -> Vec<(usize, Value)> {
    let done = job.done.saturating_add(i64::try_from(worked.done).unwrap_or(i64::MAX));
    let mut fields =
        vec![(JobFields::done as usize, done.into_value()), (JobFields::taken_until as usize, Value::Null)];
    if let Some(walk) = worked.walk {
        let (mut held_back, mut count) =
            if walk.began_again { (Vec::new(), 0) } else { (job.held_back.clone(), job.held_back_count) };
        count = count.saturating_add(i64::try_from(walk.moved.held_back.len()).unwrap_or(i64::MAX));
        let room = MAX_HELD_BACK.saturating_sub(held_back.len());
        let more = walk.moved.held_back.iter().take(room);
        held_back.extend(more.map(|(id, error)| HeldBack { id: *id, reason: shortened(error) }));
        fields.extend([
            (JobFields::held_back as usize, held_back.into_value()),
            (JobFields::held_back_count as usize, count.into_value()),
            (JobFields::progress as usize, Some(walk.progress).into_value()),
        ]);
    }
    if worked.trial.is_some() {
        fields.push((JobFields::trial as usize, worked.trial.into_value()));
    }
    if worked.product.is_some() {
        fields.push((JobFields::product as usize, worked.product.into_value()));
    }
    fields
}

/// Learns from the outcomes that can be read within the stint.
#[cfg(feature = "predictive")]
async fn learn(scoring: &Scoring<'_>, target: JobTarget, until: Time) -> Result<Worked, Error> {
    let options = crate::predict::Options { exclude: target.exclude, ..crate::predict::Options::default() };
    let learned = scoring.train_until(target.kind.unwrap_or(Kind::Lead), &options, until).await?;
    let done = learned.report.rows as u64;
    let json = serde_json::to_value(&learned)
        .map_err(|error| Error::invalid("model", "unfit", format!("the model cannot be written: {error}")))?;
    Ok(Worked { done, product: Some(Product(json)), ..Worked::default() })
}

/// This program was built without what learns: another one goes on.
#[cfg(not(feature = "predictive"))]
async fn learn(_: &Scoring<'_>, _: JobTarget, _: Time) -> Result<Worked, Error> {
    Err(Error::Unavailable(crate::store::StoreError::unavailable("this program was built without training")))
}
