//! Records in memory, each with its history, and the declared indexes over them.

use std::{
    cmp::Ordering,
    collections::hash_map::Entry,
    hash::{BuildHasher, Hash, Hasher},
    mem,
    sync::Arc,
};

use foldhash::{HashMap, HashMapExt as _, fast::RandomState};

use super::{log::page, sorted::Sorted};
use crate::model::{
    change::Change,
    schema::{Group, Image, IndexDecl, KindDecl},
    store::{ChangePage, HistoryPosition, HistoryQuery, Page, Position, Query, StoreError, Write},
    value::{Id, Kind, Ref, Time, Value},
};

/// A record of a table. Rows are appended and never removed (except by `forget`, which renumbers them), so that indexes
/// can refer to them by number.
#[derive(Debug)]
struct Row {
    stored: Arc<Image>,
    /// The record as lists show it: without long texts, and possibly outdated in a lagging store.
    shown: Option<Arc<Image>>,
    history: History,
}

/// The changes of one record, by recording time, group and version.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Arc<Change>>);

impl History {
    pub(super) fn keep(&mut self, change: Arc<Change>) {
        if self.0.is_empty() {
            // Most records have few changes, and many have only one.
            self.0.reserve_exact(1);
        }
        let position = HistoryPosition::of(&change);
        let place = self.0.partition_point(|other| HistoryPosition::of(other) <= position);
        self.0.insert(place, change);
    }
}

/// The position of a record in an index: by sort value, missing last, then by id.
#[derive(Debug)]
struct Place {
    sort: Value,
    id: Id,
    row: usize,
}

impl Place {
    fn of(index: &IndexDecl, image: &Image, row: usize) -> Self {
        Self { sort: index.sort_value(image), id: image.id, row }
    }

    fn order(&self, sort: &Value, id: Id) -> Ordering {
        self.sort.sort_order(sort).then_with(|| self.id.cmp(&id))
    }
}

/// The records that share the equal values of an index. An index of email addresses has one run per record, so a single
/// record is stored without a list.
#[derive(Debug)]
enum Run {
    One(usize),
    Many(Box<Sorted<Place>>),
}

/// Runs by the hash of their equal values, a tenth of the size of the values. Values with the same hash share a run, so
/// readers compare the values of each record.
type Runs = HashMap<u64, Run>;

/// The records of one kind of one tenant.
#[derive(Debug)]
struct Table {
    rows: Vec<Row>,
    by_id: HashMap<Id, usize>,
    indexes: Vec<Runs>,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    by_kind: HashMap<(Id, Kind), Table>,
    /// The rows written that lists do not show yet, in order.
    unseen: Vec<(Id, Kind, usize)>,
    hasher: RandomState,
}

impl Tables {
    /// Returns the tenants with an organization, by id, after the given one.
    pub(super) fn tenants(&self, after: Option<Id>, limit: usize) -> Vec<Id> {
        let has_one =
            self.by_kind.iter().filter(|((_, kind), table)| *kind == Kind::Organization && !table.rows.is_empty());
        let mut all: Vec<Id> = has_one
            .map(|((tenant, _), _)| *tenant)
            .filter(|tenant| after.is_none_or(|after| *tenant > after))
            .collect();
        all.sort_unstable();
        all.truncate(limit);
        all
    }

