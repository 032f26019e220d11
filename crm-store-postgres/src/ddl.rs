//! The schema as SQL, made from the declarations.
//!
//! The migrations that run are the text files under `migrations/`; this is what they are cut from, and what tests hold
//! them and a migrated database against, so that a field declared in the core cannot be forgotten here.

use std::fmt::Write as _;

use crm_core::{
    schema::{FieldType, Group, IndexDecl, KindDecl},
    value::Kind,
};

use crate::layout::{Column, Entries, Layout, columns, in_insert_order, insert_rank, layout, quoted};

/// One column as it must be in the database: what a migrated database is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedColumn {
    /// The table, in schema `crm`.
    pub table: String,
    /// The column.
    pub column: String,
    /// Its type, as `format_type` names it: `timestamp with time zone`, `text[]`, `crm.kind`.
    pub ty: String,
}

/// Every column of every kind's table and of the tables of list-valued indexes, sorted.
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
        for (position, field) in layout.decl.fields.iter().enumerate() {
            if field.ty == FieldType::Ref {
                for target in Kind::ALL {
                    push(kind.name(), &format!("{}_{target}_id", layout.decl.fields[position].name), "uuid");
                }
            }
        }
        for entries in &layout.entries {
            push(&entries.name, "tenant_id", "uuid");
            push(&entries.name, "id", "uuid");
            for (name, ty) in target_columns(entries) {
                push(&entries.name, name, ty);
            }
            if entries.field.ty.element() == FieldType::Ref {
                for target in Kind::ALL {
                    push(&entries.name, &format!("target_{target}_id"), "uuid");
                }
            }
            push(&entries.name, "sort", layout.sort_type(entries.index));
        }
    }
    expected.sort();
    expected
}

/// The name of every declared index that stands on a kind's own table, sorted.
pub fn expected_indexes() -> Vec<String> {
    let mut names: Vec<String> = Kind::ALL
        .iter()
        .map(|&kind| layout(kind))
        .flat_map(|layout| {
            let declared = layout.decl.indexes.iter().filter(|index| !index.per_element).map(|i| index_name(layout, i));
            declared.chain(forgotten_at(layout).map(|(name, _)| name))
        })
        .collect();
    names.sort();
    names
}

/// Everything that the declarations say now, as one script: what a new migration is cut from.
pub fn schema_sql() -> String {
    let mut sql = String::new();
    let names: Vec<String> = Kind::ALL.iter().map(|kind| format!("'{kind}'")).collect();
    let _ =
        writeln!(sql, "-- In the order in which commits lock.\ncreate type crm.kind as enum ({});\n", names.join(", "));
    sql.push_str(include_str!("sql/tables.sql"));
    for &kind in Kind::ALL {
        table(&mut sql, layout(kind));
        for entries in &layout(kind).entries {
            entries_table(&mut sql, layout(kind), entries);
        }
    }
    sql.push_str("\n-- References. Deferred where a commit may insert the one before the other.\n");
    for &kind in Kind::ALL {
        foreign_keys(&mut sql, layout(kind));
    }
    sql.push_str("\n-- Declared indexes.\n");
    for &kind in Kind::ALL {
        indexes(&mut sql, layout(kind));
    }
    sql.push_str("\n-- What a commit calls for each kind it touches.\n");
    for &kind in Kind::ALL {
        functions(&mut sql, layout(kind));
    }
    versions_function(&mut sql);
    commit_function(&mut sql);
    rebase_function(&mut sql);
    sql.push_str(include_str!("sql/views.sql"));
    for &kind in Kind::ALL {
        view(&mut sql, layout(kind));
    }
    sql
}

