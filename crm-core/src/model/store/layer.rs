//! Stores over other stores: a layer implements the roles that it changes and delegates the others.

use async_trait::async_trait;

use super::{
    Answer, ChangePage, Commit, Definitions, Epochs, Feed, FeedCursor, FeedPage, FeedPlace, History, HistoryQuery,
    LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
};
use crate::model::{
    schema::KindDecl,
    value::{Id, Ref, Time},
};

/// A store over another store, such as one that encrypts or measures. It implements each role ([`Records`],
/// [`History`], [`Feed`]) either itself or by delegation ([`DelegateRecords`], [`DelegateHistory`], [`DelegateFeed`]),
/// so a method added to a role later needs no change in the layers that delegate it.
///
/// ```
/// use crm_core::{Crm, MemoryStore, store::{DelegateFeed, DelegateHistory, DelegateRecords, Layer, Store}};
///
/// struct Plain(MemoryStore);
///
/// impl Layer for Plain {
///     fn inner(&self) -> &dyn Store {
///         &self.0
///     }
/// }
/// impl DelegateRecords for Plain {}
/// impl DelegateHistory for Plain {}
/// impl DelegateFeed for Plain {}
/// impl Store for Plain {}
/// let crm = Crm::new(Plain(MemoryStore::new()));
/// ```
pub trait Layer: Send + Sync {
    /// Returns the store below.
    fn inner(&self) -> &dyn Store;
}

/// A [`Layer`] whose records are those of the store below.
pub trait DelegateRecords: Layer {}

/// A [`Layer`] whose change log is that of the store below.
pub trait DelegateHistory: Layer {}

/// A [`Layer`] whose feed is that of the store below.
pub trait DelegateFeed: Layer {}

#[async_trait]
impl<L: DelegateRecords> Records for L {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        self.inner().get(tenant, wants).await
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        self.inner().definitions(tenant).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner().list(query).await
    }

    async fn list_with_epochs(&self, query: &Query) -> Result<(Page, Epochs), StoreError> {
        self.inner().list_with_epochs(query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.inner().commit(commit).await
    }
}

#[async_trait]
impl<L: DelegateHistory> History for L {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        self.inner().history(query).await
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        self.inner().log(query).await
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        self.inner().stage_moves(query).await
    }
}

#[async_trait]
impl<L: DelegateFeed> Feed for L {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        self.inner().feed(after, limit).await
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.inner().tenants(after, limit).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        self.inner().feed_end().await
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        self.inner().feed_place(consumer).await
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        self.inner().keep_feed_place(consumer, place, was).await
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        self.inner().due(decl, until, after, per_tenant, limit).await
    }
}
