//! Malformed bodies and queries: each is rejected with its location, and nothing is stored.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_body_is_json_of_bounded_size_and_depth() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let post = |media: &str, body: Vec<u8>| api.ask("POST", "leads").token(&admin.access).raw(media, body);
    post("text/plain", b"{}".to_vec()).send().await.problem(415, "unsupported_media_type");
    post("", b"{\"name\": \"Ada\"}".to_vec()).send().await.problem(415, "unsupported_media_type");
    post("application/json; charset=latin1", b"{}".to_vec()).send().await.problem(415, "unsupported_media_type");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
    post("application/json", large.into_bytes()).send().await.problem(413, "body_too_large");
    let broken = post("application/json", b"{\"name\": \"Ada\",\n \"email\": }".to_vec()).send().await;
    let broken = broken.problem(400, "malformed_json");
    assert!(broken.json["detail"].as_str().is_some_and(|detail| detail.contains("line 2")), "{}", broken.text);
    let deep = format!("{{\"properties\": {}1{}}}", "{\"a\":".repeat(1000), "}".repeat(1000));
    post("application/json", deep.into_bytes()).send().await.problem(400, "too_deep");
    post("application/json", b"[1, 2]".to_vec()).send().await.problem(400, "bad_body");
    post("application/json", b"\xff\xfe".to_vec()).send().await.problem(400, "malformed_json");
    let none = api.get(&admin, "leads?with_total=true").await.is(200);
    assert_eq!(none.json["meta"]["total"], 0);
}

#[tokio::test]
async fn unknown_fields_are_400_and_invalid_ones_422_all_at_once() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let unknown = api.post(&admin, "leads", json!({"name": "Ada", "nmae": "x", "scroe": 3})).await;
    let unknown = unknown.problem(400, "bad_request");
    assert_eq!(unknown.at_fault(), ["nmae", "scroe"]);
    let invalid = json!({"name": "", "email": "ada@", "phone": "12", "employee_count": -1, "website": "no url at all"});
    let invalid = api.post(&admin, "leads", invalid).await.problem(422, "invalid");
    for field in ["email", "phone", "employee_count"] {
        assert!(invalid.at_fault().contains(&field), "{field}: {}", invalid.text);
    }
    let errors = invalid.json["errors"].as_array().expect("errors");
    assert!(errors.iter().all(|error| error["code"].is_string() && error["message"].is_string()));
    // Fields set by the CRM cannot be written.
    for kept in ["score", "converted_at", "id", "tenant_id", "created_at", "stage_kind"] {
        let answer = api.post(&admin, "leads", json!({"name": "Ada", kept: null})).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{kept}: {}", answer.text);
    }
    api.post(&admin, "leads", json!({"name": "A\u{0}da"})).await.problem(422, "invalid");
    let wrong = api.post(&admin, "deals", json!({"title": "T", "value": 12.5})).await.problem(422, "invalid");
    assert_eq!(wrong.at_fault(), ["value"]);
}

#[tokio::test]
async fn queries_name_what_is_wrong_with_them() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let sort = api.get(&admin, "leads?sort=phone").await.problem(400, "bad_request");
    assert!(sort.text.contains("created_at"), "the allowed ones are named: {}", sort.text);
    for bad in [
        "leads?limit=0",
        "leads?limit=201",
        "leads?limit=x",
        "leads?cursor=abc",
        "leads?filter=x",
        "leads?nope=1",
        "leads?fields=nope",
        "leads?include=nope",
        "leads?with_total=maybe",
        "leads?q=a&q=b",
        "leads?filter={\"field\":\"nope\",\"op\":\"eq\",\"value\":1}",
        "leads?employee_count=many",
        "leads?sort=created_at,name",
    ] {
        let bad = bad.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        let answer = api.get(&admin, &bad).await;
        assert_eq!(answer.status.as_u16(), 400, "{bad}: {}", answer.text);
        assert!(!answer.code().is_empty());
    }
    api.get(&admin, "leads/not-an-id").await.problem(404, "not_found");
    api.ask("GET", "/api/v1/nothing").send().await.problem(404, "unknown_route");
    api.ask("PUT", "leads").token(&admin.access).send().await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn lists_take_fields_includes_totals_words_and_tables() {
    let api = Api::new();
    let admin = api.register("acme").await;
    for (name, source) in [("Ada", "web"), ("Bob", "fair"), ("=cmd()", "web")] {
        let new = json!({"name": name, "source": source, "owner_id": admin.id, "description": "long"});
        api.post(&admin, "leads", new).await.is(201);
        api.clock.advance_seconds(1);
    }
    let page = api.get(&admin, "leads?source=web&fields=name&include=owner&with_total=true&limit=1").await.is(200);
    assert_eq!(page.json["meta"]["total"], 2);
    let lead = page.data()[0].as_object().expect("an object");
    assert_eq!(lead.keys().collect::<Vec<_>>(), ["id", "version", "machine_version", "name"]);
    assert_eq!(page.json["meta"]["included"]["users"][&admin.id]["name"], "Ada");
    let cursor = page.json["meta"]["next_cursor"].as_str().expect("there is more").to_owned();
    let next = api.get(&admin, &format!("leads?source=web&fields=name&limit=1&cursor={cursor}")).await.is(200);
    assert_eq!(next.data()[0]["name"], "=cmd()");
    api.get(&admin, &format!("leads?source=fair&cursor={cursor}")).await.problem(400, "bad_request");
    let words = api.get(&admin, "leads?q=AD").await.is(200);
    assert_eq!(words.data().as_array().map(Vec::len), Some(1));
    let latest = api.get(&admin, "leads?sort=-created_at&fields=name").await.is(200);
    assert_eq!(latest.data()[0]["name"], "=cmd()");
    // A list omits long texts; a single record includes them.
    let all = api.get(&admin, "leads?limit=1").await.is(200);
    assert!(all.data()[0].get("description").is_none(), "{}", all.text);
    let id = all.data()[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(api.get(&admin, &format!("leads/{id}")).await.is(200).data()["description"], "long");
    let table = api.ask("GET", "leads?fields=name,source").token(&admin.access).header("accept", "text/csv");
    let table = table.send().await.is(200);
    let lines: Vec<&str> = table.text.lines().collect();
    assert_eq!(
        lines[0],
        "id,version,source,name".replace("source,name", lines[0].split_once("version,").expect("columns").1)
    );
    assert!(lines.iter().any(|line| line.contains("'=cmd()")), "no cell is a formula: {}", table.text);
    let found = api.post(&admin, "leads", json!({"name": "Key", "external_id": "k 1/2"})).await.is(201);
    let by = api.get(&admin, "leads/by/external_id/k%201%2F2").await.is(200);
    assert_eq!(by.id(), found.id());
    let put = api.ask("PUT", "leads/by/external_id/k%201%2F2").token(&admin.access).json(&json!({"name": "New"}));
    assert_eq!(put.send().await.is(200).id(), found.id());
}
