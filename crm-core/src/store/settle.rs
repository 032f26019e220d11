//! What became of a commit that was sent more than once: a refusal may be its own earlier success.

use super::{Commit, Got, HistoryPosition, HistoryQuery, Records, StoreError, Want, traits::History};
use crate::schema::Group;

/// Changes that one look into a history reads.
const PAGE: usize = 50;

/// Whether a commit is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// What it wrote leaves no trace that tells it from others.
    Untold,
}

/// What to answer of a commit that was refused after an answer to it had been lost: success where it is stored; the refusal
/// where it is not and the refusal says that it can no longer be; [`StoreError::OutcomeUnknown`] otherwise, also where the
/// store cannot be asked. One read, of the log, the key or the records.
///
/// # Errors
/// As said. Never [`StoreError::Unavailable`], which would promise that nothing was stored.
pub async fn settle<S: Records + History + ?Sized>(
    store: &S,
    commit: &Commit,
    refused: StoreError,
) -> Result<(), StoreError> {
    match is_stored(store, commit).await {
        Ok(Stored::Yes) => Ok(()),
        Ok(Stored::No) if refused.is_verdict() => Err(refused),
        Ok(_) => Err(match refused {
            unknown @ StoreError::OutcomeUnknown(_) => unknown,
            other => StoreError::outcome_unknown(other.to_string()),
        }),
        Err(error) => Err(StoreError::outcome_unknown(format!("{refused}; looking for the commit failed: {error}"))),
    }
}

/// Whether the store holds this very commit: by its id in the log or under its key. What the machine writes without a
/// change is compared with the records: as they are to be, they are stored; where they were written of again, nobody knows.
///
/// # Errors
/// What the store says of the reads.
pub async fn is_stored<S: Records + History + ?Sized>(store: &S, commit: &Commit) -> Result<Stored, StoreError> {
    if let Some(change) = commit.writes.iter().find_map(|write| write.changes.first()) {
        let mut query = HistoryQuery {
            tenant: commit.tenant,
            record: change.record,
            field: None,
            descending: true,
            after: None,
            limit: PAGE,
        };
        loop {
            let page = store.history(&query).await?;
            if page.changes.iter().any(|stored| stored.commit == commit.id) {
                return Ok(Stored::Yes);
            }
            let passed =
                page.changes.iter().any(|stored| stored.group == change.group && stored.version < change.version);
            query.after = page.changes.last().map(HistoryPosition::of);
            if passed || !page.more || query.after.is_none() {
                return Ok(Stored::No);
            }
        }
    }
    if let Some(key) = &commit.key {
        let answer = store.get(commit.tenant, &[Want::Key(key.key.clone())]).await?;
        let is_ours = matches!(answer.got.first(), Some(Got::Key(Some(entry))) if entry.commit == commit.id);
        return Ok(if is_ours { Stored::Yes } else { Stored::No });
    }
    let Some(write) = commit.writes.first() else {
        // Claims and guards alone: held as they are to be is what the next try finds out.
        return Ok(if commit.claims.is_empty() { Stored::No } else { Stored::Untold });
    };
    let answer = store.get(commit.tenant, &[Want::Record(write.record())]).await?;
    let Some(Got::Record(Some(stored))) = answer.got.first() else { return Ok(Stored::No) };
    let written = || [Group::Person, Group::Machine].into_iter().filter(|&group| write.writes(group));
    if written().any(|group| stored.versions.of(group) > write.after.versions.of(group)) {
        return Ok(Stored::Untold);
    }
    let is_as_written = |at: usize| {
        !write.writes(write.after.decl.fields[at].section.group()) || stored.values[at] == write.after.values[at]
    };
    let is_same = written().all(|group| stored.versions.of(group) == write.after.versions.of(group))
        && (0..stored.values.len()).all(is_as_written);
    Ok(if is_same { Stored::Yes } else { Stored::No })
}
