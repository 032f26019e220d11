//! Due records of all tenants. The due records of a kind are in eight partitions of one index, distributed by tenant
//! and sorted by due time.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use crm_core::{
    schema::{FieldType, KindDecl, common},
    store::StoreError,
    value::{Id, Ref, Time},
};
use futures::future;

use crate::{
    DynamoStore,
    expression::Placeholders,
    key::{self, DUE_PARTITIONS, Key, PK, SK},
    layout,
    value::{Item, corrupt},
};

/// The maximum number of DynamoDB pages read per partition.
const MAX_PAGES: usize = 4;

/// The due records of each tenant, in the order of their due times.
type Due = BTreeMap<Id, Vec<(Ref, Time)>>;

impl DynamoStore {
    /// Reads all partitions concurrently from the start, because only they show which tenants have due records.
    pub(crate) async fn due_records(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        let Some(slot) = layout::of(decl).due else { return Ok(Vec::new()) };
        let partitions = (0..DUE_PARTITIONS)
            .map(|number| self.due_of_partition(slot, key::due(decl.kind, number), until, per_tenant));
        // Each tenant is in exactly one partition.
        let due: Due = future::try_join_all(partitions).await?.into_iter().flatten().collect();
        Ok(due
            .into_iter()
            .filter(|(tenant, _)| after.is_none_or(|after| *tenant > after))
            .flat_map(|(tenant, due)| due.into_iter().map(move |(record, time)| (tenant, record, time)))
            .take(limit)
            .collect())
    }

    async fn due_of_partition(
        &self,
        slot: usize,
        partition: String,
        until: Time,
        per_tenant: usize,
    ) -> Result<Due, StoreError> {
        let (index, partition_name, sort_name) = layout::global(slot);
        let mut names = Placeholders::default();
        let condition = format!(
            "{}={} AND {}<={}",
            names.name(partition_name),
            names.value(Attribute::S(partition)),
            names.name(sort_name),
            names.value(Attribute::S(key::time_prefix(until) + "~")),
        );
        let live = format!("attribute_not_exists({})", names.name(layout::COMMON[common::ARCHIVED_AT]));
        let shown = [PK, SK, sort_name].map(|name| names.name(name)).join(",");
        let (names, values) = names.into_maps();
        let mut due = Due::new();
        let mut start: Option<Item> = None;
        for _ in 0..MAX_PAGES {
            let answer = self
                .retry
                .read(|| {
                    self.client
                        .query()
                        .table_name(&self.table)
                        .index_name(index)
                        .key_condition_expression(&condition)
                        .filter_expression(&live)
                        .projection_expression(&shown)
                        .set_expression_attribute_names(names.clone())
                        .set_expression_attribute_values(values.clone())
                        .set_exclusive_start_key(start.clone())
                        .set_return_consumed_capacity(self.capacity())
                        .send()
                })
                .await?;
            self.consumed("due", answer.consumed_capacity.as_slice());
            for item in answer.items() {
                let (tenant, record, time) = read(item, sort_name).ok_or_else(|| corrupt("place"))?;
                let of_tenant = due.entry(tenant).or_default();
                if of_tenant.len() < per_tenant {
                    of_tenant.push((record, time));
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(due)
    }
}

/// Decodes the tenant, record and due time of an item.
fn read(item: &Item, sort: &str) -> Option<(Id, Ref, Time)> {
    let key = Key::of(item)?;
    let (tenant, record) = key::read_record(&key)?;
    let (time, _) = key::read_index_place(item.get(sort)?.as_s().ok()?, FieldType::Time)?;
    Some((tenant, record.known()?, time.as_time()?))
}
