//! Resuming a job: processing its pieces until a run slice is over.
//!
//! The machine version of the job's record is the fence. Each piece is a commit that increments it, so of two workers
//! one commits and the other gets a conflict and stops, and a worker that is killed between two commits loses nothing.

use std::sync::Arc;

use super::{
    handler::{JobContext, JobHandler, Piece, Then, Verdict},
    start::{end, handler_of},
};
use crate::{
    engine::{
        access::Access,
        collection::Collection,
        crm::Crm,
        draft::{Draft, Lookup, Pending, Step, Stop, fingerprint, read_record},
        signed_in::actor_of,
    },
    model::{
        access::Actor,
        error::Error,
        records::job::{HeldBack, Job, JobData, JobFields, JobStatus, Moved},
        schema::{Image, Record},
        value::{FaultCode, FieldValue, Id, Kind, Ref, Time, Value},
    },
};

/// The maximum number of attempts without progress, after which a job fails. The delays add up to about eight hours.
pub const MAX_ATTEMPTS: i64 = 20;
/// Microseconds for which a job belongs to the worker that took it or committed its last piece.
const LEASE: i64 = 60_000_000;
/// The maximum delay in seconds before a job without progress is tried again; one second at first, doubled each time.
const MAX_DELAY: i64 = 3_600;
/// The maximum number of rows in a piece: each is an image, a change and perhaps a mark or two, out of the hundred
/// items of a commit.
const MAX_ROWS: usize = 25;
/// The maximum number of refused records that a job lists.
const MAX_HELD_BACK: usize = 100;
/// How often a piece is decided again after a concurrent change of one of its records.
const TRIES: usize = 8;

impl Collection<'_, Job> {
    /// Resumes a job until a time by the CRM's clock, with at least one piece, and returns its state. Only the user who
    /// started it, or the system on that user's behalf, resumes it; for other actors this is [`Collection::get`], as it
    /// is for a job that another worker holds, that waits for its next attempt, or that this program does not
    /// understand.
    ///
    /// A permanent error fails the job, with the reason. After a transient error it is tried again: after a second at
    /// first, doubled each time, up to an hour; after [`MAX_ATTEMPTS`] attempts without progress it fails.
    ///
    /// Costs two reads, a commit that takes the job, and for each piece the reads of the handler and one commit.
    ///
    /// # Errors
    /// As [`Collection::get`], and transient errors of the store: the job is then tried again later.
    pub async fn resume(&self, id: Id<Job>, until: Time) -> Result<Record<Job>, Error> {
        match self.advance(id, until).await? {
            Advance::Left(job) => Ok(*job),
            Advance::Done(_) => self.get(id).await,
        }
    }

    /// As [`Collection::resume`], without reading the job again.
    pub(super) async fn advance(&self, id: Id<Job>, until: Time) -> Result<Advance, Error> {
        let record = Ref::new(Kind::Job, id);
        // The stored record: the actor's view may hide what has to be done.
        let (image, outcome) = read_record(self.engine, self.actor, record).await?;
        let job: Record<Job> = Record::from_image(&image)?;
        let now = self.engine.clock.now();
        let is_mine = self.actor.is_system() || job.user_id.is_some() && job.user_id == self.actor.user();
        let is_due = job.status == JobStatus::Running && job.due_at.is_none_or(|due| due <= now) && now < until;
        let handler = handler_of(self.engine, &job.r#type)
            .filter(|handler| is_mine && is_due && is_understood(handler.as_ref(), &image));
        let Some(handler) = handler else {
            let access = Access::new(self.actor, &outcome.definitions, now);
            return Ok(Advance::Left(Box::new(Record::from_image(&access.mask(&image))?)));
        };
        let done = job.done;
        let mut slice = Slice { jobs: self, handler, until, job };
        match slice.run().await {
            Ok(()) => {}
            // Another worker holds it, or it was cancelled.
            Err(Error::Conflict { record: other, .. }) if other == record => {}
            Err(error) if passes(&error) && slice.job.attempts < MAX_ATTEMPTS => {
                // If this cannot be stored either, the job is due again when its lease ends.
                let _ = slice.put_off().await;
                return Err(error);
            }
            Err(error) => slice.fail(shortened(&error)).await?,
        }
        Ok(Advance::Done(u64::try_from(slice.job.done - done).unwrap_or_default()))
    }

    /// Resumes a job until it has ended or another worker holds it.
    pub(crate) async fn complete(&self, job: Record<Job>) -> Result<Moved, Error> {
        let job = self.resume(job.id, Time::MAX).await?;
        let unfinished = match job.status {
            JobStatus::Completed => false,
            JobStatus::Running => true,
            JobStatus::Failed | JobStatus::Cancelled | JobStatus::Unknown(_) => {
                let why = job.failure.clone().unwrap_or_else(|| "the job was cancelled".into());
                return Err(Error::invalid("job", FaultCode::Failed, why));
            }
        };
        let of = |count: i64| u64::try_from(count).unwrap_or_default();
        let (moved, held_back_count) = (of(job.done), of(job.held_back_count));
        Ok(Moved { moved, held_back: job.held_back.clone(), held_back_count, unfinished })
    }
}

