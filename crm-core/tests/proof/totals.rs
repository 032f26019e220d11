//! Totals: they follow what they are made of, whatever happens to it, and are the same however often they are computed.

use std::time::Duration;

use crm_core::{
    Crm, Error, MemoryStore,
    associations::NewAssociation,
    companies::{Company, CompanyPatch, NewCompany},
    contacts::{Contact, NewContact},
    deals::{Deal, DealPatch, NewDeal},
    followers::Followed,
    interactions::{InteractionPatch, NewInteraction},
    leads::{LeadPatch, NewLead},
    pipelines::PipelinePatch,
    rates::{NewRate, RatePatch},
    store::{FeedCursor, FeedPlace, memory::Fault},
    tasks::{NewTask, TaskPatch},
    testing::{CountedIds, TestClock},
    value::{Currency, Date, Decimal, Id, Kind, Money, Ref, Time},
};

use crate::{
    racing::RacingStore,
    support::{World, assert_fault, assert_not_found, run},
};

/// A budget that never ends a run.
const LONG: Duration = Duration::from_hours(1);

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A consumer of the feed that keeps its place.
struct Consumer<'a> {
    world: &'a World,
    place: Option<FeedPlace>,
}

impl<'a> Consumer<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, place: None }
    }

    async fn run(&mut self) -> Followed {
        let followed = self.world.crm.totals().run(self.place.as_ref(), LONG).await.unwrap();
        assert!(!followed.more && !followed.taken);
        self.place.clone_from(&followed.place);
        followed
    }
}

async fn company(world: &World, name: &str) -> Id<Company> {
    let new = NewCompany { name: name.into(), ..Default::default() };
    world.crm.companies(&world.admin).create(new).await.unwrap().id
}

async fn contact(world: &World, name: &str) -> Id<Contact> {
    let new = NewContact { name: name.into(), ..Default::default() };
    world.crm.contacts(&world.admin).create(new).await.unwrap().id
}

async fn deal(
    world: &World,
    value: Money,
    company_id: Option<Id<Company>>,
    primary_contact_id: Option<Id<Contact>>,
) -> Id<Deal> {
    let new =
        NewDeal { title: "Engines".into(), value: Some(value), company_id, primary_contact_id, ..Default::default() };
    world.crm.deals(&world.admin).create(new).await.unwrap().id
}

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

/// What the companies, then the contacts have come to.
async fn values(world: &World, companies: &[Id<Company>], contacts: &[Id<Contact>]) -> Vec<Decimal> {
    let mut all = Vec::new();
    for &id in companies {
        all.push(world.crm.companies(&world.admin).get(id).await.unwrap().lifetime_value);
    }
    for &id in contacts {
        all.push(world.crm.contacts(&world.admin).get(id).await.unwrap().lifetime_value);
    }
    all
}

#[test]
fn won_deals_count_for_their_company_and_contact_while_they_are_won_and_live() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let mut consumer = Consumer::new(&world);
        let (acme, bell) = (company(&world, "Acme").await, company(&world, "Bell").await);
        let (ann, bob) = (contact(&world, "Ann").await, contact(&world, "Bob").await);
        let expect = async |consumer: &mut Consumer<'_>, what: &str, expected: [&str; 4]| {
            consumer.run().await;
            let expected: Vec<Decimal> = expected.into_iter().map(dec).collect();
            assert_eq!(values(&world, &[acme, bell], &[ann, bob]).await, expected, "{what}");
        };
        let one = deal(&world, usd(100), Some(acme), Some(ann)).await;
        let two = deal(&world, "20.50 USD".parse().unwrap(), Some(acme), None).await;
        expect(&mut consumer, "open deals count for nobody", ["0", "0", "0", "0"]).await;
        crm.deals(me).win(one).await.unwrap();
        crm.deals(me).win(two).await.unwrap();
        expect(&mut consumer, "won", ["120.5", "0", "100", "0"]).await;
        crm.deals(me).update(one, DealPatch::new().value(usd(70))).await.unwrap();
        expect(&mut consumer, "another value", ["90.5", "0", "70", "0"]).await;
        crm.deals(me).update(one, DealPatch::new().company_id(bell).primary_contact_id(bob)).await.unwrap();
        expect(&mut consumer, "moved to another company and contact", ["20.5", "70", "0", "70"]).await;
        crm.deals(me).move_to(one, "proposal").await.unwrap();
        expect(&mut consumer, "opened again", ["20.5", "0", "0", "0"]).await;
        crm.deals(me).win(one).await.unwrap();
        expect(&mut consumer, "won again", ["20.5", "70", "0", "70"]).await;
        crm.deals(me).archive(one).await.unwrap();
        expect(&mut consumer, "archived", ["20.5", "0", "0", "0"]).await;
        crm.deals(me).restore(one, DealPatch::new()).await.unwrap();
        expect(&mut consumer, "restored", ["20.5", "70", "0", "70"]).await;
        crm.deals(me).update(one, DealPatch::new().company_id(None).value(None::<Money>)).await.unwrap();
        expect(&mut consumer, "without company and value", ["20.5", "0", "0", "0"]).await;
        let made = crm.deals(me).history(two).await.unwrap();
        crm.deals(me).undo(two, made[1].commit).await.unwrap();
        expect(&mut consumer, "its win undone", ["0", "0", "0", "0"]).await;
        // All of it is the machine's: nobody's version moved and the log is theirs alone.
        let company = crm.companies(me).get(acme).await.unwrap();
        assert_eq!(company.version, 1);
        assert!(company.machine_version >= 3, "{}", company.machine_version);
        assert_eq!(crm.companies(me).history(acme).await.unwrap().len(), 1);
        crm.companies(me).update(acme, CompanyPatch::new().industry("x")).if_version(1).await.unwrap();
    });
}

