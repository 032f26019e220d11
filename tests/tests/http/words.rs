//! Search and filter parameters: `q`, and every field of a kind as a parameter of its lists.

use serde_json::json;

use super::api::Api;

#[tokio::test]
async fn every_field_is_a_parameter_typed_as_it_is_declared() {
    let api = Api::new();
    let admin = api.register("acme").await;
    for (key, ty) in [("seats", "integer"), ("open", "boolean"), ("budget", "money"), ("since", "date")] {
        let new = json!({"key": key, "name": key, "type": ty});
        api.post(&admin, "properties/lead", new).await.is(201);
    }
    let select =
        json!({"key": "tier", "name": "Tier", "type": "select", "options": [{"value": "gold"}, {"value": "tin"}]});
    api.post(&admin, "properties/lead", select).await.is(201);
    let money = json!({"amount": "10.50", "currency": "EUR"});
    let own = json!({"seats": 5, "open": true, "budget": money, "since": "2026-01-05", "tier": "gold"});
    let new = json!({"name": "Zoë O’Brien", "source": "web", "owner_id": admin.id, "annual_revenue": money, "properties": own});
    let one = api.post(&admin, "leads", new).await.is(201).data()["id"].as_str().expect("an id").to_owned();
    let new = json!({"name": "Bob", "source": "fair", "employee_count": 7});
    let two = api.post(&admin, "leads", new).await.is(201).data()["id"].as_str().expect("an id").to_owned();
    for (query, found) in [
        ("properties.seats=5", 1),
        ("properties.seats=4,5", 1),
        ("properties.open=true", 1),
        ("properties.budget=10.5%20EUR", 1),
        ("properties.since=2026-01-05", 1),
        ("properties.tier=gold,tin", 1),
        ("properties.seats=", 1),
        ("properties.open=", 1),
        ("properties.budget=", 1),
        ("annual_revenue=10.50%20EUR", 1),
        ("employee_count=7", 1),
        ("owner_id=me", 1),
        ("owner_id=", 1),
        ("status=new,contacted", 2),
        ("stage_kind=open", 2),
        ("source=web&source=fair", 2),
        ("source=web&source=", 1),
        ("created_at=today", 2),
        ("created_at=last_year", 0),
        (&format!("id={one},{two}"), 2),
        (&format!("id={two}&status=new"), 1),
        ("q=zoe%20o%27bri", 1),
        ("q=brien%20zo", 1),
        ("q=rien", 0),
    ] {
        let page = api.get(&admin, &format!("leads?{query}")).await.is(200);
        assert_eq!(page.data().as_array().map(Vec::len), Some(found), "{query}: {}", page.text);
    }
    for (query, told) in [
        ("properties.seats=five", "whole number"),
        ("properties.open=maybe", "true or false"),
        ("properties.tier=bronze", "gold, tin"),
        ("properties.nope=1", "nope"),
        ("status=nowhere", "contacted"),
        ("stage_kind=nowhere", "won"),
        ("owner_id=nobody", "an id"),
        ("created_at=someday", "last_quarter"),
        ("limit=1&limit=2", "twice"),
    ] {
        let problem = api.get(&admin, &format!("leads?{query}")).await.problem(400, "bad_request");
        assert!(problem.text.contains(told), "{query}: {}", problem.text);
    }
}

#[tokio::test]
async fn an_empty_text_clears_whatever_the_type() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let new = json!({"title": "Call", "due_at": "2026-01-05T09:00:00Z", "assignee_id": admin.id});
    let task = api.post(&admin, "tasks", new).await.is(201).data()["id"].as_str().expect("an id").to_owned();
    let patch = json!({"due_at": ""});
    let answer = api.ask("PATCH", &format!("tasks/{task}")).token(&admin.access).json(&patch).send().await.is(200);
    assert!(answer.data()["due_at"].is_null(), "{}", answer.text);
    let patch = json!({"title": ""});
    let answer = api.ask("PATCH", &format!("tasks/{task}")).token(&admin.access).json(&patch).send().await;
    assert!(answer.status.as_u16() == 422 && answer.text.contains("required"), "{}", answer.text);
}
