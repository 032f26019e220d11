//! A score on its record: the fields of the machine's group that carry it, and the change that tells what it crosses.

use std::borrow::Cow;

use super::score::Points;
use crate::{
    engine::draft::{Draft, Stop},
    leads::LeadFields,
    model::{
        change::FieldChange,
        schema::{Image, TypedField as _},
        value::{Ref, Time, Value},
    },
};

/// The fields of a record that carry its score, with their values: those that its kind has.
pub(super) fn values_of(image: &Image, points: &Points, version: &str, now: Time) -> Vec<(usize, Value)> {
    let grade = points.grade.as_deref().map_or(Value::Null, Value::text);
    [
        ("score", Value::Int(points.total)),
        ("grade", grade),
        ("is_hot", Value::Bool(points.is_hot)),
        ("model_version", Value::text(version)),
        ("scored_at", Value::Time(now)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((image.decl.position(name)?, value)))
    .collect()
}

/// Writes a score on a record, and announces what it crosses.
pub(super) fn write_score(
    draft: &mut Draft<'_>,
    record: Ref,
    points: &Points,
    version: &str,
    now: Time,
) -> Result<(), Stop> {
    let image = draft.peek(record)?.ok_or(Stop::not_found(record.kind))?;
    // Where another process' clock is ahead, scores do not run backwards either.
    let scored_at = image.at(LeadFields::scored_at).as_time().map_or(now, |before| before.max(now));
    draft.announce(record, &values_of(&image, points, version, scored_at), |before, after| {
        let moved = |field: LeadFields| {
            let (old, new) = (before.at(field).clone(), after.at(field).clone());
            (old != new).then_some(FieldChange { field: Cow::Borrowed(field.name()), old, new })
        };
        let (hot, grade) = (moved(LeadFields::is_hot), moved(LeadFields::grade));
        let action = match &hot {
            Some(hot) if hot.new == Value::Bool(true) => "became_hot",
            // A record that was never scored has no warmth to lose.
            Some(hot) if hot.old == Value::Bool(true) => "cooled_down",
            _ if grade.is_some() => "grade_changed",
            _ => return None,
        };
        Some((action, hot.into_iter().chain(grade).collect()))
    })
}
