//! The declaration of a kind: its fields, common fields first, and its indexes.

use foldhash::HashMap;

use super::{ARCHIVED, ARCHIVED_WALK, Behavior, FieldDecl, FieldType, IndexDecl, MAX_TEXT, Marks, Section};
use crate::model::value::Kind;

/// The positions of the fields that every kind has.
pub mod common {
    /// `created_at`.
    pub const CREATED_AT: usize = 0;
    /// `created_by`; missing for the system actor.
    pub const CREATED_BY: usize = 1;
    /// `updated_at`.
    pub const UPDATED_AT: usize = 2;
    /// `updated_by`; missing for the system actor.
    pub const UPDATED_BY: usize = 3;
    /// `search_text`: the words that `q` searches.
    pub const SEARCH_TEXT: usize = 4;
    /// `archived_at`.
    pub const ARCHIVED_AT: usize = 5;
    /// `external_id`.
    pub const EXTERNAL_ID: usize = 6;
    /// `properties`.
    pub const PROPERTIES: usize = 7;
    /// `shared_with`: users and teams.
    pub const SHARED_WITH: usize = 8;
    /// `merged_into`.
    pub const MERGED_INTO: usize = 9;
    /// `source_ids`.
    pub const SOURCE_IDS: usize = 10;
    /// `aliases`: the external ids of records merged into this one.
    pub const ALIASES: usize = 11;
    /// `erased_at`: the time at which the record's personal data was erased.
    pub const ERASED_AT: usize = 12;
    /// The number of common fields.
    pub const COUNT: usize = 13;
}

fn field(name: &'static str, ty: FieldType, section: Section) -> FieldDecl {
    FieldDecl { name, ty, section, marks: Marks::default(), derived_from: &[] }
}

fn common_fields(kind: Kind) -> [FieldDecl; common::COUNT] {
    let unique = Marks { unique: true, searchable: true, ..Marks::default() };
    [
        field("created_at", FieldType::Time, Section::System),
        field("created_by", FieldType::Id(Kind::User), Section::System),
        field("updated_at", FieldType::Time, Section::System),
        field("updated_by", FieldType::Id(Kind::User), Section::System),
        field("search_text", FieldType::Folded, Section::Derived),
        field("archived_at", FieldType::Time, Section::ReadOnly),
        FieldDecl { marks: unique, ..field("external_id", FieldType::Text(MAX_TEXT), Section::User) },
        field("properties", FieldType::Properties, Section::User),
        field("shared_with", FieldType::Refs(&[Kind::Team, Kind::User], 50), Section::User),
        field("merged_into", FieldType::Id(kind), Section::ReadOnly),
        field("source_ids", FieldType::Refs(Kind::SOURCES, 20), Section::ReadOnly),
        field("aliases", FieldType::Texts(50, MAX_TEXT), Section::ReadOnly),
        field("erased_at", FieldType::Time, Section::ReadOnly),
    ]
}

/// The names of the fields that every kind has.
const COMMON_FIELDS: [&str; common::COUNT] = [
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "search_text",
    "archived_at",
    "external_id",
    "properties",
    "shared_with",
    "merged_into",
    "source_ids",
    "aliases",
    "erased_at",
];

/// Returns `true` if a kind with these fields of its own has a field of the name. At compile time, so that a misspelt name in
/// a `record!` block does not compile.
pub(crate) const fn is_field(own: &[&str], name: &str) -> bool {
    contains(own, name) || contains(&COMMON_FIELDS, name)
}

const fn contains(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if equal(names[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    one.len() == other.len()
}

/// What a kind's `record!` block says, before positions are worked out.
#[derive(Clone, Copy, Debug)]
pub struct KindParts {
    /// The kind.
    pub kind: Kind,
    /// The fields of the kind, without the common ones.
    pub fields: &'static [FieldDecl],
    /// The fields that make a record a user's own.
    pub own: &'static [&'static str],
    /// The fields that make a record a team's.
    pub team: &'static [&'static str],
    /// Indexes: equal fields, whether the first is list-valued, sort field.
    pub indexes: &'static [(&'static [&'static str], bool, &'static str)],
    /// `true` if rules of other records read records of this kind. They are cached per process, and writing them
    /// changes the definitions epoch.
    pub is_definition: bool,
    /// The field with the expiry time of a record; see [`KindDecl::expires_at`].
    pub expires_at: Option<&'static str>,
    /// The field with the time at which a record is due for processing; see [`KindDecl::due`].
    pub due: Option<&'static str>,
    /// How the engine treats records of the kind.
    pub behavior: Behavior,
}

