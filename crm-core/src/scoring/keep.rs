//! Keeping the scores that records carry: a sweep scores what commits have marked as due, and what is due because time
//! passes. It costs in proportion to what is due, never to what there is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    carry::{values_of, write_score},
    compiled::{self, Compiled, KINDS},
    course::Reader,
    facts::Facts,
    mark::mark_of,
    record::ScoringModel,
};
use crate::{
    access::{Access, Action, Actor},
    catalog,
    collection::Collection,
    contacts::Contact,
    definitions::Definitions,
    draft::{Answer, Pending, asked_for},
    engine::Engine,
    error::Error,
    filter::{Filter, Op},
    listing::{self, ListQuery},
    rescorings::{Rescoring, RescoringFields},
    schema::{Image, Record, RecordKind, common},
    store::{Got, Position, Want},
    value::{FieldValue as _, Id, Kind, Ref, Time, Value},
};

/// Records that are due, read together.
const PAGE: usize = 100;
/// How often a record is scored again because somebody else was faster.
const TRIES: usize = 4;

/// Keeps the scores of all tenants. For the program, not for its users: no actor stands before it.
#[derive(Clone)]
pub struct Keeper<'a> {
    engine: &'a Arc<Engine>,
}

impl std::fmt::Debug for Keeper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Marks that were looked at.
    pub due: u64,
    /// Records that were scored.
    pub scored: u64,
    /// Those of them whose score was not what it is now.
    pub written: u64,
    /// True where the time was up before all that was due was done: sweep again.
    pub more: bool,
    /// Active models that no longer make sense, with what is wrong: their records keep the scores they have.
    pub broken: Vec<(Id, crate::error::Faults)>,
}

/// What a scored record is to do next.
struct Scored {
    written: bool,
    due_at: Option<Time>,
}

/// The active model of a kind, made ready.
struct Ready<'a> {
    model: &'a Record<ScoringModel>,
    compiled: Compiled,
    refresh: i64,
}

impl<'a> Ready<'a> {
    /// The active model of a kind for a moment; none where there is none, or one that makes no sense any more.
    fn of(definitions: &'a Definitions, kind: Kind, now: Time, swept: &mut Swept) -> Option<Self> {
        let model = definitions.active_model(kind)?;
        let definition = model.definition.as_ref()?;
        match compiled::compile(definition, kind, definitions, now) {
            Ok(compiled) => {
                Some(Self { model, compiled, refresh: i64::from(definition.refresh_hours) * 3_600_000_000 })
            }
            Err(faults) => {
                if swept.broken.iter().all(|(id, _)| *id != model.id) {
                    swept.broken.push((model.id, faults));
                }
                None
            }
        }
    }

    /// When a record is due again though nobody touches it.
    fn next(&self, facts: &Facts) -> Option<Time> {
        let fades = self.compiled.fades(facts) && !facts.record.is_archived();
        fades.then(|| self.compiled.at.plus_micros(self.refresh))
    }
}

/// The answer of a write of scores: that it is there.
struct Written;

impl Answer for Written {
    fn build(_: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl<'a> Keeper<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Scores what is due of a tenant, the longest due first, until nothing is or the time is up by the CRM's clock. At
    /// least one page of at most 100 is done, so a budget of nought is one page. A sweep that is interrupted has lost
    /// nothing: what it did not come to is still marked. Two may run at once.
    ///
    /// A record that is due costs one read of up to 100 of them together, one list where the model looks at
    /// interactions, its history where the model looks at stages, and one commit. After a change of the model all
    /// records of its kind are due, in pages, and the sweep goes on where the last one stopped.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sweep(&self, tenant: Id, budget: Duration) -> Result<Swept, Error> {
        let micros = i64::try_from(budget.as_micros()).unwrap_or(i64::MAX);
        let until = self.engine.clock.now().plus_micros(micros);
        let actor = Actor::system(tenant);
        let mut swept = Swept::default();
        let mut seen: BTreeSet<Id> = BTreeSet::new();
        loop {
            let now = self.engine.clock.now();
            let marks = self.due(&actor, now).await?;
            // What was done in this sweep and is due again at once (a store whose lists lag) waits for the next.
            let marks: Vec<Record<Rescoring>> = marks.into_iter().filter(|mark| seen.insert(mark.id)).collect();
            if marks.is_empty() {
                return Ok(swept);
            }
            swept.due += marks.len() as u64;
            let finished = self.settle(&actor, &marks, until, &mut swept).await?;
            if self.engine.clock.now() >= until || !finished {
                swept.more = true;
                return Ok(swept);
            }
        }
    }

    /// The marks that are due, the longest first. A page from the beginning of their index: what is not due stands behind.
    async fn due(&self, actor: &Actor, now: Time) -> Result<Vec<Record<Rescoring>>, Error> {
        let query = ListQuery::new().sort("due_at").limit(PAGE);
        let page = Collection::<Rescoring>::new(self.engine, actor).list(&query).await?;
        Ok(page.items.into_iter().take_while(|mark| mark.due_at.is_some_and(|due| due <= now)).collect())
    }

