//! The security log: sign-ins, refusals and other events that are not changes of records. It is append-only.

mod record;
mod rules;

pub use record::*;
