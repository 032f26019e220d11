//! Throttles: failed sign-ins counted in the store, so that they are counted across all processes.

mod record;
mod rules;

pub use record::*;
