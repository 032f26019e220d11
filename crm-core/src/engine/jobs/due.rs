//! Resuming the due jobs of all tenants.

use crate::{
    engine::{collection::Collection, crm::Crm, followers::reason, jobs::run::Advance, turns::Turns, worker::Round},
    model::{
        access::Actor,
        error::Error,
        records::job::Job,
        schema::RecordKind,
        value::{Id, Ref, Time},
    },
};

/// The name under which the store keeps the tenant whose turn is next.
const CONSUMER: &str = "crm.jobs";
/// The duration of a job's turn in microseconds.
const TURN: i64 = 5_000_000;
/// The maximum number of jobs of one tenant that are considered, so that jobs for a newer program do not block other
/// tenants.
const PER_TENANT: usize = 16;
/// The maximum number of jobs found at once.
const PAGE: usize = 160;

impl Crm {
    /// Resumes the due jobs of all tenants until a time by the CRM's clock, as the worker does. Tenants take turns of
    /// five seconds; the next call continues with the tenant whose turn is next. The outcome of a job is stored in its
    /// record.
    ///
    /// Costs two reads if nothing is due, regardless of the number of tenants.
    ///
    /// # Errors
    /// Errors of the store while finding due jobs.
    pub async fn resume_jobs(&self, until: Time) -> Result<Round, Error> {
        let store = self.engine.store.as_ref();
        let turns = Turns::read(&self.engine, CONSUMER).await?;
        let mut after = turns.from;
        let mut round = Round::default();
        // The tenants after the last one, then all, until a whole pass finds nothing to do.
        let (mut is_whole, mut is_idle) = (after.is_none(), true);
        'passes: loop {
            let due = store.due(Job::decl(), self.now(), after, PER_TENANT, PAGE).await?;
            for jobs in due.chunk_by(|(one, ..), (other, ..)| one == other) {
                if self.now() >= until {
                    round.more = true;
                    break 'passes;
                }
                for &(tenant, job, _) in jobs {
                    after = Some(tenant);
                    if turn(self, tenant, job, until, &mut round).await {
                        is_idle = false;
                        break;
                    }
                }
            }
            if due.len() < PAGE {
                if is_whole && is_idle {
                    break;
                }
                (after, is_whole, is_idle) = (None, true, true);
            }
        }
        turns.keep(after.filter(|_| round.more)).await?;
        Ok(round)
    }
}

/// Gives a job its turn. Returns `true` if it made progress.
async fn turn(crm: &Crm, tenant: Id, job: Ref, until: Time, round: &mut Round) -> bool {
    let system = Actor::system(tenant);
    let jobs = Collection::<Job>::new(&crm.engine, &system);
    match jobs.advance(job.id.typed(), until.min(crm.now().plus_micros(TURN))).await {
        Ok(Advance::Done(records)) => {
            *round.counts.entry("jobs").or_default() += 1;
            *round.counts.entry("job_records").or_default() += records;
            true
        }
        Ok(Advance::Left(_)) => false,
        Err(error) => {
            tracing::warn!(%tenant, %job, why = reason(&error), "a job waits for its next attempt");
            *round.counts.entry("job_errors").or_default() += 1;
            false
        }
    }
}
