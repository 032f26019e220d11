//! The change log: histories of records, the log of a tenant, stage moves, and the feed.
//!
//! Changes are numbered in the order in which the one writer commits them, so the feed is read by number: no change
//! appears before one that a reader has passed. Kinds are stored by name. Changes of kinds that this program does not
//! know are left out.

use std::{borrow::Cow, sync::Arc, sync::LazyLock};

use crm_core::{
    change::Change,
    schema::Group,
    store::{
        ChangePage, FeedCursor, FeedPage, FeedPlace, HistoryQuery, LogPosition, LogQuery, StageMoveQuery, StoreError,
    },
    value::{Id, Ref},
};
use rusqlite::{CachedStatement, Connection, Row};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    error::Failure,
    row::{self, Binds, run},
};

/// The columns of a change in the order in which [`decode`] reads them.
const COLUMNS: &str = "kind, record_id, field_group, version, commit_id, recorded_at, occurred_at, changed_by, action, \
                       origin, cause, fields, with_records, stage_move";

/// The number of a group in the log.
const fn group_number(group: Group) -> i64 {
    match group {
        Group::User => 0,
        Group::Machine => 1,
    }
}

/// Appends a change.
pub(crate) fn append(db: &Connection, tenant: Id, change: &Change) -> Result<(), Failure> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("insert into change ({COLUMNS}, tenant_id) values (?{})", ", ?".repeat(14)));
    run(db, &SQL, |bind| {
        bind.text(change.record.kind.name())?;
        bind.id(change.record.id)?;
        bind.int(group_number(change.group))?;
        bind.count(change.version)?;
        bind.id(change.commit)?;
        bind.int(change.recorded_at.micros())?;
        bind.int(change.occurred_at.micros())?;
        bind.maybe_id(change.by)?;
        bind.text(&change.action)?;
        json(bind, change.origin.as_deref())?;
        json(bind, change.cause.as_deref())?;
        json(bind, Some(&change.fields))?;
        json(bind, (!change.with.is_empty()).then_some(&change.with))?;
        bind.maybe_id(change.stage_move)?;
        bind.id(tenant)
    })?;
    Ok(())
}

fn json<T: Serialize>(bind: &mut Binds<'_, '_>, value: Option<&T>) -> Result<(), Failure> {
    match value {
        None => bind.null(),
        Some(value) => bind.text(&serde_json::to_string(value)?),
    }
}

/// A reference in the log, possibly of a kind that this program does not know.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Known(Ref),
    Unknown(IgnoredAny),
}

/// Reads a change from a row that starts with [`COLUMNS`]. `None` if this program does not know its kind.
pub(crate) fn decode(row: &Row<'_>) -> Result<Option<Change>, Failure> {
    let Some(kind) = row::kind(row, 0)? else { return Ok(None) };
    let with: Vec<Named> = read_json(row, 12)?.unwrap_or_default();
    Ok(Some(Change {
        record: Ref::new(kind, row::id(row, 1)?),
        group: if row::int(row, 2)? == group_number(Group::User) { Group::User } else { Group::Machine },
        version: row::count(row, 3)?,
        commit: row::id(row, 4)?.typed(),
        recorded_at: row::time(row, 5)?,
        occurred_at: row::time(row, 6)?,
        by: row::maybe_id(row, 7)?.map(Id::typed),
        action: Cow::Owned(row::text(row, 8)?.to_owned()),
        origin: read_json(row, 9)?.map(Arc::new),
        cause: read_json(row, 10)?.map(Arc::new),
        fields: read_json(row, 11)?.unwrap_or_default(),
        with: with
            .into_iter()
            .filter_map(|named| if let Named::Known(record) = named { Some(record) } else { None })
            .collect(),
        stage_move: row::maybe_id(row, 13)?.map(Id::typed),
    }))
}

