//! Changes: the append-only log that history, stage times, past states, undo and the feed are based on.

mod as_of;
mod record;
mod stages;

pub use as_of::as_of;
pub use record::{Change, ChangeId, FieldChange, Origin};
pub use stages::{StageInterval, StageTime, stage_intervals, stage_times};
