//! Determines whether each change on a page can be undone, for histories and timelines.
//!
//! The decision is that of the undo itself, made in a draft that is discarded.

use std::collections::BTreeMap;

use crate::{
    engine::{
        access::Access,
        draft::{self, Lookup, Stop},
        runtime::Engine,
    },
    model::{
        access::Actor,
        change::Change,
        error::{Error, UndoRefusal},
        schema::Group,
        store::{CommitId, HistoryPosition, HistoryQuery},
        value::{Id, Ref},
    },
};

/// The number of changes per read beyond the edge of a page.
const BEYOND: usize = 20;

/// A change as the actor may see it, and whether the actor can undo it.
#[derive(Clone, Debug)]
pub struct ViewedChange {
    /// The change without fields that the actor may not see.
    pub change: Change,
    /// `Ok` if the commit can be undone; otherwise the error that undoing it would return.
    pub undo: Result<(), Error>,
}

/// Masks changes and determines whether each can be undone. `known` are these and other changes of the same records
/// that were already read.
///
/// Reads the records, the records that undoing depends on, the records changed in the same steps with their histories,
/// and, if `known` may not contain all changes of a commit, the adjacent changes.
///
/// # Errors
/// Any error of the store.
pub(crate) async fn viewed_changes(
    engine: &Engine,
    actor: &Actor,
    changes: Vec<Change>,
    known: &[Change],
) -> Result<Vec<ViewedChange>, Error> {
    let by_people = |change: &&Change| change.group == Group::User;
    let mut of_record: BTreeMap<Ref, BTreeMap<u64, Change>> = BTreeMap::new();
    for change in known.iter().chain(&changes).filter(by_people) {
        of_record.entry(change.record).or_default().insert(change.version, change.clone());
    }
    let mut commits: BTreeMap<(Ref, CommitId), Vec<Change>> = BTreeMap::new();
    for change in changes.iter().filter(by_people) {
        commits.entry((change.record, change.commit)).or_default();
    }
    let wanted: Vec<(Ref, CommitId)> = commits.keys().copied().collect();
    let whole = wanted.iter().map(|&(record, commit)| {
        let known = of_record.get(&record).cloned().unwrap_or_default();
        whole_commit(engine, actor.tenant(), record, commit, known)
    });
    for (key, found) in wanted.iter().zip(futures::future::try_join_all(whole).await?) {
        commits.insert(*key, found);
    }
    let mut verdicts: BTreeMap<(Ref, CommitId), Result<(), Error>> = BTreeMap::new();
    let hints: Vec<Lookup> = of_record.keys().map(|&record| record.into()).collect();
    let outcome = draft::decide_only(engine, actor, &hints, &mut |draft| {
        for (&(record, commit), mine) in &commits {
            match draft::try_undo(draft, record, mine.clone()) {
                Ok(()) => drop(verdicts.insert((record, commit), Ok(()))),
                Err(Stop::Refuse(error)) => drop(verdicts.insert((record, commit), Err(error))),
                Err(Stop::Need(lookups)) => draft.want_all(lookups),
            }
        }
        draft.stop_if_missing()?;
        Ok(Vec::new())
    })
    .await?;
    let access = Access::new(actor, &outcome.definitions, outcome.now);
    let viewed = changes.into_iter().map(|change| {
        let computed = Err(Error::Undo { record: change.record, why: UndoRefusal::Computed });
        let undo = match change.group {
            Group::Machine => computed,
            Group::User => verdicts.get(&(change.record, change.commit)).cloned().unwrap_or(computed),
        };
        ViewedChange { change: access.mask_change(change), undo }
    });
    Ok(viewed.collect())
}

/// Returns all changes of users that a commit made to a record, in version order.
async fn whole_commit(
    engine: &Engine,
    tenant: Id,
    record: Ref,
    commit: CommitId,
    mut known: BTreeMap<u64, Change>,
) -> Result<Vec<Change>, Error> {
    for descending in [true, false] {
        loop {
            let mut mine = known.values().filter(|change| change.commit == commit);
            let Some(edge) = (if descending { mine.next() } else { mine.next_back() }) else { break };
            let neighbour = if descending { edge.version.saturating_sub(1) } else { edge.version + 1 };
            if neighbour == 0 || known.contains_key(&neighbour) {
                break;
            }
            let after = Some(HistoryPosition::of(edge));
            let query = HistoryQuery { tenant, record, field: None, descending, after, limit: BEYOND };
            let page = engine.store.history(&query).await?;
            let found = page.changes.into_iter().filter(|change| change.group == Group::User);
            let before = known.len();
            known.extend(found.map(|change| (change.version, change)));
            if known.len() == before {
                break;
            }
        }
    }
    Ok(known.into_values().filter(|change| change.commit == commit).collect())
}
