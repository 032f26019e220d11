//! The feed: every change of every tenant after a cursor, none skipped.
//!
//! Sequence numbers become visible out of order, so "after the last one seen" would skip what commits late. Each change
//! therefore carries a transaction id, `feed_xid`: that of the transaction that brought it, or that of the record's
//! change before where that is later (a commit may join a transaction that began earlier). A page shows the changes
//! whose `feed_xid` lies below every transaction that is still open, in the order of (`feed_xid`, `seq`): what lies below
//! is finished and will never grow, and in that order a record's changes stand in version order.

use crm_core::{
    store::{FeedCursor, FeedPage, StoreError},
    value::Id,
};

use crate::{args::Statement, error, history, link::Link, row};

/// Columns after those of a change: the tenant and the place.
const PLACE: usize = 13;

/// A page of the feed.
pub(crate) async fn feed(link: &Link, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
    let (mut xid, mut seq) = after.map_or(Ok((0, 0)), parse)?;
    let mut statement = Statement::default();
    // xid8 has no binary form in the driver; as text it is exact.
    let bound_xid = statement.bind(xid.to_string())?;
    let bound_seq = statement.bind(seq)?;
    statement.push(&format!(
        "select {}, c.tenant_id, c.feed_xid::text, c.seq from crm.change c where (c.feed_xid, c.seq) > \
         ({bound_xid}::xid8, {bound_seq}) and c.feed_xid < pg_snapshot_xmin(pg_current_snapshot()) order by c.feed_xid, \
         c.seq limit ",
        history::COLUMNS
    ));
    statement.push_number(limit);
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        changes.push((Id::from_uuid(row::get(row, PLACE)?), history::decode(row)?));
        xid = row::get::<&str>(row, PLACE + 1)?
            .parse()
            .map_err(|_| StoreError::corrupt("a transaction id is no number"))?;
        seq = row::get(row, PLACE + 2)?;
    }
    Ok(FeedPage { changes, cursor: FeedCursor(format!("{xid}.{seq}")) })
}

/// The tenants after one, by id.
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

/// How far a consumer has come.
pub(crate) async fn cursor(link: &Link, consumer: &str) -> Result<Option<FeedCursor>, StoreError> {
    let mut statement = Statement::default();
    let consumer = statement.bind(consumer)?;
    statement.push(&format!("select cursor from crm.feed_cursor where consumer = {consumer}"));
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    rows.first().map(|row| Ok(FeedCursor(row::get::<&str>(row, 0)?.to_owned()))).transpose()
}

/// Keeps how far a consumer has come.
pub(crate) async fn keep_cursor(link: &Link, consumer: &str, cursor: &FeedCursor) -> Result<(), StoreError> {
    let mut statement = Statement::default();
    let (consumer, cursor) = (statement.bind(consumer)?, statement.bind(cursor.0.as_str())?);
    statement.push(&format!(
        "insert into crm.feed_cursor (consumer, cursor, kept_at) values ({consumer}, {cursor}, now()) on conflict (consumer) \
         do update set cursor = excluded.cursor, kept_at = excluded.kept_at"
    ));
    let (sql, arguments) = statement.finish();
    link.rows(sql, arguments).await.map(drop).map_err(error::of_read)
}

fn parse(cursor: &FeedCursor) -> Result<(u64, i64), StoreError> {
    cursor
        .0
        .split_once('.')
        .and_then(|(xid, seq)| Some((xid.parse().ok()?, seq.parse().ok()?)))
        .ok_or_else(|| StoreError::BadQuery("the cursor is none of this feed".to_owned()))
}
