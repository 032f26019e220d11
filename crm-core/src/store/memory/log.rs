//! The change log in memory: by record, by time, by stage move, and in the order in which it grew.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use foldhash::HashMap;

use crate::{
    change::Change,
    store::{
        ChangePage, FeedCursor, FeedPage, HistoryPosition, HistoryQuery, LogPosition, LogQuery, StageMoveQuery,
        StoreError,
    },
    value::{Id, Ref},
};

#[derive(Debug, Default)]
pub(super) struct Log {
    all: Vec<(Id, Arc<Change>)>,
    records: HashMap<(Id, Ref), Vec<Arc<Change>>>,
    by_time: BTreeMap<(Id, LogPosition), Arc<Change>>,
    moves: BTreeMap<(Id, Id, LogPosition), Arc<Change>>,
}

fn position(change: &Change) -> HistoryPosition {
    HistoryPosition { recorded_at: change.recorded_at, group: change.group, version: change.version }
}

impl Log {
    pub(super) fn append(&mut self, tenant: Id, changes: &[Change]) {
        for change in changes {
            let at = |time| LogPosition { time, record: change.record, group: change.group, version: change.version };
            let shared = Arc::new(change.clone());
            self.by_time.insert((tenant, at(change.recorded_at)), Arc::clone(&shared));
            if let Some(pipeline) = change.stage_move {
                self.moves.insert((tenant, pipeline, at(change.occurred_at)), Arc::clone(&shared));
            }
            let history = self.records.entry((tenant, change.record)).or_default();
            let place = history.partition_point(|other| position(other) <= position(change));
            history.insert(place, Arc::clone(&shared));
            self.all.push((tenant, shared));
        }
    }

    pub(super) fn history(&self, query: &HistoryQuery) -> ChangePage {
        let all = self.records.get(&(query.tenant, query.record)).map_or(&[][..], Vec::as_slice);
        let touches = |change: &&Arc<Change>| query.field.as_deref().is_none_or(|name| change.field(name).is_some());
        let after = query.after;
        if query.descending {
            page(
                all.iter().rev().filter(|c| after.is_none_or(|after| position(c) < after)).filter(touches),
                query.limit,
            )
        } else {
            page(all.iter().filter(|c| after.is_none_or(|after| position(c) > after)).filter(touches), query.limit)
        }
    }

    pub(super) fn log(&self, query: &LogQuery) -> ChangePage {
        let wanted = |(_, change): &(&(Id, LogPosition), &Arc<Change>)| {
            change.recorded_at >= query.from && change.recorded_at < query.until
        };
        // The smallest place of the first moment, and of the moment after the last: no record is as small as these.
        let floor = |time| LogPosition {
            time,
            record: Ref::new(crate::value::Kind::Organization, Id::NIL),
            group: crate::schema::Group::Person,
            version: 0,
        };
        let mut low = Bound::Included((query.tenant, floor(query.from)));
        let mut high = Bound::Excluded((query.tenant, floor(query.until)));
        if let Some(after) = query.after {
            if query.descending {
                high = Bound::Excluded((query.tenant, after.min(floor(query.until))));
            } else {
                low = Bound::Excluded((query.tenant, after.max(floor(query.from))));
            }
        }
        if is_empty(&low, &high) {
            return ChangePage { changes: Vec::new(), more: false };
        }
        let range = self.by_time.range((low, high)).filter(wanted);
        if query.descending {
            page(range.rev().map(|(_, change)| change), query.limit)
        } else {
            page(range.map(|(_, change)| change), query.limit)
        }
    }

    pub(super) fn stage_moves(&self, query: &StageMoveQuery) -> ChangePage {
        let floor = |time| LogPosition {
            time,
            record: Ref::new(crate::value::Kind::Organization, Id::NIL),
            group: crate::schema::Group::Person,
            version: 0,
        };
        let low = match query.after {
            Some(after) => Bound::Excluded((query.tenant, query.pipeline, after.max(floor(query.from)))),
            None => Bound::Included((query.tenant, query.pipeline, floor(query.from))),
        };
        let high = Bound::Excluded((query.tenant, query.pipeline, floor(query.until)));
        if is_empty(&low, &high) {
            return ChangePage { changes: Vec::new(), more: false };
        }
        page(self.moves.range((low, high)).map(|(_, change)| change), query.limit)
    }

    pub(super) fn feed(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        let start = match after {
            None => 0,
            Some(FeedCursor(text)) => text
                .parse::<usize>()
                .ok()
                .filter(|&at| at <= self.all.len())
                .ok_or_else(|| StoreError::BadQuery("the cursor is none of this feed".to_owned()))?,
        };
        let end = start.saturating_add(limit).min(self.all.len());
        let changes = self.all[start..end].iter().map(|(tenant, change)| (*tenant, change.as_ref().clone())).collect();
        Ok(FeedPage { changes, cursor: FeedCursor(end.to_string()) })
    }
}

fn is_empty<T: Ord>(low: &Bound<T>, high: &Bound<T>) -> bool {
    match (low, high) {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}

fn page<'a>(mut changes: impl Iterator<Item = &'a Arc<Change>>, limit: usize) -> ChangePage {
    let taken: Vec<Change> = changes.by_ref().take(limit).map(|change| change.as_ref().clone()).collect();
    ChangePage { more: taken.len() == limit && changes.next().is_some(), changes: taken }
}
