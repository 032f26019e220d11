//! The public conformance suite: the requirements on every store, as named cases.
//!
//! To test a store, implement [`Harness`], which creates an empty store, and run the cases:
//!
//! ```
//! # use std::sync::Arc;
//! # use crm_core::{conformance::{self, Harness}, store::{MemoryStore, Store}};
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl Harness for Memory {
//!     async fn fresh(&self) -> Arc<dyn Store> {
//!         Arc::new(MemoryStore::new())
//!     }
//! }
//!
//! # futures::executor::block_on(async {
//! let report = conformance::run_where(&Memory, |case| case.theme == "commits").await;
//! report.assert(); // `conformance::run(&Memory)` runs every case
//! # });
//! ```
//!
//! Each case runs on its own empty store, is independent of the others and states its requirement in one sentence. The
//! message of a failure names the record, the field and the expected value. A panic inside a store fails its case, not
//! the run. Cases read no clock, and no random number affects them, so they are deterministic. Only the ids of commits
//! differ in every run, since a store may remember them.
//!
//! In addition there is the model test ([`model`]), which executes random sequences of operations on the memory store
//! and on the store under test.

mod access;
mod atomicity;
mod budget;
mod case;
mod check;
mod claims;
mod commits;
mod definitions;
mod edit;
mod feed;
mod filters;
mod groups;
mod guards;
mod history;
mod keys;
mod lab;
mod lists;
mod log;
mod long_texts;
pub mod model;
mod pages;
mod precedence;
mod races;
mod references;
mod replay;
mod run;
mod samples;
mod scores;
mod stage_moves;
mod step;
mod tenancy;
mod use_cases;
mod values;

pub use case::Case;
pub use check::{Failure, Outcome, differences, expected_list};
pub use edit::Edit;
pub use lab::{Lab, World};
pub use run::{Failed, Harness, Report, Task, run, run_where};
pub use step::Step;

pub(crate) use case::case;
pub(crate) use check::ensure;

/// Returns all cases, theme by theme.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().flat_map(|theme| theme.iter())
}

/// The themes, from the most basic requirements to those that depend on others. When developing a store, start with the
/// first failure.
static THEMES: &[&[Case]] = &[
    commits::CASES,
    groups::CASES,
    guards::CASES,
    claims::CASES,
    keys::CASES,
    precedence::CASES,
    atomicity::CASES,
    replay::CASES,
    budget::CASES,
    references::CASES,
    definitions::CASES,
    access::CASES,
    tenancy::CASES,
    values::CASES,
    long_texts::CASES,
    lists::CASES,
    pages::CASES,
    filters::CASES,
    history::CASES,
    log::CASES,
    stage_moves::CASES,
    feed::CASES,
    races::CASES,
    use_cases::CASES,
    scores::CASES,
];
