//! The sweeper keeps the scores on records up to date: a sweep scores records that commits have marked as due, and
//! records that are due because time passes. Its cost is proportional to the number of due records, not to the number
//! of records.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::{
    batch::{BATCH, Due, MARK_TRIES, Ready, Settled, settle_marks},
    compiled::KINDS,
    dirty_marks::{Next, mark_due, mark_of},
    models::Models as _,
    record::ScoringModel,
    sweep_report::{SweepAllReport, SweepReport},
};
use crate::{
    catalog,
    contacts::Contact,
    deals::Deal,
    engine::{
        access::{Access, Authority},
        collection::Collection,
        crm::Crm,
        draft::{Pending, fingerprint},
        followers::{micros, reason},
        listing::{self, ListQuery},
        runtime::Engine,
        turns::Turns,
        worker::{Background, Round},
    },
    model::{
        access::{Action, Actor},
        error::Error,
        filter::{Filter, Op},
        schema::{Image, Record, RecordKind, common},
        store::{Got, Position, Want},
        value::{FieldValue as _, Id, Kind, Ref, Time},
    },
    scoring::{
        ScoringModelFields,
        rescorings::{Reached, Rescoring},
    },
};

/// The number of marks, tenants or dependent records read together.
const PAGE: usize = 100;
/// The fraction of the time that a tenant's turn takes, as its divisor.
const SHARES: u32 = 8;
/// The name under which the store keeps the tenant that was swept last.
const CONSUMER: &str = "crm.scores";

/// Scores the due records of all tenants. It belongs to the program, not to a user: no permissions apply.
#[derive(Clone)]
pub struct Sweeper<'a> {
    engine: &'a Arc<Engine>,
}

impl std::fmt::Debug for Sweeper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweeper").finish_non_exhaustive()
    }
}

/// The sweep of all tenants as background work.
pub(super) struct Sweep;

#[async_trait]
impl Background for Sweep {
    fn name(&self) -> &'static str {
        CONSUMER
    }

    async fn run(&self, crm: &Crm, until: Time) -> Result<Round, Error> {
        let left = u64::try_from(until.since(crm.now())).unwrap_or_default();
        let all = crm.score_sweeper().sweep_all(Duration::from_micros(left)).await?;
        let mut round = Round { more: all.more, ..Round::default() };
        for (tenant, error) in all.failed {
            tracing::warn!(%tenant, why = reason(&error), "scores of a tenant wait");
        }
        for (tenant, swept) in all.swept {
            *round.counts.entry("scored").or_default() += swept.scored;
            *round.counts.entry("rescored").or_default() += swept.written;
            for (record, error) in swept.failed {
                tracing::warn!(%tenant, %record, why = reason(&error), "a score could not be written");
            }
            for (model, faults) in swept.broken {
                let why = reason(&Error::Invalid(faults));
                tracing::warn!(%tenant, %model, why, "a scoring model no longer makes sense");
            }
        }
        Ok(round)
    }
}

