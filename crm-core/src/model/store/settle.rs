//! Determination of the outcome of a retried commit: a refusal may be due to its own earlier success.

use super::{Commit, Got, HistoryPosition, HistoryQuery, Records, StoreError, Want, traits::History};
use crate::model::schema::Group;

/// The number of changes read from a history at a time.
const PAGE: usize = 50;

/// The presence of a commit in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The commit is stored.
    Yes,
    /// The commit is not stored.
    No,
    /// Unknown: its writes leave no distinguishable trace.
    Untold,
}

/// Resolves the refusal of a commit for which an earlier response was lost. Succeeds if the commit is stored, returns
/// the refusal if it is not stored and no longer can be, and [`StoreError::OutcomeUnknown`] otherwise, also if the
/// store cannot be queried. One read, of the log, the key or the records.
///
/// # Errors
/// As above. Never [`StoreError::Unavailable`], which would guarantee that nothing was stored.
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

/// Determines whether the store contains this very commit, by its id in the log or under its key. Machine writes
/// without a change are compared with the records: if they match, the commit is stored; if they were overwritten, the
/// outcome is unknown.
///
/// # Errors
/// Any error of the store.
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
        // Only claims and guards: the next attempt finds out whether they are as intended.
        return Ok(if commit.claims.is_empty() { Stored::No } else { Stored::Untold });
    };
    let answer = store.get(commit.tenant, &[Want::Record(write.record())]).await?;
    let Some(Got::Record(Some(stored))) = answer.got.first() else { return Ok(Stored::No) };
    let written = || [Group::User, Group::Machine].into_iter().filter(|&group| write.writes(group));
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
