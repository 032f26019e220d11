//! Batches: each request succeeds or fails independently, and has no more rights than on its own.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn each_request_of_a_batch_is_answered_in_order() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201);
    let requests = json!({"requests": [
        {"method": "POST", "path": "/api/v1/leads", "body": {"name": "Bob"}, "idempotency_key": "b"},
        {"method": "POST", "path": "/api/v1/leads", "body": {"email": "nobody@"}},
        {"method": "PATCH", "path": format!("/api/v1/leads/{}", lead.id()), "body": {"source": "web"}, "if_match": lead.etag()},
        {"method": "PATCH", "path": format!("/api/v1/leads/{}", lead.id()), "body": {"source": "x"}, "if_match": lead.etag()},
        {"method": "GET", "path": "/api/v1/leads?with_total=true"},
        {"method": "GET", "path": "/api/v1/leads/nothing"},
    ]});
    let answer = api.post(&admin, "batch", requests).await.is(200);
    let statuses: Vec<u64> =
        answer.data().as_array().expect("answers").iter().filter_map(|one| one["status"].as_u64()).collect();
    assert_eq!(statuses, [201, 422, 200, 412, 200, 404]);
    assert_eq!(answer.data()[4]["body"]["meta"]["total"], 2);
    assert!(answer.data()[2]["etag"].is_string());
}

#[tokio::test]
async fn a_batch_is_no_way_round_anything() {
    let api = Api::new();
    let admin = api.register("acme").await;
    for path in
        ["/api/v1/batch", "/api/v1/auth/login", "/health", "http://elsewhere.example/api/v1/leads", "/api/v1/", "leads"]
    {
        let one = json!({"requests": [{"method": "POST", "path": path, "body": {}}]});
        api.post(&admin, "batch", one).await.problem(422, "invalid");
    }
    let many: Vec<_> = (0..21).map(|_| json!({"method": "GET", "path": "/api/v1/leads"})).collect();
    api.post(&admin, "batch", json!({"requests": many})).await.problem(422, "invalid");
    api.post(&admin, "batch", json!({"requests": []})).await.problem(422, "invalid");
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201).id();
    let one = json!({"requests": [{"method": "GET", "path": format!("/api/v1/leads/{lead}")}]});
    assert_eq!(api.post(&rep, "batch", one).await.is(200).data()[0]["status"], 404);
    let one = json!({"requests": [{"method": "POST", "path": "/api/v1/roles", "body": {"key": "k", "name": "K"}}]});
    assert_eq!(api.post(&rep, "batch", one).await.is(200).data()[0]["status"], 403);
    let events = api.get(&admin, "audit/security-events?event=access_refused").await.is(200);
    assert_eq!(events.data()[0]["detail"], "role.create", "no way round the security log either");
}
