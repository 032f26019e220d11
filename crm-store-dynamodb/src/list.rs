//! Lists: pages of one kind by a declared index.
//!
//! A query of a global index returns complete records in order. A list-valued index returns small entries, whose
//! records are then read by key with strong consistency and checked again: stale entries are skipped, and so are
//! records that the filter rejects.
//!
//! Every filter is evaluated by DynamoDB and then again by the store. Permissions are part of the filter, and a fault
//! of the translation must not expose a record.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use crm_core::{
    filter::{Compare, Path, Predicate, Test},
    schema::{FieldType, Image, IndexDecl, KindDecl},
    store::{Page, Position, Query, StoreError},
    value::{Id, Ref, Value},
};

use crate::{
    DynamoStore,
    expression::Placeholders,
    filter,
    get::MAX_BATCH,
    item, key, layout,
    value::{Item, corrupt},
};

/// The maximum number of DynamoDB pages per call.
const MAX_PAGES: usize = 4;
/// With a filter, the first page examines this multiple of the limit, and at least [`FIRST_LOOK`] records. If the
/// filter passes most records, a page of fifty then costs about as much as it shows. Later pages are DynamoDB's own, of
/// 1 MB.
const FIRST_LOOK_TIMES: usize = 4;
const FIRST_LOOK: usize = 100;

/// The query to execute, after a possible switch to another index for a missing value.
struct Plan<'a> {
    query: &'a Query,
    index: &'a IndexDecl,
    equals: Vec<Value>,
    filter: Predicate,
    name: &'static str,
    partition: &'static str,
    sort: &'static str,
}

impl<'a> Plan<'a> {
    fn new(query: &'a Query) -> Result<Self, StoreError> {
        if query.equals.len() != query.index.equals.len() {
            return Err(StoreError::BadQuery("a value is required for each equal field of the index".to_owned()));
        }
        if let Some(after) = &query.after
            && !fits(&after.sort, query.decl.fields[query.index.sort].ty)
        {
            return Err(StoreError::BadQuery("the cursor does not fit this list".to_owned()));
        }
        let layout = layout::of(query.decl);
        let mut filter = query.filter.clone();
        let (index, equals) = match layout.fallback(query.decl, query.index, &query.equals) {
            None => (query.index, query.equals.clone()),
            Some(other) => {
                let mut equals = Vec::with_capacity(other.equals.len());
                for field in &other.equals {
                    let at = query.index.equals.iter().position(|own| own == field);
                    equals.push(at.map_or(Value::Null, |at| query.equals[at].clone()));
                }
                for (&field, value) in query.index.equals.iter().zip(&query.equals) {
                    if !other.equals.contains(&field) {
                        filter = filter.and(stands_under(query.decl, field, value));
                    }
                }
                (other, equals)
            }
        };
        let (name, partition, sort) = layout::global(layout.slots[index.position]);
        Ok(Self { query, index, equals, filter, name, partition, sort })
    }

    fn is_filtered(&self) -> bool {
        !self.filter.is_always()
    }

    /// The key of the index at a position, where DynamoDB continues.
    fn start(&self, after: &Position) -> Item {
        let query = self.query;
        let pk = key::index(query.tenant, query.decl, self.index, &self.equals);
        let record = Ref::new(query.decl.kind, after.id);
        let key = if self.index.per_element {
            key::entry(query.tenant, query.decl, self.index.equals[0], &self.equals[0], after.id)
        } else {
            key::record(query.tenant, record)
        };
        let mut start = key.attributes();
        start.insert(self.partition.to_owned(), Attribute::S(pk));
        start.insert(self.sort.to_owned(), Attribute::S(key::index_place(&after.sort, after.id)));
        start
    }

    /// The position of an item in the index.
    fn position(&self, item: &Item) -> Result<Position, StoreError> {
        let ty = self.query.decl.fields[self.index.sort].ty;
        let place = item.get(self.sort).and_then(|place| place.as_s().ok());
        let (sort, id) = place.and_then(|place| key::read_index_place(place, ty)).ok_or_else(|| corrupt("place"))?;
        Ok(Position { sort, id })
    }

    /// Returns `true` if the current record matches the entry of the index and the filter.
    fn holds(&self, image: &Image) -> bool {
        image.tenant == self.query.tenant
            && self.index.entries(image).contains(&self.equals)
            && self.filter.holds(image)
    }
}

/// The test that a field has the given value, or no value.
fn stands_under(decl: &KindDecl, field: usize, value: &Value) -> Predicate {
    let ty = decl.fields[field].ty;
    if value.is_null() {
        return Predicate::Test(Test {
            path: Path { field, property: None },
            ty: ty.element(),
            list: ty.is_list(),
            compare: Compare::Missing,
            operands: Vec::new(),
        });
    }
    Predicate::field_eq(field, ty, value.clone())
}

