//! API keys: what a program signs in with, on behalf of a user and with permissions of its own.

pub mod record;
mod rules;

pub use record::*;