#[test]
fn many_moves_between_two_runs_leave_nobody_out() {
    run(async {
        let world = World::new().await;
        let deals = world.crm.deals(&world.admin);
        let mut all = Vec::new();
        for name in ["A", "B", "C"] {
            all.push(company(&world, name).await);
        }
        let id = deal(&world, usd(5), Some(all[0]), None).await;
        deals.win(id).await.unwrap();
        let mut consumer = Consumer::new(&world);
        consumer.run().await;
        for to in [all[1], all[2]] {
            deals.update(id, DealPatch::new().company_id(to)).await.unwrap();
        }
        let followed = consumer.run().await;
        assert_eq!((followed.changes, followed.count("computed"), followed.count("written")), (2, 3, 2));
        assert_eq!(values(&world, &all, &[]).await, [dec("0"), dec("0"), dec("5")]);
    });
}

#[test]
fn the_feed_followed_twice_or_in_pieces_comes_to_the_same() {
    run(async {
        let world = World::new().await;
        let acme = company(&world, "Acme").await;
        for number in 0..150 {
            let id = deal(&world, usd(number), Some(acme), None).await;
            world.crm.deals(&world.admin).win(id).await.unwrap();
        }
        // A budget of nought is a page at a time; a run that is killed in between has lost nothing.
        let totals = world.crm.totals();
        let mut place = None;
        let mut runs = 0;
        loop {
            let followed = totals.run(place.as_ref(), Duration::ZERO).await.unwrap();
            assert!(followed.changes <= 100);
            // The same page twice: the second time there is nothing to write.
            let again = totals.run(place.as_ref(), Duration::ZERO).await.unwrap();
            assert_eq!(
                (again.changes, again.count("computed"), again.count("written")),
                (followed.changes, followed.count("computed"), 0)
            );
            assert_eq!(again.place, followed.place);
            runs += 1;
            place = followed.place;
            if !followed.more {
                break;
            }
        }
        assert!(runs >= 4, "{runs}");
        let first = values(&world, &[acme], &[]).await;
        assert_eq!(first, [Decimal::from((0..150).sum::<i64>())]);
        let snapshot = world.snapshot();
        let again = totals.run(None, LONG).await.unwrap();
        assert_eq!((again.count("written"), again.more), (0, false));
        assert!(again.changes > 300 && again.count("computed") > 0);
        assert_eq!(world.snapshot(), snapshot, "followed twice from the beginning, something was written");
        // Followed to its end, there is nothing to do.
        let nothing = totals.run(again.place.as_ref(), LONG).await.unwrap();
        assert_eq!((nothing.changes, nothing.count("computed")), (0, 0));
    });
}

fn rate(day: &str, rate: &str) -> NewRate {
    NewRate { currency: Some(Currency::EUR), day: day.parse().ok(), rate: dec(rate), ..Default::default() }
}

#[test]
fn other_currencies_are_converted_by_the_day_and_a_missing_rate_is_said() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let acme = company(&world, "Acme").await;
        let mut consumer = Consumer::new(&world);
        let mut ids = Vec::new();
        for day in ["2025-03-10", "2025-06-10"] {
            let id = deal(&world, Money::new(100, Currency::EUR), Some(acme), None).await;
            crm.deals(me).win(id).await.unwrap();
            let day: Option<Date> = day.parse().ok();
            crm.deals(me).update(id, DealPatch::new().actual_close_date(day)).await.unwrap();
            ids.push(id);
        }
        let id = deal(&world, usd(7), Some(acme), None).await;
        crm.deals(me).win(id).await.unwrap();
        assert_eq!(consumer.run().await.count("without_rate"), 1);
        let missing = async || {
            let done = crm.totals().recompute(me.tenant(), Ref::new(Kind::Company, acme)).await.unwrap();
            assert!(!done.written);
            done.without_rate
                .into_iter()
                .map(|missing| (missing.currency, missing.amounts, missing.sum))
                .collect::<Vec<_>>()
        };
        assert_eq!(missing().await, [(Currency::EUR, 2, dec("200"))]);
        assert_eq!(values(&world, &[acme], &[]).await, [dec("7")]);
        // A rate counts from its day on, and for what closed before it came too.
        let later = crm.rates(me).create(rate("2025-06-01", "1.2")).await.unwrap().id;
        consumer.run().await;
        assert_eq!(missing().await, [(Currency::EUR, 1, dec("100"))]);
        assert_eq!(values(&world, &[acme], &[]).await, [dec("127")]);
        crm.rates(me).create(rate("2025-01-01", "1.1")).await.unwrap();
        assert_eq!(consumer.run().await.count("without_rate"), 0);
        assert_eq!(values(&world, &[acme], &[]).await, [dec("237")]);
        // Mended, moved to another day, taken away.
        crm.rates(me).update(later, RatePatch::new().rate(dec("2"))).await.unwrap();
        consumer.run().await;
        assert_eq!(values(&world, &[acme], &[]).await, [dec("317")]);
        crm.rates(me).update(later, RatePatch::new().day("2025-07-01".parse::<Date>().ok())).await.unwrap();
        consumer.run().await;
        assert_eq!(values(&world, &[acme], &[]).await, [dec("227")]);
        crm.rates(me).update(later, RatePatch::new().day("2025-02-01".parse::<Date>().ok())).await.unwrap();
        consumer.run().await;
        assert_eq!(values(&world, &[acme], &[]).await, [dec("407")]);
        crm.rates(me).archive(later).await.unwrap();
        consumer.run().await;
        assert_eq!(values(&world, &[acme], &[]).await, [dec("227")]);
    });
}

