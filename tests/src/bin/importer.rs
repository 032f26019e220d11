//! The process that the kill test kills: imports a generated year into a store and prints each record.

use std::{io::Write as _, num::NonZeroUsize};

use crm_core::Crm;
use examples::sales_year::{
    self, generating,
    importing::{Pace, Progress},
    stores,
};

/// Small batches, so that there are many opportunities between two commits.
fn pace() -> Pace {
    let of = |number| NonZeroUsize::new(number).expect("not nought");
    Pace { batch: of(4), in_flight: of(3) }
}

/// Prints the progress: a line per record on standard output.
struct Told;

impl Progress for Told {
    fn step(&self, records: u64) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "stored {records}").expect("somebody listens");
        out.flush().expect("somebody listens");
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, slug, seed, deals] = arguments.as_slice() else {
        panic!("usage: importer STORE ORGANIZATION SEED DEALS");
    };
    let crm = Crm::shared(stores::open(store).await.expect("the store answers"));
    let year = generating::generate(seed.parse().expect("a seed"), deals.parse().expect("a number of deals"));
    let (import, _) = sales_year::run(&crm, slug, &year, pace(), &Told).await.expect("the import goes through");
    assert_eq!(import.faults, []);
    println!("finished");
}
