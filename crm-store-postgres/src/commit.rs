//! A commit: one statement that calls the functions of `sql/commit.sql`, one round trip.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use crm_core::{
    change::{Change, FieldChange, Origin},
    schema::Group,
    store::{ClaimOp, Commit, StoreError, Write},
    value::{Id, Kind, Ref, Time},
};
use serde::Serialize;
use sqlx::postgres::PgArguments;

use crate::{
    args::Statement,
    error,
    layout::{insert_rank, layout},
    link::Link,
    row::{encode, group_number},
};

/// How often a commit that the server gave up for the sake of another is tried again.
const RETRIES: u32 = 3;

/// Stores a commit. On a pool, it is tried again where the server gave it up for another (deadlock, serialization); on
/// the caller's own transaction never, since there the whole transaction is lost.
pub(crate) async fn commit(link: &Link, commit: &Commit) -> Result<(), StoreError> {
    commit.check_budget()?;
    let Some((sql, arguments)) = statement(commit)? else { return Ok(()) };
    let mut tried = 0;
    loop {
        match link.rows(Arc::clone(&sql), arguments.clone()).await {
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

/// A record that must be there, at versions.
struct Locked {
    record: Ref,
    is_guard: bool,
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
    /// Which of the records written, from 1.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    z: Option<&'a serde_json::Value>,
    f: &'a [FieldChange],
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<&'a [Ref]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<Id>,
}

impl<'a> ChangeRow<'a> {
    fn new(record: usize, change: &'a Change) -> Self {
        Self {
            i: record,
            g: group_number(change.group),
            v: change.version,
            c: change.commit,
            r: change.recorded_at,
            o: (change.occurred_at != change.recorded_at).then_some(change.occurred_at),
            b: change.by,
            a: change.action.as_ref(),
            origin: change.origin.as_deref(),
            z: change.cause.as_deref(),
            f: &change.fields,
            w: (!change.with.is_empty()).then_some(&change.with),
            s: change.stage_move,
        }
    }
}

/// The records that must be there, in the order in which they are locked.
fn locked(commit: &Commit) -> Vec<Locked> {
    let written = commit.writes.iter().filter(|write| !write.is_new()).map(|write| {
        let expected = |group: Group| write.writes(group).then(|| write.base().of(group));
        Locked {
            record: write.record(),
            is_guard: false,
            person: expected(Group::Person),
            machine: expected(Group::Machine),
        }
    });
    let guarded = commit.guards.iter().map(|guard| Locked {
        record: guard.record,
        is_guard: true,
        person: Some(guard.version),
        machine: None,
    });
    let mut all: Vec<Locked> = written.chain(guarded).collect();
    all.sort_by_key(|locked| locked.record);
    all
}

/// The writes in their order: new records first, each kind after those it refers to; then what is there.
fn ordered(commit: &Commit) -> Vec<&Write> {
    let mut all: Vec<&Write> = commit.writes.iter().collect();
    all.sort_by_key(|write| {
        let record = write.record();
        (!write.is_new(), if write.is_new() { insert_rank(record.kind) } else { 0 }, record)
    });
    all
}

/// What is done to claims, in the order in which they are locked.
fn claims(commit: &Commit) -> Vec<ClaimRow<'_>> {
    let mut ops: Vec<&ClaimOp> = commit.claims.iter().collect();
    ops.sort_by(|a, b| a.claim().cmp(b.claim()));
    ops.into_iter()
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
        .collect()
}

/// The groups that a write sets of a record that is there, as bits; none for a new one, which is written whole.
fn groups(write: &Write) -> i16 {
    if write.is_new() {
        0
    } else {
        i16::from(write.writes(Group::Person)) + 2 * i16::from(write.writes(Group::Machine))
    }
}

/// Binds where the runs of equal elements begin and end, and gives of each its element and the expressions of both. The
/// statement must not depend on how many records there are.
fn runs<T: Copy + PartialEq>(statement: &mut Statement, all: &[T]) -> Result<Vec<(T, String)>, StoreError> {
    let mut ends: Vec<i32> = vec![0];
    let runs: Vec<T> = all
        .chunk_by(PartialEq::eq)
        .map(|run| {
            // A commit has a hundred items at most.
            ends.push(ends[ends.len() - 1] + i32::try_from(run.len()).unwrap_or(i32::MAX));
            run[0]
        })
        .collect();
    let ends = format!("({}::integer[])", statement.bind(ends)?);
    Ok(runs.into_iter().zip(1..).map(|(run, at)| (run, format!("{ends}[{at}] + 1, {ends}[{}]", at + 1))).collect())
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

/// The statement of a commit: a call for each thing there is to do, and of locking, writing and entering one for each kind.
/// So its text depends on which kinds take part, and how, and is one of few. `None` where there is nothing to do.
fn statement(commit: &Commit) -> Result<Option<(Arc<str>, PgArguments)>, StoreError> {
    let json = |text: Result<String, serde_json::Error>| text.map_err(|error| StoreError::BadQuery(error.to_string()));
    // Past what the column holds is a version that no record has.
    let number = |version: Option<u64>| version.map(|version| i64::try_from(version).unwrap_or(i64::MAX));
    let (locked, writes) = (locked(commit), ordered(commit));
    let kinds: Vec<&str> = writes.iter().map(|write| write.record().kind.name()).collect();
    let ids: Vec<_> = writes.iter().map(|write| write.record().id.uuid()).collect();
    let new = writes.partition_point(|write| write.is_new());
    let mut statement = Statement::default();
    let mut calls: Vec<String> = Vec::new();
    let tenant = statement.bind(commit.tenant.uuid())?;
    let there_not = format!("{}, {}", statement.bind(&kinds[..new])?, statement.bind(&ids[..new])?);

    if let Some(key) = &commit.key {
        calls.push(format!(
            "key_v1({tenant}, {}, {}, {}, {})",
            statement.bind(commit.at.chrono())?,
            statement.bind(key.key.as_str())?,
            statement.bind(json(serde_json::to_string(key))?)?,
            statement.bind(key.expires_at.chrono())?,
        ));
    }

    if !locked.is_empty() {
        let arrays = [
            statement.bind(locked.iter().map(|one| one.record.id.uuid()).collect::<Vec<_>>())?,
            statement.bind(locked.iter().map(|one| one.is_guard).collect::<Vec<_>>())?,
            statement.bind(locked.iter().map(|one| number(one.person)).collect::<Vec<_>>())?,
            statement.bind(locked.iter().map(|one| number(one.machine)).collect::<Vec<_>>())?,
        ]
        .join(", ");
        let of: Vec<Kind> = locked.iter().map(|one| one.record.kind).collect();
        for (kind, range) in runs(&mut statement, &of)? {
            calls.push(format!("lock_{kind}_v1({tenant}, {arrays}, {range}, {there_not})"));
        }
    }

    let claims = claims(commit);
    if !claims.is_empty() {
        let claims = statement.bind(json(serde_json::to_string(&claims))?)?;
        calls.push(format!("claim_v1({tenant}, {claims}, {there_not})"));
    }

    if !writes.is_empty() {
        let rows = writes.iter().map(|write| encode(write)).collect::<Result<Vec<String>, _>>()?;
        let all_ids = statement.bind(&ids)?;
        let arrays =
            [statement.bind(rows)?, statement.bind(writes.iter().map(|write| groups(write)).collect::<Vec<_>>())?]
                .join(", ");
        let of: Vec<(bool, &str)> = writes.iter().map(|write| write.is_new()).zip(kinds.iter().copied()).collect();
        for ((_, kind), range) in runs(&mut statement, &of)? {
            calls.push(format!("write_{kind}_v1({tenant}, {all_ids}, {arrays}, {range}, {there_not})"));
        }
        // After all records, to which they refer.
        let mut entered: BTreeMap<&str, Vec<uuid::Uuid>> = BTreeMap::new();
        for write in writes.iter().filter(|write| moves_entries(write)) {
            entered.entry(write.record().kind.name()).or_default().push(write.record().id.uuid());
        }
        for (kind, ids) in entered {
            calls.push(format!("enter_{kind}_v1({tenant}, {})", statement.bind(ids)?));
        }
        let changes: Vec<ChangeRow<'_>> = (1..)
            .zip(&writes)
            .flat_map(|(at, write)| write.changes.iter().map(move |change| ChangeRow::new(at, change)))
            .collect();
        if !changes.is_empty() {
            let changes = statement.bind(json(serde_json::to_string(&changes))?)?;
            calls.push(format!("log_v1({tenant}, {}, {all_ids}, {changes})", statement.bind(&kinds)?));
        }
    }

    if commit.touches_definitions() || commit.touches_access() {
        let epoch = |touched: bool| touched.then_some(commit.id.uuid());
        let definitions = statement.bind(epoch(commit.touches_definitions()))?;
        calls.push(format!("epoch_v1({tenant}, {definitions}, {})", statement.bind(epoch(commit.touches_access()))?));
    }

    if calls.is_empty() {
        return Ok(None);
    }
    // One after the other: of a CASE each condition is evaluated only if those before it were false.
    statement.push(&format!("select case when crm.{} then 1 end", calls.join(" then 1 when crm.")));
    Ok(Some(statement.finish()))
}
