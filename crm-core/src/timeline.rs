//! The timeline of a record: its changes, interactions, tasks and notes, merged by time, latest first.
//!
//! The timeline also includes the records that the record was converted or merged from, and for a company its contacts
//! and deals. Every entry is placed at its effective time: changes when they occurred, interactions when they take
//! place, tasks when they are due (undated ones first), notes when they were written. An imported history is therefore
//! at its original time.
//!
//! All sources are merged in one total order, so a cursor is a single position, however many sources there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    catalog,
    engine::{
        access::{Access, Authority},
        crm::Crm,
        draft::{self, Stop},
        listing::{self, MAX_LIMIT},
        runtime::Engine,
        undoable::{ViewedChange, viewed_changes},
        view::View,
    },
    interactions::Interaction,
    model::{
        access::{Action, Actor, Permission},
        change::Change,
        error::Error,
        filter::{Compare, Path, Predicate, Test},
        schema::{FieldType, Group, Image, KindDecl, Record, common},
        store::{HistoryPosition, HistoryQuery, Position, Query},
        value::{Choice as _, FaultCode, Id, Kind, Ref, Time, Value, choices},
    },
    notes::Note,
    tasks::Task,
};

/// The maximum number of contacts, and of deals, included in the timeline of a company.
pub const MAX_RELATED: usize = 10;
/// The number of changes per read after the first page.
const HISTORY_PAGE: usize = 500;

choices! {
    /// The type of a timeline entry.
    #[derive(Default)]
    pub enum EntryType {
        /// A change of the record.
        #[default]
        Change = "change",
        /// An interaction with the record.
        Interaction = "interaction",
        /// A task about the record.
        Task = "task",
        /// A note about the record.
        Note = "note",
    }
}

impl EntryType {
    /// All types, in the order of entries at the same time.
    const ALL_TYPES: [Self; 4] = [Self::Task, Self::Interaction, Self::Note, Self::Change];

    const fn kind(self) -> Option<Kind> {
        match self {
            Self::Change | Self::Unknown(_) => None,
            Self::Interaction => Some(Kind::Interaction),
            Self::Task => Some(Kind::Task),
            Self::Note => Some(Kind::Note),
        }
    }
}

/// Selects entries of a timeline.
#[derive(Clone, Debug)]
pub struct TimelineQuery {
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// The number of entries on a page, 1 to 200.
    pub limit: usize,
    /// The types of entries to include; empty for all.
    pub types: Vec<EntryType>,
    /// Includes changes computed by the CRM, such as a score that crossed a threshold.
    pub machine: bool,
}

impl Default for TimelineQuery {
    fn default() -> Self {
        Self { cursor: None, limit: 50, types: Vec::new(), machine: false }
    }
}

/// A page of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelinePage<T> {
    /// The entries, latest first.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next_cursor: Option<String>,
    /// `true` if a company has more contacts or deals than [`MAX_RELATED`], whose entries are omitted.
    pub partial: bool,
}

/// An entry of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A change of the record (or of one it came from).
    Change(Change),
    /// An interaction with the record.
    Interaction(Record<Interaction>),
    /// A task about the record.
    Task(Record<Task>),
    /// A note about the record.
    Note(Record<Note>),
}

/// An entry of a timeline with its record as a view.
#[derive(Clone, Debug)]
pub enum ViewedEntry {
    /// A change of the record (or of one it came from), and whether it can be undone.
    Change(Box<ViewedChange>),
    /// An interaction with the record, or a task or note about it.
    Record(View),
}

/// An entry as read, before it is converted for output.
#[derive(Clone)]
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

/// A position in a timeline. Greater positions come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place {
    #[serde(rename = "u")]
    undated: bool,
    #[serde(rename = "t")]
    time: Time,
    #[serde(rename = "b")]
    tie: Tie,
}

/// The tie-breaker for entries at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Tie {
    #[serde(rename = "c")]
    Change(Time, Ref, Group, u64),
    /// The rank of the entry type and the id of the record.
    #[serde(rename = "r")]
    Record(u8, Id),
}

impl Place {
    /// The position before all entries.
    const START: Self = Self { undated: true, time: Time::MAX, tie: Tie::Record(u8::MAX, Id::NIL) };

    fn of_change(change: &Change) -> Self {
        let tie = Tie::Change(change.recorded_at, change.record, change.group, change.version);
        Self { undated: false, time: change.occurred_at, tie }
    }

