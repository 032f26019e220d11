//! Isolation, tested for every route of the document: between tenants, of unauthenticated callers, and of users without
//! the permission.

use crm_core::value::Kind;
use serde_json::{Value as Json, json};

use crate::{
    api::{Api, User},
    made_up,
};

const NOBODY: &str = "0190a5f0-0000-7000-8000-000000000000";

/// Every operation of the document: method, path, and whether it is public.
async fn operations(api: &Api) -> Vec<(String, String, bool)> {
    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    let mut all = Vec::new();
    for (path, item) in document.json["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let public = operation["security"].as_array().is_some_and(|all| all.iter().any(|one| one == &json!({})));
            all.push((method.to_uppercase(), path.clone(), public));
        }
    }
    assert!(all.len() > 150, "{}", all.len());
    all
}

/// A body for a route. Its faults are only checked after the caller is authorized.
fn body_of(path: &str) -> Json {
    let tail = path.rsplit('/').next().unwrap_or_default();
    match tail {
        "stage" => json!({"stage": "contacted"}),
        "undo" => json!({"commit": NOBODY}),
        "roll-back" => json!({"version": 1}),
        "disqualify" => json!({"reason": "none"}),
        "retire-stage" => json!({"stage": "new", "target": "contacted"}),
        "deactivate" => json!({"leave": true}),
        _ => json!({}),
    }
}

/// Creates a record of each kind that has a route, by the kind's plural.
async fn fill(api: &Api, admin: &User) -> Vec<(&'static str, String)> {
    let made = |answer: crate::api::Answer| answer.is(201).id();
    let company = made(api.post(admin, "companies", json!({"name": "C"})).await);
    let contact = made(api.post(admin, "contacts", json!({"name": "C", "company_id": company})).await);
    let lead = made(api.post(admin, "leads", json!({"name": "L"})).await);
    let deal = made(api.post(admin, "deals", json!({"title": "D", "company_id": company})).await);
    let links = json!([{"kind": "contact", "id": contact}]);
    let task = made(api.post(admin, "tasks", json!({"title": "T", "links": links})).await);
    let meeting = json!({"type": "meeting", "subject": "M", "links": links});
    let interaction = made(api.post(admin, "interactions", meeting).await);
    let note = made(api.post(admin, "notes", json!({"content": "N", "links": links})).await);
    let ends = json!({
        "from": {"kind": "contact", "id": contact}, "to": {"kind": "company", "id": company}, "label": "works_at",
    });
    let association = made(api.post(admin, "associations", ends).await);
    let team = made(api.post(admin, "teams", json!({"name": "T"})).await);
    let role = made(api.post(admin, "roles", json!({"key": "own", "name": "Own"})).await);
    let property = json!({"key": "size", "name": "Size", "type": "text"});
    let property = made(api.post(admin, "properties/lead", property).await);
    let pipeline = api.get(admin, "pipelines").await.is(200).data()[0]["id"].as_str().expect("an id").to_owned();
    let starter = api.get(admin, "scoring/starter").await.is(200).data().clone();
    let model = api.post(admin, "scoring/models", starter).await.is(201).id();
    let key = api.post(admin, "api-keys", json!({"name": "K", "permissions": ["lead.read"]})).await.is(201);
    let key = key.data()["api_key"]["id"].as_str().expect("an id").to_owned();
    let event = api.get(admin, "audit/security-events").await.is(200);
    let event = event.data()[0]["id"].as_str().expect("an id").to_owned();
    let session = api.get(admin, "auth/sessions").await.is(200).data()[0]["id"].as_str().expect("an id").to_owned();
    let mut all = vec![
        ("companies", company),
        ("contacts", contact),
        ("leads", lead),
        ("deals", deal),
        ("tasks", task),
        ("interactions", interaction),
        ("notes", note),
        ("associations", association),
        ("teams", team),
        ("roles", role),
        ("properties", property),
        ("pipelines", pipeline),
        ("api-keys", key),
        ("security-events", event),
        ("sessions", session),
        ("users", admin.id.clone()),
        ("organizations", admin.organization.clone()),
        ("jobs", NOBODY.to_owned()),
        ("models", model),
    ];
    // The other kinds, with generated bodies.
    let created = operations(api).await.into_iter().filter(|(method, ..)| method == "POST");
    let created: Vec<String> = created.map(|(_, path, _)| path).collect();
    for kind in Kind::ALL {
        let plural = kind.plural();
        let is_new = all.iter().all(|(known, _)| *known != plural);
        if is_new && created.iter().any(|path| path.ends_with(&format!("/{plural}"))) {
            all.push((plural, api.post(admin, plural, made_up::body_of(*kind)).await.is(201).id()));
        }
    }
    all
}

