//! The environment of a case: an empty store, deterministic ids, a test clock, a tenant, and reads with assertions.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{join, join_all},
};

use super::{
    Edit, Failure, Harness, Outcome, Step, Task,
    check::{differences, expected_list, same_list},
    edit::sample,
    ensure,
};
use crate::{
    catalog,
    model::{
        change::Change,
        filter::Predicate,
        schema::Image,
        store::{
            Claim, Commit, CommitId, Epochs, FeedCursor, Got, HistoryPosition, HistoryQuery, KeyEntry, LogPosition,
            LogQuery, Query, StageMoveQuery, Store, StoreError, Want,
        },
        value::{Id, Kind, Ref, Time, Value},
    },
};

/// More pages than any list of the suite has: a longer walk does not terminate.
const MAX_PAGES: usize = 10_000;
/// The limit of repeated reads of an incomplete feed.
const MAX_FEED_ROUNDS: usize = 10_000;
/// 2024-01-01T00:00:00Z.
const FIRST_MOMENT: i64 = 1_704_067_200_000_000;

/// The environment of a case: an empty store, ids and a clock.
pub struct Lab<'a> {
    /// The store under test.
    pub store: Arc<dyn Store>,
    harness: &'a dyn Harness,
    ids: AtomicU64,
    clock: AtomicI64,
    commits: CommitIds,
}

/// Ids of commits, unique across runs: a store may remember them for a while, even beyond the tables that they were
/// written to. Nothing is sorted by them, so cases are deterministic nevertheless.
#[derive(Clone, Debug)]
pub(super) struct CommitIds {
    count: Arc<AtomicU64>,
    run: [u8; 6],
}

impl CommitIds {
    fn new() -> Self {
        static LABS: AtomicU64 = AtomicU64::new(0);
        // Without a source of entropy, the ids are at least unique within the process.
        let mut run = [0; 6];
        if getrandom::fill(&mut run).is_err() {
            run.copy_from_slice(&LABS.fetch_add(1, Ordering::Relaxed).to_be_bytes()[2..]);
        }
        Self { count: Arc::default(), run }
    }

    pub(super) fn next(&self) -> CommitId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 10];
        bytes[..6].copy_from_slice(&self.run);
        bytes[6..].copy_from_slice(&count.to_be_bytes()[4..]);
        Id::from_parts(FIRST_MOMENT.unsigned_abs() / 1000 + count, bytes)
    }
}

/// A tenant with records that others refer to.
#[derive(Clone, Debug)]
pub struct World {
    /// The id of the tenant and of its organization.
    pub tenant: Id,
    /// Three users.
    pub users: [Id; 3],
    /// Three teams.
    pub teams: [Id; 3],
    /// A role.
    pub role: Id,
    /// A pipeline of leads.
    pub lead_pipeline: Id,
    /// A pipeline of deals.
    pub deal_pipeline: Id,
    /// Three stages of each pipeline (ids only, by convention).
    pub stages: [Id; 3],
}

impl World {
    /// Returns every record of the tenant.
    pub fn records(&self) -> impl Iterator<Item = Ref> {
        let of = |kind: Kind, ids: Vec<Id>| ids.into_iter().map(move |id| Ref::new(kind, id));
        of(Kind::Organization, vec![self.tenant])
            .chain(of(Kind::Team, self.teams.into()))
            .chain(of(Kind::Role, vec![self.role]))
            .chain(of(Kind::User, self.users.into()))
            .chain(of(Kind::Pipeline, vec![self.lead_pipeline, self.deal_pipeline]))
    }
}

impl std::fmt::Debug for Lab<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("ids", &self.ids).field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl<'a> Lab<'a> {
    /// Creates an environment on a fresh store.
    pub async fn new(harness: &'a dyn Harness) -> Self {
        Self::on(harness.fresh().await, harness)
    }

    /// Creates an environment on an existing store.
    pub fn on(store: Arc<dyn Store>, harness: &'a dyn Harness) -> Self {
        let (ids, clock) = (AtomicU64::new(0), AtomicI64::new(FIRST_MOMENT));
        Self { store, harness, ids, clock, commits: CommitIds::new() }
    }

