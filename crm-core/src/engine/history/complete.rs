//! The past state of a record including derived fields: times of stage entry and completion, search text, weighted
//! value.

use crate::{
    engine::{definitions::Definitions, rules},
    model::{
        change::{Change, as_of},
        schema::{Group, Image},
        value::{Id, Time, WrongType},
    },
};

/// Returns the record as of `at`, with derived fields, counting changes recorded by `known_at`, from its whole history
/// in version order. Returns `None` before its creation.
///
/// # Errors
/// [`WrongType`] if a value in the log does not match the declaration.
pub(crate) fn as_it_was(
    tenant: Id,
    history: &[Change],
    at: Time,
    known_at: Option<Time>,
    definitions: &Definitions,
) -> Result<Option<Image>, WrongType> {
    let is_known = |change: &&Change| known_at.is_none_or(|known| change.recorded_at <= known);
    let known: Vec<Change> = history.iter().filter(is_known).cloned().collect();
    let image = as_of(tenant, &known, at, None);
    image.map(|image| completed(image, &known, at, definitions)).transpose()
}

/// Adds derived fields to an image folded from the log up to `at`: times that belong to a change come from the log, the
/// rest is computed from the image and the current definitions.
///
/// # Errors
/// [`WrongType`] if a value in the log does not match the declaration.
pub(crate) fn completed(
    mut image: Image,
    changes: &[Change],
    at: Time,
    definitions: &Definitions,
) -> Result<Image, WrongType> {
    for change in changes.iter().filter(|change| change.group == Group::User && change.occurred_at <= at) {
        let touched = |name: &str| change.field(name).is_some();
        let with = rules::Stamp { changed: &touched, occurred_at: change.occurred_at, by: change.by };
        rules::derive(&mut image, Some(&with), definitions)?;
    }
    Ok(image)
}