const fn head_columns() -> [(&'static str, &'static str); 5] {
    [("tenant_id", "uuid"), ("id", "uuid"), ("version", "bigint"), ("machine_version", "bigint"), ("feed_xid", "xid8")]
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

/// The columns that name an element in the table of a list-valued index.
fn target_columns(entries: &Entries) -> Vec<(&'static str, &'static str)> {
    match entries.field.ty.element() {
        FieldType::Ref => vec![("target_kind", "crm.kind"), ("target_id", "uuid")],
        FieldType::Id(_) => vec![("target_id", "uuid")],
        _ => vec![("target", "text collate \"C\"")],
    }
}

/// One nullable column for each kind that a reference may name, made from the reference, for its foreign key.
fn reference_columns(sql: &mut String, prefix: &str) {
    for kind in Kind::ALL {
        let _ = writeln!(
            sql,
            "  \"{prefix}_{kind}_id\" uuid generated always as \
             (case when \"{prefix}_kind\" = '{kind}' then \"{prefix}_id\" end) stored,"
        );
    }
}

fn table(sql: &mut String, layout: &Layout) {
    let _ = writeln!(sql, "\ncreate table {} (", layout.table);
    sql.push_str(
        "  tenant_id uuid not null,\n  id uuid not null,\n  version bigint not null,\n  \
         machine_version bigint not null,\n  feed_xid xid8 not null default pg_current_xact_id(),\n",
    );
    for (name, ty) in body_columns(layout) {
        let not_null = if matches!(name.as_str(), "created_at" | "updated_at") { " not null" } else { "" };
        let _ = writeln!(sql, "  {} {ty}{not_null},", quoted(&name));
    }
    for field in layout.decl.fields.iter().filter(|field| field.ty == FieldType::Ref) {
        reference_columns(sql, field.name);
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
    if entries.field.ty.element() == FieldType::Ref {
        reference_columns(sql, "target");
    }
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
        // Nothing refers to what is removed by itself, and looking everywhere for what might would make that slow.
        if layout(target).decl.forgotten_at.is_some() {
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
            // Who wrote a record comes from a verified actor, never from input; checking it on every write would cost
            // as much as all other references together.
            FieldType::Id(_) if field.section == crm_core::schema::Section::System => {}
            FieldType::Id(target) => {
                let deferred = insert_rank(target) >= insert_rank(from.decl.kind);
                key(&from.table, name, field.name, target, deferred);
            }
            FieldType::Ref => {
                for &target in Kind::ALL {
                    let deferred = insert_rank(target) >= insert_rank(from.decl.kind);
                    key(&from.table, name, &format!("{}_{target}_id", field.name), target, deferred);
                }
            }
            _ => {}
        }
    }
    // Entries are written after all records, so they need not be deferred.
    for entries in &from.entries {
        match entries.field.ty.element() {
            FieldType::Id(target) => key(&entries.table, &entries.name, "target_id", target, false),
            FieldType::Ref => {
                for &target in Kind::ALL {
                    key(&entries.table, &entries.name, &format!("target_{target}_id"), target, false);
                }
            }
            _ => {}
        }
    }
}

/// The columns of an index, tenant and id apart.
fn index_columns(layout: &Layout, index: &IndexDecl) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for &position in &index.equals {
        names.extend(columns(&layout.decl.fields[position]).into_iter().map(|column| column.name));
    }
    names.push(layout.sort_column(index));
    names
}

fn index_name(layout: &Layout, index: &IndexDecl) -> String {
    // The walk of archived records has the columns of the live ones'.
    let archived = if index.archived && index.position != layout.decl.archived().position { "archived_" } else { "" };
    format!("{}_{archived}{}", layout.decl.kind, index_columns(layout, index).join("_"))
}

/// The name and the column of the index by which what is of no use any more is found.
fn forgotten_at(layout: &Layout) -> Option<(String, String)> {
    let column = &layout.columns[layout.decl.forgotten_at?].first()?.name;
    Some((format!("{}_{column}", layout.decl.kind), quoted(column)))
}

fn indexes(sql: &mut String, layout: &Layout) {
    if let Some((name, column)) = forgotten_at(layout) {
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

/// What writes a record of a kind. A column that a row does not name keeps what is stored, so that a program which does not
/// know a column empties it never, also where a newer one has replaced the function by a wider.
fn functions(sql: &mut String, layout: &Layout) {
    let kind = layout.decl.kind;
    let table = &layout.table;
    let person = layout.written(Group::Person);
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
create function crm.write_{kind}_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into {table} (tenant_id, id, version, machine_version, {into})
    select p_tenant, p_id, r.version, r.machine_version, {from}
    from jsonb_populate_record(null::{table}, p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update {table} t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()){person_sets}
    from {table} o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update {table} t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()){machine_sets}
    from {table} o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;
",
        into = list(""),
        from = list("r."),
        person_sets = sets(&person),
        machine_sets = sets(&machine),
    );
    if layout.entries.is_empty() {
        return;
    }
    let _ = write!(
        sql,
        "
create function crm.enter_{kind}_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
"
    );
    for entries in &layout.entries {
        let targets: Vec<&str> = target_columns(entries).into_iter().map(|(name, _)| name).collect();
        let element = match entries.field.ty.element() {
            FieldType::Ref => "split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid",
            _ => "e",
        };
        let _ = write!(
            sql,
            "  delete from {entry} where tenant_id = p_tenant and id = p_id;
  insert into {entry} (tenant_id, id, {targets}, sort)
  select t.tenant_id, t.id, {element}, t.{sort} from {table} t, unnest(t.{field}) e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
",
            entry = entries.table,
            targets = targets.join(", "),
            sort = quoted(&layout.sort_column(entries.index)),
            field = quoted(entries.field.name),
        );
    }
    sql.push_str("  return true;\nend $$;\n");
}

