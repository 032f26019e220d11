//! The schema as SQL, generated from the declarations.
//!
//! The migrations that run are the files under `migrations/`. They are cut from the output of this module, and tests
//! compare both the files and a migrated database with it, so that a field declared in the core cannot be missing here.

use std::fmt::Write as _;

use crm_core::{
    schema::{FieldType, Group, IndexDecl, KindDecl},
    value::Kind,
};

use crate::layout::{Column, Entries, Layout, TEXT, columns, insert_rank, layout, quoted};

/// A column that a migrated database must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedColumn {
    /// The name of the table in the schema `crm`.
    pub table: String,
    /// The name of the column.
    pub column: String,
    /// The type as `format_type` names it, such as `timestamp with time zone` or `text[]`.
    pub ty: String,
}

/// Returns the columns of all kinds' tables and of the tables of list-valued indexes, sorted.
pub fn expected_columns() -> Vec<ExpectedColumn> {
    let mut expected = Vec::new();
    let mut push = |table: &str, column: &str, ty: &str| {
        let ty = ty.trim_end_matches(" collate \"C\"");
        let ty = if ty == "timestamptz" { "timestamp with time zone" } else { ty };
        expected.push(ExpectedColumn { table: table.to_owned(), column: column.to_owned(), ty: ty.to_owned() });
    };
    for &kind in Kind::ALL {
        let layout = layout(kind);
        for (name, ty) in head_columns() {
            push(kind.name(), name, ty);
        }
        for (name, ty) in body_columns(layout) {
            push(kind.name(), &name, ty);
        }
        for field in &layout.decl.fields {
            for target in referable(field.ty) {
                push(kind.name(), &format!("{}_{target}_id", field.name), "uuid");
            }
        }
        for entries in &layout.entries {
            push(&entries.name, "tenant_id", "uuid");
            push(&entries.name, "id", "uuid");
            for (name, ty) in target_columns(entries) {
                push(&entries.name, name, ty);
            }
            for target in referable(entries.field.ty.element()) {
                push(&entries.name, &format!("target_{target}_id"), "uuid");
            }
            push(&entries.name, "sort", layout.sort_type(entries.index));
        }
    }
    expected.sort();
    expected
}

/// Returns the names of the declared indexes on the kinds' own tables, sorted.
pub fn expected_indexes() -> Vec<String> {
    let mut names: Vec<String> = Kind::ALL
        .iter()
        .map(|&kind| layout(kind))
        .flat_map(|layout| {
            let declared = layout.decl.indexes.iter().filter(|index| !index.per_element).map(|i| index_name(layout, i));
            declared.chain(expires_at(layout).map(|(name, _)| name))
        })
        .collect();
    names.sort();
    names
}

/// Returns the schema of all kinds as one script: the content of the first migration.
pub fn schema_sql() -> String {
    schema_sql_of(Kind::ALL)
}

/// Returns the schema of the given kinds, which must not refer to others.
pub fn schema_sql_of(kinds: &[Kind]) -> String {
    let common = [
        include_str!("sql/tables.sql"),
        include_str!("sql/feed.sql"),
        include_str!("sql/commit.sql"),
        include_str!("sql/views.sql"),
    ];
    // Tables come first, because kinds refer to each other.
    common
        .into_iter()
        .map(str::to_owned)
        .chain(kinds.iter().map(|&kind| tables_sql(kind)))
        .chain(kinds.iter().map(|&kind| rest_sql(kind)))
        .collect()
}

/// Returns the part of the schema that belongs to one kind: the content of the migration that adds a kind. It only
/// creates objects and alters none.
pub fn kind_sql(kind: Kind) -> String {
    tables_sql(kind) + &rest_sql(kind)
}

fn tables_sql(kind: Kind) -> String {
    let (mut sql, layout) = (String::new(), layout(kind));
    table(&mut sql, layout);
    for entries in &layout.entries {
        entries_table(&mut sql, layout, entries);
    }
    sql
}

fn rest_sql(kind: Kind) -> String {
    let (mut sql, layout) = (String::from("\n"), layout(kind));
    foreign_keys(&mut sql, layout);
    indexes(&mut sql, layout);
    functions(&mut sql, layout);
    enter_function(&mut sql, layout);
    view(&mut sql, layout);
    sql
}

