//! What a type of job does: it reads a piece of work, and decides each row of it.

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::{
    crm::Crm,
    engine::draft::{Draft, Stop},
    model::{
        access::Actor,
        error::Error,
        value::{Ref, Time},
    },
};

/// Does the jobs of one type.
///
/// A job is done piece by piece. Each piece is one commit: the records that its rows change, the place reached and the
/// counts. So a job that is killed continues exactly where it stood, and no row is done twice.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// The type, as the job's record names it: at most 100 characters. An embedder's own has a prefix: `acme.rename`.
    fn name(&self) -> &'static str;

    /// What [`JobHandler::begin`] surely reads: read together in one round trip.
    fn reads(&self, _args: &Json) -> Vec<Ref> {
        Vec::new()
    }

    /// Of which kinds (`lead`) or fields (`lead.score`) the place and the result tell. They are shown to nobody from whom
    /// such a field, or any field of such a kind, is hidden.
    fn discloses(&self) -> &'static [&'static str] {
        &[]
    }

    /// The first step, in the commit that makes the job: checks permissions and arguments, and answers the arguments as
    /// the job keeps them. Called again whenever the commit is decided again.
    ///
    /// # Errors
    /// [`Stop`] of what it reads, to be passed on; an error to refuse the job: then nothing is stored.
    fn begin(&self, draft: &mut Draft<'_>, args: &Json) -> Result<Json, Stop>;

    /// False for a job that a newer program made and this one does not understand: it is left to that one.
    fn understands(&self, _args: &Json, _place: Option<&Json>) -> bool {
        true
    }

    /// Reads the next piece after a place (`None`: the first one). Called again for the same place where the piece could
    /// not be committed, perhaps with a smaller [`JobContext::limit`].
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Conflict`] have the job tried again later; any other
    /// error fails it.
    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error>;

    /// Decides one row of a piece, in the commit of the piece. Called again whenever the commit is decided again.
    ///
    /// # Errors
    /// [`Stop`] of what it reads, to be passed on. An error refuses this row alone: the job notes it, and what the row
    /// changed is taken back.
    fn decide(&self, _draft: &mut Draft<'_>, _args: &Json, _row: &Row) -> Result<Verdict, Stop> {
        Ok(Verdict::Unchanged)
    }
}

/// What a handler reads a piece with.
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
    /// The CRM.
    pub const fn crm(&self) -> &Crm {
        &self.crm
    }

    /// The user on whose behalf the job is done, with the rights that they have now.
    pub const fn actor(&self) -> &Actor {
        self.actor
    }

    /// The arguments, as [`JobHandler::begin`] answered them.
    pub const fn args(&self) -> &Json {
        self.args
    }

    /// How many records the job has changed so far.
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// How many rows the piece may have.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// When the slice of time ends, by the CRM's clock. A piece that takes long ends at about that moment.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// True once the slice of time is over.
    pub fn is_over(&self) -> bool {
        self.crm.now() >= self.until
    }
}

/// A row of work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// The record that it is about: the job names it where the row is refused.
    pub record: Ref,
    /// What else the handler knows of it.
    pub data: Json,
}

impl From<Ref> for Row {
    fn from(record: Ref) -> Self {
        Self { record, data: Json::Null }
    }
}

impl Row {
    /// A row about a record, with data of the handler's own.
    pub const fn new(record: Ref, data: Json) -> Self {
        Self { record, data }
    }
}

/// What became of a row that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was changed.
    Changed,
    /// Nothing had to change.
    Unchanged,
}

/// What follows a piece.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    Place(Json),
    Done(Option<Json>),
}

/// A piece of work: at most [`JobContext::limit`] rows, and what follows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub(super) rows: Vec<Row>,
    pub(super) then: Then,
    pub(super) counted: u64,
    pub(super) is_new_pass: bool,
}

impl Piece {
    /// Rows, and the place after them. At most 4 KB of place are good: each piece stores it.
    pub const fn new(rows: Vec<Row>, place: Json) -> Self {
        Self { rows, then: Then::Place(place), counted: 0, is_new_pass: false }
    }

    /// The end of the job, with its result.
    pub const fn done(result: Option<Json>) -> Self {
        Self { rows: Vec::new(), then: Then::Done(result), counted: 0, is_new_pass: false }
    }

    /// Adds to the records that the job counts as done, besides its rows that change.
    #[must_use]
    pub const fn counting(mut self, records: u64) -> Self {
        self.counted = records;
        self
    }

    /// The first piece of another pass over the same records: those that were refused are tried again, and no longer
    /// noted as refused.
    #[must_use]
    pub const fn of_new_pass(mut self) -> Self {
        self.is_new_pass = true;
        self
    }
}
