//! A commit: one call of `crm.commit_v1`, one round trip.

use std::{
    hash::{BuildHasher as _, Hasher as _},
    sync::{Arc, LazyLock},
    time::Duration,
};

use crm_core::{
    change::{Change, FieldChange, Origin},
    schema::Group,
    store::{ClaimOp, Commit, StoreError, Write},
    value::{Id, Kind, Ref, Time},
};
use serde::Serialize;
use sqlx::{Arguments as _, postgres::PgArguments};

use crate::{
    error,
    layout::{insert_rank, layout},
    link::Link,
    row::{encode, group_number},
};

/// How often a commit that the server gave up for the sake of another is tried again.
const RETRIES: u32 = 3;

static CALL: LazyLock<Arc<str>> = LazyLock::new(|| {
    "select crm.commit_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)".into()
});

/// Stores a commit. On a pool, it is tried again where the server gave it up for another (deadlock, serialization); on
/// the caller's own transaction never, since there the whole transaction is lost.
pub(crate) async fn commit(link: &Link, commit: &Commit) -> Result<(), StoreError> {
    commit.check_budget()?;
    let arguments = arguments(commit)?;
    let mut tried = 0;
    loop {
        match link.rows(Arc::clone(&CALL), arguments.clone()).await {
            Ok(_) => return Ok(()),
            Err(failure) if failure.is_contention() && !link.is_open() && tried < RETRIES => {
                tried += 1;
                tokio::time::sleep(pause(tried)).await;
            }
            Err(failure) => return Err(error::of_commit(failure, commit, link.is_open())),
        }
    }
}

/// 10, 20, 40 ms, of which a random half is left out, so that two that met do not meet again.
fn pause(tried: u32) -> Duration {
    let whole = 10_000_u64 << tried.saturating_sub(1);
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    Duration::from_micros(whole / 2 + random % (whole / 2))
}

/// What is written or guarded, in the order in which it is locked.
struct Locked<'a> {
    record: Ref,
    write: Option<&'a Write>,
    /// The versions it must have; `None` where none is asked of the group.
    person: Option<u64>,
    machine: Option<u64>,
}

#[derive(Serialize)]
struct ClaimRow<'a> {
    tenant: Id,
    kind: Kind,
    name: &'a str,
    value: &'a str,
    from: Option<Id>,
    from_kind: Option<Kind>,
    to: Option<Id>,
    to_kind: Option<Kind>,
}

/// A change, under short names since a commit may have a hundred.
#[derive(Serialize)]
struct ChangeRow<'a> {
    /// Which of the records, from 1.
    i: usize,
    g: i16,
    v: u64,
    c: Id,
    r: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<Id>,
    a: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    f: &'a [FieldChange],
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<&'a [Ref]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<Id>,
}

impl<'a> ChangeRow<'a> {
    fn new(record: usize, change: &'a Change) -> Self {
        Self {
            i: record + 1,
            g: group_number(change.group),
            v: change.version,
            c: change.commit,
            r: change.recorded_at,
            o: (change.occurred_at != change.recorded_at).then_some(change.occurred_at),
            b: change.by,
            a: change.action.as_ref(),
            origin: change.origin.as_deref(),
            f: &change.fields,
            w: (!change.with.is_empty()).then_some(&change.with),
            s: change.stage_move,
        }
    }
}

fn locked(commit: &Commit) -> Vec<Locked<'_>> {
    let writes = commit.writes.iter().map(|write| {
        let base = write.base();
        let expected = |group: Group| (write.writes(group)).then(|| base.of(group));
        Locked {
            record: write.record(),
            write: Some(write),
            person: expected(Group::Person),
            machine: expected(Group::Machine),
        }
    });
    let guards = commit.guards.iter().map(|guard| Locked {
        record: guard.record,
        write: None,
        person: Some(guard.version),
        machine: None,
    });
    let mut all: Vec<Locked<'_>> = writes.chain(guards).collect();
    all.sort_by_key(|locked| locked.record);
    all
}

/// Whether a write changes what stands in the tables of list-valued indexes.
fn moves_entries(write: &Write) -> bool {
    let layout = layout(write.after.kind());
    layout.entries.iter().any(|entries| {
        let of = |image: &crm_core::schema::Image| (entries.index.entries(image), entries.index.sort_value(image));
        match &write.before {
            None => !entries.index.entries(&write.after).is_empty(),
            Some(before) => of(before) != of(&write.after),
        }
    })
}

