//! Teams: groups of users, in a tree.

pub mod record;
mod rules;

pub use record::*;