    /// Returns a position before all changes that precede this one in a record's history: they were recorded no later,
    /// and so did not occur later either.
    fn recorded(change: &Change) -> Self {
        Self { time: change.recorded_at, ..Self::of_change(change) }
    }

    fn of_record(rank: u8, sort: &Value, id: Id) -> Self {
        let time = sort.as_time();
        Self { undated: time.is_none(), time: time.unwrap_or(Time::MAX), tie: Tie::Record(rank, id) }
    }

    /// Returns the position in a list of records of a rank after which everything comes that follows this position.
    fn position(self, rank: u8) -> Option<Position> {
        if self == Self::START {
            return None;
        }
        let id = match self.tie {
            Tie::Record(here, id) if here == rank => id,
            // Records of this type at the same time are yet to come.
            Tie::Record(here, _) if here > rank => LAST_ID,
            _ => Id::NIL,
        };
        Some(Position { sort: if self.undated { Value::Null } else { Value::Time(self.time) }, id })
    }
}

const LAST_ID: Id = Id::from_uuid(uuid::Uuid::max());

/// A kind of source that a timeline is merged from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Changes { record: Ref, machine: bool },
    Linked { kind: Kind, record: Ref, rank: u8 },
}

/// A source and the progress of reading it.
struct Source {
    origin: Origin,
    /// Entries read but not yet returned, next one last.
    heads: Vec<(Place, Found)>,
    /// All unread entries come after this position; `None` if everything has been read.
    unread: Option<Place>,
    history: Option<HistoryPosition>,
    list: Option<Position>,
}

impl Source {
    fn new(origin: Origin, after: Place) -> Self {
        let list = match origin {
            Origin::Linked { rank, .. } => after.position(rank),
            Origin::Changes { .. } => None,
        };
        Self { origin, heads: Vec::new(), unread: Some(after), history: None, list }
    }

    fn head(&self) -> Option<Place> {
        self.heads.last().map(|(place, _)| *place)
    }
}

