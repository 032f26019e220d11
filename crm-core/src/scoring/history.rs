//! The facts of a score at any time, from the change log: read once, then advanced from time to time.
//!
//! The record, its contact and its company are as of the time. An interaction counts as it is known, from the time it
//! took place: if current knowledge is requested, one that was recorded late also counts for times before it was
//! recorded, and one that was archived or unlinked does not count at all.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use super::{
    compiled::{Needs, kind_of},
    facts::Facts,
    model::On,
};
use crate::{
    engine::{
        access::{Access, Authority},
        definitions::Definitions,
        draft::read_history,
        history::Replay,
        listing::{self, ListQuery},
        runtime::Engine,
    },
    interactions::{Interaction, InteractionFields},
    model::{
        access::{Action, Actor},
        change::Change,
        error::Error,
        filter::Filter,
        records::pipeline::Stage,
        schema::{Image, KindDecl, RecordKind, common},
        store::{Got, Want},
        value::{Id, Kind, Ref, Time, Value},
    },
};

/// The maximum number of interactions of a record that count: the latest ones.
pub(crate) const MAX_EVENTS: usize = 10_000;
/// The number of interactions read per round trip.
const PAGE: usize = 1_000;
/// The field that a change names when an interaction is unlinked from a record.
pub(crate) const WITHDRAWN: &str = "interactions";

/// The time up to which recorded changes are considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A fixed time, for all requested times.
    By(Time),
    /// The requested time itself: the score as it was computed then.
    Then,
}

/// The past of one record, which can be queried for ascending times.
pub(crate) struct ScoreHistory {
    record: Ref,
    known: Known,
    subject: Replay,
    related: BTreeMap<Ref, Replay>,
    interactions: Vec<Past>,
    /// The stages that the record entered: time from which the entry counts, time of the entry, id of the stage.
    stages: Vec<(Time, Time, Id<Stage>)>,
}

/// The past of an interaction.
enum Past {
    /// Never changed: the time at which it was recorded, and its content.
    Once(Time, Arc<Image>),
    /// Replayed from its changes.
    Changed(Box<Replay>),
}

/// The field that names a related record.
pub(crate) const fn field_of(kind: Kind, on: On) -> Option<&'static str> {
    match (kind, on) {
        (Kind::Lead, On::Contact) => Some("converted_contact_ids"),
        (Kind::Lead, On::Company) => Some("converted_company_id"),
        (Kind::Deal, On::Contact) => Some("primary_contact_id"),
        (Kind::Contact | Kind::Deal, On::Company) => Some("company_id"),
        _ => None,
    }
}

/// The related record that an image names.
fn related(image: &Image, on: On) -> Option<Ref> {
    let kind = kind_of(image.kind(), on)?;
    named(image.get(field_of(image.kind(), on)?), kind).next()
}

fn named(value: &Value, kind: Kind) -> impl Iterator<Item = Ref> {
    let items = match value {
        Value::List(items) => items.as_ref(),
        single => std::slice::from_ref(single),
    };
    items.iter().filter_map(Value::as_id).map(move |id| Ref::new(kind, id))
}

/// Reads facts of a tenant's records, regardless of the actor.
pub(crate) struct Reader<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) tenant: Id,
    pub(crate) definitions: &'a Authority,
}