/// Returns `true` if the index can hold the sort value of a position.
fn fits(sort: &Value, ty: FieldType) -> bool {
    matches!(
        (sort, ty),
        (Value::Null, _)
            | (Value::Time(_), FieldType::Time)
            | (Value::Date(_), FieldType::Date)
            | (Value::Int(_), FieldType::Int(..))
            | (Value::Decimal(_), FieldType::Decimal)
            | (Value::Text(_), FieldType::Text(_))
    )
}

impl DynamoStore {
    pub(crate) async fn list_page(&self, query: &Query) -> Result<Page, StoreError> {
        let plan = Plan::new(query)?;
        let limit = query.limit.max(1);
        let mut items: Vec<Arc<Image>> = Vec::with_capacity(limit.min(256));
        let mut start = query.after.as_ref().map(|after| plan.start(after));
        let mut last: Option<Position> = None;
        for page in 0..MAX_PAGES {
            let answer = self.index_page(&plan, start.take(), page, limit - items.len()).await?;
            let images = if plan.index.per_element {
                self.records_of_entries(&plan, answer.items()).await?
            } else {
                let read = answer.items().iter().map(|item| {
                    let position = plan.position(item)?;
                    Ok((position, item::read_record(item)?.filter(|image| plan.holds(image)).map(Arc::new)))
                });
                read.collect::<Result<Vec<_>, StoreError>>()?
            };
            let examined = images.len();
            for (at, (position, image)) in images.into_iter().enumerate() {
                last = Some(position);
                let Some(image) = image else { continue };
                items.push(image);
                if items.len() == limit {
                    let is_end = at + 1 == examined && answer.last_evaluated_key().is_none();
                    return Ok(Page { items, next: last.filter(|_| !is_end) });
                }
            }
            start = answer.last_evaluated_key;
            match &start {
                None => return Ok(Page { items, next: None }),
                // Items rejected by DynamoDB's filter were examined as well.
                Some(key) => last = Some(plan.position(key)?),
            }
        }
        Ok(Page { items, next: last })
    }

    async fn index_page(
        &self,
        plan: &Plan<'_>,
        start: Option<Item>,
        page: usize,
        wanted: usize,
    ) -> Result<aws_sdk_dynamodb::operation::query::QueryOutput, StoreError> {
        let query = plan.query;
        let mut names = Placeholders::default();
        let pk = key::index(query.tenant, query.decl, plan.index, &plan.equals);
        let condition = format!("{}={}", names.name(plan.partition), names.value(Attribute::S(pk)));
        // Entries have no attributes to filter by.
        let is_asked = plan.is_filtered() && !plan.index.per_element;
        let filter = if is_asked { filter::translate(query.decl, &plan.filter, &mut names) } else { None };
        // One record more than requested shows whether the list continues. With a filter the page size is not used.
        let limit = if plan.index.per_element {
            Some(if plan.is_filtered() { MAX_BATCH } else { (wanted + 1).min(MAX_BATCH) })
        } else if !plan.is_filtered() {
            Some(wanted + 1)
        } else if page == 0 {
            Some(wanted.saturating_mul(FIRST_LOOK_TIMES).max(FIRST_LOOK))
        } else {
            None
        };
        let limit = limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
        let (names, values) = names.into_maps();
        let answer = self
            .retry
            .read(|| {
                self.client
                    .query()
                    .table_name(&self.table)
                    .index_name(plan.name)
                    .key_condition_expression(&condition)
                    .set_filter_expression(filter.clone())
                    .set_expression_attribute_names(names.clone())
                    .set_expression_attribute_values(values.clone())
                    .set_exclusive_start_key(start.clone())
                    .scan_index_forward(!query.descending)
                    .set_limit(limit)
                    .set_return_consumed_capacity(self.capacity())
                    .send()
            })
            .await?;
        self.consumed("list", answer.consumed_capacity.as_slice());
        Ok(answer)
    }

    /// The records of entries, in the order of the entries and each with its position; `None` if the entry is stale or
    /// the filter rejects the record.
    async fn records_of_entries(
        &self,
        plan: &Plan<'_>,
        entries: &[Item],
    ) -> Result<Vec<(Position, Option<Arc<Image>>)>, StoreError> {
        let positions = entries.iter().map(|entry| plan.position(entry)).collect::<Result<Vec<_>, _>>()?;
        let key_of = |id: Id| key::record(plan.query.tenant, Ref::new(plan.query.decl.kind, id));
        let found = self.batch_get("list", positions.iter().map(|position| key_of(position.id))).await?;
        positions
            .into_iter()
            .map(|position| {
                let image = found.get(&key_of(position.id)).map(item::read_record).transpose()?.flatten();
                Ok((position, image.filter(|image| plan.holds(image)).map(Arc::new)))
            })
            .collect()
    }
}
