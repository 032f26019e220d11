//! A store that simulates races: a closure of the test runs right before a commit.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crm_core::{
    MemoryStore,
    filter::Predicate,
    store::{
        Answer, Commit, Definitions, DelegateFeed, DelegateHistory, Layer, Page, Query, Records, Store, StoreError,
        Want,
    },
    value::Id,
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

impl Layer for RacingStore {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }
}

impl DelegateHistory for RacingStore {}
impl DelegateFeed for RacingStore {}
impl Store for RacingStore {}