#[test]
fn a_lead_knows_its_last_activity_and_its_next_task() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let other = crm.leads(me).create(NewLead { name: "Other".into(), ..Default::default() }).await.unwrap().id;
        let (lead, other) = (Ref::new(Kind::Lead, world.lead.id), Ref::new(Kind::Lead, other));
        let mut consumer = Consumer::new(&world);
        let start = world.clock.now();
        let day = |number: i64| start.plus_days(number);
        let expect =
            async |consumer: &mut Consumer<'_>, what: &str, of: Ref, last: Option<Time>, next: Option<Time>| {
                consumer.run().await;
                let lead = crm.leads(me).get(of.id.typed()).await.unwrap();
                assert_eq!((lead.last_activity_at, lead.next_task_due_at), (last, next), "{what}");
            };
        let call = |completed_at, scheduled_at| NewInteraction {
            r#type: "meeting".into(),
            subject: "m".into(),
            completed_at,
            scheduled_at,
            links: vec![lead],
            ..Default::default()
        };
        let all = crm.interactions(me);
        all.create(call(None, Some(day(9)))).await.unwrap();
        expect(&mut consumer, "what is planned has not happened", lead, None, None).await;
        let first = all.create(call(Some(day(-3)), None)).await.unwrap().id;
        let second = all.create(call(Some(day(-1)), Some(day(-2)))).await.unwrap().id;
        expect(&mut consumer, "the latest", lead, Some(day(-1)), None).await;
        all.update(second, InteractionPatch::new().links(vec![other])).await.unwrap();
        expect(&mut consumer, "it was somebody else", lead, Some(day(-3)), None).await;
        expect(&mut consumer, "the other", other, Some(day(-1)), None).await;
        let planned = InteractionPatch::new().completed_at(None::<Time>).scheduled_at(day(9));
        all.update(first, planned).await.unwrap();
        expect(&mut consumer, "it did not take place", lead, None, None).await;
        all.update(first, InteractionPatch::new().completed_at(day(-4))).await.unwrap();
        all.archive(second).await.unwrap();
        expect(&mut consumer, "archived", other, None, None).await;
        let tasks = crm.tasks(me);
        let task = |due_at| NewTask { title: "t".into(), due_at, links: vec![lead], ..Default::default() };
        tasks.create(task(None)).await.unwrap();
        expect(&mut consumer, "a task without a date", lead, Some(day(-4)), None).await;
        let far = tasks.create(task(Some(day(8)))).await.unwrap().id;
        let near = tasks.create(task(Some(day(2)))).await.unwrap().id;
        expect(&mut consumer, "the earliest", lead, Some(day(-4)), Some(day(2))).await;
        tasks.complete(near, None).await.unwrap();
        expect(&mut consumer, "done", lead, Some(day(-4)), Some(day(8))).await;
        tasks.reopen(near).await.unwrap();
        tasks.update(near, TaskPatch::new().due_at(day(9))).await.unwrap();
        expect(&mut consumer, "put off", lead, Some(day(-4)), Some(day(8))).await;
        tasks.update(far, TaskPatch::new().links(vec![other])).await.unwrap();
        expect(&mut consumer, "given to the other", lead, Some(day(-4)), Some(day(9))).await;
        expect(&mut consumer, "the other's", other, None, Some(day(8))).await;
        tasks.archive(near).await.unwrap();
        expect(&mut consumer, "only the undated one is left", lead, Some(day(-4)), None).await;
        assert_eq!(crm.leads(me).get(lead.id.typed()).await.unwrap().version, 1);
    });
}

#[test]
fn what_moves_no_total_is_not_even_read() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let mut consumer = Consumer::new(&world);
        let acme = company(&world, "Acme").await;
        let id = deal(&world, usd(1), Some(acme), None).await;
        consumer.run().await;
        crm.deals(me).update(id, DealPatch::new().next_step("call").expected_close_date(None::<Date>)).await.unwrap();
        crm.companies(me).update(acme, CompanyPatch::new().industry("x")).await.unwrap();
        crm.leads(me).update(world.lead.id, LeadPatch::new().source("web")).await.unwrap();
        let ann = Ref::new(Kind::Contact, contact(&world, "Ann").await);
        let tie = NewAssociation {
            from: Some(ann),
            to: Some(Ref::new(Kind::Company, acme)),
            label: "works_at".into(),
            ..Default::default()
        };
        crm.associations(me).create(tie).await.unwrap();
        let followed = consumer.run().await;
        assert!(followed.changes >= 4, "{followed:?}");
        assert_eq!((followed.count("computed"), followed.count("written")), (0, 0));
    });
}

#[test]
fn one_record_is_computed_on_demand() {
    run(async {
        let world = World::new().await;
        let totals = world.crm.totals();
        let tenant = world.admin.tenant();
        let acme = company(&world, "Acme").await;
        let id = deal(&world, usd(42), Some(acme), None).await;
        world.crm.deals(&world.admin).win(id).await.unwrap();
        let record = Ref::new(Kind::Company, acme);
        assert!(totals.recompute(tenant, record).await.unwrap().written);
        assert!(!totals.recompute(tenant, record).await.unwrap().written);
        assert_eq!(values(&world, &[acme], &[]).await, [dec("42")]);
        // What is wrong in the store is mended.
        let wrong = Ref::new(Kind::Company, company(&world, "Bell").await);
        assert!(!totals.recompute(tenant, wrong).await.unwrap().written);
        assert_not_found(totals.recompute(tenant, Ref::new(Kind::Company, world.lead.id)).await);
        assert_fault(totals.recompute(tenant, Ref::new(Kind::Deal, id)).await, "kind no_totals");
        // Another tenant's record is as good as none.
        let other = World::on(world.store.clone(), 1).await;
        assert_not_found(other.crm.totals().recompute(other.admin.tenant(), record).await);
    });
}

