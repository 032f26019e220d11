//! Undo, timelines, kinds, boards and the start page over HTTP.

use serde_json::{Value as Json, json};

use crate::api::Api;

#[tokio::test]
async fn an_undo_speaks_of_the_change_and_the_history_foretells_it() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201).id();
    let path = format!("leads/{lead}");
    api.patch(&admin, &path, json!({"tags": ["y"], "source": "web"})).await.is(200);
    api.patch(&admin, &path, json!({"tags": ["y", "z"], "source": "fair"})).await.is(200);
    let history = api.get(&admin, &format!("{path}/history?names=true")).await.is(200);
    let changes = history.data().as_array().expect("changes").clone();
    let told: Vec<&Json> = changes.iter().map(|change| &change["undoable"]).collect();
    assert_eq!(told, [&json!(true), &json!(false), &json!(false)]);
    assert_eq!(changes[1]["not_undoable"]["code"], "changed_since");
    assert_eq!(changes[1]["not_undoable"]["fields"], json!(["source"]));
    assert_eq!(history.json["meta"]["names"][lead.as_str()], "Ada");
    let undo = |change: &Json| json!({"commit": change["commit"]});
    let refused = api.post(&admin, &format!("{path}/undo"), undo(&changes[1])).await.problem(409, "changed_since");
    assert_eq!(refused.json["changed"], json!([{"field": "source", "left": "web", "current": "fair"}]));
    assert!(refused.json.get("errors").is_none(), "{}", refused.text);
    api.post(&admin, &format!("{path}/undo"), undo(&changes[0])).await.is(200);
    api.post(&admin, &format!("{path}/undo"), undo(&changes[0])).await.problem(409, "already_undone");
    api.post(&admin, &format!("{path}/undo"), undo(&changes[1])).await.is(200);
    api.post(&admin, &format!("{path}/undo"), undo(&changes[2])).await.is(200);
    let nobody = json!({"commit": "00000000-0000-7000-8000-000000000001"});
    api.post(&admin, &format!("{path}/undo"), nobody).await.problem(404, "change_not_found");
}

#[tokio::test]
async fn a_timeline_is_asked_for_by_type_and_with_names() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let lead = api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201).id();
    let link = json!([{"kind": "lead", "id": lead}]);
    api.post(&admin, "notes", json!({"content": "n", "links": link})).await.is(201);
    let path = format!("leads/{lead}/timeline");
    let types = async |query: &str| -> Vec<String> {
        let page = api.get(&admin, &format!("{path}{query}")).await.is(200);
        page.data().as_array().expect("entries").iter().map(|e| e["type"].as_str().expect("a type").into()).collect()
    };
    assert_eq!(types("?type=note").await, ["note"]);
    assert_eq!(types("?type=change,task").await, ["change"]);
    assert_eq!(types("?machine=true").await.len(), types("").await.len());
    api.get(&admin, &format!("{path}?type=comment")).await.problem(400, "bad_parameter");
    api.get(&admin, &format!("{path}?names=perhaps")).await.problem(400, "bad_request");
    let page = api.get(&admin, &format!("{path}?names=true&type=change")).await.is(200);
    assert_eq!(page.json["meta"]["names"][lead.as_str()], "Ada");
    assert_eq!(page.data()[0]["change"]["undoable"], true);
}

#[tokio::test]
async fn kinds_have_paths_and_a_tag_and_boards_take_what_lists_take() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let kinds = api.get(&admin, "kinds").await.is(200);
    for kind in kinds.data().as_array().expect("kinds") {
        let path = kind["path"].as_str().expect("a path").trim_start_matches("/api/v1/").replace("{kind}", "lead");
        api.get(&admin, &path).await.is(200);
    }
    let tag = kinds.headers["etag"].to_str().expect("a tag").to_owned();
    api.ask("GET", "kinds").token(&admin.access).header("if-none-match", &tag).send().await.is(304);
    api.ask("GET", "kinds").send().await.is(401);
    let deal = json!({"title": "D", "source": "web", "owner_id": admin.id});
    api.post(&admin, "deals", deal).await.is(201);
    api.post(&admin, "deals", json!({"title": "E"})).await.is(201);
    let pipelines = api.get(&admin, "pipelines?kind=deal").await.is(200);
    let board = format!("pipelines/{}/board", pipelines.data()[0]["id"].as_str().expect("an id"));
    let counts = async |query: &str| -> u64 {
        let board = api.get(&admin, &format!("{board}{query}")).await.is(200);
        board.data().as_array().expect("columns").iter().map(|column| column["count"].as_u64().expect("a count")).sum()
    };
    assert_eq!((counts("").await, counts("?source=web").await), (2, 1));
    let shown = api.get(&admin, &format!("{board}?include=owner&fields=title&sort=-close_date")).await.is(200);
    assert!(shown.json["meta"]["included"]["users"][admin.id.as_str()].is_object(), "{}", shown.text);
    assert!(shown.data()[0]["records"][0].get("source").is_none());
    api.get(&admin, &format!("{board}?cursor=x")).await.problem(400, "unknown_parameter");
    api.get(&admin, &format!("{board}?nonsense=x")).await.problem(400, "bad_request");
}

#[tokio::test]
async fn the_start_leads_a_browser_to_the_docs_and_a_program_to_the_api() {
    let api = Api::new();
    let start = api.ask("GET", "/").send().await.is(200);
    let links = &start.data()["links"];
    for name in ["openapi", "health"] {
        api.ask("GET", &format!("/{}", links[name].as_str().expect("a link"))).send().await.is(200);
    }
    let browser = api.ask("GET", "/").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").send().await;
    if links["docs"].is_string() {
        let there = browser.is(303).headers["location"].to_str().expect("a place").to_owned();
        api.ask("GET", &format!("/{there}")).send().await.is(200);
    } else {
        browser.is(200);
    }
    // Nested under a path, which may be requested without its trailing slash.
    let nested = axum::Router::new().nest_service("/crm", api.router.clone());
    for (path, place) in [("/crm", "crm/docs"), ("/crm/", "docs")] {
        let nested = Api { router: nested.clone(), ..api.clone() };
        let answer = nested.ask("GET", path).header("accept", "text/html").send().await;
        if links["docs"].is_string() {
            assert_eq!(answer.is(303).headers["location"], place);
        }
    }
}
