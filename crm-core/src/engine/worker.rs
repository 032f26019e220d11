//! The worker: runs all background work, namely followers of the log, jobs, and background work of systems.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    engine::{
        crm::Crm,
        followers::{Followed, Follower, RESERVED, follow, micros},
    },
    model::{
        error::Error,
        value::{FaultCode, Time},
    },
};

/// The least time of jobs in microseconds, however late it is: enough for a piece.
const JOBS_SHARE: i64 = 100_000;

/// The result of a round of background work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// `true` if time ran out before all was done.
    pub more: bool,
    /// Counters by name.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Background work of a system other than followers and jobs. It belongs to the program, not to a user: it sees every
/// tenant.
#[async_trait]
pub trait Background: Send + Sync {
    /// The name in logs.
    fn name(&self) -> &'static str;

    /// Works until a time by the CRM's clock, doing at least one piece. Concurrent calls are allowed, in one process or
    /// several. Errors of single tenants and records are logged and do not stop the others.
    ///
    /// # Errors
    /// Errors of the store while finding work.
    async fn run(&self, crm: &Crm, until: Time) -> Result<Round, Error>;
}

/// Runs all background work of a CRM: the program calls [`Worker::run`] repeatedly. The worker has no state; the store
/// keeps all positions, so any number of processes may run one.
#[derive(Clone, Debug)]
pub struct Worker<'a> {
    crm: &'a Crm,
    lag: Duration,
}

/// The result of a round of the worker.
#[derive(Debug, Default)]
pub struct Report {
    /// `true` if time ran out before all was done.
    pub more: bool,
    /// The result of each part, in the order in which they began: followers, jobs, background work of systems.
    pub parts: Vec<(String, Result<Round, Error>)>,
}

impl Report {
    /// Returns the sum of a counter over all parts.
    pub fn count(&self, what: &str) -> u64 {
        self.parts.iter().filter_map(|(_, round)| round.as_ref().ok()?.counts.get(what)).sum()
    }

    /// Returns the failed parts with their errors.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.parts.iter().filter_map(|(name, round)| Some((name.as_str(), round.as_ref().err()?)))
    }
}

/// A part of the work that gets a share of the time.
#[derive(Clone, Copy)]
enum Part<'a> {
    Follower(&'a dyn Follower),
    /// A follower with an invalid name, and the reason.
    Misnamed(&'a dyn Follower, &'static str),
    Jobs,
    Background(&'a dyn Background),
}

impl<'a> Worker<'a> {
    pub(crate) const fn new(crm: &'a Crm) -> Self {
        Self { crm, lag: Duration::ZERO }
    }

    /// Sets how long the store's lists may lag behind a commit, for followers that compute from lists. The default is
    /// zero, for stores whose lists never lag (memory, PostgreSQL). On DynamoDB set some seconds, plus the difference
    /// between the clocks of the writing processes.
    #[must_use]
    pub const fn lists_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Works until nothing is left to do or the time is up by the CRM's clock. Each part (each follower, the jobs, the
    /// background work of each system) does at least one piece, however short the time; unused shares go to the other
    /// parts. Each part continues where it stopped, in this process or another. A part that fails does not stop the
    /// others.
    ///
    /// If there is nothing to do, costs two reads per follower and a few for everything else, regardless of the number
    /// of tenants.
    pub async fn run(&self, budget: Duration) -> Report {
        let until = self.crm.now().plus_micros(micros(budget));
        let mut report = Report::default();
        let mut waiting: VecDeque<(usize, Part<'_>)> = self.parts().into_iter().enumerate().collect();
        while let Some((at, part)) = waiting.pop_front() {
            let now = self.crm.now();
            let is_first = at == report.parts.len();
            if !is_first && now >= until {
                report.more = true;
                break;
            }
            let share = until.since(now).max(0) / i64::try_from(waiting.len() + 1).unwrap_or(i64::MAX);
            // Jobs do nothing once the time is up; every other part does a piece anyway.
            let share = if matches!(part, Part::Jobs) { share.max(JOBS_SHARE) } else { share };
            let done = self.part(part, now.plus_micros(share)).await;
            if done.as_ref().is_ok_and(|round| round.more) {
                waiting.push_back((at, part));
            }
            if is_first {
                report.parts.push((part.name().to_owned(), done));
            } else {
                merge(&mut report.parts[at].1, done);
            }
        }
        report
    }

    /// Runs a follower that no system declares, for programs that drive their own: from the position at which it
    /// stopped last, until all changes are processed or the time is up by the CRM's clock. At least one page is
    /// processed. One run works at a time across all processes ([`Followed::taken`]); after a run was killed, the next
    /// one continues a minute later.
    ///
    /// Costs two reads if there is nothing to process; otherwise one write and one more per page.
    ///
    /// # Errors
    /// [`Error::Invalid`] if its name is reserved; errors of the follower and the store.
    pub async fn follow(&self, follower: &dyn Follower, budget: Duration) -> Result<Followed, Error> {
        if follower.name().starts_with(RESERVED) {
            return Err(misnamed(OF_THE_CRM));
        }
        follow(self.crm, follower, self.lag, self.crm.now().plus_micros(micros(budget))).await
    }

    fn parts(&self) -> Vec<Part<'a>> {
        let systems = &self.crm.engine.systems;
        let mut names = BTreeSet::new();
        let followers = systems.iter().flat_map(|system| {
            system.followers.iter().map(|follower| (system.is_custom, follower.as_ref() as &'a dyn Follower))
        });
        let followers = followers.map(|(is_custom, follower)| {
            if is_custom && follower.name().starts_with(RESERVED) {
                Part::Misnamed(follower, OF_THE_CRM)
            } else if !names.insert(follower.name()) {
                Part::Misnamed(follower, TWICE)
            } else {
                Part::Follower(follower)
            }
        });
        let mut parts: Vec<Part<'a>> = followers.collect();
        parts.push(Part::Jobs);
        let background = systems.iter().flat_map(|system| &system.background);
        parts.extend(background.map(|background| Part::Background(background.as_ref())));
        parts
    }

    async fn part(&self, part: Part<'_>, until: Time) -> Result<Round, Error> {
        match part {
            Part::Follower(follower) => follow(self.crm, follower, self.lag, until).await.map(|followed| {
                let mut counts = followed.counts;
                if followed.changes > 0 {
                    counts.insert("changes", followed.changes);
                }
                Round { more: followed.more, counts }
            }),
            Part::Misnamed(_, why) => Err(misnamed(why)),
            Part::Jobs => self.crm.resume_jobs(until).await,
            Part::Background(background) => background.run(self.crm, until).await,
        }
    }
}

impl Part<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Follower(follower) | Self::Misnamed(follower, _) => follower.name(),
            Self::Jobs => "crm.jobs",
            Self::Background(background) => background.name(),
        }
    }
}

const OF_THE_CRM: &str = "begins with `crm.`, as the CRM's own followers do: choose another";
const TWICE: &str = "is another follower's, and they would share a place: choose another";

fn misnamed(why: &'static str) -> Error {
    Error::invalid("name", FaultCode::Reserved, why)
}

/// Adds the result of another turn of a part.
fn merge(all: &mut Result<Round, Error>, next: Result<Round, Error>) {
    match (all.as_mut(), next) {
        (Ok(all), Ok(next)) => {
            for (what, number) in next.counts {
                *all.counts.entry(what).or_default() += number;
            }
            all.more = next.more;
        }
        (_, next) => *all = next,
    }
}
