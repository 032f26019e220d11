//! Scoring in batches: the facts of several records are read concurrently, and their scores and marks are written in
//! one commit. A record that was changed meanwhile is read and scored again; a record that cannot be written does not
//! stop the others.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    compiled::{self, Compiled},
    dirty_marks::{Next, mark_of},
    facts::Facts,
    history::Reader,
    models::Models as _,
    record::ScoringModel,
    score::Points,
    sweep_report::SweepReport,
    write_back::{values_of, write_score},
};
use crate::{
    engine::{
        access::Authority,
        draft::{Answer, Draft, Pending, Stop, fingerprint},
        runtime::Engine,
    },
    model::{
        access::Actor,
        error::{Error, Faults},
        schema::{Image, Record, Versions},
        store::{Got, Want},
        value::{Id, Kind, Ref, Time},
    },
};

/// The maximum number of records scored together: each is an image, perhaps a change, and its mark, out of the hundred
/// items of a commit.
pub(super) const BATCH: usize = 25;
/// The number of records whose facts are read concurrently.
const AT_ONCE: usize = 8;
/// How often a record is scored again after a concurrent change. After that it waits for the next sweep.
const TRIES: usize = 4;
/// How often a commit of many marks is tried, because other commits mark concurrently.
pub(super) const MARK_TRIES: usize = 16;

/// A record to score, and the version of its mark. The mark was read before or together with the record, so later marks
/// are not lost.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) image: Arc<Image>,
    pub(super) mark: Option<u64>,
}

/// The score of a record, and when it is due again.
#[derive(Clone, Debug)]
struct Scored {
    record: Ref,
    versions: Versions,
    mark: Option<u64>,
    points: Points,
    is_new: bool,
    due_at: Option<Time>,
}

/// The records that a commit completed.
pub(super) struct Settled(pub(super) Vec<Ref>);

impl Answer for Settled {
    fn build(images: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(Self(images.iter().map(|image| image.reference()).collect()))
    }
}

/// The active model of a kind, compiled for a time.
pub(super) struct Ready<'a> {
    engine: &'a Arc<Engine>,
    actor: &'a Actor,
    definitions: &'a Authority,
    model: &'a Record<ScoringModel>,
    compiled: Compiled,
    refresh: i64,
}

impl<'a> Ready<'a> {
    /// Compiles the active model of a kind for a time; `None` if there is no active model.
    ///
    /// # Errors
    /// The id and the faults of a model that is no longer valid.
    pub(super) fn of(
        engine: &'a Arc<Engine>,
        actor: &'a Actor,
        definitions: &'a Authority,
        kind: Kind,
        now: Time,
    ) -> Result<Option<Self>, (Id<ScoringModel>, Faults)> {
        let Some(model) = definitions.active_model(kind) else { return Ok(None) };
        let Some(definition) = model.definition.as_ref() else { return Ok(None) };
        let compiled = compiled::compile(definition, kind, definitions, now).map_err(|faults| (model.id, faults))?;
        let refresh = i64::from(definition.refresh_hours) * 3_600_000_000;
        Ok(Some(Self { engine, actor, definitions, model, compiled, refresh }))
    }

    /// The name of the model version in scores.
    pub(super) fn version(&self) -> String {
        self.model.version_name(self.model.version)
    }

    /// Scores up to [`BATCH`] records and completes their marks. Costs a read of the related records, a list per record
    /// if the model reads interactions, a history per record if it reads stages, and one commit; another read and
    /// commit for records that were changed meanwhile.
    ///
    /// # Errors
    /// Errors of the store if it cannot answer. Errors of single records are returned in [`SweepReport::failed`].
    pub(super) async fn score(&self, mut due: Vec<Due>, swept: &mut SweepReport) -> Result<(), Error> {
        swept.scored += due.len() as u64;
        let mut tried = self.write(&due, swept).await?;
        for _ in 1..TRIES {
            due.retain(|one| !tried.contains(&one.image.reference()));
            if due.is_empty() {
                return Ok(());
            }
            // Reads from now on may return changes recorded after the previous time.
            let now = self.engine.clock.now();
            let Ok(Some(anew)) = Ready::of(self.engine, self.actor, self.definitions, self.compiled.kind, now) else {
                return Ok(());
            };
            due = self.read(&due.iter().map(|one| one.image.reference()).collect::<Vec<_>>()).await?;
            tried = anew.write(&due, swept).await?;
        }
        Ok(())
    }

    /// Reads records with the versions of their marks, in one round trip; missing and archived records are omitted.
    pub(super) async fn read(&self, records: &[Ref]) -> Result<Vec<Due>, Error> {
        let wants = records.iter().flat_map(|record| [Want::Record(mark_of(record.id)), Want::Record(*record)]);
        let got = self.engine.store.get(self.actor.tenant(), &wants.collect::<Vec<_>>()).await?.got;
        let due = got.chunks_exact(2).filter_map(|pair| match pair {
            [Got::Record(mark), Got::Record(Some(image))] if !image.is_archived() => {
                let mark = mark.as_ref().map(|mark| mark.versions.machine);
                Some(Due { image: Arc::clone(image), mark })
            }
            _ => None,
        });
        Ok(due.collect())
    }

