//! A record as it was, with what is derived: times of stage entry and completion, search text, weighted value.

use super::Change;
use crate::{
    definitions::Definitions,
    rules,
    schema::{Group, Image},
    value::{Time, WrongType},
};

/// Completes an image that was folded from the log up to `at`: times that go with a change come from the log, the rest
/// is computed from the image and today's definitions.
///
/// # Errors
/// [`WrongType`] where the log holds what the declaration does not.
pub(crate) fn completed(
    mut image: Image,
    changes: &[Change],
    at: Time,
    definitions: &Definitions,
) -> Result<Image, WrongType> {
    for change in changes.iter().filter(|change| change.group == Group::Person && change.occurred_at <= at) {
        let touched = |name: &str| change.field(name).is_some();
        let with = rules::Stamp { changed: &touched, occurred_at: change.occurred_at, by: change.by };
        rules::derive(&mut image, Some(&with), definitions)?;
    }
    Ok(image)
}