/// The kinds that a reference may name. Each has a column and a foreign key.
const fn referable(ty: FieldType) -> &'static [Kind] {
    if let FieldType::Ref(kinds) = ty { kinds } else { &[] }
}

const fn head_columns() -> [(&'static str, &'static str); 4] {
    [("tenant_id", "uuid"), ("id", "uuid"), ("version", "bigint"), ("machine_version", "bigint")]
}

/// The columns of the declared fields and of their sort keys.
fn body_columns(layout: &Layout) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    for (position, columns) in layout.columns.iter().enumerate() {
        all.extend(columns.iter().map(|Column { name, ty, .. }| (name.clone(), *ty)));
        let keys = layout.keys.iter().filter(|(at, ..)| *at == position);
        all.extend(keys.map(|(.., key)| (key.clone(), columns[0].ty)));
    }
    all
}

/// The columns that identify an element in the table of a list-valued index.
fn target_columns(entries: &Entries) -> Vec<(&'static str, &'static str)> {
    match entries.field.ty.element() {
        FieldType::Ref(_) => vec![("target_kind", TEXT), ("target_id", "uuid")],
        FieldType::Id(_) => vec![("target_id", "uuid")],
        _ => vec![("target", TEXT)],
    }
}

/// One nullable column per kind that a reference may name, generated from the reference, for the foreign key.
fn reference_columns(sql: &mut String, prefix: &str, ty: FieldType) {
    for kind in referable(ty) {
        let _ = writeln!(
            sql,
            "  \"{prefix}_{kind}_id\" uuid generated always as \
             (case when \"{prefix}_kind\" = '{kind}' then \"{prefix}_id\" end) stored,"
        );
    }
}

fn table(sql: &mut String, layout: &Layout) {
    let _ = writeln!(sql, "\ncreate table {} (", layout.table);
    for (name, ty) in head_columns() {
        let _ = writeln!(sql, "  {name} {ty} not null,");
    }
    for (name, ty) in body_columns(layout) {
        let not_null = if matches!(name.as_str(), "created_at" | "updated_at") { " not null" } else { "" };
        let _ = writeln!(sql, "  {} {ty}{not_null},", quoted(&name));
    }
    for field in &layout.decl.fields {
        reference_columns(sql, field.name, field.ty);
    }
    sql.push_str("  primary key (tenant_id, id)\n);\n");
}

fn entries_table(sql: &mut String, layout: &Layout, entries: &Entries) {
    let _ = writeln!(
        sql,
        "\n-- {}: one row for each element of each live record.\ncreate table {} (",
        entries.index.describe(layout.decl),
        entries.table
    );
    sql.push_str("  tenant_id uuid not null,\n  id uuid not null,\n");
    let targets = target_columns(entries);
    for (name, ty) in &targets {
        let _ = writeln!(sql, "  {name} {ty} not null,");
    }
    reference_columns(sql, "target", entries.field.ty.element());
    let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    let _ = writeln!(
        sql,
        "  sort {},\n  primary key (tenant_id, id, {names}),\n  \
         foreign key (tenant_id, id) references {} (tenant_id, id)\n);",
        layout.sort_type(entries.index),
        layout.table
    );
    let _ = writeln!(
        sql,
        "create index {} on {} (tenant_id, {names}, sort, id);",
        quoted(&format!("{}_list", entries.name)),
        entries.table
    );
}

fn foreign_keys(sql: &mut String, from: &Layout) {
    let name = from.decl.kind.name();
    let mut key = |table: &str, name: &str, column: &str, target: Kind, deferred: bool| {
        // No foreign keys refer to records that expire: checking for references would slow down their removal.
        if layout(target).decl.expires_at.is_some() {
            return;
        }
        let _ = writeln!(
            sql,
            "alter table {table} add constraint {} foreign key (tenant_id, {}) references {} (tenant_id, id){};",
            quoted(&format!("{name}_{column}_fkey")),
            quoted(column),
            layout(target).table,
            if deferred { " deferrable initially deferred" } else { "" }
        );
    };
    for field in &from.decl.fields {
        match field.ty {
            // The author of a record comes from a verified actor, never from input. Checking it on every write would
            // cost as much as all other references together.
            FieldType::Id(_) if field.section == crm_core::schema::Section::System => {}
            FieldType::Id(target) => {
                let deferred = insert_rank(target) >= insert_rank(from.decl.kind);
                key(&from.table, name, field.name, target, deferred);
            }
            FieldType::Ref(kinds) => {
                for &target in kinds {
                    let deferred = insert_rank(target) >= insert_rank(from.decl.kind);
                    key(&from.table, name, &format!("{}_{target}_id", field.name), target, deferred);
                }
            }
            _ => {}
        }
    }
    // Entries are written after all records, so their keys need not be deferred.
    for entries in &from.entries {
        match entries.field.ty.element() {
            FieldType::Id(target) => key(&entries.table, &entries.name, "target_id", target, false),
            FieldType::Ref(kinds) => {
                for &target in kinds {
                    key(&entries.table, &entries.name, &format!("target_{target}_id"), target, false);
                }
            }
            _ => {}
        }
    }
}

