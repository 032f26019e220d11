//! Followers and the worker: every change is delivered, despite failures, concurrent workers, and gaps in the feed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use crm_core::{
    Crm, Error, MemoryStore,
    change::Change,
    followers::{Follower, Run},
    leads::LeadPatch,
    organizations::NewOrganization,
    system::System,
    testing::{CountedIds, TestClock},
    value::{FaultCode, Id, Ref, Time},
    worker::{Background, Round},
};

use crate::support::{World, run};

/// A budget that no round exhausts.
const LONG: Duration = Duration::from_hours(1);

/// How often each change was delivered.
type Told = BTreeMap<(Ref, String, u64), usize>;

fn key(change: &Change) -> (Ref, String, u64) {
    (change.record, format!("{:?}", change.group), change.version)
}

/// A follower of the embedder that records what it receives.
#[derive(Clone, Default)]
struct Index {
    told: Arc<Mutex<Told>>,
    fails: Arc<AtomicBool>,
}

impl Index {
    fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Follower for Index {
    fn name(&self) -> &'static str {
        "acme.index"
    }

    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error> {
        assert!(!told.is_empty() && told.len() <= 100 && run.state().is_none());
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::invalid("index", FaultCode::custom("full"), "is full"));
        }
        let mut all = self.told.lock().unwrap();
        for (_, change) in told {
            *all.entry(key(change)).or_default() += 1;
        }
        run.count("indexed", told.len() as u64);
        Ok(false)
    }
}

fn with(world: &World, system: System) -> Crm {
    Crm::builder(world.store.clone()).clock(world.clock.clone()).ids(CountedIds::series(9)).system(system).build()
}

async fn write(world: &World, times: usize) {
    for number in 0..times {
        let patch = LeadPatch::new().source(format!("{number} of {}", world.clock.now()));
        world.crm.leads(&world.admin).update(world.lead.id, patch).await.unwrap();
    }
}

/// Every committed change, from the histories and not from the feed.
async fn all(worlds: &[&World]) -> Vec<(Ref, String, u64)> {
    use crm_core::store::{History as _, LogQuery};
    let mut all = Vec::new();
    for world in worlds {
        let query = LogQuery {
            tenant: world.admin.tenant(),
            from: Time::MIN,
            until: Time::MAX,
            descending: false,
            after: None,
            limit: 1_000_000,
        };
        all.extend(world.store.log(&query).await.unwrap().changes.iter().map(key));
    }
    all.sort();
    all
}

#[test]
fn every_change_is_told_whatever_call_fails() {
    run(async {
        for call in 1..200 {
            let world = World::new().await;
            write(&world, 120).await;
            let index = Index::default();
            let crm = with(&world, System::new("acme").follower(index.clone()));
            world.store.faults().fail_call(call);
            let report = crm.worker().run(LONG).await;
            if world.store.faults().is_pending() {
                world.store.faults().clear();
                assert!(call > 12, "a round makes {call} calls");
                assert_eq!(index.told().into_keys().collect::<Vec<_>>(), all(&[&world]).await);
                return;
            }
            assert_eq!(report.failed().count(), 1, "call {call}: {report:?}");
            // If the lease could not be released, it expires after a minute.
            world.clock.advance_seconds(60);
            let report = crm.worker().run(LONG).await;
            assert!(report.failed().next().is_none() && !report.more, "call {call}: {report:?}");
            assert_eq!(index.told().into_keys().collect::<Vec<_>>(), all(&[&world]).await, "call {call}");
        }
        panic!("a round does not end");
    });
}

/// A follower that lets time pass, and another run begin, while it follows.
struct Slow {
    index: Index,
    clock: TestClock,
    sleeps: i64,
    other: Mutex<Option<(bool, u64)>>,
}

#[async_trait]
impl Follower for Slow {
    fn name(&self) -> &'static str {
        "acme.index"
    }

    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error> {
        self.clock.advance_seconds(self.sleeps);
        let other = run.crm().worker().follow(&self.index, LONG).await?;
        *self.other.lock().unwrap() = Some((other.taken, other.changes));
        run.count("followed", told.len() as u64);
        Ok(false)
    }
}

#[test]
fn one_run_follows_at_a_time_and_a_stale_place_is_refused() {
    run(async {
        for (sleeps, is_taken) in [(0, true), (20, true), (120, false)] {
            let world = World::new().await;
            write(&world, 5).await;
            let all = world.changes().await as u64;
            let (index, other) = (Index::default(), Mutex::default());
            let slow = Slow { index: index.clone(), clock: world.clock.clone(), sleeps, other };
            let first = world.crm.worker().follow(&slow, LONG).await.unwrap();
            assert_eq!(*slow.other.lock().unwrap(), Some((is_taken, if is_taken { 0 } else { all })));
            assert_eq!((first.taken, first.count("followed")), (!is_taken, all));
            let kept = world.crm.feed_place("acme.index").await.unwrap().unwrap();
            assert_eq!((kept.cursor, kept.taken_until), (Some(world.crm.feed_end().await.unwrap()), None));
            assert_eq!(index.told().len() as u64, if is_taken { 0 } else { all });
        }
    });
}

