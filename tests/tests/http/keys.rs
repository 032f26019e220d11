//! API keys over HTTP: the secret is shown once; limits, rotation, revocation.

use serde_json::json;

use crate::api::{Api, User};

fn with(user: &User, key: &str) -> User {
    User { access: key.to_owned(), ..user.clone() }
}

#[tokio::test]
async fn a_key_does_what_it_names_and_no_more() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let new =
        json!({"name": "Website", "permissions": ["lead.create", "lead.read"], "expires_at": "2024-06-06T00:00:00Z"});
    let made = api.post(&admin, "api-keys", new).await.is(201);
    assert_eq!(made.headers["cache-control"], "no-store");
    let secret = made.data()["key"].as_str().expect("a key").to_owned();
    let id = made.data()["api_key"]["id"].as_str().expect("an id").to_owned();
    let program = with(&admin, &secret);

    let lead = api.post(&program, "leads", json!({"name": "From the web"})).await.is(201).id();
    api.get(&program, &format!("leads/{lead}")).await.is(200);
    let history = api.get(&program, &format!("leads/{lead}/history")).await.is(200);
    assert!(history.data()[0]["origin"].to_string().contains("key"), "the log says through what: {}", history.text);
    for (method, path, body) in [
        ("PATCH", format!("leads/{lead}"), json!({"name": "X"})),
        ("GET", "contacts".to_owned(), json!({})),
        ("GET", "audit".to_owned(), json!({})),
        ("GET", "api-keys".to_owned(), json!({})),
        ("POST", "api-keys".to_owned(), json!({"name": "More", "permissions": ["lead.update"]})),
        ("POST", "auth/password".to_owned(), json!({"current": "x", "new": "y"})),
        ("GET", "auth/sessions".to_owned(), json!({})),
        ("POST", "auth/totp".to_owned(), json!({"password": "x"})),
    ] {
        let asking = api.ask(method, &path).token(&secret);
        let answer = if method == "GET" { asking.send().await } else { asking.json(&body).send().await };
        assert_eq!(answer.status.as_u16(), 403, "{method} {path}: {}", answer.text);
    }
    let listed = api.get(&admin, "api-keys").await.is(200);
    assert!(!listed.text.contains(&secret) && !listed.text.contains("hash"), "{}", listed.text);

    let rotated = api.post(&admin, &format!("api-keys/{id}/rotate"), json!({"overlap_seconds": 600})).await.is(200);
    let next = with(&admin, rotated.data()["key"].as_str().expect("a key"));
    api.get(&program, "leads").await.is(200);
    api.get(&next, "leads").await.is(200);
    api.clock.advance_seconds(601);
    api.get(&program, "leads").await.is(401);
    api.get(&next, "leads").await.is(200);
    api.ask("DELETE", &format!("api-keys/{id}")).token(&admin.access).send().await.is(200);
    api.get(&next, "leads").await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_key_ends_with_its_time_and_with_its_user() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let unknown = json!({"name": "K", "permissions": ["lead.read", "lead.fly"]});
    let fault = api.post(&admin, "api-keys", unknown).await.problem(422, "invalid");
    assert_eq!(fault.at_fault(), ["permissions[1]"]);
    let new = json!({"name": "K", "permissions": ["lead.read"], "expires_at": "2024-05-06T10:00:00Z"});
    let made = api.post(&admin, "api-keys", new).await.is(201);
    let program = with(&admin, made.data()["key"].as_str().expect("a key"));
    api.get(&program, "leads").await.is(200);
    api.clock.advance_seconds(3601);
    api.get(&program, "leads").await.is(401);
}