#[test]
fn every_tenant_is_followed_and_none_counts_for_another() {
    run(async {
        let one = World::new().await;
        let two = World::on(one.store.clone(), 1).await;
        let mut ids = Vec::new();
        for (world, amount) in [(&one, 3), (&two, 5)] {
            let id = company(world, "Acme").await;
            let won = deal(world, usd(amount), Some(id), None).await;
            world.crm.deals(&world.admin).win(won).await.unwrap();
            ids.push(id);
        }
        Consumer::new(&one).run().await;
        assert_eq!(values(&one, &ids[..1], &[]).await, [dec("3")]);
        assert_eq!(values(&two, &ids[1..], &[]).await, [dec("5")]);
    });
}

#[test]
fn changes_that_lists_may_not_show_yet_wait() {
    run(async {
        let world = World::new().await;
        let acme = company(&world, "Acme").await;
        let now = world.clock.now();
        let start = FeedPlace { cursor: Some(world.crm.feed_end().await.unwrap()), ..FeedPlace::beginning(now) };
        let lag = Duration::from_secs(10);
        let totals = world.crm.totals().lists_lag(lag);
        world.clock.advance_seconds(60);
        world.store.faults().lag_lists();
        let first = deal(&world, usd(1), Some(acme), None).await;
        world.crm.deals(&world.admin).win(first).await.unwrap();
        world.clock.advance_seconds(9);
        let early = totals.run(Some(&start), LONG).await.unwrap();
        assert_eq!((early.changes, early.count("computed"), early.more), (2, 0, false), "read, and not computed");
        // What is old enough is computed though younger changes came after it.
        world.store.faults().catch_up();
        world.crm.deals(&world.admin).count(crm_core::filter::Filter::all([])).await.unwrap();
        world.clock.advance_seconds(1);
        let second = deal(&world, usd(2), Some(acme), None).await;
        world.crm.deals(&world.admin).win(second).await.unwrap();
        let next = totals.run(early.place.as_ref(), LONG).await.unwrap();
        assert_eq!((next.changes, next.count("written")), (2, 1), "the first waited, the second waits");
        world.clock.advance_seconds(10);
        let last = totals.run(next.place.as_ref(), LONG).await.unwrap();
        assert_eq!((last.changes, last.count("computed")), (0, 1));
        assert_eq!(values(&world, &[acme], &[]).await, [dec("3")]);
        // Where nothing waits, nothing is kept but where the feed is.
        let (last, next) = (last.place.unwrap(), next.place.unwrap());
        assert_eq!((last.cursor, last.state), (Some(world.crm.feed_end().await.unwrap()), None));
        assert!(next.state.is_some());
    });
}

/// A store whose feed has two shards, as DynamoDB's has many: the first tenant's changes in one, all others' in the
/// other. A page reads the first to its end, then the second.
#[derive(Clone)]
struct Sharded {
    inner: MemoryStore,
    first: Id,
}

mod sharded {
    use async_trait::async_trait;
    use crm_core::{
        schema::KindDecl,
        store::{DelegateHistory, DelegateRecords, Feed, FeedPage, Layer, Store, StoreError},
    };

    use super::{FeedCursor, FeedPlace, Id, Ref, Sharded, Time};

    impl Layer for Sharded {
        fn inner(&self) -> &dyn Store {
            &self.inner
        }
    }

    impl DelegateRecords for Sharded {}
    impl DelegateHistory for Sharded {}

    #[async_trait]
    impl Feed for Sharded {
        async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
            let all = self.inner.feed(None, 1_000_000).await?.changes;
            let (one, two): (Vec<_>, Vec<_>) = all.into_iter().partition(|(tenant, _)| *tenant == self.first);
            let places = after.and_then(|after| after.0.split_once('.'));
            let (a, b) = places.map_or((0, 0), |(a, b)| (a.parse().unwrap(), b.parse::<usize>().unwrap()));
            let mut changes: Vec<_> = one.into_iter().skip(a).take(limit).collect();
            let a = a + changes.len();
            let rest: Vec<_> = two.into_iter().skip(b).take(limit - changes.len()).collect();
            let b = b + rest.len();
            changes.extend(rest);
            Ok(FeedPage { changes, cursor: FeedCursor(format!("{a}.{b}")) })
        }
        async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
            self.inner.tenants(after, limit).await
        }
        async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
            self.inner.feed_end().await
        }
        async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
            self.inner.feed_place(consumer).await
        }
        async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
            self.inner.keep_feed_place(consumer, place, was).await
        }
        async fn due(
            &self,
            decl: &'static KindDecl,
            until: Time,
            after: Option<Id>,
            per_tenant: usize,
            limit: usize,
        ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
            self.inner.due(decl, until, after, per_tenant, limit).await
        }
    }

    impl Store for Sharded {}
}

#[test]
fn a_shard_in_which_something_always_happens_keeps_no_other_waiting() {
    run(async {
        let memory = MemoryStore::new();
        let (busy, quiet) = (World::on(memory.clone(), 0).await, World::on(memory.clone(), 1).await);
        let store = Sharded { inner: memory, first: busy.admin.tenant() };
        let crm = Crm::builder(store).clock(quiet.clock.clone()).ids(CountedIds::series(9)).build();
        let acme = company(&quiet, "Acme").await;
        let won = deal(&quiet, usd(100), Some(acme), None).await;
        quiet.crm.deals(&quiet.admin).win(won).await.unwrap();
        // Every round finds in the busy shard what is younger than lists may lag.
        for round in 0..4 {
            let patch = LeadPatch::new().source(format!("{round}"));
            crm.leads(&busy.admin).update(busy.lead.id, patch).await.unwrap();
            quiet.clock.advance_seconds(5);
            crm.totals().lists_lag(Duration::from_secs(10)).catch_up(LONG).await.unwrap();
        }
        assert_eq!(values(&quiet, &[acme], &[]).await, [dec("100")]);
    });
}

