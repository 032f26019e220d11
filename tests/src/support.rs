//! Records and commits built by hand, below the use cases: the store's view.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crm_core::{
    catalog,
    change::{Change, FieldChange},
    schema::{Group, Image, common},
    store::{Commit, Got, Records, Want, Write},
    value::{Id, Kind, Ref, Time, Value},
};

/// Returns a unique id, greater than all before.
pub fn id() -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Id::from_parts(1_700_000_000_000 + NEXT.fetch_add(1, Ordering::Relaxed), [7; 10])
}

/// Returns a time, the given number of seconds into a day of 2024.
///
/// # Panics
/// If it is beyond the year 9999.
pub fn at(seconds: i64) -> Time {
    Time::from_micros(1_704_067_200_000_000 + seconds * 1_000_000).unwrap()
}

/// A new record with defaults.
pub fn image(kind: Kind, tenant: Id) -> Image {
    let mut image = Image::empty(catalog::decl(kind), tenant, id());
    catalog::write_defaults(kind, &mut image.values);
    image.values[common::CREATED_AT] = Value::Time(at(0));
    image.values[common::UPDATED_AT] = Value::Time(at(0));
    image.values[common::PROPERTIES] = Value::Map(Arc::default());
    image.values[common::SHARED_WITH] = Value::list([]);
    image.values[common::SOURCE_IDS] = Value::list([]);
    image
}

/// Sets a field by name.
///
/// # Panics
/// If the kind has no such field.
pub fn set(image: &mut Image, field: &str, value: Value) {
    image.values[image.decl.position(field).expect("a field of the kind")] = value;
}

/// A lead with a name.
pub fn lead(tenant: Id, name: &str) -> Image {
    let mut lead = image(Kind::Lead, tenant);
    set(&mut lead, "name", Value::text(name));
    lead
}

/// A change of a record's group to a version at the given time.
pub fn change(after: &Image, group: Group, version: u64, time: Time) -> Change {
    Change {
        record: after.reference(),
        group,
        version,
        commit: Id::NIL,
        recorded_at: time,
        occurred_at: time,
        by: None,
        action: Cow::Borrowed(if version == 1 { "create" } else { "update" }),
        origin: None,
        fields: vec![FieldChange {
            field: Cow::Borrowed("name"),
            old: Value::Null,
            new: after.values[after.decl.position("name").unwrap_or(common::EXTERNAL_ID)].clone(),
        }],
        with: Vec::new(),
        cause: None,
        stage_move: None,
    }
}

/// The write that creates a record.
pub fn create(mut image: Image) -> Write {
    image.versions.person = 1;
    let change = change(&image, Group::User, 1, at(0));
    Write { before: None, after: Arc::new(image), changes: vec![change] }
}

/// The write of a user's change to a record.
///
/// # Panics
/// If the record has more than 2^63 versions.
pub fn update(before: &Arc<Image>, change_it: impl FnOnce(&mut Image)) -> Write {
    let mut after = before.as_ref().clone();
    change_it(&mut after);
    after.versions.person += 1;
    let change = change(&after, Group::User, after.versions.person, at(i64::try_from(after.versions.person).unwrap()));
    Write { before: Some(Arc::clone(before)), after: Arc::new(after), changes: vec![change] }
}

/// A commit of the given writes.
pub fn commit(tenant: Id, writes: impl IntoIterator<Item = Write>) -> Commit {
    let id = id().typed();
    let mut commit = Commit {
        id,
        tenant,
        at: at(0),
        writes: writes.into_iter().collect(),
        guards: Vec::new(),
        claims: Vec::new(),
        key: None,
    };
    for change in commit.writes.iter_mut().flat_map(|write| &mut write.changes) {
        change.commit = id;
    }
    commit.sort();
    commit
}

/// Returns the stored record.
///
/// # Panics
/// If the store fails.
pub async fn stored(store: &impl Records, tenant: Id, record: Ref) -> Option<Arc<Image>> {
    let answer = store.get(tenant, &[Want::Record(record)]).await.unwrap();
    match answer.got.into_iter().next() {
        Some(Got::Record(image)) => image,
        other => panic!("asked for a record, got {other:?}"),
    }
}

/// A pseudorandom generator with a seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Creates a generator.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below the given one.
    ///
    /// # Panics
    /// If `sides` is 0.
    pub fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }

    /// Returns `true` once in so many times.
    ///
    /// # Panics
    /// If `sides` is 0.
    pub fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    /// Returns one of the values.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}
