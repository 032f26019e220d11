//! Creates and extends the schema when a file is opened. There are no migrations: what the declarations name and the
//! file lacks is added, and everything else in the file stays, because a newer program may use it.

use crm_core::{store::StoreError, value::Kind};
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    commit::{enter, sort_key},
    error::Failure,
    layout::{Layout, each, layout},
    row::{self, run},
    views,
};

/// The number of the format, in `user_version`. It is raised when a program could no longer write such a file without
/// damage. A file with a higher number is refused.
pub(crate) const FORMAT: i32 = 1;
/// Identifies the file in its header (`application_id`): "CRM1".
const APPLICATION: i32 = 0x4352_4d31;

/// Checks that the file is new, or one of this store in a format that this program can write. Does not change it.
pub(crate) fn check(db: &Connection) -> Result<(), Failure> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, format) = (number("application_id")?, number("user_version")?);
    let objects: i64 = db.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application, objects) != (0, 0) {
        return Err(StoreError::corrupt("the file is a database of another application").into());
    }
    if format > FORMAT {
        let told = format!("the file has format {format} of a newer program; this one knows formats up to {FORMAT}");
        return Err(StoreError::corrupt(told).into());
    }
    Ok(())
}

/// Adds what the declarations name and the file lacks, in one transaction.
pub(crate) fn build(db: &Connection) -> Result<(), Failure> {
    db.execute_batch("begin immediate")?;
    let built = build_all(db);
    match &built {
        Ok(()) => db.execute_batch("commit")?,
        // The error of the failed statement is the one to report.
        Err(_) => drop(db.execute_batch("rollback")),
    }
    built
}

fn build_all(db: &Connection) -> Result<(), Failure> {
    for (name, number) in [("application_id", APPLICATION), ("user_version", FORMAT)] {
        // Setting a number writes the file, also if it is the same.
        if db.pragma_query_value(None, name, |row| row.get::<_, i32>(0))? != number {
            db.pragma_update(None, name, number)?;
        }
    }
    db.execute_batch(include_str!("tables.sql"))?;
    for layout in Kind::ALL.iter().map(|&kind| layout(kind)) {
        table(db, layout)?;
        indexes(db, layout)?;
        maintain(db, layout)?;
    }
    for (name, columns, sql) in views::all() {
        view(db, &name, &columns, &sql)?;
    }
    Ok(())
}

