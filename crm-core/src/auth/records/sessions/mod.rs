//! Sessions: where a user is signed in, each a family of refresh tokens that replace one another.

pub(crate) mod rules;

pub use crate::model::records::session::*;