/// The versions of a record of any kind, as JSON; null where there is none.
fn versions_function(sql: &mut String) {
    sql.push_str(
        "
create function crm.versions_v1(p_tenant uuid, p_kind text, p_id uuid) returns jsonb language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  case p_kind
",
    );
    for &kind in Kind::ALL {
        let _ = writeln!(
            sql,
            "    when '{kind}' then\n      select t.version, t.machine_version into v, m from {} t \
             where t.tenant_id = p_tenant and t.id = p_id;",
            layout(kind).table
        );
    }
    sql.push_str(
        "  end case;
  if v is null then return null; end if;
  return jsonb_build_object('person', v, 'machine', m);
end $$;
",
    );
}

fn commit_function(sql: &mut String) {
    let mut locks = String::new();
    let mut writes = String::new();
    let mut enters = String::new();
    for &kind in Kind::ALL {
        let table = &layout(kind).table;
        let _ = write!(
            locks,
            "      when '{kind}' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from {table} t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from {table} t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
"
        );
        if !layout(kind).entries.is_empty() {
            let _ = writeln!(enters, "        when '{kind}' then done := crm.enter_{kind}_v1(p_tenant, p_ids[i]);");
        }
    }
    for layout in in_insert_order() {
        let kind = layout.decl.kind;
        let _ = writeln!(
            writes,
            "        when '{kind}' then done := crm.write_{kind}_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, \
             p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);"
        );
    }
    let text = include_str!("sql/commit.sql")
        .replace("      -- {locks}\n", &locks)
        .replace("        -- {writes}\n", &writes)
        .replace("        -- {enters}\n", &enters);
    sql.push_str(&text);
}

/// What brings the transaction ids of another cluster below this one's.
fn rebase_function(sql: &mut String) {
    sql.push_str(
        "
-- To be called once after a restore from a dump into another cluster, whose transaction ids are lower: else the feed
-- would wait until they have caught up. Consumers begin anew. seq alone is in version order within a record.
create function crm.rebase_feed() returns void language plpgsql as $$
begin
  update crm.change set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
",
    );
    for &kind in Kind::ALL {
        let _ = writeln!(
            sql,
            "  update {} set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();",
            layout(kind).table
        );
    }
    sql.push_str("  delete from crm.feed_cursor;\nend $$;\n");
}

fn view(sql: &mut String, layout: &Layout) {
    let decl: &KindDecl = layout.decl;
    let mut list = vec!["tenant_id".to_owned(), "id".to_owned(), "version".to_owned(), "machine_version".to_owned()];
    for (position, field) in decl.fields.iter().enumerate() {
        // Secrets and what is only there to be searched are no part of the contract.
        if field.marks.secret || field.ty == FieldType::Folded {
            continue;
        }
        if field.ty == FieldType::Properties {
            list.push(format!("crm.plain({0}) as {0}", quoted(field.name)));
            continue;
        }
        for column in &layout.columns[position] {
            let cast =
                if column.ty == "crm.kind" { format!("::text as {}", quoted(&column.name)) } else { String::new() };
            list.push(format!("{}{cast}", quoted(&column.name)));
        }
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
        let made = schema_sql();
        // Until there is a release there is one schema: it is written anew, not amended.
        if std::env::var_os("CRM_WRITE_SCHEMA").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/0001_schema.sql");
            let heading = "-- Made from the declarations by crm_store_postgres::ddl, as they were then.\n\n";
            std::fs::write(path, format!("{heading}{made}")).unwrap();
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
