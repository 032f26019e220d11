//! What every use case runs on: the store, the clock, the source of ids, the embedder's validators, and the cache of
//! definitions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    ambient::{Clock, IdSource},
    companies::shared_hosts::SharedHosts,
    definitions::Definitions,
    error::Error,
    rules::Validator,
    store::{Store, StoreError},
    value::Id,
};

/// How many tenants' definitions a process keeps.
const MAX_CACHED_TENANTS: usize = 1000;

/// Definitions by tenant, shared by all handles of one CRM.
pub(crate) type Cache = Arc<Mutex<HashMap<Id, Arc<Definitions>>>>;

pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) validators: Vec<Arc<dyn Validator>>,
    /// How far ahead of this process' clock what others wrote may be, in microseconds.
    pub(crate) max_clock_skew: i64,
    pub(crate) shared_hosts: Arc<SharedHosts>,
    pub(crate) cache: Cache,
    /// False on a store that sees what is not committed yet: it reads the cache and never fills it.
    pub(crate) fills_cache: bool,
}

impl Engine {
    /// Thirty-two bytes that nobody can guess.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there is no randomness to make them of.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Error> {
        match self.ids.secret() {
            none if none == [0; 32] => Err(Error::Unavailable(StoreError::unavailable("no randomness for secrets"))),
            secret => Ok(secret),
        }
    }

    /// The definitions that are cached, of whatever epoch.
    pub(crate) fn cached(&self, tenant: Id) -> Option<Arc<Definitions>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    /// The tenant's definitions under an epoch: the cached ones, or read anew. One round trip where they are.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn definitions(&self, tenant: Id, epoch: Id) -> Result<Arc<Definitions>, Error> {
        let cached = {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.get(&tenant).filter(|definitions| definitions.epoch == epoch).cloned()
        };
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let stored = self.store.definitions(tenant).await?;
        let read = Arc::new(Definitions::new(&stored)?);
        if self.fills_cache && !read.epoch.is_nil() {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= MAX_CACHED_TENANTS {
                cache.clear();
            }
            cache.insert(tenant, Arc::clone(&read));
        }
        Ok(read)
    }
}
