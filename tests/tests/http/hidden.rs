//! A hidden field never leaks, whatever the route: a user from whom fields are hidden calls every GET of the document,
//! and every response is searched for their values.

use crm_core::{
    catalog::decl,
    schema::{FieldType, Section},
    value::Kind,
    view::unprotect,
};
use serde_json::{Value as Json, json};

use crate::{
    api::{Answer, Api, User},
    made_up,
};

/// Values that occur only in hidden fields.
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
            ["read", "report", "update", "export"]
                .map(|action| json!({"resource": kind, "action": action, "scope": "all"}))
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

    // The active model depends on a hidden field: there is no visible score.
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

    // They are visible to users with access.
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

    // Its only rule would reveal the source.
    api.get(&blind, &format!("leads/{lead}/score")).await.problem(400, "bad_request");

    // CSV, errors, filters, sorts, finds, writes and plans do not reveal it either.
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

/// Creates a record of each kind with a unique value in every writable field, and the records it is linked to.
async fn filled(api: &Api, admin: &User) -> Vec<(Kind, String)> {
    for kind in ["lead", "contact", "company", "deal"] {
        let property = json!({"key": "secret", "name": "Secret", "type": "text"});
        api.post(admin, &format!("properties/{kind}"), property).await.is(201);
    }
    let made = |answer: Answer| answer.is(201).id();
    let me = &admin.id;
    let common = |kind: &str| json!({"secret": format!("zq{kind}property")});
    let company = json!({
        "name": "Zqcompany", "domain": "zqdomain.example", "website": "https://zqsite.example/", "phone": "+15551230101",
        "email": "zq@zqmail.example", "industry": "zqindustry", "employee_count": 73_519,
        "annual_revenue": {"amount": "8675309", "currency": "USD"}, "founded_year": 1873, "source": "zqcsource",
        "description": "zqcdescription", "tax_id": "zqtax", "tags": ["zqctag"], "external_id": "zqckey",
        "addresses": [{"city": "Zqccity"}], "social": [{"network": "zqnet", "url": "https://zqcsocial.example/"}],
        "owner_id": me, "properties": common("company"),
    });
    let company = made(api.post(admin, "companies", company).await);
    let contact = json!({
        "first_name": "Zqgiven", "last_name": "Zqfamily", "salutation": "Zqdame", "emails": [{"email": "zq@zqcont.example"}],
        "phones": [{"phone": "+15551230102"}], "job_title": "zqctitle", "department": "zqdepartment", "source": "zqksource",
        "description": "zqkdescription", "time_zone": "Pacific/Chatham", "language": "zq-lang", "tags": ["zqktag"],
        "external_id": "zqkkey", "company_id": company, "owner_id": me, "do_not_call": true, "properties": common("contact"),
    });
    let contact = made(api.post(admin, "contacts", contact).await);
    let lead = json!({
        "first_name": "Zqfirst", "last_name": "Zqlast", "email": "zq@zqlead.example", "phone": "+15551230103",
        "mobile_phone": "+15551230104", "company_name": "Zqfirm", "job_title": "zqltitle",
        "website": "https://zqlead.example/", "industry": "zqlindustry", "employee_count": 46_021,
        "annual_revenue": {"amount": "5318008", "currency": "USD"}, "address": {"city": "Zqlcity"}, "source": "zqlsource",
        "source_detail": "zqldetail", "description": "zqldescription", "tags": ["zqltag"], "external_id": "zqlkey",
        "owner_id": me, "do_not_email": true, "properties": common("lead"),
    });
    let lead = made(api.post(admin, "leads", lead).await);
    let deal = json!({
        "title": "Zqdeal", "description": "zqddescription", "value": {"amount": "4815162", "currency": "USD"},
        "probability": 37, "expected_close_date": "2031-07-19", "company_id": company, "primary_contact_id": contact,
        "source": "zqdsource", "next_step": "zqdstep", "tags": ["zqdtag"], "external_id": "zqdkey", "owner_id": me,
        "properties": common("deal"),
    });
    let deal = made(api.post(admin, "deals", deal).await);
    let links = json!([{"kind": "lead", "id": lead}, {"kind": "deal", "id": deal}]);
    let task = json!({
        "title": "Zqtask", "description": "zqtdescription", "category": "zqtcategory", "due_at": "2031-02-03T04:05:06Z",
        "start_at": "2031-02-02T04:05:06Z", "outcome": "zqtoutcome", "checklist": [{"text": "zqtcheck"}], "links": links,
        "status": "completed",
    });
    let task = made(api.post(admin, "tasks", task).await);
    let call = json!({
        "type": "call", "direction": "outbound", "subject": "Zqcall", "content": "zqicontent",
        "scheduled_at": "2024-03-04T05:06:07Z", "completed_at": "2024-03-05T05:06:07Z", "duration_seconds": 70_707,
        "outcome": "zqioutcome", "location": "zqilocation", "recording_url": "https://zqrecord.example/", "links": links,
        "participants": [{"address": "zqiparticipant"}],
    });
    let call = made(api.post(admin, "interactions", call).await);
    let note =
        made(api.post(admin, "notes", json!({"title": "Zqnote", "content": "zqncontent", "links": links})).await);
    // Creates history: past values are hidden as well as current ones.
    api.patch(admin, &format!("leads/{lead}"), json!({"job_title": "zqlnow", "last_name": "Zqnow"})).await.is(200);
    api.patch(admin, &format!("deals/{deal}"), json!({"value": {"amount": "1618033", "currency": "USD"}}))
        .await
        .is(200);
    let mut all = vec![
        (Kind::Company, company),
        (Kind::Contact, contact),
        (Kind::Lead, lead),
        (Kind::Deal, deal),
        (Kind::Task, task),
        (Kind::Interaction, call),
        (Kind::Note, note),
    ];
    // Every other kind, except those that everyone must see.
    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    for &kind in Kind::ALL {
        let is_created = document.json["paths"][format!("/api/v1/{}", kind.plural())]["post"].is_object();
        let is_shared = decl(kind).is_definition || matches!(kind, Kind::User | Kind::Association);
        if is_created && !is_shared && all.iter().all(|(known, _)| *known != kind) {
            all.push((kind, made(api.post(admin, kind.plural(), made_up::body_of(kind)).await)));
        }
    }
    all
}

