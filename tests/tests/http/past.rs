//! Lists as of a past time, over HTTP.

use serde_json::json;

use crate::api::{Answer, Api, User};

/// The names on a page.
fn names(answer: &Answer) -> Vec<&str> {
    let records = answer.data().as_array().expect("a page");
    records.iter().map(|record| record["name"].as_str().expect("a name")).collect()
}

/// Three leads of one day: the day after, the first moves, the second is archived and the third is renamed.
async fn leads() -> (Api, User) {
    let api = Api::new();
    let admin = api.register("acme").await;
    let mut ids = Vec::new();
    for (name, source) in [("Ada", "web"), ("Bob", "fair"), ("Cy", "web")] {
        api.clock.advance_seconds(1);
        ids.push(api.post(&admin, "leads", json!({"name": name, "source": source})).await.is(201).id());
    }
    api.clock.advance_days(1);
    let admin = api.login("acme", "admin@acme.example").await;
    api.post(&admin, &format!("leads/{}/stage", ids[0]), json!({"stage": "contacted"})).await.is(200);
    api.ask("DELETE", &format!("leads/{}", ids[1])).token(&admin.access).send().await.is(200);
    api.patch(&admin, &format!("leads/{}", ids[2]), json!({"name": "Cyd", "source": "fair"})).await.is(200);
    (api, admin)
}

const THEN: &str = "as_of=2024-05-06T12:00:00Z";

#[tokio::test]
async fn a_list_shows_records_as_they_were() {
    let (api, admin) = leads().await;
    assert_eq!(names(&api.get(&admin, "leads").await.is(200)), ["Ada", "Cyd"]);
    let then = api.get(&admin, &format!("leads?{THEN}")).await.is(200);
    assert_eq!(names(&then), ["Ada", "Bob", "Cy"]);
    assert_eq!(then.json["meta"]["as_of"], "2024-05-06T12:00:00Z");
    assert!(
        then.data().as_array().unwrap().iter().all(|lead| lead["status"] == "new" && lead["archived_at"].is_null())
    );
    // Each equals the single record as of that time.
    for lead in then.data().as_array().unwrap() {
        let id = lead["id"].as_str().unwrap();
        let one = api.get(&admin, &format!("leads/{id}/as-of?at=2024-05-06T12:00:00Z")).await.is(200);
        assert_eq!(one.data(), lead);
    }
    // Conditions of every kind apply to the past values.
    for (asked, expected) in [
        ("source=web", vec!["Ada", "Cy"]),
        ("source=fair", vec!["Bob"]),
        ("status=contacted", vec![]),
        ("status=new&sort=-created_at", vec!["Cy", "Bob", "Ada"]),
        ("q=cyd", vec![]),
        ("filter=%7B%22field%22%3A%22name%22%2C%22op%22%3A%22starts_with%22%2C%22value%22%3A%22B%22%7D", vec!["Bob"]),
        ("known_at=2024-05-06T08:00:00Z", vec![]),
        ("known_at=2024-05-06T12:00:00Z&sort=created_at", vec!["Ada", "Bob", "Cy"]),
    ] {
        let answer = api.get(&admin, &format!("leads?{THEN}&{asked}")).await.is(200);
        assert_eq!(names(&answer), expected, "{asked}");
    }
    let few = api.get(&admin, &format!("leads?{THEN}&fields=name&limit=1")).await.is(200);
    let lead = few.data()[0].as_object().unwrap();
    assert_eq!((lead.len(), &lead["name"]), (4, &json!("Ada")), "{lead:?}");
    // A future time returns the current state.
    assert_eq!(names(&api.get(&admin, "leads?as_of=2099-01-01T00:00:00Z").await.is(200)), ["Ada", "Cyd"]);
    assert_eq!(names(&api.get(&admin, "leads?as_of=2024-05-06T08:00:00Z").await.is(200)), Vec::<&str>::new());
    let table = api.ask("GET", &format!("leads?{THEN}&fields=name")).token(&admin.access).header("accept", "text/csv");
    assert!(table.send().await.is(200).text.contains("Bob"));
}

#[tokio::test]
async fn pages_follow_one_another_at_the_same_moment_alone() {
    let (api, admin) = leads().await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&admin, &format!("leads?{THEN}&sort=-created_at&limit=1{cursor}")).await.is(200);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page.json["meta"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        for other in ["as_of=2024-05-06T12:00:01Z", "archived=false", &format!("{THEN}&known_at=2024-05-08T00:00:00Z")]
        {
            let asked = format!("leads?{other}&sort=-created_at&limit=1{cursor}");
            let refused = api.get(&admin, &asked).await.problem(400, "bad_request");
            assert_eq!(refused.at_fault(), ["cursor"], "{other}");
        }
    }
    assert_eq!(seen, ["Cy", "Bob", "Ada"]);
}

#[tokio::test]
async fn what_cannot_be_asked_of_the_past_is_named() {
    let (api, admin) = leads().await;
    for (asked, at_fault) in [
        ("as_of=yesterday", vec!["as_of"]),
        ("as_of=", vec!["as_of"]),
        ("as_of=2024-05-06", vec!["as_of"]),
        ("as_of=yesterday&known_at=soon", vec!["as_of", "known_at"]),
        ("as_of=2024-05-06T12:00:00Z&known_at=soon", vec!["known_at"]),
        ("known_at=2024-05-06T12:00:00Z", vec!["known_at"]),
        ("as_of=2024-05-06T12:00:00Z&sort=score", vec!["sort"]),
        ("as_of=2024-05-06T12:00:00Z&sort=name", vec!["sort"]),
        ("as_of=2024-05-06T12:00:00Z&archived=true", vec!["archived"]),
        ("as_of=2024-05-06T12:00:00Z&with_total=true", vec!["with_total"]),
        ("as_of=2024-05-06T12:00:00Z&include=owner", vec!["include"]),
        ("as_of=2024-05-06T12:00:00Z&include=owner&with_total=true", vec!["include", "with_total"]),
        ("as_of=2024-05-06T12:00:00Z&score=3", vec!["score"]),
        ("as_of=2024-05-06T12:00:00Z&limit=0", vec!["limit"]),
    ] {
        let refused = api.get(&admin, &format!("leads?{asked}")).await.is(400);
        let mut named = refused.at_fault();
        named.sort_unstable();
        assert_eq!(named, at_fault, "{asked}: {}", refused.text);
    }
}

#[tokio::test]
async fn every_kind_that_can_be_listed_has_a_past() {
    let (api, admin) = leads().await;
    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    let mut listed = 0;
    for (path, item) in document.json["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        if !parameters.iter().any(|one| one["name"] == "as_of") || path.contains('{') {
            continue;
        }
        listed += 1;
        let answer = api.get(&admin, &format!("{path}?{THEN}")).await.is(200);
        assert_eq!(answer.json["meta"]["as_of"], "2024-05-06T12:00:00Z", "{path}");
    }
    assert!(listed >= 14, "{listed} lists have a past");
}
