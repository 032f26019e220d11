//! A commit: all conditions are checked, then everything is written, within the writer's savepoint.

use std::fmt::Write as _;

use crm_core::{
    schema::{Group, Image, Versions},
    store::{ClaimOp, Commit, StoreError, Write},
    value::{Id, Ref, Time, Value},
};
use rusqlite::Connection;

use crate::{
    error::Failure,
    layout::{Entries, Layout, layout},
    log,
    row::{self, Binds, run},
};

/// Stores a commit. After an error the caller rolls back.
pub(crate) fn commit(db: &Connection, commit: &Commit) -> Result<u64, Failure> {
    check(db, commit)?;
    for write in &commit.writes {
        store(db, write)?;
        for change in &write.changes {
            log::append(db, commit.tenant, change)?;
        }
    }
    for op in &commit.claims {
        claim(db, commit.tenant, op)?;
    }
    if let Some(key) = &commit.key {
        run(
            db,
            "insert or replace into idempotency_key (tenant_id, key, entry, expires_at) values (?, ?, ?, ?)",
            |bind| {
                bind.id(commit.tenant)?;
                bind.text(&key.key)?;
                bind.text(&serde_json::to_string(key)?)?;
                bind.int(key.expires_at.micros())
            },
        )?;
    }
    let (definitions, access) = (commit.touches_definitions(), commit.touches_access());
    if definitions || access {
        let sql = "insert into epoch (tenant_id, definitions, access) values (?, ?, ?) on conflict (tenant_id) do update \
                   set definitions = ifnull(excluded.definitions, definitions), access = ifnull(excluded.access, access)";
        run(db, sql, |bind| {
            bind.id(commit.tenant)?;
            bind.maybe_id(definitions.then_some(commit.id))?;
            bind.maybe_id(access.then_some(commit.id))
        })?;
    }
    Ok(0)
}

/// Checks the conditions, in the order in which a failed one is reported.
fn check(db: &Connection, commit: &Commit) -> Result<(), Failure> {
    if let Some(key) = &commit.key {
        let mut statement =
            db.prepare_cached("select 1 from idempotency_key where tenant_id = ? and key = ? and expires_at > ?")?;
        let mut bind = Binds::new(&mut statement);
        bind.id(commit.tenant)?;
        bind.text(&key.key)?;
        bind.int(commit.at.micros())?;
        if statement.raw_query().next()?.is_some() {
            return Err(StoreError::KeyUsed.into());
        }
    }
    let mut conflicts: Vec<(Ref, Option<Versions>)> = Vec::new();
    for write in &commit.writes {
        let stored = current(db, commit.tenant, write.record())?;
        let fits = match (&write.before, stored) {
            (None, None) => true,
            (Some(before), Some(stored)) => [Group::User, Group::Machine]
                .into_iter()
                .all(|group| !write.writes(group) || before.versions.of(group) == stored.of(group)),
            _ => false,
        };
        if !fits {
            conflicts.push((write.record(), stored));
        }
    }
    for guard in &commit.guards {
        let stored = current(db, commit.tenant, guard.record)?;
        if stored.is_none_or(|versions| versions.person != guard.version) {
            conflicts.push((guard.record, stored));
        }
    }
    if let Some((record, current)) = conflicts.into_iter().min_by_key(|(record, _)| *record) {
        return Err(StoreError::Conflict { record, current }.into());
    }
    commit.claims.iter().try_for_each(|op| check_claim(db, commit.tenant, op))
}

/// The stored versions of a record.
fn current(db: &Connection, tenant: Id, record: Ref) -> Result<Option<Versions>, Failure> {
    let mut statement = db.prepare_cached(&layout(record.kind).versions)?;
    let mut bind = Binds::new(&mut statement);
    bind.id(tenant)?;
    bind.id(record.id)?;
    statement.raw_query().next()?.map(|row| row::versions(row, 0)).transpose()
}