/// The names of the columns of a table or view; empty if there is none.
fn columns(db: &Connection, name: &str) -> Result<Vec<String>, Failure> {
    let mut statement = db.prepare("select name from pragma_table_xinfo(?)")?;
    let names = statement.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

fn table(db: &Connection, layout: &Layout) -> Result<(), Failure> {
    let kind = layout.decl.kind.name();
    let existing = columns(db, kind)?;
    if existing.is_empty() {
        let body = each(layout.body(), ",\n  \"", "\"");
        db.execute_batch(&format!(
            "create table \"{kind}\" (\n  n integer primary key,\n  tenant_id blob not null,\n  id blob not null,\n  \
             version integer not null,\n  machine_version integer not null{body}\n);\n\
             create unique index \"{kind}: id\" on \"{kind}\" (tenant_id, id)"
        ))?;
    } else {
        for name in layout.body().filter(|name| !existing.contains(name)) {
            db.execute_batch(&format!("alter table \"{kind}\" add column \"{name}\""))?;
        }
    }
    for (name, definition) in layout.sorts().into_iter().filter(|(name, _)| !existing.contains(name)) {
        db.execute_batch(&format!("alter table \"{kind}\" add column \"{name}\" {definition}"))?;
    }
    Ok(())
}

fn indexes(db: &Connection, layout: &Layout) -> Result<(), Failure> {
    let kind = layout.decl.kind.name();
    for index in layout.decl.indexes.iter().filter(|index| !index.per_element) {
        let equals = index.equals.iter().flat_map(|&at| &layout.columns[at].names);
        let equals = each(equals, "\"", "\", ");
        db.execute_batch(&format!(
            "create index if not exists {} on \"{kind}\" (tenant_id, {equals}\"{}\", id) where archived_at is {}null",
            layout.index_name(index),
            layout.sort(index),
            if index.archived { "not " } else { "" }
        ))?;
    }
    if let Some(field) = layout.decl.expires_at {
        let column = layout.decl.fields[field].name;
        db.execute_batch(&format!("create index if not exists \"{kind}: {column}\" on \"{kind}\" (\"{column}\")"))?;
    }
    for entries in &layout.entries {
        db.execute_batch(&format!(
            "create table if not exists \"{}\" (\n  tenant_id blob not null,\n  target not null,\n  sort not null,\n  \
             id blob not null,\n  n integer not null,\n  primary key (tenant_id, target, sort, id)\n) without rowid",
            entries.table
        ))?;
    }
    Ok(())
}

/// Computes sort keys and list-valued indexes anew for all records of a kind, if the program that last wrote the file
/// did not maintain the same ones: it may have been older or newer.
fn maintain(db: &Connection, layout: &Layout) -> Result<(), Failure> {
    let kind = layout.decl.kind.name();
    let keys = layout.keys.iter().map(|key| key.column.as_str());
    let names: Vec<&str> = keys.chain(layout.entries.iter().map(|entries| entries.table.as_str())).collect();
    let names = names.join(" ");
    let last: Option<String> =
        db.query_row("select names from maintained where kind = ?", [kind], |row| row.get(0)).optional()?;
    if last.as_ref() == Some(&names) {
        return Ok(());
    }
    for entries in &layout.entries {
        db.execute_batch(&format!("delete from \"{}\"", entries.table))?;
    }
    let sets: Vec<String> = layout.keys.iter().map(|key| format!("\"{}\" = ?", key.column)).collect();
    let set = format!("update \"{kind}\" set {} where n = ?", sets.join(", "));
    let mut statement = db.prepare(&layout.every)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (n, image) = (row::number(row)?, row::image(layout, row, true)?);
        if !sets.is_empty() {
            run(db, &set, |bind| {
                layout.keys.iter().try_for_each(|key| sort_key(bind, &key.index.sort_value(&image)))?;
                bind.int(n)
            })?;
        }
        for entries in &layout.entries {
            enter(db, entries, None, &image, n)?;
        }
    }
    db.execute("insert or replace into maintained (kind, names) values (?, ?)", [kind, &names])?;
    Ok(())
}

/// Creates a view, or replaces one that differs and has no columns of a newer program.
fn view(db: &Connection, name: &str, of: &[String], sql: &str) -> Result<(), Failure> {
    let stored: Option<String> = db
        .query_row("select sql from sqlite_schema where type = 'view' and name = ?", [name], |row| row.get(0))
        .optional()?;
    let sql = format!("CREATE VIEW \"{name}\" as\n{sql}");
    if stored.as_ref() == Some(&sql) {
        return Ok(());
    }
    if stored.is_some() {
        if columns(db, name)?.iter().any(|column| !of.contains(column)) {
            return Ok(());
        }
        db.execute_batch(&format!("drop view \"{name}\""))?;
    }
    Ok(db.execute_batch(&sql)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plan of a statement, a line per step.
    fn plan(db: &Connection, sql: &str) -> String {
        let mut statement = db.prepare(&format!("explain query plan {sql}")).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    #[test]
    fn every_read_seeks_its_position_in_an_index() {
        let db = Connection::open_in_memory().unwrap();
        build(&db).unwrap();
        let mut read = 0;
        let mut seeks = |sql: &str, with_position: bool| {
            let plan = plan(&db, sql);
            read += 1;
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            // Both the sort value and the id are sought, so that a page within many equal values is as fast as others.
            assert!(!with_position || plan.contains("id)>(") || plan.contains("id)<("), "{sql}\n{plan}");
        };
        for layout in Kind::ALL.iter().map(|&kind| layout(kind)) {
            for lists in &layout.lists {
                for pages in &lists.pages {
                    seeks(&pages[0], false);
                    seeks(&pages[1], true);
                }
                seeks(&lists.count, false);
            }
            for sql in [&layout.get, &layout.all, &layout.versions] {
                seeks(sql, false);
            }
            if let Some(due) = &layout.due {
                seeks(&due.tenant, false);
                seeks(&due.records, false);
            }
        }
        for pages in crate::log::all_pages() {
            for pages in pages {
                seeks(&pages[0], false);
                assert!(plan(&db, &pages[1]).contains("version)"), "{}", plan(&db, &pages[1]));
            }
        }
        assert!(read > 500);
    }
}
