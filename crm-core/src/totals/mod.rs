//! Totals: what the machine keeps of a record though it is a sum over other records.
//!
//! | of | field | what |
//! |---|---|---|
//! | contact, company | `lifetime_value` | the sum of its won, live deals in the base currency |
//! | lead | `last_activity_at` | when the latest completed interaction that links it took place |
//! | lead | `next_task_due_at` | the earliest due date of its open tasks |
//!
//! No use case writes them: [`Totals::run`] follows the change feed, works out whose totals the changes may have moved,
//! and computes each of those anew from lists. Nothing is added or subtracted, so a run may be repeated, interrupted
//! and resumed. It acts as the system, reads what no single user may see in full, and writes
//! the machine's group alone: no change is logged and nobody's edit becomes a conflict. Whoever should not learn what
//! deals come to is kept from `lifetime_value` by a field rule.
//!
//! An amount in another currency is converted as in [`Reports::sales`](crate::reports::Reports::sales): by the latest
//! rate of the day the deal closed or before (today's, where a won deal has no such day). A deal for whose day there is
//! no rate is left out, and [`Followed::without_rate`] says so; so is one of 10^18 or more, which
//! [`Followed::out_of_range`] says. The sum is exact, whatever the order of the deals. A rate that comes later brings
//! the totals that it moves up to date, as any other change does.
//!
//! The same run lets other records follow a change, by ordinary changes of the system's, which the log holds: open deals
//! follow their stage to another probability where they had its old one (`follow_stage`), and open tasks go with a lead,
//! contact, company or deal that is archived, where all they are linked to is, and come back with it (`follow_archived`).

mod consequences;
mod place;
mod sums;
mod touched;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    access::{Access, Actor},
    collection::Collection,
    deals::Deal,
    draft::{Answer, Pending, asked_for},
    engine::Engine,
    error::Error,
    reports::{MissingRate, Reader},
    schema::Image,
    store::{FeedPlace, Got, StoreError, Want},
    value::{Id, Kind, Ref, Time},
};
use place::{Lease, Place, Waiting};
use sums::{Books, LeftOut};
use touched::Touched;

/// Changes that are followed together, at most; and records that are computed before anybody looks at the time.
const PAGE: usize = 100;
/// How long a record waits that others kept writing.
const RETRY: Duration = Duration::from_secs(1);
/// How often a record is computed again because another run was faster.
const TRIES: usize = 4;

/// Keeps the totals of all tenants. For the program, not for its users: no actor stands before it.
#[derive(Clone)]
pub struct Totals<'a> {
    engine: &'a Arc<Engine>,
    lag: Duration,
}

impl std::fmt::Debug for Totals<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Totals").field("lag", &self.lag).finish_non_exhaustive()
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Where to go on; of [`Totals::catch_up`] as it was kept last. Its state is for totals alone: what was read of the
    /// feed and waits to be computed.
    pub place: Option<FeedPlace>,
    /// True where the time was up before the feed had told all it has.
    pub more: bool,
    /// Changes that were followed.
    pub changes: u64,
    /// Records whose totals were computed.
    pub computed: u64,
    /// Those of them whose totals were not what they are now.
    pub written: u64,
    /// Whose totals leave deals out for want of a rate, with the tenant.
    pub without_rate: Vec<(Id, Ref, MissingRate)>,
    /// Whose totals leave deals out because their amounts are 10^18 or more, with the tenant and how many.
    pub out_of_range: Vec<(Id, Ref, u64)>,
    /// Records whose totals could not be written, with the tenant and why (a sum of more than 28 digits): they keep those they
    /// have, and [`Totals::recompute`] tries again. An organization where nothing of it could be read.
    pub failed: Vec<(Id, Ref, Error)>,
    /// True where another run of [`Totals::catch_up`] has the place: it goes on, and this one did nothing, or ended.
    pub taken: bool,
    /// True where the feed no longer knew the cursor that was kept ([`Totals::catch_up`]): it was followed from the beginning
    /// of what it still has, and what it had forgotten by then moved no totals.
    pub gap: bool,
}

