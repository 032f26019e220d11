//! The public conformance suite: what every store must do, as one list of named cases.
//!
//! A store of one's own says how to make an empty store and runs the list:
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
//! Each case gets an empty store of its own, knows nothing of the others and says in one sentence what it holds. A case
//! fails with a message that names the record, the field and what was expected; a panic inside a store is a failure of
//! that case, not of the run. Nothing here reads a clock, and no random number decides anything (only the ids of commits
//! are new in every run, since a store may remember them): a case does the same whenever it is run.
//!
//! Besides the list there is the model test ([`model`]): random sequences of operations, side by side on the memory
//! store and on the store under test.

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

/// Every case there is, theme by theme.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().flat_map(|theme| theme.iter())
}

/// The themes, from the simplest promise to the ones that build on the others: where a store is in the making, the
/// first failure is the one to look at.
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
