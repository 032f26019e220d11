//! Job handlers: the implementation of a job type, which reads pieces of work and decides each of their rows.

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::{
    engine::{
        crm::Crm,
        draft::{Draft, Stop},
    },
    model::{
        access::Actor,
        error::Error,
        value::{Ref, Time},
    },
};

/// Implements one type of job.
///
/// A job is processed in pieces. Each piece is one commit: the records that its rows change, the position reached and
/// the counts. A job that is killed therefore continues exactly where it stopped, and no row is processed twice.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// The type, as stored in the job's record: at most 100 characters. Types of the embedder have a prefix:
    /// `acme.rename`.
    fn name(&self) -> &'static str;

    /// Records that [`JobHandler::begin`] reads in any case: they are read together in one round trip.
    fn reads(&self, _args: &Json) -> Vec<Ref> {
        Vec::new()
    }

    /// The kinds (`lead`) and fields (`lead.score`) that the position and the result reveal. Both are hidden from users
    /// from whom such a field, or any field of such a kind, is hidden.
    fn discloses(&self) -> &'static [&'static str] {
        &[]
    }

    /// The first step, in the commit that creates the job: checks permissions and arguments, and returns the arguments
    /// as the job stores them. Called again each time the commit is retried.
    ///
    /// # Errors
    /// [`Stop`] of its reads, to be passed on; an error to refuse the job, in which case nothing is stored.
    fn begin(&self, draft: &mut Draft<'_>, args: &Json) -> Result<Json, Stop>;

    /// Returns `false` for a job of a newer program that this one does not understand: it is left to that program.
    fn understands(&self, _args: &Json, _place: Option<&Json>) -> bool {
        true
    }

    /// Reads the next piece after a position (`None`: the first piece). Called again for the same position if the piece
    /// could not be committed, possibly with a smaller [`JobContext::limit`].
    ///
    /// # Errors
    /// After [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Conflict`] the job is tried again later;
    /// any other error fails it.
    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error>;

    /// Decides one row of a piece, in the commit of the piece. Called again each time the commit is retried.
    ///
    /// # Errors
    /// [`Stop`] of its reads, to be passed on. An error refuses only this row: the job records it, and the row's
    /// changes are discarded.
    fn decide(&self, _draft: &mut Draft<'_>, _args: &Json, _row: &Row) -> Result<Verdict, Stop> {
        Ok(Verdict::Unchanged)
    }
}

/// The context in which a handler reads a piece.
#[derive(Debug)]
pub struct JobContext<'a> {
    pub(super) crm: Crm,
    pub(super) actor: &'a Actor,
    pub(super) args: &'a Json,
    pub(super) done: u64,
    pub(super) limit: usize,
    pub(super) until: Time,
}

impl JobContext<'_> {
    /// Returns the CRM.
    pub const fn crm(&self) -> &Crm {
        &self.crm
    }

    /// Returns the user on whose behalf the job runs, with the user's current permissions.
    pub const fn actor(&self) -> &Actor {
        self.actor
    }

    /// Returns the arguments, as [`JobHandler::begin`] returned them.
    pub const fn args(&self) -> &Json {
        self.args
    }

    /// Returns the number of records that the job has changed so far.
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Returns the maximum number of rows in the piece.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the end of the run slice, by the CRM's clock. A long piece should end at about this time.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// Returns `true` once the run slice is over.
    pub fn is_over(&self) -> bool {
        self.crm.now() >= self.until
    }
}

/// A row of work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// The record that the row is about; the job lists it if the row is refused.
    pub record: Ref,
    /// Further data of the handler.
    pub data: Json,
}

impl From<Ref> for Row {
    fn from(record: Ref) -> Self {
        Self { record, data: Json::Null }
    }
}

impl Row {
    /// Creates a row about a record, with data of the handler.
    pub const fn new(record: Ref, data: Json) -> Self {
        Self { record, data }
    }
}

/// The outcome of a row that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The record was changed.
    Changed,
    /// No change was necessary.
    Unchanged,
}

/// The continuation after a piece.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    Place(Json),
    Done(Option<Json>),
}

/// A piece of work: at most [`JobContext::limit`] rows, and how the job continues after them.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub(super) rows: Vec<Row>,
    pub(super) then: Then,
    pub(super) counted: u64,
    pub(super) is_new_pass: bool,
}

impl Piece {
    /// Creates a piece of rows, with the position after them. The position should not exceed 4 KB, as each piece stores
    /// it.
    pub const fn new(rows: Vec<Row>, place: Json) -> Self {
        Self { rows, then: Then::Place(place), counted: 0, is_new_pass: false }
    }

    /// Creates the end of the job, with its result.
    pub const fn done(result: Option<Json>) -> Self {
        Self { rows: Vec::new(), then: Then::Done(result), counted: 0, is_new_pass: false }
    }

    /// Adds to the number of records that the job counts as done, in addition to changed rows.
    #[must_use]
    pub const fn counting(mut self, records: u64) -> Self {
        self.counted = records;
        self
    }

    /// Marks the first piece of another pass over the same records: refused records are tried again and removed from
    /// the list of refused records.
    #[must_use]
    pub const fn of_new_pass(mut self) -> Self {
        self.is_new_pass = true;
        self
    }
}
