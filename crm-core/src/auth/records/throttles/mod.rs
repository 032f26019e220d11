//! Throttles: failed sign-ins, counted in the store and therefore across all processes.

mod record;
mod rules;

pub use record::*;