/// The traces of a value that occur nowhere else: texts and numbers of some length. Ids of other records may occur
/// elsewhere.
fn traces(value: &Json, ty: FieldType, found: &mut Vec<String>) {
    if matches!(ty.element(), FieldType::Id(_) | FieldType::Ref(_) | FieldType::Bool | FieldType::Choice(_)) {
        return;
    }
    match value {
        Json::String(text) if text.len() >= 5 => found.push(text.clone()),
        Json::Number(number) if number.to_string().len() >= 4 => found.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| traces(item, ty, found)),
        Json::Object(map) => map.values().for_each(|item| traces(item, ty, found)),
        _ => {}
    }
}

/// Whichever field of whichever kind is hidden, no response about the record names it or contains its value.
#[tokio::test]
async fn no_field_of_any_kind_is_told_once_it_is_hidden() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let records = filled(&api, &admin).await;
    let shared = ["organization", "user", "team", "pipeline", "property", "scoring_model"];
    let on = |kind: &str, action: &str| json!({"resource": kind, "action": action, "scope": "all"});
    let own = records.iter().flat_map(|(kind, _)| ["read", "report", "export"].map(|action| on(kind.name(), action)));
    let grants: Vec<Json> = own.chain(shared.iter().map(|kind| on(kind, "read"))).collect();
    let role = json!({"key": "blind", "name": "Blind", "grants": grants});
    let role = api.post(&admin, "roles", role).await.is(201).id();
    let blind = api.user(&admin, "acme", "bob", "blind").await;
    let (mut asked, mut searched) = (0, 0);
    for (kind, id) in &records {
        let path = kind.plural();
        let seen = api.get(&admin, &format!("{path}/{id}")).await.is(200);
        let history = api.get(&admin, &format!("{path}/{id}/history")).await.is(200);
        let fields = decl(*kind).fields.iter().filter(|field| !matches!(field.section, Section::System));
        let fields = fields.filter(|field| !matches!(field.name, "search_text" | "archived_at"));
        for (field, ty) in
            fields.map(|field| (field.name, field.ty)).chain([("properties.secret", FieldType::LongText)])
        {
            if field == "properties.secret" && !matches!(kind, Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal)
            {
                continue;
            }
            let rules = json!([{"kind": kind.name(), "field": field, "access": "hidden"}]);
            api.patch(&admin, &format!("roles/{role}"), json!({"field_rules": rules})).await.is(200);
            let mut secrets = Vec::new();
            traces(
                seen.data().pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&Json::Null),
                ty,
                &mut secrets,
            );
            for change in history.data().as_array().expect("changes") {
                for one in change["fields"].as_array().expect("fields").iter().filter(|one| one["field"] == field) {
                    traces(&one["old"], ty, &mut secrets);
                    traces(&one["new"], ty, &mut secrets);
                }
            }
            // The time of a write is visible to every reader of the record.
            let mut moments = vec![&seen.data()["created_at"], &seen.data()["updated_at"]];
            for change in history.data().as_array().expect("changes") {
                moments.extend([&change["occurred_at"], &change["recorded_at"]]);
            }
            secrets.retain(|secret| moments.iter().all(|moment| moment.as_str() != Some(secret)));
            let mut routes = vec![
                format!("{path}/{id}"),
                format!("{path}?limit=200"),
                format!("{path}/{id}/history"),
                format!("{path}/{id}/as-of?at=2024-05-06T10:00:00Z"),
                format!("{path}?as_of=2024-05-06T10:00:00Z"),
            ];
            if matches!(kind, Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal) {
                for tail in ["timeline", "associations", "score", "recommendations"] {
                    routes.push(format!("{path}/{id}/{tail}"));
                }
            }
            for route in routes {
                let answer = api.get(&blind, &route).await;
                for secret in &secrets {
                    assert!(!answer.text.contains(secret), "{kind}.{field}: {route} tells {secret}: {}", answer.text);
                }
                let named = answer.text.contains(&format!("\"{field}\":"))
                    || answer.text.contains(&format!("\"field\":\"{field}\""));
                // A route about the hidden data itself may say that there is none.
                let other = ["timeline", "associations", "score"].iter().any(|tail| route.ends_with(tail));
                let other = other || field == "properties";
                assert!(!named || other, "{kind}.{field}: {route} names it: {}", answer.text);
                asked += usize::from(answer.status.is_success());
            }
            let table = api.ask("GET", path).token(&blind.access).header("accept", "text/csv").send().await.is(200);
            assert!(secrets.iter().all(|secret| !table.text.contains(secret)), "{kind}.{field}: {}", table.text);
            let head = table.text.lines().next().unwrap_or_default();
            assert!(head.split(',').all(|column| column != field), "{kind}.{field}: {head}");
            searched += secrets.len();
        }
    }
    assert!(asked > 700 && searched > 120, "{asked} {searched}");
}

