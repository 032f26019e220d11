//! Races: many concurrent tasks on one subject. Versions and claims must admit the right ones.
//!
//! A task resends its commit if the store is unavailable or the outcome is unknown, as a careful caller would, and
//! reports the last answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use super::{Case, Edit, Failure, Lab, Outcome, Task, case, ensure, feed::once, lab::CommitIds};
use crate::model::{
    schema::Image,
    store::{Claim, Commit, CommitId, FeedPlace, Got, Store, StoreError, Want},
    value::{Id, Kind, Ref, Time, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("races", claim_race, "of many tasks that take one claim, one wins, and the others are told the winner"),
    case!("races", creation_race, "of many tasks that create one record, one wins"),
    case!("races", key_race, "of many commits under one key, one is stored"),
    case!("races", transfer_race, "of many tasks that hand over one claim, one does"),
    case!(
        "races",
        counter_race,
        "tasks that count up through version checks reach exactly the sum, and the log has every step"
    ),
    case!("races", people_against_the_machine, "people and the machine, writing one record at once, never conflict"),
    case!("races", write_skew, "of two commits that each write what the other guards, one is stored"),
    case!("races", crossing_batches, "batches over the same records in opposite orders all get through, none by half"),
    case!("races", definitions_at_once, "unrelated definitions are written at once without a conflict"),
    case!("races", shared_guard, "many commits that guard one record at once all pass"),
    case!("races", place_race, "of many tasks that move a consumer's place from one fence, one does"),
    case!("races", feed_meanwhile, "a consumer that reads the feed while many write misses nothing"),
    case!(
        "races",
        reads_meanwhile,
        "a record that is read while it is written is whole, and its version never runs backwards"
    ),
];

const TASKS: usize = 16;
/// The limit of attempts of a task to send a commit whose outcome is unknown.
const MAX_SENDS: usize = 200;

/// Collected results of concurrent tasks.
#[derive(Clone)]
struct Pot<T>(Arc<Mutex<Vec<T>>>);

impl<T> Pot<T> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    fn add(&self, item: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(item);
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends a commit until the store gives a definite answer. If an answer was lost and the resent commit conflicts with
/// itself, it was stored.
async fn send(store: &dyn Store, commit: &Commit) -> Result<(), StoreError> {
    let mut unknown = false;
    let mut last = Err(StoreError::unavailable("never sent"));
    for _ in 0..MAX_SENDS {
        last = store.commit(commit).await;
        match &last {
            Err(StoreError::Unavailable(_)) => {}
            Err(StoreError::OutcomeUnknown(_)) => unknown = true,
            Err(StoreError::Conflict { .. } | StoreError::KeyUsed) if unknown => {
                return own_work(store, commit, last).await;
            }
            _ => return last,
        }
    }
    last
}

async fn own_work(store: &dyn Store, commit: &Commit, told: Result<(), StoreError>) -> Result<(), StoreError> {
    for write in &commit.writes {
        let query = crate::model::store::HistoryQuery {
            tenant: commit.tenant,
            record: write.record(),
            field: None,
            descending: true,
            after: None,
            limit: 100,
        };
        if store.history(&query).await?.changes.iter().any(|change| change.commit == commit.id) {
            return Ok(());
        }
    }
    told
}

/// Sends commits concurrently, one in each task, and returns each with its answer, in the order of the answers.
async fn send_all(lab: &Lab<'_>, commits: Vec<Commit>) -> Vec<(Commit, Result<(), StoreError>)> {
    let pot = Pot::new();
    let tasks = commits.into_iter().map(|commit| -> Task {
        let (store, pot) = (Arc::clone(&lab.store), pot.clone());
        Box::pin(async move {
            let outcome = send(store.as_ref(), &commit).await;
            pot.add((commit, outcome));
        })
    });
    lab.race(tasks.collect()).await;
    pot.take()
}

/// Returns the only commit that was stored; the failures of the others must be the expected ones.
fn one_winner(
    outcomes: &[(Commit, Result<(), StoreError>)],
    fits: impl Fn(&StoreError) -> bool,
) -> Result<&Commit, Failure> {
    let mut winner = None;
    for (commit, outcome) in outcomes {
        match outcome {
            Ok(()) if winner.is_none() => winner = Some(commit),
            Ok(()) => return Err(Failure::new("two tasks won")),
            Err(error) if fits(error) => {}
            Err(error) => return Err(Failure::new(format!("a task that lost was told {error:?}"))),
        }
    }
    winner.ok_or_else(|| Failure::new("no task won"))
}

async fn claim_race(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    for round in 0..3 {
        let claim = Claim::new(tenant, Kind::Contact, "emails", &format!("{round}@example.com"));
        let commits = (0..TASKS * 2).map(|_| {
            let edit = lab.new_record(tenant, Kind::Contact);
            let holder = edit.record();
            lab.step(tenant).write(edit).take(&claim, holder).build()
        });
        let outcomes = send_all(lab, commits.collect()).await;
        let winner = one_winner(&outcomes, |error| matches!(error, StoreError::Claimed { .. }))?;
        let holder = winner.writes[0].record();
        lab.expect_holder(&claim, Some(holder)).await?;
        for (commit, outcome) in &outcomes {
            let record = commit.writes[0].record();
            if let Err(StoreError::Claimed { holder: told, .. }) = outcome {
                ensure!(*told == holder, "a task that lost was told the holder {told}, it is {holder}");
                lab.expect_none(tenant, record).await?;
            }
        }
    }
    Ok(())
}

async fn creation_race(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let record = Ref::new(Kind::Company, lab.id());
    let commits = (0..TASKS).map(|number| {
        let edit = super::edit::sample(tenant, record, lab.now()).set("source", Value::text(number.to_string()));
        lab.step(tenant).write(edit).write(lab.new_record(tenant, Kind::Lead)).build()
    });
    let outcomes = send_all(lab, commits.collect()).await;
    let conflict = |error: &StoreError| matches!(error, StoreError::Conflict { record: named, .. } if *named == record);
    let winner = one_winner(&outcomes, conflict)?;
    for write in &winner.writes {
        lab.expect(&write.after).await?;
    }
    for (commit, _) in outcomes.iter().filter(|(commit, _)| commit.id != winner.id) {
        lab.expect_none(tenant, commit.writes[1].record()).await?;
    }
    let changes = lab.changes(tenant, record).await?;
    ensure!(changes.len() == 1, "one creation was stored, the history has {}", changes.len());
    Ok(())
}

async fn key_race(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let commits = (0..TASKS).map(|_| lab.step(tenant).write(lab.new_record(tenant, Kind::Lead)).key("key", 24).build());
    let outcomes = send_all(lab, commits.collect()).await;
    let winner = one_winner(&outcomes, |error| matches!(error, StoreError::KeyUsed))?;
    ensure!(lab.key(tenant, "key").await? == winner.key, "under the key is not the winner's entry");
    for (commit, _) in outcomes.iter().filter(|(commit, _)| commit.id != winner.id) {
        lab.expect_none(tenant, commit.writes[0].record()).await?;
    }
    Ok(())
}

async fn transfer_race(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = Claim::new(tenant, Kind::Contact, "emails", "a@example.com");
    let images = lab.put_all((0..=TASKS).map(|_| lab.new_record(tenant, Kind::Contact)).collect()).await?;
    let from = images[0].reference();
    lab.step(tenant).take(&claim, from).send().await?;
    let commits = images[1..].iter().map(|to| {
        let edit = lab.change(to).set("source", Value::text("web"));
        lab.step(tenant).write(edit).transfer(&claim, from, to.reference()).build()
    });
    let outcomes = send_all(lab, commits.collect()).await;
    let conflict = |error: &StoreError| matches!(error, StoreError::Conflict { record, .. } if *record == from);
    let winner = one_winner(&outcomes, conflict)?;
    lab.expect_holder(&claim, Some(winner.writes[0].record())).await
}

/// Ids and times for concurrent decisions.
#[derive(Clone)]
struct Counter {
    ids: CommitIds,
    moments: Arc<AtomicI64>,
}

impl Counter {
    fn new(lab: &Lab<'_>) -> Self {
        Self { ids: lab.commit_ids().clone(), moments: Arc::new(AtomicI64::new(1_800_000_000_000_000)) }
    }

    fn next(&self) -> (CommitId, Time) {
        (self.ids.next(), Time::EPOCH.plus_micros(self.moments.fetch_add(1_000, Ordering::Relaxed)))
    }
}

fn commit_of(id: CommitId, at: Time, tenant: Id, edits: Vec<Edit>) -> Commit {
    let writes = edits.into_iter().map(|edit| edit.into_write(id)).collect();
    let mut commit = Commit { id, tenant, at, writes, guards: Vec::new(), claims: Vec::new(), key: None };
    commit.sort();
    commit
}

/// Returns one record.
async fn read(store: &dyn Store, tenant: Id, record: Ref) -> Result<Arc<Image>, Failure> {
    for _ in 0..MAX_SENDS {
        match store.get(tenant, &[Want::Record(record)]).await.map(|mut answer| answer.got.pop()) {
            Ok(Some(Got::Record(Some(image)))) => return Ok(image),
            Err(StoreError::Unavailable(_)) => {}
            other => return Err(Failure::new(format!("{record} was read as {other:?}"))),
        }
    }
    Err(Failure::new("reads stay unavailable"))
}

/// Increments a field repeatedly: reads, decides, commits, and retries on a conflict.
async fn count_up(
    store: Arc<dyn Store>,
    counter: Counter,
    tenant: Id,
    record: Ref,
    field: &'static str,
    times: usize,
) -> Result<usize, Failure> {
    let (mut done, mut conflicts) = (0, 0);
    while done < times {
        let image = read(store.as_ref(), tenant, record).await?;
        let (id, at) = counter.next();
        let count = if let Value::Int(count) = image.get(field) { *count } else { 0 };
        // Within a record, `recorded_at` never goes back: it is the later of now and `updated_at`.
        let at = image.get("updated_at").as_time().map_or(at, |updated| at.max(updated));
        let commit = commit_of(id, at, tenant, vec![Edit::of(&image, at).set(field, Value::Int(count + 1))]);
        match send(store.as_ref(), &commit).await {
            Ok(()) => done += 1,
            Err(StoreError::Conflict { .. }) if conflicts < 100_000 => conflicts += 1,
            Err(error) => return Err(Failure::from(error).at("counting up")),
        }
    }
    Ok(conflicts)
}

fn counting(
    lab: &Lab<'_>,
    pot: &Pot<Result<usize, Failure>>,
    counter: &Counter,
    image: &Image,
    field: &'static str,
    times: usize,
) -> Task {
    let (store, pot, counter) = (Arc::clone(&lab.store), pot.clone(), counter.clone());
    let (tenant, record) = (image.tenant, image.reference());
    Box::pin(async move { pot.add(count_up(store, counter, tenant, record, field, times).await) })
}

async fn counter_race(lab: &Lab<'_>) -> Outcome {
    const TIMES: usize = 6;
    let tenant = lab.tenant().await?.tenant;
    let lead = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    let (pot, counter) = (Pot::new(), Counter::new(lab));
    lab.race((0..TASKS).map(|_| counting(lab, &pot, &counter, &lead, "employee_count", TIMES)).collect()).await;
    for outcome in pot.take() {
        outcome?;
    }
    let expected = i64::try_from(TASKS * TIMES).unwrap_or_default();
    let end = read(lab.store.as_ref(), tenant, lead.reference()).await?;
    ensure!(end.get("employee_count") == &Value::Int(expected), "the sum is {:?}", end.get("employee_count"));
    let changes = lab.changes(tenant, lead.reference()).await?;
    let mut counts = Vec::new();
    for change in &changes {
        if let Some(field) = change.field("employee_count") {
            counts.push(field.new.clone());
        }
    }
    let steps: Vec<Value> = (1..=expected).map(Value::Int).collect();
    ensure!(counts == steps, "the log does not have every step once and in order: {counts:?}");
    ensure!(end.versions.person == changes.len() as u64, "version {:?} of {} changes", end.versions, changes.len());
    Ok(())
}

async fn people_against_the_machine(lab: &Lab<'_>) -> Outcome {
    const TIMES: usize = 25;
    let tenant = lab.tenant().await?.tenant;
    let lead = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    let (pot, counter) = (Pot::new(), Counter::new(lab));
    let tasks = vec![
        counting(lab, &pot, &counter, &lead, "employee_count", TIMES),
        counting(lab, &pot, &counter, &lead, "score", TIMES),
    ];
    lab.race(tasks).await;
    for outcome in pot.take() {
        let conflicts = outcome?;
        ensure!(conflicts == 0, "one person and one machine had {conflicts} conflicts");
    }
    let end = read(lab.store.as_ref(), tenant, lead.reference()).await?;
    let times = Value::Int(i64::try_from(TIMES).unwrap_or_default());
    ensure!(end.get("score") == &times, "the machine counted to {:?}", end.get("score"));
    ensure!(end.get("employee_count") == &times, "the person counted to {:?}", end.get("employee_count"));
    Ok(())
}

async fn write_skew(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let edits = vec![lab.new_record(tenant, Kind::Company), lab.new_record(tenant, Kind::Company)];
    let mut pair = lab.put_all(edits).await?;
    for round in 0..40 {
        let step = |mine: usize, other: usize| {
            let edit = lab.change(&pair[mine]).set("parent_id", Value::Id(pair[other].id));
            let edit = edit.property("round", Value::Int(round));
            lab.step(tenant).write(edit).guard(&pair[other]).build()
        };
        let outcomes = send_all(lab, vec![step(0, 1), step(1, 0)]).await;
        let winner = one_winner(&outcomes, |error| matches!(error, StoreError::Conflict { .. }))
            .map_err(|failure| failure.at(&format!("round {round}")))?;
        let written = Arc::clone(&winner.writes[0].after);
        let at = usize::from(written.id == pair[1].id);
        lab.expect(&written).await?;
        pair[at] = written;
        lab.expect(&pair[1 - at]).await?;
    }
    Ok(())
}

async fn crossing_batches(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let edits = (0..10).map(|number| {
        let kind = if number % 2 == 0 { Kind::Company } else { Kind::Lead };
        super::edit::sample(tenant, Ref::new(kind, lab.mixed_id()), lab.now()).set("employee_count", Value::Int(0))
    });
    let records: Vec<Ref> = lab.put_all(edits.collect()).await?.iter().map(|image| image.reference()).collect();
    let (pot, counter) = (Pot::new(), Counter::new(lab));
    let tasks = (0..6).map(|task| -> Task {
        let (store, pot, counter) = (Arc::clone(&lab.store), pot.clone(), counter.clone());
        let mut order = records.clone();
        order.rotate_left(task);
        if task % 2 == 1 {
            order.reverse();
        }
        Box::pin(async move { pot.add(raise_all(store.as_ref(), &counter, tenant, &order).await) })
    });
    lab.race(tasks.collect()).await;
    for outcome in pot.take() {
        outcome?;
    }
    for record in records {
        let image = read(lab.store.as_ref(), tenant, record).await?;
        let count = image.get("employee_count");
        ensure!(count == &Value::Int(12), "{record} was raised to {count:?} by 6 tasks, twice each");
    }
    Ok(())
}

/// Increments a field of every record in one commit, twice.
async fn raise_all(store: &dyn Store, counter: &Counter, tenant: Id, order: &[Ref]) -> Outcome {
    let mut done = 0;
    for _ in 0..100_000 {
        if done == 2 {
            return Ok(());
        }
        let (id, now) = counter.next();
        let mut edits = Vec::new();
        for record in order {
            let image = read(store, tenant, *record).await?;
            let count = if let Value::Int(count) = image.get("employee_count") { *count } else { 0 };
            let at = image.get("updated_at").as_time().map_or(now, |updated| now.max(updated));
            edits.push(Edit::of(&image, at).set("employee_count", Value::Int(count + 1)));
        }
        match send(store, &commit_of(id, now, tenant, edits)).await {
            Ok(()) => done += 1,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(Failure::from(error).at("raising all")),
        }
    }
    Err(Failure::new("a batch never gets through"))
}

async fn definitions_at_once(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let commits: Vec<Commit> =
        (0..TASKS).map(|_| lab.step(tenant).write(lab.new_record(tenant, Kind::Property)).build()).collect();
    let ids: Vec<CommitId> = commits.iter().map(|commit| commit.id).collect();
    let outcomes = send_all(lab, commits).await;
    for (_, outcome) in &outcomes {
        ensure!(outcome.is_ok(), "a definition of its own was refused: {outcome:?}");
    }
    let epoch = lab.epoch(tenant).await?;
    ensure!(ids.contains(&epoch), "the epoch {epoch} is none of the commits'");
    let count = lab.store.definitions(tenant).await?.images.iter().filter(|i| i.kind() == Kind::Property).count();
    ensure!(count == TASKS, "{TASKS} definitions were written, {count} are told");
    Ok(())
}

async fn shared_guard(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let parent = lab.put(lab.new_record(tenant, Kind::Company)).await?;
    let commits =
        (0..TASKS).map(|_| lab.step(tenant).write(lab.new_record(tenant, Kind::Company)).guard(&parent).build());
    for (_, outcome) in send_all(lab, commits.collect()).await {
        ensure!(outcome.is_ok(), "a guard of an unchanged record was refused: {outcome:?}");
    }
    Ok(())
}

async fn place_race(lab: &Lab<'_>) -> Outcome {
    let consumer = format!("suite-{}", lab.id());
    for was in 0..4 {
        let pot = Pot::new();
        let tasks = (0..TASKS).map(|number| -> Task {
            let (store, pot, consumer) = (Arc::clone(&lab.store), pot.clone(), consumer.clone());
            let place = FeedPlace { state: Some(number.into()), ..FeedPlace::beginning(lab.now()) };
            Box::pin(async move {
                let mut kept = store.keep_feed_place(&consumer, &place, was).await;
                while matches!(kept, Err(StoreError::Unavailable(_))) {
                    kept = store.keep_feed_place(&consumer, &place, was).await;
                }
                pot.add((place, kept));
            })
        });
        lab.race(tasks.collect()).await;
        let mut winner = None;
        for (place, kept) in pot.take() {
            if kept? {
                ensure!(winner.is_none(), "two tasks moved the place from the fence {was}");
                winner = Some(FeedPlace { fence: was + 1, ..place });
            }
        }
        ensure!(winner.is_some(), "no task moved the place from the fence {was}");
        let found = lab.store.feed_place(&consumer).await?;
        ensure!(found == winner, "{winner:?} was kept, {found:?} is found");
    }
    Ok(())
}

async fn feed_meanwhile(lab: &Lab<'_>) -> Outcome {
    const TIMES: usize = 8;
    let tenant = lab.tenant().await?.tenant;
    let leads = lab.put_all((0..8).map(|_| lab.new_record(tenant, Kind::Lead)).collect()).await?;
    let (pot, told, counter) = (Pot::new(), Pot::new(), Counter::new(lab));
    let mut tasks: Vec<Task> =
        leads.iter().map(|lead| counting(lab, &pot, &counter, lead, "employee_count", TIMES)).collect();
    let (store, heard) = (Arc::clone(&lab.store), told.clone());
    tasks.push(Box::pin(async move {
        let mut cursor = None;
        for _ in 0..60 {
            match store.feed(cursor.as_ref(), 3).await {
                Ok(page) => {
                    heard.add(Ok((page.changes, page.cursor.clone())));
                    cursor = Some(page.cursor);
                }
                Err(error) => return heard.add(Err(Failure::from(error).at("the feed"))),
            }
        }
    }));
    lab.race(tasks).await;
    for outcome in pot.take() {
        outcome?;
    }
    // The changes read during the race, and those read by a consumer that resumes from there, must be complete.
    let mut meanwhile = Vec::new();
    let mut reached = None;
    for heard in told.take() {
        let (changes, cursor) = heard?;
        meanwhile.extend(changes);
        reached = Some(cursor);
    }
    let total = 10 + leads.len() * (1 + TIMES);
    let (rest, _) = lab.feed(reached, 7, total.saturating_sub(once(meanwhile.clone()).len())).await?;
    let all = once(meanwhile.into_iter().chain(rest).collect());
    ensure!(all.len() == total, "{total} changes were made, the feed tells {}", all.len());
    Ok(())
}

async fn reads_meanwhile(lab: &Lab<'_>) -> Outcome {
    const TIMES: usize = 30;
    let tenant = lab.tenant().await?.tenant;
    let lead = lab.put(lab.new_record(tenant, Kind::Lead).set("employee_count", Value::Int(0))).await?;
    let (pot, seen, counter) = (Pot::new(), Pot::new(), Counter::new(lab));
    let (store, sight, record) = (Arc::clone(&lab.store), seen.clone(), lead.reference());
    let tasks = vec![
        counting(lab, &pot, &counter, &lead, "employee_count", TIMES),
        Box::pin(async move {
            for _ in 0..TIMES * 2 {
                sight.add(read(store.as_ref(), tenant, record).await);
            }
        }) as Task,
    ];
    lab.race(tasks).await;
    for outcome in pot.take() {
        outcome?;
    }
    let mut last = 0;
    for image in seen.take() {
        let image = image?;
        let version = image.versions.person;
        let count = i64::try_from(version).unwrap_or_default() - 1;
        ensure!(image.get("employee_count") == &Value::Int(count), "version {version} was read half: {image:?}");
        ensure!(version >= last, "version {version} was read after version {last}");
        last = version;
    }
    Ok(())
}
