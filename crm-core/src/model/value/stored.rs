//! Reading of stored structures: JSON that a newer program may have written, with keys and choices that this one does
//! not know.
//!
//! The types themselves are strict and refuse unknown keys (`deny_unknown_fields`) and unknown choices. [`read`] reads
//! them from stored JSON anyway: it skips keys that a type does not declare, passes the stored text to choices that do
//! not know it, and reports the location of both. Input is read by the same function and refused if anything is
//! reported. [`keep`] restores the skipped parts when a structure is written.

use std::{cell::RefCell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Value as Json;

use super::{Fault, FaultCode};

/// The newtype struct name that a type requests if it handles stored data itself; the reader then passes the stored
/// value through `visit_some`.
pub(crate) const AT_REST: &str = "crm_core at rest";

/// The members that identify an element of a list; the first one present is used. An address of a contact stays the
/// same element when it becomes the primary one.
const KEYS: [&str; 9] = ["id", "key", "email", "phone", "url", "value", "ref", "address", "text"];

/// An element of the JSON that the type does not know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unknown {
    /// The location, as a JSON pointer.
    pub(crate) at: String,
    /// `true` for a key of an object, `false` for the text of a choice.
    is_key: bool,
    /// The known keys or choices.
    known: &'static [&'static str],
}

impl Unknown {
    /// Returns the fault to report to the caller.
    pub(crate) fn fault(&self) -> Fault {
        let known = self.known.join(", ");
        if self.is_key {
            Fault::new(FaultCode::UnknownField, format!("is not a field of this object; known fields: {known}"))
        } else {
            Fault::new(FaultCode::UnknownChoice, format!("must be one of {known}"))
        }
    }
}

/// The reason JSON could not be read as a type, and its location.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The location, as a JSON pointer.
    pub(crate) at: String,
    pub(crate) why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { at: String::new(), why: why.to_string() }
    }
}

/// The source of the JSON, which determines how it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// From the store: choices keep names they do not know, and types that can handle stored data receive it.
    Stored,
    /// From input, which must contain nothing unknown; an unknown choice is read as an arbitrary one.
    Given,
    /// From input, when the stored value contains the same unknown parts: types that can handle stored data receive it.
    GivenBack,
}

/// Reads a structure, and returns its unknown parts as well.
pub(crate) fn read<'a, T: Deserialize<'a>>(json: &'a Json, mode: Mode) -> (Result<T, Unreadable>, Vec<Unknown>) {
    let seen = Seen { mode, unknown: RefCell::default() };
    let read = T::deserialize(Reader { json, path: None, seen: &seen });
    (read, seen.unknown.into_inner())
}

/// Copies the unknown parts of the held structure into the new one: keys of objects that still exist. Elements of lists
/// are matched by their identifying member, or by all their known parts.
pub(crate) fn keep(unknown: &[Unknown], held: &Json, given: &mut Json) {
    let keys: Vec<&str> = unknown.iter().filter(|one| one.is_key).map(|one| one.at.as_str()).collect();
    if !keys.is_empty() {
        keep_at(&keys, "", held, given);
    }
}

fn keep_at(unknown: &[&str], at: &str, held: &Json, given: &mut Json) {
    match (held, given) {
        (Json::Object(held), Json::Object(given)) => {
            for (key, value) in held {
                let at = format!("{at}/{}", escaped(key));
                if unknown.contains(&at.as_str()) {
                    given.entry(key).or_insert_with(|| value.clone());
                } else if let Some(given) = given.get_mut(key) {
                    keep_at(unknown, &at, value, given);
                }
            }
        }
        (Json::Array(held), Json::Array(given)) => {
            let mut left: Vec<&mut Json> = given.iter_mut().collect();
            for (place, element) in held.iter().enumerate() {
                let at = format!("{at}/{place}");
                let known = known(unknown, &at, element);
                if let Some(found) = left.iter().position(|given| are_one(&known, given)) {
                    keep_at(unknown, &at, element, left.swap_remove(found));
                }
            }
        }
        _ => {}
    }
}

/// Returns the JSON without unknown keys.
fn known(unknown: &[&str], at: &str, json: &Json) -> Json {
    match json {
        Json::Object(map) => {
            let known = map.iter().filter_map(|(key, value)| {
                let at = format!("{at}/{}", escaped(key));
                (!unknown.contains(&at.as_str())).then(|| (key.clone(), known(unknown, &at, value)))
            });
            Json::Object(known.collect())
        }
        Json::Array(items) => {
            items.iter().enumerate().map(|(place, item)| known(unknown, &format!("{at}/{place}"), item)).collect()
        }
        other => other.clone(),
    }
}

