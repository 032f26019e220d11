//! Keeping the scores that records carry: a sweep scores what commits have marked as due, and what is due because time
//! passes. It costs in proportion to what is due, never to what there is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    batch::{BATCH, Due, Ready, Settled, due_value, settle_marks},
    compiled::KINDS,
    mark::mark_of,
    record::ScoringModel,
    swept::Swept,
};
use crate::{
    access::{Access, Action, Actor, Authority},
    catalog,
    collection::Collection,
    contacts::Contact,
    deals::Deal,
    draft::{Pending, asked_for},
    engine::Engine,
    error::Error,
    filter::{Filter, Op},
    listing::{self, ListQuery},
    rescorings::{Rescoring, RescoringFields},
    schema::{Image, KindDecl, Record, RecordKind, common},
    store::{Got, Position, Want},
    value::{FieldValue as _, Id, Kind, Ref, Time, Value},
};

/// Marks that are read together.
const PAGE: usize = 100;

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

impl<'a> Keeper<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Scores what is due of a tenant, the longest due first, until nothing is or the time is up by the CRM's clock. At
    /// least one batch of at most 25 records is done, whatever the budget. A sweep that is interrupted has lost nothing:
    /// what it did not come to is still marked. Two may run at once.
    ///
    /// A record that is due costs one list where the model looks at interactions and its history where the model looks at
    /// stages; up to 100 of them share one read, and 25 a read of what they are related to and one commit. After a change
    /// of the model all records of its kind are due, in pages, and the sweep goes on where the last one stopped.
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
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        // Facts are of this moment or later, never earlier than the score says.
        let now = self.engine.clock.now();
        let marks: Vec<(&Record<Rescoring>, Ref)> =
            marks.iter().filter_map(|mark| Some((mark, Ref::new(mark.of?, mark.id)))).collect();
        let wants: Vec<Want> = marks.iter().map(|(_, record)| Want::Record(*record)).collect();
        let got = self.engine.store.get(actor.tenant(), &wants).await?.got;
        let mut due: Vec<Due> = Vec::new();
        let mut models: Vec<(&Record<Rescoring>, Kind)> = Vec::new();
        let mut void = Vec::new();
        for ((mark, record), got) in marks.into_iter().zip(got) {
            let read = Some(mark.machine_version);
            match got {
                Got::Record(Some(image)) if image.kind() == Kind::ScoringModel => {
                    match Kind::from_value(image.get("kind")) {
                        Ok(kind) => models.push((mark, kind)),
                        Err(_) => void.push((record, read, due_value(None))),
                    }
                }
                Got::Record(Some(image)) => {
                    self.dependents(actor, &image, &definitions).await?;
                    due.push(Due { image, mark: read });
                }
                // Nothing to score: it is never due again.
                _ => void.push((record, read, due_value(None))),
            }
        }
        for kind in KINDS {
            let ready = self.ready(actor, &definitions, kind, now, swept);
            let here: Vec<Due> = due.extract_if(.., |one| one.image.kind() == kind).collect();
            let (here, out): (Vec<Due>, Vec<Due>) =
                here.into_iter().partition(|one| ready.is_some() && !one.image.is_archived());
            void.extend(out.into_iter().map(|one| (one.image.reference(), one.mark, due_value(None))));
            let Some(ready) = ready else { continue };
            for batch in here.chunks(BATCH) {
                if self.engine.clock.now() >= until && swept.scored > 0 {
                    return Ok(false);
                }
                ready.score(batch.to_vec(), swept).await?;
            }
        }
        settle_marks(self.engine, actor, void).await?;
        let mut finished = true;
        for (mark, kind) in models {
            if self.engine.clock.now() >= until && swept.scored > 0 {
                return Ok(false);
            }
            let reached = match self.ready(actor, &definitions, kind, now, swept) {
                Some(ready) => self.all_of(actor, kind, &ready, mark, until, swept).await?,
                None => None,
            };
            finished &= reached.is_none();
            let next = match reached {
                Some(reached) => (RescoringFields::reached as usize, Value::Time(reached)),
                None => due_value(None),
            };
            let model = Ref::new(Kind::ScoringModel, mark.id);
            settle_marks(self.engine, actor, vec![(model, Some(mark.machine_version), next)]).await?;
        }
        Ok(finished)
    }

    /// The active model of a kind for a moment. One that makes no sense any more is told.
    fn ready<'b>(
        &'b self,
        actor: &'b Actor,
        definitions: &'b Authority,
        kind: Kind,
        now: Time,
        swept: &mut Swept,
    ) -> Option<Ready<'b>> {
        Ready::of(self.engine, actor, definitions, kind, now).unwrap_or_else(|(model, faults)| {
            if swept.broken.iter().all(|(known, _)| *known != model) {
                swept.broken.push((model, faults));
            }
            None
        })
    }

    /// Marks what is scored by facts of this record: the leads it came from, the contacts of a company.
    async fn dependents(&self, actor: &Actor, image: &Image, definitions: &Authority) -> Result<(), Error> {
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
        for (kind, decl, on) in [
            (Kind::Contact, Contact::decl(), Kind::Company),
            (Kind::Deal, Deal::decl(), Kind::Company),
            (Kind::Deal, Deal::decl(), Kind::Contact),
        ] {
            let looks = needs(kind)
                .is_some_and(|needs| !(if on == Kind::Company { &needs.company } else { &needs.contact }).is_empty());
            if image.kind() == on && looks {
                due.extend(self.named_by(actor, image, definitions, decl).await?);
            }
        }
        for records in due.chunks(25) {
            let records = records.to_vec();
            let hints = records.iter().map(|record| mark_of(record.id).into()).collect();
            let asked = asked_for(&records);
            let pending: Pending<Settled> =
                Pending::new(self.engine, actor, "mark_due", asked, hints, move |draft, _| {
                    let now = draft.cx.now;
                    records.iter().try_for_each(|record| super::mark::mark_due(draft, *record, now))?;
                    Ok(Vec::new())
                });
            pending.await?;
        }
        Ok(())
    }

    /// The records of a kind that name a contact or company as their own.
    async fn named_by(
        &self,
        actor: &Actor,
        image: &Image,
        definitions: &Authority,
        decl: &'static KindDecl,
    ) -> Result<Vec<Ref>, Error> {
        let (field, sort) = match (decl.kind, image.kind()) {
            (Kind::Contact, _) => ("company_id", "name"),
            (_, Kind::Company) => ("company_id", "created_at"),
            _ => ("primary_contact_id", "created_at"),
        };
        let query = ListQuery::new().filter(Filter::eq(field, image.id.to_string())).sort(sort);
        let access = Access::new(actor, definitions, self.engine.clock.now());
        let plan = listing::plan(&access, decl, &query, Action::Read)?;
        let (mut named, mut after) = (Vec::new(), None);
        loop {
            let page = listing::walk_page(self.engine, actor.tenant(), &plan, after, 1_000).await?;
            named.extend(page.items.iter().map(|record| record.reference()));
            after = page.next;
            if after.is_none() {
                return Ok(named);
            }
        }
    }

    /// Scores all records of a model's kind that another model or version scored, a page after the other. Answers how far
    /// it came where the time was up before: when the last record was created that is done.
    async fn all_of(
        &self,
        actor: &Actor,
        kind: Kind,
        ready: &Ready<'_>,
        mark: &Record<Rescoring>,
        until: Time,
        swept: &mut Swept,
    ) -> Result<Option<Time>, Error> {
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        let access = Access::new(actor, &definitions, self.engine.clock.now());
        let decl = catalog::decl(kind);
        let mut query = ListQuery::new().sort("created_at");
        if decl.position("model_version").is_some() {
            query = query.filter(Filter::is("model_version", Op::Ne, ready.version()));
        }
        let plan = listing::plan(&access, decl, &query, Action::Read)?;
        // Right before what was created at the moment that was reached.
        let mut after = mark.reached.map(|reached| Position { sort: Value::Time(reached), id: Id::NIL });
        loop {
            let page = listing::walk_page(self.engine, actor.tenant(), &plan, after, PAGE).await?;
            for batch in page.items.chunks(BATCH) {
                let records: Vec<Ref> = batch.iter().map(|image| image.reference()).collect();
                ready.score(ready.read(&records).await?, swept).await?;
                if self.engine.clock.now() >= until {
                    return Ok(batch.last().and_then(|last| last.values[common::CREATED_AT].as_time()));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(None);
            }
        }
    }
}
