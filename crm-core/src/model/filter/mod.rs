//! The filter language shared by queries, segments, stage gates, grants and scoring rules.
//!
//! A [`Filter`] is plain data. Compiling it against the declaration of a kind types every literal and returns a
//! [`Predicate`], which the core evaluates ([`Predicate::holds`]) and stores translate into the language of their
//! engine.

mod compile;
mod predicate;
mod tree;

pub use compile::{Compiler, MAX_CONDITIONS, MAX_DEPTH, MAX_IN, PropertyTypes};
pub use predicate::{Compare, Path, Predicate, Test};
pub use tree::{Condition, Filter, Op};
