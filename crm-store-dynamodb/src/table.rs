//! The table: its keys, ten global indexes, stream and time to live.

use std::{error::Error, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::create_table::CreateTableError,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, StreamSpecification, StreamViewType, TableStatus, TimeToLiveSpecification,
    },
};
use crm_core::store::StoreError;

use crate::{
    error,
    key::{PK, SK},
    layout::{self, LOG, LOG_NAME, MOVES, MOVES_NAME, PARTITIONS, SLOTS, SORTS},
};

/// The time-to-live attribute of an item, in seconds since 1970.
pub(crate) const EXPIRES: &str = "x";

/// The name, partition attribute and sort attribute of each global index.
fn indexes() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    (0..SLOTS).map(layout::global).chain([(LOG_NAME, LOG.0, LOG.1), (MOVES_NAME, MOVES.0, MOVES.1)])
}

pub(crate) async fn create(client: &Client, table: &str) -> Result<(), StoreError> {
    let mut request =
        client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest).stream_specification(
            StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewImage)
                .build()
                .map_err(refused)?,
        );
    for part in keys(PK, SK)? {
        request = request.key_schema(part);
    }
    let names = [PK, SK].into_iter().chain(PARTITIONS).chain(SORTS).chain([LOG.0, LOG.1, MOVES.0, MOVES.1]);
    for name in names {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(attribute.build().map_err(refused)?);
    }
    for (name, partition, sort) in indexes() {
        let index = GlobalSecondaryIndex::builder()
            .index_name(name)
            .set_key_schema(Some(keys(partition, sort)?))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        request = request.global_secondary_indexes(index.build().map_err(refused)?);
    }
    match request.send().await {
        Ok(_) => {}
        Err(failed) if failed.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => {}
        Err(failed) => return Err(error::unavailable(failed)),
    }
    wait_until_active(client, table).await?;
    let described = client.describe_time_to_live().table_name(table).send().await.map_err(error::unavailable)?;
    let expires = described.time_to_live_description().and_then(|ttl| ttl.attribute_name());
    if expires != Some(EXPIRES) {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES).build().map_err(refused)?;
        client
            .update_time_to_live()
            .table_name(table)
            .time_to_live_specification(ttl)
            .send()
            .await
            .map_err(error::unavailable)?;
    }
    Ok(())
}

async fn wait_until_active(client: &Client, table: &str) -> Result<(), StoreError> {
    // A new table takes seconds on AWS, and one with eleven key schemas not much longer.
    for _ in 0..240 {
        let described = client.describe_table().table_name(table).send().await.map_err(error::unavailable)?;
        if described.table().and_then(|table| table.table_status()) == Some(&TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(StoreError::unavailable("the table is still being created"))
}

fn keys(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(refused))
        .collect()
}

fn refused(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(std::sync::Arc::new(error))
}
