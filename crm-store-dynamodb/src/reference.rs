//! Stored references: two characters for the kind, then the id. The kind may be one that only a newer program knows.

use std::sync::Arc;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue as Attribute};
use crm_core::value::{Id, Kind, Ref, Value};
use serde_json::json;

use crate::ordered::{ID, push_id, read_id, take};

/// The characters of a kind's code.
const CODE: usize = 2;

/// A reference by kind code and id, whether or not this program knows the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnyRef<'a> {
    code: &'a str,
    pub(crate) id: Id,
}

impl From<Ref> for AnyRef<'static> {
    fn from(record: Ref) -> Self {
        Self { code: record.kind.code(), id: record.id }
    }
}

impl<'a> AnyRef<'a> {
    /// The reference; `None` if the kind is unknown.
    pub(crate) fn known(self) -> Option<Ref> {
        Some(Ref::new(Kind::from_code(self.code)?, self.id))
    }

    /// Appends the reference to a key.
    pub(crate) fn push(self, key: &mut String) {
        key.push_str(self.code);
        push_id(key, self.id);
    }

    /// Takes a reference off the front of a key.
    pub(crate) fn take(key: &mut &'a str) -> Option<Self> {
        Some(Self { code: take(key, CODE)?, id: read_id(take(key, ID)?)? })
    }

    /// The reference as an attribute of 18 bytes.
    pub(crate) fn attribute(self) -> Attribute {
        Attribute::B(Blob::new([self.code.as_bytes(), &self.id.bytes()].concat()))
    }

    /// Decodes an [`AnyRef::attribute`].
    pub(crate) fn read(attribute: &'a Attribute) -> Option<Self> {
        let (code, id) = attribute.as_b().ok()?.as_ref().split_first_chunk::<CODE>()?;
        let id = Id::from_uuid(uuid::Uuid::from_slice(id).ok()?);
        Some(Self { code: std::str::from_utf8(code).ok()?, id })
    }

    /// The reference as a value; opaque if the kind is unknown.
    pub(crate) fn value(self) -> Value {
        self.known()
            .map_or_else(|| Value::Opaque(Arc::new(json!({"r": {"kind": self.code, "id": self.id}}))), Value::Ref)
    }

    /// The reference in a value, including an opaque one created by [`AnyRef::value`].
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Ref(target) => Some((*target).into()),
            Value::Opaque(json) => {
                let target = json.get("r")?;
                let code = target["kind"].as_str().filter(|code| code.len() == CODE)?;
                Some(Self { code, id: target["id"].as_str()?.parse().ok()? })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_also_of_kinds_that_nobody_knows() {
        let id = Id::from_uuid(uuid::Uuid::from_u128(7));
        let codes = Kind::ALL.iter().map(|kind| kind.code()).chain(["~~"]);
        for any in codes.map(|code| AnyRef { code, id }) {
            assert_eq!(AnyRef::read(&any.attribute()), Some(any));
            let mut key = String::new();
            any.push(&mut key);
            assert_eq!(AnyRef::take(&mut key.as_str()), Some(any));
            let value = any.value();
            assert_eq!(AnyRef::of(&value), Some(any));
            assert_eq!(matches!(value, Value::Opaque(_)), any.known().is_none());
        }
        // The full name of a kind, as another store uses it, is not a code.
        let named = Value::Opaque(Arc::new(json!({"r": {"kind": "gadget", "id": id}})));
        assert_eq!(AnyRef::of(&named), None);
    }
}