/// Background work that fails, or counts.
struct Work(&'static str, bool);

#[async_trait]
impl Background for Work {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn run(&self, _: &Crm, _: Time) -> Result<Round, Error> {
        if self.1 {
            return Err(Error::invalid("work", FaultCode::custom("broken"), "is broken"));
        }
        Ok(Round { more: false, counts: BTreeMap::from([("worked", 1)]) })
    }
}

/// A follower with another name.
struct Named(&'static str, Index);

#[async_trait]
impl Follower for Named {
    fn name(&self) -> &str {
        self.0
    }

    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error> {
        self.1.follow(run, told).await
    }
}

#[test]
fn what_fails_stops_nothing_else_and_is_told_again() {
    run(async {
        let world = World::new().await;
        write(&world, 3).await;
        let (broken, sound) = (Index::default(), Index::default());
        broken.fails.store(true, Ordering::SeqCst);
        let system = System::new("acme")
            .follower(Named("acme.broken", broken.clone()))
            .follower(sound.clone())
            .background(Work("acme.broken_work", true))
            .background(Work("acme.work", false));
        let crm = with(&world, system);
        let report = crm.worker().run(LONG).await;
        let failed: Vec<&str> = report.failed().map(|(name, _)| name).collect();
        assert_eq!(failed, ["acme.broken", "acme.broken_work"]);
        let names: Vec<&str> = report.parts.iter().map(|(name, _)| name.as_str()).collect();
        let expected =
            ["crm.totals", "acme.broken", "acme.index", "crm.jobs", "crm.scores", "acme.broken_work", "acme.work"];
        assert_eq!(names, expected);
        let all = all(&[&world]).await;
        assert_eq!(report.count("worked"), 1);
        assert_eq!(report.count("indexed"), all.len() as u64);
        assert!(broken.told().is_empty());
        broken.fails.store(false, Ordering::SeqCst);
        let report = crm.worker().run(LONG).await;
        assert_eq!(report.count("indexed"), all.len() as u64, "what failed is told again, what did not is not");
        assert_eq!(broken.told(), sound.told());
    });
}

#[test]
fn names_of_the_crm_and_of_others_are_refused() {
    run(async {
        let world = World::new().await;
        let index = Index::default();
        let system = System::new("acme")
            .follower(Named("crm.totals", index.clone()))
            .follower(Named("crm.search", index.clone()))
            .follower(Named("acme.twice", index.clone()))
            .follower(Named("acme.twice", index.clone()));
        let report = with(&world, system).worker().run(LONG).await;
        let failed: Vec<(&str, String)> = report.failed().map(|(name, why)| (name, why.to_string())).collect();
        assert_eq!(failed.len(), 3, "{failed:?}");
        for ((name, why), (expected, says)) in
            failed.iter().zip([("crm.totals", "`crm.`"), ("crm.search", "`crm.`"), ("acme.twice", "another")])
        {
            assert!(*name == expected && why.contains(says), "{name}: {why}");
        }
        assert!(index.told().values().all(|times| *times == 1));
        let refused = world.crm.worker().follow(&Named("crm.search", index), LONG).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    });
}

/// A follower that puts off what it receives, and fails once after that.
#[derive(Default)]
struct Later {
    told: AtomicBool,
    done: Mutex<Vec<u64>>,
}

#[async_trait]
impl Follower for Later {
    fn name(&self) -> &'static str {
        "acme.later"
    }

    fn wants(&self, change: &Change) -> bool {
        &*change.action == "update"
    }

    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error> {
        if !told.is_empty() {
            assert!(!self.told.swap(true, Ordering::SeqCst), "told twice what was accepted");
            let versions: Vec<u64> = told.iter().map(|(_, change)| change.version).collect();
            run.accept(Some(versions.into()));
            return Err(Error::invalid("disk", FaultCode::custom("full"), "is full"));
        }
        let mut waiting: Vec<u64> = serde_json::from_value(run.state().cloned().unwrap_or_default()).unwrap();
        if let Some(next) = waiting.pop().filter(|_| !waiting.is_empty() || run.is_over())
            && run.hold().await?
        {
            self.done.lock().unwrap().push(next);
            run.accept(Some(waiting.into()).filter(|_| next > 2));
        }
        Ok(run.state().is_some())
    }
}

#[test]
fn what_was_accepted_is_not_told_again_and_waits_in_the_state() {
    run(async {
        let world = World::new().await;
        write(&world, 4).await;
        let later = Later::default();
        world.crm.worker().follow(&later, Duration::ZERO).await.unwrap_err();
        let place = async || world.crm.feed_place("acme.later").await.unwrap().unwrap();
        assert_eq!(place().await.settled, Time::MIN);
        for left in [3, 2, 1, 0] {
            let kept = place().await;
            let followed = world.crm.worker().follow(&later, Duration::ZERO).await.unwrap();
            assert_eq!((followed.changes, followed.more), (0, left > 0));
            assert!(place().await.fence > kept.fence);
        }
        assert_eq!(*later.done.lock().unwrap(), [5, 4, 3, 2]);
        assert_eq!(place().await.state, None);
        world.crm.worker().follow(&later, LONG).await.unwrap();
        assert!(place().await.settled > Time::MIN, "nothing waits any more");
    });
}

#[test]
fn a_round_that_has_no_time_does_a_piece_of_everything() {
    run(async {
        let world = World::new().await;
        write(&world, 250).await;
        let index = Index::default();
        let crm = with(&world, System::new("acme").follower(index.clone()).background(Work("acme.work", false)));
        let mut rounds = 0;
        loop {
            let report = crm.worker().run(Duration::ZERO).await;
            rounds += 1;
            assert!(report.failed().next().is_none());
            assert!(report.count("indexed") <= 100 && report.count("worked") == 1, "{report:?}");
            if !report.more {
                break;
            }
        }
        assert!(rounds > 3);
        assert!(index.told().values().all(|times| *times == 1));
        assert_eq!(index.told().into_keys().collect::<Vec<_>>(), all(&[&world]).await);
    });
}

#[test]
fn what_the_feed_forgot_is_told_from_the_log() {
    run(async {
        // Each store call fails in turn; in the last pass none does.
        for call in (1..60).chain([1_000_000]) {
            let memory = MemoryStore::new();
            let (one, two) = (World::on(memory.clone(), 0).await, World::on(memory.clone(), 1).await);
            let index = Index::default();
            let crm = with(&one, System::new("acme").follower(index.clone()));
            let hours = |hours: i64| {
                one.clock.advance_seconds(hours * 3600);
                two.clock.advance_seconds(hours * 3600);
            };
            hours(5);
            crm.worker().run(LONG).await;
            let before = index.told();
            hours(5);
            write(&one, 130).await;
            write(&two, 70).await;
            memory.forget_feed();
            // A tenant created after the gap, and changes that the feed still has.
            let three = World::on(memory.clone(), 2).await;
            write(&two, 5).await;
            memory.faults().fail_call(call);
            let (mut rounds, mut gaps) = (0, 0);
            loop {
                let followed = crm.worker().follow(&index, Duration::ZERO).await;
                rounds += 1;
                assert!(rounds < 50);
                let Ok(followed) = followed else {
                    one.clock.advance_seconds(60);
                    continue;
                };
                assert!(followed.changes <= 100);
                gaps += usize::from(followed.gap);
                let kept = followed.place.unwrap();
                assert_eq!(kept.gap_since.is_some(), kept.state.is_some());
                if !followed.more && !followed.taken {
                    assert_eq!(kept.gap_since, None);
                    break;
                }
                one.clock.advance_seconds(if followed.taken { 60 } else { 0 });
            }
            memory.faults().clear();
            assert!(rounds > 4 && gaps > 2, "call {call}: {rounds} {gaps}");
            assert_eq!(index.told().into_keys().collect::<Vec<_>>(), all(&[&one, &two, &three]).await, "call {call}");
            let again = before.iter().filter(|(change, _)| index.told()[change] > 1).count();
            assert_eq!(again, 0, "what had settled long before is not told again");
            assert!(!crm.worker().follow(&index, LONG).await.unwrap().gap);
        }
    });
}

#[test]
fn where_nothing_is_to_be_done_a_round_costs_as_much_for_a_thousand_tenants_as_for_one() {
    run(async {
        let world = World::new().await;
        let crm = with(&world, System::new("acme").follower(Index::default()));
        let calls = async || {
            assert!(crm.worker().run(LONG).await.failed().next().is_none());
            let before = world.store.faults().calls();
            let report = crm.worker().run(LONG).await;
            let counted =
                report.parts.iter().filter_map(|(_, round)| round.as_ref().ok()).flat_map(|round| &round.counts);
            assert_eq!(counted.collect::<Vec<_>>(), Vec::new());
            world.store.faults().calls() - before
        };
        let one = calls().await;
        for number in 0..1_000 {
            let name = format!("Tenant {number}");
            crm.bootstrap(NewOrganization { name, ..Default::default() }).await.unwrap();
        }
        assert_eq!(calls().await, one);
        assert!(one <= 8, "{one}");
    });
}