fn read_json<T: for<'a> Deserialize<'a>>(row: &Row<'_>, at: usize) -> Result<Option<T>, Failure> {
    let text = row.get_ref(at)?.as_str_or_null().map_err(|error| Failure::Engine(error.into()))?;
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// The statements of a query, by direction (ascending first) and then by whether it starts after a position.
type Pages = LazyLock<[[String; 2]; 2]>;

static HISTORY: Pages =
    LazyLock::new(|| pages(&["tenant_id", "kind", "record_id"], &["recorded_at", "field_group", "version"], false));
static LOG: Pages =
    LazyLock::new(|| pages(&["tenant_id"], &["recorded_at", "kind", "record_id", "field_group", "version"], true));
static MOVES: Pages = LazyLock::new(|| {
    pages(&["tenant_id", "stage_move"], &["occurred_at", "kind", "record_id", "field_group", "version"], true)
});

/// `equals` are the columns that are equal, `order` the others of the index. A `range` restricts the first of these by
/// two more parameters.
fn pages(equals: &[&str], order: &[&str], range: bool) -> [[String; 2]; 2] {
    [("", ">"), (" desc", "<")].map(|(direction, sign)| {
        [false, true].map(|after| {
            let mut parts: Vec<String> = equals.iter().map(|column| format!("{column} = ?")).collect();
            if range {
                // The position replaces one of the bounds: a column with a plus does not take part in the search.
                let plus = |replaced: bool| if after && replaced { "+" } else { "" };
                parts.push(format!("{}{} >= ?", plus(direction.is_empty()), order[0]));
                parts.push(format!("{}{} < ?", plus(!direction.is_empty()), order[0]));
            }
            if after {
                parts.push(format!("({}) {sign} ({})", order.join(", "), vec!["?"; order.len()].join(", ")));
            }
            let order: Vec<String> = order.iter().map(|column| format!("{column}{direction}")).collect();
            format!("select {COLUMNS} from change where {} order by {}", parts.join(" and "), order.join(", "))
        })
    })
}

/// Reads a page of the changes that are wanted and of known kinds.
fn page(
    mut statement: CachedStatement<'_>,
    limit: usize,
    wanted: impl Fn(&Change) -> bool,
) -> Result<ChangePage, Failure> {
    let mut page = ChangePage { changes: Vec::new(), more: false };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let Some(change) = decode(row)?.filter(&wanted) else { continue };
        if page.changes.len() >= limit.max(1) {
            page.more = true;
            break;
        }
        page.changes.push(change);
    }
    Ok(page)
}

/// Returns the changes of a record.
pub(crate) fn history(db: &Connection, query: &HistoryQuery) -> Result<ChangePage, Failure> {
    let mut statement =
        db.prepare_cached(&HISTORY[usize::from(query.descending)][usize::from(query.after.is_some())])?;
    let mut bind = Binds::new(&mut statement);
    bind.id(query.tenant)?;
    bind.text(query.record.kind.name())?;
    bind.id(query.record.id)?;
    if let Some(after) = &query.after {
        bind.int(after.recorded_at.micros())?;
        bind.int(group_number(after.group))?;
        bind.count(after.version)?;
    }
    page(statement, query.limit, |change| query.field.as_deref().is_none_or(|name| change.field(name).is_some()))
}

fn position(bind: &mut Binds<'_, '_>, after: Option<&LogPosition>) -> Result<(), Failure> {
    let Some(after) = after else { return Ok(()) };
    bind.int(after.time.micros())?;
    bind.text(after.record.kind.name())?;
    bind.id(after.record.id)?;
    bind.int(group_number(after.group))?;
    bind.count(after.version)
}

/// Returns the changes of a tenant by the time they were recorded.
pub(crate) fn log(db: &Connection, query: &LogQuery) -> Result<ChangePage, Failure> {
    let mut statement = db.prepare_cached(&LOG[usize::from(query.descending)][usize::from(query.after.is_some())])?;
    let mut bind = Binds::new(&mut statement);
    bind.id(query.tenant)?;
    bind.int(query.from.micros())?;
    bind.int(query.until.micros())?;
    position(&mut bind, query.after.as_ref())?;
    page(statement, query.limit, |_| true)
}

