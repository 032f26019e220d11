//! The rules of sessions: they are created only by signing in, and a session that is over stays over.

use crate::{
    engine::{
        draft::{Draft, Step, Stop},
        rules::Rules,
    },
    model::{error::Error, records::session::Session, schema::Image, value::FaultCode},
};

impl Rules for Session {
    fn follow(_: &mut Draft<'_>, before: Option<&Image>, after: &Image, _: Step) -> Result<(), Stop> {
        stay_over(before, after)
    }
}

/// A session that is over cannot be restored.
pub(crate) fn stay_over(before: Option<&Image>, after: &Image) -> Result<(), Stop> {
    if before.is_some_and(Image::is_archived) && !after.is_archived() {
        return Err(Error::invalid(
            "archived_at",
            FaultCode::Over,
            "an ended session or key cannot be restored: create a new one",
        )
        .into());
    }
    Ok(())
}
