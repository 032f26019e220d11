//! A commit: all conditions are checked, then everything is written, in one transaction of the engine.
//!
//! redb has a single writer at a time, so a checked condition still holds when the data is written. An engine with
//! concurrent writers needs locks here, taken in the order of the commit.

use crm_core::{
    schema::{Group, Image, Versions},
    store::{ClaimOp, Commit, KeyEntry, StoreError, Write},
    value::{Id, Ref},
};
use redb::{Database, ReadableTable, WriteTransaction};

use super::{
    failure::Failure,
    tables::{
        self, CHANGES, CLAIMS, EPOCHS, FEED, INDEX, KEYS, LOG, MOVES, RECORDS, RecordKey, Row, change_at, claim_key,
        log_at_time, number, record_key, record_of,
    },
};

/// Stores a commit atomically.
pub fn commit(db: &Database, commit: &Commit) -> Result<(), Failure> {
    commit.check_budget()?;
    let transaction = db.begin_write()?;
    check(&transaction, commit)?; // an error drops the transaction and its writes
    apply(&transaction, commit)?;
    // From here on the outcome is unknown: the engine may fail after the data is durable.
    transaction.commit().map_err(|error| StoreError::outcome_unknown(error.to_string()))?;
    Ok(())
}

/// Checks the conditions in the order in which the contract requires failures to be reported.
fn check(transaction: &WriteTransaction, commit: &Commit) -> Result<(), Failure> {
    if let Some(key) = &commit.key {
        let keys = transaction.open_table(KEYS)?;
        if let Some(entry) = keys.get((number(commit.tenant), key.key.as_str()))? {
            let entry: KeyEntry = serde_json::from_slice(entry.value())?;
            if entry.expires_at > commit.at {
                return Err(StoreError::KeyUsed.into());
            }
        }
    }

    let records = transaction.open_table(RECORDS)?;
    let current = |record: Ref| versions(&records, commit.tenant, record);
    let mut conflicts = Vec::new();
    for write in &commit.writes {
        let stored = current(write.record())?;
        if !fits(write, stored) {
            conflicts.push((write.record(), stored));
        }
    }
    for guard in &commit.guards {
        let stored = current(guard.record)?;
        if stored.is_none_or(|versions| versions.person != guard.version) {
            conflicts.push((guard.record, stored));
        }
    }
    // Writes and guards are sorted separately; the contract requires the smallest record of both.
    if let Some((record, current)) = conflicts.into_iter().min_by_key(|(record, _)| *record) {
        return Err(StoreError::Conflict { record, current }.into());
    }

    let claims = transaction.open_table(CLAIMS)?;
    for op in &commit.claims {
        let held = claims.get(claim_key(op.claim()))?.map(|holder| holder.value());
        match op {
            ClaimOp::Take { claim, holder } => {
                if let Some(other) = held.filter(|held| *held != record_key(commit.tenant, *holder)) {
                    let (_, holder) = record_of(other).ok_or_else(|| StoreError::corrupt("a claim of no kind"))?;
                    return Err(StoreError::Claimed { claim: claim.clone(), holder }.into());
                }
            }
            ClaimOp::Release { holder: record, .. } | ClaimOp::Transfer { from: record, .. } => {
                if held != Some(record_key(commit.tenant, *record)) {
                    return Err(StoreError::Conflict { record: *record, current: current(*record)? }.into());
                }
            }
        }
    }
    Ok(())
}

/// Returns `true` if a write applies to the stored versions: a new record requires that none is stored, an update that
/// the versions of all groups it writes are unchanged.
fn fits(write: &Write, stored: Option<Versions>) -> bool {
    match (&write.before, stored) {
        (None, None) => true,
        (Some(before), Some(stored)) => [Group::User, Group::Machine]
            .into_iter()
            .all(|group| !write.writes(group) || before.versions.of(group) == stored.of(group)),
        _ => false,
    }
}

fn versions(
    records: &impl ReadableTable<RecordKey, &'static [u8]>,
    tenant: Id,
    record: Ref,
) -> Result<Option<Versions>, Failure> {
    let Some(row) = records.get(record_key(tenant, record))? else { return Ok(None) };
    Ok(Some(serde_json::from_slice::<Row>(row.value())?.versions))
}

fn apply(transaction: &WriteTransaction, commit: &Commit) -> Result<(), Failure> {
    let tenant = number(commit.tenant);
    for write in &commit.writes {
        write_record(transaction, commit.tenant, write)?;
        write_changes(transaction, commit.tenant, write)?;
    }
    let mut claims = transaction.open_table(CLAIMS)?;
    for op in &commit.claims {
        match op.held_after() {
            Some(record) => drop(claims.insert(claim_key(op.claim()), record_key(commit.tenant, record))?),
            None => drop(claims.remove(claim_key(op.claim()))?),
        }
    }
    if let Some(key) = &commit.key {
        let entry = serde_json::to_vec(key)?;
        transaction.open_table(KEYS)?.insert((tenant, key.key.as_str()), entry.as_slice())?;
    }
    let mut all = transaction.open_table(EPOCHS)?;
    let before = all.get(tenant)?.map(|epochs| epochs.value()).unwrap_or_default();
    let after = tables::epochs(before).after(commit);
    let after = (number(after.definitions), number(after.access));
    if after != before {
        all.insert(tenant, after)?;
    }
    Ok(())
}

/// Writes the record's row and its entries in the indexes.
fn write_record(transaction: &WriteTransaction, tenant: Id, write: &Write) -> Result<(), Failure> {
    let key = record_key(tenant, write.record());
    let mut records = transaction.open_table(RECORDS)?;
    let stored = records.get(key)?.map(|row| row.value().to_vec());
    let read = |bytes: &[u8]| serde_json::from_slice::<Row>(bytes);
    let mut row = match &stored {
        Some(bytes) => read(bytes)?,
        None => Row::default(),
    };
    row.write(write);
    let bytes = serde_json::to_vec(&row)?;
    records.insert(key, bytes.as_slice())?;

    let mut entries = transaction.open_table(INDEX)?;
    if let Some(bytes) = stored {
        each_place(&read(&bytes)?.image(tenant, write.record()), |place| {
            entries.remove(place)?;
            Ok(())
        })?;
    }
    each_place(&row.image(tenant, write.record()), |place| {
        entries.insert(place, ())?;
        Ok(())
    })
}

fn each_place(image: &Image, mut each: impl FnMut(tables::IndexKey<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    image.decl.indexes.iter().try_for_each(|index| tables::places(image, index, &mut each))
}

/// Writes the changes, and pointers to them in the three orders in which they are read.
fn write_changes(transaction: &WriteTransaction, tenant: Id, write: &Write) -> Result<(), Failure> {
    let mut changes = transaction.open_table(CHANGES)?;
    let mut log = transaction.open_table(LOG)?;
    let mut moves = transaction.open_table(MOVES)?;
    let mut feed = transaction.open_table(FEED)?;
    let first = feed.last()?.map_or(0, |(last, _)| last.value() + 1);
    for (number_in_feed, change) in (first..).zip(&write.changes) {
        let at = (record_key(tenant, change.record), change_at(change.recorded_at, change.group, change.version));
        changes.insert(at, serde_json::to_vec(change)?.as_slice())?;
        log.insert((number(tenant), log_at_time(change, change.recorded_at)), ())?;
        if let Some(pipeline) = change.stage_move {
            let occurred = log_at_time(change, change.occurred_at);
            moves.insert((number(tenant), number(pipeline), occurred), change.recorded_at.micros())?;
        }
        feed.insert(number_in_feed, at)?;
    }
    Ok(())
}
