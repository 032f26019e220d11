//! Reads of records: by id or claim, definitions, lists and counts, tenants and due records.
//!
//! Filters are not translated to SQL: a list runs along its index, decodes the fields that the filter names, and asks
//! the core's own predicate.

use std::sync::Arc;

use crm_core::{
    catalog,
    filter::Predicate,
    schema::{Image, KindDecl},
    store::{Answer, Claim, Definitions, Epochs, Got, KeyEntry, Page, Position, Query, StoreError, Want},
    value::{Id, Ref, Time},
};
use rusqlite::{CachedStatement, Connection};
use serde::Deserialize as _;

use crate::{
    error::Failure,
    layout::{Layout, layout},
    row::{self, Binds, fits, glance, image},
};

/// The number of records that one list call examines before it returns a short page.
const EXAMINED: usize = 4_000;

/// Returns the epochs of a tenant.
pub(crate) fn epochs(db: &Connection, tenant: Id) -> Result<Epochs, Failure> {
    let mut statement = db.prepare_cached("select definitions, access from epoch where tenant_id = ?")?;
    Binds::new(&mut statement).id(tenant)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok(Epochs::default()) };
    let epoch = |at: usize| Ok::<_, Failure>(row::maybe_id(row, at)?.unwrap_or_default().typed());
    Ok(Epochs { definitions: epoch(0)?, access: epoch(1)? })
}

/// Reads records and entries of idempotency keys.
pub(crate) fn get(db: &Connection, tenant: Id, wants: &[Want]) -> Result<Answer, Failure> {
    let epochs = epochs(db, tenant)?;
    let got = wants.iter().map(|want| match want {
        Want::Record(of) => record(db, tenant, *of).map(Got::Record),
        Want::Claimed(claim) => claimed(db, tenant, claim).map(Got::Record),
        Want::Key(key) => key_entry(db, tenant, key).map(Got::Key),
    });
    Ok(Answer { epochs, got: got.collect::<Result<_, _>>()? })
}

fn record(db: &Connection, tenant: Id, record: Ref) -> Result<Option<Arc<Image>>, Failure> {
    let layout = layout(record.kind);
    let mut statement = db.prepare_cached(&layout.get)?;
    let mut bind = Binds::new(&mut statement);
    bind.id(tenant)?;
    bind.id(record.id)?;
    statement.raw_query().next()?.map(|row| image(layout, row, true).map(Arc::new)).transpose()
}

fn claimed(db: &Connection, tenant: Id, claim: &Claim) -> Result<Option<Arc<Image>>, Failure> {
    let mut statement = db.prepare_cached(
        "select holder_tenant_id, holder_id from claim where tenant_id = ?1 and kind = ?2 and name = ?3 and value = ?4 \
         and holder_kind = ?2",
    )?;
    let mut bind = Binds::new(&mut statement);
    bind.id(claim.tenant)?;
    bind.text(claim.kind.name())?;
    bind.text(&claim.name)?;
    bind.text(&claim.value)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok(None) };
    let (owner, holder) = (row::id(row, 0)?, row::id(row, 1)?);
    // Claims under the nil tenant (slugs) may be held by a record of any tenant, others only by one of their own.
    if claim.tenant.is_nil() || (claim.tenant, owner) == (tenant, tenant) {
        record(db, owner, Ref::new(claim.kind, holder))
    } else {
        Ok(None)
    }
}

/// Reads the entry of an idempotency key, without records of kinds that this program does not know.
fn key_entry(db: &Connection, tenant: Id, key: &str) -> Result<Option<KeyEntry>, Failure> {
    let mut statement = db.prepare_cached("select entry from idempotency_key where tenant_id = ? and key = ?")?;
    let mut bind = Binds::new(&mut statement);
    bind.id(tenant)?;
    bind.text(key)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut json: serde_json::Value = serde_json::from_str(row::text(row, 0)?)?;
    if let Some(records) = json.get_mut("records").and_then(serde_json::Value::as_array_mut) {
        records.retain(|record| record.get(0).is_some_and(|record| Ref::deserialize(record).is_ok()));
    }
    Ok(Some(serde_json::from_value(json)?))
}

/// Reads all definitions of a tenant.
pub(crate) fn definitions(db: &Connection, tenant: Id) -> Result<Definitions, Failure> {
    let epochs = epochs(db, tenant)?;
    let mut images = Vec::new();
    for decl in catalog::all().filter(|decl| decl.is_definition) {
        let layout = layout(decl.kind);
        let mut statement = db.prepare_cached(&layout.all)?;
        Binds::new(&mut statement).id(tenant)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            images.push(Arc::new(image(layout, row, true)?));
        }
    }
    Ok(Definitions { epochs, images })
}

/// Returns the tenants that have an organization, by id.
pub(crate) fn tenants(db: &Connection, after: Option<Id>, limit: usize) -> Result<Vec<Id>, Failure> {
    let mut statement = db
        .prepare_cached("select distinct tenant_id from organization where tenant_id > ? order by tenant_id limit ?")?;
    let mut bind = Binds::new(&mut statement);
    bind.id(after.unwrap_or(Id::NIL))?;
    bind.count(limit as u64)?;
    let mut rows = statement.raw_query();
    let mut tenants = Vec::new();
    while let Some(row) = rows.next()? {
        tenants.push(row::id(row, 0)?);
    }
    Ok(tenants)
}