/// The name under which the store keeps how far totals have come.
const CONSUMER: &str = "crm.totals";

/// What computing the totals of one record came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recomputed {
    /// True where they were not what they are now.
    pub written: bool,
    /// What `lifetime_value` leaves out for want of a rate.
    pub without_rate: Vec<MissingRate>,
    /// How many deals it leaves out because their amounts are 10^18 or more.
    pub out_of_range: u64,
}

impl<'a> Totals<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>) -> Self {
        Self { engine, lag: Duration::ZERO }
    }

    /// How long the store's lists may take to show a commit: what changes touch that were recorded more recently waits for
    /// a later run, so that no total is computed from a list that does not show them yet. The feed is read on meanwhile.
    /// Nought where not given, which fits the stores whose lists never lag (in memory, PostgreSQL); on DynamoDB give some
    /// seconds, and what the clocks of the writing processes may differ by.
    #[must_use]
    pub const fn lists_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Follows the feed from a place (from the beginning of what is kept without one) until it has no more or the time
    /// is up by the CRM's clock, and brings up to date what the changes touch. At least a page of at most 100 changes
    /// is followed and a page of what it touches computed, whatever the budget. Tenants take turns: one with much to do (a
    /// rate that moves all its deals) goes on behind the others.
    ///
    /// Keep the place of the answer and give it to the next run. Without it (the program was killed, the run failed)
    /// the same changes are followed again, to the same end. Let one run at a time follow a tenant's changes: of two, one
    /// that is killed may leave an older total than the other saw.
    ///
    /// A record that is touched costs one strong read, one list for `lifetime_value` (one more for each 1,000 won deals
    /// and for each foreign currency) or two of at most a few records each for a lead, and a commit where something is
    /// to be written. A new rate walks the won deals that closed since its day.
    ///
    /// # Errors
    /// What the store says where it cannot answer. What is refused of one record for good is told in [`Followed::failed`]; a
    /// record that others kept writing waits for a later run.
    pub async fn run(&self, after: Option<&FeedPlace>, budget: Duration) -> Result<Followed, Error> {
        self.pages(after.cloned(), budget, false).await
    }

    /// [`Totals::run`] from where the last one of the whole deployment stopped: how far it came is kept in the store, after each
    /// page, so that whoever is next (this program or another, after a restart or a kill) goes on from there. The first
    /// follows the feed from its beginning, in as many calls as the budget makes of it.
    ///
    /// One works at a time: another that is called meanwhile does nothing ([`Followed::taken`]). Of one that was killed
    /// the next goes on after a minute. Costs a read more than a run, and where there is something to follow a write and
    /// another for each page.
    ///
    /// # Errors
    /// As [`Totals::run`].
    pub async fn catch_up(&self, budget: Duration) -> Result<Followed, Error> {
        let kept = self.engine.store.feed_place(CONSUMER).await?;
        self.pages(kept, budget, true).await
    }

    async fn pages(&self, after: Option<FeedPlace>, budget: Duration, is_shared: bool) -> Result<Followed, Error> {
        let now = self.engine.clock.now();
        let until = now.plus_micros(micros(budget));
        let kept = after.unwrap_or_else(|| FeedPlace::beginning(now));
        let mut place = Place::read(kept.clone())?;
        let mut lease = Lease::new(self.engine, is_shared, kept);
        let mut followed = Followed { taken: lease.is_taken(), ..Followed::default() };
        while !followed.taken {
            let looked = self.engine.clock.now();
            let worked = match self.read(&mut place, is_shared, &mut followed).await {
                Ok(read) if (read > 0 || place.is_ripe(self.engine.clock.now())) && lease.hold().await? => {
                    self.work(&mut place, until, &mut lease, &mut followed).await.map(|unfinished| (read, unfinished))
                }
                Ok(read) => Ok((read, false)),
                Err(error) => Err(error),
            };
            let is_done = matches!(worked, Ok((0, false)));
            if is_done {
                place.settle(looked);
            }
            let is_over = self.engine.clock.now() >= until;
            if !lease.is_lost {
                let goes_on = !is_over && matches!(worked, Ok((PAGE, _) | (_, true)));
                lease.keep(place.to_keep()?, goes_on).await?;
            }
            followed.taken = lease.is_lost;
            worked?;
            if is_done {
                break;
            }
            if is_over {
                followed.more = !followed.taken;
                break;
            }
        }
        followed.place = Some(lease.kept);
        Ok(followed)
    }

    /// Reads a page of the feed into what waits, where there is room; says how many changes it has.
    async fn read(&self, place: &mut Place, is_shared: bool, followed: &mut Followed) -> Result<usize, Error> {
        if !place.has_room() {
            return Ok(0);
        }
        let mut page = self.engine.store.feed(place.at.cursor.as_ref(), PAGE).await;
        // Where the feed keeps a day and nobody came for two, the cursor names what is there no more.
        if is_shared && place.at.cursor.is_some() && matches!(page, Err(StoreError::BadQuery(_))) {
            followed.gap = true;
            page = self.engine.store.feed(None, PAGE).await;
        }
        let page = page?;
        let read = page.changes.len();
        followed.changes += read as u64;
        place.take(page, self.engine.clock.now(), self.lag);
        Ok(read)
    }

    /// Computes the totals of one record now, from what lists show.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such record; [`Error::Invalid`] for a kind that has no totals;
    /// [`Error::Conflict`] where others kept writing what the machine computes of it; what the store says.
    pub async fn recompute(&self, tenant: Id, record: Ref) -> Result<Recomputed, Error> {
        if !has_totals(record.kind) {
            let message = format!("has no totals: a {} is no lead, contact or company", record.kind);
            return Err(Error::invalid("kind", "no_totals", message));
        }
        let actor = Actor::system(tenant);
        let definitions = Collection::<Deal>::new(self.engine, &actor).definitions().await?;
        let access = Access::new(&actor, &definitions, self.engine.clock.now());
        let mut books = Books::new(Reader { engine: self.engine, actor: &actor, access: &access });
        self.compute(&mut books, record).await?.ok_or(Error::NotFound(record.kind))
    }

    /// Computes what waits and lists show by now, tenant by tenant; true where the time was up before all was done. What
    /// is left goes behind the others.
    async fn work(
        &self,
        place: &mut Place,
        until: Time,
        lease: &mut Lease<'_>,
        followed: &mut Followed,
    ) -> Result<bool, Error> {
        let (mut unfinished, enough) = (false, followed.computed + PAGE as u64);
        let mut ripe = place.ripe(self.engine.clock.now()).into_iter();
        while let Some(mut waiting) = ripe.next() {
            match self.follow(&mut waiting, &mut place.waiting, until, lease, followed).await {
                Ok(true) => {}
                Ok(false) => {
                    unfinished = true;
                    place.waiting.push(waiting);
                }
                // What passes is for a later run, which does the others first.
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => {
                    place.waiting.push(waiting);
                    place.go_first(ripe);
                    return Err(error);
                }
                // A tenant that cannot be read stops no other.
                Err(error) => {
                    followed.failed.push((waiting.tenant, Ref::new(Kind::Organization, waiting.tenant), error));
                }
            }
            if lease.is_lost || (followed.computed >= enough && self.engine.clock.now() >= until) {
                break;
            }
        }
        unfinished |= ripe.len() > 0;
        place.go_first(ripe);
        Ok(unfinished)
    }

    /// Brings up to date what changes of one tenant touch, page by page; false where the time was up before, or another
    /// run has the place. What others keep writing is put off.
    async fn follow(
        &self,
        waiting: &mut Waiting,
        put_off: &mut Vec<Waiting>,
        until: Time,
        lease: &mut Lease<'_>,
        followed: &mut Followed,
    ) -> Result<bool, Error> {
        let tenant = waiting.tenant;
        let actor = Actor::system(tenant);
        let definitions = Collection::<Deal>::new(self.engine, &actor).definitions().await?;
        let access = Access::new(&actor, &definitions, self.engine.clock.now());
        let mut books = Books::new(Reader { engine: self.engine, actor: &actor, access: &access });
        while let Some(consequence) = waiting.touched.consequences.front_mut() {
            let page = consequence.page(&books.reader).await?;
            for follower in page.items.iter().map(|image| image.reference()) {
                if !lease.hold().await? {
                    return Ok(false);
                }
                match consequence.follow(self.engine, &actor, follower).await {
                    Ok(()) => followed.computed += 1,
                    Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
                    // A rule of the embedder's refuses it, or others keep writing it: it keeps what it has.
                    Err(error) => followed.failed.push((tenant, follower, error)),
                }
            }
            consequence.after = page.next;
            if consequence.after.is_none() {
                waiting.touched.consequences.pop_front();
            }
            if !waiting.touched.is_empty() && self.engine.clock.now() >= until {
                return Ok(false);
            }
        }
        // Deals are walked page by page, and those of one company may stand on many.
        let mut computed = BTreeSet::new();
        while waiting.touched.find(&books.reader).await? {
            while let Some(&record) = waiting.touched.records.first() {
                if !lease.hold().await? {
                    return Ok(false);
                }
                let is_done = !computed.insert(record);
                let mut done = if is_done { Ok(None) } else { self.compute(&mut books, record).await };
                if lease.is_over() && matches!(done, Ok(Some(_))) {
                    // What was written so late may be older than what another run has seen since.
                    done = self.recompute(tenant, record).await.map(Some);
                }
                match done {
                    Ok(Some(done)) => {
                        let missing = done.without_rate.into_iter().map(|missing| (tenant, record, missing));
                        followed.without_rate.extend(missing);
                        followed.computed += 1;
                        followed.written += u64::from(done.written);
                        if done.out_of_range > 0 {
                            followed.out_of_range.push((tenant, record, done.out_of_range));
                        }
                    }
                    // A record that a change names and that is there no more has no totals to keep.
                    Ok(None) => {}
                    Err(Error::Conflict { .. }) => {
                        let until = self.engine.clock.now().plus_micros(micros(RETRY));
                        put_off.push(Waiting { tenant, until, touched: Touched::of(record) });
                    }
                    Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => return Err(error),
                    // A record that cannot be done stops no other.
                    Err(error) => followed.failed.push((tenant, record, error)),
                }
                waiting.touched.records.remove(&record);
            }
            if !waiting.touched.is_empty() && self.engine.clock.now() >= until {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Computes a record's totals and writes them; `None` where there is no such record.
    ///
    /// The record is read before the lists, and what the lists came to is written only on what was read then: of two
    /// runs at once, the one that looked earlier looks again.
    async fn compute(&self, books: &mut Books<'_>, record: Ref) -> Result<Option<Recomputed>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let Some(image) = self.image(books.reader.actor.tenant(), record).await? else { return Ok(None) };
            let (mut values, LeftOut { without_rate, out_of_range }) = books.totals(&image).await?;
            values.retain(|(at, value)| image.values[*at] != *value);
            if values.is_empty() {
                return Ok(Some(Recomputed { written: false, without_rate, out_of_range }));
            }
            let read = image.versions.machine;
            let asked = asked_for(&(record, read));
            let hints = vec![record.into()];
            let pending: Pending<Written> =
                Pending::new(self.engine, books.reader.actor, "compute_totals", asked, hints, move |draft, _| {
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

    async fn image(&self, tenant: Id, record: Ref) -> Result<Option<Arc<Image>>, Error> {
        let answer = self.engine.store.get(tenant, &[Want::Record(record)]).await?;
        Ok(match answer.got.into_iter().next() {
            Some(Got::Record(image)) => image,
            _ => None,
        })
    }
}

/// The answer of a write of totals: that it is there.
struct Written;

impl Answer for Written {
    fn build(_: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(Self)
    }
}

/// True for the kinds that have totals.
const fn has_totals(kind: Kind) -> bool {
    matches!(kind, Kind::Lead | Kind::Contact | Kind::Company)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
