//! What a kind's rules are given and what they may say.

use crate::{
    definitions::Definitions,
    error::Faults,
    schema::{Image, Record, RecordKind},
    value::{Id, Time, Value},
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

impl Settle<'_> {
    /// What has to do with sign-in is made by its own use cases alone: by hand one could make a session that nobody
    /// began, or an entry of the security log of what never happened.
    pub(crate) fn refuse_plain_creation(&mut self, is_new: bool) {
        if is_new && matches!(self.action, "create" | "upsert") {
            self.faults.push("", "not_created", "cannot be created by itself: a use case of sign-in makes it");
        }
    }
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

    /// Claims beyond one per unique field, of a kind that has any. Called for live records only.
    const CLAIMS: Option<ClaimsOf<Self>> = None;
}

/// Names and values that a record claims.
pub(crate) type ClaimsOf<K> = fn(&K, &Definitions) -> Vec<(&'static str, String)>;

/// A rule of the embedder's own: it holds for every writer, as the built-in ones do.
///
/// ```
/// # use crm_core::{error::Faults, leads::record::LeadFields, rules::Validator, schema::Image, value::Kind};
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