impl<'a> Timeline<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }

    /// Returns a page of a record's complete timeline, latest first, like [`Timeline::page`] with default options.
    ///
    /// # Errors
    /// As [`Timeline::page`].
    pub async fn of(&self, record: Ref, cursor: Option<&str>, limit: usize) -> Result<TimelinePage<Entry>, Error> {
        let query = TimelineQuery { cursor: cursor.map(str::to_owned), limit, ..TimelineQuery::default() };
        self.page(record, &query).await
    }

    /// Returns a page of a record's timeline, latest first.
    ///
    /// Reads the record and those it came from (for a company also its contacts and deals, the first [`MAX_RELATED`] of
    /// each), then all their changes, interactions, tasks and notes concurrently, one page each. Histories are stored
    /// in the order of recording, and a backdated change may be anywhere in them: a page deep in a timeline reads a
    /// history from its latest change back to that page's time, in parts of 500; a history that was imported at once is
    /// read in full.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the actor may not see the record; [`Error::Invalid`] for an invalid limit or cursor.
    pub async fn page(&self, record: Ref, query: &TimelineQuery) -> Result<TimelinePage<Entry>, Error> {
        let Merged { found, next_cursor, partial, context, .. } = self.merged(record, query).await?;
        let access = context.access(self.actor);
        let show = |found: Found| match found {
            Found::Change(change) => Ok(Entry::Change(access.mask_change(change))),
            Found::Record(image) => entry(&access.mask(&image)),
        };
        let items = found.into_iter().map(show).collect::<Result<_, _>>()?;
        Ok(TimelinePage { items, next_cursor, partial })
    }

    /// Like [`Timeline::page`], as views that include whether the actor can undo each change. Also reads everything
    /// that undoing the changes of the page would read.
    ///
    /// # Errors
    /// As [`Timeline::page`].
    pub async fn view(&self, record: Ref, query: &TimelineQuery) -> Result<TimelinePage<ViewedEntry>, Error> {
        let Merged { found, known, next_cursor, partial, context } = self.merged(record, query).await?;
        let changes = found.iter().filter_map(|found| match found {
            Found::Change(change) => Some(change.clone()),
            Found::Record(_) => None,
        });
        let mut viewed = viewed_changes(self.engine, self.actor, changes.collect(), &known).await?.into_iter();
        let access = context.access(self.actor);
        let show = |found| match found {
            Found::Change(_) => viewed.next().map(|change| ViewedEntry::Change(Box::new(change))),
            Found::Record(image) => Some(ViewedEntry::Record(View::new(&image, &access))),
        };
        Ok(TimelinePage { items: found.into_iter().filter_map(show).collect(), next_cursor, partial })
    }

    async fn merged(&self, record: Ref, query: &TimelineQuery) -> Result<Merged, Error> {
        let limit = query.limit;
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", FaultCode::TooLarge, format!("must be 1 to {MAX_LIMIT}")));
        }
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &mut move |draft| {
            let image = draft.read(record)?;
            let mut records = vec![record];
            let sources = image.values[common::SOURCE_IDS].items();
            for source in sources {
                let Value::Ref(source) = source else { continue };
                draft.want(*source);
            }
            draft.stop_if_missing()?;
            for source in sources {
                let Value::Ref(source) = source else { continue };
                // A source that the actor may not see contributes nothing.
                match draft.read(*source) {
                    Ok(_) => records.push(*source),
                    Err(Stop::Refuse(Error::NotFound(_))) => {}
                    Err(stop) => return Err(stop),
                }
            }
            Ok(records)
        })
        .await?;
        let context = Context { definitions: outcome.definitions.clone(), now: outcome.now };
        let access = context.access(self.actor);
        let mut records: BTreeSet<Ref> = outcome.images.iter().map(|image| image.reference()).collect();
        let mut partial = false;
        if record.kind == Kind::Company {
            let (related, more) = self.related(record.id, &access).await?;
            records.extend(related);
            partial = more;
        }
        let mut types = query.types.clone();
        types.sort_unstable_by_key(|one| one.name());
        types.dedup();
        let names: Vec<&str> = types.iter().map(|one| one.name()).collect();
        let signature = format!("timeline {record} {names:?} {}", query.machine);
        let after: Place = match &query.cursor {
            Some(cursor) => listing::open(&context.definitions, self.actor, &signature, cursor)?,
            None => Place::START,
        };
        let mut sources: Vec<Source> = Vec::new();
        for (place, ty) in EntryType::ALL_TYPES.into_iter().enumerate() {
            if !types.is_empty() && !types.contains(&ty) {
                continue;
            }
            let rank = u8::try_from(EntryType::ALL_TYPES.len() - place).unwrap_or(u8::MAX);
            sources.extend(records.iter().map(|&record| {
                let origin = match ty.kind() {
                    None => Origin::Changes { record, machine: query.machine },
                    Some(kind) => Origin::Linked { kind, record, rank },
                };
                Source::new(origin, after)
            }));
        }
        let mut found = Vec::with_capacity(limit);
        let mut known = Vec::new();
        let mut last = after;
        loop {
            let best = sources.iter().enumerate().filter_map(|(at, source)| Some((source.head()?, at))).max();
            // Unread entries may come before the first one read.
            let behind = best.map(|(place, _)| place);
            if sources.iter().any(|source| source.unread.is_some_and(|unread| behind.is_none_or(|best| unread > best)))
            {
                if found.len() == limit {
                    break;
                }
                let reads = sources
                    .iter_mut()
                    .filter(|source| source.unread.is_some_and(|unread| behind.is_none_or(|best| unread > best)))
                    .map(|source| self.read(source, after, &access, limit));
                for changes in futures::future::try_join_all(reads).await? {
                    known.extend(changes);
                }
                continue;
            }
            let Some((place, at)) = best else { break };
            if found.len() == limit {
                break;
            }
            // An activity linked to several of the records is found once per record, at the same position.
            if let Some((_, one)) = sources[at].heads.pop()
                && place < last
            {
                last = place;
                found.push(one);
            }
        }
        let more =
            sources.iter().any(|source| source.unread.is_some() || source.head().is_some_and(|head| head < last));
        let next_cursor = more.then(|| listing::seal(&context.definitions, self.actor, &signature, &last));
        Ok(Merged { found, known, next_cursor, partial, context })
    }

    /// Returns the contacts and deals of a company whose entries are included in its timeline, and whether there are
    /// more.
    async fn related(&self, company: Id, access: &Access<'_>) -> Result<(Vec<Ref>, bool), Error> {
        let reads =
            [(Kind::Contact, "company_id"), (Kind::Deal, "company_id")].into_iter().filter_map(|(kind, field)| {
                let decl = catalog::decl(kind);
                let by = decl.position(field)?;
                let index =
                    decl.indexes.iter().find(|index| !index.archived && index.equals == [by] && !index.per_element)?;
                // An actor who may not see which company a record belongs to must not learn it here.
                let seen = access.has(Permission::new(kind, Action::Read)) && !access.is_hidden(kind, field);
                seen.then(|| Query {
                    tenant: self.actor.tenant(),
                    decl,
                    index,
                    equals: vec![Value::Id(company)],
                    descending: true,
                    filter: access.predicate(Action::Read, decl),
                    after: None,
                    limit: MAX_RELATED,
                })
            });
        let queries: Vec<Query> = reads.collect();
        let pages = futures::future::try_join_all(queries.iter().map(|query| self.engine.store.list(query))).await?;
        let more = pages.iter().any(|page| page.next.is_some());
        Ok((pages.iter().flat_map(|page| &page.items).map(|image| image.reference()).collect(), more))
    }

    /// Reads the next part of a source, and returns the changes read.
    async fn read(
        &self,
        source: &mut Source,
        after: Place,
        access: &Access<'_>,
        limit: usize,
    ) -> Result<Vec<Change>, Error> {
        let tenant = self.actor.tenant();
        match source.origin {
            Origin::Changes { record, machine } => {
                let first = source.history.is_none() && after == Place::START;
                let limit = if first { limit } else { HISTORY_PAGE };
                let query =
                    HistoryQuery { tenant, record, field: None, descending: true, after: source.history, limit };
                let page = self.engine.store.history(&query).await?;
                let end = page.changes.last().filter(|_| page.more);
                source.unread = end.map(Place::recorded);
                source.history = end.map(HistoryPosition::of);
                let shown = page.changes.iter().filter(|change| machine || change.group == Group::User);
                let placed = shown.map(|change| (Place::of_change(change), Found::Change(change.clone())));
                source.heads.extend(placed.filter(|(place, _)| *place < after));
                source.heads.sort_by_key(|(place, _)| *place);
                Ok(page.changes)
            }
            Origin::Linked { kind, record, rank } => {
                let decl = catalog::decl(kind);
                let index =
                    decl.indexes.iter().find(|index| index.per_element && decl.fields[index.equals[0]].name == "links");
                // An actor who may not see links must not learn them here.
                let Some(index) = index.filter(|_| !access.is_hidden(kind, "links")) else {
                    source.unread = None;
                    return Ok(Vec::new());
                };
                let query = Query {
                    tenant,
                    decl,
                    index,
                    equals: vec![Value::Ref(record)],
                    descending: true,
                    filter: self.visible(decl, access),
                    after: source.list.take(),
                    limit,
                };
                let page = self.engine.store.list(&query).await?;
                source.unread = page.next.as_ref().map(|next| Place::of_record(rank, &next.sort, next.id));
                source.list = page.next;
                let placed = page
                    .items
                    .into_iter()
                    .map(|image| (Place::of_record(rank, &index.sort_value(&image), image.id), Found::Record(image)));
                source.heads.extend(placed.filter(|(place, _)| *place < after));
                source.heads.sort_by_key(|(place, _)| *place);
                Ok(Vec::new())
            }
        }
    }

    /// Returns the condition on linked records: an actor who may see the record sees everything linked to it, except
    /// the private notes of other users.
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
                operands: vec![Value::from(user)],
            }),
            _ => Predicate::never(),
        };
        Predicate::Not(Box::new(is_private)).or(mine).or(access.predicate(Action::ReadPrivate, decl))
    }
}

