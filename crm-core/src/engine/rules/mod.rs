//! The rules of each kind: defaults, conditions, derived fields and claims. The draft applies them to every write.

mod dispatch;
mod settle;

pub(crate) use dispatch::{
    Stamp, choices, claims, complete, derive, faults, follow, keep, keys, permit, place_key, settle,
};
pub(crate) use settle::{ClaimsOf, Rules};
pub use settle::{Settle, Validator};
