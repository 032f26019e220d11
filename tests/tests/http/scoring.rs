//! Scores over HTTP: the starter, a score that explains itself, its course, a model tried and put in force.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::api::{Api, User};

async fn sweep(api: &Api, admin: &User) {
    let tenant = admin.organization.parse().unwrap();
    while api.crm.score_sweeper().sweep(tenant, Duration::from_mins(1)).await.unwrap().more {}
}

/// The starter as the API offers it, put in force.
async fn starter(api: &Api, admin: &User) -> Json {
    let offered = api.get(admin, "scoring/starter").await.is(200).data().clone();
    api.post(admin, "scoring/models", offered).await.is(201).data().clone()
}

async fn call(api: &Api, user: &User, lead: &str) {
    let call = json!({"type": "call", "direction": "inbound", "subject": "a call", "completed_at": "2024-05-06T08:00:00Z",
        "links": [{"kind": "lead", "id": lead}]});
    api.post(user, "interactions", call).await.is(201);
}

#[tokio::test]
async fn a_lead_is_scored_from_the_first_day_on_and_says_why() {
    let api = Api::new();
    let admin = api.register("acme").await;
    starter(&api, &admin).await;
    let new = json!({"name": "Ada", "company_name": "Engines", "job_title": "CTO", "source": "referral"});
    let lead = api.post(&admin, "leads", new).await.is(201);
    assert_eq!(lead.data()["score"], 25_000);
    assert_eq!(lead.data()["grade"], "A4");
    assert_eq!(lead.data()["model_version"], "starter@1");
    let path = format!("leads/{}", lead.id());
    for _ in 0..2 {
        call(&api, &admin, &lead.id()).await;
    }
    sweep(&api, &admin).await;
    let score = api.get(&admin, &format!("{path}/score")).await.is(200);
    let parts = score.data()["contributions"].as_array().unwrap();
    let sum: i64 = parts.iter().map(|part| part["points"].as_i64().unwrap()).sum();
    assert_eq!(score.data()["total"], sum);
    assert!(parts.iter().any(|part| part["rule"] == "recommended"
        && part["facts"] == json!([{"fact": "field", "on": "record", "field": "source", "value": "referral"}])));
    assert!(parts.iter().any(|part| part["rule"] == "called_us" && part["facts"].as_array().unwrap().len() == 2));
    let carried = api.get(&admin, &path).await.is(200);
    assert_eq!((&carried.data()["is_hot"], &carried.data()["grade"]), (&json!(true), &json!("A1")));
    assert_eq!(carried.data()["version"], 1, "nobody's edit is in its way");
    let history = api.get(&admin, &format!("{path}/history")).await.is(200);
    assert!(history.data().as_array().unwrap().iter().any(|change| change["action"] == "became_hot"));
    // Hot first.
    api.post(&admin, "leads", json!({"name": "Bob"})).await.is(201);
    let list = api.get(&admin, "leads?sort=-score&limit=1").await.is(200);
    assert_eq!(list.data()[0]["name"], "Ada");
    // As it was worked out then, and its course.
    let at = carried.data()["scored_at"].as_str().unwrap();
    let then = api.get(&admin, &format!("{path}/score?at={at}&known_at={at}")).await.is(200);
    assert_eq!(then.data()["total"], carried.data()["score"]);
    let course = api.get(&admin, &format!("{path}/score/course?hours=1&from=2024-05-06T09:00:00Z")).await.is(200);
    assert_eq!(course.data()["moments"].as_array().unwrap().last().unwrap()["total"], carried.data()["score"]);
    let drawn = api.get(&admin, &format!("{path}/score.svg?hours=1&from=2024-05-06T09:00:00Z")).await.is(200);
    assert!(drawn.text.starts_with("<svg ") && drawn.text.contains("hot"), "{}", drawn.text);
    // Bad input is told.
    api.get(&admin, &format!("{path}/score?at=2999-01-01T00:00:00Z")).await.problem(400, "bad_request");
    api.get(&admin, &format!("{path}/score?when=now")).await.problem(400, "bad_request");
    api.get(&admin, &format!("{path}/score/course?hours=0")).await.problem(422, "invalid");
    let far = format!("{path}/score/course?hours=1&from=2020-01-01T00:00:00Z");
    api.get(&admin, &far).await.problem(422, "invalid");
    let model = "01890000-0000-7000-8000-000000000000";
    api.get(&admin, &format!("{path}/score?model={model}")).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_to_do_next_is_told_with_the_reason() {
    let api = Api::new();
    let admin = api.register("acme").await;
    starter(&api, &admin).await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada", "source": "referral"})).await.is(201).id();
    let path = format!("leads/{lead}/recommendations");
    let first = api.get(&admin, &path).await.is(200);
    let steps = |answer: &Json| -> Vec<String> {
        answer.as_array().unwrap().iter().map(|one| one["step"].as_str().unwrap().to_owned()).collect()
    };
    assert!(steps(first.data()).contains(&"first_contact".to_owned()), "{}", first.text);
    call(&api, &admin, &lead).await;
    let second = api.get(&admin, &path).await.is(200);
    assert!(steps(second.data()).contains(&"reply".to_owned()), "{}", second.text);
    let find_out = second.data().as_array().unwrap().iter().find(|one| one["step"] == "find_out").unwrap();
    assert!(find_out["gain"].as_i64().unwrap() > 0 && find_out["facts"][0]["value"].is_null(), "{find_out}");
    api.get(&admin, &format!("{path}?at=now")).await.problem(400, "bad_request");
    for other in ["contacts", "companies", "deals"] {
        let new = if other == "deals" { json!({"title": "Engines"}) } else { json!({"name": "Acme"}) };
        let id = api.post(&admin, other, new).await.is(201).id();
        let told = api.get(&admin, &format!("{other}/{id}/recommendations")).await.is(200);
        assert!(steps(told.data()).contains(&"plan".to_owned()), "{}", told.text);
    }
}

#[tokio::test]
async fn deals_are_scored_by_a_model_of_their_own() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let definition = json!({"hot_threshold": 5_000, "groups": [{"key": "all",
        "rules": [{"key": "known", "when": {"field": "source", "op": "eq", "value": "referral"}, "points": 3_000}],
        "behaviors": [{"key": "proposed", "event": {"stage": ["proposal"]}, "points": 2_500}]}]});
    let model = json!({"key": "sales", "name": "Sales", "kind": "deal", "definition": definition, "is_active": true});
    api.post(&admin, "scoring/models", model).await.is(201);
    let deal = api.post(&admin, "deals", json!({"title": "Engines", "source": "referral"})).await.is(201);
    assert_eq!((&deal.data()["score"], &deal.data()["model_version"]), (&json!(3_000), &json!("sales@1")));
    api.clock.advance_seconds(60);
    let path = format!("deals/{}", deal.id());
    api.post(&admin, &format!("{path}/stage"), json!({"stage": "proposal"})).await.is(200);
    sweep(&api, &admin).await;
    let hot = api.get(&admin, &path).await.is(200);
    assert_eq!((&hot.data()["score"], &hot.data()["is_hot"]), (&json!(5_500), &json!(true)));
    let score = api.get(&admin, &format!("{path}/score")).await.is(200);
    assert_eq!((&score.data()["total"], score.data()["contributions"].as_array().unwrap().len()), (&json!(5_500), 2));
    let drawn = api.get(&admin, &format!("{path}/score.svg")).await.is(200);
    assert!(drawn.text.starts_with("<svg "));
    let list = api.get(&admin, "deals?is_hot=true").await.is(200);
    assert_eq!(list.data().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_model_is_tried_and_then_put_in_force() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let first = starter(&api, &admin).await;
    for number in 0..30 {
        let source = if number % 3 == 0 { "referral" } else { "web" };
        let lead = api.post(&admin, "leads", json!({"name": format!("Lead {number}"), "source": source})).await.is(201);
        api.clock.advance_seconds(20);
        if number % 6 == 0 {
            let path = format!("leads/{}", lead.id());
            for stage in ["contacted", "qualified"] {
                api.post(&admin, &format!("{path}/stage"), json!({"stage": stage})).await.is(200);
            }
            api.post(&admin, &format!("{path}/convert"), json!({})).await.is(200);
        } else if number % 2 == 1 {
            api.post(&admin, &format!("leads/{}/disqualify", lead.id()), json!({"reason": "no budget"})).await.is(200);
        }
    }
    let definition = json!({"groups": [{"key": "all", "rules": [
        {"key": "known", "when": {"field": "source", "op": "eq", "value": "referral"}, "points": 50_000}]}],
        "hot_threshold": 40_000});
    let new = json!({"key": "mine", "name": "Mine", "kind": "lead", "definition": definition});
    let second = api.post(&admin, "scoring/models", new).await.is(201);
    let tried = api.post(&admin, &format!("scoring/models/{}/try", second.id()), json!({})).await.is(200);
    let trial = &tried.data()["product"];
    assert_eq!((&trial["model"], &trial["against"]), (&json!("mine@1"), &json!("starter@1")));
    assert_eq!((&trial["scored"], &trial["becomes_hot"]), (&json!(30), &json!(10)));
    assert_eq!(trial["after"]["50000"], 10);
    let drawn = api.get(&admin, &format!("jobs/{}/trial.svg", tried.id())).await.is(200);
    assert!(drawn.text.starts_with("<svg ") && drawn.headers["content-type"] == "image/svg+xml");
    let ranking = &trial["rankings"][0];
    // All five that were won came by recommendation, and so did five of the fifteen that were lost.
    assert_eq!((&ranking["model"], &ranking["won"], &ranking["lost"]), (&json!("mine@1"), &json!(5), &json!(15)));
    assert!(ranking["auc"].as_f64().unwrap() > 0.8, "{ranking}");
    assert_eq!(trial["rankings"][1]["model"], "starter@1");
    // Two in force are one too many; activating takes the place.
    let path = format!("scoring/models/{}", second.id());
    api.patch(&admin, &path, json!({"is_active": true})).await.problem(409, "duplicate");
    api.post(&admin, &format!("{path}/activate"), json!({})).await.is(200);
    let was = api.get(&admin, &format!("scoring/models/{}", first["id"].as_str().unwrap())).await.is(200);
    assert_eq!(was.data()["is_active"], false);
    sweep(&api, &admin).await;
    let hot = api.get(&admin, "leads?is_hot=true&with_total=true").await.is(200);
    assert_eq!(hot.json["meta"]["total"], 10);
    // Whoever may not write models may not try them either.
    let rep = api.user(&admin, "acme", "Rob", "sales_rep").await;
    api.get(&rep, &path).await.is(200);
    api.post(&rep, &format!("{path}/try"), json!({})).await.problem(403, "forbidden");
    api.post(&rep, &format!("{path}/activate"), json!({})).await.problem(403, "forbidden");
    let faulty = json!({"definition": {"groups": [{"key": "a", "rules": [
        {"key": "b", "when": {"field": "nonsense", "op": "eq", "value": 1}, "points": 1}]}]}});
    let refused = api.patch(&admin, &path, faulty).await.problem(400, "bad_request");
    assert_eq!(refused.at_fault(), ["definition.groups[0].rules[0].when.nonsense"]);
}

#[tokio::test]
async fn a_model_is_learned_from_outcomes_by_a_job_and_asked() {
    let api = Api::with(std::sync::Arc::new(crm_core::MemoryStore::new()), |own, _| {
        own.access_seconds = 24 * 3600;
    });
    let admin = api.register("acme").await;
    let tenant = admin.organization.parse().unwrap();
    let early = api.post(&admin, "scoring/models/train", json!({"kind": "lead"})).await.is(200);
    assert_eq!(early.data()["status"], "failed");
    assert!(early.data()["failure"].as_str().unwrap().contains("outcomes"), "{}", early.text);
    // Recommended leads convert, others do not, but for one in five of each.
    let system = crm_core::access::Actor::system(tenant);
    let leads = api.crm.leads(&system);
    for number in 0..200 {
        let source = if number % 2 == 0 { "referral" } else { "web" };
        let new = crm_core::leads::NewLead {
            name: format!("Lead {number}"),
            source: Some(source.into()),
            ..Default::default()
        };
        let lead = leads.create(new).await.unwrap();
        api.clock.advance_seconds(30);
        if (number % 2 == 0) == (number % 5 != 3) {
            for stage in ["contacted", "qualified"] {
                leads.move_to(lead.id, stage).await.unwrap();
            }
            leads.convert(lead.id, crm_core::leads::ConvertLead::default()).await.unwrap();
        } else {
            leads.disqualify(lead.id, "no budget").await.unwrap();
        }
    }
    let body = json!({"kind": "lead", "exclude": ["owner_id"]});
    let job = api.post(&admin, "scoring/models/train", body).await.is(200);
    assert_eq!(job.data()["status"], "completed", "{}", job.text);
    let report = &job.data()["product"]["report"];
    assert!(report["evaluation"]["metrics"]["auc"].as_f64().unwrap() > 0.7, "{report}");
    let lead = api.post(&admin, "leads", json!({"name": "Ada", "source": "referral"})).await.is(201).id();
    let path = format!("leads/{lead}/likelihood");
    let asked = format!("{path}?job={}", job.id());
    let likely = api.get(&admin, &asked).await.is(200);
    assert!(likely.data()["confident"].as_bool().unwrap() && likely.data()["probability"].as_f64().unwrap() > 0.6);
    let why = &likely.data()["contributions"][0];
    assert_eq!((&why["field"], &why["value"]), (&json!("source"), &json!("referral")));
    api.get(&admin, &path).await.problem(400, "bad_request");
    api.get(&admin, &format!("{path}?job={lead}")).await.problem(404, "not_found");
    api.post(&admin, "scoring/models/train", json!({"kind": "task"})).await.problem(422, "invalid");
    let rep = api.user(&admin, "acme", "Rob", "sales_rep").await;
    api.post(&rep, "scoring/models/train", json!({"kind": "lead"})).await.problem(403, "forbidden");
    api.get(&rep, &asked).await.problem(404, "not_found");
}
