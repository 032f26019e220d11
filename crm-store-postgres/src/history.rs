//! Reads the change log of a record, a tenant or a pipeline: one statement each, in index order.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use crm_core::{
    change::{Change, FieldChange, Origin},
    schema::Group,
    store::{ChangePage, HistoryQuery, LogPosition, LogQuery, StageMoveQuery, StoreError},
    value::{Id, Kind, Ref},
};
use serde::{Deserialize, de::IgnoredAny};
use sqlx::{postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    args::Statement,
    error,
    link::Link,
    row::{self, group_number},
};

/// The columns of a change in the order in which [`decode`] reads them.
pub(crate) const COLUMNS: &str = "c.kind, c.record_id, c.field_group, c.version, c.commit_id, c.recorded_at, \
                                  c.occurred_at, c.changed_by, c.action, c.origin, c.cause, c.fields, c.with_records, \
                                  c.stage_move";
pub(crate) const COLUMN_COUNT: usize = 14;

/// The condition that a change is of a kind this program knows; newer programs may have stored others. It is part of
/// the query, so that pages are full and the last change of a page is where the next page starts.
static IS_KNOWN: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    format!("c.kind = any('{{{}}}'::text[])", names.join(","))
});

/// A reference in the log, possibly of a kind that this program does not know.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Known(Ref),
    Unknown(IgnoredAny),
}

/// Decodes a change from a row that starts with [`COLUMNS`]. `None` if this program does not know its kind.
pub(crate) fn decode(row: &PgRow) -> Result<Option<Change>, StoreError> {
    let Ok(kind) = row::get::<&str>(row, 0)?.parse::<Kind>() else { return Ok(None) };
    let with = row::get::<Option<Json<Vec<Named>>>>(row, 12)?.map(|with| with.0).unwrap_or_default();
    Ok(Some(Change {
        record: Ref { kind, id: Id::from_uuid(row::get(row, 1)?) },
        group: if row::get::<i16>(row, 2)? == group_number(Group::User) { Group::User } else { Group::Machine },
        version: row::version(row, 3)?,
        commit: Id::from_uuid(row::get(row, 4)?),
        recorded_at: row::time(row, 5)?,
        occurred_at: row::time(row, 6)?,
        by: row::get::<Option<Uuid>>(row, 7)?.map(Id::from_uuid),
        action: Cow::Owned(row::get(row, 8)?),
        origin: row::get::<Option<Json<Origin>>>(row, 9)?.map(|origin| Arc::new(origin.0)),
        cause: row::get::<Option<Json<serde_json::Value>>>(row, 10)?.map(|cause| Arc::new(cause.0)),
        fields: row::get::<Json<Vec<FieldChange>>>(row, 11)?.0,
        with: with
            .into_iter()
            .filter_map(|named| if let Named::Known(record) = named { Some(record) } else { None })
            .collect(),
        stage_move: row::get::<Option<Uuid>>(row, 13)?.map(Id::from_uuid),
    }))
}

async fn page(link: &Link, statement: Statement, limit: usize) -> Result<ChangePage, StoreError> {
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    let changes = rows.iter().take(limit).filter_map(|row| decode(row).transpose()).collect::<Result<Vec<_>, _>>()?;
    Ok(ChangePage { changes, more: rows.len() > limit })
}

fn order(statement: &mut Statement, columns: &[&str], descending: bool, limit: usize) {
    let direction = if descending { " desc" } else { "" };
    let columns: Vec<String> = columns.iter().map(|column| format!("{column}{direction}")).collect();
    statement.push(&format!(" order by {} limit ", columns.join(", ")));
    statement.push_number(limit.saturating_add(1));
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Returns the changes of a record.
pub(crate) async fn history(link: &Link, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
    let mut statement = Statement::default();
    let tenant = statement.bind(query.tenant.uuid())?;
    let kind = statement.bind(query.record.kind.name())?;
    let id = statement.bind(query.record.id.uuid())?;
    statement.push(&format!(
        "select {COLUMNS} from crm.change c where c.tenant_id = {tenant} and c.kind = {kind} and c.record_id = {id}"
    ));
    if let Some(field) = &query.field {
        let element = statement.bind(serde_json::json!([{ "field": field }]).to_string())?;
        statement.push(&format!(" and c.fields @> {element}::jsonb"));
    }
    if let Some(after) = query.after {
        let time = statement.bind(after.recorded_at.chrono())?;
        let group = statement.bind(group_number(after.group))?;
        let version = statement.bind(number(after.version))?;
        let sign = if query.descending { "<" } else { ">" };
        statement.push(&format!(" and (c.recorded_at, c.field_group, c.version) {sign} ({time}, {group}, {version})"));
    }
    let limit = query.limit.max(1);
    order(&mut statement, &["c.recorded_at", "c.field_group", "c.version"], query.descending, limit);
    page(link, statement, limit).await
}

fn after(statement: &mut Statement, time_column: &str, after: &LogPosition, sign: &str) -> Result<(), StoreError> {
    let time = statement.bind(after.time.chrono())?;
    let kind = statement.bind(after.record.kind.name())?;
    let id = statement.bind(after.record.id.uuid())?;
    let group = statement.bind(group_number(after.group))?;
    let version = statement.bind(number(after.version))?;
    statement.push(&format!(
        " and ({time_column}, c.kind, c.record_id, c.field_group, c.version) {sign} ({time}, {kind}, {id}, {group}, \
         {version})"
    ));
    Ok(())
}

/// Returns the changes of a tenant by the time they were recorded.
pub(crate) async fn log(link: &Link, query: &LogQuery) -> Result<ChangePage, StoreError> {
    let mut statement = Statement::default();
    let tenant = statement.bind(query.tenant.uuid())?;
    let from = statement.bind(query.from.chrono())?;
    let until = statement.bind(query.until.chrono())?;
    statement.push(&format!(
        "select {COLUMNS} from crm.change c where c.tenant_id = {tenant} and c.recorded_at >= {from} and c.recorded_at < \
         {until} and {}",
        *IS_KNOWN
    ));
    if let Some(place) = &query.after {
        after(&mut statement, "c.recorded_at", place, if query.descending { "<" } else { ">" })?;
    }
    let limit = query.limit.max(1);
    let columns = ["c.recorded_at", "c.kind", "c.record_id", "c.field_group", "c.version"];
    order(&mut statement, &columns, query.descending, limit);
    page(link, statement, limit).await
}

/// Returns the stage moves of a pipeline by the time they occurred.
pub(crate) async fn stage_moves(link: &Link, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
    let mut statement = Statement::default();
    let tenant = statement.bind(query.tenant.uuid())?;
    let pipeline = statement.bind(query.pipeline.uuid())?;
    let from = statement.bind(query.from.chrono())?;
    let until = statement.bind(query.until.chrono())?;
    statement.push(&format!(
        "select {COLUMNS} from crm.change c where c.tenant_id = {tenant} and c.stage_move = {pipeline} and c.occurred_at \
         >= {from} and c.occurred_at < {until} and {}",
        *IS_KNOWN
    ));
    if let Some(place) = &query.after {
        after(&mut statement, "c.occurred_at", place, ">")?;
    }
    let limit = query.limit.max(1);
    let columns = ["c.occurred_at", "c.kind", "c.record_id", "c.field_group", "c.version"];
    order(&mut statement, &columns, false, limit);
    page(link, statement, limit).await
}
