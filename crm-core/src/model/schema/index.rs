//! Declared indexes: the ways in which a kind can be listed, "equal fields → sort field".

use super::{FieldType, Image, KindDecl};
use crate::model::value::{Value, sort_key};

/// The name of the index that lists a kind's archived records by the time of archiving. Every kind has it.
pub const ARCHIVED: &str = "archived";
/// The name of the index that lists a kind's archived records by their creation, to be merged with the walk of the live
/// ones. Every kind has it.
pub const ARCHIVED_WALK: &str = "archived -> created_at";

/// A declared way to list a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDecl {
    /// `owner_id, stage_kind -> close_date`, or [`ARCHIVED`] or [`ARCHIVED_WALK`].
    pub name: String,
    /// The index's place among the kind's indexes.
    pub position: usize,
    /// The fields that are given, in order.
    pub equals: Vec<usize>,
    /// True where the first of `equals` is list-valued: one entry for each of its elements.
    pub per_element: bool,
    /// The field that sorts; the id breaks ties.
    pub sort: usize,
    /// True for the indexes of archived records; the others hold the live ones.
    pub archived: bool,
}

impl IndexDecl {
    /// The value a record is sorted by: the sort field's, a text by its [`sort_key`].
    pub fn sort_value(&self, image: &Image) -> Value {
        match &image.values[self.sort] {
            Value::Text(text) if image.decl.fields[self.sort].ty.is_sorted_by_key() => Value::text(sort_key(text)),
            other => other.clone(),
        }
    }

    /// True where the record stands in this index at all: live records in all but the archived ones', archived records
    /// only there.
    pub fn holds(&self, image: &Image) -> bool {
        self.archived == image.is_archived()
    }

    /// The values under which a record stands in the index: one list of values for most indexes, one for each element
    /// of a list-valued field. Empty where the record does not stand in it.
    pub fn entries(&self, image: &Image) -> Vec<Vec<Value>> {
        self.entry_values(image).map(|entry| entry.cloned().collect()).collect()
    }

    /// As [`IndexDecl::entries`], without copying a value.
    pub(crate) fn entry_values<'a>(
        &'a self,
        image: &'a Image,
    ) -> impl Iterator<Item = impl Iterator<Item = &'a Value>> {
        let elements = match (self.holds(image), self.per_element) {
            (false, _) => &[],
            (true, true) => image.values[self.equals[0]].items(),
            // One entry, which has no element.
            (true, false) => &[Value::Null],
        };
        let rest = &self.equals[usize::from(self.per_element)..];
        elements.iter().map(move |element| {
            self.per_element.then_some(element).into_iter().chain(rest.iter().map(|&at| &image.values[at]))
        })
    }

    /// True where the record stands in the index under these values.
    pub(crate) fn has_entry(&self, image: &Image, equals: &[Value]) -> bool {
        self.entry_values(image).any(|entry| entry.eq(equals))
    }

    /// `owner_id, stage_kind -> close_date` as a person reads it.
    pub fn describe(&self, decl: &KindDecl) -> String {
        let fields = |list: &[usize]| list.iter().map(|&at| decl.fields[at].name).collect::<Vec<_>>().join(", ");
        let archived = if self.archived { "archived " } else { "" };
        format!("{archived}({}) → {}", fields(&self.equals), decl.fields[self.sort].name)
    }
}

impl FieldType {
    /// True for texts, whose order is that of their sort keys and not of the raw text.
    pub const fn is_sorted_by_key(&self) -> bool {
        matches!(self, FieldType::Text(_))
    }
}