/// The path with an id inserted.
fn with_id(path: &str, id: &str) -> String {
    let path = path.replace("{id}", id).replace("{kind}", "lead");
    if path.ends_with("/as-of") { format!("{path}?at=2024-05-06T10:00:00Z") } else { path }
}

#[tokio::test]
async fn another_tenants_id_is_as_unknown_as_a_random_one() {
    let api = Api::new();
    let mine = api.register("mine").await;
    let theirs = api.register("theirs").await;
    let records = fill(&api, &theirs).await;
    let before = api.get(&theirs, "audit?limit=200").await.is(200);
    let mut tried = 0;
    for (method, path, _) in operations(&api).await {
        if !path.contains("{id}") {
            continue;
        }
        let (_, id) = records
            .iter()
            .find(|(plural, _)| path.contains(&format!("/{plural}/")))
            .unwrap_or_else(|| panic!("no record for {path}: add one to `fill`"));
        let send = async |id: &str| {
            let asking = api.ask(&method, &with_id(&path, id)).token(&mine.access);
            let asking =
                if matches!(method.as_str(), "GET" | "DELETE") { asking } else { asking.json(&body_of(&path)) };
            asking.send().await
        };
        let (known, random) = (send(id).await, send(NOBODY).await);
        assert_eq!(known.status.as_u16(), 404, "{method} {path}: {}", known.text);
        assert_eq!(known.text, random.text, "{method} {path}");
        tried += 1;
    }
    assert!(tried > 120, "{tried}");
    let after = api.get(&theirs, "audit?limit=200").await.is(200);
    assert_eq!(before.data(), after.data(), "nothing of theirs has changed");
}

#[tokio::test]
async fn references_to_another_tenants_records_are_references_to_nothing() {
    let api = Api::new();
    let mine = api.register("mine").await;
    let theirs = api.register("theirs").await;
    let records = fill(&api, &theirs).await;
    let id = |plural: &str| records.iter().find(|(one, _)| *one == plural).expect("made").1.clone();
    for (path, body, field) in [
        ("leads", json!({"name": "L", "owner_id": theirs.id}), "owner_id"),
        ("contacts", json!({"name": "C", "company_id": id("companies")}), "company_id"),
        ("deals", json!({"title": "D", "pipeline_id": id("pipelines")}), "pipeline_id"),
        ("tasks", json!({"title": "T", "links": [{"kind": "lead", "id": id("leads")}]}), "links"),
    ] {
        let answer = api.post(&mine, path, body).await.problem(422, "invalid");
        assert!(answer.at_fault().iter().any(|at| at.starts_with(field)), "{path}: {}", answer.text);
    }
    let answer = api.get(&mine, &format!("leads?owner_id={}", theirs.id)).await.is(200);
    assert_eq!(answer.data(), &json!([]));
}

#[tokio::test]
async fn without_a_token_nothing_answers_but_what_is_open() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let records = fill(&api, &admin).await;
    for (method, path, public) in operations(&api).await {
        let id = records.iter().find(|(plural, _)| path.contains(&format!("/{plural}/"))).map_or(NOBODY, |(_, id)| id);
        let path = with_id(&path, id).replace("{field}", "external_id").replace("{value}", "1");
        for token in [None, Some("nonsense"), Some("crm_nonsense"), Some("a.b.c")] {
            let asking = api.ask(&method, &path.replace("{file}", "index.html"));
            let asking = match token {
                Some(token) => asking.token(token),
                None => asking,
            };
            let asking = if matches!(method.as_str(), "GET" | "DELETE") { asking } else { asking.json(&json!({})) };
            let answer = asking.send().await;
            if public {
                assert_ne!(answer.code(), "unauthenticated", "{method} {path}");
            } else {
                assert_eq!(answer.status.as_u16(), 401, "{method} {path} with {token:?}: {}", answer.text);
                assert!(answer.headers.contains_key("www-authenticate"));
            }
        }
    }
}

