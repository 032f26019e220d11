//! What a kind's rules are given and what they may say.

use crate::{
    engine::{
        definitions::Definitions,
        draft::{Draft, Step, Stop},
    },
    model::{
        error::Faults,
        schema::{Image, Record, RecordKind},
        store::Claim,
        value::{Id, Time, Value},
    },
};

/// What a kind's rules are given besides the record.
pub struct Settle<'a> {
    /// The tenant's definitions.
    pub definitions: &'a Definitions,
    /// When the change is true in the world.
    pub occurred_at: Time,
    /// Who acts; `None` for the system.
    pub user: Option<Id>,
    /// The use case.
    pub action: &'static str,
    /// Makes an id.
    pub new_id: &'a dyn Fn() -> Id,
    /// Whether the input named this field.
    pub named: &'a dyn Fn(usize) -> bool,
    /// Whether the record is to be just so, as it was before (undo, roll back): rules check it and fill in nothing.
    pub exactly: bool,
    /// Collects what is wrong.
    pub faults: &'a mut Faults,
}

/// The rules of one kind.
pub(crate) trait Rules: RecordKind {
    /// Fills in what is missing, holds what must hold between fields. `before` is `None` for a new record.
    fn settle(_before: Option<&Record<Self>>, _after: &mut Self, _cx: &mut Settle<'_>) {}

    /// Sets the times that go with a change of other fields (`stage_entered_at` with `stage_id`): `changed` tells
    /// which fields the change touched.
    fn stamp(&mut self, _changed: &dyn Fn(&str) -> bool, _occurred_at: Time, _by: Option<Id>) {}

    /// Recomputes what is a pure function of the record's other fields and the definitions.
    fn derive(&mut self, _created_at: Time, _definitions: &Definitions) {}

    /// What puts a value of a unique key into a record, where the key is one of [`Rules::CLAIMS`] and no field that is
    /// written by itself: the field's position, and what to set there.
    fn place_key(_key: &str, _value: &str, _definitions: &Definitions) -> Option<(usize, Value)> {
        None
    }

    /// The values that a field can have, where its declaration leaves that open and the definitions say it.
    fn choices(_field: &str, _definitions: &Definitions) -> Option<Vec<String>> {
        None
    }

    /// Claims that a write of these values takes by [`Rules::complete`]: who holds them is read along.
    fn keys(_tenant: Id, _sets: &[(usize, Value)]) -> Vec<Claim> {
        Vec::new()
    }

    /// Fills in and checks what takes more than the record to know: other records, common fields, the actor. Called when all
    /// else is filled in. What it needs to read it wants ([`Draft::want_all`]), and the caller stops for all of it at once.
    fn complete(
        _draft: &mut Draft<'_>,
        _before: Option<&Image>,
        _after: &mut Image,
        _faults: &mut Faults,
    ) -> Result<(), Stop> {
        Ok(())
    }

    /// Refuses what the actor must not do, whatever they are granted: what would make somebody more than they are. Not asked
    /// of the system.
    fn permit(_draft: &mut Draft<'_>, _before: Option<&Image>, _after: &Image) -> Result<(), Stop> {
        Ok(())
    }

    /// Follows the write in the same commit: writes what goes with it, or refuses what nobody may do.
    fn follow(_draft: &mut Draft<'_>, _before: Option<&Image>, _after: &Image, _step: Step) -> Result<(), Stop> {
        Ok(())
    }

    /// Claims beyond one per unique field, of a kind that has any. Called for live records only.
    const CLAIMS: Option<ClaimsOf<Self>> = None;
}

/// Names and values that a record claims.
pub(crate) type ClaimsOf<K> = fn(&K, &Definitions) -> Vec<(&'static str, String)>;

/// A rule of the embedder's own: it holds for every writer, as the built-in ones do.
///
/// ```
/// # use crm_core::{error::Faults, leads::LeadFields, rules::Validator, schema::Image, value::Kind};
/// struct NoFreeMail;
/// impl Validator for NoFreeMail {
///     fn check(&self, _before: Option<&Image>, after: &Image, faults: &mut Faults) {
///         if after.kind() == Kind::Lead && after.at(LeadFields::email).as_text().is_some_and(|e| e.ends_with("@mail.test")) {
///             faults.push("email", "free_mail", "must be an address at work");
///         }
///     }
/// }
/// ```
pub trait Validator: Send + Sync {
    /// Says what is wrong with a record as it is to be. `before` is `None` for a new one.
    fn check(&self, before: Option<&Image>, after: &Image, faults: &mut Faults);
}
