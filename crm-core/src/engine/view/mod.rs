//! Records as JSON for users of the CRM: output without the fields that the reader may not see, and input with all its
//! faults at once.

mod cell;
mod names;
mod write;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

pub use cell::{protect, unprotect};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value as Json};

use crate::{
    catalog,
    engine::access::Access,
    model::{
        change::Change,
        error::Faults,
        schema::{FieldDecl, FieldType, Image, KindDecl, Patch, RecordKind, Section, Versions, common},
        value::{Fault, FaultCode, Kind, Plain, Ref, Value},
    },
};

pub use crate::engine::undoable::ViewedChange;

/// A record as one actor sees it, serialized as JSON: without hidden fields and secrets, and with long texts if they
/// were read.
#[derive(Clone, Debug)]
pub struct View {
    image: Arc<Image>,
    /// The positions of omitted fields; usually only those that are hidden from everyone.
    hidden: Cow<'static, [usize]>,
}

/// Returns the fields of a kind that are hidden from everyone: secrets and generated keys.
fn unseen(kind: Kind) -> &'static [usize] {
    static ALL: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
        let unseen = |field: &FieldDecl| field.marks.secret || field.ty == FieldType::Folded;
        let of = |fields: &[FieldDecl]| (0..fields.len()).filter(|&at| unseen(&fields[at])).collect();
        catalog::all().map(|decl| of(&decl.fields)).collect()
    });
    // Kinds are numbered in the order of declaration.
    &ALL[kind as usize]
}

/// Returns the names of the fields of a kind that are visible to an actor.
pub(crate) fn shown(decl: &KindDecl, access: &Access<'_>) -> Vec<&'static str> {
    let (unseen, hidden) = (unseen(decl.kind), access.hidden(decl.kind));
    let fields = decl.fields.iter().enumerate();
    let shown =
        fields.filter(|(at, field)| !unseen.contains(at) && hidden.is_none_or(|names| !names.contains(field.name)));
    shown.map(|(_, field)| field.name).collect()
}

impl View {
    pub(crate) fn new(image: &Arc<Image>, access: &Access<'_>) -> Self {
        let unseen = unseen(image.kind());
        let hidden = match access.hidden(image.kind()) {
            None => Cow::Borrowed(unseen),
            Some(names) => {
                let fields = image.decl.fields.iter().enumerate();
                let left_out = fields.filter(|(at, field)| unseen.contains(at) || names.contains(field.name));
                Cow::Owned(left_out.map(|(at, _)| at).collect())
            }
        };
        Self { hidden, image: access.mask(image) }
    }

    /// Returns the reference to the record.
    pub fn reference(&self) -> Ref {
        self.image.reference()
    }

    /// Returns the versions of its groups.
    pub fn versions(&self) -> Versions {
        self.image.versions
    }

    /// Returns the names of the hidden fields and of the visible custom properties, which together determine the view
    /// of a record at a version.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let hidden = self.hidden.iter().map(|&at| self.image.decl.fields[at].name);
        let properties = self.image.values[common::PROPERTIES].as_map();
        hidden.chain(properties.into_iter().flat_map(|map| map.keys().map(String::as_str)))
    }

    /// Returns `true` if the field with this name is visible.
    pub fn shows(&self, name: &str) -> bool {
        self.image.decl.position(name).is_some_and(|at| !self.hidden.contains(&at))
    }

    /// Returns the value of a field; [`Value::Null`] if it is hidden.
    pub fn value(&self, name: &str) -> &Value {
        self.image.get(name)
    }

    /// Returns the records that the field with this name refers to.
    pub fn targets(&self, name: &str) -> Vec<Ref> {
        let Some(field) = self.image.decl.field(name).filter(|_| self.shows(name)) else { return Vec::new() };
        let target = |value: &Value| match (field.ty.element(), value) {
            (FieldType::Id(kind), Value::Id(id)) => Some(Ref::new(kind, *id)),
            (FieldType::Ref(_), Value::Ref(target)) => Some(*target),
            _ => None,
        };
        match self.image.get(name) {
            Value::List(items) => items.iter().filter_map(target).collect(),
            single => target(single).into_iter().collect(),
        }
    }

    /// Returns the view restricted to the named fields and `id`, `version` and `machine_version`; with `None`, all
    /// fields.
    pub const fn only<'a>(&'a self, names: Option<&'a [String]>) -> Part<'a> {
        Part { view: self, names }
    }

    /// Returns the JSON object as a tree, for inspection. For output, serialize the view itself.
    pub fn to_json(&self, only: Option<&[String]>) -> Map<String, Json> {
        match serde_json::to_value(self.only(only)) {
            Ok(Json::Object(object)) => object,
            _ => Map::new(),
        }
    }
}