fn check_claim(db: &Connection, tenant: Id, op: &ClaimOp) -> Result<(), Failure> {
    let claim = op.claim();
    let mut statement = db.prepare_cached(
        "select holder_tenant_id, holder_id, holder_kind from claim where tenant_id = ? and kind = ? and name = ? and \
         value = ?",
    )?;
    bind_claim(&mut Binds::new(&mut statement), op)?;
    let mut rows = statement.raw_query();
    let held = match rows.next()? {
        Some(row) => Some((row::id(row, 0)?, row::id(row, 1)?, row::kind(row, 2)?)),
        None => None,
    };
    let by = |record: Ref| Some((tenant, record.id, Some(record.kind)));
    match (op.held_before(), held) {
        (None, Some((_, holder, _))) if held != op.held_after().and_then(by) => {
            // The holder of a claim has the kind of the claim.
            let holder = Ref::new(claim.kind, holder);
            Err(StoreError::Claimed { claim: claim.clone(), holder }.into())
        }
        (Some(record), held) if held != by(record) => {
            Err(StoreError::Conflict { record, current: current(db, tenant, record)? }.into())
        }
        _ => Ok(()),
    }
}

fn bind_claim(bind: &mut Binds<'_, '_>, op: &ClaimOp) -> Result<(), Failure> {
    let claim = op.claim();
    bind.id(claim.tenant)?;
    bind.text(claim.kind.name())?;
    bind.text(&claim.name)?;
    bind.text(&claim.value)
}

