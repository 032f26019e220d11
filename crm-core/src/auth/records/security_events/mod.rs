//! The security log: sign-ins, refusals and the like, which are no change of a record. Only ever added to.

mod record;
mod rules;

pub use record::*;
