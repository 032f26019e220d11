//! Direct writing of a view as JSON text: byte for byte the output of serialization, at a third of the cost.
//!
//! A page of records consists of about a thousand short texts, and serde checks every byte for escaping, even in field
//! names. Here, field names come quoted from a table of the kind; ids, times and numbers need no escaping; and a text
//! is scanned once, many bytes at a time, before it is copied. Everything else is left to serde.

use std::{io, sync::LazyLock};

use super::{Part, Shown};
use crate::{
    catalog,
    model::value::{Kind, Plain, Value},
};

/// Returns the names of a kind's fields as they appear in an object after another field: `,"name":`.
fn names(kind: Kind) -> &'static [String] {
    static ALL: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        // Names are Rust identifiers and need no escaping.
        catalog::all().map(|decl| decl.fields.iter().map(|field| format!(",\"{}\":", field.name)).collect()).collect()
    });
    // Kinds are numbered in the order of declaration.
    &ALL[kind as usize]
}

impl Part<'_> {
    /// Appends the JSON object to `out`.
    ///
    /// # Errors
    /// No known cause: every record can be written as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let image = &self.view.image;
        let names = names(image.kind());
        out.extend_from_slice(b"{\"id\":");
        value(out, &Value::Id(image.id))?;
        out.extend_from_slice(b",\"version\":");
        serde_json::to_writer(&mut *out, &image.versions.person)?;
        out.extend_from_slice(b",\"machine_version\":");
        serde_json::to_writer(&mut *out, &image.versions.machine)?;
        for (at, _, shown) in self.fields() {
            out.extend_from_slice(names[at].as_bytes());
            match shown {
                Shown::NoProperties => out.extend_from_slice(b"{}"),
                Shown::NoElements => out.extend_from_slice(b"[]"),
                Shown::Value(one) => value(out, one)?,
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn value(out: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Text(text) if is_plain(text) => quoted(out, text),
        Value::Id(id) => quoted(out, id.uuid().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())),
        Value::Time(time) => quoted(out, time.digits().as_str()),
        other => serde_json::to_writer(out, &Plain(other))?,
    }
    Ok(())
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Returns `true` if JSON escapes nothing in the text. Scans all bytes without an early exit, so that the loop is
/// vectorized.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(0, |found, byte| found | u8::from(matches!(byte, 0..b' ' | b'"' | b'\\'))) == 0
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use serde_json::json;

    use super::*;
    use crate::{
        engine::view::{View, unseen},
        model::{
            schema::{FieldType, Image},
            value::{Date, Id, Money, Ref, Time},
        },
    };

    const TEXTS: [&str; 6] =
        ["", "plain", "Käthe Müller 中", "a \"quoted\" one", "back\\slash", "line\nand\u{1}\u{7f}"];

    /// A value of a type, different for each number.
    fn sample(ty: FieldType, number: usize) -> Value {
        let text = TEXTS[number % TEXTS.len()];
        let id = Id::from_parts(u64::try_from(number).unwrap(), [7; 10]);
        let time = Time::from_micros(1_700_000_000_000_000 + i64::try_from(number).unwrap() * 1_001).unwrap();
        match ty {
            FieldType::Bool => Value::Bool(number.is_multiple_of(2)),
            FieldType::Int(..) => Value::Int(-i64::try_from(number).unwrap()),
            FieldType::Decimal => Value::Decimal("10.5".parse().unwrap()),
            FieldType::Money => Value::Money(Money::new(
                "12.3".parse::<crate::model::value::Decimal>().unwrap(),
                "EUR".parse().unwrap(),
            )),
            FieldType::Time => Value::Time(time),
            FieldType::Date => Value::Date(Date::of(time)),
            FieldType::Id(_) | FieldType::StageId => Value::Id(id),
            FieldType::Ref(_) => Value::Ref(Ref::new(Kind::Lead, id)),
            FieldType::Texts(..) => Value::list(TEXTS.map(Value::text)),
            FieldType::Ids(..) => Value::list([Value::Id(id)]),
            FieldType::Refs(..) => Value::list([Value::Ref(Ref::new(Kind::Lead, id))]),
            FieldType::Struct => Value::Json(Arc::new(json!({"street": text}))),
            FieldType::Structs(_) => Value::list([Value::Json(Arc::new(json!({"street": text})))]),
            FieldType::Properties => Value::Map(Arc::new(BTreeMap::from([
                ("size".to_owned(), Value::Int(3)),
                (text.to_owned(), Value::Time(time)),
            ]))),
            FieldType::LongText if number.is_multiple_of(2) => Value::NotLoaded,
            _ => Value::text(text),
        }
    }

    #[test]
    fn it_writes_what_serde_writes() {
        let mut seen = 0;
        for decl in catalog::all() {
            for round in 0..2 * TEXTS.len() {
                let mut image = Image::empty(decl, Id::NIL, Id::from_parts(1, [9; 10]));
                image.versions.person = 12;
                for (at, field) in decl.fields.iter().enumerate() {
                    // Every third field is missing.
                    if !(at + round).is_multiple_of(3) {
                        image.values[at] = sample(field.ty, at + round);
                    }
                }
                let view = View { image: Arc::new(image), hidden: unseen(decl.kind).into() };
                let some = [decl.fields[0].name.to_owned(), decl.fields[decl.fields.len() - 1].name.to_owned()];
                for names in [None, Some(some.as_slice()), Some(&[])] {
                    let part = view.only(names);
                    let mut written = b"before ".to_vec();
                    part.write_json(&mut written).unwrap();
                    let written = String::from_utf8(written).unwrap();
                    assert_eq!(written, format!("before {}", serde_json::to_string(&part).unwrap()), "{}", decl.kind);
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
