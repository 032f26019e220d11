//! The behavior of a kind: how the engine treats its records, in addition to the declaration of their fields.

use super::Image;
use crate::model::value::{Kind, Ref, Value};

/// How the engine treats the records of a kind. Fields are given by position.
#[derive(Clone, Copy, Debug)]
pub struct Behavior {
    /// Who may read a record in addition to users with a grant of `read`.
    pub visibility: Visibility,
    /// The fields that can make a record private to its author.
    pub private: Option<Private>,
    /// The field with the parent record, if the kind forms a tree.
    pub parent: Option<usize>,
    /// The field with the time of the last logged change of the machine group. Changes of the record are recorded no
    /// earlier.
    pub announced_at: Option<usize>,
    /// `true` if users who may create only own records become the owner of records that they create without one.
    pub creator_owns: bool,
    /// `true` if records are created only by use cases, which check the permissions on what a record is created from.
    pub made_by_use_cases: bool,
}

impl Behavior {
    /// The behavior of a kind without special rules.
    pub const PLAIN: Self = Self {
        visibility: Visibility::ByGrant,
        private: None,
        parent: None,
        announced_at: None,
        creator_owns: false,
        made_by_use_cases: false,
    };
}

/// Who may read a record in addition to users with a grant of `read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nobody.
    ByGrant,
    /// Users who may read one of the records in a list.
    ByLinks(usize),
    /// Users who may read both records that this one connects; a grant on its own kind is not enough. The connected
    /// records are of these kinds.
    ByEnds([usize; 2], &'static [Kind]),
    /// The user that a field names.
    ByUser(usize),
    /// The user that the record is.
    BySelf,
}

/// The fields that make a record private to its author and to auditors, who have `read_private`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Private {
    /// The field that is `true` in private records.
    pub flag: usize,
    /// The field with the author.
    pub author: usize,
}

impl Image {
    /// Returns the references in the value at a position.
    pub(crate) fn references_at(&self, at: usize) -> impl Iterator<Item = Ref> {
        let value = &self.values[at];
        let items = if let Value::List(items) = value { items } else { std::slice::from_ref(value) };
        items.iter().filter_map(|item| if let Value::Ref(to) = item { Some(*to) } else { None })
    }

    /// Returns the two records that this one connects, if both must be readable to read it; `None` for a kind with
    /// another visibility. A missing end is visible to nobody.
    pub(crate) fn ends(&self) -> Option<[Option<Ref>; 2]> {
        let Visibility::ByEnds(ends, _) = self.decl.behavior.visibility else { return None };
        Some(ends.map(|end| self.references_at(end).next()))
    }

    /// Returns the author of a private record; `None` if it is not private.
    pub(crate) fn private_to(&self) -> Option<&Value> {
        let Private { flag, author } = self.decl.behavior.private?;
        (self.values[flag] == Value::Bool(true)).then(|| &self.values[author])
    }
}
