//! What a store must do: three small traits, and the plain data that goes in and out.
//!
//! A store of one's own implements [`Records`], [`History`] and [`Feed`] (required methods only) and [`Store`], and
//! proves itself by one line: `crm_core::conformance::run(…)` (feature `conformance`). The contract stands in prose on
//! each method; what users like (typed getters, decisions, cursors that are sealed) stands above it in the core.
//!
//! # The contract in short
//!
//! - A store knows nobody's rights and no rules. It gets a tenant with every call and never lets anything of another
//!   tenant into an answer.
//! - It derives its tables and indexes from the declarations ([`crate::catalog`]), and writes only the fields they know.
//! - [`Records::commit`] is all or nothing, and conditional on every version it names.
//! - [`Records::get`], [`Records::definitions`] and [`History::history`] see every finished commit. Lists may lag.

mod commit;
mod error;
pub mod memory;
#[cfg(feature = "mock")]
mod mock;
mod query;
#[cfg(feature = "auth")]
pub mod sealed;
mod settle;
mod traits;

pub(crate) use commit::record_items;
pub use commit::{
    Claim, ClaimOp, Commit, Guard, KeyEntry, MAX_COMMIT_BYTES, MAX_COMMIT_ITEMS, MAX_RECORD_BYTES, Write,
};
pub use error::StoreError;
pub use memory::MemoryStore;
#[cfg(feature = "mock")]
pub use mock::MockStore;
pub use query::{
    Answer, ChangePage, Definitions, Epochs, FeedCursor, FeedPage, FeedPlace, Got, HistoryPosition, HistoryQuery,
    LogPosition, LogQuery, MAX_PLACE_BYTES, Page, Position, Query, StageMoveQuery, Want,
};
pub use settle::{Stored, is_stored, settle};
pub use traits::{Counts, Feed, History, Records, Store};
