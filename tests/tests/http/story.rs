//! The first steps of a new user: register, create a lead, convert it, win the deal, read its history; on all three
//! stores.

use crm_core::conformance::Harness;
use serde_json::json;
use tests::harness::{Dynamo, Memory, Postgres, Sqlite};

use crate::api::{Api, PASSWORD};

async fn story(api: Api) {
    let mut admin = api.register("acme").await;
    let again = json!({
        "organization": {"name": "Other", "slug": "acme"},
        "user": {"email": "a@acme.example"},
        "password": PASSWORD,
    });
    api.ask("POST", "auth/register").json(&again).send().await.problem(409, "duplicate");

    let me = api.get(&admin, "me").await.is(200);
    assert_eq!(me.data()["user"]["email"], "admin@acme.example");
    assert_eq!(me.data()["organization"]["slug"], "acme");
    assert_eq!(me.data()["permissions"]["lead.update"], "all");
    assert!(me.data()["organization"].get("seal_key").is_none(), "{}", me.text);

    let ada = json!({
        "name": "Ada Lovelace", "email": "ADA@Engines.example", "phone": "+49 30 123456", "company_name": "Engines",
        "annual_revenue": {"amount": "1200000.50", "currency": "EUR"}, "tags": ["hot"],
    });
    let lead = api.post(&admin, "leads", ada).await.is(201);
    assert_eq!(lead.headers["location"], format!("/api/v1/leads/{}", lead.id()));
    assert_eq!(lead.data()["email"], "ada@engines.example");
    assert_eq!(lead.data()["phone"], "+4930123456");
    assert_eq!(lead.data()["status"], "new");
    assert_eq!(lead.data()["annual_revenue"], json!({"amount": "1200000.5", "currency": "EUR"}));
    let lead = lead.id();

    api.clock.advance_days(2);
    admin = api.login("acme", "admin@acme.example").await;
    let moved = api.post(&admin, &format!("leads/{lead}/stage"), json!({"stage": "contacted"})).await.is(200);
    assert_eq!(moved.data()["status"], "contacted");
    api.clock.advance_days(3);
    admin = api.login("acme", "admin@acme.example").await;
    api.post(&admin, &format!("leads/{lead}/stage"), json!({"stage": "qualified"})).await.is(200);
    let convert = json!({"deal": {"title": "Ten engines", "value": {"amount": "5000", "currency": "USD"}}});
    let planned = api.post(&admin, &format!("leads/{lead}/convert?dry_run=true"), convert.clone()).await.is(200);
    assert!(planned.data()["changes"].as_array().is_some_and(|changes| changes.len() >= 4), "{}", planned.text);
    let became = api.post(&admin, &format!("leads/{lead}/convert"), convert.clone()).await.is(200);
    assert_eq!(became.data()["lead"]["status"], "converted");
    assert_eq!(became.data()["contact"]["name"], "Ada Lovelace");
    assert_eq!(became.data()["company"]["name"], "Engines");
    api.post(&admin, &format!("leads/{lead}/convert"), convert).await.problem(422, "invalid");

    let deal = became.data()["deal"]["id"].as_str().expect("a deal").to_owned();
    api.clock.advance_days(10);
    admin = api.login("acme", "admin@acme.example").await;
    let won = api.post(&admin, &format!("deals/{deal}/stage"), json!({"stage": "closed_won"})).await.is(200);
    assert_eq!(won.data()["stage_kind"], "won");
    assert_eq!(won.data()["actual_close_date"], "2024-05-21");

    let history = api.get(&admin, &format!("leads/{lead}/history")).await.is(200);
    let actions: Vec<&str> =
        history.data().as_array().expect("a list").iter().filter_map(|change| change["action"].as_str()).collect();
    assert_eq!(actions, ["convert", "move_stage", "move_stage", "create"], "{}", history.text);
    let stages = api.get(&admin, &format!("leads/{lead}/stages")).await.is(200);
    assert_eq!(stages.data()["times"][0]["total_seconds"], 2 * 86_400);
    assert_eq!(stages.data()["intervals"].as_array().map(Vec::len), Some(4));
    let then = api.get(&admin, &format!("leads/{lead}/as-of?at=2024-05-09T00:00:00Z")).await.is(200);
    assert_eq!(then.data()["status"], "contacted");
    let before = api.get(&admin, &format!("leads/{lead}/as-of?at=2024-05-01T00:00:00Z")).await.is(200);
    assert!(before.data().is_null());

    // The deal has moved since: the conversion cannot be reverted.
    api.post(&admin, &format!("leads/{lead}/unconvert"), json!({})).await.problem(409, "changed_since");
    let report = api.get(&admin, "reports/sales?by=%5B%5B%22owner%22%5D%5D").await.is(200);
    assert_eq!(report.data()["overall"]["won"], 1);
    let board = {
        let pipelines = api.get(&admin, "pipelines?kind=deal").await.is(200);
        let id = pipelines.data()[0]["id"].as_str().expect("a pipeline").to_owned();
        api.get(&admin, &format!("pipelines/{id}/board")).await.is(200)
    };
    let columns = board.data().as_array().expect("columns");
    assert!(columns.iter().any(|column| column["stage"]["key"] == "closed_won" && column["count"] == 1));
    let timeline = api.get(&admin, &format!("leads/{lead}/timeline?limit=2")).await.is(200);
    assert_eq!(timeline.data()[0]["type"], "change");
    assert!(timeline.json["meta"]["next_cursor"].is_string());
}

async fn run(harness: &dyn Harness) {
    story(Api::on(harness.fresh().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory() {
    run(&Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    run(&Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_dynamodb() {
    run(&Dynamo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    run(&Sqlite::default()).await;
}