struct Merged {
    found: Vec<Found>,
    /// All changes read for the page.
    known: Vec<Change>,
    next_cursor: Option<String>,
    partial: bool,
    context: Context,
}

/// The definitions and the time used for a page.
struct Context {
    definitions: Authority,
    now: Time,
}

impl Context {
    fn access<'c>(&'c self, actor: &'c Actor) -> Access<'c> {
        Access::new(actor, &self.definitions, self.now)
    }
}

fn entry(image: &Image) -> Result<Entry, Error> {
    Ok(match image.kind() {
        Kind::Interaction => Entry::Interaction(Record::from_image(image)?),
        Kind::Task => Entry::Task(Record::from_image(image)?),
        _ => Entry::Note(Record::from_image(image)?),
    })
}

impl Crm {
    /// Returns the names of everything that the entries of a timeline refer to, by id: users, stages, companies and
    /// other records. Records that the actor may not read, or whose naming field is hidden from the actor, are left
    /// out. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn names_in_timeline(
        &self,
        actor: &Actor,
        entries: &[ViewedEntry],
    ) -> Result<BTreeMap<Id, String>, Error> {
        self.names(actor, |ids, definitions| {
            for entry in entries {
                match entry {
                    ViewedEntry::Change(viewed) => ids.add_change(&viewed.change, definitions),
                    ViewedEntry::Record(view) => ids.add_view(view, definitions),
                }
            }
        })
        .await
    }
}
