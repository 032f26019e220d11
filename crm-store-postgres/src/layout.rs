//! How a kind's declaration lies in tables: one source for the schema, the statements and the decoding of rows.

use std::sync::LazyLock;

use crm_core::{
    catalog,
    schema::{FieldDecl, FieldType, Group, IndexDecl, KindDecl},
    value::Kind,
};

/// How a column travels in a result: few types, each with a plain binary form.
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
    /// The oid of its type, which every server gives alike.
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

/// One column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The name, not quoted.
    pub(crate) name: String,
    /// Its type as in DDL, with its collation.
    pub(crate) ty: &'static str,
    /// How it travels.
    pub(crate) wire: Wire,
    /// Cast to this on the way out, where the wire's type is another.
    pub(crate) cast: bool,
}

pub(crate) const TEXT: &str = "text collate \"C\"";
const TEXTS: &str = "text[] collate \"C\"";

fn column(name: impl Into<String>, ty: &'static str, wire: Wire) -> Column {
    Column { name: name.into(), ty, wire, cast: false }
}

/// The columns of a field: one, but two for an amount of money (`value`, `value_currency`) and for a reference to a
/// record of one of several kinds (`from_kind`, `from_id`).
pub(crate) fn columns(field: &FieldDecl) -> Vec<Column> {
    let name = field.name;
    vec![match field.ty {
        FieldType::Bool => column(name, "boolean", Wire::Bool),
        FieldType::Int(..) => column(name, "bigint", Wire::Int),
        // Numbers travel as text: no binary format of theirs is as exact and as plain.
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

/// In which group a field is written.
pub(crate) const fn group(field: &FieldDecl) -> Group {
    field.section.group()
}

/// A name as SQL: quoted, since some fields are named as SQL's own words are.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The table of a list-valued index: one row for each element of each live record.
#[derive(Debug)]
pub(crate) struct Entries {
    /// `crm."task_links"`.
    pub(crate) table: String,
    /// The name alone.
    pub(crate) name: String,
    /// The index that it serves.
    pub(crate) index: &'static IndexDecl,
    /// The list-valued field.
    pub(crate) field: &'static FieldDecl,
}

/// A kind as it lies in the database.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The declaration.
    pub(crate) decl: &'static KindDecl,
    /// `crm."lead"`.
    pub(crate) table: String,
    /// For each declared field, its columns.
    pub(crate) columns: Vec<Vec<Column>>,
    /// The fields that lists sort by their sort key: position and column.
    pub(crate) keys: Vec<(usize, &'static IndexDecl, String)>,
    /// The tables of its list-valued indexes.
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

    /// The column that an index sorts by, not quoted.
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

    /// The columns that a write of a group sets, not quoted.
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

/// The layout of a kind.
pub(crate) fn layout(kind: Kind) -> &'static Layout {
    static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| catalog::all().map(Layout::new).collect());
    // `Kind::ALL` is in declared order, and so is `catalog::all`.
    &LAYOUTS[kind as usize]
}

/// The place of a kind in the order in which a commit inserts: users first, since everything refers to them; then as
/// declared.
pub(crate) const fn insert_rank(kind: Kind) -> u8 {
    match kind {
        Kind::User => 0,
        other => other as u8 + 1,
    }
}
