//! What is done in the background: followers of the log, jobs, and what systems do besides, by one worker.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    crm::Crm,
    engine::{
        followers::{Followed, Follower, RESERVED, follow, micros},
        jobs,
    },
    model::{error::Error, value::Time},
};

/// The least time of a part in microseconds, however late it is: enough for a piece.
const MIN_SHARE: i64 = 100_000;

/// What a piece of background work came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// True where the time was up before all was done.
    pub more: bool,
    /// What was done, counted: a name of what, and how many.
    pub counts: BTreeMap<&'static str, u64>,
}

/// What a system does in the background besides followers and jobs. It is for the program, not for its users: it sees every
/// tenant.
#[async_trait]
pub trait Background: Send + Sync {
    /// What it is called in logs.
    fn name(&self) -> &'static str;

    /// Does what is to be done until a moment by the CRM's clock; at least a piece of it. Two may run at once, in one
    /// process or in several. What goes wrong of one tenant or record is logged and stops no other.
    ///
    /// # Errors
    /// What the store says where it cannot be told what is to be done.
    async fn run(&self, crm: &Crm, until: Time) -> Result<Round, Error>;
}

/// Does all background work of a CRM: its program calls [`Worker::run`] again and again. It is plain and keeps nothing: how far
/// everything has come is kept by the store, so that any number of processes may run one.
#[derive(Clone, Debug)]
pub struct Worker<'a> {
    crm: &'a Crm,
    lag: Duration,
}

/// What a round of the worker came to.
#[derive(Debug, Default)]
pub struct Report {
    /// True where the time was up before all was done.
    pub more: bool,
    /// What each part came to, in the order in which they began: followers, jobs, what systems do besides.
    pub parts: Vec<(String, Result<Round, Error>)>,
}

impl Report {
    /// How many were counted of something, by all parts.
    pub fn count(&self, what: &str) -> u64 {
        self.parts.iter().filter_map(|(_, round)| round.as_ref().ok()?.counts.get(what)).sum()
    }

    /// The parts that failed, with why.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.parts.iter().filter_map(|(name, round)| Some((name.as_str(), round.as_ref().err()?)))
    }
}

/// What the worker gives time to.
#[derive(Clone, Copy)]
enum Part<'a> {
    Follower(&'a dyn Follower),
    /// A follower that may not have its name, with why.
    Misnamed(&'a dyn Follower, &'static str),
    Jobs,
    Background(&'a dyn Background),
}

impl<'a> Worker<'a> {
    pub(crate) const fn new(crm: &'a Crm) -> Self {
        Self { crm, lag: Duration::ZERO }
    }

    /// How long the store's lists may take to show a commit, for followers that compute from lists: nought where not given, which
    /// fits the stores whose lists never lag (in memory, PostgreSQL); on DynamoDB give some seconds, and what the clocks of the
    /// writing processes may differ by.
    #[must_use]
    pub const fn lists_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Does what is to be done until nothing is or the time is up by the CRM's clock. Every part (each follower, the jobs, what each
    /// system does besides) does at least a piece, however short the time; what one leaves of its share is the others'.
    /// Each goes on where it stopped, here or in another process. One that fails stops no other.
    ///
    /// Where nothing is to be done it costs two reads a follower and a few for everything else, however many tenants there are.
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
            let done = self.part(part, now.plus_micros(share.max(MIN_SHARE))).await;
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

    /// Has a follower that no system declares follow the log, for a program that drives its own: from where it stopped last, until
    /// everything is told or the time is up by the CRM's clock. At least a page is told. One run of it works at a time, in
    /// whatever process ([`Followed::taken`]); of one that was killed the next goes on after a minute.
    ///
    /// Costs two reads where nothing is to be told; a write, and another for each page where something is.
    ///
    /// # Errors
    /// [`Error::Invalid`] where its name is the CRM's own; what the follower and the store say.
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
            Part::Jobs => jobs::resume_due(self.crm, until).await,
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
    Error::invalid("name", "reserved", why)
}

/// Adds what a part did in another turn.
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
