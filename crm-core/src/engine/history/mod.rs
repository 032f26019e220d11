//! Records as they were, with what is derived: folded from the log by today's definitions.

mod complete;
mod replay;

pub(crate) use complete::{as_it_was, completed};
pub(crate) use replay::Replay;