/// Returns the member that identifies an element of a list.
pub(crate) fn key_of(element: &Json) -> Option<&Json> {
    KEYS.iter().find_map(|name| element.get(name).filter(|key| !key.is_null()))
}

/// Returns `true` if two elements are the same element, possibly changed.
pub(crate) fn are_one(held: &Json, given: &Json) -> bool {
    held == given || key_of(held).is_some_and(|key| key_of(given) == Some(key))
}

/// Formats a JSON pointer below a field as a location in faults: `stages[0].gate`.
pub(crate) fn place(field: &str, pointer: &str) -> String {
    let mut place = field.to_owned();
    for step in pointer.split('/').skip(1) {
        if step.bytes().all(|byte| byte.is_ascii_digit()) && !step.is_empty() {
            place.extend(["[", step, "]"]);
        } else {
            place.push('.');
            place.extend(step.replace("~1", "/").replace("~0", "~").chars().take(80));
        }
    }
    place
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Seen {
    mode: Mode,
    unknown: RefCell<Vec<Unknown>>,
}

/// The position of a read in the JSON.
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p str),
    Place(usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Key(key) => write!(f, "/{}", escaped(key)),
            Step::Place(place) => write!(f, "/{place}"),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.above.map_or(Ok(()), |above| above.fmt(f))?;
        self.step.fmt(f)
    }
}

#[derive(Clone, Copy)]
struct Reader<'a, 'p> {
    json: &'a Json,
    path: Option<&'p Path<'p>>,
    seen: &'p Seen,
}

impl<'a> Reader<'a, '_> {
    /// Reads a child.
    fn part<S: DeserializeSeed<'a>>(&self, step: Step<'_>, json: &'a Json, seed: S) -> Result<S::Value, Unreadable> {
        let path = Path { above: self.path, step };
        seed.deserialize(Reader { json, path: Some(&path), seen: self.seen })
            .map_err(|error| Unreadable { at: format!("{step}{}", error.at), ..error })
    }

    fn note(&self, key: Option<&str>, known: &'static [&'static str]) {
        let above = self.path.map(ToString::to_string).unwrap_or_default();
        let at = key.map_or_else(|| above.clone(), |key| format!("{above}{}", Step::Key(key)));
        self.seen.unknown.borrow_mut().push(Unknown { at, is_key: key.is_some(), known });
    }
}

