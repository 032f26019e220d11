//! Requests a minute: of a user, and of an address where nobody has signed in.

use std::{num::NonZeroU32, sync::Arc};

use crm_core::MemoryStore;

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
