//! The sales and pipeline reports over HTTP: periods, owners, and excluded records.

use serde_json::{Value as Json, json};

use crate::api::{Api, User};

async fn id_of(api: &Api, user: &User) -> String {
    api.get(user, "me").await.is(200).data()["user"]["id"].as_str().expect("an id").to_owned()
}

/// Creates a deal owned by the user.
async fn deal(api: &Api, user: &User, mut body: Json) -> String {
    body["owner_id"] = id_of(api, user).await.into();
    api.post(user, "deals", body).await.is(201).id()
}

async fn won(api: &Api, user: &User, value: &str, closed: &str) -> String {
    let value = json!({"amount": value, "currency": "USD"});
    let id = deal(api, user, json!({"title": "a deal", "value": value})).await;
    api.post(user, &format!("deals/{id}/stage"), json!({"stage": "closed_won"})).await.is(200);
    api.patch(user, &format!("deals/{id}"), json!({"actual_close_date": closed})).await.is(200);
    id
}

#[tokio::test]
async fn a_deal_of_too_much_is_refused_and_breaks_no_report() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let value = json!({"amount": "50000000000000000000000000000", "currency": "USD"});
    let refused = api.post(&admin, "deals", json!({"title": "a deal", "value": value})).await;
    let refused = refused.problem(422, "invalid");
    assert_eq!(refused.json["errors"][0]["field"], "value");
    assert_eq!(refused.json["errors"][0]["code"], "too_large");
    let message = refused.json["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("1000000000000000000"), "the bound is said: {message}");
    for _ in 0..3 {
        won(&api, &admin, "999999999999999999.99", "2026-01-01").await;
    }
    let sales = api.get(&admin, "reports/sales").await.is(200);
    assert_eq!(sales.data()["overall"]["won_value"]["in_base"]["sum"], "2999999999999999999.97");
    assert_eq!(sales.data()["overall"]["won_value"]["out_of_range"], 0);
    api.get(&admin, "reports/pipeline").await.is(200);
    api.get(&admin, "reports/life").await.is(200);
}

#[tokio::test]
async fn figures_say_what_they_leave_out_and_averages_end() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let today = api.clock.now().to_string()[..10].to_owned();
    for (value, closed) in [("10", "2001-05-19"), ("10", today.as_str()), ("0", today.as_str())] {
        won(&api, &admin, value, closed).await;
    }
    let sales = api.get(&admin, "reports/sales").await.is(200);
    let overall = &sales.data()["overall"];
    assert_eq!((&overall["cycle"]["left_out"], &overall["cycle"]["won"]["n"]), (&json!(1), &json!(2)));
    assert_eq!(overall["cycle"]["won"]["min"], 0);
    assert_eq!(overall["won_value"]["in_base"]["average"], "6.66666667");
    let life = api.get(&admin, "reports/life").await.is(200);
    assert_eq!(life.data()["velocity"]["times_left_out"], 0);
}

#[tokio::test]
async fn sales_and_pipeline_take_a_period_and_owners() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "rob", "sales_rep").await;
    let id = id_of(&api, &rep).await;
    for (user, value, closed) in
        [(&admin, "1", "2025-12-31"), (&rep, "10", "2026-01-01"), (&admin, "100", "2026-01-31")]
    {
        won(&api, user, value, closed).await;
        let value = json!({"amount": value, "currency": "USD"});
        deal(&api, user, json!({"title": "open", "value": value, "expected_close_date": closed})).await;
    }
    for (query, sum) in [
        (String::new(), "111"),
        ("from=2026-01-01".to_owned(), "110"),
        ("from=2026-01-01&until=2026-01-31".to_owned(), "110"),
        ("until=2026-01-01".to_owned(), "11"),
        ("owner_id=me".to_owned(), "101"),
        (format!("owner_id={id}"), "10"),
        (format!("owner_id={id},me&until=2026-01-30"), "11"),
    ] {
        let sales = api.get(&admin, &format!("reports/sales?{query}")).await.is(200);
        assert_eq!(sales.data()["overall"]["won_value"]["in_base"]["sum"], sum, "{query}");
        let pipeline = api.get(&admin, &format!("reports/pipeline?{query}")).await.is(200);
        assert_eq!(pipeline.data()["total"]["value"]["in_base"]["sum"], sum, "{query}");
    }
    let none = api.get(&admin, "reports/sales?owner_id=").await.is(200);
    assert_eq!(none.data()["overall"]["deals"], 0, "all have an owner");
    let life = api.get(&admin, &format!("reports/life?owner_id={id},me")).await.is(200);
    assert_eq!(life.data()["records"], 6);
    assert_eq!(api.get(&admin, "reports/life?owner_id=me").await.is(200).data()["records"], 4);
    for bad in ["from=yesterday", "until=2026-01", "from=2026-02-01&until=2026-01-01", "owner_id=nobody"] {
        for report in ["sales", "pipeline"] {
            let answer = api.get(&admin, &format!("reports/{report}?{bad}")).await;
            assert_eq!(answer.status.as_u16(), 400, "{report}?{bad}: {}", answer.text);
        }
    }
}
