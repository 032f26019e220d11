//! Requests to a store and their responses.

use std::{cmp::Ordering, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Claim, Commit, KeyEntry};
use crate::model::{
    change::Change,
    filter::Predicate,
    records::pipeline::Pipeline,
    schema::{Group, Image, IndexDecl, KindDecl},
    store::CommitId,
    value::{Id, Ref, Time, Value},
};

/// An item to get.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// A record by id, archived or not, with its long texts.
    Record(Ref),
    /// The record that holds a claim, with its long texts.
    Claimed(Claim),
    /// The entry of an idempotency key. An expired one may be returned; the core checks its time.
    Key(String),
}

/// The result of one [`Want`].
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// The record, for [`Want::Record`] and [`Want::Claimed`].
    Record(Option<Arc<Image>>),
    /// The entry, for [`Want::Key`].
    Key(Option<KeyEntry>),
}

/// The commits that last changed the data that a process caches of a tenant. Both are stored and read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// The id of the commit that last changed a definition; nil if none did.
    pub definitions: CommitId,
    /// The id of the commit that last changed what a user may do ([`Commit::touches_access`]); nil if none did.
    pub access: CommitId,
}

impl Epochs {
    /// Returns the epochs after a commit.
    #[must_use]
    pub fn after(self, commit: &Commit) -> Self {
        Self {
            definitions: if commit.touches_definitions() { commit.id } else { self.definitions },
            access: if commit.touches_access() { commit.id } else { self.access },
        }
    }
}

/// The response to a get.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The tenant's epochs.
    pub epochs: Epochs,
    /// One result per want, in order.
    pub got: Vec<Got>,
}

/// All definitions of a tenant, as a process caches them.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// The tenant's epochs, read together with the definitions or before them.
    pub epochs: Epochs,
    /// All records of the kinds that are definitions, including archived ones, in any order.
    pub images: Vec<Arc<Image>>,
}

/// A position in a list: the sort value and id of the last record examined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The sort value of the record ([`IndexDecl::sort_value`]).
    #[serde(rename = "s")]
    pub sort: Value,
    /// The id of the record.
    #[serde(rename = "i")]
    pub id: Id,
}

/// A query for a page of one kind by a declared index.
#[derive(Clone, Debug)]
pub struct Query {
    /// The tenant.
    pub tenant: Id,
    /// The declaration of the kind.
    pub decl: &'static KindDecl,
    /// The index of the kind to use.
    pub index: &'static IndexDecl,
    /// One value per equal field of the index; `Null` selects records without a value.
    pub equals: Vec<Value>,
    /// `true` for descending order, the exact reverse of ascending order, in which missing sort values are last and ids
    /// break ties.
    pub descending: bool,
    /// The additional condition.
    pub filter: Predicate,
    /// The position after which to begin.
    pub after: Option<Position>,
    /// The maximum number of records; at least 1.
    pub limit: usize,
}

/// A page of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The records in order, without long texts ([`Value::NotLoaded`] in their place).
    pub items: Vec<Arc<Image>>,
    /// The position to continue from, which is that of the last record examined and not necessarily of an item. `None`
    /// if the list is exhausted. A page can be short or empty and still have a next position.
    pub next: Option<Position>,
}

/// A position in the history of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HistoryPosition {
    /// The time at which the change was recorded.
    #[serde(rename = "t")]
    pub recorded_at: Time,
    /// The group of fields.
    #[serde(rename = "g")]
    pub group: Group,
    /// The version.
    #[serde(rename = "v")]
    pub version: u64,
}

impl HistoryPosition {
    /// Returns the position of a change.
    pub fn of(change: &Change) -> Self {
        Self { recorded_at: change.recorded_at, group: change.group, version: change.version }
    }
}

/// A query for the changes of one record, ordered by `recorded_at`, group, version.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// The tenant.
    pub tenant: Id,
    /// The record.
    pub record: Ref,
    /// Restricts the result to changes of this field (`properties.key` for a custom one).
    pub field: Option<String>,
    /// `true` for the latest change first.
    pub descending: bool,
    /// The position after which to begin.
    pub after: Option<HistoryPosition>,
    /// The maximum number of changes; at least 1.
    pub limit: usize,
}

/// A position in the log of a tenant, ordered by time, kind name, id, group and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// The time at which the change was recorded (in the log) or occurred (among stage moves).
    #[serde(rename = "t")]
    pub time: Time,
    /// The record.
    #[serde(rename = "r")]
    pub record: Ref,
    /// The group of fields.
    #[serde(rename = "g")]
    pub group: Group,
    /// The version.
    #[serde(rename = "v")]
    pub version: u64,
}

impl Ord for LogPosition {
    fn cmp(&self, other: &Self) -> Ordering {
        // By name rather than in the declared order of kinds: a new kind must not change stored positions.
        let key = |at: &Self| (at.time, at.record.kind.name(), at.record.id, at.group, at.version);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for LogPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A query for the changes of a tenant, ordered by [`LogPosition`]: `recorded_at`, kind name, id, group, version. May
/// lag.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// The tenant.
    pub tenant: Id,
    /// The earliest recording time, inclusive.
    pub from: Time,
    /// The latest recording time, exclusive.
    pub until: Time,
    /// `true` for the latest change first.
    pub descending: bool,
    /// The position after which to begin.
    pub after: Option<LogPosition>,
    /// The maximum number of changes; at least 1.
    pub limit: usize,
}

/// A query for the stage moves in one pipeline ([`Change::stage_move`]), ordered by `occurred_at`, kind name, id,
/// version. May lag.
#[derive(Clone, Debug)]
pub struct StageMoveQuery {
    /// The tenant.
    pub tenant: Id,
    /// The pipeline.
    pub pipeline: Id<Pipeline>,
    /// The earliest time of occurrence, inclusive.
    pub from: Time,
    /// The latest time of occurrence, exclusive.
    pub until: Time,
    /// The position after which to begin.
    pub after: Option<LogPosition>,
    /// The maximum number of changes; at least 1.
    pub limit: usize,
}

/// A page of changes. It can be short even if more follow.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePage {
    /// The changes in order.
    pub changes: Vec<Change>,
    /// `true` if more changes follow the last one.
    pub more: bool,
}

/// A position in the feed, opaque outside the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCursor(pub String);

/// A page of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// The changes, each with its tenant.
    pub changes: Vec<(Id, Change)>,
    /// The position to continue from, also if the page is empty.
    pub cursor: FeedCursor,
}

/// The maximum size of a [`FeedPlace`], in bytes of its JSON form.
pub const MAX_PLACE_BYTES: usize = 350_000;

/// The position of a consumer in the feed, with the consumer's own state. Stored by compare and set, so that concurrent
/// writers detect each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPlace {
    /// The position to continue reading from; `None` for the oldest available change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<FeedCursor>,
    /// The time at which the consumer began.
    pub began: Time,
    /// All changes recorded before this time have been processed.
    pub settled: Time,
    /// The start of a gap that is being replayed from the log; `None` if there is no gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_since: Option<Time>,
    /// The time until which a worker holds the position exclusively; `None` if no worker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_until: Option<Time>,
    /// The consumer's own state, in its own format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<serde_json::Value>,
    /// The number of times the position was stored; 0 if it was not.
    #[serde(default)]
    pub fence: u64,
}

impl FeedPlace {
    /// Returns the position of a consumer that begins now, at the oldest available change, with nothing processed and
    /// no state.
    pub const fn beginning(now: Time) -> Self {
        Self { cursor: None, began: now, settled: Time::MIN, gap_since: None, taken_until: None, state: None, fence: 0 }
    }
}
