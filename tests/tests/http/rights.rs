//! Permissions over HTTP: a revocation takes effect at the next request, whatever the access token was issued for.

use serde_json::json;

use crate::api::{Api, User};

#[tokio::test]
async fn a_demoted_administrator_cannot_take_the_role_back_and_a_dismissed_one_is_out() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let (demoted, dismissed) =
        (api.user(&admin, "acme", "bad", "admin").await, api.user(&admin, "acme", "cad", "admin").await);
    let (admins, reps) = (api.role(&admin, "admin").await, api.role(&admin, "sales_rep").await);
    api.get(&demoted, "leads").await.is(200);
    let me = format!("users/{}", demoted.id);
    api.patch(&admin, &me, json!({"role_ids": [reps]})).await.is(200);
    api.patch(&demoted, &me, json!({"role_ids": [admins]})).await.problem(403, "forbidden");
    api.get(&demoted, "me").await.is(200);
    let them = format!("users/{}", dismissed.id);
    api.post(&admin, &format!("{them}/deactivate"), json!({"leave": true})).await.is(200);
    api.post(&dismissed, "leads", json!({"name": "by a ghost"})).await.problem(401, "invalid_token");
    api.post(&dismissed, &format!("{them}/activate"), json!({})).await.problem(401, "invalid_token");
    api.get(&dismissed, "auth/sessions").await.problem(401, "invalid_token");
    api.post(&admin, &format!("{them}/activate"), json!({})).await.is(200);
    api.get(&dismissed, "me").await.problem(401, "invalid_token");
}

#[tokio::test]
async fn an_archived_administrator_cannot_restore_themselves() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let gone = api.user(&admin, "acme", "gone", "admin").await;
    let me = format!("users/{}", gone.id);
    api.get(&gone, "me").await.is(200);
    api.ask("DELETE", &me).token(&admin.access).send().await.is(200);
    api.post(&gone, &format!("{me}/restore"), json!({})).await.problem(401, "invalid_token");
    api.patch(&gone, &me, json!({"job_title": "ghost"})).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_key_is_narrowed_with_its_user_and_a_team_is_left_at_once() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let boss = api.user(&admin, "acme", "boss", "sales_manager").await;
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let team = api.post(&admin, "teams", json!({"name": "North"})).await.is(201).id();
    for user in [&boss, &rep] {
        api.patch(&admin, &format!("users/{}", user.id), json!({"team_ids": [team]})).await.is(200);
    }
    let lead = api.post(&rep, "leads", json!({"name": "L"})).await.is(201).id();
    let place = format!("leads/{lead}");
    api.get(&boss, &place).await.is(200);
    api.patch(&admin, &format!("users/{}", boss.id), json!({"team_ids": []})).await.is(200);
    api.get(&boss, &place).await.problem(404, "not_found");
    api.get(&boss, "leads").await.is(200);
    // A key loses permissions with its user's role.
    let second = api.user(&admin, "acme", "second", "admin").await;
    let made = api.post(&second, "api-keys", json!({"name": "S", "permissions": ["lead.read", "lead.update"]})).await;
    let made = made.is(201);
    let program = User { access: made.data()["key"].as_str().expect("a key").to_owned(), ..second.clone() };
    api.patch(&program, &place, json!({"name": "M"})).await.is(200);
    let reader = json!({"key": "reader", "name": "Reader", "grants": [
        {"resource": "lead", "action": "read", "scope": "all"},
    ]});
    let reader = api.post(&admin, "roles", reader).await.is(201).id();
    api.patch(&admin, &format!("users/{}", second.id), json!({"role_ids": [reader]})).await.is(200);
    api.get(&program, &place).await.is(200);
    api.patch(&program, &place, json!({"name": "N"})).await.problem(403, "forbidden");
    api.post(&admin, &format!("users/{}/deactivate", second.id), json!({"leave": true})).await.is(200);
    api.get(&program, &place).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_suspended_organization_is_closed_at_the_next_request() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    api.get(&rep, "leads").await.is(200);
    let place = format!("organizations/{}", admin.organization);
    api.patch(&admin, &place, json!({"status": "suspended"})).await.is(200);
    for user in [&rep, &admin] {
        api.get(user, "leads").await.problem(401, "invalid_token");
        api.post(user, "leads", json!({"name": "L"})).await.problem(401, "invalid_token");
    }
    api.patch(&admin, &place, json!({"status": "active"})).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn whoever_may_not_act_any_more_is_a_stranger_on_every_route() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let gone = api.user(&admin, "acme", "gone", "admin").await;
    api.get(&gone, "me").await.is(200);
    api.post(&admin, &format!("users/{}/deactivate", gone.id), json!({"leave": true})).await.is(200);
    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    let (mut asked, mut let_in) = (0, Vec::new());
    for (path, item) in document.json["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let public = operation["security"].as_array().is_some_and(|all| all.iter().any(|one| one == &json!({})));
            if public {
                continue;
            }
            let mut place = path.clone();
            while let (Some(from), Some(to)) = (place.find('{'), place.find('}')) {
                place.replace_range(from..=to, &gone.id);
            }
            let asking = api.ask(&method.to_uppercase(), &place).token(&gone.access);
            let asking = if method == "get" { asking } else { asking.json(&json!({})) };
            let status = asking.send().await.status.as_u16();
            // A malformed path, query or body is reported before anything is read.
            if !matches!(status, 401 | 400 | 404 | 415 | 422) {
                let_in.push(format!("{method} {path}: {status}"));
            }
            asked += usize::from(status == 401);
        }
    }
    assert!(let_in.is_empty(), "{let_in:#?}");
    assert!(asked > 100, "{asked}");
}