/// The columns of an index without tenant and id.
fn index_columns(layout: &Layout, index: &IndexDecl) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for &position in &index.equals {
        names.extend(columns(&layout.decl.fields[position]).into_iter().map(|column| column.name));
    }
    names.push(layout.sort_column(index));
    names
}

fn index_name(layout: &Layout, index: &IndexDecl) -> String {
    // The index for walking archived records has the same columns as that of live records.
    let archived = if index.archived && index.position != layout.decl.archived().position { "archived_" } else { "" };
    format!("{}_{archived}{}", layout.decl.kind, index_columns(layout, index).join("_"))
}

/// The name and column of the index by which expired records are found.
fn expires_at(layout: &Layout) -> Option<(String, String)> {
    let column = &layout.columns[layout.decl.expires_at?].first()?.name;
    Some((format!("{}_{column}", layout.decl.kind), quoted(column)))
}

fn indexes(sql: &mut String, layout: &Layout) {
    if let Some((name, column)) = expires_at(layout) {
        let _ = writeln!(sql, "create index {} on {} ({column});", quoted(&name), layout.table);
    }
    for index in layout.decl.indexes.iter().filter(|index| !index.per_element) {
        let name = index_name(layout, index);
        let list: Vec<String> = index_columns(layout, index).iter().map(|name| quoted(name)).collect();
        let _ = writeln!(
            sql,
            "create index {} on {} (tenant_id, {}, id) where archived_at is {}null;",
            quoted(&name),
            layout.table,
            list.join(", "),
            if index.archived { "not " } else { "" }
        );
    }
}

/// The functions that a commit calls for the records of a kind: one locks existing records and checks their versions,
/// the other writes. The arrays are parallel, and each call covers a range of them. A column that is missing in a row
/// keeps its stored value. An older program therefore never clears a column that it does not know, even after a newer
/// version has replaced the function by one with more columns.
fn functions(sql: &mut String, layout: &Layout) {
    let kind = layout.decl.kind;
    let table = &layout.table;
    let person = layout.written(Group::User);
    let machine = layout.written(Group::Machine);
    let every: Vec<&String> = person.iter().chain(&machine).collect();
    let list = |prefix: &str| every.iter().map(|name| format!("{prefix}\"{name}\"")).collect::<Vec<_>>().join(", ");
    let sets = |names: &[String]| {
        names.iter().fold(String::new(), |mut sets, name| {
            let _ = write!(sets, ", \"{name}\" = r.\"{name}\"");
            sets
        })
    };
    let _ = write!(
        sql,
        "
create function crm.lock_{kind}_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from {table} t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from {table} t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, '{kind}', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_{kind}_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into {table} (tenant_id, id, version, machine_version, {into})
      select p_tenant, p_ids[i], r.version, r.machine_version, {from}
      from jsonb_populate_record(null::{table}, p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update {table} t set version = r.version{person_sets}
      from {table} o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update {table} t set machine_version = r.machine_version{machine_sets}
      from {table} o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, '{kind}', there));
  end if;
  return false;
end $$;
",
        into = list(""),
        from = list("r."),
        person_sets = sets(&person),
        machine_sets = sets(&machine),
    );
}

