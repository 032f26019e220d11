//! Records as JSON, for those outside the program: what goes out, without what its reader may not see, and what comes
//! in, every fault of it at once.

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
    access::Access,
    catalog,
    change::Change,
    error::Faults,
    schema::{FieldDecl, FieldType, Image, KindDecl, Patch, RecordKind, Section, Versions, common},
    value::{Fault, Kind, Plain, Ref, Value},
};

pub use crate::undoable::ViewedChange;

/// A record as one actor sees it, to be written as JSON: fields that the actor may not see are not there, secrets never
/// are, and long texts are there where they were read.
#[derive(Clone, Debug)]
pub struct View {
    image: Arc<Image>,
    /// Positions of the fields that are left out: as a rule those that nobody sees.
    hidden: Cow<'static, [usize]>,
}

/// The fields of a kind that nobody sees: secrets, and the keys that the core makes.
fn unseen(kind: Kind) -> &'static [usize] {
    static ALL: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
        let unseen = |field: &FieldDecl| field.marks.secret || field.ty == FieldType::Folded;
        let of = |fields: &[FieldDecl]| (0..fields.len()).filter(|&at| unseen(&fields[at])).collect();
        catalog::all().map(|decl| of(&decl.fields)).collect()
    });
    // Kinds are numbered in the order in which they are declared.
    &ALL[kind as usize]
}

/// The names of the fields of a kind that an actor is shown.
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

    /// Which record.
    pub fn reference(&self) -> Ref {
        self.image.reference()
    }

    /// The versions of its groups.
    pub fn versions(&self) -> Versions {
        self.image.versions
    }

    /// The names of the fields that are hidden, and of the custom properties that are shown: of one record at one version
    /// they tell how it looks.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let hidden = self.hidden.iter().map(|&at| self.image.decl.fields[at].name);
        let properties = self.image.values[common::PROPERTIES].as_map();
        hidden.chain(properties.into_iter().flat_map(|map| map.keys().map(String::as_str)))
    }

    /// True where a field of this name is shown.
    pub fn shows(&self, name: &str) -> bool {
        self.image.decl.position(name).is_some_and(|at| !self.hidden.contains(&at))
    }

    /// The value of a field; [`Value::Null`] where it is hidden.
    pub fn value(&self, name: &str) -> &Value {
        self.image.get(name)
    }

    /// The records that its field of this name refers to.
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

    /// The view with the named fields alone, besides `id`, `version` and `machine_version`; with all where there are no
    /// names.
    pub const fn only<'a>(&'a self, names: Option<&'a [String]>) -> Part<'a> {
        Part { view: self, names }
    }

    /// The JSON object as a tree: for who looks into it. To write it down, serialise the view itself.
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

/// Some fields of a view, as [`View::only`] names them.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    view: &'a View,
    names: Option<&'a [String]>,
}

/// A field of a view in JSON.
enum Shown<'a> {
    /// Custom properties where there is none: `{}`.
    NoProperties,
    /// A list where there is nothing in it: `[]`.
    NoElements,
    Value(&'a Value),
}

impl<'a> Part<'a> {
    /// The fields that are shown, in declared order, each with its position.
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
    /// The JSON object: `id`, `version` and `machine_version` first, then every field in declared order.
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

/// A value of a change as JSON, without tags; what the log does not hold as `{"redacted": true}`.
pub fn side_to_json(value: &Value) -> Json {
    match value {
        Value::Redacted => serde_json::json!({"redacted": true}),
        other => other.to_json(),
    }
}

/// A change of a record as JSON, its values without tags.
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
    /// The fields that a JSON object sets; `null` empties one. Custom properties stand in `properties`, those that are
    /// not named are kept.
    ///
    /// # Errors
    /// Every fault at once: `unknown_field` for what is no field that may be set, `wrong_type` for a value of another
    /// type than the field's.
    pub fn from_json(object: &Map<String, Json>) -> Result<Self, Faults> {
        let mut patch = Self::new();
        let mut faults = Faults::new();
        for (name, json) in object {
            let shown: String = name.chars().take(80).collect();
            let Some(at) = K::decl().position(name) else {
                faults.push(shown, "unknown_field", format!("`{}` has no such field", K::KIND));
                continue;
            };
            let field = &K::decl().fields[at];
            if field.section != Section::Person {
                faults.push(shown, "read_only", "cannot be set: the CRM keeps it");
                continue;
            }
            let value = match (&field.ty, json) {
                (FieldType::Properties, Json::Object(properties)) => Ok(untyped(properties)),
                (FieldType::Properties, _) => Err(Fault::new("wrong_type", "must be an object of custom properties")),
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

/// Custom properties whose types only the tenant's definitions tell: read when they are placed.
fn untyped(properties: &Map<String, Json>) -> Value {
    let value = |json: &Json| if json.is_null() { Value::Null } else { Value::Json(Arc::new(json.clone())) };
    Value::Map(Arc::new(properties.iter().map(|(key, json)| (key.clone(), value(json))).collect::<BTreeMap<_, _>>()))
}