impl Serialize for View {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.only(None).serialize(serializer)
    }
}

/// Some fields of a view, as selected by [`View::only`].
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    view: &'a View,
    names: Option<&'a [String]>,
}

enum Shown<'a> {
    /// No custom properties: `{}`.
    NoProperties,
    /// An empty list: `[]`.
    NoElements,
    Value(&'a Value),
}

impl<'a> Part<'a> {
    /// Returns the visible fields in declared order, each with its position.
    fn fields(&self) -> impl Iterator<Item = (usize, &'a FieldDecl, Shown<'a>)> {
        let Self { view: View { image, hidden }, names } = *self;
        let all = image.decl.fields.iter().zip(&image.values).enumerate();
        all.filter_map(move |(at, (field, value))| {
            let asked = names.is_none_or(|names| names.iter().any(|name| name == field.name));
            if !asked || hidden.contains(&at) {
                return None;
            }
            let shown = match value {
                Value::NotLoaded => return None,
                Value::Null if at == common::PROPERTIES => Shown::NoProperties,
                Value::Null if field.ty.is_list() => Shown::NoElements,
                value => Shown::Value(value),
            };
            Some((at, field, shown))
        })
    }
}

impl Serialize for Part<'_> {
    /// Serializes a JSON object: `id`, `version` and `machine_version` first, then every field in declared order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = &self.view.image;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("id", &image.id)?;
        object.serialize_entry("version", &image.versions.person)?;
        object.serialize_entry("machine_version", &image.versions.machine)?;
        for (_, field, shown) in self.fields() {
            match shown {
                Shown::NoProperties => object.serialize_entry(field.name, &Map::new())?,
                Shown::NoElements => object.serialize_entry::<_, [(); 0]>(field.name, &[])?,
                Shown::Value(value) => object.serialize_entry(field.name, &Plain(value))?,
            }
        }
        object.end()
    }
}

/// Returns a value of a change as untagged JSON; a value withheld from the log is `{"redacted": true}`.
pub fn side_to_json(value: &Value) -> Json {
    match value {
        Value::Redacted => serde_json::json!({"redacted": true}),
        other => other.to_json(),
    }
}

/// Returns a change of a record as JSON with untagged values.
pub fn change_to_json(change: &Change) -> Json {
    let side = side_to_json;
    let fields: Vec<Json> = change
        .fields
        .iter()
        .map(|field| serde_json::json!({"field": field.field, "old": side(&field.old), "new": side(&field.new)}))
        .collect();
    serde_json::json!({
        "record": change.record,
        "group": change.group,
        "version": change.version,
        "commit": change.commit,
        "recorded_at": change.recorded_at,
        "occurred_at": change.occurred_at,
        "by": change.by,
        "action": change.action,
        "origin": change.origin,
        "fields": fields,
        "with": change.with,
    })
}

impl<K: RecordKind> Patch<K> {
    /// Reads the fields that a JSON object sets; `null` clears a field. Custom properties are in `properties`; those
    /// not named are kept.
    ///
    /// # Errors
    /// All faults at once: `unknown_field` for a field that does not exist or cannot be set, `wrong_type` for a value
    /// of another type than the field's.
    pub fn from_json(object: &Map<String, Json>) -> Result<Self, Faults> {
        let mut patch = Self::new();
        let mut faults = Faults::new();
        for (name, json) in object {
            let shown: String = name.chars().take(80).collect();
            let Some(at) = K::decl().position(name) else {
                faults.push(shown, FaultCode::UnknownField, format!("`{}` has no such field", K::KIND));
                continue;
            };
            let field = &K::decl().fields[at];
            if field.section != Section::User {
                faults.push(shown, FaultCode::ReadOnly, "is read-only");
                continue;
            }
            let value = match (&field.ty, json) {
                (FieldType::Properties, Json::Object(properties)) => Ok(untyped(properties)),
                (FieldType::Properties, _) => {
                    Err(Fault::new(FaultCode::WrongType, "must be an object of custom properties"))
                }
                (ty, json) => ty.read_json(json),
            };
            match value {
                Ok(value) => patch = patch.set(at, value),
                Err(fault) => faults.add(shown, fault),
            }
        }
        if faults.is_empty() { Ok(patch) } else { Err(faults) }
    }
}

/// Returns custom properties as they are: their types are known only from the tenant's definitions and are applied on
/// writing.
fn untyped(properties: &Map<String, Json>) -> Value {
    let value = |json: &Json| if json.is_null() { Value::Null } else { Value::Json(Arc::new(json.clone())) };
    Value::Map(Arc::new(properties.iter().map(|(key, json)| (key.clone(), value(json))).collect::<BTreeMap<_, _>>()))
}