/// Returns the stage moves of a pipeline by the time they occurred.
pub(crate) fn stage_moves(db: &Connection, query: &StageMoveQuery) -> Result<ChangePage, Failure> {
    let mut statement = db.prepare_cached(&MOVES[0][usize::from(query.after.is_some())])?;
    let mut bind = Binds::new(&mut statement);
    bind.id(query.tenant)?;
    bind.id(query.pipeline)?;
    bind.int(query.from.micros())?;
    bind.int(query.until.micros())?;
    position(&mut bind, query.after.as_ref())?;
    page(statement, query.limit, |_| true)
}

/// The number of the last change.
fn last(db: &Connection) -> Result<i64, Failure> {
    let mut statement = db.prepare_cached("select ifnull(max(n), 0) from change")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Returns the end of the feed.
pub(crate) fn feed_end(db: &Connection) -> Result<FeedCursor, Failure> {
    Ok(FeedCursor(last(db)?.to_string()))
}

/// Returns a page of the feed. A cursor beyond the last change is that of another file, or of this one before it was
/// replaced by an older backup.
pub(crate) fn feed(db: &Connection, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, Failure> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("select {COLUMNS}, tenant_id, n from change where n > ? order by n"));
    let mut at = 0;
    if let Some(FeedCursor(text)) = after {
        let last = last(db)?;
        let place = text.parse().ok().filter(|place| (0..=last).contains(place));
        at = place.ok_or_else(|| StoreError::BadQuery("the cursor does not belong to this feed".to_owned()))?;
    }
    let mut statement = db.prepare_cached(&SQL)?;
    Binds::new(&mut statement).int(at)?;
    let mut rows = statement.raw_query();
    let mut changes = Vec::new();
    while changes.len() < limit.max(1) {
        let Some(row) = rows.next()? else { break };
        at = row::int(row, 15)?;
        if let Some(change) = decode(row)? {
            changes.push((row::id(row, 14)?, change));
        }
    }
    Ok(FeedPage { changes, cursor: FeedCursor(at.to_string()) })
}

/// Returns the stored place of a consumer.
pub(crate) fn place(db: &Connection, consumer: &str) -> Result<Option<FeedPlace>, Failure> {
    let mut statement = db.prepare_cached("select place, fence from feed_place where consumer = ?")?;
    Binds::new(&mut statement).text(consumer)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(FeedPlace { fence: row::count(row, 1)?, ..serde_json::from_str(row::text(row, 0)?)? }))
}

/// Stores the place of a consumer if the stored one has the fence `was`. Returns 1 if it was stored and 0 otherwise.
pub(crate) fn keep_place(db: &Connection, consumer: &str, place: &str, was: u64) -> Result<u64, Failure> {
    let sql = if was == 0 {
        "insert or ignore into feed_place (fence, place, consumer) values (? + 1, ?, ?)"
    } else {
        "update feed_place set fence = ? + 1, place = ? where consumer = ? and fence = ?"
    };
    // A fence beyond the range of the column is one that no place has.
    let fence = was.min(i64::MAX as u64 - 1);
    let stored = run(db, sql, |bind| {
        bind.count(fence)?;
        bind.text(place)?;
        bind.text(consumer)?;
        if was == 0 { Ok(()) } else { bind.count(fence) }
    })?;
    Ok(stored as u64)
}

/// Checks that every change can be read.
pub(crate) fn verify(db: &Connection) -> Result<(), Failure> {
    let mut statement = db.prepare(&format!("select {COLUMNS} from change"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        decode(row)?;
    }
    Ok(())
}

/// The statements of all pages, for a test of their plans.
#[cfg(test)]
pub(crate) fn all_pages() -> [&'static [[String; 2]; 2]; 3] {
    [&HISTORY, &LOG, &MOVES]
}
