//! Changes: the append-only log that history, stage times, past states, undo and the feed are based on.

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
