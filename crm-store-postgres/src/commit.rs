//! Commits: one statement, in one round trip, that calls the functions of `sql/commit.sql`.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use crm_core::{
    change::{Change, FieldChange, Origin},
    pipelines::Pipeline,
    schema::Group,
    store::{ClaimOp, Commit, CommitId, StoreError, Write},
    users::User,
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

/// The maximum number of retries of a commit that the server aborted because of contention.
const RETRIES: u32 = 3;

/// Stores a commit. On a pool, a commit that the server aborted (deadlock, serialization failure) is retried. In the
/// caller's own transaction it is not, because the error aborts the whole transaction.
pub(crate) async fn commit(link: &Link, commit: &Commit) -> Result<(), StoreError> {
    commit.check_budget()?;
    let Some((sql, arguments)) = statement(commit)? else { return Ok(()) };
    let mut tried = 0;
    loop {
        match link.rows(Arc::clone(&sql), arguments.clone()).await {
            Ok(_) => return Ok(()),
            Err(failure) if failure.is_contention() && !link.is_open() && tried < RETRIES => {
                tried += 1;
                tracing::debug!(commit = %commit.id, attempt = tried, "contention: retrying the commit");
                tokio::time::sleep(pause(tried)).await;
            }
            Err(failure) => return Err(error::of_commit(failure, commit, link.is_open())),
        }
    }
}

/// 10, 20, 40 ms, minus a random part of up to half, so that two conflicting commits do not collide again.
fn pause(tried: u32) -> Duration {
    let whole = 10_000_u64 << tried.saturating_sub(1);
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    Duration::from_micros(whole / 2 + random % (whole / 2))
}

/// A record that must exist at the given versions.
struct Locked {
    record: Ref,
    is_guard: bool,
    /// The expected versions; `None` if the group is not checked.
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

/// A change. The names are short because a commit may contain a hundred.
#[derive(Serialize)]
struct ChangeRow<'a> {
    /// The 1-based position of the written record.
    i: usize,
    g: i16,
    v: u64,
    c: CommitId,
    r: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<Id<User>>,
    a: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    z: Option<&'a serde_json::Value>,
    f: &'a [FieldChange],
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<&'a [Ref]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<Id<Pipeline>>,
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

/// The records that must exist, in locking order.
fn locked(commit: &Commit) -> Vec<Locked> {
    let written = commit.writes.iter().filter(|write| !write.is_new()).map(|write| {
        let expected = |group: Group| write.writes(group).then(|| write.base().of(group));
        Locked {
            record: write.record(),
            is_guard: false,
            person: expected(Group::User),
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

/// The writes in order: new records first, each kind after the kinds it refers to, then existing records.
fn ordered(commit: &Commit) -> Vec<&Write> {
    let mut all: Vec<&Write> = commit.writes.iter().collect();
    all.sort_by_key(|write| {
        let record = write.record();
        (!write.is_new(), if write.is_new() { insert_rank(record.kind) } else { 0 }, record)
    });
    all
}

/// The operations on claims, in locking order.
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

/// The groups of an existing record that a write sets, as bits. Zero for a new record, which is written whole.
fn groups(write: &Write) -> i16 {
    if write.is_new() { 0 } else { i16::from(write.writes(Group::User)) + 2 * i16::from(write.writes(Group::Machine)) }
}

/// Binds the bounds of the runs of equal elements, and returns each run's element with the expressions of its bounds.
/// The bounds are bound because the statement must not depend on the number of records.
fn runs<T: Copy + PartialEq>(statement: &mut Statement, all: &[T]) -> Result<Vec<(T, String)>, StoreError> {
    let mut ends: Vec<i32> = vec![0];
    let runs: Vec<T> = all
        .chunk_by(PartialEq::eq)
        .map(|run| {
            // A commit has at most a hundred items.
            ends.push(ends[ends.len() - 1] + i32::try_from(run.len()).unwrap_or(i32::MAX));
            run[0]
        })
        .collect();
    let ends = format!("({}::integer[])", statement.bind(ends)?);
    Ok(runs.into_iter().zip(1..).map(|(run, at)| (run, format!("{ends}[{at}] + 1, {ends}[{}]", at + 1))).collect())
}

/// Returns `true` if a write changes rows in the tables of list-valued indexes.
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

/// The statement of a commit: one call per step, with one call per kind for locking, writing and entering. The text
/// depends only on the kinds involved and the steps needed, so there are few different statements. `None` if the commit
/// is empty.
fn statement(commit: &Commit) -> Result<Option<(Arc<str>, PgArguments)>, StoreError> {
    let json = |text: Result<String, serde_json::Error>| text.map_err(|error| StoreError::BadQuery(error.to_string()));
    // A version beyond the column's range is one that no record has.
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
        // After all records, because entries refer to them.
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
    // CASE evaluates each condition only if all previous ones were false, so the calls run in order.
    statement.push(&format!("select case when crm.{} then 1 end", calls.join(" then 1 when crm.")));
    Ok(Some(statement.finish()))
}
