//! Jobs over HTTP: looking at one changes nothing, `run` continues it, `cancel` ends it.

use crm_core::{access::Actor, leads::NewLead, users::Handover, value::Id};
use serde_json::json;

use crate::api::{Api, User};

/// A job that nobody has worked on yet: a user's lead is to go to the administrator.
async fn begun(api: &Api, admin: &User, from: &User) -> String {
    let id = |user: &User| user.id.parse().unwrap();
    let tenant: Id = admin.organization.parse().unwrap();
    let new = NewLead { name: "Ada".into(), owner_id: Some(id(from)), ..NewLead::default() };
    api.crm.leads(&Actor::system(tenant)).create(new).await.unwrap();
    let actor = api.crm.actor(tenant, id(admin)).await.unwrap();
    let to = Handover::TransferTo(id(admin));
    api.crm.jobs(&actor).deactivate_user(id(from), to, None).await.unwrap().id.to_string()
}

#[tokio::test]
async fn looking_at_a_job_changes_nothing_and_running_it_continues_it() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "Rob", "sales_rep").await;
    let other = api.user(&admin, "acme", "Sue", "sales_rep").await;
    let path = format!("jobs/{}", begun(&api, &admin, &rep).await);
    for _ in 0..2 {
        let seen = api.get(&admin, &path).await.is(200);
        assert_eq!((&seen.data()["status"], &seen.data()["done"]), (&json!("running"), &json!(0)), "{}", seen.text);
        assert_eq!(seen.data()["type"], "deactivate_user");
        assert_eq!(seen.data()["target"]["user_id"], json!(rep.id));
    }
    for tail in ["run", "cancel"] {
        api.post(&other, &format!("{path}/{tail}"), json!({})).await.problem(404, "not_found");
    }
    let done = api.post(&admin, &format!("{path}/run"), json!({})).await.is(200);
    assert_eq!((&done.data()["status"], &done.data()["done"]), (&json!("completed"), &json!(1)), "{}", done.text);
    let again = api.post(&admin, &format!("{path}/run"), json!({})).await.is(200);
    assert_eq!(again.data(), done.data());
    api.post(&admin, &format!("{path}/cancel"), json!({})).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_job_that_is_cancelled_is_not_continued() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "Rob", "sales_rep").await;
    let path = format!("jobs/{}", begun(&api, &admin, &rep).await);
    let cancelled = api.post(&admin, &format!("{path}/cancel"), json!({})).await.is(200);
    assert_eq!(cancelled.data()["status"], "cancelled");
    assert!(cancelled.data()["finished_at"].is_string(), "{}", cancelled.text);
    let left = api.post(&admin, &format!("{path}/run"), json!({})).await.is(200);
    assert_eq!((&left.data()["status"], &left.data()["done"]), (&json!("cancelled"), &json!(0)));
    let leads = api.get(&admin, &format!("leads?owner_id={}", rep.id)).await.is(200);
    assert_eq!(leads.data().as_array().map(Vec::len), Some(1), "{}", leads.text);
}
