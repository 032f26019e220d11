//! Tests of the suite itself: it waits for lists wherever a store may lag, and names its cases clearly.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use crm_core::{
    conformance::{self, Harness},
    store::{MemoryStore, Store},
};

/// A store whose lists show the state of the last wait.
#[derive(Default)]
struct Lagging(Mutex<Option<MemoryStore>>);

#[async_trait]
impl Harness for Lagging {
    async fn fresh(&self) -> Arc<dyn Store> {
        let store = MemoryStore::new();
        store.faults().lag_lists();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        Arc::new(store)
    }

    async fn settle(&self, _: &dyn Store) {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(store) = store else { return };
        store.faults().catch_up();
        // Any next list catches up.
        let decl = crm_core::catalog::decl(crm_core::value::Kind::Lead);
        let query = crm_core::store::Query {
            tenant: crm_core::value::Id::NIL,
            decl,
            index: decl.walk(),
            equals: Vec::new(),
            descending: false,
            filter: crm_core::filter::Predicate::always(),
            after: None,
            limit: 1,
        };
        crm_core::store::Records::list(&store, &query).await.expect("a list");
        store.faults().lag_lists();
    }
}

#[tokio::test]
async fn no_case_depends_on_a_list_that_is_not_waited_for() {
    conformance::run(&Lagging::default()).await.assert();
}

#[tokio::test]
async fn the_model_test_waits_for_lists_too() {
    for seed in 0..20 {
        if let Err(disagreement) = conformance::model::check(&Lagging::default(), seed, 60).await {
            panic!("{disagreement}");
        }
    }
}

#[test]
fn names_are_unique_and_every_case_says_what_it_holds() {
    let mut names = HashSet::new();
    for case in conformance::cases() {
        assert!(names.insert(case.name), "{case:?}");
        assert!(case.about.len() > 20, "{case:?}");
    }
    assert!(names.len() >= 160, "only {} cases are left", names.len());
}