fn claim(db: &Connection, tenant: Id, op: &ClaimOp) -> Result<(), Failure> {
    let sql = match op.held_after() {
        Some(_) => {
            "insert or replace into claim (tenant_id, kind, name, value, holder_tenant_id, holder_kind, holder_id) \
             values (?, ?, ?, ?, ?, ?, ?)"
        }
        None => "delete from claim where tenant_id = ? and kind = ? and name = ? and value = ?",
    };
    run(db, sql, |bind| {
        bind_claim(bind, op)?;
        if let Some(holder) = op.held_after() {
            bind.id(tenant)?;
            bind.text(holder.kind.name())?;
            bind.id(holder.id)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn store(db: &Connection, write: &Write) -> Result<(), Failure> {
    let layout = layout(write.after.kind());
    if write.after.values.len() != layout.columns.len() {
        return Err(StoreError::BadQuery("a record has a value for each field of its kind".to_owned()).into());
    }
    let n = match &write.before {
        None => insert(db, layout, &write.after)?,
        Some(before) => update(db, layout, write, before)?,
    };
    if write.writes(Group::User) {
        for entries in &layout.entries {
            enter(db, entries, write.before.as_deref(), &write.after, n)?;
        }
    }
    Ok(())
}

fn insert(db: &Connection, layout: &Layout, image: &Image) -> Result<i64, Failure> {
    run(db, &layout.insert, |bind| {
        bind.id(image.tenant)?;
        bind.id(image.id)?;
        bind.versions(image.versions)?;
        for (field, value) in layout.decl.fields.iter().zip(&image.values) {
            bind.field(field, value)?;
        }
        layout.keys.iter().try_for_each(|key| sort_key(bind, &key.index.sort_value(image)))
    })?;
    Ok(db.last_insert_rowid())
}

/// Binds a sort key, which only texts have.
pub(crate) fn sort_key(bind: &mut Binds<'_, '_>, value: &Value) -> Result<(), Failure> {
    if value.as_text().is_some() { bind.sort(value) } else { bind.null() }
}

/// Sets the columns that differ, of the groups that are written: SQLite rewrites the index entries of every column that
/// an update names. Columns of a newer program keep their values. The text depends on the columns, so it is the only
/// statement that is made for a call.
fn update(db: &Connection, layout: &Layout, write: &Write, before: &Image) -> Result<i64, Failure> {
    let after = &write.after;
    let is_set = |at: usize| write.writes(layout.decl.fields[at].section.group());
    let changed = |&at: &usize| is_set(at) && before.values.get(at) != Some(&after.values[at]);
    let changed: Vec<usize> = (0..after.values.len()).filter(changed).collect();
    let keys = layout.keys.iter().filter(|key| is_set(key.field));
    let keys = keys.map(|key| (key, key.index.sort_value(after)));
    let keys: Vec<_> = keys.filter(|(key, value)| key.index.sort_value(before) != *value).collect();

    let mut sql = format!("update \"{}\" set ", layout.decl.kind);
    for (group, column) in VERSIONS.iter().filter(|(group, _)| write.writes(*group)) {
        let comma = if *group == Group::Machine && write.writes(Group::User) { ", " } else { "" };
        let _ = write!(sql, "{comma}{column} = ?");
    }
    let names = changed.iter().flat_map(|&at| &layout.columns[at].names);
    for name in names.chain(keys.iter().map(|(key, _)| &key.column)) {
        let _ = write!(sql, ", \"{name}\" = ?");
    }
    sql.push_str(" where tenant_id = ? and id = ? returning n");

    let mut statement = db.prepare_cached(&sql)?;
    let mut bind = Binds::new(&mut statement);
    for (group, _) in VERSIONS.iter().filter(|(group, _)| write.writes(*group)) {
        bind.count(after.versions.of(*group))?;
    }
    for &at in &changed {
        bind.field(&layout.decl.fields[at], &after.values[at])?;
    }
    for (_, value) in &keys {
        sort_key(&mut bind, value)?;
    }
    bind.id(after.tenant)?;
    bind.id(after.id)?;
    let mut rows = statement.raw_query();
    let n = rows.next()?.map(|row| row::int(row, 0)).transpose()?;
    // The statement changes rows before it returns the first, and ends with the second step.
    while rows.next()?.is_some() {}
    n.ok_or_else(|| StoreError::corrupt("a record disappeared within a transaction").into())
}

const VERSIONS: [(Group, &str); 2] = [(Group::User, "version"), (Group::Machine, "machine_version")];

/// Moves the entries of a record in the table of a list-valued index.
pub(crate) fn enter(
    db: &Connection,
    entries: &Entries,
    before: Option<&Image>,
    after: &Image,
    n: i64,
) -> Result<(), Failure> {
    let of = |image: &Image| (entries.index.entries(image), entries.index.sort_value(image));
    let (old, new) = (before.map(of), of(after));
    if old.as_ref() == Some(&new) {
        return Ok(());
    }
    for element in old.iter().flat_map(|(elements, _)| elements).flatten() {
        let sort = old.as_ref().map_or(&Value::Null, |(_, sort)| sort);
        run(db, &entries.leave, |bind| bind_entry(bind, element, sort, after))?;
    }
    for element in new.0.iter().flatten() {
        run(db, &entries.enter, |bind| {
            bind_entry(bind, element, &new.1, after)?;
            bind.int(n)
        })?;
    }
    Ok(())
}

/// Binds the key of an entry.
pub(crate) fn bind_entry(
    bind: &mut Binds<'_, '_>,
    element: &Value,
    sort: &Value,
    image: &Image,
) -> Result<(), Failure> {
    bind.id(image.tenant)?;
    bind.element(element)?;
    bind.sort(sort)?;
    bind.id(image.id)
}

/// Deletes expired records and idempotency keys, up to a number of each kind, and returns how many.
pub(crate) fn forget_expired(db: &Connection, at: Time, limit: u32) -> Result<u64, Failure> {
    let keys = "delete from idempotency_key where (tenant_id, key) in (select tenant_id, key from idempotency_key where \
                expires_at <= ? order by expires_at limit ?)";
    let kinds = crm_core::catalog::all().filter_map(|decl| layout(decl.kind).forget.as_deref());
    let mut forgotten = 0;
    for sql in kinds.chain([keys]) {
        forgotten += run(db, sql, |bind| {
            bind.int(at.micros())?;
            bind.int(limit.into())
        })?;
    }
    Ok(forgotten as u64)
}
