//! A write that has not been executed: options, retries and dry run, shared by all use cases.

use std::{
    fmt,
    future::{Future, IntoFuture},
    ops,
    pin::Pin,
    sync::Arc,
};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::{
    Lookup, Options, Step,
    run::{Decide, Outcome, run},
};
use crate::{
    engine::{access::Access, runtime::Engine, view::View},
    model::{
        access::Actor,
        change::{Change, Origin},
        error::Error,
        schema::{Image, Record, RecordKind},
        store::CommitId,
        value::{FaultCode, Ref, Time},
    },
};

/// The result of a write: the value and its commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved<T> {
    /// The commit; `None` if nothing had to be changed.
    pub commit: Option<CommitId>,
    /// `true` if the write created the record, for example in an upsert.
    pub created: bool,
    inner: T,
}

impl<T> Saved<T> {
    /// Returns `true` if something was written.
    pub const fn changed(&self) -> bool {
        self.commit.is_some()
    }

    /// Returns the value as it is stored now.
    pub fn into_value(self) -> T {
        self.inner
    }
}

impl<T> ops::Deref for Saved<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

/// The changes that a write would make. Nothing was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The changes with old and new values, as far as the actor may see them. Empty if nothing would change.
    pub changes: Vec<Change>,
    /// The number of items that the commit would have, of at most 100.
    pub items: usize,
}

/// Builds the result of a write from the records that a decision returns.
pub trait Answer: Sized {
    /// Builds the result from the records that the decision returned, as the actor may see them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if a record is missing, [`Error::Damaged`] if one cannot be read.
    fn build(images: &[Arc<Image>]) -> Result<Self, Error>;
}

impl<K: RecordKind> Answer for Record<K> {
    fn build(images: &[Arc<Image>]) -> Result<Self, Error> {
        let image = images.first().ok_or(Error::NotFound(K::KIND))?;
        Ok(Record::from_image(image)?)
    }
}

impl<K: RecordKind> Answer for Vec<Record<K>> {
    fn build(images: &[Arc<Image>]) -> Result<Self, Error> {
        images.iter().map(|image| Ok(Record::from_image(image)?)).collect()
    }
}

/// The version of the fingerprint format. Fingerprints are stored for a day and are computed from the JSON of the
/// request, with fields by name. A program that computes them differently must use another version.
const FORM: &str = "1:";

/// The request as JSON. Computed only if an idempotency key needs its fingerprint.
pub(crate) type Asked = Box<dyn Fn() -> serde_json::Result<String> + Send + Sync>;

/// Serializes a request. Record fields must be serialized by name, because positions differ between versions of the
/// program.
pub(crate) fn fingerprint<T: Serialize + Clone + Send + Sync + 'static>(value: &T) -> Asked {
    let value = value.clone();
    Box::new(move || serde_json::to_string(&value))
}

type MakeStep = dyn Fn(Step) -> Box<Decide<'static>> + Send + Sync;

/// A write that has not been executed. `.await` executes it; [`Pending::plan`] returns the changes that it would make.
#[must_use = "nothing is written until it is awaited"]
pub struct Pending<T> {
    engine: Arc<Engine>,
    actor: Actor,
    action: &'static str,
    occurred_at: Option<Time>,
    subject: Option<Ref>,
    fields: Vec<String>,
    options: Options,
    asked: Asked,
    hints: Vec<Lookup>,
    make: Box<MakeStep>,
    build: Build<T>,
}

