//! Records as stores see them: erased values in the order of the kind's declaration, with versions.

use serde::{Deserialize, Serialize};

use super::{KindDecl, TypedField};
use crate::model::value::{Id, Kind, Ref, Value};

/// One of the two groups of a record's fields, each with a separate version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The user group: fields that users, and use cases on their behalf, write.
    #[serde(rename = "person")]
    User,
    /// The machine group: fields that the CRM computes frequently.
    Machine,
}

/// The versions of a record's two groups. The version of a group is the number of its changes: after the creation, 1
/// for the user group and 0 for the machine group. Changes of the machine group count even if they are not logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Versions {
    /// The version of the user group.
    pub person: u64,
    /// The version of the machine group.
    pub machine: u64,
}

impl Versions {
    /// Returns the version of a group.
    pub const fn of(self, group: Group) -> u64 {
        match group {
            Group::User => self.person,
            Group::Machine => self.machine,
        }
    }
}

/// A complete record with erased types.
#[derive(Clone, Debug)]
pub struct Image {
    /// The declaration of its kind.
    pub decl: &'static KindDecl,
    /// The tenant of the record.
    pub tenant: Id,
    /// The id of the record.
    pub id: Id,
    /// The versions of the record's groups.
    pub versions: Versions,
    /// One value per declared field, in declared order.
    pub values: Vec<Value>,
}

impl Image {
    /// Returns `true` if the value would remove a restriction of the record, such as that a person wants no email.
    pub(crate) fn is_widened_by(&self, at: usize, value: &Value) -> bool {
        let restricts = self.decl.fields.get(at).is_some_and(|field| field.marks.restricts);
        restricts && self.values[at] == Value::Bool(true) && value != &Value::Bool(true)
    }

    /// Creates a record in which every field is missing and both versions are 0.
    pub fn empty(decl: &'static KindDecl, tenant: Id, id: Id) -> Self {
        Self { decl, tenant, id, versions: Versions::default(), values: vec![Value::Null; decl.fields.len()] }
    }

    /// Returns the kind of the record.
    pub fn kind(&self) -> Kind {
        self.decl.kind
    }

    /// Returns the reference of the record: kind and id.
    pub fn reference(&self) -> Ref {
        Ref::new(self.decl.kind, self.id)
    }

    /// Returns the value of a field. For an image of another kind, returns the field with the same name there (leads
    /// and deals both have a `stage_id`), or a missing value if that kind has no such field. Renaming a field is a
    /// compile error.
    pub fn at<F: TypedField>(&self, field: F) -> &Value {
        if self.decl.kind == F::decl().kind { &self.values[field.position()] } else { self.get(field.name()) }
    }

    /// Returns the value of the field with a name from a declaration or a caller, or a missing value if there is no
    /// such field. Use [`Image::at`] if the field is known.
    pub fn get(&self, name: &str) -> &Value {
        self.decl.position(name).map_or(&Value::Null, |position| &self.values[position])
    }

    /// Like [`Image::get`], also for custom properties by full name, `properties.key`.
    pub fn named(&self, name: &str) -> &Value {
        match name.strip_prefix("properties.") {
            Some(key) => self.get("properties").as_map().and_then(|map| map.get(key)).unwrap_or(&Value::Null),
            None => self.get(name),
        }
    }

    /// Returns `true` if the record is archived.
    pub fn is_archived(&self) -> bool {
        !self.values[super::common::ARCHIVED_AT].is_null()
    }

    /// Returns the approximate size of the record in a store, in bytes.
    pub fn size(&self) -> usize {
        let filled = self.values.iter().filter(|value| !value.is_null());
        64 + filled.map(|value| 16 + value.size()).sum::<usize>()
    }

    /// Returns `true` if a long text is set. Stores may keep long text separately.
    pub fn has_long_text(&self) -> bool {
        self.decl.fields.iter().zip(&self.values).any(|(field, value)| field.is_long() && !value.is_null())
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.decl.kind == other.decl.kind
            && self.tenant == other.tenant
            && self.id == other.id
            && self.versions == other.versions
            && self.values == other.values
    }
}
