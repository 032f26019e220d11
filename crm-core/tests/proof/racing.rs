//! A store that simulates races: a closure of the test runs right before a commit.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crm_core::{
    MemoryStore,
    filter::Predicate,
    schema::KindDecl,
    store::{
        Answer, ChangePage, Commit, Definitions, Feed, FeedCursor, FeedPage, FeedPlace, History, HistoryQuery,
        LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::{Id, Ref, Time},
};

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A store that simulates races.
#[derive(Clone, Default)]
pub struct RacingStore {
    pub inner: MemoryStore,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    between: Arc<Mutex<Option<Meanwhile>>>,
    /// Lists examine one record per call, as an engine with a selective filter may.
    crumbs: bool,
}

impl RacingStore {
    pub fn on(inner: MemoryStore) -> Self {
        Self { inner, ..Self::default() }
    }

    /// Lets lists examine one record per call.
    pub fn in_crumbs(self) -> Self {
        Self { crumbs: true, ..self }
    }

    /// Runs `meanwhile` right before the next commit.
    pub fn before_next_commit(&self, meanwhile: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(meanwhile));
    }

    /// Runs `meanwhile` within the next get, after its records and before its epochs are read.
    pub fn within_next_get(&self, meanwhile: impl FnOnce() + Send + 'static) {
        *self.between.lock().unwrap() = Some(Box::new(meanwhile));
    }

    pub fn is_armed(&self) -> bool {
        self.meanwhile.lock().unwrap().is_some()
    }
}

#[async_trait]
impl Records for RacingStore {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        let mut answer = self.inner.get(tenant, wants).await?;
        let between = self.between.lock().unwrap().take();
        if let Some(between) = between {
            std::thread::spawn(between).join().expect("the other one");
            answer.epochs = self.inner.get(tenant, &[]).await?.epochs;
        }
        Ok(answer)
    }
    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        self.inner.definitions(tenant).await
    }
    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        if !self.crumbs {
            return self.inner.list(query).await;
        }
        let one = Query { filter: Predicate::always(), limit: 1, ..query.clone() };
        let mut page = self.inner.list(&one).await?;
        page.items.retain(|image| query.filter.holds(image));
        Ok(page)
    }
    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            // On its own thread, because it runs whole use cases.
            std::thread::spawn(meanwhile).join().expect("the other one");
        }
        self.inner.commit(commit).await
    }
}

#[async_trait]
impl History for RacingStore {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        self.inner.history(query).await
    }
    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        self.inner.log(query).await
    }
    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        self.inner.stage_moves(query).await
    }
}

#[async_trait]
impl Feed for RacingStore {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        self.inner.feed(after, limit).await
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.inner.tenants(after, limit).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        self.inner.feed_end().await
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        self.inner.feed_place(consumer).await
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        self.inner.keep_feed_place(consumer, place, was).await
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        self.inner.due(decl, until, after, per_tenant, limit).await
    }
}

impl Store for RacingStore {}
