//! Pages and counts of one kind by a declared index: one statement each, in index order.
//!
//! In ascending order missing sort values are last; descending order is the exact reverse. This is the order of a
//! b-tree read forwards and backwards. A keyset condition on a row of columns is false for a missing value. If a page
//! may run from present values into missing ones (or back), the statement therefore has two parts, and the second is
//! executed only if the first did not fill the page.

use std::sync::{Arc, LazyLock};

use crm_core::{
    schema::{FieldType, IndexDecl},
    store::{Epochs, Page, Position, Query, StoreError},
    value::{Kind, Value},
};

use crate::{
    args::Statement,
    composite::Fields,
    error,
    filter::{self, holds},
    get::read_epochs,
    layout::{Entries, Layout, layout, quoted},
    link::Link,
    row::{self, composite, decode},
};

/// The source of a query's records: tables and conditions, except for the position to start after.
struct Source<'a> {
    layout: &'static Layout,
    index: &'a IndexDecl,
    /// The table of a list-valued index, if the query reads one.
    entries: Option<&'static Entries>,
    /// `from … where …`.
    text: String,
    /// The columns compared with a missing value. PostgreSQL does not treat them as constant, so they are part of the
    /// sort order, as they are part of the index.
    constant: Vec<String>,
}

impl<'a> Source<'a> {
    /// Returns `None` if the list is certainly empty.
    fn of(statement: &mut Statement, query: &'a Query) -> Result<Option<Self>, StoreError> {
        let layout = layout(query.decl.kind);
        let index = query.index;
        if query.equals.len() != index.equals.len() {
            return Err(StoreError::BadQuery("a value is required for each equal field of the index".to_owned()));
        }
        if let Some(after) = &query.after {
            check_position(query, after)?;
        }
        let entries = layout.entries.iter().find(|entries| entries.index.position == index.position);
        let tenant = statement.bind(query.tenant.uuid())?;
        let mut conditions: Vec<String> = vec![format!("t.tenant_id = {tenant}")];
        let mut constant = Vec::new();
        let mut from = format!("{} t", layout.table);
        for (at, (&position, value)) in index.equals.iter().zip(&query.equals).enumerate() {
            let field = &layout.decl.fields[position];
            if let Some(entries) = entries.filter(|_| at == 0) {
                if !holds(field.ty.element(), value) {
                    return Ok(None);
                }
                from =
                    format!("{} e join {} t on t.tenant_id = e.tenant_id and t.id = e.id", entries.table, layout.table);
                conditions[0] = format!("e.tenant_id = {tenant}");
                conditions.push(match value {
                    Value::Ref(target) => {
                        let kind = statement.bind(target.kind.name())?;
                        format!("e.target_kind = {kind} and e.target_id = {}", statement.bind(target.id.uuid())?)
                    }
                    Value::Id(id) => format!("e.target_id = {}", statement.bind(id.uuid())?),
                    other => match statement.bind_value(other)? {
                        Some(bound) => format!("e.target = {bound}"),
                        None => return Ok(None),
                    },
                });
                continue;
            }
            let columns: Vec<String> =
                layout.columns[position].iter().map(|column| format!("t.{}", quoted(&column.name))).collect();
            match value {
                Value::Null => {
                    conditions.extend(columns.iter().map(|column| format!("{column} is null")));
                    constant.extend(columns);
                }
                Value::Ref(target) if matches!(field.ty, FieldType::Ref(_)) && columns.len() == 2 => {
                    conditions.push(format!("{} = {}", columns[0], statement.bind(target.kind.name())?));
                    conditions.push(format!("{} = {}", columns[1], statement.bind(target.id.uuid())?));
                }
                other if holds(field.ty, other) => match statement.bind_value(other)? {
                    Some(bound) => conditions.push(format!("{} = {bound}", columns[0])),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }
        }
        conditions.push(format!("t.archived_at is {}null", if index.archived { "not " } else { "" }));
        if !query.filter.is_always() {
            conditions.push(filter::condition(statement, layout, &query.filter)?);
        }
        let text = format!(" from {from} where {}", conditions.join(" and "));
        Ok(Some(Self { layout, index, entries, text, constant }))
    }

    /// The columns of the sort order: the index's sort column and the id.
    fn order_columns(&self) -> (String, &'static str) {
        match self.entries {
            Some(_) => ("e.sort".to_owned(), "e.id"),
            None => (format!("t.{}", quoted(&self.layout.sort_column(self.index))), "t.id"),
        }
    }

    fn order_by(&self, descending: bool) -> String {
        let (sort, id) = self.order_columns();
        let direction = if descending { "desc nulls first" } else { "asc nulls last" };
        let columns = self.constant.iter().map(String::as_str).chain([sort.as_str(), id]);
        columns.map(|column| format!("{column} {direction}")).collect::<Vec<_>>().join(", ")
    }

    /// The conditions for records after a position: one, or two if the second continues where the first ends.
    fn after(&self, statement: &mut Statement, after: &Position, descending: bool) -> Result<Vec<String>, StoreError> {
        let (sort, id) = self.order_columns();
        let bound_id = statement.bind(after.id.uuid())?;
        let sign = if descending { "<" } else { ">" };
        // Every record has a creation time, and every archived one an archiving time.
        let field = self.layout.decl.fields[self.index.sort].name;
        let always_there = self.index.archived || field == "created_at";
        let Some(bound) = statement.bind_value(&after.sort)? else {
            let mut parts = vec![format!("{sort} is null and {id} {sign} {bound_id}")];
            if descending {
                parts.push(format!("{sort} is not null"));
            }
            return Ok(parts);
        };
        let mut parts = vec![format!("({sort}, {id}) {sign} ({bound}, {bound_id})")];
        if !descending && !always_there {
            parts.push(format!("{sort} is null"));
        }
        Ok(parts)
    }
}

/// The row with the epochs in front of a page, for the tenant in the first parameter. It is recognized by its two
/// fields, which are fewer than those of any record.
const EPOCHS: &str = "select row(e.definitions, e.access) from crm.epoch e where e.tenant_id = $1 union all ";

/// The columns that a page of a kind selects: each record as one composite.
fn selected(kind: Kind) -> &'static str {
    static ALL: LazyLock<Vec<String>> =
        LazyLock::new(|| Kind::ALL.iter().map(|&kind| composite(kind, false)).collect());
    // Kinds are numbered in declaration order.
    &ALL[kind as usize]
}