/// An empty CSV has the same columns, and a role without the export permission gets none.
#[tokio::test]
async fn a_table_is_for_who_may_export_and_names_what_they_may_see() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let table = async |user: &User, path: &str| {
        api.ask("GET", path).token(&user.access).header("accept", "text/csv").send().await
    };
    let refused = table(&rep, "leads").await.problem(403, "forbidden");
    assert_eq!(refused.json["permission"], "lead.export");
    let grants: Vec<Json> =
        ["read", "export"].iter().map(|a| json!({"resource": "lead", "action": a, "scope": "all"})).collect();
    let rules = json!([{"kind": "lead", "field": "phone", "access": "hidden"}]);
    let role = json!({"key": "exporter", "name": "Exporter", "grants": grants, "field_rules": rules});
    api.post(&admin, "roles", role).await.is(201);
    let exporter = api.user(&admin, "acme", "eve", "exporter").await;
    let empty = table(&exporter, "leads").await.is(200).text;
    assert!(!empty.contains("phone,") || empty.contains("mobile_phone,"), "{empty}");
    let columns: Vec<&str> = empty.trim_end().split(',').collect();
    assert!(
        !columns.contains(&"phone") && !columns.contains(&"search_text") && columns.contains(&"name"),
        "{columns:?}"
    );
    api.post(&admin, "leads", json!({"name": "Ada"})).await.is(201);
    let full = table(&exporter, "leads").await.is(200).text;
    assert_eq!(full.lines().next(), empty.lines().next());
}

