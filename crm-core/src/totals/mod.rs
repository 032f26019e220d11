//! Totals: computed fields that aggregate other records.
//!
//! | kind | field | value |
//! |---|---|---|
//! | contact, company | `lifetime_value` | the sum of its won, live deals in the base currency |
//! | lead | `last_activity_at` | the time of the latest completed interaction linked to it |
//! | lead | `next_task_due_at` | the earliest due date of its open tasks |
//!
//! No use case writes totals: a [follower](crate::engine::followers) of the log determines which totals a change may affect,
//! and recomputes each of them from lists. Nothing is added or subtracted, so a run may be repeated, interrupted and
//! resumed. It acts as the system, reads more than a single user may see, and writes only the machine group: no change
//! is logged and no user's edit becomes a conflict. A field rule on `lifetime_value` hides it from users who must not
//! learn the value of deals.
//!
//! An amount in another currency is converted as in [`Reports::sales`](crate::reports::Reports::sales): at the latest
//! rate on or before the day on which the deal closed (today, if a won deal has no such day). A deal without a rate for
//! its day is omitted and reported in [`Recomputed::without_rate`]; a deal of 10^18 or more is omitted and counted in
//! [`Recomputed::out_of_range`]. The sum is exact, regardless of the order of the deals. A rate that is added later
//! updates the affected totals, as any other change does.
//!
//! The same run changes other records as a consequence of a change, by ordinary logged changes of the system: open
//! deals get the new probability of their stage if they had the old one (`follow_stage`), and open tasks are archived
//! together with a lead, contact, company or deal if everything that they are linked to is archived, and restored with
//! it (`follow_archived`).

mod consequences;
mod sums;
mod touched;
mod waiting;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    deals::Deal,
    engine::{
        access::Access,
        collection::Collection,
        crm::Crm,
        draft::{Answer, Pending, fingerprint},
        followers::{Followed, Follower, Run, drive, follow, micros},
        runtime::Engine,
    },
    model::{
        access::Actor,
        change::Change,
        error::Error,
        schema::Image,
        store::{FeedPlace, Got, Want},
        value::{FaultCode, Id, Kind, Ref},
    },
    reports::{MissingRate, Reader},
};
use sums::{Books, LeftOut};
use touched::Touched;
use waiting::{Waiting, WaitingList};

/// The number of records computed before the time is checked.
const PAGE: u64 = 100;
/// The delay before a record that others kept writing is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often a record is computed again after a conflict with another run.
const TRIES: usize = 4;

/// Maintains the totals of all tenants. It belongs to the program, not to a user: no permissions apply.
#[derive(Clone)]
pub struct Totals<'a> {
    crm: &'a Crm,
    lag: Duration,
}

impl std::fmt::Debug for Totals<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Totals").field("lag", &self.lag).finish_non_exhaustive()
    }
}

/// The counter of records whose totals were computed and of records changed as a consequence.
const COMPUTED: &str = "computed";

/// The result of computing the totals of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recomputed {
    /// `true` if the totals have changed.
    pub written: bool,
    /// Deals omitted from `lifetime_value` for want of a rate.
    pub without_rate: Vec<MissingRate>,
    /// The number of deals omitted because their amounts are 10^18 or more.
    pub out_of_range: u64,
}

impl<'a> Totals<'a> {
    pub(crate) const fn new(crm: &'a Crm) -> Self {
        Self { crm, lag: Duration::ZERO }
    }

    /// Sets how long the store's lists may lag behind a commit. Changes recorded more recently wait for a later run, so
    /// that no total is computed from a list without them; the feed is read on meanwhile. The default is zero, for
    /// stores whose lists never lag (memory, PostgreSQL). On DynamoDB set some seconds, plus the difference between the
    /// clocks of the writing processes.
    #[must_use]
    pub const fn lists_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Processes the feed from a position (without one, from the oldest available) until it has no more changes or the
    /// time is up by the CRM's clock, and updates the totals that the changes affect. At least one page of at most 100
    /// changes is read, and one page of affected records computed, whatever the budget. Tenants take turns: one with
    /// much work (a rate that affects all its deals) continues after the others.
    ///
    /// Store the returned position and pass it to the next run. Otherwise (after a crash or a failed run) the same
    /// changes are processed again, with the same result. Process the changes of a tenant in one run at a time: of two
    /// concurrent runs, one that is killed may leave an older total.
    ///
    /// An affected record costs one strongly consistent read, one list for `lifetime_value` (one more for each 1,000
    /// won deals and for each foreign currency), or two lists of a few records each for a lead, and a commit if
    /// something has to be written. A new rate walks the won deals that closed since its day.
    ///
    /// # Errors
    /// Errors of the store when it cannot answer. Permanent errors of single records are returned in
    /// [`Followed::failed`]; a record that is written concurrently waits for a later run.
    pub async fn run(&self, after: Option<&FeedPlace>, budget: Duration) -> Result<Followed, Error> {
        let until = self.crm.now().plus_micros(micros(budget));
        drive(self.crm, &Follow, self.lag, until, after.cloned(), false).await
    }