    /// Returns the due records of a kind as lists show them, by tenant after the given one, oldest first.
    pub(super) fn due(
        &self,
        decl: &KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Vec<(Id, Ref, Time)> {
        let Some(index) = decl.due_index() else { return Vec::new() };
        let of_kind = self.by_kind.iter().filter(|((_, kind), _)| *kind == decl.kind);
        let mut tenants: Vec<(Id, &Table)> = of_kind
            .map(|((tenant, _), table)| (*tenant, table))
            .filter(|(tenant, _)| after.is_none_or(|after| *tenant > after))
            .collect();
        tenants.sort_unstable_by_key(|(tenant, _)| *tenant);
        let all = hash([], &self.hasher);
        let due = tenants.into_iter().flat_map(|(tenant, table)| {
            let run: Box<dyn Iterator<Item = usize>> = match table.indexes[index.position].get(&all) {
                None => Box::new(std::iter::empty()),
                Some(Run::One(row)) => Box::new(std::iter::once(*row)),
                Some(Run::Many(run)) => Box::new(run.iter().map(|place| place.row)),
            };
            let shown = run.filter_map(move |row| table.rows[row].shown.as_deref());
            // Missing times sort last.
            shown
                .map_while(move |image| {
                    let at = image.values[index.sort].as_time().filter(|at| *at <= until)?;
                    Some((tenant, image.reference(), at))
                })
                .take(per_tenant)
        });
        due.take(limit).collect()
    }

    fn row(&self, tenant: Id, record: Ref) -> Option<&Row> {
        let table = self.by_kind.get(&(tenant, record.kind))?;
        table.by_id.get(&record.id).map(|&row| &table.rows[row])
    }

    pub(super) fn get(&self, tenant: Id, record: Ref) -> Option<&Arc<Image>> {
        self.row(tenant, record).map(|row| &row.stored)
    }

    /// Returns all records of a kind as stored, including writes that lists do not show yet.
    pub(super) fn all(&self, tenant: Id, kind: Kind) -> impl Iterator<Item = &Arc<Image>> {
        self.by_kind.get(&(tenant, kind)).into_iter().flat_map(|table| &table.rows).map(|row| &row.stored)
    }

    pub(super) fn history(&self, query: &HistoryQuery) -> ChangePage {
        let all = self.row(query.tenant, query.record).map_or(&[][..], |row| row.history.0.as_slice());
        let touches = |change: &&Arc<Change>| query.field.as_deref().is_none_or(|name| change.field(name).is_some());
        if query.descending {
            let until = query.after.map_or(all.len(), |after| all.partition_point(|c| HistoryPosition::of(c) < after));
            page(all[..until].iter().rev().filter(touches), query.limit)
        } else {
            let from = query.after.map_or(0, |after| all.partition_point(|c| HistoryPosition::of(c) <= after));
            page(all[from..].iter().filter(touches), query.limit)
        }
    }

    /// Writes the groups of a write over the stored record, and returns the record's history for appending changes.
    pub(super) fn write(&mut self, tenant: Id, write: &Write) -> &mut History {
        let decl = write.after.decl;
        let table = self.by_kind.entry((tenant, decl.kind)).or_insert_with(|| Table::new(decl));
        let next = table.rows.len();
        let at = *table.by_id.entry(write.after.id).or_insert(next);
        self.unseen.push((tenant, decl.kind, at));
        if at == next {
            table.rows.push(Row { stored: Arc::clone(&write.after), shown: None, history: History::default() });
            return &mut table.rows[at].history;
        }
        let row = &mut table.rows[at];
        row.stored = if write.writes(Group::User) && write.writes(Group::Machine) {
            Arc::clone(&write.after)
        } else {
            Arc::new(merged(&row.stored, write))
        };
        &mut row.history
    }

    /// Removes expired records with their histories, and returns their number. Lists show all writes afterwards.
    pub(super) fn forget(&mut self, at: Time) -> usize {
        self.publish();
        let hasher = &self.hasher;
        let mut gone = 0;
        for ((_, kind), table) in &mut self.by_kind {
            let Some(field) = crate::catalog::decl(*kind).expires_at else { continue };
            let is_over = |row: &Row| row.stored.values[field].as_time().is_some_and(|end| end <= at);
            let over = table.rows.iter().filter(|row| is_over(row)).count();
            if over == 0 {
                continue;
            }
            gone += over;
            // Indexes refer to rows by number: remaining rows are renumbered.
            let rows = mem::take(&mut table.rows);
            *table = Table::new(crate::catalog::decl(*kind));
            for row in rows.into_iter().filter(|row| !is_over(row)) {
                let number = table.rows.len();
                table.by_id.insert(row.stored.id, number);
                table.rows.push(Row { shown: None, ..row });
                table.show(number, hasher);
            }
        }
        gone
    }

    /// Makes lists show all writes.
    pub(super) fn publish(&mut self) {
        let mut unseen = mem::take(&mut self.unseen);
        for (tenant, kind, row) in unseen.drain(..) {
            if let Some(table) = self.by_kind.get_mut(&(tenant, kind)) {
                table.show(row, &self.hasher);
            }
        }
        self.unseen = unseen;
    }

    pub(super) fn list(&mut self, query: &Query, lagging: bool) -> Result<Page, StoreError> {
        if !lagging {
            self.publish();
        }
        let Some((table, run)) = self.run(query)? else { return Ok(Page { items: Vec::new(), next: None }) };
        let after = query.after.as_ref();
        let is_wanted = |image: &Arc<Image>| query.index.has_entry(image, &query.equals) && query.filter.holds(image);
        let run = match run {
            Run::Many(run) => run,
            Run::One(row) => {
                let is_left = |image: &Arc<Image>| {
                    let order = after.map(|at| Place::of(query.index, image, *row).order(&at.sort, at.id));
                    order.is_none_or(if query.descending { Ordering::is_lt } else { Ordering::is_gt })
                };
                let found = table.rows[*row].shown.iter().filter(|image| is_left(image) && is_wanted(image));
                return Ok(Page { items: found.cloned().collect(), next: None });
            }
        };
        let mut walk: Box<dyn Iterator<Item = &Place>> = match (after, query.descending) {
            (None, false) => Box::new(run.iter()),
            (None, true) => Box::new(run.before(run.end())),
            (Some(at), false) => Box::new(run.after(run.gap(|place| place.order(&at.sort, at.id).is_le()))),
            (Some(at), true) => Box::new(run.before(run.gap(|place| place.order(&at.sort, at.id).is_lt()))),
        };
        let mut items = Vec::with_capacity(query.limit.min(256));
        let mut next = None;
        for place in walk.by_ref() {
            if let Some(image) = table.rows[place.row].shown.as_ref().filter(|image| is_wanted(image)) {
                items.push(Arc::clone(image));
                if items.len() == query.limit {
                    next = Some(Position { sort: place.sort.clone(), id: place.id });
                    break;
                }
            }
        }
        if next.is_some() && walk.next().is_none() {
            next = None;
        }
        Ok(Page { items, next })
    }

    pub(super) fn count(&mut self, query: &Query, lagging: bool) -> Result<u64, StoreError> {
        if !lagging {
            self.publish();
        }
        let Some((table, run)) = self.run(query)? else { return Ok(0) };
        let is_wanted = |row: usize| {
            let image = table.rows[row].shown.as_ref();
            image.is_some_and(|image| query.index.has_entry(image, &query.equals) && query.filter.holds(image))
        };
        Ok(match run {
            Run::One(row) => u64::from(is_wanted(*row)),
            Run::Many(run) => run.iter().filter(|place| is_wanted(place.row)).count() as u64,
        })
    }

    fn run(&self, query: &Query) -> Result<Option<(&Table, &Run)>, StoreError> {
        if query.equals.len() != query.index.equals.len() {
            return Err(StoreError::BadQuery("a value is required for each equal field of the index".to_owned()));
        }
        if let Some(after) = &query.after {
            check_position(query, after)?;
        }
        let Some(table) = self.by_kind.get(&(query.tenant, query.decl.kind)) else { return Ok(None) };
        let run = table.indexes[query.index.position].get(&hash(query.equals.iter(), &self.hasher));
        Ok(run.map(|run| (table, run)))
    }
}

impl Table {
    fn new(decl: &KindDecl) -> Self {
        Self { rows: Vec::new(), by_id: HashMap::new(), indexes: decl.indexes.iter().map(|_| Runs::new()).collect() }
    }

