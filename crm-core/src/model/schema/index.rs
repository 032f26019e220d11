//! Declared indexes: the orders in which a kind can be listed, "equal fields → sort field".

use super::{FieldType, Image, KindDecl};
use crate::model::value::{Value, sort_key};

/// The name of the index of archived records by archiving time. Every kind has it.
pub const ARCHIVED: &str = "archived";
/// The name of the index of archived records by creation time, which is merged with the index of active records. Every
/// kind has it.
pub const ARCHIVED_WALK: &str = "archived -> created_at";

/// A declared index of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDecl {
    /// The name: `owner_id, stage_kind -> close_date`, or [`ARCHIVED`] or [`ARCHIVED_WALK`].
    pub name: String,
    /// The position of the index among those of the kind.
    pub position: usize,
    /// The positions of the equal fields, in order.
    pub equals: Vec<usize>,
    /// `true` if the first of `equals` is list-valued: the index has one entry per element.
    pub per_element: bool,
    /// The position of the sort field. Ties are broken by id.
    pub sort: usize,
    /// `true` for indexes of archived records; all others contain active records.
    pub archived: bool,
}

impl IndexDecl {
    /// Returns the value by which a record is sorted: that of the sort field, with text replaced by its [`sort_key`].
    pub fn sort_value(&self, image: &Image) -> Value {
        match &image.values[self.sort] {
            Value::Text(text) if image.decl.fields[self.sort].ty.is_sorted_by_key() => Value::text(sort_key(text)),
            other => other.clone(),
        }
    }

    /// Returns `true` if the index contains the record: archived records are only in the indexes for them, active
    /// records in all others.
    pub fn holds(&self, image: &Image) -> bool {
        self.archived == image.is_archived()
    }

    /// Returns the values under which the index contains a record: one list of values for most indexes, one per element
    /// for a list-valued field. Empty if the index does not contain the record.
    pub fn entries(&self, image: &Image) -> Vec<Vec<Value>> {
        self.entry_values(image).map(|entry| entry.cloned().collect()).collect()
    }

    /// Like [`IndexDecl::entries`], without cloning values.
    pub(crate) fn entry_values<'a>(
        &'a self,
        image: &'a Image,
    ) -> impl Iterator<Item = impl Iterator<Item = &'a Value>> {
        let elements = match (self.holds(image), self.per_element) {
            (false, _) => &[],
            (true, true) => image.values[self.equals[0]].items(),
            // One entry, without an element.
            (true, false) => &[Value::Null],
        };
        let rest = &self.equals[usize::from(self.per_element)..];
        elements.iter().map(move |element| {
            self.per_element.then_some(element).into_iter().chain(rest.iter().map(|&at| &image.values[at]))
        })
    }

    /// Returns `true` if the index contains the record under these values.
    pub(crate) fn has_entry(&self, image: &Image, equals: &[Value]) -> bool {
        self.entry_values(image).any(|entry| entry.eq(equals))
    }

    /// Returns a readable form of the index, such as `(owner_id, stage_kind) → close_date`.
    pub fn describe(&self, decl: &KindDecl) -> String {
        let fields = |list: &[usize]| list.iter().map(|&at| decl.fields[at].name).collect::<Vec<_>>().join(", ");
        let archived = if self.archived { "archived " } else { "" };
        format!("{archived}({}) → {}", fields(&self.equals), decl.fields[self.sort].name)
    }
}

impl FieldType {
    /// Returns `true` for text, which is ordered by sort key and not by the raw text.
    pub const fn is_sorted_by_key(&self) -> bool {
        matches!(self, FieldType::Text(_))
    }
}
