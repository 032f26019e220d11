//! Users: who acts. What they sign in with is no part of this record.

mod activity;
mod me;
pub mod record;
pub(crate) mod rules;
pub(crate) mod signed_in;

pub use activity::Handover;
pub(crate) use activity::set_active;
pub use record::*;
