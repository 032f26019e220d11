//! The timeline of a record: its changes, interactions, tasks and notes, merged by time, latest first.
//!
//! What a record was converted or merged from shows on its timeline too. Interactions stand at the time they happen,
//! tasks at the time they are due (undated ones first), notes at the time they were written, changes at the time they
//! were recorded.

use std::{cmp::Ordering, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    access::{Access, Action, Actor, Permission},
    catalog,
    change::Change,
    draft::{self, Stop},
    engine::Engine,
    error::Error,
    filter::{Compare, Path, Predicate, Test},
    interactions::record::Interaction,
    listing::{self, ListPage, MAX_LIMIT},
    notes::record::Note,
    schema::{FieldType, Image, KindDecl, Record},
    store::{HistoryPosition, HistoryQuery, Position, Query},
    tasks::record::Task,
    value::{Kind, Ref, Time, Value},
    view::View,
};

/// One entry of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A change of the record (or of one it came from).
    Change(Change),
    /// An interaction with it.
    Interaction(Record<Interaction>),
    /// A task about it.
    Task(Record<Task>),
    /// A note about it.
    Note(Record<Note>),
}

/// One entry of a timeline, its record as a view.
#[derive(Clone, Debug)]
pub enum ViewedEntry {
    /// A change of the record (or of one it came from).
    Change(Change),
    /// An interaction, task or note about it.
    Record(View),
}

/// What was found, before it is shown.
enum Found {
    Change(Change),
    Record(Arc<Image>),
}

/// The timelines that an actor may see.
#[derive(Clone)]
pub struct Timeline<'a> {
    engine: &'a Arc<Engine>,
    actor: &'a Actor,
}

impl std::fmt::Debug for Timeline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").finish_non_exhaustive()
    }
}

/// Where one source of a timeline goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum Place {
    #[default]
    Start,
    History(HistoryPosition),
    List(Position),
    End,
}

/// What a timeline is merged from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Changes(Ref),
    Linked(Kind, Ref),
}

/// An entry with what it is merged by.
struct Item {
    time: Option<Time>,
    place: Place,
    found: Found,
}