    /// Like [`Totals::run`], from the position at which the last run of the deployment stopped. The position is stored
    /// after each page, so that the next run, in this process or another, continues from there. The first run processes
    /// the feed from its beginning, in as many calls as the budget requires.
    ///
    /// One run works at a time: a concurrent one does nothing ([`Followed::taken`]). After a crash the next one
    /// continues one minute later. Costs one read more than [`Totals::run`], and, if there is something to process, one
    /// write and one more per page.
    ///
    /// # Errors
    /// As [`Totals::run`].
    pub async fn catch_up(&self, budget: Duration) -> Result<Followed, Error> {
        let until = self.crm.now().plus_micros(micros(budget));
        follow(self.crm, &Follow, self.lag, until).await
    }

    /// Computes the totals of one record now, from what lists show.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such record; [`Error::Invalid`] for a kind without totals;
    /// [`Error::Conflict`] if the computed fields were written concurrently on each attempt; errors of the store.
    pub async fn recompute(&self, tenant: Id, record: Ref) -> Result<Recomputed, Error> {
        if !has_totals(record.kind) {
            let message = format!("has no totals: {} is not lead, contact or company", record.kind);
            return Err(Error::invalid("kind", FaultCode::NoTotals, message));
        }
        recompute(&self.crm.engine, tenant, record).await
    }
}

/// Totals as a follower of the log.
struct Follow;

#[async_trait]
impl Follower for Follow {
    fn name(&self) -> &'static str {
        "crm.totals"
    }

    fn wants(&self, change: &Change) -> bool {
        touched::matters(change)
    }

    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error> {
        let mut list = WaitingList::read(run.state())?;
        let now = run.crm().now();
        list.take(told, now, run.lists_lag());
        let unfinished = if list.is_ripe(now) && run.hold().await? { work(&mut list, run).await } else { Ok(false) };
        run.accept(list.to_keep()?);
        unfinished
    }
}

async fn recompute(engine: &Arc<Engine>, tenant: Id, record: Ref) -> Result<Recomputed, Error> {
    let actor = Actor::system(tenant);
    let definitions = Collection::<Deal>::new(engine, &actor).definitions().await?;
    let access = Access::new(&actor, &definitions, engine.clock.now());
    let mut books = Books::new(Reader { engine, actor: &actor, access: &access });
    compute(engine, &mut books, record).await?.ok_or(Error::NotFound(record.kind))
}

/// Processes the waiting changes that lists now show, tenant by tenant. Returns `true` if the time was up before all
/// were processed; the rest is put behind the others.
async fn work(list: &mut WaitingList, run: &mut Run<'_>) -> Result<bool, Error> {
    let (mut unfinished, enough) = (false, run.counted(COMPUTED) + PAGE);
    let mut ripe = list.ripe(run.crm().now()).into_iter();
    while let Some(mut waiting) = ripe.next() {
        let mut put_off = Vec::new();
        let done = follow_tenant(&mut waiting, &mut put_off, run).await;
        list.waiting.append(&mut put_off);
        match done {
            Ok(true) => {}
            Ok(false) => {
                unfinished = true;
                list.waiting.push(waiting);
            }
            // A transient error is left to a later run, which begins with the other tenants.
            Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => {
                list.waiting.push(waiting);
                list.go_first(ripe);
                return Err(error);
            }
            // A tenant that cannot be read does not stop the others.
            Err(error) => run.failed(waiting.tenant, Ref::new(Kind::Organization, waiting.tenant), error),
        }
        if run.is_lost() || (run.counted(COMPUTED) >= enough && run.is_over()) {
            break;
        }
    }
    unfinished |= ripe.len() > 0;
    list.go_first(ripe);
    Ok(unfinished)
}