    /// Makes lists show a record as stored.
    fn show(&mut self, at: usize, hasher: &RandomState) {
        let stored = Arc::clone(&self.rows[at].stored);
        let before = self.rows[at].shown.take();
        for (index, runs) in stored.decl.indexes.iter().zip(&mut self.indexes) {
            if let Some(before) = &before {
                if stands_alike(index, before, &stored) {
                    continue;
                }
                let place = Place::of(index, before, at);
                for entry in index.entry_values(before) {
                    take_out(runs, hash(entry, hasher), &place);
                }
            }
            for entry in index.entry_values(&stored) {
                match runs.entry(hash(entry, hasher)) {
                    Entry::Vacant(run) => {
                        run.insert(Run::One(at));
                    }
                    Entry::Occupied(mut run) => run.get_mut().put_in(Place::of(index, &stored, at), |row| {
                        self.rows[row].shown.as_ref().map(|image| Place::of(index, image, row))
                    }),
                }
            }
        }
        self.rows[at].shown = Some(without_long_texts(stored));
    }
}

impl Run {
    /// Inserts a place; `place_of` returns the place of a row that was the only one of the run.
    fn put_in(&mut self, place: Place, place_of: impl Fn(usize) -> Option<Place>) {
        match self {
            Run::One(row) if *row == place.row => {}
            Run::One(row) => {
                let mut run = Sorted::default();
                for place in place_of(*row).into_iter().chain([place]) {
                    insert(&mut run, place);
                }
                *self = Run::Many(Box::new(run));
            }
            Run::Many(run) => insert(run, place),
        }
    }
}

fn insert(run: &mut Sorted<Place>, place: Place) {
    let (sort, id) = (place.sort.clone(), place.id);
    run.insert(place, |other| other.order(&sort, id));
}

fn take_out(runs: &mut Runs, hash: u64, place: &Place) {
    let Entry::Occupied(mut entry) = runs.entry(hash) else { return };
    let is_empty = match entry.get_mut() {
        Run::One(row) => *row == place.row,
        Run::Many(run) => {
            run.remove(|other| other.order(&place.sort, place.id));
            run.is_empty()
        }
    };
    if is_empty {
        entry.remove();
    }
}

/// Returns `true` if a change of a record does not change its position in an index.
fn stands_alike(index: &IndexDecl, before: &Image, after: &Image) -> bool {
    let mut fields = index.equals.iter().chain([&index.sort]);
    index.holds(before) == index.holds(after) && fields.all(|&at| before.values[at] == after.values[at])
}

/// Returns a hash of values; equal values have equal hashes.
fn hash<'a>(values: impl IntoIterator<Item = &'a Value>, hasher: &RandomState) -> u64 {
    let mut state = hasher.build_hasher();
    for value in values {
        match value {
            Value::Bool(flag) => flag.hash(&mut state),
            Value::Int(number) => number.hash(&mut state),
            Value::Text(text) => text.hash(&mut state),
            Value::Id(id) => id.hash(&mut state),
            Value::Ref(target) => target.hash(&mut state),
            Value::Date(date) => date.hash(&mut state),
            Value::Time(time) => time.hash(&mut state),
            // Values of other types are rarely or never compared for equality, and share one run.
            _ => 0_u8.hash(&mut state),
        }
    }
    state.finish()
}

