//! Dispatch from an erased image to the rules of its kind and back.

use super::{Rules, Settle};
use crate::{
    catalog::by_kind,
    engine::{
        definitions::Definitions,
        draft::{Draft, Step, Stop},
    },
    model::{
        error::Faults,
        records::user::User,
        schema::{Image, Record, common},
        store::Claim,
        value::{Fault, FieldValue, Id, Kind, Time, Value, WrongType},
    },
};

/// Returns the faults of a value given for a structured field that currently holds another.
pub(crate) fn faults(kind: Kind, at: usize, held: &Value, given: &Value) -> Vec<(String, Fault)> {
    use crate::model::schema::RecordKind;
    by_kind!(kind, K => K::faults(at, held, given))
}

/// Returns a given value of a field, with unknown content of the current value kept.
pub(crate) fn keep(kind: Kind, at: usize, held: &Value, given: Value) -> Value {
    use crate::model::schema::RecordKind;
    by_kind!(kind, K => K::keep(at, held, given))
}

/// Fills in and checks the fields of a record by the rules of its kind.
///
/// # Errors
/// [`WrongType`] if a stored value does not have the type of its field.
pub(crate) fn settle(before: Option<&Image>, after: &mut Image, cx: &mut Settle<'_>) -> Result<(), WrongType> {
    use crate::model::schema::RecordKind;
    by_kind!(after.kind(), K => {
        let before = before.map(Record::<K>::from_image).transpose()?;
        let mut typed = K::decode(&after.values)?;
        K::settle(before.as_ref(), &mut typed, cx);
        typed.encode(&mut after.values);
        Ok(())
    })
}

/// The context of a change of fields.
pub(crate) struct Stamp<'a> {
    /// Returns `true` for the fields that changed.
    pub(crate) changed: &'a dyn Fn(&str) -> bool,
    pub(crate) occurred_at: Time,
    pub(crate) by: Option<Id<User>>,
}

/// Sets the times that depend on a change, and recomputes derived fields.
///
/// # Errors
/// [`WrongType`] if a stored value does not have the type of its field.
pub(crate) fn derive(image: &mut Image, stamp: Option<&Stamp<'_>>, definitions: &Definitions) -> Result<(), WrongType> {
    use crate::model::schema::RecordKind;
    let created_at = Time::from_value(&image.values[common::CREATED_AT])?;
    by_kind!(image.kind(), K => {
        let mut typed = K::decode(&image.values)?;
        if let Some(stamp) = stamp {
            typed.stamp(stamp.changed, stamp.occurred_at, stamp.by);
        }
        typed.derive(created_at, definitions);
        typed.encode(&mut image.values);
    });
    image.values[common::SEARCH_TEXT] = Value::text(crate::engine::search::text_of(image));
    Ok(())
}

/// Returns the field and value to set for a unique key that is not a field; see [`Rules::place_key`].
pub(crate) fn place_key(kind: Kind, key: &str, value: &str, definitions: &Definitions) -> Option<(usize, Value)> {
    by_kind!(kind, K => <K as Rules>::place_key(key, value, definitions))
}

/// Returns the possible values of a field; see [`Rules::choices`].
pub(crate) fn choices(kind: Kind, field: &str, definitions: &Definitions) -> Option<Vec<String>> {
    by_kind!(kind, K => <K as Rules>::choices(field, definitions))
}

/// Returns the claims that a write of these values takes in addition to those of its fields; see [`Rules::keys`].
pub(crate) fn keys(kind: Kind, tenant: Id, sets: &[(usize, Value)]) -> Vec<Claim> {
    by_kind!(kind, K => <K as Rules>::keys(tenant, sets))
}

pub(crate) fn complete(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &mut Image,
    faults: &mut Faults,
) -> Result<(), Stop> {
    by_kind!(after.kind(), K => <K as Rules>::complete(draft, before, after, faults))
}

pub(crate) fn permit(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
    by_kind!(after.kind(), K => <K as Rules>::permit(draft, before, after))
}

pub(crate) fn follow(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
    by_kind!(after.kind(), K => <K as Rules>::follow(draft, before, after, step))
}

/// Returns the claims of a record in addition to one per unique field.
///
/// # Errors
/// [`WrongType`] if a stored value does not have the type of its field.
pub(crate) fn claims(image: &Image, definitions: &Definitions) -> Result<Vec<(&'static str, String)>, WrongType> {
    use crate::model::schema::RecordKind;
    by_kind!(image.kind(), K => match K::CLAIMS {
        Some(claims) => Ok(claims(&K::decode(&image.values)?, definitions)),
        None => Ok(Vec::new()),
    })
}