/// Updates what changes of one tenant affect, page by page. Returns `false` if the time was up before, or another run
/// has taken the lease. Records that others keep writing are put off.
async fn follow_tenant(waiting: &mut Waiting, put_off: &mut Vec<Waiting>, run: &mut Run<'_>) -> Result<bool, Error> {
    let (tenant, engine) = (waiting.tenant, &run.crm().engine);
    let actor = Actor::system(tenant);
    let definitions = Collection::<Deal>::new(engine, &actor).definitions().await?;
    let access = Access::new(&actor, &definitions, engine.clock.now());
    let mut books = Books::new(Reader { engine, actor: &actor, access: &access });
    while let Some(consequence) = waiting.touched.consequences.front_mut() {
        let page = consequence.page(&books.reader).await?;
        for follower in page.items.iter().map(|image| image.reference()) {
            if !run.hold().await? {
                return Ok(false);
            }
            match consequence.follow(engine, &actor, follower).await {
                Ok(()) => run.count(COMPUTED, 1),
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
                // A rule of the embedder refuses it, or others keep writing it: the record stays as it is.
                Err(error) => run.failed(tenant, follower, error),
            }
        }
        consequence.after = page.next;
        if consequence.after.is_none() {
            waiting.touched.consequences.pop_front();
        }
        if !waiting.touched.is_empty() && run.is_over() {
            return Ok(false);
        }
    }
    // Deals are read page by page, and the deals of one company may be on many pages.
    let mut computed = BTreeSet::new();
    while waiting.touched.find(&books.reader).await? {
        while let Some(&record) = waiting.touched.records.first() {
            if !run.hold().await? {
                return Ok(false);
            }
            let is_done = !computed.insert(record);
            let mut done = if is_done { Ok(None) } else { compute(engine, &mut books, record).await };
            if run.is_late() && matches!(done, Ok(Some(_))) {
                // The lease has expired: what was just written may be older than what another run has read since.
                done = recompute(engine, tenant, record).await.map(Some);
            }
            match done {
                Ok(Some(done)) => note(run, tenant, record, &done),
                // A record that no longer exists has no totals.
                Ok(None) => {}
                Err(Error::Conflict { .. }) => {
                    let until = engine.clock.now().plus_micros(micros(RETRY));
                    put_off.push(Waiting { tenant, until, touched: Touched::of(record) });
                }
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
                // A record that fails does not stop the others.
                Err(error) => run.failed(tenant, record, error),
            }
            waiting.touched.records.remove(&record);
        }
        if !waiting.touched.is_empty() && run.is_over() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Counts a record whose totals were computed, and logs the omitted deals.
fn note(run: &mut Run<'_>, tenant: Id, record: Ref, done: &Recomputed) {
    run.count(COMPUTED, 1);
    run.count("written", u64::from(done.written));
    run.count("without_rate", u64::from(!done.without_rate.is_empty()));
    run.count("out_of_range", u64::from(done.out_of_range > 0));
    for MissingRate { currency, .. } in &done.without_rate {
        tracing::info!(%tenant, %record, %currency, "a total leaves deals out for want of a rate");
    }
    if done.out_of_range > 0 {
        tracing::warn!(%tenant, %record, deals = done.out_of_range, "a total leaves deals out that are too large to be summed");
    }
}

/// Computes and writes a record's totals. Returns `None` if there is no such record.
///
/// The record is read before the lists, and the result is written only if the record is unchanged since: of two
/// concurrent runs, the one that read earlier computes again.
async fn compute(engine: &Arc<Engine>, books: &mut Books<'_>, record: Ref) -> Result<Option<Recomputed>, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(image) = image(engine, books.reader.actor.tenant(), record).await? else {
            return Ok(None);
        };
        let (mut values, LeftOut { without_rate, out_of_range }) = books.totals(&image).await?;
        values.retain(|(at, value)| image.values[*at] != *value);
        if values.is_empty() {
            return Ok(Some(Recomputed { written: false, without_rate, out_of_range }));
        }
        let read = image.versions.machine;
        let asked = fingerprint(&(record, read));
        let hints = vec![record.into()];
        let pending: Pending<Written> =
            Pending::new(engine, books.reader.actor, "compute_totals", asked, hints, move |draft, _| {
                let current = draft.peek(record)?.ok_or(Error::NotFound(record.kind))?.versions;
                if current.machine != read {
                    return Err(Error::Conflict { record, current: Some(current), fields: Vec::new() }.into());
                }
                draft.compute(record, &values)?;
                Ok(vec![record])
            });
        match pending.await {
            Ok(_) => return Ok(Some(Recomputed { written: true, without_rate, out_of_range })),
            Err(Error::Conflict { .. }) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

async fn image(engine: &Engine, tenant: Id, record: Ref) -> Result<Option<Arc<Image>>, Error> {
    let answer = engine.store.get(tenant, &[Want::Record(record)]).await?;
    Ok(match answer.got.into_iter().next() {
        Some(Got::Record(image)) => image,
        _ => None,
    })
}

/// The empty result of a write of totals.
struct Written;

impl Answer for Written {
    fn build(_: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(Self)
    }
}

/// `true` for kinds with totals.
const fn has_totals(kind: Kind) -> bool {
    matches!(kind, Kind::Lead | Kind::Contact | Kind::Company)
}

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("totals").follower(Follow)
}