#[test]
fn a_writer_whose_clock_is_ahead_keeps_no_totals_waiting() {
    run(async {
        let world = World::new().await;
        let other = World::on(world.store.clone(), 1).await;
        let ahead = TestClock::at("2030-01-01T00:00:00Z");
        let fast = Crm::builder(world.store.clone()).clock(ahead).ids(CountedIds::series(9)).build();
        let totals = world.crm.totals().lists_lag(Duration::from_secs(10));
        totals.catch_up(LONG).await.unwrap();
        let bell = company(&other, "Bell").await;
        let first = deal(&other, usd(7), Some(bell), None).await;
        fast.deals(&other.admin).win(first).await.unwrap();
        let acme = company(&world, "Acme").await;
        let second = deal(&world, usd(5), Some(acme), None).await;
        world.crm.deals(&world.admin).win(second).await.unwrap();
        totals.catch_up(LONG).await.unwrap();
        world.clock.advance_seconds(10);
        totals.catch_up(LONG).await.unwrap();
        assert_eq!(values(&world, &[acme], &[]).await, [dec("5")]);
        assert_eq!(values(&other, &[bell], &[]).await, [dec("7")], "nor its own");
    });
}

#[test]
fn a_tenant_with_much_to_do_takes_turns_with_the_others_and_is_gone_on_with() {
    run(async {
        let (big, small) = {
            let world = World::new().await;
            let other = World::on(world.store.clone(), 1).await;
            (world, other)
        };
        let mut companies = Vec::new();
        for number in 0..230 {
            let id = company(&big, &format!("Company {number}")).await;
            let won = deal(&big, Money::new(2, Currency::EUR), Some(id), None).await;
            big.crm.deals(&big.admin).win(won).await.unwrap();
            companies.push(id);
        }
        big.crm.totals().catch_up(LONG).await.unwrap();
        // One rate moves all of them; then the other tenant wins a deal.
        big.crm.rates(&big.admin).create(rate("2025-01-01", "1.5")).await.unwrap();
        let acme = company(&small, "Acme").await;
        let won = deal(&small, usd(5), Some(acme), None).await;
        small.crm.deals(&small.admin).win(won).await.unwrap();
        let mut runs = 0;
        loop {
            // As a program of its own each time: what is left is kept by the store.
            let crm = Crm::builder(big.store.clone()).clock(big.clock.clone()).build();
            let followed = crm.totals().catch_up(Duration::ZERO).await.unwrap();
            runs += 1;
            assert!(followed.count("computed") <= 101, "{}", followed.count("computed"));
            assert_eq!(values(&small, &[acme], &[]).await, [dec("5")], "in the first run");
            if !followed.more {
                break;
            }
        }
        assert!(runs > 2, "{runs}");
        assert!(values(&big, &companies, &[]).await.iter().all(|value| *value == dec("3")));
    });
}

/// Before each of the next commits another run is faster, and another deal is won after it.
fn arm(racing: &RacingStore, world: (Crm, crm_core::access::Actor), giant: Id<Company>, mut deals: Vec<Id<Deal>>) {
    let (again, (crm, admin)) = (racing.clone(), world);
    racing.before_next_commit(move || {
        let Some(won) = deals.pop() else { return };
        run(async {
            crm.totals().recompute(admin.tenant(), Ref::new(Kind::Company, giant)).await.unwrap();
            crm.deals(&admin).win(won).await.unwrap();
        });
        arm(&again, (crm, admin), giant, deals);
    });
}

#[test]
fn a_record_that_others_keep_writing_is_put_off_and_stops_no_other() {
    let (world, giant, acme, deals) = run(async {
        let world = World::new().await;
        let (giant, acme) = (company(&world, "Giant").await, company(&world, "Acme").await);
        let mut deals = Vec::new();
        for _ in 0..6 {
            deals.push(deal(&world, usd(1), Some(giant), None).await);
        }
        let last = deal(&world, usd(9), Some(acme), None).await;
        world.crm.deals(&world.admin).win(deals.pop().unwrap()).await.unwrap();
        world.crm.deals(&world.admin).win(last).await.unwrap();
        (world, giant, acme, deals)
    });
    let racing = RacingStore::on(world.store.clone());
    arm(&racing, (world.crm.clone(), world.admin.clone()), giant, deals);
    run(async {
        let slow = world.crm.on(racing.clone());
        let first = slow.totals().catch_up(LONG).await.unwrap();
        assert!(first.failed.is_empty() && !first.more, "{first:?}");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("9")]);
        world.clock.advance_seconds(2);
        slow.totals().catch_up(LONG).await.unwrap();
        assert_eq!(values(&world, &[giant], &[]).await, [dec("6")]);
    });
}

#[test]
fn a_run_that_fails_anywhere_is_repeated_to_the_same_end() {
    run(async {
        for call in 1..100 {
            let world = World::new().await;
            let acme = company(&world, "Acme").await;
            let id = deal(&world, Money::new(4, Currency::EUR), Some(acme), None).await;
            world.crm.deals(&world.admin).win(id).await.unwrap();
            world.crm.rates(&world.admin).create(rate("2025-06-01", "1.5")).await.unwrap();
            world.store.faults().fail_call(call);
            let first = world.crm.totals().run(None, LONG).await;
            if world.store.faults().is_pending() {
                assert!(call > 5, "a run makes {call} calls");
                return;
            }
            assert!(matches!(first, Err(Error::Unavailable(_))), "call {call}: {first:?}");
            Consumer::new(&world).run().await;
            assert_eq!(values(&world, &[acme], &[]).await, [dec("6")], "call {call}");
        }
        panic!("a run does not end");
    });
}