    /// Scores records with the given facts and writes the results. Returns the records that need no further attempt.
    async fn write(&self, due: &[Due], swept: &mut SweepReport) -> Result<Vec<Ref>, Error> {
        let scored = self.figures(due).await?;
        match self.commit(scored.clone()).await {
            Ok(Settled(done)) => {
                let is_new = |one: &&Scored| one.is_new && done.contains(&one.record);
                swept.written += scored.iter().filter(is_new).count() as u64;
                return Ok(done);
            }
            Err(Error::Conflict { .. }) => return Ok(Vec::new()),
            Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
            Err(_) => {}
        }
        // One of the records is refused: write each separately.
        let mut tried = Vec::new();
        for one in scored {
            let (record, mark, is_new) = (one.record, one.mark, one.is_new);
            match self.commit(vec![one]).await {
                Ok(Settled(done)) => {
                    swept.written += u64::from(is_new && !done.is_empty());
                    tried.extend(done);
                }
                Err(Error::Conflict { .. }) => {}
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
                Err(error) => {
                    swept.failed.push((record, error));
                    tried.push(record);
                    // It is due again at the next refresh, so that it does not block other records forever.
                    let again = self.compiled.at.plus_micros(self.refresh);
                    settle_marks(self.engine, self.actor, vec![(record, mark, Next::At(again))]).await?;
                }
            }
        }
        Ok(tried)
    }

    /// Computes the scores of some records.
    async fn figures(&self, due: &[Due]) -> Result<Vec<Scored>, Error> {
        let (now, needs) = (self.compiled.at, &self.compiled.needs);
        let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions: self.definitions };
        let images: Vec<Arc<Image>> = due.iter().map(|one| Arc::clone(&one.image)).collect();
        let related = reader.related(images, needs).await?;
        let facts = stream::iter(related).map(|facts| reader.happened(facts, needs, now)).buffered(AT_ONCE);
        let facts: Vec<Facts> = facts.try_collect().await?;
        let version = self.version();
        let scored = due.iter().zip(facts).map(|(one, facts)| {
            let points = self.compiled.points(&facts);
            // A change of `scored_at` alone is not news.
            let is_new = values_of(&one.image, &points, &version, now)
                .iter()
                .any(|(at, value)| one.image.decl.fields[*at].name != "scored_at" && one.image.values[*at] != *value);
            let due_at = self.compiled.fades(&facts).then(|| now.plus_micros(self.refresh));
            let (record, versions) = (one.image.reference(), one.image.versions);
            Scored { record, versions, mark: one.mark, points, is_new, due_at }
        });
        Ok(scored.collect())
    }

    /// Writes changed scores and the next content of the marks. Returns the records that were unchanged since they were
    /// read.
    async fn commit(&self, scored: Vec<Scored>) -> Result<Settled, Error> {
        let hints = scored.iter().flat_map(|one| [one.record.into(), mark_of(one.record.id).into()]).collect();
        let asked = fingerprint(&scored.iter().map(|one| (one.record, one.versions.machine)).collect::<Vec<_>>());
        let (version, now) = (self.version(), self.compiled.at);
        let pending: Pending<Settled> =
            Pending::new(self.engine, self.actor, "score", asked, hints, move |draft, _| {
                let mut done = Vec::with_capacity(scored.len());
                for one in &scored {
                    let current = draft.peek(one.record)?;
                    if current.is_none_or(|current| current.versions != one.versions) {
                        continue;
                    }
                    if one.is_new {
                        write_score(draft, one.record, &one.points, &version, now)?;
                    }
                    settle_mark(draft, one.record, one.mark, &one.due_at.map_or(Next::Never, Next::At))?;
                    done.push(one.record);
                }
                Ok(done)
            });
        Ok(Settled(pending.await?.into_value().0))
    }
}

/// Sets the next content of a mark, unless the record was marked again since the mark was read. A record that is never
/// due has no mark.
fn settle_mark(draft: &mut Draft<'_>, record: Ref, read: Option<u64>, next: &Next) -> Result<(), Stop> {
    let mark = mark_of(record.id);
    let stored = draft.peek(mark)?.map(|stored| stored.versions.machine);
    if stored != read || (stored.is_none() && matches!(next, Next::Never)) {
        return Ok(());
    }
    let now = draft.cx.now;
    draft.keep(mark, &next.fields(record, now))
}

/// Sets the next content of marks if nothing else has to be written: each with its record, the version that was read,
/// and the content. One commit.
pub(super) async fn settle_marks(
    engine: &Arc<Engine>,
    actor: &Actor,
    marks: Vec<(Ref, Option<u64>, Next)>,
) -> Result<(), Error> {
    if marks.is_empty() {
        return Ok(());
    }
    let hints = marks.iter().map(|(record, ..)| mark_of(record.id).into()).collect();
    let asked = fingerprint(&marks);
    let pending: Pending<Settled> = Pending::new(engine, actor, "settle_mark", asked, hints, move |draft, _| {
        for (record, read, next) in &marks {
            settle_mark(draft, *record, *read, next)?;
        }
        Ok(Vec::new())
    });
    pending.tries(MARK_TRIES).await.map(drop)
}
