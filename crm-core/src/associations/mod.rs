//! Associations: labelled links between two records, with roles and dates.

mod of;
pub mod record;
mod rules;

pub(crate) use of::{ends, walk_seen};
pub use record::*;
pub(crate) use rules::END_KINDS;