/// The declaration of a kind.
#[derive(Debug)]
pub struct KindDecl {
    /// The kind.
    pub kind: Kind,
    /// All fields, common fields first. The values of an image have the same order.
    pub fields: Vec<FieldDecl>,
    /// The indexes: `() → created_at` first, those of archived records last.
    pub indexes: Vec<IndexDecl>,
    /// The positions of the fields that make a record a user's own.
    pub own: Vec<usize>,
    /// The positions of the fields that make a record a team's.
    pub team: Vec<usize>,
    /// `true` if rules of other records read records of this kind (organization, team, role, property, pipeline).
    pub is_definition: bool,
    /// The position of the expiry time (TTL), after which a store deletes the record at some point. Only for internal
    /// records that nothing refers to. The log of the record is kept.
    pub expires_at: Option<usize>,
    /// The position of the time at which the record is due for processing. A record without a value is not due. Due
    /// records are found across tenants ([`Feed::due`](crate::model::store::Feed::due)). The kind has an index `() → due`.
    pub due: Option<usize>,
    /// How the engine treats records of the kind.
    pub behavior: Behavior,
    positions: HashMap<&'static str, usize>,
}

impl KindDecl {
    /// Builds the declaration of a kind.
    pub fn new(parts: &KindParts) -> Self {
        let fields: Vec<FieldDecl> =
            common_fields(parts.kind).iter().chain(parts.fields).copied().map(plainly_named).collect();
        let positions: HashMap<_, _> = fields.iter().enumerate().map(|(at, field)| (field.name, at)).collect();
        let at = |name: &str| positions.get(plain(name)).copied();
        let find = |names: &[&'static str]| names.iter().map(|name| at(name)).collect::<Option<Vec<_>>>();
        let mut indexes: Vec<IndexDecl> = Vec::new();
        let always: (&[&str], bool, &str) = (&[], false, "created_at");
        for (equals, per_element, sort) in std::iter::once(&always).chain(parts.indexes) {
            let (Some(equal_at), Some(sort_at)) = (find(equals), at(sort)) else { continue };
            let name =
                format!("{} -> {}", equals.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", "), plain(sort));
            if indexes.iter().all(|index| index.name != name) {
                let position = indexes.len();
                indexes.push(IndexDecl {
                    name,
                    position,
                    equals: equal_at,
                    per_element: *per_element,
                    sort: sort_at,
                    archived: false,
                });
            }
        }
        for (name, sort) in [(ARCHIVED_WALK, common::CREATED_AT), (ARCHIVED, common::ARCHIVED_AT)] {
            indexes.push(IndexDecl {
                name: name.to_owned(),
                position: indexes.len(),
                equals: Vec::new(),
                per_element: false,
                sort,
                archived: true,
            });
        }
        Self {
            kind: parts.kind,
            own: find(parts.own).unwrap_or_default(),
            team: find(parts.team).unwrap_or_default(),
            expires_at: parts.expires_at.and_then(at),
            due: parts.due.and_then(at),
            behavior: parts.behavior,
            is_definition: parts.is_definition,
            fields,
            indexes,
            positions,
        }
    }

    /// Returns the position of the field with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// Returns the field with this name.
    pub fn field(&self, name: &str) -> Option<&FieldDecl> {
        self.position(name).map(|at| &self.fields[at])
    }

    /// For a derived field that is the first of several values (`email` of `emails`): returns the position of the list
    /// and the name of the member in its elements. Filters and search use all elements.
    pub fn members_of(&self, at: usize) -> Option<(usize, &'static str)> {
        let field = self.fields.get(at).filter(|field| field.section == Section::Derived)?;
        let all = self.position(&format!("{}s", field.name))?;
        matches!(self.fields[all].ty, FieldType::Structs(_)).then_some((all, field.name))
    }

    /// Returns the index with this name, such as `owner_id -> created_at`.
    pub fn index(&self, name: &str) -> Option<&IndexDecl> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Returns the index `() → created_at`, which jobs use to read all records.
    pub fn walk(&self) -> &IndexDecl {
        &self.indexes[0]
    }

    /// Returns the index `() → due`, if the kind declares when its records are due.
    pub fn due_index(&self) -> Option<&IndexDecl> {
        let due = self.due?;
        self.indexes.iter().find(|index| index.equals.is_empty() && index.sort == due && !index.archived)
    }

    /// Returns the index of archived records by archiving time.
    pub fn archived(&self) -> &IndexDecl {
        &self.indexes[self.indexes.len() - 1]
    }

    /// Returns the index of archived records by creation time, to be combined with [`KindDecl::walk`].
    pub fn archived_walk(&self) -> &IndexDecl {
        &self.indexes[self.indexes.len() - 2]
    }
}

/// Removes the prefix of a Rust field that is named like a keyword (`r#type`).
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

fn plainly_named(field: FieldDecl) -> FieldDecl {
    FieldDecl { name: field.name.strip_prefix("r#").unwrap_or(field.name), ..field }
}
