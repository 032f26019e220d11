//! Changes: the one append-only log from which history, stage times, as-of, undo and the feed come.

mod as_of;
mod complete;
mod record;
mod replay;
mod stages;

pub use as_of::as_of;
pub(crate) use complete::{as_it_was, completed};
pub use record::{Change, ChangeId, FieldChange, Origin};
pub(crate) use replay::Replay;
pub use stages::{StageInterval, StageTime, stage_intervals, stage_times};
