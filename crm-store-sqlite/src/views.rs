//! The views for the owner's own SQL, named as on PostgreSQL, with ids as text, times in RFC 3339, and custom
//! properties as plain JSON.

use crm_core::schema::FieldType;

use crate::layout::{Layout, layout};

/// An id as text.
fn uuid(column: &str) -> String {
    let part = |from: u8, length: u8| format!("substr(hex({column}), {from}, {length})");
    let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
    format!("lower({})", parts.join(" || '-' || "))
}

/// A time in RFC 3339 with microseconds. Division rounds towards zero, so the fraction is made positive first.
fn time(column: &str) -> String {
    let micros = format!("(({column}) % 1000000 + 1000000) % 1000000");
    format!(
        "strftime('%Y-%m-%dT%H:%M:%S', (({column}) - {micros}) / 1000000, 'unixepoch') || printf('.%06dZ', {micros})"
    )
}

fn date(column: &str) -> String {
    format!("date({column} * 86400, 'unixepoch')")
}

/// A value of one tag without it, as JSON: `{"q": "10.5"}` becomes `"10.5"`.
fn untag_one(json: &str) -> String {
    format!(
        "case when {json} -> '$.m' is not null then json_quote({}) when {json} -> '$.n' is not null or {json} -> '$.x' \
         is not null then 'null' else (select {json} -> j.fullkey from json_each({json}) j limit 1) end",
        time(&format!("{json} ->> '$.m'"))
    )
}

/// A tagged value without tags, as JSON: `{"l": [{"t": "a"}]}` becomes `["a"]`.
fn untag(json: &str) -> String {
    format!(
        "case when {json} -> '$.l' is not null then (select json_group_array(json({})) from json_each({json}, '$.l') e) \
         else {} end",
        untag_one("e.value"),
        untag_one(json)
    )
}

/// A selected column and its expression.
type Column = (String, String);

fn of_kind(layout: &Layout) -> Vec<Column> {
    let plain = |name: &str| (name.to_owned(), name.to_owned());
    let mut list = vec![
        ("tenant_id".to_owned(), uuid("tenant_id")),
        ("id".to_owned(), uuid("id")),
        plain("version"),
        plain("machine_version"),
    ];
    for (field, columns) in layout.decl.fields.iter().zip(&layout.columns) {
        // Secrets and search texts are not part of the contract.
        if field.marks.secret || field.ty == FieldType::Folded {
            continue;
        }
        for (at, name) in columns.names.iter().enumerate() {
            let quoted = format!("\"{name}\"");
            let shown = match field.ty {
                FieldType::Id(_) | FieldType::StageId => uuid(&quoted),
                FieldType::Ref(_) if at == 1 => uuid(&quoted),
                FieldType::Time => time(&quoted),
                FieldType::Date => date(&quoted),
                FieldType::Properties => {
                    format!("(select json_group_object(p.key, json({})) from json_each({quoted}) p)", untag("p.value"))
                }
                _ => quoted,
            };
            list.push((name.clone(), shown));
        }
    }
    list
}

/// Returns the name of each view, its columns, and what it selects.
pub(crate) fn all() -> impl Iterator<Item = (String, Vec<String>, String)> {
    let kinds = crm_core::value::Kind::ALL.iter().map(|&kind| {
        let layout = layout(kind);
        (kind.plural().to_owned(), of_kind(layout), format!("\"{kind}\""))
    });
    let ids = ["tenant_id", "record_id", "commit_id", "changed_by"];
    let times = ["recorded_at", "occurred_at"];
    let of_change = move |name: &str| {
        let column = format!("c.{name}");
        let shown = match name {
            "field_group" => format!("case {column} when 0 then 'person' else 'machine' end"),
            _ if ids.contains(&name) || name == "stage_move" => uuid(&column),
            _ if times.contains(&name) => time(&column),
            _ => column,
        };
        (name.to_owned(), shown)
    };
    let changes = [
        "tenant_id",
        "kind",
        "record_id",
        "field_group",
        "version",
        "commit_id",
        "recorded_at",
        "occurred_at",
        "changed_by",
        "action",
        "origin",
        "cause",
        "stage_move",
    ];
    let fields = [
        "tenant_id",
        "kind",
        "record_id",
        "version",
        "commit_id",
        "recorded_at",
        "occurred_at",
        "changed_by",
        "action",
    ];
    let of_fields = [
        ("field".to_owned(), "f.value ->> '$.field'".to_owned()),
        ("old".to_owned(), untag("(f.value -> '$.old')")),
        ("new".to_owned(), untag("(f.value -> '$.new')")),
    ];
    let log = [
        ("changes".to_owned(), changes.map(of_change).into(), "change c".to_owned()),
        (
            "field_changes".to_owned(),
            fields.map(of_change).into_iter().chain(of_fields).collect(),
            "change c, json_each(c.fields) f".to_owned(),
        ),
    ];
    kinds.chain(log).map(|(name, columns, from): (String, Vec<Column>, String)| {
        let list: Vec<String> = columns.iter().map(|(name, shown)| format!("{shown} as \"{name}\"")).collect();
        (
            name,
            columns.into_iter().map(|(name, _)| name).collect(),
            format!("select {}\nfrom {from}", list.join(",\n  ")),
        )
    })
}
