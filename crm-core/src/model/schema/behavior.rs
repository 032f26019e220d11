//! How the engine treats a kind's records, besides what their fields say.

use super::Image;
use crate::model::value::{Kind, Ref, Value};

/// How the engine treats a kind's records. Fields are named by position.
#[derive(Clone, Copy, Debug)]
pub struct Behavior {
    /// Who may read one besides those whom a grant of `read` covers.
    pub visibility: Visibility,
    /// Where one may be its author's alone.
    pub private: Option<Private>,
    /// The field that names the record above it, where the kind forms a tree.
    pub parent: Option<usize>,
    /// The time of the machine's last change that the log tells: changes of the record are recorded no earlier.
    pub announced_at: Option<usize>,
    /// True where who may create only what is theirs owns what they create without an owner.
    pub creator_owns: bool,
    /// True where no record is created by itself: use cases make them, and whether the actor may do what one comes from, they
    /// have asked.
    pub made_by_use_cases: bool,
}

impl Behavior {
    /// A kind of which nothing special is said.
    pub const PLAIN: Self = Self {
        visibility: Visibility::ByGrant,
        private: None,
        parent: None,
        announced_at: None,
        creator_owns: false,
        made_by_use_cases: false,
    };
}

/// Who may read a record besides those whom a grant of `read` covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nobody.
    ByGrant,
    /// Who may read one of the records in a list.
    ByLinks(usize),
    /// Who may read both records that it ties; a grant on the kind is not enough. What can be at an end is of these kinds.
    ByEnds([usize; 2], &'static [Kind]),
    /// The user that a field names.
    ByUser(usize),
    /// The user that it is.
    BySelf,
}

/// Where a record may be its author's alone, and an auditor's, who has `read_private`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Private {
    /// True in one that is.
    pub flag: usize,
    /// Its author.
    pub author: usize,
}

impl Image {
    /// The records that the value at a position names.
    pub(crate) fn references_at(&self, at: usize) -> impl Iterator<Item = Ref> {
        let value = &self.values[at];
        let items = if let Value::List(items) = value { items } else { std::slice::from_ref(value) };
        items.iter().filter_map(|item| if let Value::Ref(to) = item { Some(*to) } else { None })
    }

    /// The records that it ties, where who may read both may read it; `None` of a kind that is seen otherwise. An end that
    /// is missing is nobody's to see.
    pub(crate) fn ends(&self) -> Option<[Option<Ref>; 2]> {
        let Visibility::ByEnds(ends, _) = self.decl.behavior.visibility else { return None };
        Some(ends.map(|end| self.references_at(end).next()))
    }

    /// Whose it is, where it is private.
    pub(crate) fn private_to(&self) -> Option<&Value> {
        let Private { flag, author } = self.decl.behavior.private?;
        (self.values[flag] == Value::Bool(true)).then(|| &self.values[author])
    }
}
