//! Sessions: where a user is signed in, each a family of refresh tokens that replace one another.

pub mod record;
pub(crate) mod rules;

pub use record::*;
