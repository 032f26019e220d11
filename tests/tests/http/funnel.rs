//! The funnel report of leads and deals over HTTP: the report, its parameters, and the charts.

use serde_json::{Value as Json, json};

use crate::api::{Answer, Api, User};

/// Creates three leads over six days: one is qualified, one is lost, one stays. Returns their ids.
async fn lived(api: &Api, admin: &mut User) -> Vec<String> {
    let mut made = Vec::new();
    for (name, source) in [("Ada", "web"), ("Bob", "fair"), ("Cem", "web")] {
        made.push(api.post(admin, "leads", json!({"name": name, "source": source})).await.is(201).id());
    }
    later(api, admin, 2).await;
    api.post(admin, &format!("leads/{}/stage", made[0]), json!({"stage": "contacted"})).await.is(200);
    later(api, admin, 2).await;
    api.post(admin, &format!("leads/{}/stage", made[0]), json!({"stage": "qualified"})).await.is(200);
    api.post(admin, &format!("leads/{}/disqualify", made[1]), json!({"reason": "no budget"})).await.is(200);
    later(api, admin, 2).await;
    made
}

/// Advances the clock by some days, and signs in the administrator of `acme` again.
async fn later(api: &Api, admin: &mut User, days: i64) {
    api.clock.advance_days(days);
    *admin = api.login("acme", "admin@acme.example").await;
}

fn stage<'a>(answer: &'a Answer, key: &str) -> &'a Json {
    let stages = answer.data()["stages"].as_array().expect("stages");
    stages.iter().find(|stage| stage["key"] == key).expect("a stage")
}

#[tokio::test]
async fn the_life_of_leads_is_a_report_of_a_period() {
    let api = Api::new();
    let mut admin = api.register("acme").await;
    lived(&api, &mut admin).await;
    let all = api.get(&admin, "reports/life?kind=lead").await.is(200);
    assert_eq!((&all.data()["kind"], &all.data()["records"]), (&json!("lead"), &json!(3)));
    let new = stage(&all, "new");
    assert_eq!((&new["entries"], &new["exits"], &new["standing_at_end"]), (&json!(3), &json!(2), &json!(1)));
    let went: Vec<&Json> = new["went_to"].as_array().expect("rows").iter().map(|to| &to["key"]).collect();
    assert_eq!(went, ["contacted", "unqualified"]);
    assert_eq!(new["time"]["median_micros"], 4 * 86_400_000_000_i64);
    assert_eq!(all.data()["cohort"]["lost"], 1);
    assert_eq!(all.data()["reasons"][0]["reason"], "no budget");
    let third = api.clock.now().plus_days(-3);
    let early = api.get(&admin, &format!("reports/life?kind=lead&until={third}")).await.is(200);
    assert_eq!(stage(&early, "new")["exits"], 1, "by the third day one had gone");
    for (query, records) in [("source=web", 2), ("source=fair", 1), ("source=", 0), ("owner_id=", 3)] {
        let answer = api.get(&admin, &format!("reports/life?kind=lead&{query}")).await.is(200);
        assert_eq!(answer.data()["records"], records, "{query}");
    }
    let filter = "filter=%7B%22field%22:%22name%22,%22op%22:%22eq%22,%22value%22:%22Ada%22%7D";
    let one = api.get(&admin, &format!("reports/life?kind=lead&{filter}")).await.is(200);
    assert_eq!(one.data()["records"], 1);
    let deals = api.get(&admin, "reports/life").await.is(200);
    assert_eq!((&deals.data()["kind"], &deals.data()["records"]), (&json!("deal"), &json!(0)));
    let pipeline = deals.data()["pipeline_id"].as_str().expect("an id").to_owned();
    api.get(&admin, &format!("reports/life?pipeline_id={pipeline}")).await.is(200);
    for bad in [
        format!("kind=lead&pipeline_id={pipeline}"),
        "kind=company".to_owned(),
        "from=yesterday".to_owned(),
        "from=2026-02-01&until=2026-01-01".to_owned(),
        "filter=%7B".to_owned(),
        "source=web&owner_id=nobody".to_owned(),
        "by=owner".to_owned(),
    ] {
        for path in ["reports/life", "reports/life.svg"] {
            let answer = api.get(&admin, &format!("{path}?{bad}")).await;
            assert_eq!(answer.status.as_u16(), 400, "{path}?{bad}: {}", answer.text);
        }
    }
    let support = api.user(&admin, "acme", "sue", "support").await;
    for path in ["reports/life?kind=lead", "reports/life.svg?kind=lead"] {
        let answer = api.get(&support, path).await.problem(403, "forbidden");
        assert_eq!(answer.json["permission"], "lead.report");
    }
}

