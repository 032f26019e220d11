//! Teams: groups of users, in a tree.

pub mod record;

pub use record::*;