impl<'a> Timeline<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }

    /// A page of a record's timeline, latest first. One read per source: the record's and each source record's
    /// changes, interactions, tasks and notes.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the actor may not see the record; [`Error::Invalid`] for a limit or cursor that cannot
    /// be.
    pub async fn of(&self, record: Ref, cursor: Option<&str>, limit: usize) -> Result<ListPage<Entry>, Error> {
        self.page(record, cursor, limit, |found, access| match found {
            Found::Change(change) => Ok(Entry::Change(access.mask_change(change))),
            Found::Record(image) => entry(&access.mask(&image)),
        })
        .await
    }

    /// As [`Timeline::of`], as views.
    ///
    /// # Errors
    /// As [`Timeline::of`].
    pub async fn view(&self, record: Ref, cursor: Option<&str>, limit: usize) -> Result<ListPage<ViewedEntry>, Error> {
        self.page(record, cursor, limit, |found, access| {
            Ok(match found {
                Found::Change(change) => ViewedEntry::Change(access.mask_change(change)),
                Found::Record(image) => ViewedEntry::Record(View::new(&image, access)),
            })
        })
        .await
    }

    async fn page<T>(
        &self,
        record: Ref,
        cursor: Option<&str>,
        limit: usize,
        show: fn(Found, &Access<'_>) -> Result<T, Error>,
    ) -> Result<ListPage<T>, Error> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", "too_large", format!("must be 1 to {MAX_LIMIT}")));
        }
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            let image = draft.read(record)?;
            let mut records = vec![record];
            for source in image.get("source_ids").items() {
                let Value::Ref(source) = source else { continue };
                // A source that the actor may not see shows nothing of itself.
                match draft.read(*source) {
                    Ok(_) => records.push(*source),
                    Err(Stop::Refuse(Error::NotFound(_))) => {}
                    Err(stop) => return Err(stop),
                }
            }
            Ok(records)
        })
        .await?;
        let definitions = &outcome.definitions;
        let access = Access::new(self.actor, definitions, outcome.now);
        let records: Vec<Ref> = outcome.images.iter().map(|image| image.reference()).collect();
        let sources: Vec<Source> = records
            .iter()
            .flat_map(|&record| {
                let linked = [Kind::Interaction, Kind::Task, Kind::Note].map(|kind| Source::Linked(kind, record));
                std::iter::once(Source::Changes(record)).chain(linked)
            })
            .collect();
        let signature = format!("timeline {record} {}", sources.len());
        let mut places: Vec<Place> = match cursor {
            Some(cursor) => listing::open(definitions, self.actor, &signature, cursor)?,
            None => vec![Place::Start; sources.len()],
        };
        let mut heads: Vec<Vec<Item>> = Vec::with_capacity(sources.len());
        let mut ends: Vec<bool> = Vec::with_capacity(sources.len());
        for (source, place) in sources.iter().zip(&places) {
            let (items, ended) = self.read(*source, place, &access, limit).await?;
            heads.push(items);
            ends.push(ended);
        }
        let mut entries = Vec::with_capacity(limit);
        for head in &mut heads {
            head.reverse();
        }
        while entries.len() < limit {
            let next = (0..heads.len()).filter(|&at| !heads[at].is_empty()).max_by(|&a, &b| {
                later(heads[a].last().and_then(|item| item.time), heads[b].last().and_then(|item| item.time))
            });
            let Some(at) = next else { break };
            // A source that may have more bounds the page: what comes after its last item is not known.
            if let Some(item) = heads[at].pop() {
                places[at] = item.place;
                entries.push(show(item.found, &access)?);
            }
            if heads[at].is_empty() && !ends[at] {
                break;
            }
        }
        for at in 0..heads.len() {
            if heads[at].is_empty() && ends[at] {
                places[at] = Place::End;
            }
        }
        let ended = places.iter().all(|place| matches!(place, Place::End));
        let next_cursor = (!ended).then(|| listing::seal(definitions, self.actor, &signature, &places));
        Ok(ListPage { items: entries, next_cursor })
    }

    /// The next items of a source, and whether there are no more after them.
    async fn read(
        &self,
        source: Source,
        place: &Place,
        access: &Access<'_>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), Error> {
        match (source, place) {
            (_, Place::End) => Ok((Vec::new(), true)),
            (Source::Changes(record), place) => {
                let after = if let Place::History(at) = place { Some(*at) } else { None };
                let tenant = self.actor.tenant();
                let query = HistoryQuery { tenant, record, field: None, descending: true, after, limit };
                let page = self.engine.store.history(&query).await?;
                let items = page.changes.into_iter().map(|change| Item {
                    time: Some(change.recorded_at),
                    place: Place::History(HistoryPosition::of(&change)),
                    found: Found::Change(change),
                });
                Ok((items.collect(), !page.more))
            }
            (Source::Linked(kind, record), place) => {
                let decl = catalog::decl(kind);
                let index =
                    decl.indexes.iter().find(|index| index.per_element && decl.fields[index.equals[0]].name == "links");
                let Some(index) = index else { return Ok((Vec::new(), true)) };
                let after = if let Place::List(at) = place { Some(at.clone()) } else { None };
                let mut query = Query {
                    tenant: self.actor.tenant(),
                    decl,
                    index,
                    equals: vec![Value::Ref(record)],
                    descending: true,
                    filter: self.visible(decl, access),
                    after,
                    limit,
                };
                let mut page = self.engine.store.list(&query).await?;
                // Without its next item, a source cannot be merged with the others.
                while page.items.is_empty() && page.next.is_some() {
                    query.after = page.next.take();
                    page = self.engine.store.list(&query).await?;
                }
                let full = page.items.len() == limit;
                let ended = page.next.is_none();
                let mut items = Vec::with_capacity(page.items.len());
                for image in &page.items {
                    let sort = index.sort_value(image);
                    let time = sort.as_time();
                    let place = Place::List(Position { sort, id: image.id });
                    items.push(Item { time, place, found: Found::Record(Arc::clone(image)) });
                }
                // A short page that has more goes on from the last record examined.
                if let (false, Some(at), Some(last)) = (full, page.next, items.last_mut()) {
                    last.place = Place::List(at);
                }
                Ok((items, ended))
            }
        }
    }

    /// Who may see the record sees what is linked to it, but for the private notes of others.
    fn visible(&self, decl: &'static KindDecl, access: &Access<'_>) -> Predicate {
        if !access.is_within_limits(Permission::new(decl.kind, Action::Read)) {
            return Predicate::never();
        }
        let Some(private) = decl.position("is_private").filter(|_| !self.actor.is_system()) else {
            return Predicate::always();
        };
        let is_private = Predicate::field_eq(private, FieldType::Bool, Value::Bool(true));
        let mine = match (self.actor.user(), decl.own.first()) {
            (Some(user), Some(&field)) => Predicate::Test(Test {
                path: Path { field, property: None },
                ty: decl.fields[field].ty,
                list: false,
                compare: Compare::Eq,
                operands: vec![Value::Id(user)],
            }),
            _ => Predicate::never(),
        };
        Predicate::Not(Box::new(is_private)).or(mine).or(access.predicate(Action::ReadPrivate, decl))
    }
}

/// Undated first, as in every descending list.
fn later(a: Option<Time>, b: Option<Time>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    }
}

fn entry(image: &Image) -> Result<Entry, Error> {
    Ok(match image.kind() {
        Kind::Interaction => Entry::Interaction(Record::from_image(image)?),
        Kind::Task => Entry::Task(Record::from_image(image)?),
        _ => Entry::Note(Record::from_image(image)?),
    })
}
