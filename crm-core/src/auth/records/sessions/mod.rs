//! Sessions of users: families of refresh tokens that replace one another.

pub(crate) mod rules;

pub use crate::model::records::session::*;
