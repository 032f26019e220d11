//! Starting and cancelling jobs.

use std::sync::Arc;

use serde_json::Value as Json;

use super::handler::JobHandler;
use crate::{
    engine::{
        collection::Collection,
        draft::{Draft, Input, Lookup, Pending, Step, demand, fingerprint},
        runtime::Engine,
    },
    model::{
        access::Action,
        error::Error,
        records::job::{Job, JobData, JobFields, JobStatus},
        schema::Record,
        value::{Choice, FaultCode, FieldValue, Id, Kind, Ref, Value},
    },
};

/// Returns the handler of a job type, of the built-in systems or the embedder's.
pub(super) fn handler_of(engine: &Engine, ty: &str) -> Option<Arc<dyn JobHandler>> {
    engine.systems.iter().flat_map(|system| &system.jobs).find(|handler| handler.name() == ty).cloned()
}

impl Collection<'_, Job> {
    /// Starts a job: its first step ([`JobHandler::begin`]) and its record are one commit. The worker does the rest;
    /// [`Collection::resume`] does a part of it immediately.
    ///
    /// With a `key`, a second call with the same key returns the job of the first call, for 24 hours.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a type that no [`System`](crate::engine::system::System) declares, and errors of the first step;
    /// [`Error::KeyReused`] for a key that was used for something else, and [`Error::Invalid`] for a key of more than
    /// 255 characters. On these errors nothing is stored.
    pub async fn start(&self, ty: &str, args: Json, key: Option<&str>) -> Result<Record<Job>, Error> {
        let handler = handler_of(self.engine, ty).ok_or_else(|| {
            let known: Vec<&str> =
                self.engine.systems.iter().flat_map(|system| &system.jobs).map(|job| job.name()).collect();
            Error::invalid("type", FaultCode::UnknownChoice, format!("must be one of {}", known.join(", ")))
        })?;
        let hints: Vec<Lookup> = handler.reads(&args).into_iter().map(Lookup::from).collect();
        let (asked, user, name) = (fingerprint(&args), self.actor.user(), handler.name());
        let decide = move |draft: &mut Draft<'_>, step: Step| {
            let target = handler.begin(draft, &args)?;
            let discloses: Vec<String> = handler.discloses().iter().map(|&one| one.to_owned()).collect();
            let sets = [
                (JobFields::r#type as usize, Value::text(name)),
                (JobFields::user_id as usize, user.into_value()),
                (JobFields::target as usize, Some(JobData(target)).into_value()),
                (JobFields::discloses as usize, discloses.into_value()),
                (JobFields::status as usize, Value::text(JobStatus::Running.name())),
            ];
            let id = draft.new_id();
            let job = draft.create(Kind::Job, id, Input::system(&sets), Step { action: "start", ..step })?;
            draft.compute(job, &[(JobFields::due_at as usize, Value::Time(draft.cx.now))])?;
            Ok(vec![job])
        };
        let pending: Pending<Record<Job>> = Pending::new(self.engine, self.actor, name, asked, hints, decide);
        let Some(key) = key else { return Ok(pending.await?.into_value()) };
        let job = pending.idempotency_key(key).await?.into_value();
        // A known key returns the result of the first call; the current state of the job has to be read.
        self.get(job.id).await
    }

    /// Cancels a job: the current piece is not committed, and no other follows. Completed pieces remain. Requires that
    /// the actor started the job or may update jobs.
    ///
    /// # Errors
    /// As [`Collection::get`]; [`Error::Forbidden`]; [`Error::Invalid`] for a job that has ended.
    pub fn cancel(&self, id: Id<Job>) -> Pending<Record<Job>> {
        let record = Ref::new(Kind::Job, id);
        let decide = move |draft: &mut Draft<'_>, step: Step| {
            let image = draft.read(record)?;
            let job: Record<Job> = Record::from_image(&image)?;
            let is_own = job.user_id.is_some() && job.user_id == draft.cx.actor.user();
            if !is_own {
                demand(draft, Action::Update, &image)?;
            }
            if job.status != JobStatus::Running {
                return Err(
                    Error::invalid("status", FaultCode::Ended, "the job has ended and cannot be cancelled").into()
                );
            }
            end(draft, record, JobStatus::Cancelled, None, step)?;
            Ok(vec![record])
        };
        Pending::new(self.engine, self.actor, "cancel", fingerprint(&id), vec![record.into()], decide)
            .on(record, vec!["status".to_owned()])
    }
}

/// Ends a job, with the reason if it failed.
pub(super) fn end(
    draft: &mut Draft<'_>,
    record: Ref,
    status: JobStatus,
    failure: Option<String>,
    step: Step,
) -> Result<(), crate::engine::draft::Stop> {
    draft.compute(record, &[(JobFields::due_at as usize, Value::Null)])?;
    let own = [
        (JobFields::status as usize, Value::text(status.name())),
        (JobFields::finished_at as usize, Value::Time(draft.cx.now)),
        (JobFields::failure as usize, failure.into_value()),
    ];
    draft.update_for_rule(record, &own, step)
}
