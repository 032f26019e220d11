//! The feed: all changes of all tenants after a cursor, without gaps.
//!
//! Sequence numbers become visible out of order, so reading "after the last one seen" would skip late commits. Each
//! change therefore carries a tick, the value of the clock `crm.feed_clock`, and its transaction holds an advisory lock
//! on that tick until it ends. A page contains only changes of past ticks that no open transaction holds, ordered by
//! (`tick`, `seq`). Nothing is added to those ticks any more, and in that order a record's changes are in version
//! order. Only commits of the CRM delay the feed; other open transactions do not. `sql/feed.sql` has the details.

use crm_core::{
    schema::KindDecl,
    store::{FeedCursor, FeedPage, FeedPlace, StoreError},
    value::{Id, Ref, Time},
};
use sqlx::postgres::PgArguments;

use crate::{
    args::Statement,
    error, history,
    layout::{layout, quoted},
    link::Link,
    row,
};

/// The index of the first column after those of a change: tenant, tick and seq.
const PLACE: usize = history::COLUMN_COUNT;

/// Returns a page of the feed.
pub(crate) async fn feed(link: &Link, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
    let (mut tick, mut seq) = after.map_or(Ok((0, 0)), parse)?;
    let mut changes = Vec::new();
    loop {
        let mut statement = Statement::default();
        let (after_tick, after_seq) = (statement.bind(tick)?, statement.bind(seq)?);
        let at_most = statement.bind(i32::try_from(limit).unwrap_or(i32::MAX))?;
        statement.push(&format!(
            "select {}, c.tenant_id, c.tick, c.seq from crm.feed_v1({after_tick}, {after_seq}, {at_most}) c",
            history::COLUMNS
        ));
        let (sql, arguments) = statement.finish();
        let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
        for row in &rows {
            if let Some(change) = history::decode(row)? {
                changes.push((Id::from_uuid(row::get(row, PLACE)?), change));
            }
            (tick, seq) = (row::get(row, PLACE + 1)?, row::get(row, PLACE + 2)?);
        }
        // An empty page means the end of the feed. A full page whose kinds are all unknown to this program is not the
        // end.
        if !changes.is_empty() || rows.len() < limit.max(1) {
            return Ok(FeedPage { changes, cursor: cursor(tick, seq) });
        }
    }
}

/// Returns the end of the feed: later commits have the current tick or a later one.
pub(crate) async fn end(link: &Link) -> Result<FeedCursor, StoreError> {
    let sql = "select crm.feed_horizon_v1()".into();
    let rows = link.rows(sql, PgArguments::default()).await.map_err(error::of_read)?;
    let tick = rows.first().map_or(Ok(0), |row| row::get(row, 0))?;
    // Before the first change of that tick.
    Ok(cursor(tick, 0))
}

fn cursor(tick: i64, seq: i64) -> FeedCursor {
    FeedCursor(format!("{tick}.{seq}"))
}

fn parse(cursor: &FeedCursor) -> Result<(i64, i64), StoreError> {
    let number = |text: &str| text.parse().ok().filter(|&number: &i64| number >= 0);
    cursor
        .0
        .split_once('.')
        .and_then(|(tick, seq)| Some((number(tick)?, number(seq)?)))
        .ok_or_else(|| StoreError::BadQuery("the cursor does not belong to this feed".to_owned()))
}

/// Returns tenants in the order of their ids, starting after the given one.
pub(crate) async fn tenants(link: &Link, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
    let mut statement = Statement::default();
    let bound = statement.bind(after.unwrap_or(Id::NIL).uuid())?;
    statement.push(&format!(
        "select distinct tenant_id from crm.organization where tenant_id > {bound}::uuid order by tenant_id limit "
    ));
    statement.push_number(limit);
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    rows.iter().map(|row| Ok(Id::from_uuid(row::get(row, 0)?))).collect()
}

/// Returns the due records of a kind, grouped by tenant. The query skips from tenant to tenant along the index by due
/// time, takes the first records of each, and stops at the limit.
pub(crate) async fn due(
    link: &Link,
    decl: &'static KindDecl,
    until: Time,
    after: Option<Id>,
    per_tenant: usize,
    limit: usize,
) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
    let Some(field) = decl.due else { return Ok(Vec::new()) };
    let layout = layout(decl.kind);
    let (table, column) = (&layout.table, quoted(&layout.columns[field][0].name));
    let mut statement = Statement::default();
    let until = statement.bind(until.chrono())?;
    let after = statement.bind(after.unwrap_or(Id::NIL).uuid())?;
    let next = |after: &str| {
        format!(
            "select t.tenant_id from {table} t where t.archived_at is null and t.tenant_id > {after} order by t.tenant_id, \
             t.{column} limit 1"
        )
    };
    statement.push(&format!(
        "with recursive tenant (id) as (({}) union all select ({}) from tenant where tenant.id is not null) \
         select d.tenant_id, d.id, d.{column} from tenant cross join lateral (select t.tenant_id, t.id, t.{column} from \
         {table} t where t.tenant_id = tenant.id and t.archived_at is null and t.{column} <= {until} order by \
         t.{column}, t.id limit ",
        next(&after),
        next("tenant.id")
    ));
    statement.push_number(per_tenant);
    statement.push(") d limit ");
    statement.push_number(limit);
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    let read = |row| {
        let record = Ref { kind: decl.kind, id: Id::from_uuid(row::get(row, 1)?) };
        Ok((Id::from_uuid(row::get(row, 0)?), record, row::time(row, 2)?))
    };
    rows.iter().map(read).collect()
}

/// Returns the stored place of a consumer.
pub(crate) async fn place(link: &Link, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
    let mut statement = Statement::default();
    let consumer = statement.bind(consumer)?;
    statement.push(&format!("select place::text, fence from crm.feed_place where consumer = {consumer}"));
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    let read = |row| {
        let place: FeedPlace =
            serde_json::from_str(row::get(row, 0)?).map_err(|error| StoreError::corrupt(error.to_string()))?;
        Ok(FeedPlace { fence: row::version(row, 1)?, ..place })
    };
    rows.first().map(read).transpose()
}

/// Stores the place of a consumer unless it changed since it was read. Returns `true` if it was stored.
pub(crate) async fn keep_place(link: &Link, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
    let mut statement = Statement::default();
    // A fence beyond the column's range is one that no place has.
    let fence = statement.bind(i64::try_from(was).unwrap_or(i64::MAX - 1))?;
    let place = serde_json::to_string(place).map_err(|error| StoreError::BadQuery(error.to_string()))?;
    let (consumer, place) = (statement.bind(consumer)?, format!("{}::json", statement.bind(place)?));
    statement.push(&if was == 0 {
        format!(
            "insert into crm.feed_place (consumer, fence, place, kept_at) values ({consumer}, {fence} + 1, {place}, now()) \
             on conflict (consumer) do nothing returning fence"
        )
    } else {
        format!(
            "update crm.feed_place set fence = fence + 1, place = {place}, kept_at = now() where consumer = {consumer} and \
             fence = {fence} returning fence"
        )
    });
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(|failure| error::of_write(failure, link.is_open()))?;
    Ok(!rows.is_empty())
}