impl<'a> Sweeper<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Scores the due records of a tenant, the longest due first, until none is left or the time is up by the CRM's
    /// clock. At least one batch of up to 25 records is processed, whatever the budget. An interrupted sweep loses
    /// nothing: unprocessed records are still marked. Concurrent sweeps are allowed.
    ///
    /// A due record costs one list if the model reads interactions and its history if it reads stages; up to 100
    /// records share one read, and 25 share a read of related records and one commit. After a change of the model all
    /// records of its kind are due; they are processed in pages, and a sweep continues where the last one stopped.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn sweep(&self, tenant: Id, budget: Duration) -> Result<SweepReport, Error> {
        let until = self.engine.clock.now().plus_micros(micros(budget));
        let actor = Actor::system(tenant);
        let mut swept = SweepReport::default();
        let mut seen: BTreeSet<Id<Rescoring>> = BTreeSet::new();
        loop {
            let now = self.engine.clock.now();
            let marks = self.due(&actor, now).await?;
            // Records processed in this sweep that appear due again (because lists lag) wait for the next one.
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

    /// Sweeps all tenants with due records in turn until none is left or the time is up by the CRM's clock. If the last
    /// sweep of the deployment did not reach all of them, it continues after the tenant that was swept last, which is
    /// kept in the store. A turn takes an eighth of the time; a tenant with more due records has its next turn after
    /// all others. At least one tenant is swept.
    ///
    /// Costs two reads if nothing is due, regardless of the number of tenants; otherwise one list more than
    /// [`Sweeper::sweep`].
    ///
    /// # Errors
    /// Errors of the store while finding due records. Errors of single tenants are returned in
    /// [`SweepAllReport::failed`] and do not stop the others.
    pub async fn sweep_all(&self, budget: Duration) -> Result<SweepAllReport, Error> {
        let store = &self.engine.store;
        let until = self.engine.clock.now().plus_micros(micros(budget));
        let turns = Turns::read(self.engine, CONSUMER).await?;
        let from = turns.from;
        let mut all = SweepAllReport::default();
        let mut last = None;
        let mut busy: VecDeque<Id> = VecDeque::new();
        // The tenants after the last one, then from the first one up to it.
        let (mut after, mut wrapped) = (from, from.is_none());
        'tenants: loop {
            let page = store.due(Rescoring::decl(), self.engine.clock.now(), after, 1, PAGE).await?;
            for &(tenant, ..) in &page {
                if wrapped && from.is_some_and(|from| tenant > from) {
                    break 'tenants;
                }
                if last.is_some() && self.engine.clock.now() >= until {
                    all.more = true;
                    break 'tenants;
                }
                if self.take_turn(tenant, budget / SHARES, until, &mut all).await {
                    busy.push_back(tenant);
                }
                last = Some(tenant);
            }
            after = page.last().map(|(tenant, ..)| *tenant);
            if page.len() < PAGE {
                if wrapped {
                    break;
                }
                (after, wrapped) = (None, true);
            }
        }
        while let Some(tenant) = busy.pop_front() {
            if self.engine.clock.now() >= until {
                all.more = true;
                break;
            }
            if self.take_turn(tenant, budget / SHARES, until, &mut all).await {
                busy.push_back(tenant);
            }
        }
        turns.keep(last.filter(|_| all.more)).await?;
        Ok(all)
    }

    /// Gives a tenant its turn, of its share or the rest of the time. Returns `true` if it has more to do.
    async fn take_turn(&self, tenant: Id, share: Duration, until: Time, all: &mut SweepAllReport) -> bool {
        let left = u64::try_from(until.since(self.engine.clock.now())).unwrap_or_default();
        match self.sweep(tenant, share.min(Duration::from_micros(left))).await {
            Ok(swept) => {
                let more = swept.more;
                if swept.due > 0 {
                    all.swept.push((tenant, swept));
                }
                more
            }
            Err(error) => {
                all.failed.push((tenant, error));
                false
            }
        }
    }

    /// Returns the due marks, the longest due first: a page from the beginning of their index, after which those not
    /// due follow.
    async fn due(&self, actor: &Actor, now: Time) -> Result<Vec<Record<Rescoring>>, Error> {
        let query = ListQuery::new().sort("due_at").limit(PAGE);
        let page = Collection::<Rescoring>::new(self.engine, actor).list(&query).await?;
        Ok(page.items.into_iter().take_while(|mark| mark.due_at.is_some_and(|due| due <= now)).collect())
    }

    /// Processes some marks. Returns `false` if the time was up before they were done.
    async fn settle(
        &self,
        actor: &Actor,
        marks: &[Record<Rescoring>],
        until: Time,
        swept: &mut SweepReport,
    ) -> Result<bool, Error> {
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        // Facts are read at this time or later, never earlier than the time of the score.
        let now = self.engine.clock.now();
        // Records that a newer program scores, by a model or of a kind that this one does not know, are left to it, as
        // are the contacts and companies that the model may read.
        let is_known = |(_, record): &(&Record<Rescoring>, Ref)| match record.kind {
            Kind::ScoringModel => {
                definitions.get::<ScoringModel>(record.id.typed()).is_none_or(|model| model.definition.is_some())
            }
            Kind::Contact | Kind::Company => !KINDS.into_iter().any(|kind| definitions.model_is_beyond(kind)),
            kind => !definitions.model_is_beyond(kind),
        };
        let marks = marks.iter().filter_map(|mark| Some((mark, Ref::new(mark.of?, mark.id))));
        let marks: Vec<(&Record<Rescoring>, Ref)> = marks.filter(is_known).collect();
        let wants: Vec<Want> = marks.iter().map(|(_, record)| Want::Record(*record)).collect();
        let got = self.engine.store.get(actor.tenant(), &wants).await?.got;
        let mut due: Vec<Due> = Vec::new();
        let mut models: Vec<(&Record<Rescoring>, Kind)> = Vec::new();
        let mut void = Vec::new();
        let mut finished = true;
        for ((mark, record), got) in marks.into_iter().zip(got) {
            let read = Some(mark.machine_version);
            match got {
                Got::Record(Some(image)) if image.kind() == Kind::ScoringModel => {
                    match Kind::from_value(image.at(ScoringModelFields::kind)) {
                        Ok(kind) => models.push((mark, kind)),
                        Err(_) => void.push((record, read, Next::Never)),
                    }
                }
                Got::Record(Some(image)) => {
                    match self.dependents(actor, &image, &definitions, mark.reached.as_ref(), until).await? {
                        None => due.push(Due { image, mark: read }),
                        Some(reached) => {
                            settle_marks(self.engine, actor, vec![(record, read, Next::GoOn(reached))]).await?;
                            finished = false;
                            break;
                        }
                    }
                }
                // Nothing to score: it is not due again.
                _ => void.push((record, read, Next::Never)),
            }
        }
        for kind in KINDS {
            let ready = self.ready(actor, &definitions, kind, now, swept);
            let here: Vec<Due> = due.extract_if(.., |one| one.image.kind() == kind).collect();
            let (here, out): (Vec<Due>, Vec<Due>) =
                here.into_iter().partition(|one| ready.is_some() && !one.image.is_archived());
            void.extend(out.into_iter().map(|one| (one.image.reference(), one.mark, Next::Never)));
            let Some(ready) = ready else { continue };
            for batch in here.chunks(BATCH) {
                if self.engine.clock.now() >= until && swept.scored > 0 {
                    return Ok(false);
                }
                ready.score(batch.to_vec(), swept).await?;
            }
        }
        settle_marks(self.engine, actor, void).await?;
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
                Some(after) => Next::GoOn(Reached { list: 0, after: Some(after) }),
                None => Next::Never,
            };
            let model = Ref::new(Kind::ScoringModel, mark.id);
            settle_marks(self.engine, actor, vec![(model, Some(mark.machine_version), next)]).await?;
        }
        Ok(finished)
    }

    /// Compiles the active model of a kind for a time. A model that is no longer valid is reported.
    fn ready<'b>(
        &'b self,
        actor: &'b Actor,
        definitions: &'b Authority,
        kind: Kind,
        now: Time,
        swept: &mut SweepReport,
    ) -> Option<Ready<'b>> {
        Ready::of(self.engine, actor, definitions, kind, now).unwrap_or_else(|(model, faults)| {
            if swept.broken.iter().all(|(known, _)| *known != model) {
                swept.broken.push((model, faults));
            }
            None
        })
    }

    /// Marks the records whose scores depend on this record: the leads converted into it, the contacts of a company,
    /// the deals of either. Returns the position reached if the time was up; at least one page is processed.
    async fn dependents(
        &self,
        actor: &Actor,
        image: &Image,
        definitions: &Authority,
        from: Option<&Reached>,
        until: Time,
    ) -> Result<Option<Reached>, Error> {
        let mut reached = from.cloned().unwrap_or_default();
        let looks = |kind: Kind, on: Kind| {
            let needs = definitions.model_needs();
            image.kind() == on
                && needs.of(kind).is_some_and(|needs| {
                    !(if on == Kind::Company { &needs.company } else { &needs.contact }).is_empty()
                })
        };
        if reached.list == 0 {
            if looks(Kind::Lead, Kind::Contact) || looks(Kind::Lead, Kind::Company) {
                let sources = image.values[common::SOURCE_IDS].items().iter();
                let leads = sources.filter_map(|item| Ref::from_value(item).ok());
                self.mark_all(actor, leads.filter(|source| source.kind == Kind::Lead).collect()).await?;
            }
            reached.list = 1;
        }
        let lists = [
            (Contact::decl(), Kind::Company, "company_id", "name"),
            (Deal::decl(), Kind::Company, "company_id", "created_at"),
            (Deal::decl(), Kind::Contact, "primary_contact_id", "created_at"),
        ];
        for (number, (decl, on, field, sort)) in (1..).zip(lists) {
            if reached.list != number {
                continue;
            }
            if looks(decl.kind, on) {
                let query = ListQuery::new().filter(Filter::eq(field, image.id.to_string())).sort(sort);
                let access = Access::new(actor, definitions, self.engine.clock.now());
                let plan = listing::plan(&access, decl, &query, Action::Read)?;
                loop {
                    let page =
                        listing::walk_page(self.engine, actor.tenant(), &plan, reached.after.take(), PAGE).await?;
                    self.mark_all(actor, page.items.iter().map(|record| record.reference()).collect()).await?;
                    reached.after = page.next;
                    if reached.after.is_none() {
                        break;
                    }
                    if self.engine.clock.now() >= until {
                        return Ok(Some(reached));
                    }
                }
            }
            reached.list += 1;
        }
        Ok(None)
    }

    /// Marks some records as due now.
    async fn mark_all(&self, actor: &Actor, records: Vec<Ref>) -> Result<(), Error> {
        for records in records.chunks(BATCH) {
            let records = records.to_vec();
            let hints = records.iter().map(|record| mark_of(record.id).into()).collect();
            let asked = fingerprint(&records);
            let pending: Pending<Settled> =
                Pending::new(self.engine, actor, "mark_due", asked, hints, move |draft, _| {
                    let now = draft.cx.now;
                    records.iter().try_for_each(|record| mark_due(draft, *record, now))?;
                    Ok(Vec::new())
                });
            pending.tries(MARK_TRIES).await?;
        }
        Ok(())
    }

    /// Scores all records of a model's kind that another model or version scored, page by page. Returns the position of
    /// the last processed record if the time was up.
    async fn all_of(
        &self,
        actor: &Actor,
        kind: Kind,
        ready: &Ready<'_>,
        mark: &Record<Rescoring>,
        until: Time,
        swept: &mut SweepReport,
    ) -> Result<Option<Position>, Error> {
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        let access = Access::new(actor, &definitions, self.engine.clock.now());
        let decl = catalog::decl(kind);
        let mut query = ListQuery::new().sort("created_at");
        if decl.position("model_version").is_some() {
            query = query.filter(Filter::is("model_version", Op::Ne, ready.version()));
        }
        let plan = listing::plan(&access, decl, &query, Action::Read)?;
        let mut after = mark.reached.as_ref().and_then(|reached| reached.after.clone());
        loop {
            let page = listing::walk_page(self.engine, actor.tenant(), &plan, after, PAGE).await?;
            for batch in page.items.chunks(BATCH) {
                let records: Vec<Ref> = batch.iter().map(|image| image.reference()).collect();
                ready.score(ready.read(&records).await?, swept).await?;
                if self.engine.clock.now() >= until {
                    return Ok(batch.last().and_then(|last| plan.position(last)));
                }
            }
            after = page.next;
            if after.is_none() || self.engine.clock.now() >= until {
                return Ok(after);
            }
        }
    }
}