impl<'a> Deserializer<'a> for Reader<'a, '_> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.json {
            Json::Null => visitor.visit_unit(),
            Json::Bool(flag) => visitor.visit_bool(*flag),
            Json::Number(number) => number.deserialize_any(visitor).map_err(de::Error::custom),
            Json::String(text) => visitor.visit_borrowed_str(text),
            Json::Array(items) => visitor.visit_seq(Items { of: self, left: items.iter().enumerate() }),
            Json::Object(map) => visitor.visit_map(Members { of: self, left: map.iter(), at: None, fields: None }),
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.json.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if self.seen.mode != Mode::Given && name == AT_REST {
            visitor.visit_some(self)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.json {
            Json::Object(map) => {
                visitor.visit_map(Members { of: self, left: map.iter(), at: None, fields: Some(fields) })
            }
            // The sequence form without names is refused: fields could not be added to it.
            Json::Array(_) => Err(de::Error::custom("must be an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.json {
            Json::String(name) if variants.contains(&name.as_str()) => {
                visitor.visit_enum(BorrowedStrDeserializer::new(name))
            }
            Json::String(name) => {
                self.note(None, variants);
                match variants.first() {
                    _ if self.seen.mode == Mode::Stored => visitor.visit_bytes(name.as_bytes()),
                    // It will be refused; any variant lets reading continue.
                    Some(any) => visitor.visit_enum(StrDeserializer::new(any)),
                    None => Err(de::Error::unknown_variant(name, variants)),
                }
            }
            Json::Object(map) => match map.iter().next() {
                Some((name, json)) if map.len() == 1 => visitor.visit_enum(OneOf { of: self, name, json }),
                _ => Err(de::Error::custom("must be an object with one key")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The name of a member: a text, or a number written as one.
struct Key<'a>(&'a str);

macro_rules! numbers {
    ($($method:ident, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            match self.0.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'a> Deserializer<'a> for Key<'a> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_borrowed_str(self.0)
    }

    numbers! {
        deserialize_i8, visit_i8; deserialize_i16, visit_i16; deserialize_i32, visit_i32; deserialize_i64, visit_i64;
        deserialize_u8, visit_u8; deserialize_u16, visit_u16; deserialize_u32, visit_u32; deserialize_u64, visit_u64;
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        BorrowedStrDeserializer::new(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

struct Items<'a, 'p> {
    of: Reader<'a, 'p>,
    left: std::iter::Enumerate<std::slice::Iter<'a, Json>>,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = Unreadable;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Unreadable> {
        let Some((place, json)) = self.left.next() else { return Ok(None) };
        self.of.part(Step::Place(place), json, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

struct Members<'a, 'p> {
    of: Reader<'a, 'p>,
    left: serde_json::map::Iter<'a>,
    at: Option<(&'a str, &'a Json)>,
    /// The known names, unless every name is accepted.
    fields: Option<&'static [&'static str]>,
}

impl<'a> MapAccess<'a> for Members<'a, '_> {
    type Error = Unreadable;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Unreadable> {
        for (key, json) in self.left.by_ref() {
            if let Some(fields) = self.fields.filter(|fields| !fields.contains(&key.as_str())) {
                self.of.note(Some(key), fields);
                continue;
            }
            self.at = Some((key, json));
            return seed.deserialize(Key(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Unreadable> {
        let (key, json) = self.at.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        self.of.part(Step::Key(key), json, seed)
    }
}

/// A variant with a value: `{"name": value}`.
struct OneOf<'a, 'p> {
    of: Reader<'a, 'p>,
    name: &'a str,
    json: &'a Json,
}

impl<'a> EnumAccess<'a> for OneOf<'a, '_> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), Unreadable> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.name))?, self))
    }
}

impl<'a> VariantAccess<'a> for OneOf<'a, '_> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        Err(de::Error::custom("must be a name"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Unreadable> {
        self.of.part(Step::Key(self.name), self.json, seed)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.of.part(Step::Key(self.name), self.json, Shape(visitor, None))
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.of.part(Step::Key(self.name), self.json, Shape(visitor, Some(fields)))
    }
}

/// A visitor as a seed, for a struct with these fields or for any value.
struct Shape<V>(V, Option<&'static [&'static str]>);

impl<'a, V: Visitor<'a>> DeserializeSeed<'a> for Shape<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        match self.1 {
            Some(fields) => deserializer.deserialize_struct("", fields, self.0),
            None => deserializer.deserialize_any(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use serde_json::json;

    use super::*;
    use crate::{
        model::{
            access::Grant,
            filter::Filter,
            records::pipeline::{Stage, StageKind},
            value::{FieldValue, Id, Kind, Ref, Value},
        },
        scoring::ModelDefinition,
    };

    fn stage(json: &Json) -> Value {
        Value::Json(Arc::new(json.clone()))
    }

    #[test]
    fn members_may_be_named_by_numbers() {
        let json = json!({"-50": 1, "7": 2});
        let (read, _) = read::<BTreeMap<i64, u8>>(&json, Mode::Stored);
        assert_eq!(read.unwrap(), BTreeMap::from([(-50, 1), (7, 2)]));
        assert!(super::read::<BTreeMap<u8, u8>>(&json, Mode::Stored).0.is_err());
    }

    #[test]
    fn what_is_unknown_is_told_with_its_place() {
        let json = json!({
            "key": "a", "kind": "paused", "gate": {"field": "x", "op": "near"}, "a/b~c": 1, "forecast_category": "pipeline",
        });
        let (read, unknown) = read::<Stage>(&json, Mode::Stored);
        let read = read.unwrap();
        assert_eq!((read.key.as_str(), read.kind.to_string().as_str()), ("a", "paused"));
        assert_eq!(read.gate, Some(Filter::Unknown(json!({"field": "x", "op": "near"}))));
        let mut places: Vec<&str> = unknown.iter().map(|one| one.at.as_str()).collect();
        // The order of members depends on features of serde_json.
        places.sort_unstable();
        assert_eq!(places, ["/a~1b~0c", "/kind"]);
        assert_eq!(place("stages", "/2/a~1b~0c"), "stages[2].a/b~c");
        let (given, _) = super::read::<Stage>(&json, Mode::Given);
        assert_eq!(given.unwrap_err().at, "/gate");
        let model = json!({"groups": [{"key": "g", "rules": [], "behaviors": [
            {"key": "b", "event": {"stage": ["x"]}, "points": 1, "decay": {"half_life_days": 3}, "limit": {"times": 1, "hours": 2, "days": 3}},
        ]}]});
        let (read, unknown) = super::read::<ModelDefinition>(&model, Mode::Stored);
        assert!(read.is_ok());
        assert_eq!(unknown[0].at, "/groups/0/behaviors/0/limit/days");
        let wrong = json!({"groups": [{"key": "g", "behaviors": [{"key": "b", "event": {"moon": 1}, "points": 1}]}]});
        assert_eq!(
            super::read::<ModelDefinition>(&wrong, Mode::Stored).0.unwrap_err().at,
            "/groups/0/behaviors/0/event"
        );
        assert!(super::read::<Stage>(&json!(["a"]), Mode::Stored).0.is_err());
    }

    #[test]
    fn unknown_keys_stay_with_their_elements() {
        let held = json!({"a": 1, "list": [{"id": 1, "x": 1}, {"id": 2, "x": 2, "y": {"z": 3}}], "top": true});
        let unknown: Vec<Unknown> =
            ["/top", "/list/0/x", "/list/1/y"].map(|at| Unknown { at: at.to_owned(), is_key: true, known: &[] }).into();
        let mut given = json!({"a": 2, "list": [{"id": 2, "x": 5}, {"id": 3}]});
        keep(&unknown, &held, &mut given);
        assert_eq!(given, json!({"a": 2, "list": [{"id": 2, "x": 5, "y": {"z": 3}}, {"id": 3}], "top": true}));
    }

    #[test]
    fn a_list_is_written_over_what_is_there() {
        let known = Stage::new("a", "A", StageKind::Open, 1);
        let mut json = serde_json::to_value(&known).unwrap();
        json["sla"] = json!(1);
        let broken = json!({"key": ["no text"]});
        let mut there = Value::list([stage(&broken), stage(&json)]);
        let stored = there.clone();
        let mut stages = Vec::<Stage>::from_value(&there).unwrap();
        assert_eq!(stages, std::slice::from_ref(&known));
        stages.clone().write_into(&mut there);
        assert_eq!(there, stored, "nothing is written where nothing changed");
        stages[0].name = "B".into();
        stages.push(Stage::new("c", "C", StageKind::Won, 100));
        stages.write_into(&mut there);
        assert_eq!(there.items().len(), 3);
        assert_eq!(there.items()[0], stage(&broken));
        json["name"] = json!("B");
        assert_eq!(there.items()[1], stage(&json));
    }

    #[test]
    fn what_is_read_as_a_whole_is_not_read_in_part() {
        let grant = json!({"resource": "lead", "action": "read", "scope": "all"});
        let mut until = grant.clone();
        until["until"] = json!("tomorrow");
        let list = Value::list([stage(&grant), stage(&until)]);
        assert_eq!(Vec::<Grant>::from_value(&list).unwrap().len(), 1);
        assert!(Grant::is_beyond(&stage(&until)) && !Grant::is_beyond(&stage(&grant)));
        assert_eq!(Option::<Grant>::from_value(&stage(&until)).unwrap(), None);
        // Damaged data is still an error.
        assert!(Vec::<Grant>::from_value(&Value::list([Value::Int(1)])).is_err());
    }

    #[test]
    fn references_that_are_opaque_stay_in_their_list() {
        let opaque = Value::Opaque(Arc::new(json!({"r": {"kind": "gadget", "id": "x"}})));
        let one = Ref { kind: Kind::Lead, id: Id::from_parts(1, [1; 10]) };
        let mut there = Value::list([opaque.clone(), Value::Ref(one)]);
        let read = Vec::<Ref>::from_value(&there).unwrap();
        assert_eq!(read, [one]);
        Vec::<Ref>::new().write_into(&mut there);
        assert_eq!(there, Value::list([opaque.clone()]));
        let mut single = opaque.clone();
        assert_eq!(Option::<Ref>::from_value(&single).unwrap(), None);
        None::<Ref>.write_into(&mut single);
        assert_eq!(single, opaque);
    }
}
