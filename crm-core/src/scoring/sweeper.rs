//! Keeping the scores that records carry: a sweep scores what commits have marked as due, and what is due because time
//! passes. It costs in proportion to what is due, never to what there is.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::{
    batch::{BATCH, Due, MARK_TRIES, Ready, Settled, settle_marks},
    compiled::KINDS,
    mark::{Next, mark_due, mark_of},
    models::Models as _,
    record::ScoringModel,
    sweep_report::{SweepAllReport, SweepReport},
};
use crate::{
    catalog,
    contacts::Contact,
    crm::Crm,
    deals::Deal,
    engine::{
        access::{Access, Authority},
        collection::Collection,
        draft::{Pending, asked_for},
        followers::{micros, reason},
        listing::{self, ListQuery},
        runtime::Engine,
        worker::{Background, Round},
    },
    model::{
        access::{Action, Actor},
        error::Error,
        filter::{Filter, Op},
        schema::{Image, Record, RecordKind, common},
        store::{FeedPlace, Got, Position, Want},
        value::{FieldValue as _, Id, Kind, Ref, Time},
    },
    scoring::{
        ScoringModelFields,
        rescorings::{Reached, Rescoring},
    },
};

/// Marks, tenants or dependents that are read together.
const PAGE: usize = 100;
/// A tenant's turn is one of so many parts of the time.
const SHARES: u32 = 8;
/// The name under which the store keeps which tenant was swept last.
const CONSUMER: &str = "crm.scores";

/// Scores what is due, of all tenants. For the program, not for its users: no actor stands before it.
#[derive(Clone)]
pub struct Sweeper<'a> {
    engine: &'a Arc<Engine>,
}

impl std::fmt::Debug for Sweeper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweeper").finish_non_exhaustive()
    }
}

/// The sweep of all tenants, as the worker runs it.
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
    pub async fn sweep(&self, tenant: Id, budget: Duration) -> Result<SweepReport, Error> {
        let until = self.engine.clock.now().plus_micros(micros(budget));
        let actor = Actor::system(tenant);
        let mut swept = SweepReport::default();
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

    /// Sweeps all tenants that have something due in turn until nothing is or the time is up by the CRM's clock. Where the
    /// last one of the whole deployment did not come to all, it goes on behind the tenant that it came to: which that was is
    /// kept in the store. Each tenant has an eighth of the time; who has more to do has its next turn when all others had
    /// theirs. At least one tenant is swept.
    ///
    /// Where nothing is due it costs two reads, however many tenants there are; one where something is costs a list more
    /// than [`Sweeper::sweep`].
    ///
    /// # Errors
    /// What the store says where it cannot tell what is due. What it says of one tenant is told in
    /// [`SweepAllReport::failed`] and stops no other.
    pub async fn sweep_all(&self, budget: Duration) -> Result<SweepAllReport, Error> {
        let store = &self.engine.store;
        let until = self.engine.clock.now().plus_micros(micros(budget));
        let place = store.feed_place(CONSUMER).await?;
        let from: Option<Id> = place.as_ref().and_then(|place| place.state.as_ref()?.as_str()?.parse().ok());
        let mut all = SweepAllReport::default();
        let mut last = None;
        let mut busy: VecDeque<Id> = VecDeque::new();
        // Those behind the last one, then from the first up to it.
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
        let next = last.filter(|_| all.more);
        if next != from {
            let place = place.unwrap_or_else(|| FeedPlace::beginning(self.engine.clock.now()));
            let state = next.map(|tenant| tenant.to_string().into());
            // Where another process was faster, the next round goes on where that one stopped.
            store.keep_feed_place(CONSUMER, &FeedPlace { state, ..place.clone() }, place.fence).await?;
        }
        Ok(all)
    }

    /// A tenant's turn, of a share of the time or what is left of it; true where it has more to do.
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
        swept: &mut SweepReport,
    ) -> Result<bool, Error> {
        let definitions = Collection::<ScoringModel>::new(self.engine, actor).definitions().await?;
        // Facts are of this moment or later, never earlier than the score says.
        let now = self.engine.clock.now();
        // What a newer program scores, by a model or of a kind that this one does not know, is left to that one; so are the
        // contacts and companies that the model may look at.
        let is_known = |(_, record): &(&Record<Rescoring>, Ref)| match record.kind {
            Kind::ScoringModel => {
                definitions.get::<ScoringModel>(record.id).is_none_or(|model| model.definition.is_some())
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
                // Nothing to score: it is never due again.
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

    /// The active model of a kind for a moment. One that makes no sense any more is told.
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

    /// Marks what is scored by facts of this record: the leads it came from, the contacts of a company, the deals of
    /// either. Answers how far it came where the time was up before; at least a page is done.
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
            let asked = asked_for(&records);
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

    /// Scores all records of a model's kind that another model or version scored, a page after the other. Answers how far
    /// it came where the time was up before: the place of the last record that is done.
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