/// The outcome of a slice of time that a job was offered.
pub(super) enum Advance {
    /// Nothing was done, for one of the reasons that [`Collection::resume`] names: the job as the actor sees it.
    Left(Box<Record<Job>>),
    /// So many records were changed.
    Done(u64),
}

/// A run slice of a job.
struct Slice<'a> {
    jobs: &'a Collection<'a, Job>,
    handler: Arc<dyn JobHandler>,
    until: Time,
    /// The job as this worker stored it last.
    job: Record<Job>,
}

impl Slice<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        if self.job.attempts >= MAX_ATTEMPTS {
            return self.fail(format!("it made no progress in {MAX_ATTEMPTS} attempts")).await;
        }
        let attempts = self.job.attempts + 1;
        self.commit(&self.system(), move |draft, record| {
            let due = Value::Time(draft.cx.now.plus_micros(LEASE));
            draft.compute(
                record,
                &[(JobFields::attempts as usize, attempts.into_value()), (JobFields::due_at as usize, due)],
            )
        })
        .await?;
        let on_behalf;
        let actor = match self.job.user_id {
            // With their current permissions.
            Some(user) if self.jobs.actor.is_system() => {
                let user = Lookup::from(Ref::new(Kind::User, user));
                on_behalf = actor_of(self.jobs.engine, self.jobs.actor.tenant(), user).await?;
                &on_behalf
            }
            _ => self.jobs.actor,
        };
        let args = self.job.target.clone().unwrap_or_default().0;
        let crm = Crm { engine: Arc::clone(self.jobs.engine) };
        let mut cx = JobContext { crm, actor, args: &args, done: 0, limit: MAX_ROWS, until: self.until };
        loop {
            cx.done = u64::try_from(self.job.done).unwrap_or_default();
            let piece = self.handler.next(&cx, self.job.place.as_ref().map(|place| &place.0)).await?;
            if piece.rows.len() > cx.limit {
                return Err(Error::TooLarge { what: "the number of rows in one piece of a job", limit: cx.limit });
            }
            let (rows, is_last) = (piece.rows.len(), matches!(piece.then, Then::Done(_)) || cx.is_over());
            let piece = Arc::new(piece);
            match self.piece(&cx, &piece, is_last, None).await {
                Ok(()) => cx.limit = (cx.limit + 1).min(MAX_ROWS),
                Err(error) if self.is_lost(&error) || is_of_the_store(&error) || rows == 0 => return Err(error),
                // Too large, or a value is taken: smaller pieces find the row.
                Err(_) if rows > 1 => {
                    cx.limit = rows / 2;
                    continue;
                }
                Err(error) if passes(&error) => return Err(error),
                Err(error) => self.piece(&cx, &piece, is_last, Some(shortened(&error))).await?,
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn reference(&self) -> Ref {
        Ref::new(Kind::Job, self.job.id)
    }

    /// `true` if the error means that another worker holds the job.
    fn is_lost(&self, error: &Error) -> bool {
        matches!(error, Error::Conflict { record, .. } if *record == self.reference())
    }

    /// Commits a piece: its rows as decided, the position after them, and the counts. If `refused` is given, the single
    /// row of the piece is recorded with this reason instead.
    async fn piece(
        &mut self,
        cx: &JobContext<'_>,
        piece: &Arc<Piece>,
        is_last: bool,
        refused: Option<String>,
    ) -> Result<(), Error> {
        let (handler, piece, args, before) = (
            Arc::clone(&self.handler),
            Arc::clone(piece),
            Arc::new(cx.args.clone()),
            Arc::new(self.job.body().clone()),
        );
        self.commit_with(cx.actor, piece.rows.iter().map(|row| row.record.into()).collect(), move |draft, record| {
            let mut done = before.done.saturating_add(i64::try_from(piece.counted).unwrap_or(i64::MAX));
            let (mut held_back, mut count) =
                if piece.is_new_pass { (Vec::new(), 0) } else { (before.held_back.clone(), before.held_back_count) };
            // What the handler writes is told in the log under the name of its type.
            draft.step = Step::new(handler.name(), None);
            for row in &piece.rows {
                let verdict = match &refused {
                    Some(reason) => Err(reason.clone()),
                    None => match draft.attempt(|draft| handler.decide(draft, &args, row)) {
                        Ok(verdict) => Ok(verdict),
                        Err(Stop::Refuse(error)) => Err(shortened(&draft.cx.access.mask_error(error))),
                        // All rows state their lookups before these are read.
                        Err(Stop::Need(lookups)) => {
                            draft.want_all(lookups);
                            continue;
                        }
                    },
                };
                match verdict {
                    Ok(Verdict::Changed) => done += 1,
                    Ok(Verdict::Unchanged) => {}
                    Err(reason) => {
                        count += 1;
                        if held_back.len() < MAX_HELD_BACK {
                            held_back.push(HeldBack { id: row.record.id, reason });
                        }
                    }
                }
            }
            draft.stop_if_missing()?;
            let lease = if is_last { 0 } else { LEASE };
            let (place, product) = match &piece.then {
                Then::Place(place) => (Some(JobData(place.clone())), None),
                Then::Done(result) => (None, result.clone().map(JobData)),
            };
            draft.compute(
                record,
                &[
                    (JobFields::done as usize, done.into_value()),
                    (JobFields::held_back as usize, held_back.into_value()),
                    (JobFields::held_back_count as usize, count.into_value()),
                    (JobFields::place as usize, place.into_value()),
                    (JobFields::product as usize, product.into_value()),
                    (JobFields::attempts as usize, 0_i64.into_value()),
                    (JobFields::due_at as usize, Value::Time(draft.cx.now.plus_micros(lease))),
                ],
            )?;
            match piece.then {
                Then::Done(_) => end(draft, record, JobStatus::Completed, None, Step::new("finish", None)),
                Then::Place(_) => Ok(()),
            }
        })
        .await
    }

    /// Schedules the next attempt.
    async fn put_off(&mut self) -> Result<(), Error> {
        let doubled = 1_i64 << (self.job.attempts - 1).clamp(0, 30);
        let delay = doubled.min(MAX_DELAY) * 1_000_000;
        self.commit(&self.system(), move |draft, record| {
            let due = Value::Time(draft.cx.now.plus_micros(delay));
            draft.compute(record, &[(JobFields::due_at as usize, due)])
        })
        .await
    }

    async fn fail(&mut self, why: String) -> Result<(), Error> {
        let failed = self
            .commit(&self.system(), move |draft, record| {
                end(draft, record, JobStatus::Failed, Some(why.clone()), Step::new("finish", None))
            })
            .await;
        if failed.as_ref().is_err_and(|error| self.is_lost(error)) { Ok(()) } else { failed }
    }

    /// The actor that stores what does not belong to the user of the job.
    fn system(&self) -> Actor {
        let system = Actor::system(self.jobs.actor.tenant());
        match self.jobs.actor.origin() {
            Some(origin) => system.through(origin.as_ref().clone()),
            None => system,
        }
    }

    async fn commit<F>(&mut self, actor: &Actor, decide: F) -> Result<(), Error>
    where
        F: Fn(&mut Draft<'_>, Ref) -> Result<(), Stop> + Send + Sync + Clone + 'static,
    {
        self.commit_with(actor, Vec::new(), decide).await
    }

    /// Commits on the condition that the job has the version that this worker stored last, and increments the version.
    async fn commit_with<F>(&mut self, actor: &Actor, mut hints: Vec<Lookup>, decide: F) -> Result<(), Error>
    where
        F: Fn(&mut Draft<'_>, Ref) -> Result<(), Stop> + Send + Sync + Clone + 'static,
    {
        let (record, version) = (self.reference(), self.job.machine_version);
        hints.push(record.into());
        let pending: Pending<Record<Job>> =
            Pending::new(self.jobs.engine, actor, "resume", fingerprint(&record), hints, move |draft, _| {
                let image = draft.peek(record)?.ok_or(Stop::not_found(Kind::Job))?;
                if image.versions.machine != version {
                    return Err(Error::Conflict { record, current: None, fields: Vec::new() }.into());
                }
                decide(draft, record)?;
                Ok(vec![record])
            });
        // The stored record, unmasked.
        let unmasked = pending.tries(TRIES).answering(|images, _| {
            let image = images.first().ok_or(Error::NotFound(Kind::Job))?;
            Ok(Record::<Job>::from_image(image)?)
        });
        self.job = unmasked.await?.into_value();
        Ok(())
    }
}

/// `false` for a job of a newer program that this one does not fully understand.
fn is_understood(handler: &dyn JobHandler, image: &Image) -> bool {
    let json = |field: JobFields| match image.at(field) {
        Value::Json(json) => Some(json.as_ref()),
        _ => None,
    };
    json(JobFields::target).is_some_and(|args| handler.understands(args, json(JobFields::place)))
}

/// `true` for errors of the store itself.
const fn is_of_the_store(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown { .. })
}

/// `true` for transient errors.
const fn passes(error: &Error) -> bool {
    is_of_the_store(error) || matches!(error, Error::Conflict { .. })
}

fn shortened(error: &Error) -> String {
    error.to_string().chars().take(255).collect()
}
