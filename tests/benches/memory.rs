//! The cost of the core on the store in memory: creating leads in small and large stores, whole stories, and pages.
//!
//! `cargo bench -p tests --bench memory`

use std::{future::IntoFuture, sync::Arc, time::Instant};

use crm_core::{
    Crm, MemoryStore,
    access::Actor,
    deals::NewDeal,
    filter::Filter,
    leads::{ConvertLead, Lead},
    listing::ListQuery,
    organizations::NewOrganization,
    teams::NewTeam,
    testing::{Ready, TestClock, user},
    users::User,
    value::{Currency, Id, Money},
};
use futures::executor::block_on;
use tests::leads::{define_properties, new_lead};

/// A CRM in memory with a sales representative.
fn fresh() -> Ready {
    let ready = block_on(Ready::in_memory()).expect("memory does not fail");
    block_on(define_properties(&ready.crm, &ready.admin)).expect("two properties");
    ready
}

fn create(crm: &Crm, actor: &Actor, from: usize, count: usize) -> Vec<Id<Lead>> {
    block_on(async {
        let leads = crm.leads(actor);
        let mut ids = Vec::with_capacity(count);
        for number in from..from + count {
            ids.push(leads.create(new_lead(number)).await.expect("it is valid").id);
        }
        ids
    })
}

fn per_second(count: usize, start: Instant) -> f64 {
    f64::from(u32::try_from(count).expect("a few millions")) / start.elapsed().as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    // `-- create`, `-- stories` or `-- pages` runs one part.
    let asked = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let runs = |part: &str| asked.as_deref().is_none_or(|asked| asked == part);
    if runs("create") {
        creating();
    }
    if runs("stories") {
        stories();
    }
    if runs("pages") {
        pages();
    }
}

/// Creates leads in a store of up to 20,000.
#[allow(clippy::disallowed_methods)] // measures time
fn creating() {
    // A second argument sets a smaller number, for a profiler.
    let count = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let rates: Vec<f64> = (0..if count < 20_000 { 1 } else { 5 })
        .map(|_| {
            let ready = fresh();
            let start = Instant::now();
            create(&ready.crm, &ready.rep, 0, count);
            per_second(count, start)
        })
        .collect();
    println!("memory.create.20k_per_second {:.0}", median(rates));
}

/// Runs one thousand stories from lead to won deal.
#[allow(clippy::disallowed_methods)] // measures time
fn stories() {
    let times: Vec<f64> = (0..5)
        .map(|_| {
            let ready = fresh();
            let start = Instant::now();
            block_on(async {
                for number in 0..1000 {
                    let leads = ready.crm.leads(&ready.rep);
                    let lead = leads.create(new_lead(number)).await.expect("create");
                    leads.move_to(lead.id, "contacted").await.expect("move");
                    leads.move_to(lead.id, "qualified").await.expect("move");
                    let deal = NewDeal {
                        title: "Deal".into(),
                        value: Some(Money::new(1000, Currency::USD)),
                        ..Default::default()
                    };
                    let how = ConvertLead { open_deal: Some(deal.into()), ..Default::default() };
                    let converted = leads.convert(lead.id, how).await.expect("convert");
                    ready.crm.deals(&ready.rep).win(converted.deal.as_ref().expect("deal").id).await.expect("win");
                }
            });
            start.elapsed().as_secs_f64()
        })
        .collect();
    println!("memory.stories.1000_seconds {:.4}", median(times));
}

/// Reads pages of 50 by owner, from 1,000 and from 1,000,000 leads.
fn pages() {
    let (small, _) = paged(1_000, 10);
    let (large, rate) = paged(1_000_000, 1_000);
    println!("memory.create.at_1m_per_second {rate:.0}");
    println!("memory.page.same_owner_ratio {:.2}", large.0 / small.0);
    println!("memory.page.random_owner_ratio {:.2}", large.1 / small.1);
}

/// Returns the seconds per page of one owner and per page of owners in random order, and the rate of the last
/// creations.
#[allow(clippy::disallowed_methods)] // measures time
fn paged(leads: usize, owners: usize) -> ((f64, f64), f64) {
    let store = Arc::new(MemoryStore::new());
    let clock = TestClock::at("2026-01-05T09:00:00Z");
    let crm = Crm::builder_shared(store).clock(clock.clone()).build();
    let admin = block_on(crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).into_future())
        .expect("bootstrap");
    block_on(define_properties(&crm, &admin)).expect("two properties");
    let new = NewTeam { name: "North".into(), ..Default::default() };
    let team = block_on(crm.teams(&admin).create(new).into_future()).expect("team");
    let ids: Vec<Id<User>> = (0..owners)
        .map(|n| block_on(user(&crm, &admin, &format!("User{n}"), "sales_rep", team.id)).expect("user").id)
        .collect();
    let reps: Vec<Actor> = ids.iter().map(|&id| block_on(crm.actor(admin.tenant(), id)).expect("actor")).collect();
    let mut rate = 0.0;
    let chunk = leads / 10;
    for part in 0..10 {
        let start = Instant::now();
        block_on(async {
            for number in part * chunk..(part + 1) * chunk {
                clock.set(clock.now().plus_micros(1));
                crm.leads(&reps[number % owners]).create(new_lead(number)).await.expect("create");
            }
        });
        rate = per_second(chunk, start);
    }
    let page = |owner: Id<User>| {
        let query = ListQuery::new().filter(Filter::eq("owner_id", owner.to_string())).limit(50);
        assert_eq!(block_on(crm.leads(&admin).list(&query)).expect("list").items.len(), 50);
    };
    let rounds = 2000_u32;
    let time = |pick: &dyn Fn(usize) -> Id<User>| {
        let start = Instant::now();
        for round in 0..rounds as usize {
            page(pick(round));
        }
        start.elapsed().as_secs_f64() / f64::from(rounds)
    };
    time(&|_| ids[0]);
    let same = median((0..5).map(|_| time(&|_| ids[0])).collect());
    let random = median((0..5).map(|_| time(&|round| ids[round * 7919 % owners])).collect());
    ((same, random), rate)
}
