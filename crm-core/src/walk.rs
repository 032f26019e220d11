//! Changing every record that some lists show, one by one, in slices of time.
//!
//! A list may lag, and records change between being listed and being changed: each is changed only while it still fits
//! the list's filter, by its own strong read. A slice ends at a place that is total, (sort value, id), whatever was done
//! with the records before it. The sort value of a record may change while the lists are walked, so they are walked
//! again until a pass has changed nothing.

use crate::{
    access::{Access, Action},
    collection::Collection,
    draft::Pending,
    engine::Engine,
    error::Error,
    filter::Filter,
    jobs::record::Progress,
    listing::{self, ListQuery, Plan},
    schema::{Record, RecordKind},
    store::Position,
    value::{Id, Time},
};

/// Records that are listed together.
const PAGE: usize = 100;

/// What work over many records did.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// How many records it changed.
    pub moved: u64,
    /// Which it could not, and why.
    pub held_back: Vec<(Id, Error)>,
    /// True where its time was over before its work: called again, it goes on.
    pub unfinished: bool,
}

/// A slice of the work: where it begins, when it ends, and what it has come to.
#[derive(Debug)]
pub(crate) struct Walk {
    until: Option<Time>,
    /// Where to go on.
    pub(crate) progress: Progress,
    /// What was done in this slice.
    pub(crate) moved: Moved,
    /// True where a new pass began in this slice: what earlier passes could not change is tried again.
    pub(crate) began_again: bool,
}

impl Walk {
    /// All of the work in one go.
    pub(crate) fn whole() -> Self {
        Self::slice(None, Progress::default())
    }

    /// The work from a place on, until a moment.
    pub(crate) fn slice(until: Option<Time>, progress: Progress) -> Self {
        Self { until, progress, moved: Moved::default(), began_again: false }
    }

    /// True where the time was up; the work goes on from [`Walk::progress`].
    pub(crate) fn is_unfinished(&self) -> bool {
        self.moved.unfinished
    }

    fn is_over(&mut self, engine: &Engine) -> bool {
        self.moved.unfinished |= self.until.is_some_and(|until| engine.clock.now() >= until);
        self.moved.unfinished
    }

    /// Ends a pass over the lists; true where another has to follow.
    pub(crate) fn passes_again(&mut self) -> bool {
        if self.is_unfinished() || !std::mem::take(&mut self.progress).changed {
            return false;
        }
        self.began_again = true;
        self.moved.held_back.clear();
        true
    }

    /// Changes the records of one list, the `number`th of the pass; nothing where the pass is elsewhere or the time is
    /// up. One read a hundred records, and one read and one commit for each.
    ///
    /// # Errors
    /// What keeps the whole work from going on: no list, or a store that is out of reach. What is refused of one record is
    /// held back.
    pub(crate) async fn list<K: RecordKind>(
        &mut self,
        number: usize,
        records: &Collection<'_, K>,
        filter: Filter,
        sort: &str,
        change: impl Fn(Id) -> Pending<Record<K>>,
    ) -> Result<(), Error> {
        if self.is_unfinished() || self.progress.list != number {
            return Ok(());
        }
        let (engine, actor) = (records.engine, records.actor);
        let definitions = records.definitions().await?;
        let access = Access::new(actor, &definitions, engine.clock.now());
        let query = ListQuery::new().filter(filter.clone()).sort(sort);
        let plan = listing::plan(&access, K::decl(), &query, Action::Read)?;
        let signature = listing::signature(K::decl(), &query);
        // A place that cannot be opened any more is the beginning of its list.
        let open = |cursor: String| listing::open(&definitions, actor, &signature, &cursor).ok();
        let mut place: Option<Position> = self.progress.after.take().and_then(open);
        let walked = self.pages(records, &plan, &filter, &mut place, change).await;
        match place.filter(|_| walked.is_err() || self.is_unfinished()) {
            Some(place) => self.progress.after = Some(listing::seal(&definitions, actor, &signature, &place)),
            None if walked.is_ok() && !self.is_unfinished() => self.progress.list += 1,
            None => {}
        }
        walked
    }

    /// Changes the records of a list from a place on, which it moves.
    async fn pages<K: RecordKind>(
        &mut self,
        records: &Collection<'_, K>,
        plan: &Plan,
        filter: &Filter,
        place: &mut Option<Position>,
        change: impl Fn(Id) -> Pending<Record<K>>,
    ) -> Result<(), Error> {
        let engine = records.engine;
        loop {
            if self.is_over(engine) {
                return Ok(());
            }
            let page = listing::walk_page(engine, records.actor.tenant(), plan, place.clone(), PAGE).await?;
            for image in &page.items {
                if self.is_over(engine) {
                    return Ok(());
                }
                match change(image.id).only_while(filter.clone()).await {
                    Ok(saved) if saved.changed() => {
                        self.moved.moved += 1;
                        self.progress.changed = true;
                    }
                    // It has left the list since.
                    Ok(_) => {}
                    Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
                    Err(error) => self.moved.held_back.push((image.id, error)),
                }
                *place = plan.position(image);
            }
            match page.next {
                Some(next) => *place = Some(next),
                None => return Ok(()),
            }
        }
    }
}