#[test]
fn a_total_whose_answer_is_lost_is_there() {
    run(async {
        for fault in [Fault::LostBefore, Fault::LostAfter] {
            let world = World::new().await;
            let acme = company(&world, "Acme").await;
            let id = deal(&world, usd(4), Some(acme), None).await;
            world.crm.deals(&world.admin).win(id).await.unwrap();
            world.store.faults().fail_next_commit(fault);
            world.crm.totals().recompute(world.admin.tenant(), Ref::new(Kind::Company, acme)).await.unwrap();
            let company = world.crm.companies(&world.admin).get(acme).await.unwrap();
            assert_eq!((company.lifetime_value, company.machine_version), (dec("4"), 1), "{fault:?}");
        }
    });
}

#[test]
fn of_two_runs_at_once_the_one_that_looked_later_wins() {
    run(async {
        let world = World::new().await;
        let acme = company(&world, "Acme").await;
        let first = deal(&world, usd(1), Some(acme), None).await;
        let second = deal(&world, usd(2), Some(acme), None).await;
        world.crm.deals(&world.admin).win(first).await.unwrap();
        let record = Ref::new(Kind::Company, acme);
        // Between what one run read and what it writes, a deal is won and another run has written it.
        let racing = RacingStore::on(world.store.clone());
        let (crm, admin) = (world.crm.clone(), world.admin.clone());
        racing.before_next_commit(move || {
            run(async {
                crm.deals(&admin).win(second).await.unwrap();
                assert!(crm.totals().recompute(admin.tenant(), record).await.unwrap().written);
            });
        });
        world.crm.on(racing.clone()).totals().recompute(world.admin.tenant(), record).await.unwrap();
        assert!(!racing.is_armed());
        assert_eq!(values(&world, &[acme], &[]).await, [dec("3")]);
    });
}

/// A company whose only deal was won, and a run that follows that on a store where others are faster.
async fn won() -> (World, RacingStore, Id<Company>, Id<Deal>) {
    let world = World::new().await;
    let acme = company(&world, "Acme").await;
    world.crm.totals().catch_up(LONG).await.unwrap();
    let id = deal(&world, usd(1), Some(acme), None).await;
    world.crm.deals(&world.admin).win(id).await.unwrap();
    let racing = RacingStore::on(world.store.clone());
    (world, racing, acme, id)
}

#[test]
fn one_run_works_at_a_time() {
    run(async {
        let (world, racing, acme, id) = won().await;
        let (crm, admin) = (world.crm.clone(), world.admin.clone());
        racing.before_next_commit(move || {
            run(async {
                crm.deals(&admin).move_to(id, "proposal").await.unwrap();
                let other = crm.totals().catch_up(LONG).await.unwrap();
                assert!(other.taken && !other.more && other.changes == 0, "{other:?}");
            });
        });
        let first = world.crm.on(racing.clone()).totals().catch_up(LONG).await.unwrap();
        assert!(!racing.is_armed() && !first.taken && first.changes == 3, "{first:?}");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("0")]);
        // It has given the place back; and who has nothing to do takes none.
        let fence = world.crm.feed_place("crm.totals").await.unwrap().unwrap();
        assert_eq!(fence.taken_until, None);
        assert!(!world.crm.totals().catch_up(LONG).await.unwrap().taken);
        assert_eq!(world.crm.feed_place("crm.totals").await.unwrap(), Some(fence));
    });
}

#[test]
fn a_run_that_is_killed_leaves_no_older_total_than_another_saw() {
    run(async {
        let (world, racing, acme, id) = won().await;
        let (crm, admin, faults) = (world.crm.clone(), world.admin.clone(), world.store.faults().clone());
        racing.before_next_commit(move || {
            run(async {
                // What is about to be written is old by now, and another run finds nothing to write.
                crm.deals(&admin).move_to(id, "proposal").await.unwrap();
                crm.totals().catch_up(LONG).await.unwrap();
            });
            // The total is written; then the run dies.
            faults.fail_call(2);
        });
        world.crm.on(racing.clone()).totals().catch_up(LONG).await.unwrap_err();
        assert!(!racing.is_armed() && !world.store.faults().is_pending());
        assert_eq!(values(&world, &[acme], &[]).await, [dec("1")]);
        world.clock.advance_seconds(60);
        let next = world.crm.totals().catch_up(LONG).await.unwrap();
        assert!(!next.taken && next.changes == 3, "{next:?}");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("0")]);
    });
}

#[test]
fn a_run_that_slept_while_another_went_on_computes_anew_what_it_wrote_and_ends() {
    run(async {
        let (world, racing, acme, id) = won().await;
        let (crm, admin, clock) = (world.crm.clone(), world.admin.clone(), world.clock.clone());
        racing.before_next_commit(move || {
            run(async {
                clock.advance_seconds(120);
                crm.deals(&admin).move_to(id, "proposal").await.unwrap();
                let other = crm.totals().catch_up(LONG).await.unwrap();
                assert!(!other.taken && other.changes == 3 && other.count("written") == 0, "{other:?}");
            });
        });
        let slept = world.crm.on(racing.clone()).totals().catch_up(LONG).await.unwrap();
        assert!(!racing.is_armed() && slept.taken && !slept.more, "{slept:?}");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("0")]);
        assert_eq!(world.crm.totals().catch_up(LONG).await.unwrap().changes, 0, "the other's place stands");
    });
}

