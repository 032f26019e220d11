//! Reading by id, by claim and by idempotency key: one statement for all that is wanted, of whatever kinds.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use crm_core::{
    catalog,
    schema::Image,
    store::{Answer, Claim, Definitions, Got, KeyEntry, StoreError, Want},
    value::{Id, Kind, Ref},
};
use sqlx::{Arguments as _, postgres::PgArguments, types::Json};

use crate::{
    error,
    layout::layout,
    link::Link,
    row::{self, Projection, RECORD_HEAD},
};

/// Columns before the slots: what the row is, which of the claims, an idempotency key's entry, and the record's head.
const HEAD: usize = 7;

/// What the rows of a get are called that are no records.
const EPOCH: &str = "";
const KEY: &str = "#key";

/// Which kinds are wanted, and how: what a statement's text depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Shape {
    /// Of each kind, whether it is one record. Then its id is compared as it is: of an array, the server would plan the
    /// statement anew at each call, since it takes ten elements for what it does not know yet.
    by_id: BTreeMap<Kind, bool>,
    by_claim: BTreeSet<Kind>,
    keys: bool,
}

impl Shape {
    fn projection(&self) -> Projection {
        let kinds: BTreeSet<Kind> = self.by_id.keys().chain(&self.by_claim).copied().collect();
        Projection::new(kinds, HEAD, true)
    }

    /// The text of its statement. Parameters: the tenant, the ids of each kind, the claims' parts, the keys.
    fn statement(&self, projection: &Projection) -> String {
        let padding = projection.select(None);
        let mut sql = format!(
            "select '{EPOCH}'::text, null::bigint, null::jsonb, e.tenant_id, e.commit_id, null::bigint, \
             null::bigint{padding} from crm.epoch e where e.tenant_id = $1"
        );
        let mut next = 1;
        let mut parameter = || {
            next += 1;
            format!("${next}")
        };
        for (&kind, &is_one) in &self.by_id {
            let id = parameter();
            let id = if is_one { id } else { format!("any({id}::uuid[])") };
            let _ = write!(
                sql,
                " union all select '{kind}', null, null, {RECORD_HEAD}{} from {} t where t.tenant_id = $1 and t.id = {id}",
                projection.select(Some(kind)),
                layout(kind).table,
            );
        }
        if !self.by_claim.is_empty() {
            let (tenants, kinds, names, values) = (parameter(), parameter(), parameter(), parameter());
            for &kind in &self.by_claim {
                let _ = write!(
                    sql,
                    " union all select '{kind}', w.n, null, {RECORD_HEAD}{} from unnest({tenants}::uuid[], \
                     {kinds}::text[], {names}::text[], {values}::text[]) with ordinality as w(tenant, kind, name, value, \
                     n) join crm.claim c on c.tenant_id = w.tenant and c.kind = '{kind}' and c.name = w.name and c.value \
                     = w.value and c.holder_kind = '{kind}' join {} t on t.tenant_id = c.holder_tenant_id and t.id = \
                     c.holder_id where w.kind = '{kind}' and (w.tenant = '{}' or (w.tenant = $1 and c.holder_tenant_id \
                     = $1))",
                    projection.select(Some(kind)),
                    layout(kind).table,
                    Id::NIL
                );
            }
        }
        if self.keys {
            let _ = write!(
                sql,
                " union all select '{KEY}', null, k.entry, k.tenant_id, null, null, null{padding} from \
                 crm.idempotency_key k where k.tenant_id = $1 and k.key = any({}::text[])",
                parameter()
            );
        }
        sql
    }
}

/// A statement that was made before.
#[derive(Debug)]
struct Made {
    projection: Projection,
    sql: Arc<str>,
}

/// The statements made so far, by shape: few, since use cases ask for few combinations of kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statements {
    made: Arc<Mutex<HashMap<Shape, Arc<Made>>>>,
}

impl Statements {
    fn of(&self, shape: Shape) -> Arc<Made> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(shape).or_insert_with_key(|shape| {
            let projection = shape.projection();
            Arc::new(Made { sql: shape.statement(&projection).into(), projection })
        }))
    }
}

/// Gets what is wanted, in one round trip.
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
    let made = statements.of(Shape {
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

    let mut epoch = Id::NIL;
    let mut records: HashMap<Ref, Arc<Image>> = HashMap::new();
    let mut held: HashMap<usize, Arc<Image>> = HashMap::new();
    let mut entries: HashMap<String, KeyEntry> = HashMap::new();
    for row in link.rows(Arc::clone(&made.sql), arguments).await.map_err(error::of_read)? {
        match row::get::<&str>(&row, 0)? {
            EPOCH => epoch = Id::from_uuid(row::get(&row, 4)?),
            KEY => {
                let entry = row::get::<Json<KeyEntry>>(&row, 2)?.0;
                entries.insert(entry.key.clone(), entry);
            }
            kind => {
                let image = Arc::new(made.projection.decode(kind_of(kind)?, &row)?);
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
    Ok(Answer { got: got.collect(), epoch })
}

/// All definitions of a tenant and the epoch they belong to, in one round trip.
pub(crate) async fn definitions(link: &Link, tenant: Id) -> Result<Definitions, StoreError> {
    static MADE: std::sync::LazyLock<Made> = std::sync::LazyLock::new(|| {
        let kinds: Vec<Kind> = catalog::all().filter(|decl| decl.is_definition).map(|decl| decl.kind).collect();
        let projection = Projection::new(kinds.iter().copied(), HEAD, true);
        let padding = projection.select(None);
        let mut sql = format!(
            "select '{EPOCH}'::text, null::bigint, null::jsonb, e.tenant_id, e.commit_id, null::bigint, \
             null::bigint{padding} from crm.epoch e where e.tenant_id = $1"
        );
        for kind in kinds {
            let _ = write!(
                sql,
                " union all select '{kind}', null, null, {RECORD_HEAD}{} from {} t where t.tenant_id = $1",
                projection.select(Some(kind)),
                layout(kind).table
            );
        }
        Made { sql: sql.into(), projection }
    });
    let mut arguments = PgArguments::default();
    arguments.add(tenant.uuid()).map_err(|error| StoreError::BadQuery(error.to_string()))?;
    let mut definitions = Definitions { epoch: Id::NIL, images: Vec::new() };
    for row in link.rows(Arc::clone(&MADE.sql), arguments).await.map_err(error::of_read)? {
        match row::get::<&str>(&row, 0)? {
            EPOCH => definitions.epoch = Id::from_uuid(row::get(&row, 4)?),
            kind => definitions.images.push(Arc::new(MADE.projection.decode(kind_of(kind)?, &row)?)),
        }
    }
    Ok(definitions)
}

fn kind_of(name: &str) -> Result<Kind, StoreError> {
    name.parse().map_err(|error: crm_core::value::UnknownKind| StoreError::corrupt(error.to_string()))
}
