//! The interface of a kind's rules and of the embedder's validators.

use crate::{
    engine::{
        definitions::Definitions,
        draft::{Draft, Step, Stop},
    },
    model::{
        error::Faults,
        records::user::User,
        schema::{Image, Record, RecordKind},
        store::Claim,
        value::{Id, Time, Value},
    },
};

/// The context of a kind's rules.
pub struct Settle<'a> {
    /// The tenant's definitions.
    pub definitions: &'a Definitions,
    /// When the change takes effect.
    pub occurred_at: Time,
    /// The acting user; `None` for the system.
    pub user: Option<Id<User>>,
    /// The name of the use case.
    pub action: &'static str,
    /// Creates an id.
    pub new_id: &'a dyn Fn() -> Id,
    /// Returns `true` if the input sets the field at this position.
    pub named: &'a dyn Fn(usize) -> bool,
    /// `true` if the record must have exactly these values, as it had before (undo, rollback): rules check it and fill
    /// in nothing.
    pub verbatim: bool,
    /// Collects the faults.
    pub faults: &'a mut Faults,
}

/// The rules of one kind.
pub(crate) trait Rules: RecordKind {
    /// Fills in missing values and checks conditions across fields. `before` is `None` for a new record.
    fn settle(_before: Option<&Record<Self>>, _after: &mut Self, _cx: &mut Settle<'_>) {}

    /// Sets the times that depend on changes of other fields (`stage_entered_at` on `stage_id`). `changed` returns
    /// `true` for the fields that changed.
    fn stamp(&mut self, _changed: &dyn Fn(&str) -> bool, _occurred_at: Time, _by: Option<Id<User>>) {}

    /// Recomputes the fields that are pure functions of other fields and the definitions.
    fn derive(&mut self, _created_at: Time, _definitions: &Definitions) {}

    /// Returns the field and value to set for a unique key that is one of [`Rules::CLAIMS`] and not a writable field.
    fn place_key(_key: &str, _value: &str, _definitions: &Definitions) -> Option<(usize, Value)> {
        None
    }

    /// Returns the possible values of a field if they come from the definitions and not from the declaration.
    fn choices(_field: &str, _definitions: &Definitions) -> Option<Vec<String>> {
        None
    }

    /// Returns the claims that [`Rules::complete`] takes for these values, so that their holders are read in the first
    /// round trip.
    fn keys(_tenant: Id, _sets: &[(usize, Value)]) -> Vec<Claim> {
        Vec::new()
    }

    /// Fills in and checks what depends on other records, common fields or the actor. Called after all other values are
    /// filled in. Missing records are requested with [`Draft::want_all`]; the caller stops for all of them together.
    fn complete(
        _draft: &mut Draft<'_>,
        _before: Option<&Image>,
        _after: &mut Image,
        _faults: &mut Faults,
    ) -> Result<(), Stop> {
        Ok(())
    }

    /// Refuses writes that the actor must not make regardless of grants: those that would extend a user's permissions.
    /// Not called for the system actor.
    fn permit(_draft: &mut Draft<'_>, _before: Option<&Image>, _after: &Image) -> Result<(), Stop> {
        Ok(())
    }

    /// Called after the write, in the same commit: writes dependent records or refuses the write.
    fn follow(_draft: &mut Draft<'_>, _before: Option<&Image>, _after: &Image, _step: Step) -> Result<(), Stop> {
        Ok(())
    }

    /// Claims in addition to one per unique field. Called for active records only.
    const CLAIMS: Option<ClaimsOf<Self>> = None;
}

/// Returns the names and values that a record claims.
pub(crate) type ClaimsOf<K> = fn(&K, &Definitions) -> Vec<(&'static str, String)>;

/// A rule of the embedder. It applies to every write, like the built-in rules.
///
/// ```
/// # use crm_core::{error::Faults, leads::LeadFields, rules::Validator, schema::Image, value::{FaultCode, Kind}};
/// struct NoFreeMail;
/// impl Validator for NoFreeMail {
///     fn check(&self, _before: Option<&Image>, after: &Image, faults: &mut Faults) {
///         if after.kind() == Kind::Lead && after.at(LeadFields::email).as_text().is_some_and(|e| e.ends_with("@mail.test")) {
///             faults.push("email", FaultCode::custom("free_mail"), "must be an address at work");
///         }
///     }
/// }
/// ```
pub trait Validator: Send + Sync {
    /// Adds the faults of a record in its new state. `before` is `None` for a new record.
    fn check(&self, before: Option<&Image>, after: &Image, faults: &mut Faults);
}