/// The function that enters records into the tables of list-valued indexes, for kinds that have such indexes.
fn enter_function(sql: &mut String, layout: &Layout) {
    if layout.entries.is_empty() {
        return;
    }
    let (kind, table) = (layout.decl.kind, &layout.table);
    let _ = write!(
        sql,
        "
create function crm.enter_{kind}_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
"
    );
    for entries in &layout.entries {
        let targets: Vec<&str> = target_columns(entries).into_iter().map(|(name, _)| name).collect();
        let element = match entries.field.ty.element() {
            FieldType::Ref(_) => "split_part(e, ':', 1), split_part(e, ':', 2)::uuid",
            _ => "e",
        };
        let _ = write!(
            sql,
            "  delete from {entry} where tenant_id = p_tenant and id = any(p_ids);
  insert into {entry} (tenant_id, id, {targets}, sort)
  select t.tenant_id, t.id, {element}, t.{sort} from {table} t, unnest(t.{field}) e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
",
            entry = entries.table,
            targets = targets.join(", "),
            sort = quoted(&layout.sort_column(entries.index)),
            field = quoted(entries.field.name),
        );
    }
    sql.push_str("  return false;\nend $$;\n");
}

fn view(sql: &mut String, layout: &Layout) {
    let decl: &KindDecl = layout.decl;
    let mut list = vec!["tenant_id".to_owned(), "id".to_owned(), "version".to_owned(), "machine_version".to_owned()];
    for (position, field) in decl.fields.iter().enumerate() {
        // Secrets and search texts are not part of the contract.
        if field.marks.secret || field.ty == FieldType::Folded {
            continue;
        }
        if field.ty == FieldType::Properties {
            list.push(format!("crm.plain({0}) as {0}", quoted(field.name)));
            continue;
        }
        list.extend(layout.columns[position].iter().map(|column| quoted(&column.name)));
    }
    let _ = writeln!(
        sql,
        "\ncreate view crm.{} as\nselect {}\nfrom {};",
        quoted(decl.kind.plural()),
        list.join(", "),
        layout.table
    );
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_migrations_hold_what_the_declarations_say() {
        let plain = |line: &str| line.trim().replace("if not exists ", "");
        let kept: HashSet<String> =
            crate::migrate::MIGRATIONS.iter().flat_map(|(_, _, sql)| sql.lines().map(plain)).collect();
        let migrations = crate::migrate::MIGRATIONS;
        let made = schema_sql();
        if let Ok(what) = std::env::var("CRM_WRITE_SCHEMA") {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
            let heading = "-- Made from the declarations by crm_store_postgres::ddl, as they were then. Once released it is never edited:\n\
                           -- what is declared later comes in migrations of its own.\n\n";
            let (path, sql) = if what == "1" {
                // Before the first release the first schema is regenerated instead of amended. A kind with a migration of
                // its own is not in it.
                let is_first = |kind: &Kind| migrations.iter().all(|(_, name, _)| *name != kind.name());
                let first: Vec<Kind> = Kind::ALL.iter().copied().filter(is_first).collect();
                (format!("{folder}/0001_schema.sql"), schema_sql_of(&first))
            } else {
                let own = migrations.iter().find(|(_, name, _)| *name == what).map(|(number, ..)| *number);
                let number = own.unwrap_or_else(|| migrations.iter().map(|(number, ..)| number + 1).max().unwrap_or(1));
                (format!("{folder}/{number:04}_{what}.sql"), kind_sql(what.parse().unwrap()))
            };
            std::fs::write(path, format!("{heading}{sql}")).unwrap();
            return;
        }
        let missing: Vec<&str> = made.lines().filter(|line| !kept.contains(&plain(line))).collect();
        assert!(missing.is_empty(), "declared and in no migration; a new one must bring:\n{}", missing.join("\n"));
    }

    #[test]
    fn names_fit_into_what_postgres_keeps_of_them() {
        let sql = schema_sql();
        let long: Vec<&str> = sql
            .split('"')
            .filter(|name| name.len() > 63 && name.chars().all(|c| c.is_alphanumeric() || c == '_'))
            .collect();
        assert_eq!(long, Vec::<&str>::new());
    }

    #[test]
    fn no_table_has_a_column_twice() {
        for &kind in Kind::ALL {
            let layout = layout(kind);
            let fields = layout.columns.iter().flatten().map(|column| &column.name);
            let mut names: Vec<&String> = fields.chain(layout.keys.iter().map(|(.., key)| key)).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{kind}");
        }
    }

    #[test]
    fn list_valued_indexes_have_one_equal_field_and_a_table_each() {
        let mut names: Vec<&str> = Vec::new();
        for &kind in Kind::ALL {
            for entries in &layout(kind).entries {
                assert_eq!(entries.index.equals.len(), 1, "{}: the table has a column for one only", entries.name);
                names.push(&entries.name);
            }
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
