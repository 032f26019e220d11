//! Stages as records pass them: the gates that hold, and where a record stands.

pub(crate) mod gates;
pub(crate) mod place;
