//! Maps the declaration of a kind to tables. The schema, the statements and the row decoder all use this mapping.

use std::sync::LazyLock;

use crm_core::{
    catalog,
    schema::{FieldDecl, FieldType, Group, IndexDecl, KindDecl},
    value::Kind,
};

/// The type of a column in a result. Only types with a simple binary form are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Bool,
    Int,
    Text,
    Uuid,
    Time,
    Date,
    Texts,
    Uuids,
    Json,
}

impl Wire {
    /// The oid of the type, which is the same on every server.
    pub(crate) const fn oid(self) -> u32 {
        match self {
            Wire::Bool => 16,
            Wire::Int => 20,
            Wire::Text => 25,
            Wire::Date => 1082,
            Wire::Time => 1184,
            Wire::Texts => 1009,
            Wire::Uuid => 2950,
            Wire::Uuids => 2951,
            Wire::Json => 3802,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The unquoted name.
    pub(crate) name: String,
    /// The type in DDL, with its collation.
    pub(crate) ty: &'static str,
    /// The type in results.
    pub(crate) wire: Wire,
    /// `true` if the column is cast to its result type when read.
    pub(crate) cast: bool,
}

pub(crate) const TEXT: &str = "text collate \"C\"";
const TEXTS: &str = "text[] collate \"C\"";

fn column(name: impl Into<String>, ty: &'static str, wire: Wire) -> Column {
    Column { name: name.into(), ty, wire, cast: false }
}

/// The columns of a field. Most fields have one; an amount of money has two (`value`, `value_currency`), and so does a
/// reference to a record of one of several kinds (`from_kind`, `from_id`).
pub(crate) fn columns(field: &FieldDecl) -> Vec<Column> {
    let name = field.name;
    vec![match field.ty {
        FieldType::Bool => column(name, "boolean", Wire::Bool),
        FieldType::Int(..) => column(name, "bigint", Wire::Int),
        // Numbers are read as text, because their binary format is complicated.
        FieldType::Decimal => Column { cast: true, ..column(name, "numeric", Wire::Text) },
        FieldType::Money => {
            return vec![
                Column { cast: true, ..column(name, "numeric", Wire::Text) },
                column(format!("{name}_currency"), TEXT, Wire::Text),
            ];
        }
        FieldType::Text(_)
        | FieldType::LongText
        | FieldType::Folded
        | FieldType::Email
        | FieldType::Phone
        | FieldType::Domain
        | FieldType::Url
        | FieldType::Key
        | FieldType::Currency
        | FieldType::TimeZone
        | FieldType::Choice(_) => column(name, TEXT, Wire::Text),
        FieldType::Time => column(name, "timestamptz", Wire::Time),
        FieldType::Date => column(name, "date", Wire::Date),
        FieldType::Id(_) | FieldType::StageId => column(name, "uuid", Wire::Uuid),
        FieldType::Ref(_) => {
            return vec![
                column(format!("{name}_kind"), TEXT, Wire::Text),
                column(format!("{name}_id"), "uuid", Wire::Uuid),
            ];
        }
        FieldType::Texts(..) | FieldType::Refs(..) => column(name, TEXTS, Wire::Texts),
        FieldType::Ids(..) => column(name, "uuid[]", Wire::Uuids),
        FieldType::Struct | FieldType::Structs(_) | FieldType::Properties => column(name, "jsonb", Wire::Json),
    }]
}

/// The group in which a field is written.
pub(crate) const fn group(field: &FieldDecl) -> Group {
    field.section.group()
}

/// A quoted SQL name. Some field names are SQL keywords.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The table of a list-valued index, with one row per element of each live record.
#[derive(Debug)]
pub(crate) struct Entries {
    /// The quoted name with its schema, such as `crm."task_links"`.
    pub(crate) table: String,
    /// The unquoted name without the schema.
    pub(crate) name: String,
    /// The index that the table serves.
    pub(crate) index: &'static IndexDecl,
    /// The list-valued field.
    pub(crate) field: &'static FieldDecl,
}

/// The database layout of a kind.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) decl: &'static KindDecl,
    /// The quoted name with its schema, such as `crm."lead"`.
    pub(crate) table: String,
    /// The columns of each declared field.
    pub(crate) columns: Vec<Vec<Column>>,
    /// The fields that lists sort by a sort key: position, index and name of the key's column.
    pub(crate) keys: Vec<(usize, &'static IndexDecl, String)>,
    /// The tables of list-valued indexes.
    pub(crate) entries: Vec<Entries>,
}

impl Layout {
    fn new(decl: &'static KindDecl) -> Self {
        let name = decl.kind.name();
        let mut keys: Vec<(usize, &'static IndexDecl, String)> = Vec::new();
        for index in &decl.indexes {
            let field = &decl.fields[index.sort];
            if field.ty.is_sorted_by_key() && keys.iter().all(|(position, ..)| *position != index.sort) {
                keys.push((index.sort, index, format!("{}_key", field.name)));
            }
        }
        let entries = decl.indexes.iter().filter(|index| index.per_element).map(|index| {
            let field = &decl.fields[index.equals[0]];
            let name = format!("{name}_{}", field.name);
            Entries { table: format!("crm.{}", quoted(&name)), name, index, field }
        });
        Self {
            decl,
            table: format!("crm.{}", quoted(name)),
            columns: decl.fields.iter().map(columns).collect(),
            entries: entries.collect(),
            keys,
        }
    }

    /// The unquoted column that an index sorts by.
    pub(crate) fn sort_column(&self, index: &IndexDecl) -> String {
        match self.keys.iter().find(|(position, ..)| *position == index.sort) {
            Some((_, _, key)) => key.clone(),
            None => self.decl.fields[index.sort].name.to_owned(),
        }
    }

    /// The SQL type of the column that an index sorts by.
    pub(crate) fn sort_type(&self, index: &IndexDecl) -> &'static str {
        self.columns[index.sort].first().map_or(TEXT, |column| column.ty)
    }

    /// The unquoted columns that a write of a group sets.
    pub(crate) fn written(&self, which: Group) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (position, field) in self.decl.fields.iter().enumerate() {
            if group(field) == which {
                names.extend(self.columns[position].iter().map(|column| column.name.clone()));
                names.extend(self.keys.iter().filter(|(at, ..)| *at == position).map(|(.., key)| key.clone()));
            }
        }
        names
    }
}

pub(crate) fn layout(kind: Kind) -> &'static Layout {
    static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| catalog::all().map(Layout::new).collect());
    // `Kind::ALL` and `catalog::all` are both in declaration order.
    &LAYOUTS[kind as usize]
}

/// The position of a kind in the insertion order of a commit: users first, because everything refers to them, then in
/// declaration order.
pub(crate) const fn insert_rank(kind: Kind) -> u8 {
    match kind {
        Kind::User => 0,
        other => other as u8 + 1,
    }
}