#[tokio::test]
async fn a_tag_is_another_one_under_other_field_rules() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rules = json!([{"kind": "lead", "field": "source", "access": "hidden"}]);
    let role = json!({"key": "rules", "name": "Rules", "field_rules": []});
    let role = api.post(&admin, "roles", role).await.is(201).id();
    let reader = api.user(&admin, "acme", "reader", "marketing").await;
    let marketing = api.role(&admin, "marketing").await;
    api.patch(&admin, &format!("users/{}", reader.id), json!({"role_ids": [marketing, role]})).await.is(200);
    let lead = api.post(&admin, "leads", json!({"name": "L", "source": "website"})).await.is(201).id();
    let place = format!("leads/{lead}");
    let before = api.get(&reader, &place).await.is(200);
    let again = api.ask("GET", &place).token(&reader.access).header("if-none-match", &before.etag()).send().await;
    again.is(304);
    api.patch(&admin, &format!("roles/{role}"), json!({"field_rules": rules})).await.is(200);
    let again = api.ask("GET", &place).token(&reader.access).header("if-none-match", &before.etag()).send().await;
    let again = again.is(200);
    assert!(again.data().get("source").is_none() && before.data()["source"] == "website");
    assert_ne!(again.etag(), before.etag());
}

#[tokio::test]
async fn a_role_tells_what_it_grants_in_effect() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let place = format!("roles/{}", api.role(&admin, "sales_rep").await);
    let on = |action: &str, scope: &str| json!({"resource": "company", "action": action, "scope": scope});
    let granted = async || api.get(&rep, &format!("{place}/grants")).await.is(200).data().as_array().unwrap().clone();
    assert!(granted().await.contains(&on("create", "own")));
    let change = json!({"withheld": ["company.create"], "grants": [on("export", "own"), on("read", "own")]});
    let changed = api.patch(&admin, &place, change).await.is(200);
    assert_eq!(changed.data()["grants"], json!([on("export", "own")]), "what the program gives anyway is not stored");
    let then = granted().await;
    assert!(then.contains(&on("export", "own")) && then.contains(&on("read", "own")));
    assert!(!then.contains(&on("create", "own")));
    api.post(&rep, "companies", json!({"name": "C"})).await.problem(403, "forbidden");
    let me = api.get(&rep, "me").await.is(200);
    let permissions = &me.data()["permissions"];
    assert!(permissions["company.create"].is_null() && permissions["company.export"] == "own", "{}", me.text);
    let refused = api.patch(&admin, &place, json!({"withheld": ["company.archive"]})).await.problem(422, "invalid");
    assert_eq!(refused.at_fault(), ["withheld[0]"]);
    // A conditional grant is shown with its condition.
    let support = format!("roles/{}/grants", api.role(&admin, "support").await);
    let support = api.get(&admin, &support).await.is(200);
    let all = support.data().as_array().expect("grants");
    assert!(all.iter().any(|grant| grant["resource"] == "contact" && grant["condition"]["field"] == "lifecycle"));
}