#[test]
fn a_place_that_a_newer_program_kept_is_left_as_it_is() {
    run(async {
        let world = World::new().await;
        let totals = world.crm.totals();
        totals.catch_up(LONG).await.unwrap();
        let kept = world.crm.feed_place("crm.totals").await.unwrap().unwrap();
        // A key that this program does not know stays.
        let newer = FeedPlace {
            state: Some(serde_json::json!({"own": {"waiting": [], "parked": [1]}, "later": 2})),
            ..kept.clone()
        };
        assert!(world.crm.keep_feed_place("crm.totals", &newer, kept.fence).await.unwrap());
        company(&world, "Acme").await;
        assert_eq!(totals.catch_up(LONG).await.unwrap().changes, 1);
        let kept = world.crm.feed_place("crm.totals").await.unwrap().unwrap();
        assert_eq!(kept.state, newer.state);
        // Something that waits and that it cannot read is for the newer one.
        let newer = FeedPlace { state: Some(serde_json::json!({"own": {"waiting": [{"t": "?"}]}})), ..kept.clone() };
        assert!(world.crm.keep_feed_place("crm.totals", &newer, kept.fence).await.unwrap());
        assert!(matches!(totals.catch_up(LONG).await, Err(Error::Damaged(_))));
        let kept = world.crm.feed_place("crm.totals").await.unwrap().unwrap();
        assert_eq!(kept.state, newer.state);
        let large = FeedPlace { state: Some("x".repeat(400_000).into()), ..kept.clone() };
        let refused = world.crm.keep_feed_place("crm.totals", &large, kept.fence).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    });
}

#[test]
fn how_far_totals_have_come_is_kept_by_the_store() {
    run(async {
        let world = World::new().await;
        let acme = company(&world, "Acme").await;
        let first = deal(&world, usd(5), Some(acme), None).await;
        world.crm.deals(&world.admin).win(first).await.unwrap();
        let all = world.crm.totals().catch_up(LONG).await.unwrap();
        assert!(all.changes > 3 && all.count("written") == 1 && !all.more && !all.gap, "{all:?}");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("5")]);
        // Another program on the same store goes on from there.
        let second = deal(&world, usd(2), Some(acme), None).await;
        world.crm.deals(&world.admin).win(second).await.unwrap();
        let other = crm_core::Crm::builder(world.store.clone()).build();
        let next = other.totals().catch_up(LONG).await.unwrap();
        assert_eq!((next.changes, next.count("written")), (2, 1), "what the first run wrote is told in no change");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("7")]);
        assert_eq!(world.crm.totals().catch_up(LONG).await.unwrap().changes, 0);
    });
}

#[test]
fn catching_up_goes_on_after_whatever_call_failed() {
    run(async {
        let mut taken = 0;
        for call in 1..200 {
            let world = World::new().await;
            let acme = company(&world, "Acme").await;
            for _ in 0..60 {
                let id = deal(&world, usd(1), Some(acme), None).await;
                world.crm.deals(&world.admin).win(id).await.unwrap();
            }
            world.store.faults().fail_call(call);
            let first = world.crm.totals().catch_up(LONG).await;
            if world.store.faults().is_pending() {
                assert!(call > 8 && taken < call / 4, "catching up makes {call} calls; {taken} leave the place taken");
                return;
            }
            assert!(matches!(first, Err(Error::Unavailable(_))), "call {call}: {first:?}");
            // Where the place could not be given back, it is free after a minute.
            let mut rest = world.crm.totals().catch_up(LONG).await.unwrap();
            if rest.taken {
                taken += 1;
                assert_eq!(rest.changes, 0);
                world.clock.advance_seconds(60);
                rest = world.crm.totals().catch_up(LONG).await.unwrap();
            }
            assert!(!rest.taken && !rest.gap && rest.changes <= 200, "{rest:?}");
            assert_eq!(values(&world, &[acme], &[]).await, [dec("60")], "call {call}");
        }
        panic!("catching up does not end");
    });
}

#[test]
fn what_the_feed_forgot_moves_totals_all_the_same() {
    run(async {
        let world = World::new().await;
        let acme = company(&world, "Acme").await;
        let totals = world.crm.totals();
        totals.catch_up(LONG).await.unwrap();
        for amount in [3, 4] {
            let id = deal(&world, usd(amount), Some(acme), None).await;
            world.crm.deals(&world.admin).win(id).await.unwrap();
            world.store.forget_feed();
        }
        let followed = totals.catch_up(LONG).await.unwrap();
        assert!(followed.gap && followed.count("written") == 1, "{followed:?}");
        assert_eq!(values(&world, &[acme], &[]).await, [dec("7")]);
        let place = followed.place.unwrap();
        assert_eq!((place.gap_since, place.state), (None, None));
        assert!(!totals.catch_up(LONG).await.unwrap().gap);
        // A cursor that is none is a gap, too: everything is told again, and nothing is to be written.
        let place = world.crm.feed_place("crm.totals").await.unwrap().unwrap();
        let elsewhere = FeedPlace { cursor: Some(FeedCursor("of another stream".into())), ..place.clone() };
        assert!(world.crm.keep_feed_place("crm.totals", &elsewhere, place.fence).await.unwrap());
        let followed = totals.catch_up(LONG).await.unwrap();
        assert!(followed.gap && followed.changes > 4 && followed.count("written") == 0, "{followed:?}");
    });
}

#[test]
fn an_amount_that_converts_to_too_much_is_left_out_and_told() {
    run(async {
        let world = World::new().await;
        let (giant, acme) = (company(&world, "Giant").await, company(&world, "Acme").await);
        world.crm.rates(&world.admin).create(rate("2025-01-01", "1000")).await.unwrap();
        for value in ["999999999999999999.99 EUR", "7.25 EUR", "999999999999999999 USD", "999999999999999999 USD"] {
            let id = deal(&world, value.parse().unwrap(), Some(giant), None).await;
            world.crm.deals(&world.admin).win(id).await.unwrap();
        }
        let id = deal(&world, usd(3), Some(acme), None).await;
        world.crm.deals(&world.admin).win(id).await.unwrap();
        let followed = world.crm.totals().catch_up(LONG).await.unwrap();
        assert!(followed.failed.is_empty(), "{followed:?}");
        assert!(followed.count("out_of_range") > 0, "{followed:?}");
        let giants = world.crm.totals().recompute(world.admin.tenant(), Ref::new(Kind::Company, giant)).await.unwrap();
        assert_eq!((giants.written, giants.out_of_range), (false, 1));
        assert_eq!(values(&world, &[acme, giant], &[]).await, [dec("3"), dec("2000000000000007248")]);
    });
}

