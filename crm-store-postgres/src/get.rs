//! Reads records by id or claim, and entries of idempotency keys, of any kinds, in one statement.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use crm_core::{
    catalog,
    schema::Image,
    store::{Answer, Claim, CommitId, Definitions, Epochs, Got, KeyEntry, StoreError, Want},
    value::{Id, Kind, Ref},
};
use serde::Deserialize as _;
use sqlx::{Arguments as _, postgres::PgArguments};

use crate::{
    composite::Fields,
    error,
    layout::layout,
    link::Link,
    row::{self, composite, decode},
};

/// Markers of the rows that are not records. A row has three columns: its marker or kind, the number of the claim that
/// led to it, and the record as one composite.
const EPOCHS: &str = "";
const KEY: &str = "#key";

/// The kinds requested and how: everything that the text of the statement depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Shape {
    /// For each kind, whether a single record is requested. A single id is compared directly: with an array parameter
    /// the server would plan the statement at each call, because it assumes ten elements for an unknown array.
    by_id: BTreeMap<Kind, bool>,
    by_claim: BTreeSet<Kind>,
    keys: bool,
}

impl Shape {
    /// The text of the statement. Parameters: the tenant, the ids of each kind, the parts of the claims, the keys.
    fn statement(&self) -> String {
        let mut sql = of_epochs();
        let mut next = 1;
        let mut parameter = || {
            next += 1;
            format!("${next}")
        };
        for (&kind, &is_one) in &self.by_id {
            let id = parameter();
            let id = if is_one { id } else { format!("any({id}::uuid[])") };
            let _ = write!(sql, " union all {} and t.id = {id}", of_kind(kind));
        }
        if !self.by_claim.is_empty() {
            let (tenants, kinds, names, values) = (parameter(), parameter(), parameter(), parameter());
            for &kind in &self.by_claim {
                let _ = write!(
                    sql,
                    " union all select '{kind}', w.n, {} from unnest({tenants}::uuid[], {kinds}::text[], \
                     {names}::text[], {values}::text[]) with ordinality as w(tenant, kind, name, value, n) join \
                     crm.claim c on c.tenant_id = w.tenant and c.kind = '{kind}' and c.name = w.name and c.value = \
                     w.value and c.holder_kind = '{kind}' join {} t on t.tenant_id = c.holder_tenant_id and t.id = \
                     c.holder_id where w.kind = '{kind}' and (w.tenant = '{}' or (w.tenant = $1 and c.holder_tenant_id \
                     = $1))",
                    composite(kind, true),
                    layout(kind).table,
                    uuid::Uuid::nil()
                );
            }
        }
        if self.keys {
            let _ = write!(
                sql,
                " union all select '{KEY}', null, row(k.entry) from crm.idempotency_key k where k.tenant_id = $1 and \
                 k.key = any({}::text[])",
                parameter()
            );
        }
        sql
    }
}

/// The row of the epochs, which is first in every statement.
fn of_epochs() -> String {
    format!(
        "select '{EPOCHS}'::text, null::bigint, row(e.definitions, e.access) from crm.epoch e where e.tenant_id = $1"
    )
}

/// Decodes the epochs from their row.
pub(crate) fn read_epochs(fields: &mut Fields<'_>) -> Result<Epochs, StoreError> {
    Ok(Epochs {
        definitions: fields.id()?.map_or(CommitId::NIL, Id::typed),
        access: fields.id()?.map_or(CommitId::NIL, Id::typed),
    })
}

/// Decodes the entry of an idempotency key, skipping records of kinds that this program does not know.
fn key_entry(mut json: serde_json::Value) -> Result<KeyEntry, StoreError> {
    if let Some(records) = json.get_mut("records").and_then(serde_json::Value::as_array_mut) {
        records.retain(|record| record.get(0).is_some_and(|record| Ref::deserialize(record).is_ok()));
    }
    serde_json::from_value(json).map_err(|error| StoreError::corrupt(error.to_string()))
}

fn of_kind(kind: Kind) -> String {
    format!("select '{kind}', null, {} from {} t where t.tenant_id = $1", composite(kind, true), layout(kind).table)
}

/// A cache of statements by shape. It stays small, because use cases request few combinations of kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statements {
    made: Arc<Mutex<HashMap<Shape, Arc<str>>>>,
}

impl Statements {
    fn of(&self, shape: Shape) -> Arc<str> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(shape).or_insert_with_key(|shape| shape.statement().into()))
    }
}