/// Checks that the sort value of a position is one that the index can hold.
fn check_position(query: &Query, after: &Position) -> Result<(), StoreError> {
    use crate::model::schema::FieldType;
    let fits = matches!(
        (&after.sort, query.decl.fields[query.index.sort].ty),
        (Value::Null, _)
            | (Value::Time(_), FieldType::Time)
            | (Value::Date(_), FieldType::Date)
            | (Value::Int(_), FieldType::Int(..))
            | (Value::Decimal(_), FieldType::Decimal)
            | (Value::Text(_), FieldType::Text(_))
    );
    if fits { Ok(()) } else { Err(StoreError::BadQuery("the cursor does not fit this list".to_owned())) }
}

/// Returns the stored record with the fields and versions of the written groups.
fn merged(stored: &Image, write: &Write) -> Image {
    let mut image = stored.clone();
    for (position, field) in image.decl.fields.iter().enumerate() {
        let group = field.section.group();
        if write.writes(group) {
            image.values[position] = write.after.values[position].clone();
        }
    }
    if write.writes(Group::User) {
        image.versions.person = write.after.versions.person;
    }
    if write.writes(Group::Machine) {
        image.versions.machine = write.after.versions.machine;
    }
    image
}

fn without_long_texts(image: Arc<Image>) -> Arc<Image> {
    if !image.has_long_text() {
        return image;
    }
    let mut shown = image.as_ref().clone();
    for (field, value) in image.decl.fields.iter().zip(&mut shown.values) {
        if field.is_long() && !value.is_null() {
            *value = Value::NotLoaded;
        }
    }
    Arc::new(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog, model::filter::Predicate};

    /// The values of `is_open` of the tasks: missing, false, missing.
    const IS_OPEN: [Value; 3] = [Value::Null, Value::Bool(false), Value::Null];

    fn task(number: usize, is_open: &Value) -> Write {
        let decl = catalog::decl(Kind::Task);
        let id = Id::from_parts(number as u64, [0; 10]);
        let mut image = Image::empty(decl, Id::NIL, id);
        image.values[decl.position("is_open").unwrap()] = is_open.clone();
        Write { before: None, after: Arc::new(image), changes: Vec::new() }
    }

    #[test]
    fn values_of_one_hash_share_a_run_and_no_list() {
        let decl = catalog::decl(Kind::Task);
        let query = |is_open: &Value| Query {
            tenant: Id::NIL,
            decl,
            index: decl.index("is_open -> due_at").unwrap(),
            equals: vec![is_open.clone()],
            descending: false,
            filter: Predicate::always(),
            after: None,
            limit: 10,
        };
        let mut tables = Tables::default();
        let hash_of = |tables: &Tables, value: &Value| hash([value], &tables.hasher);
        assert_eq!(hash_of(&tables, &IS_OPEN[0]), hash_of(&tables, &IS_OPEN[1]));
        // A run of one record that does not match, then a run of several.
        for written in 1..=IS_OPEN.len() {
            tables.write(Id::NIL, &task(written, &IS_OPEN[written - 1]));
            for asked in &IS_OPEN {
                let meant = IS_OPEN[..written].iter().filter(|value| *value == asked).count();
                let page = tables.list(&query(asked), false).unwrap();
                assert_eq!(page.items.len(), meant);
                assert!(page.items.iter().all(|image| image.get("is_open") == asked));
                assert_eq!(tables.count(&query(asked), false).unwrap(), meant as u64);
            }
        }
    }
}
