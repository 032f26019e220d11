//! A record as stores see it: a row of erased values in the order of the kind's declaration, with its versions.

use serde::{Deserialize, Serialize};

use super::{KindDecl, TypedField};
use crate::model::value::{Id, Kind, Ref, Value};

/// One of the two groups of a record's fields, each with a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What people (and use cases on their behalf) write.
    Person,
    /// What the machine computes often.
    Machine,
}

/// The versions of a record's two groups. A group's version is the number of its changes: after a creation person 1,
/// machine 0. Machine writes that are not logged count as changes too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Versions {
    /// Of the person's fields.
    pub person: u64,
    /// Of the machine's fields.
    pub machine: u64,
}

impl Versions {
    /// The version of a group.
    pub const fn of(self, group: Group) -> u64 {
        match group {
            Group::Person => self.person,
            Group::Machine => self.machine,
        }
    }
}

/// A whole record, erased.
#[derive(Clone, Debug)]
pub struct Image {
    /// What its values mean.
    pub decl: &'static KindDecl,
    /// Whose it is.
    pub tenant: Id,
    /// Which one.
    pub id: Id,
    /// The versions of its groups.
    pub versions: Versions,
    /// One value per declared field, in declared order.
    pub values: Vec<Value>,
}

impl Image {
    /// Whether a value would take back a restriction that the record has: that somebody wants no e-mail, say.
    pub(crate) fn is_widened_by(&self, at: usize, value: &Value) -> bool {
        let restricts = self.decl.fields.get(at).is_some_and(|field| field.marks.restricts);
        restricts && self.values[at] == Value::Bool(true) && value != &Value::Bool(true)
    }

    /// A record with every field missing and versions of nought.
    pub fn empty(decl: &'static KindDecl, tenant: Id, id: Id) -> Self {
        Self { decl, tenant, id, versions: Versions::default(), values: vec![Value::Null; decl.fields.len()] }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.decl.kind
    }

    /// Kind and id.
    pub fn reference(&self) -> Ref {
        Ref::new(self.decl.kind, self.id)
    }

    /// The value of a field. Of an image of another kind the field of the same name there (leads and deals both have a
    /// `stage_id`), missing where that kind has none. A field that is renamed is an error of the compiler.
    pub fn at<F: TypedField>(&self, field: F) -> &Value {
        if self.decl.kind == F::decl().kind { &self.values[field.position()] } else { self.get(field.name()) }
    }

    /// The value of the field of a name that a declaration or a caller gave; missing where there is no such field. Code
    /// that knows the field says [`Image::at`].
    pub fn get(&self, name: &str) -> &Value {
        self.decl.position(name).map_or(&Value::Null, |position| &self.values[position])
    }

    /// As [`Image::get`], also of a custom property by its full name, `properties.key`.
    pub fn named(&self, name: &str) -> &Value {
        match name.strip_prefix("properties.") {
            Some(key) => self.get("properties").as_map().and_then(|map| map.get(key)).unwrap_or(&Value::Null),
            None => self.get(name),
        }
    }

    /// True where the record is archived.
    pub fn is_archived(&self) -> bool {
        !self.values[super::common::ARCHIVED_AT].is_null()
    }

    /// About how many bytes the record needs in a store.
    pub fn size(&self) -> usize {
        let filled = self.values.iter().filter(|value| !value.is_null());
        64 + filled.map(|value| 16 + value.size()).sum::<usize>()
    }

    /// True where a long text is set, which stores may keep apart.
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