/// Returns due records by tenant. Entries of the index by due time are sorted by tenant, so the next tenant is found by
/// seeking.
pub(crate) fn due(
    db: &Connection,
    decl: &'static KindDecl,
    until: Time,
    after: Option<Id>,
    per_tenant: usize,
    limit: usize,
) -> Result<Vec<(Id, Ref, Time)>, Failure> {
    let Some(sql) = &layout(decl.kind).due else { return Ok(Vec::new()) };
    let (mut due, mut tenant) = (Vec::new(), after.unwrap_or_default());
    while due.len() < limit {
        let mut statement = db.prepare_cached(&sql.tenant)?;
        Binds::new(&mut statement).id(tenant)?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { break };
        tenant = row::id(row, 0)?;
        let mut statement = db.prepare_cached(&sql.records)?;
        let mut bind = Binds::new(&mut statement);
        bind.id(tenant)?;
        bind.int(until.micros())?;
        bind.count(per_tenant.min(limit - due.len()) as u64)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            due.push((tenant, Ref::new(decl.kind, row::id(row, 0)?), row::time(row, 1)?));
        }
    }
    Ok(due)
}

/// Binds the values of a query: tenant, equal values, position. `None` if no record can match.
fn bind_query(statement: &mut CachedStatement<'_>, layout: &Layout, query: &Query) -> Result<Option<()>, Failure> {
    let mut bind = Binds::new(statement);
    bind.id(query.tenant)?;
    for (&at, value) in query.index.equals.iter().zip(&query.equals) {
        let field = &layout.decl.fields[at];
        let ty = field.ty.element();
        if query.index.per_element {
            if !fits(ty, value) {
                return Ok(None);
            }
            bind.element(value)?;
        } else if value.is_null() || fits(ty, value) {
            bind.field(field, value)?;
        } else {
            return Ok(None);
        }
    }
    if let Some(after) = &query.after {
        bind.sort(&after.sort)?;
        bind.id(after.id)?;
    }
    Ok(Some(()))
}

fn check(query: &Query) -> Result<(), Failure> {
    let bad = |what: &str| Failure::from(StoreError::BadQuery(what.to_owned()));
    if query.equals.len() != query.index.equals.len() {
        return Err(bad("a value is required for each equal field of the index"));
    }
    let ty = query.decl.fields[query.index.sort].ty;
    match &query.after {
        Some(after) if !after.sort.is_null() && !fits(ty, &after.sort) => Err(bad("the cursor does not fit this list")),
        _ => Ok(()),
    }
}

/// The fields that a filter tests.
fn tested(filter: &Predicate, fields: &mut Vec<usize>) {
    match filter {
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().for_each(|part| tested(part, fields)),
        Predicate::Not(part) => tested(part, fields),
        Predicate::Test(test) if !fields.contains(&test.path.field) => fields.push(test.path.field),
        Predicate::Test(_) | Predicate::Ids(_) => {}
    }
}

/// Returns a page of a list.
pub(crate) fn list(db: &Connection, query: &Query) -> Result<Page, Failure> {
    check(query)?;
    let layout = layout(query.decl.kind);
    let pages = &layout.lists[query.index.position].pages;
    let mut statement = db.prepare_cached(&pages[usize::from(query.descending)][usize::from(query.after.is_some())])?;
    if bind_query(&mut statement, layout, query)?.is_none() {
        return Ok(Page::default());
    }
    let mut fields = Vec::new();
    tested(&query.filter, &mut fields);
    let (limit, passes_all) = (query.limit.max(1), query.filter.is_always());
    let mut seen = Image::empty(query.decl, query.tenant, Id::NIL);
    let mut page = Page::default();
    let mut rows = statement.raw_query();
    for examined in 0.. {
        let Some(row) = rows.next()? else {
            page.next = None;
            break;
        };
        if page.items.len() == limit || examined == EXAMINED.max(limit) {
            break;
        }
        if !passes_all {
            glance(layout, &fields, row, &mut seen)?;
        }
        if passes_all || query.filter.holds(&seen) {
            let found = image(layout, row, false)?;
            page.next = Some(Position { sort: query.index.sort_value(&found), id: found.id });
            page.items.push(Arc::new(found));
        } else if examined + 1 == EXAMINED.max(limit) {
            glance(layout, &[query.index.sort], row, &mut seen)?;
            page.next = Some(Position { sort: query.index.sort_value(&seen), id: seen.id });
        }
    }
    Ok(page)
}

/// Counts the records of a list.
pub(crate) fn count(db: &Connection, query: &Query) -> Result<u64, Failure> {
    let query = Query { after: None, ..query.clone() };
    check(&query)?;
    let layout = layout(query.decl.kind);
    let lists = &layout.lists[query.index.position];
    let passes_all = query.filter.is_always();
    let mut statement = db.prepare_cached(if passes_all { &lists.count } else { &lists.pages[0][0] })?;
    if query.filter.is_never() || bind_query(&mut statement, layout, &query)?.is_none() {
        return Ok(0);
    }
    let mut rows = statement.raw_query();
    if passes_all {
        return rows.next()?.map_or(Ok(0), |row| row::count(row, 0));
    }
    let mut fields = Vec::new();
    tested(&query.filter, &mut fields);
    let mut seen = Image::empty(query.decl, query.tenant, Id::NIL);
    let mut count = 0;
    while let Some(row) = rows.next()? {
        glance(layout, &fields, row, &mut seen)?;
        count += u64::from(query.filter.holds(&seen));
    }
    Ok(count)
}
