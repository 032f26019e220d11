//! Generates a year of sales from a seed, for users without data of their own. The same seed gives the same year.

use crm_core::value::{Date, Decimal};
use fastrand::Rng;

use super::rows::{Account, Agent, Deal, Product, Stage, Year};

const REGIONS: &[&str] = &["North", "South", "Overseas"];
const MANAGERS: &[&str] = &["Ines Okafor", "Pavel Lindqvist", "Rosa Almeida", "Tomas Brandt", "Yuki Hale", "Zoe Marsh"];
const FIRST: &[&str] = &["Ada", "Ben", "Chloe", "Dev", "Elif", "Finn", "Gita", "Hugo", "Iris", "Jonas"];
const LAST: &[&str] = &["Abbot", "Berg", "Castell", "Dunne", "Ekholm", "Farah", "Grant", "Hollis"];
const SECTORS: &[&str] = &["energy", "farming", "health", "logistics", "media", "retail", "software"];
const COUNTRIES: &[&str] = &["Austria", "Canada", "Chile", "Denmark", "Ghana", "India", "United Kingdom"];
const PRODUCTS: &[(&str, i64)] = &[
    ("Anvil", 480),
    ("Anvil Plus", 1_150),
    ("Bellows", 62),
    ("Crucible", 3_200),
    ("Crucible Max", 5_700),
    ("Foundry", 25_000),
    ("Tongs", 95),
];

/// Generates a year with the given number of deals.
pub fn generate(seed: u64, deals: usize) -> Year {
    let mut rng = Rng::with_seed(seed);
    let products =
        PRODUCTS.iter().map(|&(name, price)| Product { name: name.into(), list_price: price.into() }).collect();
    let agents = agents(&mut rng);
    let accounts = accounts(&mut rng, (deals / 100).clamp(5, 100));
    let deals = (0..deals).map(|at| deal(&mut rng, at, &agents, &accounts)).collect();
    Year { accounts, products, agents, deals, faults: Vec::new() }
}

fn pick<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

fn line(at: usize) -> u64 {
    at as u64 + 2
}

fn agents(rng: &mut Rng) -> Vec<Agent> {
    let mut names: Vec<String> =
        FIRST.iter().flat_map(|first| LAST.iter().map(move |last| format!("{first} {last}"))).collect();
    rng.shuffle(&mut names);
    names.truncate(30);
    let of = |(at, name)| {
        let team = at % MANAGERS.len();
        Agent { line: line(at), name, manager: MANAGERS[team].into(), region: REGIONS[team / 2].into() }
    };
    names.into_iter().enumerate().map(of).collect()
}

fn accounts(rng: &mut Rng, count: usize) -> Vec<Account> {
    let mut all: Vec<Account> = Vec::with_capacity(count);
    for at in 0..count {
        // One in five has an earlier one as its parent.
        let parent = (at > 5 && rng.u8(..5) == 0).then(|| pick(rng, &all).name.clone());
        all.push(Account {
            line: line(at),
            name: format!("{} {} & Co {}", pick(rng, LAST), pick(rng, LAST), at + 1),
            sector: Some((*pick(rng, SECTORS)).to_owned()),
            founded: Some(rng.i64(1950..2017)),
            revenue: Some(Decimal::from(rng.i64(1..5_000) * 1_000_000)),
            employees: Some(rng.i64(5..20_000)),
            country: Some((*pick(rng, COUNTRIES)).to_owned()),
            parent,
        });
    }
    all
}

fn deal(rng: &mut Rng, at: usize, agents: &[Agent], accounts: &[Account]) -> Deal {
    let &(product, price) = pick(rng, PRODUCTS);
    // Days since 1970, starting with 2016-11-01, the first day on which deals were engaged.
    let since =
        |rng: &mut Rng| Date::from_days(17_106 + rng.i32(0..400)).unwrap_or(Date::of(crm_core::value::Time::EPOCH));
    let closed = |rng: &mut Rng| {
        let since = since(rng);
        // Nothing closes after 2017-12-31.
        (since, (since + rng.i32(1..139)).min(Date::from_days(17_531).unwrap_or(since)))
    };
    let stage = match rng.u32(..100) {
        0..6 => Stage::Prospecting,
        6..24 => Stage::Engaging { since: since(rng) },
        24..52 => {
            let (since, on) = closed(rng);
            Stage::Lost { since, on, value: Decimal::ZERO }
        }
        _ => {
            let (since, on) = closed(rng);
            Stage::Won { since, on, value: Decimal::from(price * rng.i64(80..121) / 100) }
        }
    };
    let open = matches!(stage, Stage::Prospecting | Stage::Engaging { .. });
    let account = (!open || rng.bool()).then(|| pick(rng, accounts).name.clone());
    Deal {
        line: line(at),
        id: format!("D{:05}-{:04X}", at + 1, rng.u16(..)),
        agent: pick(rng, agents).name.clone(),
        product: product.to_owned(),
        account,
        stage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_year() {
        let text = |seed| format!("{:?}", generate(seed, 300));
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}
