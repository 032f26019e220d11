//! Interactions: e-mails, calls, meetings and messages that happened or are planned.

pub mod record;
mod rules;

pub use record::*;
