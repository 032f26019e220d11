//! Versions and idempotency: `ETag`, `If-Match`, `If-None-Match`, merges, `Idempotency-Key`.

use std::sync::Arc;

use crm_core::{MemoryStore, store::memory::Fault};
use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_write_holds_to_the_version_it_names() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201);
    let path = format!("leads/{}", lead.id());
    let first = lead.etag();
    let get = |tag: &str| api.ask("GET", &path).token(&admin.access).header("if-none-match", tag);
    let unchanged = get(&first).send().await.is(304);
    assert!(unchanged.text.is_empty());
    assert_eq!(unchanged.etag(), first);

    let change = |tag: &str| api.ask("PATCH", &path).token(&admin.access).header("if-match", tag);
    let second = change(&first).json(&json!({"source": "web"})).send().await.is(200).etag();
    assert_ne!(first, second);
    get(&first).send().await.is(200);
    let stale = change(&first).json(&json!({"source": "fair"})).send().await.problem(412, "precondition_failed");
    assert_eq!(stale.json["current"]["person"], 2);
    for strange in ["\"1\"", "nonsense", "W/\"2.0-000000000000\""] {
        change(strange).json(&json!({"source": "fair"})).send().await.problem(412, "precondition_failed");
    }
    change("*").json(&json!({"source": "fair"})).send().await.is(200);
    let archive = api.ask("DELETE", &path).token(&admin.access).header("if-match", &second);
    archive.send().await.problem(412, "precondition_failed");

    // Another projection of the same record has another tag.
    let some = api.get(&admin, &format!("{path}?fields=name")).await.is(200);
    assert_ne!(some.etag(), api.get(&admin, &path).await.is(200).etag());

    // Merging: a change of another field succeeds, one of the same field is a conflict that names it.
    api.patch(&admin, &path, json!({"version": 1, "job_title": "Countess"})).await.is(200);
    let conflict = api.patch(&admin, &path, json!({"version": 1, "source": "mail"})).await.problem(409, "conflict");
    assert_eq!(conflict.json["fields"], json!(["source"]));
    let nothing = api.patch(&admin, &path, json!({"source": "fair"})).await.is(200);
    assert_eq!(nothing.data()["version"], 4, "a write that changes nothing is none");
}

#[tokio::test]
async fn the_same_key_answers_the_same_and_does_nothing_again() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let post = |key: &str, name: &str| {
        let asking = api.ask("POST", "leads").token(&admin.access).header("idempotency-key", key);
        asking.json(&json!({"name": name})).send()
    };
    let first = post("\"k-1\"", "Ada").await.is(201);
    let path = format!("leads/{}", first.id());
    api.patch(&admin, &path, json!({"name": "Changed since"})).await.is(200);
    let again = post("k-1", "Ada").await.is(201);
    assert_eq!((again.data(), again.etag()), (first.data(), first.etag()), "the first answer, as it was");
    post("k-1", "Bob").await.problem(422, "idempotency_key_reused");
    post("", "Bob").await.problem(400, "bad_idempotency_key");
    let total = api.get(&admin, "leads?with_total=true").await.is(200);
    assert_eq!(total.json["meta"]["total"], 1);
    // The same key sent by another user is rejected, not replayed.
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let other = api.ask("POST", "leads").token(&rep.access).header("idempotency-key", "k-1");
    other.json(&json!({"name": "Ada"})).send().await.problem(422, "idempotency_key_reused");
    // The key expires after a day.
    api.clock.advance_days(2);
    let admin = api.login("acme", "admin@acme.example").await;
    let later = api.ask("POST", "leads").token(&admin.access).header("idempotency-key", "k-1");
    assert_ne!(later.json(&json!({"name": "Ada"})).send().await.is(201).id(), first.id());
}

#[tokio::test]
async fn a_job_that_is_refused_for_its_key_has_no_effect() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let one = api.user(&admin, "acme", "one", "sales_rep").await;
    let two = api.user(&admin, "acme", "two", "sales_rep").await;
    let pipelines = api.get(&admin, "pipelines?kind=lead").await.is(200);
    let retire = format!("pipelines/{}/retire-stage", pipelines.data()[0]["id"].as_str().unwrap_or_default());
    let post = |path: &str, key: &str, body: serde_json::Value| {
        let asking = api.ask("POST", path).token(&admin.access).header("idempotency-key", key);
        asking.json(&body).send()
    };
    let leave = || json!({"leave": true});
    let first = post(&format!("users/{}/deactivate", one.id), "k", leave()).await.is(200);
    let again = post(&format!("users/{}/deactivate", one.id), "k", leave()).await.is(200);
    assert_eq!(again.id(), first.id(), "the same job");
    let stages = || json!({"stage": "contacted", "target": "qualified"});
    let long = "k".repeat(256);
    for (key, status, code) in [("k", 422, "idempotency_key_reused"), (&long, 400, "bad_idempotency_key")] {
        post(&format!("users/{}/deactivate", two.id), key, leave()).await.problem(status, code);
        post(&retire, key, stages()).await.problem(status, code);
    }
    let user = api.get(&admin, &format!("users/{}", two.id)).await.is(200);
    assert_eq!(user.data()["is_active"], true);
    let pipelines = api.get(&admin, "pipelines?kind=lead").await.is(200);
    let stages = pipelines.data()[0]["stages"].as_array().unwrap();
    assert!(stages.iter().all(|stage| stage["retired"] != true), "{stages:?}");
}