#[tokio::test]
async fn charts_are_svg_that_nothing_can_be_done_with() {
    let api = Api::new();
    let mut admin = api.register("acme").await;
    let leads = lived(&api, &mut admin).await;
    let evil = "<script>alert(1)</script>";
    let stages = json!([
        {"key": "one", "name": evil, "kind": "open"}, {"key": "two", "name": "Done", "kind": "won"},
    ]);
    let pipeline =
        api.post(&admin, "pipelines", json!({"name": "Odd", "kind": "deal", "stages": stages})).await.is(201);
    let pipeline = pipeline.id();
    let deal = api.post(&admin, "deals", json!({"title": "D", "pipeline_id": pipeline})).await.is(201).id();
    later(&api, &mut admin, 1).await;
    for path in [
        format!("leads/{}/stages.svg", leads[0]),
        format!("deals/{deal}/stages.svg"),
        "reports/life.svg?kind=lead".to_owned(),
        format!("reports/life.svg?pipeline_id={pipeline}"),
        "reports/life.svg".to_owned(),
    ] {
        let chart = api.get(&admin, &path).await.is(200);
        assert_eq!(chart.headers["content-type"], "image/svg+xml", "{path}");
        assert_eq!(chart.headers["x-content-type-options"], "nosniff");
        let policy = chart.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'"), "{policy}");
        assert!(chart.text.starts_with("<svg ") && chart.text.ends_with("</svg>"), "{path}: {}", chart.text);
        assert!(!chart.text.contains("<script"), "{path}");
    }
    let course = api.get(&admin, &format!("leads/{}/stages.svg", leads[0])).await.is(200).text;
    assert!(course.contains(">Contacted<") && course.contains(">3 days (still there)<"), "{course}");
    // The chart shows the data of the stages: the latest and total time in each, entered and left.
    let stages = api.get(&admin, &format!("leads/{}/stages", leads[0])).await.is(200);
    let times: Vec<_> = stages.data()["times"].as_array().expect("times").iter().collect();
    let seconds = |days: i64| json!(days * 86_400);
    let totals: Vec<&Json> = times.iter().map(|time| &time["total_seconds"]).collect();
    assert_eq!(totals, [&seconds(2), &seconds(2), &seconds(3)]);
    assert!(times.iter().all(|time| time["latest_seconds"] == time["total_seconds"] && time["times"] == 1));
    assert_eq!(times[0]["left_at"], times[1]["first_entered_at"]);
    assert_eq!(times[2]["left_at"], Json::Null);
    let odd = api.get(&admin, &format!("deals/{deal}/stages.svg")).await.is(200).text;
    assert!(odd.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{odd}");
    // If the stage is hidden, there are no stages.
    let grants = json!([{"resource": "lead", "action": "read", "scope": "all"}]);
    let rules = json!([{"kind": "lead", "field": "stage_id", "access": "hidden"}]);
    let role = json!({"key": "blind", "name": "Blind", "grants": grants, "field_rules": rules});
    api.post(&admin, "roles", role).await.is(201);
    let blind = api.user(&admin, "acme", "bea", "blind").await;
    let chart = api.get(&blind, &format!("leads/{}/stages.svg", leads[0])).await.is(200).text;
    assert!(chart.contains("no stages yet") && !chart.contains("Contacted"), "{chart}");
    let rep = api.user(&admin, "acme", "rob", "sales_rep").await;
    api.get(&rep, &format!("leads/{}/stages.svg", leads[0])).await.problem(404, "not_found");
}
