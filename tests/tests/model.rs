//! The model test: random sequences of operations, run on the memory store and on each other store.
//!
//! A failure prints the seed and the shortest sequence found. To reproduce it: `model::check(&harness, seed, steps)`.

use crm_core::conformance::{Harness, model};
use proptest::{prelude::*, test_runner::TestRunner};
use tests::harness::{Dynamo, Memory, Postgres, Sqlite};

/// Runs a number of sequences with random seeds and lengths on a store. Shrinking is done on the sequence itself.
fn agrees(harness: &dyn Harness, cases: u32, steps: std::ops::Range<usize>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = ProptestConfig { cases, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&(any::<u64>(), steps), |(seed, steps)| {
        runtime
            .block_on(model::check(harness, seed, steps))
            .map_err(|disagreement| TestCaseError::fail(disagreement.to_string()))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn memory_agrees_with_itself() {
    agrees(&Memory, 60, 1..120);
}

#[test]
fn postgres_agrees_with_memory() {
    agrees(&Postgres, 12, 1..80);
}

#[test]
fn dynamodb_agrees_with_memory() {
    agrees(&Dynamo, 12, 1..80);
}

#[test]
fn sqlite_agrees_with_memory() {
    agrees(&Sqlite::default(), 12, 1..80);
}

/// `CRM_MODEL_STEPS=100000 cargo test -p tests --all-features --test model seeds_agree_on_sqlite` runs so many
/// operations of each seed instead of 60; `CRM_MODEL_SEEDS=1` runs fewer seeds than 20.
#[tokio::test]
async fn seeds_agree_on_sqlite() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seeds, steps) = (number("CRM_MODEL_SEEDS").unwrap_or(20), number("CRM_MODEL_STEPS").unwrap_or(60));
    for seed in 1..=seeds {
        if let Err(disagreement) = model::check(&Sqlite::default(), seed as u64, steps).await {
            panic!("{disagreement}");
        }
    }
}

#[test]
fn a_seed_means_one_sequence_for_ever() {
    assert_eq!(model::ops(7, 40), model::ops(7, 40));
    assert_eq!(model::ops(7, 40)[..20], model::ops(7, 20)[..]);
    assert_ne!(model::ops(7, 40), model::ops(8, 40));
    // A recorded seed must keep its meaning: this pins the generator.
    let commits = model::ops(1, 400).iter().filter(|op| matches!(op, model::Op::Commit(_))).count();
    assert_eq!(commits, 229);
}