    /// Returns the next id: a `UUIDv7` with a counter, so that ids sort in the order of their creation.
    pub fn id(&self) -> Id {
        let count = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&count.to_be_bytes());
        Id::from_parts(FIRST_MOMENT.unsigned_abs() / 1000 + count, bytes)
    }

    /// Returns the ids of commits.
    pub(super) const fn commit_ids(&self) -> &CommitIds {
        &self.commits
    }

    /// Returns the next id, in no order: a UUID as an embedder may supply it.
    pub fn mixed_id(&self) -> Id {
        let count = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let (high, low) = (mix(count), mix(count ^ 0xABCD_EF01_2345_6789));
        Id::from_uuid(uuid::Uuid::from_u64_pair(high, low))
    }

    /// Returns the next time, a second after the previous one.
    pub fn now(&self) -> Time {
        let micros = self.clock.fetch_add(1_000_000, Ordering::Relaxed);
        Time::EPOCH.plus_micros(micros)
    }

    /// Advances the clock by a number of seconds.
    pub fn wait(&self, seconds: u32) {
        self.clock.fetch_add(i64::from(seconds) * 1_000_000, Ordering::Relaxed);
    }

    /// Waits until lists are up to date.
    pub async fn settle(&self) {
        self.harness.settle(self.store.as_ref()).await;
    }

    /// Creates a tenant with organization, users, teams, role and two pipelines, in one commit.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tenant(&self) -> Result<World, Failure> {
        let (world, commit) = self.world();
        self.store.commit(&commit).await.map_err(|error| Failure::from(error).at("making a tenant"))?;
        Ok(world)
    }

    /// Returns a new tenant, and the commit that creates it.
    pub(super) fn world(&self) -> (World, Commit) {
        let world = World {
            tenant: self.id(),
            users: [self.id(), self.id(), self.id()],
            teams: [self.id(), self.id(), self.id()],
            role: self.id(),
            lead_pipeline: self.id(),
            deal_pipeline: self.id(),
            stages: [self.id(), self.id(), self.id()],
        };
        let tenant = world.tenant;
        let new = |kind, id| sample(tenant, Ref::new(kind, id), self.now());
        let mut edits = vec![new(Kind::Organization, tenant), new(Kind::Role, world.role)];
        edits.extend(world.teams.map(|team| new(Kind::Team, team)));
        edits.extend(world.users.iter().zip(world.teams).map(|(&user, team)| {
            new(Kind::User, user)
                .set("role_ids", Value::list([Value::Id(world.role)]))
                .set("team_ids", Value::list([Value::Id(team)]))
        }));
        edits.push(new(Kind::Pipeline, world.lead_pipeline).set("kind", Value::text("lead")));
        edits.push(new(Kind::Pipeline, world.deal_pipeline).set("kind", Value::text("deal")));
        let commit = edits.into_iter().fold(self.step(tenant), Step::write).build();
        (world, commit)
    }

    /// Returns an empty commit.
    pub fn step(&self, tenant: Id) -> Step<'_> {
        Step::new(self, tenant)
    }

    /// Returns a new record of a kind with its required fields. Nothing is stored yet.
    pub fn new_record(&self, tenant: Id, kind: Kind) -> Edit {
        sample(tenant, Ref::new(kind, self.id()), self.now())
    }

    /// Returns a change of a record as it was read. Nothing is stored yet.
    pub fn change(&self, before: &Arc<Image>) -> Edit {
        Edit::of(before, self.now())
    }

    /// Commits one write, and returns the after-image.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put(&self, edit: Edit) -> Result<Arc<Image>, StoreError> {
        let after = edit.after();
        self.step(after.tenant).write(edit).send().await?;
        Ok(after)
    }

    /// Commits new records or changes of any number of tenants, in as few commits as the budget allows.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_all(&self, edits: Vec<Edit>) -> Result<Vec<Arc<Image>>, StoreError> {
        let images: Vec<Arc<Image>> = edits.iter().map(Edit::after).collect();
        let mut step: Option<Step<'_>> = None;
        for (edit, image) in edits.into_iter().zip(&images) {
            step = match step.take() {
                Some(full) if !full.has_room_for(&edit) => {
                    full.send().await?;
                    Some(self.step(image.tenant).write(edit))
                }
                Some(step) => Some(step.write(edit)),
                None => Some(self.step(image.tenant).write(edit)),
            };
        }
        if let Some(step) = step {
            step.send().await?;
        }
        Ok(images)
    }

    /// Returns a record by id.
    ///
    /// # Errors
    /// Those of the store, or an answer of the wrong form.
    pub async fn get(&self, tenant: Id, record: Ref) -> Result<Option<Arc<Image>>, Failure> {
        self.get_want(tenant, Want::Record(record)).await
    }

    /// Returns the holder of a claim, as a tenant sees it.
    ///
    /// # Errors
    /// Those of the store, or an answer of the wrong form.
    pub async fn claimed(&self, tenant: Id, claim: &Claim) -> Result<Option<Arc<Image>>, Failure> {
        self.get_want(tenant, Want::Claimed(claim.clone())).await
    }

    async fn get_want(&self, tenant: Id, want: Want) -> Result<Option<Arc<Image>>, Failure> {
        let mut answer = self.store.get(tenant, std::slice::from_ref(&want)).await?;
        match (answer.got.pop(), answer.got.is_empty()) {
            (Some(Got::Record(image)), true) => Ok(image),
            (got, _) => Err(Failure::new(format!("one record was wanted ({want:?}), and this was got last: {got:?}"))),
        }
    }

    /// Returns the entry of an idempotency key.
    ///
    /// # Errors
    /// Those of the store, or an answer of the wrong form.
    pub async fn key(&self, tenant: Id, key: &str) -> Result<Option<KeyEntry>, Failure> {
        let mut answer = self.store.get(tenant, &[Want::Key(key.to_owned())]).await?;
        match (answer.got.pop(), answer.got.is_empty()) {
            (Some(Got::Key(entry)), true) => Ok(entry),
            (got, _) => Err(Failure::new(format!("the key `{key}` was wanted, and this was got: {got:?}"))),
        }
    }

    /// Returns the tenant's definitions epoch.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn epoch(&self, tenant: Id) -> Result<CommitId, Failure> {
        Ok(self.epochs(tenant).await?.definitions)
    }

    /// Returns the tenant's epochs.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn epochs(&self, tenant: Id) -> Result<Epochs, Failure> {
        Ok(self.store.get(tenant, &[]).await?.epochs)
    }

    /// Requires that a record is stored exactly as given.
    ///
    /// # Errors
    /// Fails if it is not.
    pub async fn expect(&self, expected: &Image) -> Outcome {
        let record = expected.reference();
        match self.get(expected.tenant, record).await? {
            None => Err(Failure::new(format!("{record} is not there"))),
            Some(got) => match differences(expected, &got, false) {
                None => Ok(()),
                Some(told) => Err(Failure::new(told)),
            },
        }
    }

    /// Requires that records of one tenant are stored exactly as given.
    ///
    /// # Errors
    /// Fails if one is not.
    pub async fn expect_all(&self, expected: &[Arc<Image>]) -> Outcome {
        for images in expected.chunks(50) {
            let Some(first) = images.first() else { continue };
            let wants: Vec<Want> = images.iter().map(|image| Want::Record(image.reference())).collect();
            let answer = self.store.get(first.tenant, &wants).await?;
            ensure!(answer.got.len() == wants.len(), "{} wants got {} answers", wants.len(), answer.got.len());
            for (image, got) in images.iter().zip(answer.got) {
                let Got::Record(Some(got)) = got else {
                    return Err(Failure::new(format!("{} is not there", image.reference())));
                };
                if let Some(told) = differences(image, &got, false) {
                    return Err(Failure::new(told));
                }
            }
        }
        Ok(())
    }

    /// Requires that a record does not exist.
    ///
    /// # Errors
    /// Fails if it does.
    pub async fn expect_none(&self, tenant: Id, record: Ref) -> Outcome {
        ensure!(self.get(tenant, record).await?.is_none(), "{record} is there and should not be");
        Ok(())
    }

    /// Requires that a claim has this holder.
    ///
    /// # Errors
    /// Fails if it has another.
    pub async fn expect_holder(&self, claim: &Claim, holder: Option<Ref>) -> Outcome {
        let found = self.claimed(claim.tenant, claim).await?.map(|image| image.reference());
        ensure!(found == holder, "{claim:?}: expected to be held by {holder:?}, is held by {found:?}");
        Ok(())
    }

    /// Returns a query of all live records of a kind by the index with a name.
    ///
    /// # Panics
    /// Panics if the kind has no such index, which is an error in the case.
    pub fn query(&self, tenant: Id, kind: Kind, index: &str, equals: Vec<Value>) -> Query {
        let decl = catalog::decl(kind);
        let index = decl.index(index).unwrap_or_else(|| panic!("{kind} has no index `{index}`"));
        Query { tenant, decl, index, equals, descending: false, filter: Predicate::always(), after: None, limit: 100 }
    }

    /// Reads a list to its end, and returns the records of all its pages. No page may exceed the limit, and each
    /// position must be after the previous one.
    ///
    /// # Errors
    /// Those of the store, or a list that does not end.
    pub async fn walk(&self, query: &Query) -> Result<Vec<Arc<Image>>, Failure> {
        let mut query = query.clone();
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.store.list(&query).await?;
            ensure!(
                page.items.len() <= query.limit,
                "a page of at most {} has {} records",
                query.limit,
                page.items.len()
            );
            all.extend(page.items);
            let Some(next) = page.next else { return Ok(all) };
            if let Some(last) = &query.after {
                let order = last.sort.sort_order(&next.sort).then_with(|| last.id.cmp(&next.id));
                let ahead = if query.descending { order.is_gt() } else { order.is_lt() };
                ensure!(ahead, "the position {next:?} does not lie after {last:?}");
            }
            query.after = Some(next);
        }
        Err(Failure::new(format!("a walk by `{}` does not end", query.index.name)))
    }

    /// Requires that a list contains, over all its pages, exactly the expected ones of these records.
    ///
    /// # Errors
    /// Fails if it does not.
    pub async fn expect_list(&self, records: &[Arc<Image>], query: &Query) -> Outcome {
        let expected = expected_list(records, query);
        let got = self.walk(query).await?;
        let what = || {
            format!(
                "the list of {} by `{}` = {:?}{}, {} a page",
                query.decl.kind.plural(),
                query.index.name,
                query.equals,
                if query.descending { " descending" } else { "" },
                query.limit
            )
        };
        same_list(&what(), &expected, &got)?;
        if let Some(counts) = self.store.counts() {
            let count = counts.count(query).await?;
            ensure!(count == expected.len() as u64, "{}: counted {count}, there are {}", what(), expected.len());
        }
        Ok(())
    }

    /// Returns the whole history of a record, in pages of the query's limit.
    ///
    /// # Errors
    /// Those of the store, or a history that does not end.
    pub async fn history(&self, query: &HistoryQuery) -> Result<Vec<Change>, Failure> {
        let mut query = query.clone();
        let mut all: Vec<Change> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.store.history(&query).await?;
            ensure!(page.changes.len() <= query.limit, "a page of {} has {}", query.limit, page.changes.len());
            ensure!(!page.more || !page.changes.is_empty(), "an empty page of a history says that more follow");
            query.after = page.changes.last().map(history_place).or(query.after);
            all.extend(page.changes);
            if !page.more {
                return Ok(all);
            }
        }
        Err(Failure::new("the walk through a history does not end"))
    }

    /// Returns the whole history of a record in order, with 100 changes per page.
    ///
    /// # Errors
    /// Those of the store, or a history that does not end.
    pub async fn changes(&self, tenant: Id, record: Ref) -> Result<Vec<Change>, Failure> {
        let query = HistoryQuery { tenant, record, field: None, descending: false, after: None, limit: 100 };
        self.history(&query).await
    }

    /// Returns the whole log of a tenant between two times.
    ///
    /// # Errors
    /// Those of the store, or a log that does not end.
    pub async fn log(&self, query: &LogQuery) -> Result<Vec<Change>, Failure> {
        let mut query = query.clone();
        let mut all: Vec<Change> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.store.log(&query).await?;
            ensure!(page.changes.len() <= query.limit, "a page of {} has {}", query.limit, page.changes.len());
            ensure!(!page.more || !page.changes.is_empty(), "an empty page of the log says that more follow");
            query.after = page.changes.last().map(|change| place(change, change.recorded_at)).or(query.after);
            all.extend(page.changes);
            if !page.more {
                return Ok(all);
            }
        }
        Err(Failure::new("the walk through a log does not end"))
    }

    /// Returns all stage moves of a pipeline between two times.
    ///
    /// # Errors
    /// Those of the store, or stage moves that do not end.
    pub async fn stage_moves(&self, query: &StageMoveQuery) -> Result<Vec<Change>, Failure> {
        let mut query = query.clone();
        let mut all: Vec<Change> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.store.stage_moves(&query).await?;
            ensure!(page.changes.len() <= query.limit, "a page of {} has {}", query.limit, page.changes.len());
            ensure!(!page.more || !page.changes.is_empty(), "an empty page of stage moves says that more follow");
            query.after = page.changes.last().map(|change| place(change, change.occurred_at)).or(query.after);
            all.extend(page.changes);
            if !page.more {
                return Ok(all);
            }
        }
        Err(Failure::new("the walk through stage moves does not end"))
    }

    /// Reads the feed after a cursor until it has returned the expected number of changes followed by an empty page. If
    /// it never does, the changes read so far are returned nevertheless.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn feed(
        &self,
        after: Option<FeedCursor>,
        limit: usize,
        expected: usize,
    ) -> Result<(Vec<(Id, Change)>, FeedCursor), Failure> {
        self.settle().await;
        let mut all: Vec<(Id, Change)> = Vec::new();
        let mut cursor = after;
        for _ in 0..MAX_FEED_ROUNDS.max(expected * 2) {
            let page = self.store.feed(cursor.as_ref(), limit).await?;
            let empty = page.changes.is_empty();
            all.extend(page.changes);
            cursor = Some(page.cursor);
            if empty {
                if all.len() >= expected {
                    break;
                }
                self.settle().await;
            }
        }
        cursor.map(|cursor| (all, cursor)).ok_or_else(|| Failure::new("the feed gave no cursor"))
    }

    /// Runs tasks concurrently, as far as the harness supports it, and waits for all. They start together.
    pub async fn race(&self, tasks: Vec<Task>) {
        let (open, gate) = oneshot::channel::<()>();
        let gate = gate.shared();
        let runners = tasks.into_iter().map(|task| {
            let gate = gate.clone();
            self.harness.spawn(Box::pin(async move {
                // The race starts whether the gate was opened or dropped.
                let _ = gate.await;
                task.await;
            }))
        });
        // The runners are polled first, so that all of them wait at the gate when it opens.
        join(join_all(runners), async {
            let _ = open.send(());
        })
        .await;
    }
}

/// Returns the position of a change in a log that is ordered by a time.
pub(super) fn place(change: &Change, time: Time) -> LogPosition {
    LogPosition { time, record: change.record, group: change.group, version: change.version }
}

/// Returns the position of a change in its record's history.
pub(super) fn history_place(change: &Change) -> HistoryPosition {
    HistoryPosition { recorded_at: change.recorded_at, group: change.group, version: change.version }
}

/// Steele's splitmix64: a permutation of all numbers, in no apparent order.
pub(super) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
