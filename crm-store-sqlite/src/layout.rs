//! Maps the declaration of a kind to a table, its indexes and the statements on it. All texts are made once per
//! process.

use std::{collections::BTreeMap, sync::LazyLock};

use crm_core::{
    catalog,
    schema::{FieldDecl, FieldType, IndexDecl, KindDecl, common},
    value::Kind,
};

/// The number of columns before those of the fields in a selected record: row number, tenant, id, versions.
pub(crate) const HEAD: usize = 5;

/// The columns of a field: two for an amount of money and for a reference to a record of one of several kinds, one for
/// every other type. Named as on PostgreSQL.
fn columns(field: &FieldDecl) -> Vec<String> {
    match field.ty {
        FieldType::Money => vec![field.name.to_owned(), format!("{}_currency", field.name)],
        FieldType::Ref(_) => vec![format!("{}_kind", field.name), format!("{}_id", field.name)],
        _ => vec![field.name.to_owned()],
    }
}

/// The names one after the other, each between two texts.
pub(crate) fn each<'a>(names: impl Iterator<Item = &'a String>, before: &str, after: &str) -> String {
    names.flat_map(|name| [before, name, after]).collect()
}

/// The columns of a field in a table and in a selected record.
#[derive(Debug)]
pub(crate) struct Columns {
    /// The position of the first one in a selected record.
    pub(crate) at: usize,
    pub(crate) names: Vec<String>,
}

/// The table of a list-valued index, with one row per element of each active record.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(crate) table: String,
    pub(crate) index: &'static IndexDecl,
    pub(crate) enter: String,
    pub(crate) leave: String,
    /// Finds an entry.
    pub(crate) find: String,
}

/// The column with the sort key of a text.
#[derive(Debug)]
pub(crate) struct Key {
    /// The position of the field.
    pub(crate) field: usize,
    pub(crate) index: &'static IndexDecl,
    pub(crate) column: String,
}

/// The statements of a list, by direction (ascending first) and then by whether it starts after a position.
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) pages: [[String; 2]; 2],
    /// Counts without looking at records.
    pub(crate) count: String,
}

/// The statements that find due records.
#[derive(Debug)]
pub(crate) struct Due {
    /// Selects the next tenant after one.
    pub(crate) tenant: String,
    /// Selects the due records of a tenant.
    pub(crate) records: String,
}

/// The layout of a kind.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) decl: &'static KindDecl,
    pub(crate) columns: Vec<Columns>,
    pub(crate) keys: Vec<Key>,
    pub(crate) entries: Vec<Entries>,
    /// For each index, in declared order.
    pub(crate) lists: Vec<Lists>,
    pub(crate) due: Option<Due>,
    pub(crate) insert: String,
    pub(crate) versions: String,
    /// Selects a record by tenant and id, with its long texts.
    pub(crate) get: String,
    /// Selects all records of a tenant.
    pub(crate) all: String,
    /// Selects all records of all tenants, with their sort keys after the other columns.
    pub(crate) every: String,
    /// Deletes the records that have expired by a time, up to a number.
    pub(crate) forget: Option<String>,
}

impl Layout {
    fn new(decl: &'static KindDecl) -> Self {
        let kind = decl.kind.name();
        let (mut at, mut all) = (HEAD, Vec::new());
        for field in &decl.fields {
            let names = columns(field);
            all.push(Columns { at, names });
            at += all[all.len() - 1].names.len();
        }
        let mut keys: Vec<Key> = Vec::new();
        for index in &decl.indexes {
            let field = &decl.fields[index.sort];
            if field.ty.is_sorted_by_key() && keys.iter().all(|key| key.field != index.sort) {
                keys.push(Key { field: index.sort, index, column: format!("{}_key", field.name) });
            }
        }
        let mut layout = Self {
            decl,
            columns: all,
            keys,
            entries: decl.indexes.iter().filter(|index| index.per_element).map(|index| entries(decl, index)).collect(),
            lists: Vec::new(),
            due: None,
            insert: String::new(),
            versions: format!("select version, machine_version from \"{kind}\" where tenant_id = ? and id = ?"),
            get: String::new(),
            all: String::new(),
            every: String::new(),
            forget: decl.expires_at.map(|field| {
                let column = decl.fields[field].name;
                format!(
                    "delete from \"{kind}\" where n in (select n from \"{kind}\" where \"{column}\" <= ? order by \
                     \"{column}\" limit ?)"
                )
            }),
        };
        layout.insert = format!(
            "insert into \"{kind}\" (tenant_id, id, version, machine_version{}) values (?, ?, ?, ?{})",
            each(layout.body(), ", \"", "\""),
            ", ?".repeat(layout.body().count())
        );
        let (whole, listed) = (layout.selected(true), layout.selected(false));
        layout.all = format!("select {whole} from \"{kind}\" t where t.tenant_id = ?");
        layout.get = format!("{} and t.id = ?", layout.all);
        let keys: String = each(layout.keys.iter().map(|key| &key.column), ", t.\"", "\"");
        layout.every = format!("select {whole}{keys} from \"{kind}\" t order by t.n");
        layout.lists = decl.indexes.iter().map(|index| layout.list(index, &listed)).collect();
        layout.due = decl.due_index().map(|index| layout.due(index));
        layout
    }

    /// The columns after tenant, id and versions: those of the fields, then the sort keys.
    pub(crate) fn body(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().flat_map(|columns| &columns.names).chain(self.keys.iter().map(|key| &key.column))
    }