#[test]
fn a_lifetime_value_is_exact_in_whatever_order_deals_are_won() {
    run(async {
        let world = World::new().await;
        let parts = ["900000000000000000", "0.00000000004", "0.00000000003", "0.00000000003", "900000000000000000"];
        for (name, turn) in [("Acme", 0), ("Bolt", 1), ("Cora", 3)] {
            let buyer = company(&world, name).await;
            let mut parts = parts;
            parts.rotate_left(turn);
            for amount in parts {
                let id = deal(&world, format!("{amount} USD").parse().unwrap(), Some(buyer), None).await;
                world.crm.deals(&world.admin).win(id).await.unwrap();
            }
            world.crm.totals().catch_up(LONG).await.unwrap();
            assert_eq!(values(&world, &[buyer], &[]).await, [dec("1800000000000000000.0000000001")], "{name}");
        }
    });
}

#[test]
fn open_deals_follow_their_stage_to_another_probability() {
    run(async {
        let world = World::new().await;
        let deals = world.crm.deals(&world.admin);
        let first = world.deal_pipeline.stages[0].clone();
        let make = async |probability| {
            let new = NewDeal {
                title: "D".into(),
                value: Some(Money::new(1_000, Currency::EUR)),
                probability,
                ..Default::default()
            };
            deals.create(new).await.unwrap().id
        };
        let mut follow = Vec::new();
        for _ in 0..230 {
            follow.push(make(None).await);
        }
        let (own, elsewhere) = (make(Some(55)).await, make(None).await);
        deals.move_to(elsewhere, world.deal_pipeline.stages[1].id).await.unwrap();
        let before = deals.get(elsewhere).await.unwrap().probability;
        let gone = make(None).await;
        deals.archive(gone).await.unwrap();
        let mut consumer = Consumer::new(&world);
        consumer.run().await;
        let restage = async |probability| {
            let mut stages =
                world.crm.pipelines(&world.admin).get(world.deal_pipeline.id).await.unwrap().stages.clone();
            stages[0].probability = probability;
            let patch = PipelinePatch::new().stages(stages);
            world.crm.pipelines(&world.admin).update(world.deal_pipeline.id, patch).await.unwrap();
        };
        // Twice before anybody looks: what it is by now counts. And page by page, whatever the budget.
        restage(first.probability + 1).await;
        restage(40).await;
        let mut runs = 0;
        loop {
            let followed = world.crm.totals().run(consumer.place.as_ref(), Duration::ZERO).await.unwrap();
            consumer.place.clone_from(&followed.place);
            runs += 1;
            if !followed.more {
                break;
            }
        }
        assert!(runs > 2, "{runs}");
        for &id in &follow {
            let deal = deals.get(id).await.unwrap();
            assert_eq!((deal.probability, deal.weighted_value), (Some(40), Some(Money::new(400, Currency::EUR))));
        }
        assert_eq!(deals.get(own).await.unwrap().probability, Some(55), "somebody gave it its own");
        assert_eq!(deals.get(elsewhere).await.unwrap().probability, before);
        assert_eq!(deals.history(follow[0]).await.unwrap().last().unwrap().action.as_ref(), "follow_stage");
        let version = deals.get(follow[0]).await.unwrap().version;
        consumer.run().await;
        assert_eq!(deals.get(follow[0]).await.unwrap().version, version, "nothing more to do");
    });
}

#[test]
fn open_tasks_go_with_what_is_archived_and_come_back_with_it() {
    run(async {
        let world = World::new().await;
        let (deals, tasks) = (world.crm.deals(&world.admin), world.crm.tasks(&world.admin));
        let deal = deals.create(NewDeal { title: "D".into(), ..Default::default() }).await.unwrap().id;
        let (deal_ref, lead_ref) = (Ref::new(Kind::Deal, deal), Ref::new(Kind::Lead, world.lead.id));
        let make = async |links: Vec<Ref>| {
            tasks.create(NewTask { title: "t".into(), links, ..Default::default() }).await.unwrap().id
        };
        let (own, shared, done, by_hand) = (
            make(vec![deal_ref]).await,
            make(vec![deal_ref, lead_ref]).await,
            make(vec![deal_ref]).await,
            make(vec![deal_ref]).await,
        );
        tasks.complete(done, None).await.unwrap();
        tasks.archive(by_hand).await.unwrap();
        let mut consumer = Consumer::new(&world);
        consumer.run().await;
        let archived = async |id| tasks.get(id).await.unwrap().archived_at.is_some();
        world.clock.advance_seconds(60);
        deals.archive(deal).await.unwrap();
        consumer.run().await;
        let then = (archived(own).await, archived(shared).await, archived(done).await);
        assert_eq!(then, (true, false, false), "what has something else to it stays, and so does what is done");
        assert_eq!(tasks.history(own).await.unwrap().last().unwrap().action.as_ref(), "follow_archived");
        // The other record goes too, and comes back.
        world.clock.advance_seconds(60);
        world.crm.leads(&world.admin).archive(world.lead.id).await.unwrap();
        consumer.run().await;
        assert!(archived(shared).await);
        world.crm.leads(&world.admin).restore(world.lead.id, LeadPatch::new()).await.unwrap();
        consumer.run().await;
        assert!(!archived(shared).await && archived(own).await);
        deals.restore(deal, DealPatch::new()).await.unwrap();
        consumer.run().await;
        assert_eq!((archived(own).await, archived(by_hand).await), (false, true), "what somebody archived stays so");
        // Restored before anybody looked, it has lost nothing.
        deals.archive(deal).await.unwrap();
        deals.restore(deal, DealPatch::new()).await.unwrap();
        consumer.run().await;
        assert!(!archived(own).await);
    });
}