/// A cell contains the record's value, and nothing that a spreadsheet would execute.
#[tokio::test]
async fn what_a_table_holds_reads_back_cell_for_cell() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let property = json!({"key": "note", "name": "Note", "type": "text"});
    api.post(&admin, "properties/lead", property).await.is(201);
    let names =
        ["=1+1", "'=1+1", "''@x", "'plain", "@cmd", "-5.25", "-5+1", "a,b", "a \"quoted\" one", "+49 (x)", "ＡＢ"];
    for name in names {
        let lead = json!({
            "name": name, "phone": "+4930901820", "tags": ["=tag", "two, and three"], "properties": {"note": "=note"},
            "annual_revenue": {"amount": "12.50", "currency": "EUR"}, "do_not_email": true, "employee_count": 5,
            "description": format!("=long\nand {name}"),
        });
        api.post(&admin, "leads", lead).await.is(201);
    }
    let table =
        api.ask("GET", "leads?limit=200").token(&admin.access).header("accept", "text/csv").send().await.is(200);
    assert!(table.text.contains(",+4930901820,"), "{}", table.text);
    let list = api.get(&admin, "leads?limit=200").await.is(200);
    let mut reader = csv::Reader::from_reader(table.text.as_bytes());
    let columns = reader.headers().expect("a heading").clone();
    let mut cells = 0;
    for (row, record) in reader.records().zip(list.data().as_array().expect("records")) {
        // Includes long texts, which lists omit and CSV does not.
        let whole = api.get(&admin, &format!("leads/{}", record["id"].as_str().expect("an id"))).await.is(200);
        assert!(whole.data()["description"].as_str().expect("a text").starts_with("=long"));
        for (name, cell) in columns.iter().zip(&row.expect("a row")) {
            let value = &whole.data()[name];
            let read = match value {
                Json::Null => json!(null),
                Json::String(_) => json!(unprotect(cell)),
                _ => serde_json::from_str(cell).expect("JSON"),
            };
            assert_eq!(&read, value, "{name}: {cell}");
            assert!(!cell.starts_with(['=', '@']), "{cell}");
            cells += 1;
        }
    }
    assert!(cells > 11 * 30, "{cells}");
}

/// Associations of a record are visible to users who can read both ends. A user who cannot list all is told the missing
/// scope.
#[tokio::test]
async fn associations_of_a_record_are_read_by_who_may_read_their_ends() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
    let contact = api.post(&rep, "contacts", json!({"name": "Mine"})).await.is(201).id();
    let theirs = api.post(&admin, "contacts", json!({"name": "Theirs"})).await.is(201).id();
    let tie = async |user: &User, to: &str, label: &str| {
        let end = |id: &str| json!({"kind": "contact", "id": id});
        api.post(user, "associations", json!({"from": end(&contact), "to": end(to), "label": label})).await.is(201).id()
    };
    for label in ["knows", "likes", "owes"] {
        let other = api.post(&rep, "contacts", json!({"name": label})).await.is(201).id();
        tie(&rep, &other, label).await;
    }
    tie(&admin, &theirs, "hides").await;
    let first = api.get(&rep, &format!("contacts/{contact}/associations?limit=2")).await.is(200);
    let labels = |answer: &Answer| -> Vec<String> {
        let all = answer.data().as_array().expect("associations").iter();
        all.map(|one| one["label"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(labels(&first), ["knows", "likes"]);
    let cursor = first.json["meta"]["next_cursor"].as_str().expect("a cursor");
    let next = api.get(&rep, &format!("contacts/{contact}/associations?limit=2&cursor={cursor}")).await.is(200);
    assert_eq!((labels(&next), next.json["meta"].get("next_cursor")), (vec!["owes".to_owned()], None));
    assert_eq!(labels(&api.get(&admin, &format!("contacts/{contact}/associations")).await.is(200)).len(), 4);
    api.get(&rep, &format!("contacts/{theirs}/associations")).await.problem(404, "not_found");
    api.get(&rep, &format!("contacts/{contact}/associations?limit=0")).await.problem(400, "bad_request");
    // A list contains the associations of which they can read both ends; a total requires access to every kind that can
    // be associated.
    assert_eq!(labels(&api.get(&rep, "associations").await.is(200)), ["knows", "likes", "owes"]);
    let refused = api.get(&rep, "associations?with_total=true").await.problem(403, "forbidden");
    assert_eq!(refused.json["permission"], "lead.read");
    assert_eq!((&refused.json["scope"], &refused.json["scope_held"]), (&json!("all"), &json!("own")));
    assert!(
        refused.text.contains("lead.read with scope all is required; the user has it with scope own"),
        "{}",
        refused.text
    );
}