#[tokio::test]
async fn without_the_permission_it_is_403_and_named() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let analyst = api.user(&admin, "acme", "ann", "analyst").await;
    let lead = api.post(&admin, "leads", json!({"name": "L"})).await.is(201).id();
    for (method, path, body, permission) in [
        ("POST", "leads".to_owned(), json!({"name": "X"}), "lead.create"),
        ("PATCH", format!("leads/{lead}"), json!({"name": "X"}), "lead.update"),
        ("DELETE", format!("leads/{lead}"), json!({}), "lead.archive"),
        ("POST", format!("leads/{lead}/stage"), json!({"stage": "contacted"}), "lead.update"),
        ("POST", format!("leads/{lead}/convert"), json!({}), "lead.update"),
        ("POST", "users/invitations".to_owned(), json!({"email": "x@y.example", "role_ids": []}), "user.create"),
        ("POST", "roles".to_owned(), json!({"key": "k", "name": "K"}), "role.create"),
        ("GET", "api-keys".to_owned(), json!({}), "api_key.read"),
        ("POST", "api-keys".to_owned(), json!({"name": "K", "permissions": ["lead.read"]}), "api_key.create"),
        ("GET", "audit".to_owned(), json!({}), "security_event.read"),
        ("GET", "audit/security-events".to_owned(), json!({}), "security_event.read"),
    ] {
        let asking = api.ask(method, &path).token(&analyst.access);
        let asking = if matches!(method, "GET" | "DELETE") { asking } else { asking.json(&body) };
        let answer = asking.send().await.problem(403, "forbidden");
        assert_eq!(answer.json["permission"], permission, "{method} {path}");
    }
    // Refusals are in the security log, with the user.
    let events = api.get(&admin, "audit/security-events?event=access_refused&limit=200").await.is(200);
    let events = events.data().as_array().expect("events").clone();
    assert!(events.iter().any(|event| event["detail"] == "lead.create" && event["user_id"] == analyst.id));
    // A representative can only read their own records; those of others are not found.
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    api.get(&rep, &format!("leads/{lead}")).await.problem(404, "not_found");
    api.patch(&rep, &format!("leads/{lead}"), json!({"name": "X"})).await.problem(404, "not_found");
    let why = api.get(&admin, &format!("leads/{lead}/explain?action=update")).await.is(200);
    assert_eq!(why.data()["allowed"], true);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have_by_any_route() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let manager = api.user(&admin, "acme", "max", "sales_manager").await;
    let role = api.role(&admin, "admin").await;
    let me = format!("users/{}", manager.id);
    for (method, path, body) in [
        ("PATCH", me.as_str(), json!({"role_ids": [role]})),
        ("PATCH", "me", json!({"role_ids": [role]})),
        ("POST", "users/invitations", json!({"email": "evil@acme.example", "role_ids": [role]})),
        ("POST", "users", json!({"email": "evil@acme.example", "role_ids": [role]})),
    ] {
        let answer = api.ask(method, path).token(&manager.access).json(&body).send().await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 422), "{method} {path}: {}", answer.text);
    }
    assert_eq!(api.get(&manager, "me").await.is(200).data()["user"]["role_ids"].as_array().map(Vec::len), Some(1));
    let profile = api.patch(&manager, "me", json!({"job_title": "Lead of sales"})).await.is(200);
    assert_eq!(profile.data()["job_title"], "Lead of sales");
}

#[tokio::test]
async fn a_parameter_that_the_document_does_not_have_is_refused() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    let mut tried = 0;
    for (method, path, public) in operations(&api).await {
        let operation = &document.json["paths"][&path][method.to_lowercase()];
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        // Routes with query parameters parse them themselves; public reads accept any.
        if parameters.iter().any(|one| one["in"] == "query") || (public && method == "GET") {
            continue;
        }
        let path = format!("{}?dry_run=true", with_id(&path, NOBODY));
        let asking = api.ask(&method, &path).token(&admin.access);
        let asking = if matches!(method.as_str(), "GET" | "DELETE") { asking } else { asking.json(&json!({})) };
        let answer = asking.send().await.problem(400, "bad_request");
        assert_eq!(answer.at_fault(), ["dry_run"], "{method} {path}: {}", answer.text);
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}