#[tokio::test]
async fn what_was_stored_before_the_answer_was_lost_is_answered_when_asked_again() {
    let store = MemoryStore::new();
    let api = Api::on(Arc::new(store.clone()));
    let admin = api.register("acme").await;
    let post = || {
        let asking = api.ask("POST", "leads").token(&admin.access).header("idempotency-key", "lost");
        asking.json(&json!({"name": "Ada"})).send()
    };
    // The commit succeeds but its result is lost, also for the retries and the lookup.
    store.faults().fail_commit_after(0, Fault::LostAfter, 3);
    store.faults().fail_next_read();
    let first = post().await;
    let again = post().await.is(201);
    assert!(matches!(first.status.as_u16(), 201 | 503), "{}", first.text);
    let third = post().await.is(201);
    assert_eq!((third.id(), third.etag()), (again.id(), again.etag()));
    assert_eq!(api.get(&admin, "leads?with_total=true").await.is(200).json["meta"]["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_with_one_key_one_is_done_and_all_answer_it() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (api, admin) = (api.clone(), admin.clone());
            tokio::spawn(async move {
                let asking = api.ask("POST", "deals").token(&admin.access).header("idempotency-key", "one");
                asking.json(&json!({"title": "Once"})).send().await.is(201).id()
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.expect("no panic"));
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(api.get(&admin, "deals?with_total=true").await.is(200).json["meta"]["total"], 1);
}

#[tokio::test]
async fn archived_records_come_back_and_undo_is_a_write() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let company = api.post(&admin, "companies", json!({"name": "Engines", "domain": "engines.example"})).await.is(201);
    let path = format!("companies/{}", company.id());
    api.ask("DELETE", &path).token(&admin.access).send().await.is(200);
    assert_eq!(api.get(&admin, "companies").await.is(200).data(), &json!([]));
    let archived = api.get(&admin, "companies?archived=true&sort=archived_at").await.is(200);
    assert_eq!(archived.data()[0]["id"], company.id());
    api.patch(&admin, &path, json!({"name": "X"})).await.problem(422, "invalid");
    let other = api.post(&admin, "companies", json!({"name": "Taken", "domain": "engines.example"})).await.is(201);
    api.post(&admin, &format!("{path}/restore"), json!({})).await.problem(409, "duplicate");
    api.post(&admin, &format!("{path}/restore"), json!({"domain": "old.example"})).await.is(200);
    api.patch(&admin, &path, json!({"industry": "machines"})).await.is(200);
    let history = api.get(&admin, &format!("{path}/history?limit=1")).await.is(200);
    let commit = history.data()[0]["commit"].clone();
    let undone = api.post(&admin, &format!("{path}/undo"), json!({"commit": commit})).await.is(200);
    assert!(undone.data()[0]["industry"].is_null());
    let back = api.post(&admin, &format!("{path}/roll-back"), json!({"version": 1})).await;
    // The old value belongs to another record now.
    back.problem(409, "duplicate");
    assert_ne!(other.id(), company.id());
}

#[tokio::test]
async fn a_dry_run_writes_nothing_by_any_route_that_takes_it_and_is_refused_by_others() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201).id();
    let path = format!("leads/{lead}");
    api.patch(&admin, &path, json!({"source": "web"})).await.is(200);
    let history = api.get(&admin, &format!("{path}/history?limit=1")).await.is(200);
    let commit = history.data()[0]["commit"].clone();
    for (tail, body) in [("undo", json!({"commit": commit})), ("roll-back", json!({"version": 1}))] {
        let plan = api.post(&admin, &format!("{path}/{tail}?dry_run=true"), body).await.is(200);
        assert_eq!(plan.data()["changes"].as_array().map(Vec::len), Some(1), "{tail}: {}", plan.text);
    }
    assert_eq!(api.get(&admin, &path).await.is(200).data()["source"], "web");
    api.ask("DELETE", &path).token(&admin.access).send().await.is(200);
    api.post(&admin, &format!("{path}/restore?dry_run=true"), json!({})).await.is(200);
    assert!(api.get(&admin, &path).await.is(200).data()["archived_at"].is_string());
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let deactivate = format!("users/{}/deactivate?dry_run=true", rep.id);
    api.post(&admin, &deactivate, json!({"leave": true})).await.problem(400, "bad_request");
    api.login("acme", "rep@acme.example").await;
}
