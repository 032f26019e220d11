//! What is asked of a store, and what it answers.

use std::{cmp::Ordering, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Claim, Commit, KeyEntry};
use crate::{
    change::Change,
    filter::Predicate,
    schema::{Group, Image, IndexDecl, KindDecl},
    value::{Id, Ref, Time, Value},
};

/// One thing to get.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// A record by id, archived or not, with its long texts.
    Record(Ref),
    /// The record that holds a claim, with its long texts.
    Claimed(Claim),
    /// What an idempotency key holds. An expired one may still be there; the core looks at its time.
    Key(String),
}

/// What was got for one [`Want`].
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// The record, for [`Want::Record`] and [`Want::Claimed`].
    Record(Option<Arc<Image>>),
    /// The key's entry, for [`Want::Key`].
    Key(Option<KeyEntry>),
}

/// Which commits last changed what a process caches of a tenant. Both stand in one place and are read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// The id of the commit that last changed a definition; nil where none did.
    pub definitions: Id,
    /// The id of the commit that last changed what somebody may do ([`Commit::touches_access`]); nil where none did.
    pub access: Id,
}

impl Epochs {
    /// The epochs after a commit was stored.
    #[must_use]
    pub fn after(self, commit: &Commit) -> Self {
        Self {
            definitions: if commit.touches_definitions() { commit.id } else { self.definitions },
            access: if commit.touches_access() { commit.id } else { self.access },
        }
    }
}

/// What a get answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The tenant's epochs.
    pub epochs: Epochs,
    /// One answer per want, in order.
    pub got: Vec<Got>,
}

/// Everything a process caches of a tenant.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// The tenant's epochs, read with them or before them.
    pub epochs: Epochs,
    /// Every record of the kinds that are definitions, archived ones too, in any order.
    pub images: Vec<Arc<Image>>,
}

/// A place in a list: the sort value and id of the last record examined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Its [`IndexDecl::sort_value`].
    #[serde(rename = "s")]
    pub sort: Value,
    /// Its id.
    #[serde(rename = "i")]
    pub id: Id,
}

/// A page of one kind by a declared index.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose.
    pub tenant: Id,
    /// Of what kind.
    pub decl: &'static KindDecl,
    /// By which of its indexes.
    pub index: &'static IndexDecl,
    /// One value per equal field of the index; `Null` asks for records without one.
    pub equals: Vec<Value>,
    /// Descending is the exact reverse of ascending, which has missing sort values last and ids breaking ties.
    pub descending: bool,
    /// What must hold besides.
    pub filter: Predicate,
    /// Begin after this place.
    pub after: Option<Position>,
    /// How many records at most; at least 1.
    pub limit: usize,
}

/// A page of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The records, in order, long texts left out ([`Value::NotLoaded`] where there is one).
    pub items: Vec<Arc<Image>>,
    /// Where to go on: the place of the last record examined (which need not be among the items). `None` where the
    /// list is exhausted. A page may be short, even empty, and still have one.
    pub next: Option<Position>,
}

/// A place in a record's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HistoryPosition {
    /// When it was recorded.
    #[serde(rename = "t")]
    pub recorded_at: Time,
    /// Of which group.
    #[serde(rename = "g")]
    pub group: Group,
    /// The version.
    #[serde(rename = "v")]
    pub version: u64,
}

impl HistoryPosition {
    /// Where a change stands.
    pub fn of(change: &Change) -> Self {
        Self { recorded_at: change.recorded_at, group: change.group, version: change.version }
    }
}

/// The changes of one record, ordered by `recorded_at`, group, version.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Whose.
    pub tenant: Id,
    /// Of which record.
    pub record: Ref,
    /// Only changes that touch this field (`properties.key` for a custom one).
    pub field: Option<String>,
    /// Latest first.
    pub descending: bool,
    /// Begin after this place.
    pub after: Option<HistoryPosition>,
    /// How many at most; at least 1.
    pub limit: usize,
}

/// A place in a tenant's log, ordered by time, the kind's name, id, group and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// When it was recorded (in the tenant's log) or occurred (among stage moves).
    #[serde(rename = "t")]
    pub time: Time,
    /// Of which record.
    #[serde(rename = "r")]
    pub record: Ref,
    /// Of which group.
    #[serde(rename = "g")]
    pub group: Group,
    /// The version.
    #[serde(rename = "v")]
    pub version: u64,
}

impl Ord for LogPosition {
    fn cmp(&self, other: &Self) -> Ordering {
        // By name and not in the order of kinds: a new kind must not move what is stored.
        let key = |at: &Self| (at.time, at.record.kind.name(), at.record.id, at.group, at.version);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for LogPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The changes of a tenant, ordered by [`LogPosition`]: `recorded_at`, the kind's name, id, group, version. May lag.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// Whose.
    pub tenant: Id,
    /// Recorded at this time or later.
    pub from: Time,
    /// Recorded before this time.
    pub until: Time,
    /// Latest first.
    pub descending: bool,
    /// Begin after this place.
    pub after: Option<LogPosition>,
    /// How many at most; at least 1.
    pub limit: usize,
}

/// The changes that moved a stage of one pipeline ([`Change::stage_move`]), ordered by `occurred_at`, the kind's name, id, version.
/// May lag.
#[derive(Clone, Debug)]
pub struct StageMoveQuery {
    /// Whose.
    pub tenant: Id,
    /// In which pipeline.
    pub pipeline: Id,
    /// Occurred at this time or later.
    pub from: Time,
    /// Occurred before this time.
    pub until: Time,
    /// Begin after this place.
    pub after: Option<LogPosition>,
    /// How many at most; at least 1.
    pub limit: usize,
}

/// A page of changes. It may be short and still have more.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePage {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Whether more follow the last one.
    pub more: bool,
}

/// A place in the feed; what is inside is the store's own affair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCursor(pub String);

/// A page of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// Changes of any tenant, with the tenant.
    pub changes: Vec<(Id, Change)>,
    /// Where to go on, also where the page is empty.
    pub cursor: FeedCursor,
}

/// How large a [`FeedPlace`] may be, in bytes of its JSON form.
pub const MAX_PLACE_BYTES: usize = 350_000;

/// How far a consumer of the feed has come, with what it keeps for itself. Kept in the store by compare and set, so that
/// of two that work at once one notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPlace {
    /// Where to read on; `None` from the beginning of what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<FeedCursor>,
    /// When the consumer began.
    pub began: Time,
    /// Everything recorded before this is done with.
    pub settled: Time,
    /// Since when a gap is being told again from the log; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_since: Option<Time>,
    /// Until when somebody works on it and others leave it alone; `None` where nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_until: Option<Time>,
    /// What the consumer keeps for itself, in a form of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<serde_json::Value>,
    /// How many times it was kept; 0 where it was not.
    #[serde(default)]
    pub fence: u64,
}

impl FeedPlace {
    /// The place of a consumer that begins now, at the beginning of what the feed keeps. Nothing is done with yet, and
    /// nothing is kept.
    pub const fn beginning(now: Time) -> Self {
        Self { cursor: None, began: now, settled: Time::MIN, gap_since: None, taken_until: None, state: None, fence: 0 }
    }
}
