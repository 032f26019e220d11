//! The one condition language: queries, segments, stage gates, grants, scoring rules.
//!
//! A [`Filter`] is plain data. Compiling it against a kind's declaration types every literal and gives a [`Predicate`],
//! which the core evaluates ([`Predicate::holds`]) and stores translate into their engine's language.

mod compile;
mod predicate;
mod tree;

pub use compile::{Compiler, MAX_CONDITIONS, MAX_DEPTH, MAX_IN, PropertyTypes};
pub use predicate::{Compare, Path, Predicate, Test};
pub use tree::{Condition, Filter, Op};
