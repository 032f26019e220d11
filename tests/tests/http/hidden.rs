//! A hidden field never leaves, whatever the route: every GET of the document is asked by somebody for whom fields are
//! hidden, and every answer searched for what stands in them.

use serde_json::{Value as Json, json};

use crate::api::Api;

/// Values that stand in hidden fields and nowhere else.
const SENTINELS: [&str; 4] = ["+15551230199", "hush-hush-source", "31337000", "secret-property-value"];

#[tokio::test]
async fn no_route_shows_a_hidden_field() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let property = json!({"key": "margin", "name": "Margin", "type": "text"});
    api.post(&admin, "properties/lead", property).await.is(201);
    let grants: Vec<Json> = ["lead", "contact", "company", "deal", "task", "note", "interaction", "security_event"]
        .iter()
        .flat_map(|kind| {
            ["read", "report", "update"].map(|action| json!({"resource": kind, "action": action, "scope": "all"}))
        })
        .chain(
            ["organization", "user", "team", "role", "pipeline", "property"]
                .map(|kind| json!({"resource": kind, "action": "read", "scope": "all"})),
        )
        .collect();
    let rules = json!([
        {"kind": "lead", "field": "phone", "access": "hidden"},
        {"kind": "lead", "field": "source", "access": "hidden"},
        {"kind": "lead", "field": "properties.margin", "access": "hidden"},
        {"kind": "deal", "field": "value", "access": "hidden"},
    ]);
    let role = json!({"key": "blind", "name": "Blind", "grants": grants, "field_rules": rules});
    api.post(&admin, "roles", role).await.is(201);
    let blind = api.user(&admin, "acme", "bob", "blind").await;

    // A model in force that rests on what is hidden: its points are told, and not why.
    let known = json!({"key": "known", "when": {"field": "source", "op": "eq", "value": SENTINELS[1]}, "points": 5000});
    let definition = json!({"groups": [{"key": "all", "rules": [known]}]});
    let model = json!({"key": "m", "name": "M", "kind": "lead", "definition": definition, "is_active": true});
    api.post(&admin, "scoring/models", model).await.is(201);

    let lead = json!({
        "name": "Ada", "phone": SENTINELS[0], "source": SENTINELS[1], "properties": {"margin": SENTINELS[3]},
    });
    let lead = api.post(&admin, "leads", lead).await.is(201).id();
    api.patch(&admin, &format!("leads/{lead}"), json!({"job_title": "Countess"})).await.is(200);
    let deal = json!({"title": "D", "value": {"amount": SENTINELS[2], "currency": "USD"}});
    let deal = api.post(&admin, "deals", deal).await.is(201).id();
    let pipeline =
        api.get(&admin, "pipelines?kind=deal").await.is(200).data()[0]["id"].as_str().expect("id").to_owned();

    // They are there for who may see them.
    let seen = api.get(&admin, &format!("leads/{lead}")).await.is(200);
    assert!([0, 1, 3].iter().all(|&at| seen.text.contains(SENTINELS[at])));

    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    let mut asked = 0;
    for (path, item) in document.json["paths"].as_object().expect("paths") {
        if item.get("get").is_none() {
            continue;
        }
        let id = if path.contains("/leads") {
            &lead
        } else if path.contains("/pipelines") {
            &pipeline
        } else {
            &deal
        };
        let plain = path.replace("{id}", id).replace("{kind}", "lead").replace("{file}", "index.html");
        let plain = plain.replace("{field}", "external_id").replace("{value}", "1");
        for tail in ["", "?limit=200", "?at=2024-05-06T10:00:00Z", "?include=lead,owner,company", "?with_total=true"] {
            let answer = api.get(&blind, &format!("{plain}{tail}")).await;
            for sentinel in SENTINELS {
                assert!(!answer.text.contains(sentinel), "{plain}{tail} tells {sentinel}: {}", answer.text);
            }
            let headers = format!("{:?}", answer.headers);
            assert!(SENTINELS.iter().all(|sentinel| !headers.contains(sentinel)));
            asked += usize::from(answer.status.is_success());
        }
    }
    assert!(asked > 40, "{asked}");
    let answer = api.get(&blind, &format!("leads/{lead}")).await.is(200);
    let object = answer.data().as_object().expect("an object");
    assert!(!object.contains_key("phone") && !object.contains_key("source"), "not even its name: {}", answer.text);
    assert_eq!(object["properties"], json!({}));

    let score = api.get(&blind, &format!("leads/{lead}/score")).await.is(200);
    assert_eq!(score.data()["contributions"][0]["facts"], json!([{"fact": "hidden"}]));

    // Tables, errors, filters, sorts, finds, writes and plans tell nothing of it either.
    let table = api.ask("GET", "leads").token(&blind.access).header("accept", "text/csv").send().await.is(200);
    assert!(SENTINELS.iter().all(|sentinel| !table.text.contains(sentinel)));
    assert!(!table.text.lines().next().unwrap_or_default().contains(",phone,"), "{}", table.text);
    for probe in [
        format!("leads?source={}", SENTINELS[1]),
        format!("leads?properties.margin={}", SENTINELS[3]),
        "leads?fields=phone".to_owned(),
        "leads?sort=source".to_owned(),
        "leads?filter=%7B%22field%22:%22phone%22,%22op%22:%22missing%22%7D".to_owned(),
        format!("leads/{lead}/history?field=phone"),
    ] {
        let answer = api.get(&blind, &probe).await;
        let plain = answer.status.as_u16() == 400 || answer.text == r#"{"data":[],"meta":{}}"#;
        let nothing = answer.status.as_u16() == 200 && probe.contains("fields=phone") && !answer.text.contains("phone");
        assert!(plain || nothing, "{probe}: {}", answer.text);
    }
    let write = api.patch(&blind, &format!("leads/{lead}"), json!({"phone": "+15551230100"})).await;
    write.problem(400, "bad_request");
    let version = api.patch(&blind, &format!("leads/{lead}"), json!({"name": "Eve", "version": 1})).await.is(200);
    assert!(SENTINELS.iter().all(|sentinel| !version.text.contains(sentinel)));
    let plan = api.patch(&blind, &format!("leads/{lead}?dry_run=true"), json!({"name": "Eva"})).await.is(200);
    assert!(SENTINELS.iter().all(|sentinel| !plan.text.contains(sentinel)));
    let words = api.get(&blind, &format!("leads?q={}", SENTINELS[0])).await.is(200);
    assert_eq!(words.data(), &json!([]), "what is hidden is not found by its words");
}