fn arguments(commit: &Commit) -> Result<PgArguments, StoreError> {
    let locked = locked(commit);
    let bad = |error: sqlx::error::BoxDynError| StoreError::BadQuery(error.to_string());
    let number = |version: Option<u64>| {
        // Past what the column holds is a version that no record has.
        version.map(|version| i64::try_from(version).unwrap_or(i64::MAX))
    };

    let mut rows: Vec<Option<String>> = Vec::with_capacity(locked.len());
    let mut order: Vec<usize> = Vec::with_capacity(commit.writes.len());
    let mut entries: Vec<bool> = Vec::with_capacity(locked.len());
    let mut changes: Vec<ChangeRow<'_>> = Vec::new();
    for (at, one) in locked.iter().enumerate() {
        rows.push(one.write.map(encode).transpose()?);
        entries.push(one.write.is_some_and(moves_entries));
        if let Some(write) = one.write {
            order.push(at);
            changes.extend(write.changes.iter().map(|change| ChangeRow::new(at, change)));
        }
    }
    // New records first, each kind after those it refers to; then what is updated.
    order.sort_by_key(|&at| {
        let is_new = locked[at].write.is_some_and(Write::is_new);
        (!is_new, if is_new { insert_rank(locked[at].record.kind) } else { 0 }, at)
    });
    let mut ops: Vec<&ClaimOp> = commit.claims.iter().collect();
    ops.sort_by(|a, b| a.claim().cmp(b.claim()));
    let claims: Vec<ClaimRow<'_>> = ops
        .into_iter()
        .map(|op| {
            let (claim, from, to) = (op.claim(), op.held_before(), op.held_after());
            ClaimRow {
                tenant: claim.tenant,
                kind: claim.kind,
                name: &claim.name,
                value: &claim.value,
                from: from.map(|record| record.id),
                from_kind: from.map(|record| record.kind),
                to: to.map(|record| record.id),
                to_kind: to.map(|record| record.kind),
            }
        })
        .collect();

    let json = |there: bool, text: Result<String, serde_json::Error>| -> Result<Option<String>, StoreError> {
        if there { text.map(Some).map_err(|error| StoreError::BadQuery(error.to_string())) } else { Ok(None) }
    };
    let key = commit.key.as_ref();
    let mode = |one: &Locked<'_>| match one.write {
        None => "guard",
        Some(write) if write.is_new() => "new",
        Some(_) => "write",
    };
    // A new record has no version to be at: the marks only say that both groups are written.
    let expected = |one: &Locked<'_>, version: Option<u64>| {
        if one.write.is_some_and(Write::is_new) { Some(0) } else { number(version) }
    };
    let mut bound = PgArguments::default();
    // Where one record is written: ids, modes and versions in arrays of one take some 300 bytes.
    bound.reserve(18, 512 + rows.iter().flatten().map(String::len).sum::<usize>() + 512 * changes.len());
    bound.add(commit.tenant.uuid()).map_err(bad)?;
    bound.add(commit.id.uuid()).map_err(bad)?;
    bound.add(commit.at.chrono()).map_err(bad)?;
    bound.add(key.map(|key| key.key.as_str())).map_err(bad)?;
    bound.add(json(key.is_some(), serde_json::to_string(&key))?).map_err(bad)?;
    bound.add(key.map(|key| key.expires_at.chrono())).map_err(bad)?;
    bound.add(locked.iter().map(|one| one.record.kind.name()).collect::<Vec<&str>>()).map_err(bad)?;
    bound.add(locked.iter().map(|one| one.record.id.uuid()).collect::<Vec<_>>()).map_err(bad)?;
    bound.add(locked.iter().map(mode).collect::<Vec<&str>>()).map_err(bad)?;
    bound.add(locked.iter().map(|one| expected(one, one.person)).collect::<Vec<_>>()).map_err(bad)?;
    bound.add(locked.iter().map(|one| expected(one, one.machine)).collect::<Vec<_>>()).map_err(bad)?;
    bound.add(rows).map_err(bad)?;
    bound.add(entries.contains(&true).then_some(entries)).map_err(bad)?;
    let order = order.into_iter().map(|at| i32::try_from(at + 1).unwrap_or(i32::MAX)).collect::<Vec<_>>();
    bound.add((!order.is_empty()).then_some(order)).map_err(bad)?;
    bound.add(json(!changes.is_empty(), serde_json::to_string(&changes))?).map_err(bad)?;
    bound.add(json(!claims.is_empty(), serde_json::to_string(&claims))?).map_err(bad)?;
    bound.add(commit.touches_definitions()).map_err(bad)?;
    bound.add(commit.touches_access()).map_err(bad)?;
    Ok(bound)
}