    /// What a select of records names, with long texts or whether there is one.
    fn selected(&self, long_texts: bool) -> String {
        let mut list = vec!["t.n, t.tenant_id, t.id, t.version, t.machine_version".to_owned()];
        for (field, columns) in self.decl.fields.iter().zip(&self.columns) {
            let hides = field.is_long() && !long_texts;
            let shown = if hides { " is not null" } else { "" };
            list.extend(columns.names.iter().map(|name| format!("t.\"{name}\"{shown}")));
        }
        list.join(", ")
    }

    /// The generated columns that indexes sort by, and their definitions. A blob sorts after numbers and texts, so
    /// missing values are last, and first in the exact reverse. Columns rather than expressions, because SQLite seeks
    /// positions of several values only in columns.
    pub(crate) fn sorts(&self) -> BTreeMap<String, String> {
        let sorts = self.decl.indexes.iter().filter(|index| index.sort != common::CREATED_AT && !index.per_element);
        let sorts = sorts.map(|index| {
            let key = self.keys.iter().find(|key| key.field == index.sort);
            let column = key.map_or(self.decl.fields[index.sort].name, |key| &key.column);
            (self.sort(index), format!("generated always as (ifnull(\"{column}\", x'')) virtual"))
        });
        sorts.collect()
    }

    /// The column that an index sorts by.
    pub(crate) fn sort(&self, index: &IndexDecl) -> String {
        let name = self.decl.fields[index.sort].name;
        // Every record has a creation time.
        if index.sort == common::CREATED_AT { name.to_owned() } else { format!("{name}_sort") }
    }

    pub(crate) fn index_name(&self, index: &IndexDecl) -> String {
        format!("\"{}: {}\"", self.decl.kind, index.name)
    }

    fn list(&self, index: &IndexDecl, listed: &str) -> Lists {
        let kind = self.decl.kind.name();
        let entries = self.entries.iter().find(|entries| entries.index.position == index.position);
        let (from, sort, id) = if let Some(Entries { table, .. }) = entries {
            let from =
                format!("\"{table}\" e cross join \"{kind}\" t on t.n = e.n where e.tenant_id = ? and e.target = ?");
            (from, "e.sort".to_owned(), "e.id")
        } else {
            let equals = index.equals.iter().flat_map(|&at| &self.columns[at].names);
            let (name, equals) = (self.index_name(index), each(equals, " and t.\"", "\" is ?"));
            let archived = if index.archived { "not " } else { "" };
            let from = format!(
                "\"{kind}\" t indexed by {name} where t.tenant_id = ?{equals} and t.archived_at is {archived}null"
            );
            (from, format!("t.\"{}\"", self.sort(index)), "t.id")
        };
        let page = |descending: bool, after: bool| {
            let (sign, direction) = if descending { ("<", " desc") } else { (">", "") };
            let after = if after { format!(" and ({sort}, {id}) {sign} (?, ?)") } else { String::new() };
            format!("select {listed} from {from}{after} order by {sort}{direction}, {id}{direction}")
        };
        Lists {
            pages: [false, true].map(|descending| [false, true].map(|after| page(descending, after))),
            count: format!("select count(*) from {from}"),
        }
    }

    fn due(&self, index: &IndexDecl) -> Due {
        let (kind, name, sort) = (self.decl.kind, self.index_name(index), format!("t.\"{}\"", self.sort(index)));
        let from = format!("from \"{kind}\" t indexed by {name} where t.archived_at is null");
        Due {
            tenant: format!("select t.tenant_id {from} and t.tenant_id > ? order by t.tenant_id limit 1"),
            records: format!(
                "select t.id, {sort} {from} and t.tenant_id = ? and {sort} <= ? order by {sort}, t.id limit ?"
            ),
        }
    }
}

fn entries(decl: &'static KindDecl, index: &'static IndexDecl) -> Entries {
    let table = format!("{}_{}", decl.kind, decl.fields[index.equals[0]].name);
    Entries {
        enter: format!("insert or ignore into \"{table}\" (tenant_id, target, sort, id, n) values (?, ?, ?, ?, ?)"),
        leave: format!("delete from \"{table}\" where tenant_id = ? and target = ? and sort = ? and id = ?"),
        find: format!("select 1 from \"{table}\" where tenant_id = ? and target = ? and sort = ? and id = ? and n = ?"),
        table,
        index,
    }
}

/// Returns the layout of a kind.
pub(crate) fn layout(kind: Kind) -> &'static Layout {
    static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| catalog::all().map(Layout::new).collect());
    // `Kind::ALL` and `catalog::all` are both in declared order.
    &LAYOUTS[kind as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crm_core::schema::Group;

    use super::*;

    #[test]
    fn no_table_has_a_column_twice() {
        for &kind in Kind::ALL {
            let sorts = layout(kind).sorts();
            let names: Vec<&String> = layout(kind).body().chain(sorts.keys()).collect();
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{kind}");
        }
    }

    #[test]
    fn every_index_is_one_that_a_table_can_hold() {
        let mut tables = HashSet::new();
        for decl in catalog::all() {
            for index in &decl.indexes {
                let (sort, name) = (&decl.fields[index.sort], &index.name);
                // Decimals are stored as text, which sorts differently.
                let sorts =
                    matches!(sort.ty, FieldType::Time | FieldType::Date | FieldType::Int(..) | FieldType::Text(_));
                assert!(sorts, "{} {name}", decl.kind);
                if index.per_element {
                    assert_eq!(index.equals.len(), 1, "{} {name}: a table has one column for elements", decl.kind);
                    // Entries are only moved by writes of the user group.
                    assert_eq!(sort.section.group(), Group::User, "{} {name}", decl.kind);
                    // Expired records are deleted without their entries.
                    assert_eq!(decl.expires_at, None, "{} {name}", decl.kind);
                }
            }
            for entries in &layout(decl.kind).entries {
                assert!(tables.insert(&entries.table), "{}", entries.table);
            }
        }
    }
}
