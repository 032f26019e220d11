//! Requests a minute: of a user, and of an address where nobody has signed in.

use std::{future::pending, num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use crm_core::{
    MemoryStore,
    store::{
        Answer, ChangePage, Commit, Definitions, Feed, FeedCursor, FeedPage, History, HistoryQuery, LogQuery, Page,
        Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::Id,
};

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
    // Nobody else waits for them.
    let other = api.register("other").await;
    api.get(&other, "leads").await.is(200);
}

#[tokio::test]
async fn strangers_are_counted_by_address() {
    let api = Api::with(Arc::new(MemoryStore::new()), |_, config| config.sign_ins_per_minute = NonZeroU32::new(2));
    api.register("acme").await;
    // An organization that there is not is counted nowhere else.
    api.try_login("elsewhere", "a@b.example", PASSWORD, None).await.problem(401, "invalid_credentials");
    api.try_login("elsewhere", "a@b.example", PASSWORD, None).await.problem(429, "too_many_requests");
    api.try_refresh("nonsense").await.problem(429, "too_many_requests");
    api.ask("GET", "/health").send().await.is(200);
}

/// A store that never answers.
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
}

impl Store for Silent {}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_given_up_and_told() {
    let api = Api::with(Arc::new(Silent), |_, config| config.timeout = Duration::from_secs(25));
    let answer = api.ask("GET", "/health/store").send().await.problem(504, "timeout");
    assert!(answer.headers.contains_key("x-request-id"));
    api.ask("GET", "/health").send().await.is(200);
}