    /// Does what some marks ask for; false where the time was up before.
    async fn settle(
        &self,
        actor: &Actor,
        marks: &[Record<Rescoring>],
        until: Time,
        swept: &mut Swept,
    ) -> Result<bool, Error> {
        let tenant = actor.tenant();
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        let records = marks.iter().filter_map(|mark| Some(Ref::new(mark.of?, mark.id)));
        let wants: Vec<Want> = records.map(Want::Record).collect();
        let mut images = Vec::with_capacity(wants.len());
        // Facts are of this moment or later, never earlier than the score says.
        let now = self.engine.clock.now();
        for got in self.engine.store.get(tenant, &wants).await?.got {
            images.push(if let Got::Record(image) = got { image } else { None });
        }
        let mut ready: Vec<(Kind, Option<Ready<'_>>)> = Vec::new();
        for kind in KINDS {
            ready.push((kind, Ready::of(&definitions, kind, now, swept)));
        }
        let of = |kind: Kind| ready.iter().find(|(of, _)| *of == kind).and_then(|(_, ready)| ready.as_ref());
        let mut finished = true;
        for (mark, image) in marks.iter().zip(images) {
            if self.engine.clock.now() >= until && swept.scored > 0 {
                return Ok(false);
            }
            let next = match image {
                None => Next::Due(None),
                Some(image) if image.kind() == Kind::ScoringModel => {
                    let kind = Kind::from_value(image.get("kind")).ok();
                    match kind.and_then(|kind| Some((kind, of(kind)?))) {
                        Some((kind, ready)) => self.all_of(actor, kind, ready, mark, until, swept).await?,
                        None => Next::Due(None),
                    }
                }
                Some(image) => {
                    self.dependents(actor, &image, &definitions).await?;
                    match of(image.kind()) {
                        Some(ready) if !image.is_archived() => {
                            let done =
                                self.score(actor, &definitions, image, Some(mark.machine_version), ready).await?;
                            swept.scored += 1;
                            swept.written += u64::from(done.written);
                            // The mark was settled in the same commit.
                            if done.written {
                                continue;
                            }
                            Next::Due(done.due_at)
                        }
                        _ => Next::Due(None),
                    }
                }
            };
            finished &= !matches!(next, Next::Reached(_));
            self.settle_mark(actor, mark, next).await?;
        }
        Ok(finished)
    }

    /// Scores a record and settles its mark, in one commit, where anything is to be written but the mark. `mark` is the
    /// version of the mark, read before the record: what marks it from then on stays.
    async fn score(
        &self,
        actor: &Actor,
        definitions: &Arc<Definitions>,
        mut image: Arc<Image>,
        mut mark: Option<u64>,
        ready: &Ready<'_>,
    ) -> Result<Scored, Error> {
        let (record, now) = (image.reference(), ready.compiled.at);
        let reader = Reader { engine: self.engine, tenant: actor.tenant(), definitions };
        let mut tries = 0;
        loop {
            tries += 1;
            let facts = reader.now(Arc::clone(&image), &ready.compiled.needs, now).await?;
            let points = ready.compiled.points(&facts);
            let version = ready.model.version_name(ready.model.version);
            let due_at = ready.next(&facts);
            if values_of(&image, &points, &version, now)
                .iter()
                .all(|(at, value)| image.decl.fields[*at].name == "scored_at" || image.values[*at] == *value)
            {
                return Ok(Scored { written: false, due_at });
            }
            let versions = image.versions;
            let asked = asked_for(&(record, versions.machine));
            let hints = vec![record.into(), mark_of(record.id).into()];
            let pending: Pending<Written> = Pending::new(self.engine, actor, "score", asked, hints, move |draft, _| {
                let current = draft.peek(record)?.ok_or(Error::NotFound(record.kind))?.versions;
                if current != versions {
                    return Err(Error::Conflict { record, current: Some(current), fields: Vec::new() }.into());
                }
                write_score(draft, record, &points, &version, now)?;
                let stored = draft.peek(mark_of(record.id))?.map(|stored| stored.versions.machine);
                if stored == mark && (stored.is_some() || due_at.is_some()) {
                    let of = (RescoringFields::of as usize, Value::text(record.kind.name()));
                    draft.keep(mark_of(record.id), &[of, due_value(due_at)])?;
                }
                Ok(vec![record])
            });
            match pending.await {
                Ok(_) => return Ok(Scored { written: true, due_at }),
                Err(Error::Conflict { .. }) if tries < TRIES => {}
                Err(error) => return Err(error),
            }
            let newest = self.with_mark(actor.tenant(), record).await?;
            let (Some(newer), newer_mark) = newest else { return Ok(Scored { written: false, due_at: None }) };
            (image, mark) = (newer, newer_mark);
        }
    }

    /// A record and the version of its mark, in one round trip.
    async fn with_mark(&self, tenant: Id, record: Ref) -> Result<(Option<Arc<Image>>, Option<u64>), Error> {
        let wants = [Want::Record(mark_of(record.id)), Want::Record(record)];
        let mut got = self.engine.store.get(tenant, &wants).await?.got.into_iter();
        let mut next = || if let Some(Got::Record(image)) = got.next() { image } else { None };
        let mark = next().map(|mark| mark.versions.machine);
        Ok((next(), mark))
    }

    /// Marks what is scored by facts of this record: the leads it came from, the contacts of a company.
    async fn dependents(&self, actor: &Actor, image: &Image, definitions: &Arc<Definitions>) -> Result<(), Error> {
        let needs = |kind: Kind| definitions.model_needs().iter().find(|(of, _)| *of == kind).map(|(_, needs)| needs);
        let mut due: Vec<Ref> = Vec::new();
        let of_leads = needs(Kind::Lead).is_some_and(|needs| match image.kind() {
            Kind::Contact => !needs.contact.is_empty(),
            Kind::Company => !needs.company.is_empty(),
            _ => false,
        });
        if of_leads {
            let sources = image.values[common::SOURCE_IDS].items().iter();
            due.extend(
                sources.filter_map(|item| Ref::from_value(item).ok()).filter(|source| source.kind == Kind::Lead),
            );
        }
        if image.kind() == Kind::Company && needs(Kind::Contact).is_some_and(|needs| !needs.company.is_empty()) {
            let query = ListQuery::new().filter(Filter::eq("company_id", image.id.to_string())).sort("name");
            let access = Access::new(actor, definitions, self.engine.clock.now());
            let plan = listing::plan(&access, Contact::decl(), &query, Action::Read)?;
            let mut after = None;
            loop {
                let page = listing::walk_page(self.engine, actor.tenant(), &plan, after, 1_000).await?;
                due.extend(page.items.iter().map(|contact| contact.reference()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        for records in due.chunks(25) {
            let records = records.to_vec();
            let hints = records.iter().map(|record| mark_of(record.id).into()).collect();
            let asked = asked_for(&records);
            let pending: Pending<Written> =
                Pending::new(self.engine, actor, "mark_due", asked, hints, move |draft, _| {
                    let now = draft.cx.now;
                    records.iter().try_for_each(|record| super::mark::mark_due(draft, *record, now))?;
                    Ok(Vec::new())
                });
            pending.await?;
        }
        Ok(())
    }

    /// Scores all records of a model's kind that another model or version scored, a page after the other.
    async fn all_of(
        &self,
        actor: &Actor,
        kind: Kind,
        ready: &Ready<'_>,
        mark: &Record<Rescoring>,
        until: Time,
        swept: &mut Swept,
    ) -> Result<Next, Error> {
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        let access = Access::new(actor, &definitions, self.engine.clock.now());
        let decl = catalog::decl(kind);
        let mut query = ListQuery::new().sort("created_at");
        if decl.position("model_version").is_some() {
            let version = ready.model.version_name(ready.model.version);
            query = query.filter(Filter::is("model_version", Op::Ne, version));
        }
        let plan = listing::plan(&access, decl, &query, Action::Read)?;
        // Right before what was created at the moment that was reached.
        let mut after = mark.reached.map(|reached| Position { sort: Value::Time(reached), id: Id::NIL });
        loop {
            let page = listing::walk_page(self.engine, actor.tenant(), &plan, after, PAGE).await?;
            for listed in page.items {
                let (Some(image), mark) = self.with_mark(actor.tenant(), listed.reference()).await? else { continue };
                let done = self.score(actor, &definitions, image, mark, ready).await?;
                swept.scored += 1;
                swept.written += u64::from(done.written);
                if self.engine.clock.now() >= until {
                    return Ok(Next::Reached(listed.values[common::CREATED_AT].as_time()));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(Next::Due(None));
            }
        }
    }

    /// Writes on a mark what comes next, unless somebody has marked it anew since it was read.
    async fn settle_mark(&self, actor: &Actor, mark: &Record<Rescoring>, next: Next) -> Result<(), Error> {
        let (id, read) = (mark.id, mark.machine_version);
        let mut values = Vec::new();
        match next {
            Next::Due(due_at) => values.push(due_value(due_at)),
            Next::Reached(reached) => {
                values.push((RescoringFields::reached as usize, reached.map_or(Value::Null, Value::Time)));
            }
        }
        let hints = vec![mark_of(id).into()];
        let pending: Pending<Written> =
            Pending::new(self.engine, actor, "settle_mark", asked_for(&(id, read)), hints, move |draft, _| {
                let current = draft.peek(mark_of(id))?;
                if current.is_some_and(|current| current.versions.machine == read) {
                    draft.keep(mark_of(id), &values)?;
                }
                Ok(Vec::new())
            });
        pending.await.map(drop)
    }
}

/// What a mark is to say next.
enum Next {
    /// From when on it is due again, if ever.
    Due(Option<Time>),
    /// Of a model: how far its records are.
    Reached(Option<Time>),
}

fn due_value(due_at: Option<Time>) -> (usize, Value) {
    (RescoringFields::due_at as usize, due_at.map_or(Value::Null, Value::Time))
}