/// Builds the result from the records that the decision returned, as stored, and the actor's access.
type Build<T> = fn(&[Arc<Image>], &Access<'_>) -> Result<T, Error>;

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("action", &self.action).field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl<T: Answer> Pending<T> {
    /// Creates a write: its action in the log, the request (for the fingerprint), the records it will read, and the
    /// decision.
    pub(crate) fn new<D>(
        engine: &Arc<Engine>,
        actor: &Actor,
        action: &'static str,
        asked: Asked,
        hints: Vec<Lookup>,
        decide: D,
    ) -> Self
    where
        D: Fn(&mut super::Draft<'_>, Step) -> Result<Vec<Ref>, super::Stop> + Send + Sync + Clone + 'static,
    {
        Self {
            engine: Arc::clone(engine),
            actor: actor.clone(),
            action,
            occurred_at: None,
            subject: None,
            fields: Vec::new(),
            options: Options::default(),
            asked,
            hints,
            make: Box::new(move |step| {
                let decide = decide.clone();
                Box::new(move |draft| {
                    draft.step = step;
                    decide(draft, step)
                })
            }),
            build: |images, access| {
                let masked: Vec<Arc<Image>> = images.iter().map(|image| access.mask(image)).collect();
                T::build(&masked)
            },
        }
    }
}

impl<T> Pending<T> {
    pub(crate) fn answering<U>(self, build: Build<U>) -> Pending<U> {
        let Self { engine, actor, action, occurred_at, subject, fields, options, asked, hints, make, build: _ } = self;
        Pending { engine, actor, action, occurred_at, subject, fields, options, asked, hints, make, build }
    }

    /// Sets the record to which version options refer, and the fields that are set on it.
    pub(crate) fn on(mut self, subject: Ref, fields: Vec<String>) -> Self {
        self.subject = Some(subject);
        self.fields = fields;
        self
    }

    /// Sets the time at which the change took effect, between the record's creation and now. The default is now.
    /// Requires the permission `backdate`.
    pub fn occurred_at(mut self, time: Time) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// Writes only if the record is at this version, otherwise fails with [`Error::Conflict`]. Without this option, a
    /// write that loses a race is retried on the newest version.
    pub fn if_version(mut self, version: u64) -> Self {
        self.options.no_subject |= self.subject.is_none();
        self.options.if_version = self.subject.map(|subject| (subject, version));
        self
    }

    /// Sets the version on which the input is based. Later changes of other fields are merged; later changes of the
    /// same fields are an [`Error::Conflict`] that names them.
    pub fn based_on(mut self, version: u64) -> Self {
        self.options.no_subject |= self.subject.is_none();
        self.options.based_on = self.subject.map(|subject| (subject, version, self.fields.clone()));
        self
    }

    /// Sets an idempotency key. For 24 hours the same key returns the same result and writes nothing again.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.key = Some((key.into(), String::new()));
        self
    }

    /// Decides again if a unique value was taken concurrently: its holder may be the record to update.
    pub(crate) fn retry_on_duplicate(mut self) -> Self {
        self.options.retry_on_duplicate = true;
        self
    }

    /// Sets the maximum number of decisions in case of concurrent changes: above the default for records that many
    /// writers change.
    pub(crate) const fn tries(mut self, most: usize) -> Self {
        self.options.tries = Some(most);
        self
    }

    /// Returns a hash of action, user, options and request.
    fn fingerprint(&self) -> serde_json::Result<String> {
        let Options { if_version, based_on, .. } = &self.options;
        let how = serde_json::to_string(&(self.action, self.actor.user(), self.occurred_at, if_version, based_on))?;
        let mut fingerprint = FORM.to_owned();
        for byte in Sha256::digest(format!("{how}\n{}", (self.asked)()?)).iter().take(16) {
            let _ = fmt::Write::write_fmt(&mut fingerprint, format_args!("{byte:02x}"));
        }
        Ok(fingerprint)
    }

    /// Sets the origin of the change: an import, a workflow, an API key.
    pub fn through(mut self, origin: Origin) -> Self {
        self.actor = self.actor.through(origin);
        self
    }

    async fn run(&self, dry_run: bool) -> Result<Outcome, Error> {
        let mut decide = (self.make)(Step::new(self.action, self.occurred_at));
        let mut options = Options { dry_run, ..self.options.clone() };
        if let Some((key, fingerprint)) = &mut options.key {
            if key.is_empty() || key.len() > 255 || key.contains('\0') {
                return Err(Error::invalid("idempotency_key", FaultCode::TooLong, "must have 1 to 255 characters"));
            }
            *fingerprint = self.fingerprint().map_err(|error| {
                Error::invalid(
                    "idempotency_key",
                    FaultCode::Unfit,
                    format!("the request cannot be serialized: {error}"),
                )
            })?;
        }
        if options.no_subject {
            return Err(Error::invalid(
                "version",
                FaultCode::NoRecord,
                "this write does not apply to a single record and takes no version",
            ));
        }
        let span = tracing::debug_span!("crm.use_case", tenant = %self.actor.tenant(), action = self.action, dry_run);
        let outcome = run(&self.engine, &self.actor, &options, &self.hints, decide.as_mut()).instrument(span).await;
        outcome.map_err(|error| match self.engine.cached_for(&self.actor) {
            Some(known) => Access::new(&self.actor, &known, self.engine.clock.now()).mask_error(error),
            None => error,
        })
    }

    /// Returns the changes that the write would make, without writing.
    ///
    /// # Errors
    /// The same as when the write is executed.
    pub async fn plan(self) -> Result<Plan, Error> {
        let outcome = self.run(true).await?;
        let access = Access::new(&self.actor, &outcome.definitions, outcome.now);
        let items = outcome.commit.as_ref().map_or(0, crate::model::store::Commit::items);
        let changes = outcome.commit.map_or_else(Vec::new, |commit| {
            commit.writes.into_iter().flat_map(|write| write.changes).map(|change| access.mask_change(change)).collect()
        });
        Ok(Plan { changes, items })
    }
}

impl<T> Pending<T> {
    /// Changes the result to views of the written records: lead, contact, company and deal for a conversion, one record
    /// for most other writes.
    pub fn viewed(self) -> Pending<Vec<View>> {
        self.answering(|images, access| Ok(images.iter().map(|image| View::new(image, access)).collect()))
    }
}

impl<T: Send + 'static> IntoFuture for Pending<T> {
    type Output = Result<Saved<T>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = self.run(false).await?;
            let access = Access::new(&self.actor, &outcome.definitions, outcome.now);
            let inner = (self.build)(&outcome.images, &access)?;
            Ok(Saved { commit: outcome.commit_id, created: outcome.created, inner })
        })
    }
}
