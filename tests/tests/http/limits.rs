//! Rate limits: per user, and per address for unauthenticated requests.

use std::{
    future::pending,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use crm_core::{
    MemoryStore,
    schema::KindDecl,
    store::{
        Answer, ChangePage, Commit, Definitions, Feed, FeedCursor, FeedPage, FeedPlace, History, HistoryQuery,
        LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::{Id, Ref, Time},
};

use crm_lambda::ErrorHook;

use crate::api::{Api, PASSWORD};

#[tokio::test]
async fn a_user_is_told_what_is_left_and_when_to_come_again() {
    let api = Api::with(Arc::new(MemoryStore::new()), |_, config| config.requests_per_minute = NonZeroU32::new(3));
    let admin = api.register("acme").await;
    for left in [2, 1, 0] {
        let answer = api.get(&admin, "leads").await.is(200);
        assert_eq!(answer.headers["ratelimit-policy"], "\"minute\";q=3;w=60");
        assert!(
            answer.headers["ratelimit"].to_str().is_ok_and(|told| told.starts_with(&format!("\"minute\";r={left};")))
        );
    }
    let refused = api.get(&admin, "leads").await.problem(429, "too_many_requests");
    let wait: u64 = refused.headers["retry-after"].to_str().expect("plain").parse().expect("seconds");
    assert!((1..=21).contains(&wait), "{wait}");
    // Other users are not affected.
    let other = api.register("other").await;
    api.get(&other, "leads").await.is(200);
}

#[tokio::test]
async fn strangers_are_counted_by_address() {
    let api = Api::with(Arc::new(MemoryStore::new()), |_, config| config.sign_ins_per_minute = NonZeroU32::new(2));
    api.register("acme").await;
    // Attempts for an unknown organization are counted under the address as well.
    api.try_login("elsewhere", "a@b.example", PASSWORD, None).await.problem(401, "invalid_credentials");
    api.try_login("elsewhere", "a@b.example", PASSWORD, None).await.problem(429, "too_many_requests");
    api.try_refresh("nonsense").await.problem(429, "too_many_requests");
    api.ask("GET", "/health").send().await.is(200);
}

/// A store that never responds.
struct Silent;

#[async_trait]
impl Records for Silent {
    async fn get(&self, _: Id, _: &[Want]) -> Result<Answer, StoreError> {
        pending().await
    }
    async fn definitions(&self, _: Id) -> Result<Definitions, StoreError> {
        pending().await
    }
    async fn list(&self, _: &Query) -> Result<Page, StoreError> {
        pending().await
    }
    async fn commit(&self, _: &Commit) -> Result<(), StoreError> {
        pending().await
    }
}

#[async_trait]
impl History for Silent {
    async fn history(&self, _: &HistoryQuery) -> Result<ChangePage, StoreError> {
        pending().await
    }
    async fn log(&self, _: &LogQuery) -> Result<ChangePage, StoreError> {
        pending().await
    }
    async fn stage_moves(&self, _: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        pending().await
    }
}

#[async_trait]
impl Feed for Silent {
    async fn feed<'a>(&self, _: Option<&'a FeedCursor>, _: usize) -> Result<FeedPage, StoreError> {
        pending().await
    }

    async fn tenants(&self, _: Option<Id>, _: usize) -> Result<Vec<Id>, StoreError> {
        pending().await
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        pending().await
    }

    async fn feed_place(&self, _: &str) -> Result<Option<FeedPlace>, StoreError> {
        pending().await
    }

    async fn keep_feed_place(&self, _: &str, _: &FeedPlace, _: u64) -> Result<bool, StoreError> {
        pending().await
    }

    async fn due(
        &self,
        _: &'static KindDecl,
        _: Time,
        _: Option<Id>,
        _: usize,
        _: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        pending().await
    }
}

impl Store for Silent {}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_given_up_and_told() {
    let api = Api::with(Arc::new(Silent), |_, config| config.timeout = Duration::from_secs(25));
    let answer = api.ask("GET", "/health/store").send().await.problem(504, "timeout");
    assert!(answer.headers.contains_key("x-request-id"));
    api.ask("GET", "/health").send().await.is(200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_servers_own_fault_is_reported_once_and_a_hook_that_panics_harms_nobody() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hook = {
        let told = Arc::clone(&told);
        ErrorHook::new(move |error| {
            let text = format!("{error:?}");
            told.lock().expect("whole").push(text);
            // Panics after releasing the lock, which would otherwise be poisoned.
            panic!("a hook's own fault");
        })
    };
    let api = Api::with(Arc::new(Silent), |_, config| config.on_server_error = Some(hook));
    api.ask("GET", "/health").send().await.is(200);
    api.ask("GET", "leads").send().await.is(401);
    assert!(told.lock().expect("whole").is_empty(), "what the caller did wrong is nobody's to mend");
    let asked =
        api.ask("GET", "/health/store?token=secret").header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = asked.send().await.problem(504, "timeout");
    let told = told.lock().expect("a panic of the hook leaves the lock").clone();
    let id = answer.headers["x-request-id"].to_str().expect("plain");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [id, trace, "GET", "/health/store", "504", "timeout"] {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
    assert!(!told[0].contains("secret"), "{}", told[0]);
}
