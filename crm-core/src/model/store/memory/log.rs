//! The change log in memory: by time, by stage move, and in commit order. The changes of each record are kept with the
//! record (`table.rs`).

use std::sync::Arc;

use foldhash::HashMap;

use super::sorted::Sorted;
use crate::model::{
    change::Change,
    records::pipeline::Pipeline,
    store::{ChangePage, FeedCursor, FeedPage, LogPosition, LogQuery, StageMoveQuery, StoreError},
    value::{Id, Time},
};

#[derive(Debug, Default)]
pub(super) struct Log {
    all: Vec<(Id, Arc<Change>)>,
    /// The number of changes that the feed no longer returns.
    forgotten: usize,
    by_time: HashMap<Id, Sorted<Arc<Change>>>,
    /// By tenant and pipeline.
    moves: HashMap<(Id, Id<Pipeline>), Sorted<Arc<Change>>>,
}

/// Returns the position of a change at a given time.
fn place(change: &Change, time: Time) -> LogPosition {
    LogPosition { time, record: change.record, group: change.group, version: change.version }
}

fn recorded(change: &Change) -> LogPosition {
    place(change, change.recorded_at)
}

fn occurred(change: &Change) -> LogPosition {
    place(change, change.occurred_at)
}

impl Log {
    pub(super) fn append(&mut self, tenant: Id, change: &Arc<Change>) {
        let at = recorded(change);
        self.by_time.entry(tenant).or_default().insert(Arc::clone(change), |other| recorded(other).cmp(&at));
        if let Some(pipeline) = change.stage_move {
            let at = occurred(change);
            let moves = self.moves.entry((tenant, pipeline)).or_default();
            moves.insert(Arc::clone(change), |other| occurred(other).cmp(&at));
        }
        self.all.push((tenant, Arc::clone(change)));
    }

    pub(super) fn log(&self, query: &LogQuery) -> ChangePage {
        let Some(log) = self.by_time.get(&query.tenant) else { return page(std::iter::empty(), query.limit) };
        let is_within = |change: &&Arc<Change>| change.recorded_at >= query.from && change.recorded_at < query.until;
        if query.descending {
            let after = |change: &Change| query.after.is_none_or(|after| recorded(change) < after);
            let gap = log.gap(|change| change.recorded_at < query.until && after(change));
            page(log.before(gap).take_while(is_within), query.limit)
        } else {
            let passed = |change: &Change| query.after.is_some_and(|after| recorded(change) <= after);
            let gap = log.gap(|change| change.recorded_at < query.from || passed(change));
            page(log.after(gap).take_while(is_within), query.limit)
        }
    }

    pub(super) fn stage_moves(&self, query: &StageMoveQuery) -> ChangePage {
        let key = (query.tenant, query.pipeline);
        let Some(moves) = self.moves.get(&key) else { return page(std::iter::empty(), query.limit) };
        let passed = |change: &Change| query.after.is_some_and(|after| occurred(change) <= after);
        let gap = moves.gap(|change| change.occurred_at < query.from || passed(change));
        page(moves.after(gap).take_while(|change| change.occurred_at < query.until), query.limit)
    }

    /// Drops all changes so far from the feed, as a feed with limited retention does.
    pub(super) fn forget_feed(&mut self) {
        self.forgotten = self.all.len();
    }

    pub(super) fn feed(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        let start = match after {
            None => self.forgotten,
            Some(FeedCursor(text)) => text
                .parse::<usize>()
                .ok()
                .filter(|&at| (self.forgotten..=self.all.len()).contains(&at))
                .ok_or_else(|| StoreError::BadQuery("the cursor does not belong to this feed".to_owned()))?,
        };
        let end = start.saturating_add(limit).min(self.all.len());
        let changes = self.all[start..end].iter().map(|(tenant, change)| (*tenant, change.as_ref().clone())).collect();
        Ok(FeedPage { changes, cursor: FeedCursor(end.to_string()) })
    }

    pub(super) fn feed_end(&self) -> FeedCursor {
        FeedCursor(self.all.len().to_string())
    }
}

pub(super) fn page<'a>(mut changes: impl Iterator<Item = &'a Arc<Change>>, limit: usize) -> ChangePage {
    let taken: Vec<Change> = changes.by_ref().take(limit).map(|change| change.as_ref().clone()).collect();
    ChangePage { more: taken.len() == limit && changes.next().is_some(), changes: taken }
}