impl Reader<'_> {
    /// Returns the current facts of a record. Only what the model needs is read: related records in one round trip,
    /// interactions a thousand per round trip, the history for stages.
    pub(crate) async fn now(&self, record: Arc<Image>, needs: &Needs, now: Time) -> Result<Facts, Error> {
        let facts = self.related(vec![record], needs).await?.pop().ok_or_else(|| Error::NotFound(Kind::Lead))?;
        self.happened(facts, needs, now).await
    }

    /// Returns the facts of some records with the related records that the model needs, in one round trip.
    pub(crate) async fn related(&self, records: Vec<Arc<Image>>, needs: &Needs) -> Result<Vec<Facts>, Error> {
        let mut all: Vec<Facts> = records.into_iter().map(Facts::of).collect();
        let looks: Vec<On> = [On::Contact, On::Company].into_iter().filter(|on| !needs.of(*on).is_empty()).collect();
        let wanted: Vec<(usize, On, Ref)> = (all.iter().enumerate())
            .flat_map(|(at, facts)| looks.iter().filter_map(move |on| Some((at, *on, related(&facts.record, *on)?))))
            .collect();
        if wanted.is_empty() {
            return Ok(all);
        }
        let wants: Vec<Want> = wanted.iter().map(|(.., record)| Want::Record(*record)).collect();
        let got = self.engine.store.get(self.tenant, &wants).await?.got;
        for ((at, on, _), got) in wanted.into_iter().zip(got) {
            let Got::Record(image) = got else { continue };
            match on {
                On::Contact => all[at].contact = image,
                On::Company => all[at].company = image,
                On::Record | On::Unknown(_) => {}
            }
        }
        Ok(all)
    }

    /// Adds the events of a record that the model needs.
    pub(crate) async fn happened(&self, mut facts: Facts, needs: &Needs, now: Time) -> Result<Facts, Error> {
        let reference = facts.record.reference();
        if needs.interactions {
            let held = self.interactions(reference, true).await?;
            facts.interactions = held
                .into_iter()
                .filter_map(|image| Some((image.at(InteractionFields::completed_at).as_time()?, image)))
                .filter(|(at, _)| *at <= now)
                .collect();
            facts.sort();
        }
        if needs.stages {
            let history = read_history(self.engine, self.tenant, reference).await?;
            facts.stages = entries(&history).map(|(change, stage)| (change.occurred_at, stage)).collect();
        }
        Ok(facts)
    }

    /// Returns the interactions linked to a record; with `held` only the completed ones.
    async fn interactions(&self, record: Ref, held: bool) -> Result<Vec<Arc<Image>>, Error> {
        let mut query = ListQuery::new().sort("happens_at").descending();
        if held {
            query = query.filter(Filter::missing("completed_at").negate());
        }
        self.linked(Interaction::decl(), record, query, MAX_EVENTS).await
    }

    /// Returns the first `most` records of a query that are linked to a record.
    pub(crate) async fn linked(
        &self,
        decl: &'static KindDecl,
        record: Ref,
        query: ListQuery,
        most: usize,
    ) -> Result<Vec<Arc<Image>>, Error> {
        let actor = Actor::system(self.tenant);
        let access = Access::new(&actor, self.definitions, self.engine.clock.now());
        let link = serde_json::json!({"kind": record.kind.name(), "id": record.id.to_string()});
        let plan = listing::plan(&access, decl, &query.filter(Filter::eq("links", link)), Action::Read)?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = listing::walk_page(self.engine, self.tenant, &plan, after, PAGE.min(most)).await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() || all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
        }
    }

    /// Returns the past of a record. Reads its history, the histories of the related records that the model needs, the
    /// interactions, and the histories of those that were ever changed.
    pub(crate) async fn course(&self, record: Ref, needs: &Needs, known: Known) -> Result<ScoreHistory, Error> {
        let history = read_history(self.engine, self.tenant, record).await?;
        let mut related = BTreeMap::new();
        for on in [On::Contact, On::Company].into_iter().filter(|on| !needs.of(*on).is_empty()) {
            let (Some(kind), Some(field)) = (kind_of(record.kind, on), field_of(record.kind, on)) else { continue };
            for other in
                history.iter().filter_map(|change| change.field(field)).flat_map(|field| named(&field.new, kind))
            {
                if let Entry::Vacant(place) = related.entry(other) {
                    let history = read_history(self.engine, self.tenant, other).await?;
                    place.insert(Replay::new(self.tenant, history, |change| counts_from(change, known)));
                }
            }
        }
        let mut interactions = Vec::new();
        if needs.interactions {
            let mut changed: Vec<Ref> = Vec::new();
            for image in self.interactions(record, false).await? {
                match image.values[common::UPDATED_AT].as_time().filter(|_| image.versions.person == 1) {
                    Some(recorded_at) => interactions.push(Past::Once(recorded_at, image)),
                    None => changed.push(image.reference()),
                }
            }
            for field in history.iter().filter_map(|change| change.field(WITHDRAWN)) {
                changed.extend(
                    field
                        .old
                        .items()
                        .iter()
                        .filter_map(|item| if let Value::Ref(gone) = item { Some(*gone) } else { None }),
                );
            }
            changed.sort_unstable();
            changed.dedup();
            for interaction in changed {
                let history = read_history(self.engine, self.tenant, interaction).await?;
                let replay = Replay::new(self.tenant, history, |change| Some(change.recorded_at));
                interactions.push(Past::Changed(Box::new(replay)));
            }
        }
        let stages = if needs.stages { entries(&history) } else { entries(&[]) };
        let stages = stages
            .filter_map(|(change, stage)| Some((counts_from(change, known)?, change.occurred_at, stage)))
            .collect();
        let subject = Replay::new(self.tenant, history, |change| counts_from(change, known));
        Ok(ScoreHistory { record, known, subject, related, interactions, stages })
    }
}

impl ScoreHistory {
    /// Returns the facts at a time, which must not be before the last requested one; `None` if the record did not
    /// exist, was not known yet, or was archived.
    pub(crate) fn at(&mut self, moment: Time, definitions: &Definitions) -> Result<Option<Facts>, Error> {
        let Some(image) = self.subject.at(moment, definitions)? else { return Ok(None) };
        let mut facts = Facts::of(Arc::clone(image));
        for on in [On::Contact, On::Company] {
            let Some(replay) = related(&facts.record, on).and_then(|other| self.related.get_mut(&other)) else {
                continue;
            };
            let image = replay.at(moment, definitions)?.cloned();
            match on {
                On::Contact => facts.contact = image,
                On::Company => facts.company = image,
                On::Record | On::Unknown(_) => {}
            }
        }
        let known_by = if let Known::By(known) = self.known { known } else { moment };
        for past in &mut self.interactions {
            let image = match past {
                Past::Once(recorded_at, image) => Some(&*image).filter(|_| *recorded_at <= known_by),
                Past::Changed(replay) => replay.at(known_by, definitions)?,
            };
            let Some(image) = image.filter(|image| !image.is_archived()) else { continue };
            let linked = image.at(InteractionFields::links).items().contains(&Value::Ref(self.record));
            if let Some(at) = image.at(InteractionFields::completed_at).as_time().filter(|at| linked && *at <= moment) {
                facts.interactions.push((at, Arc::clone(image)));
            }
        }
        facts.sort();
        if facts.interactions.len() > MAX_EVENTS {
            facts.interactions.drain(..facts.interactions.len() - MAX_EVENTS);
        }
        facts.stages =
            self.stages.iter().filter(|(from, ..)| *from <= moment).map(|(_, at, stage)| (*at, *stage)).collect();
        Ok(Some(facts))
    }
}

/// The time from which a change counts.
fn counts_from(change: &Change, known: Known) -> Option<Time> {
    match known {
        Known::By(known) => (change.recorded_at <= known).then_some(change.occurred_at),
        Known::Then => Some(change.occurred_at.max(change.recorded_at)),
    }
}

/// The changes that entered a stage, in order.
fn entries(history: &[Change]) -> impl Iterator<Item = (&Change, Id<Stage>)> {
    history.iter().filter_map(|change| Some((change, change.field("stage_id")?.new.as_id()?.typed())))
}
