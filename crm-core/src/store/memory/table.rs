//! Records in memory, and the declared indexes over them.

use std::{cmp::Ordering, collections::BTreeMap, ops::Bound, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};

use crate::{
    schema::{Group, Image, IndexDecl, Section},
    store::{Page, Position, Query, StoreError, Write},
    value::{Id, Kind, Ref, Value},
};

/// Where a record stands in an index: by sort value, missing last, then by id.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    sort: Value,
    id: Id,
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort.sort_order(&other.sort).then_with(|| self.id.cmp(&other.id))
    }
}

type Run = BTreeMap<Place, Arc<Image>>;

/// The equal values of an index, as a key of their own: their tagged JSON would be slow, their `Debug` is not stable,
/// so they are hashed by type and content here.
#[derive(Clone, Debug, PartialEq)]
struct Equals(Vec<Value>);

impl Eq for Equals {}

impl std::hash::Hash for Equals {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for value in &self.0 {
            match value {
                Value::Bool(flag) => flag.hash(state),
                Value::Int(number) => number.hash(state),
                Value::Text(text) => text.hash(state),
                Value::Id(id) => id.hash(state),
                Value::Ref(target) => target.hash(state),
                Value::Date(date) => date.hash(state),
                Value::Time(time) => time.hash(state),
                // Fields of other types equal few values or none; they meet in one bucket.
                _ => 0_u8.hash(state),
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    records: HashMap<(Id, Ref), Arc<Image>>,
    indexes: HashMap<(Id, Kind), Vec<HashMap<Equals, Run>>>,
    /// Writes that lists do not show yet, in order.
    unseen: Vec<(Id, Option<Arc<Image>>, Arc<Image>)>,
}

impl Tables {
    pub(super) fn get(&self, tenant: Id, record: Ref) -> Option<&Arc<Image>> {
        self.records.get(&(tenant, record))
    }

    pub(super) fn all(&self, tenant: Id, kind: Kind) -> Vec<Arc<Image>> {
        let Some(indexes) = self.indexes.get(&(tenant, kind)) else {
            // Lists may lag; this may not: records that no list shows yet are found one by one.
            return self.scan(tenant, kind);
        };
        if self.unseen.is_empty() {
            let walk_and_archived = [indexes.first(), indexes.last()];
            return walk_and_archived
                .into_iter()
                .flatten()
                .flat_map(HashMap::values)
                .flat_map(BTreeMap::values)
                .cloned()
                .collect();
        }
        self.scan(tenant, kind)
    }

    fn scan(&self, tenant: Id, kind: Kind) -> Vec<Arc<Image>> {
        let mine = self.records.iter().filter(|((owner, record), _)| *owner == tenant && record.kind == kind);
        mine.map(|(_, image)| Arc::clone(image)).collect()
    }

    /// Writes the groups that the write names over what is stored.
    pub(super) fn write(&mut self, tenant: Id, write: &Write) {
        let key = (tenant, write.record());
        let before = self.records.get(&key).cloned();
        let after = match &before {
            Some(stored) if !(write.writes(Group::Person) && write.writes(Group::Machine)) => {
                Arc::new(merged(stored, write))
            }
            _ => Arc::clone(&write.after),
        };
        self.records.insert(key, Arc::clone(&after));
        self.unseen.push((tenant, before, after));
    }

    /// Shows all writes in lists.
    pub(super) fn publish(&mut self) {
        for (tenant, before, after) in std::mem::take(&mut self.unseen) {
            let decl = after.decl;
            let indexes =
                self.indexes.entry((tenant, decl.kind)).or_insert_with(|| vec![HashMap::new(); decl.indexes.len()]);
            let shown = without_long_texts(&after);
            for (index, runs) in decl.indexes.iter().zip(indexes) {
                if let Some(before) = &before {
                    let place = place(index, before);
                    for entry in index.entries(before) {
                        let equals = Equals(entry);
                        if let Some(run) = runs.get_mut(&equals) {
                            run.remove(&place);
                            if run.is_empty() {
                                runs.remove(&equals);
                            }
                        }
                    }
                }
                for entry in index.entries(&after) {
                    runs.entry(Equals(entry)).or_default().insert(place(index, &after), Arc::clone(&shown));
                }
            }
        }
    }

    pub(super) fn list(&mut self, query: &Query, lagging: bool) -> Result<Page, StoreError> {
        if !lagging {
            self.publish();
        }
        let Some(run) = self.run(query)? else { return Ok(Page { items: Vec::new(), next: None }) };
        let after = query.after.as_ref().map(|after| Place { sort: after.sort.clone(), id: after.id });
        let (low, high) = match (after, query.descending) {
            (None, _) => (Bound::Unbounded, Bound::Unbounded),
            (Some(after), false) => (Bound::Excluded(after), Bound::Unbounded),
            (Some(after), true) => (Bound::Unbounded, Bound::Excluded(after)),
        };
        let range = run.range((low, high));
        let mut walk: Box<dyn Iterator<Item = (&Place, &Arc<Image>)>> =
            if query.descending { Box::new(range.rev()) } else { Box::new(range) };
        let mut items = Vec::with_capacity(query.limit.min(256));
        let mut next = None;
        for (place, image) in walk.by_ref() {
            if query.filter.holds(image) {
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
        let Some(run) = self.run(query)? else { return Ok(0) };
        Ok(run.values().filter(|image| query.filter.holds(image)).count() as u64)
    }

    fn run(&self, query: &Query) -> Result<Option<&Run>, StoreError> {
        if query.equals.len() != query.index.equals.len() {
            return Err(StoreError::BadQuery("a value is needed for each equal field of the index".to_owned()));
        }
        if let Some(after) = &query.after {
            check_position(query, after)?;
        }
        let indexes = self.indexes.get(&(query.tenant, query.decl.kind));
        Ok(indexes.and_then(|indexes| indexes[query.index.position].get(&Equals(query.equals.clone()))))
    }
}

/// The position's sort value must be one that the index can hold.
fn check_position(query: &Query, after: &Position) -> Result<(), StoreError> {
    use crate::schema::FieldType;
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

fn place(index: &IndexDecl, image: &Image) -> Place {
    Place { sort: index.sort_value(image), id: image.id }
}

/// What is stored, with the written groups' fields and versions from the write.
fn merged(stored: &Image, write: &Write) -> Image {
    let mut image = stored.clone();
    for (position, field) in image.decl.fields.iter().enumerate() {
        let group = if field.section == Section::Machine { Group::Machine } else { Group::Person };
        if write.writes(group) {
            image.values[position] = write.after.values[position].clone();
        }
    }
    if write.writes(Group::Person) {
        image.versions.person = write.after.versions.person;
    }
    if write.writes(Group::Machine) {
        image.versions.machine = write.after.versions.machine;
    }
    image
}

fn without_long_texts(image: &Arc<Image>) -> Arc<Image> {
    if !image.has_long_text() {
        return Arc::clone(image);
    }
    let mut shown = image.as_ref().clone();
    for (field, value) in image.decl.fields.iter().zip(&mut shown.values) {
        if field.is_long() && !value.is_null() {
            *value = Value::NotLoaded;
        }
    }
    Arc::new(shown)
}
