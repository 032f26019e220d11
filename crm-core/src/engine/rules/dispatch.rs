//! From an erased image to its kind's rules and back.

use super::{Rules, Settle};
use crate::{
    catalog::by_kind,
    engine::{
        definitions::Definitions,
        draft::{Draft, Step, Stop},
    },
    model::{
        error::Faults,
        schema::{Image, Record, common},
        store::Claim,
        value::{Fault, FieldValue, Id, Kind, Time, Value, WrongType},
    },
};

/// What is wrong with a value that somebody gives a structured field of a kind, in place of what it holds.
pub(crate) fn faults(kind: Kind, at: usize, held: &Value, given: &Value) -> Vec<(String, Fault)> {
    use crate::model::schema::RecordKind;
    by_kind!(kind, K => K::faults(at, held, given))
}

/// A value of the field at a position as it is to be, with what is unknown in what it holds.
pub(crate) fn keep(kind: Kind, at: usize, held: &Value, given: Value) -> Value {
    use crate::model::schema::RecordKind;
    by_kind!(kind, K => K::keep(at, held, given))
}

/// Fills in and checks a record's fields by its kind's rules.
///
/// # Errors
/// [`WrongType`] where a stored value is not of its field's type.
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

/// What goes with a change of some fields.
pub(crate) struct Stamp<'a> {
    /// Which fields the change touched.
    pub(crate) changed: &'a dyn Fn(&str) -> bool,
    /// When it was true.
    pub(crate) occurred_at: Time,
    /// Who made it.
    pub(crate) by: Option<Id>,
}

/// Sets the times that go with a change, and recomputes what is derived.
///
/// # Errors
/// [`WrongType`] where a stored value is not of its field's type.
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

/// What puts a value of a unique key that is no field of its own into a record of a kind; nothing where the kind has no
/// such key.
pub(crate) fn place_key(kind: Kind, key: &str, value: &str, definitions: &Definitions) -> Option<(usize, Value)> {
    by_kind!(kind, K => <K as Rules>::place_key(key, value, definitions))
}

/// The values that a field of a kind can have: see [`Rules::choices`].
pub(crate) fn choices(kind: Kind, field: &str, definitions: &Definitions) -> Option<Vec<String>> {
    by_kind!(kind, K => <K as Rules>::choices(field, definitions))
}

/// Claims that a write of these values takes besides its fields': see [`Rules::keys`].
pub(crate) fn keys(kind: Kind, tenant: Id, sets: &[(usize, Value)]) -> Vec<Claim> {
    by_kind!(kind, K => <K as Rules>::keys(tenant, sets))
}

/// See [`Rules::complete`].
pub(crate) fn complete(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &mut Image,
    faults: &mut Faults,
) -> Result<(), Stop> {
    by_kind!(after.kind(), K => <K as Rules>::complete(draft, before, after, faults))
}

/// See [`Rules::permit`].
pub(crate) fn permit(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
    by_kind!(after.kind(), K => <K as Rules>::permit(draft, before, after))
}

/// See [`Rules::follow`].
pub(crate) fn follow(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
    by_kind!(after.kind(), K => <K as Rules>::follow(draft, before, after, step))
}

/// A record's claims beyond one per unique field.
///
/// # Errors
/// [`WrongType`] where a stored value is not of its field's type.
pub(crate) fn claims(image: &Image, definitions: &Definitions) -> Result<Vec<(&'static str, String)>, WrongType> {
    use crate::model::schema::RecordKind;
    by_kind!(image.kind(), K => match K::CLAIMS {
        Some(claims) => Ok(claims(&K::decode(&image.values)?, definitions)),
        None => Ok(Vec::new()),
    })
}
