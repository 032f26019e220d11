//! Strongly consistent reads by key: records, claims, idempotency keys and definitions.
//!
//! One `BatchGetItem` reads up to a hundred items including the epoch. A claim needs a second request, because only its
//! item names the record. For kinds with long texts, the item of the texts is requested together with every record,
//! whether or not it exists; that costs half a read unit and saves a round trip.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use crm_core::{
    catalog,
    schema::{Image, Versions},
    store::{Answer, Definitions, Epochs, Got, StoreError, Want},
    value::{Id, Ref},
};

use crate::{
    DynamoStore, error,
    expression::Placeholders,
    item,
    key::{self, Key, PK},
    layout,
    value::{self, Item},
};

/// The maximum number of keys per `BatchGetItem`.
pub(crate) const MAX_BATCH: usize = 100;

impl DynamoStore {
    /// Reads many items by key with strong consistency. Unprocessed keys are requested again. Missing items are not in
    /// the result.
    pub(crate) async fn batch_get(
        &self,
        operation: &'static str,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<HashMap<Key, Item>, StoreError> {
        let keys: Vec<Key> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = HashMap::with_capacity(keys.len());
        for chunk in keys.chunks(MAX_BATCH) {
            let mut open: Vec<HashMap<String, _>> = chunk.iter().map(Key::attributes).collect();
            let mut tries = 0;
            while !open.is_empty() {
                tries += 1;
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut open)))
                    .consistent_read(true)
                    .build()
                    .map_err(error::unavailable)?;
                let answer = self
                    .retry
                    .read(|| {
                        self.client
                            .batch_get_item()
                            .request_items(&self.table, request.clone())
                            .set_return_consumed_capacity(self.capacity())
                            .send()
                    })
                    .await?;
                self.consumed(operation, answer.consumed_capacity());
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    let key = Key::of(&item).ok_or_else(|| value::corrupt("key"))?;
                    found.insert(key, item);
                }
                let left = answer.unprocessed_keys.unwrap_or_default();
                open.extend(left.into_values().flat_map(|left| left.keys));
                if !open.is_empty() && !self.retry.wait(tries).await {
                    return Err(StoreError::unavailable("the table returned unprocessed keys"));
                }
            }
        }
        Ok(found)
    }

    /// The keys of the items that make up a record.
    fn record_keys(tenant: Id, record: Ref) -> impl Iterator<Item = Key> {
        let texts = layout::of(catalog::decl(record.kind)).has_long_texts.then(|| key::texts(tenant, record));
        std::iter::once(key::record(tenant, record)).chain(texts)
    }

    /// Returns the complete records. A record whose long texts were being written during the read is read again.
    async fn whole_records(
        &self,
        operation: &'static str,
        items: &mut HashMap<Key, Item>,
        wanted: &[(Id, Ref)],
    ) -> Result<HashMap<(Id, Ref), Arc<Image>>, StoreError> {
        let mut images = HashMap::with_capacity(wanted.len());
        let mut open: Vec<(Id, Ref)> = wanted.to_vec();
        let mut tries = 0;
        loop {
            let mut torn = Vec::new();
            for (tenant, record) in open {
                let Some(item) = items.get(&key::record(tenant, record)) else { continue };
                match item::read_whole(item, items.get(&key::texts(tenant, record)))? {
                    Some(image) => {
                        images.insert((tenant, record), Arc::new(image));
                    }
                    None => torn.push((tenant, record)),
                }
            }
            if torn.is_empty() {
                return Ok(images);
            }
            tries += 1;
            if !self.retry.wait(tries).await {
                return Err(StoreError::corrupt("a record and its long texts do not belong together"));
            }
            let keys = torn.iter().flat_map(|&(tenant, record)| Self::record_keys(tenant, record));
            items.extend(self.batch_get(operation, keys.collect::<Vec<_>>()).await?);
            open = torn;
        }
    }

    /// Re-reads records that are older than the commits that last moved the epochs. The items of a transaction become
    /// visible one by one, and records are cached under the epochs they were read with.
    async fn read_up_to_epochs(
        &self,
        tenant: Id,
        items: &mut HashMap<Key, Item>,
        images: &mut HashMap<(Id, Ref), Arc<Image>>,
    ) -> Result<(), StoreError> {
        let Some(epochs) = items.get(&key::epoch(tenant)) else { return Ok(()) };
        let written = item::read_written(epochs)?;
        let mut tries = 0;
        loop {
            let is_behind = |(record, versions): &&(Ref, Versions)| {
                images.get(&(tenant, *record)).is_some_and(|image| item::is_behind(image, *versions))
            };
            let behind: Vec<_> = written.iter().filter(is_behind).map(|(record, _)| (tenant, *record)).collect();
            if behind.is_empty() {
                return Ok(());
            }
            tries += 1;
            if !self.retry.wait(tries).await {
                return Err(StoreError::unavailable("a change of access is still in progress"));
            }
            let keys = behind.iter().flat_map(|&(tenant, record)| Self::record_keys(tenant, record));
            items.extend(self.batch_get("get", keys.collect::<Vec<_>>()).await?);
            images.extend(self.whole_records("get", items, &behind).await?);
        }
    }

    pub(crate) async fn get_wanted(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        let epoch_key = key::epoch(tenant);
        let mut keys = vec![epoch_key.clone()];
        for want in wants {
            match want {
                Want::Record(record) => keys.extend(Self::record_keys(tenant, *record)),
                Want::Claimed(claim) if claim.tenant.is_nil() || claim.tenant == tenant => keys.push(key::claim(claim)),
                Want::Claimed(_) => {}
                Want::Key(text) => keys.push(key::idempotency(tenant, text)),
            }
        }
        let mut items = self.batch_get("get", keys).await?;
        // The records that hold the claims.
        let mut places: Vec<Option<(Id, Ref)>> = Vec::with_capacity(wants.len());
        for want in wants {
            places.push(match want {
                Want::Record(record) => Some((tenant, *record)),
                Want::Claimed(claim) => items
                    .get(&key::claim(claim))
                    .map(item::read_holder)
                    .transpose()?
                    .and_then(|(holder, record)| Some((holder, record.known()?)))
                    .filter(|(holder, _)| claim.tenant.is_nil() || (claim.tenant == tenant && *holder == tenant)),
                Want::Key(_) => None,
            });
        }
        let unread: Vec<Key> = wants
            .iter()
            .zip(&places)
            .filter(|(want, _)| matches!(want, Want::Claimed(_)))
            .filter_map(|(_, place)| *place)
            .flat_map(|(tenant, record)| Self::record_keys(tenant, record))
            .filter(|key| !items.contains_key(key))
            .collect();
        if !unread.is_empty() {
            items.extend(self.batch_get("get", unread).await?);
        }
        let wanted: Vec<(Id, Ref)> = places.iter().flatten().copied().collect();
        let mut images = self.whole_records("get", &mut items, &wanted).await?;
        self.read_up_to_epochs(tenant, &mut items, &mut images).await?;
        let got = wants
            .iter()
            .zip(places)
            .map(|(want, place)| {
                Ok(match want {
                    Want::Key(text) => {
                        let item = items.get(&key::idempotency(tenant, text));
                        Got::Key(item.map(item::read_entry).transpose()?.filter(|entry| entry.key == *text))
                    }
                    Want::Record(_) | Want::Claimed(_) => {
                        Got::Record(place.and_then(|place| images.get(&place)).cloned())
                    }
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Answer { epochs: read_epochs(items.get(&epoch_key))?, got })
    }

    /// Reads one item by key with strong consistency.
    pub(crate) async fn item(&self, operation: &'static str, key: &Key) -> Result<Option<Item>, StoreError> {
        let answer = self
            .retry
            .read(|| {
                self.client
                    .get_item()
                    .table_name(&self.table)
                    .set_key(Some(key.attributes()))
                    .consistent_read(true)
                    .set_return_consumed_capacity(self.capacity())
                    .send()
            })
            .await?;
        self.consumed(operation, answer.consumed_capacity.as_slice());
        Ok(answer.item)
    }

    /// Returns all definitions. The epochs are read first, by a separate request: a newer epoch with older definitions
    /// would keep the old definitions cached indefinitely. That is not sufficient, because the items of a transaction
    /// become visible one by one, possibly the epochs before a definition. The item of the epochs therefore lists what
    /// their last commits wrote, and everything is read again while a definition is older than that.
    pub(crate) async fn all_definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        let mut tries = 0;
        loop {
            let item = self.item("definitions", &key::epoch(tenant)).await?;
            let epochs = read_epochs(item.as_ref())?;
            let mut written = item.as_ref().map(item::read_written).transpose()?.unwrap_or_default();
            written.retain(|(record, _)| catalog::decl(record.kind).is_definition);
            let images = self.definition_images(tenant).await?;
            let is_there = |(record, versions): &(Ref, Versions)| {
                images.iter().any(|image| image.reference() == *record && !item::is_behind(image, *versions))
            };
            if written.iter().all(is_there) {
                return Ok(Definitions { epochs, images });
            }
            tries += 1;
            if !self.retry.wait(tries).await {
                return Err(StoreError::unavailable("a change of definitions is still in progress"));
            }
        }
    }

    async fn definition_images(&self, tenant: Id) -> Result<Vec<Arc<Image>>, StoreError> {
        let mut images = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let mut names = Placeholders::default();
            let condition = format!(
                "{}={}",
                names.name(PK),
                names.value(aws_sdk_dynamodb::types::AttributeValue::S(key::definitions(tenant)))
            );
            let (names, values) = names.into_maps();
            let answer = self
                .retry
                .read(|| {
                    self.client
                        .query()
                        .table_name(&self.table)
                        .key_condition_expression(&condition)
                        .set_expression_attribute_names(names.clone())
                        .set_expression_attribute_values(values.clone())
                        .set_exclusive_start_key(start.clone())
                        .consistent_read(true)
                        .set_return_consumed_capacity(self.capacity())
                        .send()
                })
                .await?;
            self.consumed("definitions", answer.consumed_capacity.as_slice());
            for item in answer.items() {
                images.extend(item::read_record(item)?.map(Arc::new));
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(images);
            }
        }
    }
}

/// Decodes the epochs of an item; nil if no commit has set them.
fn read_epochs(item: Option<&Item>) -> Result<Epochs, StoreError> {
    let read = |name: &str| {
        let attribute = item.and_then(|item| item.get(name));
        attribute.map_or(Ok(Id::NIL), |id| value::read_id(id).map(Id::typed).ok_or_else(|| value::corrupt("epoch")))
    };
    Ok(Epochs { definitions: read(item::DEFINITIONS.id)?, access: read(item::ACCESS.id)? })
}
