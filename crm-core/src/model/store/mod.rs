//! The storage interface: three small traits and the plain data that they exchange.
//!
//! A custom store implements the required methods of [`Records`], [`History`] and [`Feed`], and [`Store`], and is
//! tested with one line: `crm_core::conformance::run(…)` (feature `conformance`). The contract is documented on each
//! method. Conveniences for users (typed getters, decisions, sealed cursors) are built on top in the core.
//!
//! # Summary of the contract
//!
//! - A store does not check permissions or rules. Every call names a tenant, and no response contains data of another
//!   tenant.
//! - It derives its tables and indexes from the declarations ([`crate::catalog`]), and writes only declared fields.
//! - [`Records::commit`] is atomic, and conditional on every version it names.
//! - [`Records::get`], [`Records::definitions`] and [`History::history`] see every finished commit. Lists may lag.

mod commit;
mod error;
mod layer;
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
    Claim, ClaimOp, Commit, CommitId, Guard, KeyEntry, MAX_COMMIT_BYTES, MAX_COMMIT_ITEMS, MAX_RECORD_BYTES, Write,
};
pub use error::StoreError;
pub use layer::{DelegateFeed, DelegateHistory, DelegateRecords, Layer};
pub use memory::MemoryStore;
#[cfg(feature = "mock")]
pub use mock::MockStore;
pub use query::{
    Answer, ChangePage, Definitions, Epochs, FeedCursor, FeedPage, FeedPlace, Got, HistoryPosition, HistoryQuery,
    LogPosition, LogQuery, MAX_PLACE_BYTES, Page, Position, Query, StageMoveQuery, Want,
};
pub use settle::{Stored, settle};
pub use traits::{Counts, Feed, History, Records, Store};