/// Returns a page, in one round trip.
pub(crate) async fn list(link: &Link, query: &Query) -> Result<Page, StoreError> {
    Ok(read(link, query, false).await?.map(|(page, _)| page).unwrap_or_default())
}

/// Returns a page and the tenant's epochs, in one round trip. Returns `None`, without a query, if the list is certainly
/// empty.
pub(crate) async fn list_with_epochs(link: &Link, query: &Query) -> Result<Option<(Page, Epochs)>, StoreError> {
    read(link, query, true).await
}

async fn read(link: &Link, query: &Query, with_epochs: bool) -> Result<Option<(Page, Epochs)>, StoreError> {
    let mut statement = Statement::default();
    let Some(source) = Source::of(&mut statement, query)? else { return Ok(None) };
    let limit = query.limit.max(1);
    let selected = selected(query.decl.kind);
    let parts = match &query.after {
        None => vec!["true".to_owned()],
        Some(after) => source.after(&mut statement, after, query.descending)?,
    };
    let order = source.order_by(query.descending);
    // The limit is a literal: with a parameter the planner assumes a tenth of all rows.
    let part = |statement: &mut Statement, condition: &str, besides: &str| {
        for text in ["select ", selected, &source.text, " and ", condition, besides, " order by ", &order, " limit "] {
            statement.push(text);
        }
        statement.push_number(limit.saturating_add(1));
    };
    let lead = |statement: &mut Statement| {
        if with_epochs {
            statement.push(EPOCHS);
        }
    };
    if let [only] = parts.as_slice() {
        lead(&mut statement);
        statement.push("(");
        part(&mut statement, only, "");
        statement.push(")");
    } else {
        let names = ["a", "b"];
        for (at, (name, condition)) in names.iter().zip(&parts).enumerate() {
            statement.push(if at == 0 { "with " } else { ", " });
            statement.push(&format!("{name} as materialized ("));
            let besides = if at == 0 { String::new() } else { format!(" and (select count(*) from a) <= {limit}") };
            part(&mut statement, condition, &besides);
            statement.push(")");
        }
        statement.push(" ");
        lead(&mut statement);
        statement.push("select * from a union all select * from b");
    }
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    let mut rows = rows.as_slice();
    let mut read = Epochs::default();
    if let [first, rest @ ..] = rows {
        let mut fields = Fields::of(first, 0)?;
        if fields.left() == 2 {
            read = read_epochs(&mut fields)?;
            rows = rest;
        }
    }
    let more = rows.len() > limit;
    let items = rows
        .iter()
        .take(limit)
        .map(|row| decode(query.decl.kind, false, Fields::of(row, 0)?).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let next = items.last().filter(|_| more).map(|last| Position { sort: query.index.sort_value(last), id: last.id });
    Ok(Some((Page { items, next }, read)))
}

/// Returns the number of records of the query over all pages, in one round trip.
pub(crate) async fn count(link: &Link, query: &Query) -> Result<u64, StoreError> {
    let mut statement = Statement::default();
    let Some(source) = Source::of(&mut statement, query)? else { return Ok(0) };
    statement.push(&format!("select count(*){}", source.text));
    let (sql, arguments) = statement.finish();
    let rows = link.rows(sql, arguments).await.map_err(error::of_read)?;
    rows.first().map_or(Ok(0), |row| row::version(row, 0))
}

/// Checks that the index can hold the sort value of the position.
fn check_position(query: &Query, after: &Position) -> Result<(), StoreError> {
    let fits = match (&after.sort, query.decl.fields[query.index.sort].ty) {
        (Value::Null, _) => true,
        (
            value,
            ty @ (FieldType::Time | FieldType::Date | FieldType::Int(..) | FieldType::Decimal | FieldType::Text(_)),
        ) => holds(ty, value),
        _ => false,
    };
    if fits { Ok(()) } else { Err(StoreError::BadQuery("the cursor does not fit this list".to_owned())) }
}

#[cfg(test)]
mod tests {
    use crm_core::{catalog, schema::Group};

    use crate::layout::group;

    #[test]
    fn list_valued_indexes_sort_by_what_people_write() {
        // The tables of list-valued indexes copy the sort value, and only writes by users are checked for moving
        // entries.
        for decl in catalog::all() {
            for index in decl.indexes.iter().filter(|index| index.per_element) {
                assert_eq!(group(&decl.fields[index.sort]), Group::User, "{} {}", decl.kind, index.name);
            }
        }
    }
}
