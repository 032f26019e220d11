//! The loop of a follower: reads from the stored position, passes the changes to the follower, and stores the position.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Followed, Follower, Run, gap::Gap, lease::Lease};
use crate::{
    engine::{crm::Crm, runtime::Engine},
    model::{
        change::Change,
        error::Error,
        store::{FeedPlace, StoreError},
        value::{Id, Time},
    },
};

/// The maximum number of changes delivered together.
const PAGE: usize = 100;
/// The maximum delay after which a change is first delivered if a transaction of the embedder held it back, in
/// microseconds.
const LATE: i64 = 60 * 60 * 1_000_000;

/// Processes the feed from the position in the store until all changes are processed or `until` is reached. The next
/// run, in any process, continues from there. At least one page is processed. A run that is killed keeps its lease for
/// a minute.
///
/// Costs two reads, one of them of the feed, if there is nothing to process; otherwise one write and one more per page.
pub(crate) async fn follow(
    crm: &Crm,
    follower: &dyn Follower,
    lists_lag: Duration,
    until: Time,
) -> Result<Followed, Error> {
    let kept = crm.engine.store.feed_place(follower.name()).await?;
    drive(crm, follower, lists_lag, until, kept, true).await
}

/// Processes the feed from a position, which is stored by the store if it is shared, otherwise by the caller.
pub(crate) async fn drive(
    crm: &Crm,
    follower: &dyn Follower,
    lists_lag: Duration,
    until: Time,
    kept: Option<FeedPlace>,
    is_shared: bool,
) -> Result<Followed, Error> {
    let place = kept.unwrap_or_else(|| FeedPlace::beginning(crm.now()));
    let state = place.state.clone().map_or_else(|| Ok(State::default()), serde_json::from_value);
    let State { gap, own, rest } = state.map_err(|error| unreadable(&error))?;
    let lease = Lease::new(&crm.engine, follower.name(), is_shared, place.clone());
    let report = Followed { taken: lease.is_taken(), gap: gap.is_some(), ..Followed::default() };
    let run = Run { crm, until, lists_lag, lease, state: own, has_accepted: false, followed: report };
    let mut drive = Drive { engine: &crm.engine, follower, run, at: At { place, gap }, rest };
    while !drive.run.followed.taken {
        let looked = crm.now();
        let turn = drive.turn().await;
        let is_done = matches!(turn, Ok(Turn { has_read: false, is_unfinished: false, .. }));
        if is_done {
            drive.settle(looked);
        }
        let is_over = drive.run.is_over();
        if !drive.run.lease.is_lost {
            let goes_on = !is_over && turn.as_ref().is_ok_and(|turn| turn.has_more || turn.is_unfinished);
            let place = drive.to_keep()?;
            drive.run.lease.keep(place, goes_on).await?;
        }
        drive.run.followed.taken = drive.run.lease.is_lost;
        turn?;
        if is_done || is_over {
            drive.run.followed.more = !is_done && !drive.run.followed.taken;
            break;
        }
    }
    let Run { followed, lease, .. } = drive.run;
    Ok(Followed { place: Some(lease.kept), ..followed })
}

/// The state stored with the position.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The part of a gap that is still to be delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    /// The follower's own state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own: Option<Json>,
    /// Members written by a newer program.
    #[serde(flatten)]
    rest: serde_json::Map<String, Json>,
}

/// How far the feed has been read.
#[derive(Clone)]
struct At {
    place: FeedPlace,
    gap: Option<Gap>,
}

/// The result of one turn.
struct Turn {
    /// `true` if something was read.
    has_read: bool,
    /// `true` if there is probably more to read.
    has_more: bool,
    /// `true` if the follower has more to do at once.
    is_unfinished: bool,
}

struct Drive<'a> {
    engine: &'a Arc<Engine>,
    follower: &'a dyn Follower,
    run: Run<'a>,
    /// The position up to which changes are processed or accepted.
    at: At,
    rest: serde_json::Map<String, Json>,
}

impl Drive<'_> {
    /// Reads a page and passes it to the follower.
    async fn turn(&mut self) -> Result<Turn, Error> {
        let mut next = self.at.clone();
        let mut told = Vec::new();
        if self.has_room() {
            told = self.read(&mut next).await?;
        }
        self.run.followed.changes += told.len() as u64;
        let has_read = !told.is_empty() || next.gap != self.at.gap;
        let has_more = told.len() >= PAGE || next.gap.is_some();
        told.retain(|(_, change)| self.follower.wants(change));
        self.run.has_accepted = false;
        let followed = if !told.is_empty() && !self.run.hold().await? {
            Ok(false)
        } else if !told.is_empty() || self.run.state.is_some() {
            self.follower.follow(&mut self.run, &told).await
        } else {
            Ok(false)
        };
        if followed.is_ok() || self.run.has_accepted {
            self.at = next;
        }
        followed.map(|is_unfinished| Turn { has_read, has_more, is_unfinished })
    }

    /// Reads a page of the feed; while there is a gap, half of the page comes from the log.
    async fn read(&mut self, next: &mut At) -> Result<Vec<(Id, Change)>, Error> {
        let mut told = Vec::new();
        if let Some(gap) = next.gap.take() {
            let since = next.place.gap_since.unwrap_or(next.place.settled);
            next.gap = gap.read(self.engine, since, PAGE / 2, &mut told, self.run.until).await?;
            if next.gap.is_none() {
                next.place.gap_since = None;
            }
        }
        let limit = PAGE - told.len();
        let mut page = self.engine.store.feed(next.place.cursor.as_ref(), limit).await;
        // The feed no longer knows the cursor: continue from its beginning, and read the missing changes from the log.
        if next.place.cursor.is_some() && matches!(page, Err(StoreError::BadQuery(_))) {
            let (follower, settled) = (self.follower.name(), next.place.settled);
            tracing::warn!(follower, %settled, "the feed has a gap: what it forgot is told from the log");
            next.place.gap_since = next.place.gap_since.or(Some(settled));
            next.gap = Some(Gap::noticed(self.engine));
            self.run.followed.gap = true;
            page = self.engine.store.feed(None, limit).await;
        }
        let page = page?;
        next.place.cursor = Some(page.cursor);
        told.extend(page.changes);
        Ok(told)
    }

    /// `true` if the follower's state is below its limit, so that the position remains small enough to be stored.
    fn has_room(&self) -> bool {
        self.run.state.as_ref().is_none_or(|state| state.to_string().len() < Run::FULL)
    }

    /// Records the time at which the feed was exhausted, in steps of at least an hour, so that it rarely causes a
    /// write.
    fn settle(&mut self, at: Time) {
        let place = &mut self.at.place;
        if self.run.state.is_none() && self.at.gap.is_none() && place.settled.plus_micros(2 * LATE) < at {
            place.settled = at.plus_micros(-LATE);
        }
    }

    /// The position in its stored form.
    fn to_keep(&self) -> Result<FeedPlace, Error> {
        let state = State { gap: self.at.gap.clone(), own: self.run.state.clone(), rest: self.rest.clone() };
        let state = serde_json::to_value(state).map_err(|error| unreadable(&error))?;
        let is_empty = state.as_object().is_none_or(serde_json::Map::is_empty);
        Ok(FeedPlace { state: Some(state).filter(|_| !is_empty), ..self.at.place.clone() })
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    StoreError::corrupt(format!("the place of a follower: {error}")).into()
}
