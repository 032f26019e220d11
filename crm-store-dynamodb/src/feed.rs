//! The feed, from DynamoDB Streams.
use crm_core::store::{FeedCursor, FeedPage, StoreError};

use crate::DynamoStore;

impl DynamoStore {
    pub(crate) async fn feed_page(&self, _after: Option<&FeedCursor>, _limit: usize) -> Result<FeedPage, StoreError> {
        Err(StoreError::unavailable("this store was given no client of DynamoDB Streams"))
    }
}
