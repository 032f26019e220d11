//! The rules of records: what is filled in, what must hold, what is derived and what is claimed. Every writer passes
//! them, since the draft calls them for every write.

mod dispatch;
mod settle;

pub(crate) use dispatch::{
    Stamp, choices, claims, complete, derive, faults, follow, keep, keys, permit, place_key, settle,
};
pub(crate) use settle::{ClaimsOf, Rules};
pub use settle::{Settle, Validator};