/// Reads everything requested in one round trip.
pub(crate) async fn get(
    link: &Link,
    statements: &Statements,
    tenant: Id,
    wants: &[Want],
) -> Result<Answer, StoreError> {
    let mut ids: BTreeMap<Kind, Vec<uuid::Uuid>> = BTreeMap::new();
    let mut claims: Vec<&Claim> = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    for want in wants {
        match want {
            Want::Record(record) => ids.entry(record.kind).or_default().push(record.id.uuid()),
            Want::Claimed(claim) => claims.push(claim),
            Want::Key(key) => keys.push(key),
        }
    }
    let sql = statements.of(Shape {
        by_id: ids.iter().map(|(&kind, ids)| (kind, ids.len() == 1)).collect(),
        by_claim: claims.iter().map(|claim| claim.kind).collect(),
        keys: !keys.is_empty(),
    });

    let bad = |error: sqlx::error::BoxDynError| StoreError::BadQuery(error.to_string());
    let mut arguments = PgArguments::default();
    arguments.add(tenant.uuid()).map_err(bad)?;
    for ids in ids.into_values() {
        match ids.as_slice() {
            [only] => arguments.add(only).map_err(bad)?,
            _ => arguments.add(ids).map_err(bad)?,
        }
    }
    if !claims.is_empty() {
        arguments.add(claims.iter().map(|claim| claim.tenant.uuid()).collect::<Vec<_>>()).map_err(bad)?;
        arguments.add(claims.iter().map(|claim| claim.kind.name()).collect::<Vec<_>>()).map_err(bad)?;
        arguments.add(claims.iter().map(|claim| claim.name.as_str()).collect::<Vec<_>>()).map_err(bad)?;
        arguments.add(claims.iter().map(|claim| claim.value.as_str()).collect::<Vec<_>>()).map_err(bad)?;
    }
    if !keys.is_empty() {
        arguments.add(&keys).map_err(bad)?;
    }

    let mut epochs = Epochs::default();
    let mut records: HashMap<Ref, Arc<Image>> = HashMap::new();
    let mut held: HashMap<usize, Arc<Image>> = HashMap::new();
    let mut entries: HashMap<String, KeyEntry> = HashMap::new();
    for row in link.rows(sql, arguments).await.map_err(error::of_read)? {
        let mut fields = Fields::of(&row, 2)?;
        match row::get::<&str>(&row, 0)? {
            EPOCHS => epochs = read_epochs(&mut fields)?,
            KEY => {
                if let Some(entry) = fields.json()?.map(key_entry).transpose()? {
                    entries.insert(entry.key.clone(), entry);
                }
            }
            kind => {
                let image = Arc::new(decode(kind_of(kind)?, true, fields)?);
                match row::get::<Option<i64>>(&row, 1)? {
                    Some(claim) => held.insert(usize::try_from(claim).unwrap_or_default(), image),
                    None => records.insert(image.reference(), image),
                };
            }
        }
    }

    let mut claim = 0;
    let got = wants.iter().map(|want| match want {
        Want::Record(record) => Got::Record(records.get(record).cloned()),
        Want::Claimed(_) => {
            claim += 1;
            Got::Record(held.get(&claim).cloned())
        }
        Want::Key(key) => Got::Key(entries.get(key).cloned()),
    });
    Ok(Answer { got: got.collect(), epochs })
}

/// Reads all definitions of a tenant and its epochs in one round trip.
pub(crate) async fn definitions(link: &Link, tenant: Id) -> Result<Definitions, StoreError> {
    static SQL: LazyLock<Arc<str>> = LazyLock::new(|| {
        let kinds = catalog::all().filter(|decl| decl.is_definition).map(|decl| decl.kind);
        let sql = kinds.fold(of_epochs(), |sql, kind| sql + " union all " + &of_kind(kind));
        sql.into()
    });
    let mut arguments = PgArguments::default();
    arguments.add(tenant.uuid()).map_err(|error| StoreError::BadQuery(error.to_string()))?;
    let mut definitions = Definitions { epochs: Epochs::default(), images: Vec::new() };
    for row in link.rows(Arc::clone(&SQL), arguments).await.map_err(error::of_read)? {
        let mut fields = Fields::of(&row, 2)?;
        match row::get::<&str>(&row, 0)? {
            EPOCHS => definitions.epochs = read_epochs(&mut fields)?,
            kind => definitions.images.push(Arc::new(decode(kind_of(kind)?, true, fields)?)),
        }
    }
    Ok(definitions)
}

fn kind_of(name: &str) -> Result<Kind, StoreError> {
    name.parse().map_err(|error: crm_core::value::UnknownKind| StoreError::corrupt(error.to_string()))
}
