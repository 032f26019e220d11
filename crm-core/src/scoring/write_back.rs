//! Write-back of scores: the fields of the machine group that hold a score, and the change that announces a crossed
//! threshold.

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

/// The fields of a record that hold its score, as far as its kind has them, with their values.
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

/// Writes a score to a record, and announces a crossed threshold or changed grade.
pub(super) fn write_score(
    draft: &mut Draft<'_>,
    record: Ref,
    points: &Points,
    version: &str,
    now: Time,
) -> Result<(), Stop> {
    let image = draft.peek(record)?.ok_or(Stop::not_found(record.kind))?;
    // The time never moves backwards, even if the clock of another process is ahead.
    let scored_at = image.at(LeadFields::scored_at).as_time().map_or(now, |before| before.max(now));
    draft.announce(record, &values_of(&image, points, version, scored_at), |before, after| {
        let moved = |field: LeadFields| {
            let (old, new) = (before.at(field).clone(), after.at(field).clone());
            (old != new).then_some(FieldChange { field: Cow::Borrowed(field.name()), old, new })
        };
        let (hot, grade) = (moved(LeadFields::is_hot), moved(LeadFields::grade));
        let action = match &hot {
            Some(hot) if hot.new == Value::Bool(true) => "became_hot",
            // A record without an earlier score cannot cool down.
            Some(hot) if hot.old == Value::Bool(true) => "cooled_down",
            _ if grade.is_some() => "grade_changed",
            _ => return None,
        };
        Some((action, hot.into_iter().chain(grade).collect()))
    })
}
