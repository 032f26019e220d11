//! Words, partial values, dates and named periods in searches, filters and parameters; and sending back an existing
//! value is not a fault.

use crm_core::{
    contacts::{ContactEmail, NewContact},
    filter::{Filter, Op},
    interactions::NewInteraction,
    leads::{LeadPatch, NewLead},
    listing::ListQuery,
    notes::{NewNote, NotePatch},
    organizations::OrganizationPatch,
    properties::{NewProperty, PropertyOption, PropertyPatch, PropertyType},
    roles::RolePatch,
    value::{Kind, Ref, Time, Value},
};
use serde_json::{Value as Json, json};

use crate::support::{World, assert_fault, faults, hidden, read_only, run};

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

async fn berlin(world: &World) {
    let patch = OrganizationPatch::new().time_zone("Europe/Berlin").default_country("DE");
    world.crm.organizations(&world.admin).update(world.admin.tenant().typed(), patch).await.unwrap();
}

async fn contacts(world: &World, query: ListQuery) -> Vec<String> {
    let page = world.crm.contacts(&world.admin).list(&query.sort("name").limit(200)).await.unwrap();
    page.items.iter().map(|contact| contact.name.clone()).collect()
}

async fn found(world: &World, text: &str) -> Vec<String> {
    contacts(world, ListQuery::new().text(text)).await
}

#[test]
fn a_search_finds_words_and_their_beginnings_whatever_their_accents() {
    run(async {
        let world = World::new().await;
        for name in ["Müller", "Zoë", "Łukasz", "O’Brien", "Álvaro", "Brenda", "Zack", "Ａda Straße", "日本 太郎"]
        {
            let new = NewContact { name: name.into(), ..Default::default() };
            world.crm.contacts(&world.admin).create(new).await.unwrap();
        }
        for (asked, name) in [
            ("muller", "Müller"),
            ("MÜLL", "Müller"),
            ("zoe", "Zoë"),
            ("lukasz", "Łukasz"),
            ("o'brien", "O’Brien"),
            ("obrien", "O’Brien"),
            ("o brien", "O’Brien"),
            ("O`BRI", "O’Brien"),
            ("strasse ada", "Ａda Straße"),
            ("本", "日本 太郎"),
            ("太郎", "日本 太郎"),
        ] {
            assert_eq!(found(&world, asked).await, [name], "{asked}");
        }
        for asked in ["uller", "ada muller", "本太", "!!", "%", "_"] {
            assert!(found(&world, asked).await.is_empty(), "{asked}");
        }
        let sorted = contacts(&world, ListQuery::new()).await;
        assert_eq!(sorted[..4], ["Ａda Straße", "Álvaro", "Brenda", "Łukasz"]);
        let contacts = world.crm.contacts(&world.admin);
        assert_fault(contacts.list(&ListQuery::new().text("a b c d e f g h i")).await, "q too_long");
    });
}

#[test]
fn every_address_and_number_counts() {
    run(async {
        let world = World::new().await;
        berlin(&world).await;
        let new = NewContact {
            name: "Ann".into(),
            emails: vec!["ann@work.example".into(), "ann@home.example".into()],
            phones: vec!["030 901820".into(), "0151 12345678".into()],
            ..Default::default()
        };
        world.crm.contacts(&world.admin).create(new).await.unwrap();
        let new = NewContact { name: "Bob".into(), emails: vec!["bob@home.example".into()], ..Default::default() };
        world.crm.contacts(&world.admin).create(new).await.unwrap();
        for (field, op, value) in [
            ("email", Op::Eq, json!("Ann@Home.example")),
            ("email", Op::In, json!(["x@y.example", "ann@home.example"])),
            ("email", Op::StartsWith, json!("Ann@")),
            ("email", Op::Contains, json!("N@HOME")),
            ("phone", Op::Eq, json!("0151 123 456 78")),
            ("phone", Op::StartsWith, json!("030")),
            ("phone", Op::StartsWith, json!("0151-1")),
            ("phone", Op::Contains, json!("0 9018")),
            ("email", Op::Written, json!("ann@home.example")),
        ] {
            let filter = Filter::is(field, op, value);
            assert_eq!(contacts(&world, ListQuery::new().filter(filter.clone())).await, ["Ann"], "{filter:?}");
            let others = contacts(&world, ListQuery::new().filter(filter.clone().negate())).await;
            assert!(!others.contains(&"Ann".to_owned()) && others.contains(&"Bob".to_owned()), "{filter:?}");
        }
        let not = contacts(&world, ListQuery::new().filter(Filter::is("email", Op::Ne, "ann@home.example"))).await;
        assert!(!not.contains(&"Ann".to_owned()));
        for asked in
            ["ann@home", "901820", "030 901820", "+49 30 901820", "ann 12345678", "home.example ann", "@work.ex"]
        {
            assert_eq!(found(&world, asked).await, ["Ann"], "{asked}");
        }
        let contacts = world.crm.contacts(&world.admin);
        assert_eq!(contacts.find("email", "ANN@home.example").await.unwrap().name, "Ann");
        let bad = Filter::is("phone", Op::StartsWith, "ann");
        assert_fault(contacts.list(&ListQuery::new().filter(bad)).await, "phone invalid_phone");
        // A contact whose addresses are hidden is not found by them, at any position.
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Contact, "emails")]).await;
        world
            .crm
            .contacts(&world.admin)
            .update(
                contacts.find("email", "ann@home.example").await.unwrap().id,
                crm_core::contacts::ContactPatch::new().owner_id(rep.user()),
            )
            .await
            .unwrap();
        let blind = world.crm.contacts(&rep);
        assert!(blind.list(&ListQuery::new().text("ann@home")).await.unwrap().items.is_empty());
        assert!(blind.list(&ListQuery::new().text("work")).await.unwrap().items.is_empty());
        assert_eq!(blind.list(&ListQuery::new().text("ann 901820")).await.unwrap().items.len(), 1);
        let filter = Filter::is("email", Op::StartsWith, "ann");
        assert_fault(blind.list(&ListQuery::new().filter(filter)).await, "email unknown_field");
    });
}

#[test]
fn long_texts_are_searched_and_stay_hidden() {
    run(async {
        let world = World::new().await;
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Note, "title")]).await;
        let links = vec![Ref::new(Kind::Lead, world.lead.id)];
        let new =
            NewNote { content: "Wants a café, call +49 30 901820".into(), links: links.clone(), ..Default::default() };
        let owned = LeadPatch::new().owner_id(rep.user());
        world.crm.leads(&world.admin).update(world.lead.id, owned).await.unwrap();
        let note = world.crm.notes(&rep).create(new).await.unwrap().id;
        world.crm.notes(&world.admin).update(note, NotePatch::new().title("Secret")).await.unwrap();
        let new = NewInteraction {
            r#type: "meeting".into(),
            subject: "Plan".into(),
            content: Some("Sketched the naïve plan".into()),
            user_id: rep.user(),
            links,
            ..Default::default()
        };
        world.crm.interactions(&world.admin).create(new).await.unwrap();
        let notes = async |actor, text: &str| {
            world.crm.notes(actor).list(&ListQuery::new().text(text)).await.unwrap().items.len()
        };
        for (text, all, blind) in [("cafe", 1, 1), ("secret", 1, 0), ("secret cafe", 1, 0), ("wants", 1, 1)] {
            assert_eq!((notes(&world.admin, text).await, notes(&rep, text).await), (all, blind), "{text}");
        }
        let interactions = world.crm.interactions(&rep);
        assert_eq!(interactions.list(&ListQuery::new().text("naive")).await.unwrap().items.len(), 1);
    });
}

async fn leads(world: &World, filter: Filter) -> Vec<String> {
    let page = world.crm.leads(&world.admin).list(&ListQuery::new().filter(filter).limit(200)).await.unwrap();
    let mut names: Vec<String> = page.items.iter().map(|lead| lead.name.clone()).collect();
    names.retain(|name| name.starts_with("at "));
    names.sort_unstable();
    names
}

#[test]
fn days_and_periods_are_those_of_the_organization() {
    run(async {
        let world = World::new().await;
        berlin(&world).await;
        let property = |key: &str, r#type| NewProperty {
            kind: Some(Kind::Lead),
            key: key.into(),
            name: key.into(),
            r#type,
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(property("day", PropertyType::Date)).await.unwrap();
        world.crm.properties(&world.admin).create(property("time", PropertyType::Datetime)).await.unwrap();
        // The clock changes in the night of the 28th.
        world.clock.set(at("2026-03-28T22:30:00Z"));
        for (day, time) in [
            ("2026-03-28", "2026-03-28T22:59:59.999999Z"),
            ("2026-03-29", "2026-03-28T23:00:00Z"),
            ("2026-03-30", "2026-03-29T22:00:00Z"),
        ] {
            let new = NewLead {
                name: format!("at {day}"),
                properties: [
                    ("day".to_owned(), Value::Date(day.parse().unwrap())),
                    ("time".to_owned(), Value::Time(at(time))),
                ]
                .into(),
                ..Default::default()
            };
            world.crm.leads(&world.admin).create(new).await.unwrap();
        }
        let (first, second, third) = ("at 2026-03-28", "at 2026-03-29", "at 2026-03-30");
        let table: Vec<(Op, Json, Vec<&str>)> = vec![
            (Op::Eq, json!("2026-03-29"), vec![second]),
            (Op::Ne, json!("2026-03-29"), vec![first, third]),
            (Op::Ge, json!("2026-03-29"), vec![second, third]),
            (Op::Gt, json!("2026-03-29"), vec![third]),
            (Op::Le, json!("2026-03-29"), vec![first, second]),
            (Op::Lt, json!("2026-03-29"), vec![first]),
            (Op::In, json!(["2026-03-28", "2026-03-30"]), vec![first, third]),
            (Op::Eq, json!("today"), vec![first]),
            (Op::Eq, json!("tomorrow"), vec![second]),
            (Op::Eq, json!("this_week"), vec![first, second]),
            (Op::Eq, json!("next_week"), vec![third]),
            (Op::Eq, json!("this_month"), vec![first, second, third]),
            (Op::Gt, json!("this_week"), vec![third]),
            (Op::Eq, json!("next_2_days"), vec![first, second]),
            (Op::Written, json!("today,2026-03-30"), vec![first, third]),
        ];
        for (op, value, expected) in table {
            for field in ["properties.day", "properties.time"] {
                let filter = Filter::is(field, op, value.clone());
                assert_eq!(leads(&world, filter.clone()).await, expected, "{filter:?}");
            }
        }
        // One day after half past eleven in the evening is the next day, 23 hours later.
        let days = |count: i64| Filter::is("properties.day", Op::Eq, json!({"days": count}));
        assert_eq!(leads(&world, days(0)).await, [first]);
        assert_eq!(leads(&world, days(1)).await, [second]);
        assert_eq!(leads(&world, days(2)).await, [third]);
        let until = |span: Json| Filter::is("properties.time", Op::Le, span);
        world.clock.set(at("2026-03-28T23:00:00Z"));
        assert_eq!(leads(&world, until(json!({"days": 1}))).await, [first, second, third]);
        assert_eq!(leads(&world, until(json!({"hours": 22}))).await, [first, second]);
        for wrong in [json!("soon"), json!({"fortnights": 1}), json!({"days": 1.5}), json!({"days": "1"}), json!(5)] {
            let filter = Filter::is("properties.time", Op::Lt, wrong.clone());
            let page = world.crm.leads(&world.admin).list(&ListQuery::new().filter(filter)).await;
            assert_fault(page, "properties.time wrong_type");
        }
    });
}

#[test]
fn written_values_are_read_by_their_fields_types() {
    run(async {
        let world = World::new().await;
        for (key, r#type, value) in [
            ("seats", PropertyType::Integer, Value::Int(5)),
            ("open", PropertyType::Boolean, Value::Bool(true)),
            ("budget", PropertyType::Money, Value::Money("10.50 EUR".parse().unwrap())),
            ("tier", PropertyType::Select, Value::text("gold")),
        ] {
            let options = vec![
                PropertyOption { value: "gold".into(), ..Default::default() },
                PropertyOption { value: "silver, plated".into(), ..Default::default() },
            ];
            let new = NewProperty {
                kind: Some(Kind::Lead),
                key: key.into(),
                name: key.into(),
                r#type,
                options: if r#type == PropertyType::Select { options } else { Vec::new() },
                ..Default::default()
            };
            world.crm.properties(&world.admin).create(new).await.unwrap();
            let patch = LeadPatch::new().property(key, value);
            world.crm.leads(&world.admin).update(world.lead.id, patch).await.unwrap();
        }
        let new = NewLead { name: "Other".into(), source: Some("a,b".into()), ..Default::default() };
        let other = world.crm.leads(&world.admin).create(new).await.unwrap().id;
        let (one, me) = (world.lead.id, world.admin.user());
        world.crm.leads(&world.admin).update(one, LeadPatch::new().owner_id(me)).await.unwrap();
        for (field, values, expected) in [
            ("properties.seats", json!("5"), vec![one]),
            ("properties.seats", json!("4,5"), vec![one]),
            ("properties.seats", json!(""), vec![other]),
            ("properties.open", json!("true"), vec![one]),
            ("properties.budget", json!("10.5 EUR"), vec![one]),
            ("properties.budget", json!(["", "10.50 EUR"]), vec![one, other]),
            ("properties.tier", json!("gold,silver, plated"), vec![]),
            ("properties.tier", json!(["gold", "silver, plated"]), vec![one]),
            ("owner_id", json!("me"), vec![one]),
            ("id", json!(format!("{one}, {other}")), vec![one, other]),
            ("id", json!([other.to_string()]), vec![other]),
            ("status", json!("new,contacted"), vec![one, other]),
            ("source", json!("a,b"), vec![other]),
            ("source", json!(["web", "a,b"]), vec![other]),
        ] {
            let filter = Filter::is(field, Op::Written, values.clone());
            let page = world.crm.leads(&world.admin).list(&ListQuery::new().filter(filter)).await;
            if field == "properties.tier" && expected.is_empty() {
                // A comma separates options only if the whole text is not one.
                assert_fault(page, "properties.tier unknown_choice");
                continue;
            }
            let mut ids: Vec<_> = page.unwrap().items.iter().map(|lead| lead.id).collect();
            ids.sort_unstable();
            let mut expected = expected;
            expected.sort_unstable();
            assert_eq!(ids, expected, "{field} {values}");
        }
        for (field, value, code) in [
            ("properties.seats", json!("five"), "wrong_type"),
            ("properties.open", json!("yes"), "wrong_type"),
            ("properties.budget", json!("10"), "wrong_type"),
            ("properties.tier", json!("bronze"), "unknown_choice"),
            ("properties.nope", json!("1"), "unknown_field"),
            ("status", json!("nowhere"), "unknown_choice"),
            ("stage_kind", json!("nowhere"), "unknown_choice"),
            ("id", json!("nobody"), "wrong_type"),
            ("id", json!(""), "wrong_type"),
            ("owner_id", json!("you"), "wrong_type"),
            ("description", json!("x"), "wrong_operator"),
            ("source", json!(5), "wrong_type"),
        ] {
            let filter = Filter::is(field, Op::Written, value);
            let page = world.crm.leads(&world.admin).list(&ListQuery::new().filter(filter)).await;
            assert_fault(page, &format!("{field} {code}"));
        }
    });
}

#[test]
fn a_value_that_is_there_already_is_no_fault() {
    run(async {
        let world = World::new().await;
        let option = |value: &str| PropertyOption { value: value.into(), ..Default::default() };
        let new = |key: &str, r#type| NewProperty {
            kind: Some(Kind::Lead),
            key: key.into(),
            name: key.into(),
            r#type,
            options: vec![option("gold"), option("silver"), option("tin")],
            ..Default::default()
        };
        let crm = &world.crm;
        let (properties, leads) = (crm.properties(&world.admin), crm.leads(&world.admin));
        let tier = properties.create(new("tier", PropertyType::Select)).await.unwrap().id;
        let tiers = properties.create(new("tiers", PropertyType::MultiSelect)).await.unwrap().id;
        let old = properties.create(new("old", PropertyType::Select)).await.unwrap().id;
        let many = |values: &[&str]| Value::list(values.iter().map(|value| Value::text(*value)));
        let patch = LeadPatch::new()
            .property("tier", Value::text("gold"))
            .property("tiers", many(&["gold", "silver"]))
            .property("old", Value::text("gold"));
        let lead = leads.update(world.lead.id, patch.clone()).await.unwrap();
        for id in [tier, tiers] {
            let left = PropertyPatch::new().options(vec![option("silver"), option("tin")]);
            properties.update(id, left).await.unwrap();
        }
        properties.archive(old).await.unwrap();
        leads.update(lead.id, patch.clone().job_title("x")).await.unwrap();
        // Removing one of several archived options is allowed, in any order; adding one is not.
        let set = |values: &[&str]| LeadPatch::new().property("tiers", many(values));
        leads.update(lead.id, set(&["tin", "gold"])).await.unwrap();
        let commit = leads.update(lead.id, set(&["tin"])).await.unwrap().commit.unwrap();
        assert_eq!(faults(leads.update(lead.id, set(&["tin", "gold"])).await), ["properties.tiers unknown_choice"]);
        leads.undo(lead.id, commit).await.unwrap();
        assert_eq!(leads.get(lead.id).await.unwrap().properties["tiers"], many(&["tin", "gold"]));
        let other = leads.update(lead.id, LeadPatch::new().property("tier", Value::text("tin"))).await.unwrap();
        let back = leads.update(lead.id, LeadPatch::new().property("tier", Value::text("gold"))).await;
        assert_eq!(faults(back), ["properties.tier unknown_choice"]);
        leads.undo(lead.id, other.commit.unwrap()).await.unwrap();
        assert_eq!(leads.get(lead.id).await.unwrap().properties["tier"], Value::text("gold"));
        // An archived property may be sent unchanged or removed.
        let set = |value| LeadPatch::new().property("old", value);
        assert_eq!(faults(leads.update(lead.id, set(Value::text("tin"))).await), ["properties.old unknown_field"]);
        let gone = leads.update(lead.id, set(Value::Null)).await.unwrap().commit.unwrap();
        assert!(!leads.get(lead.id).await.unwrap().properties.contains_key("old"));
        leads.update(lead.id, set(Value::Null)).await.unwrap();
        leads.undo(lead.id, gone).await.unwrap();
        assert_eq!(leads.get(lead.id).await.unwrap().properties["old"], Value::text("gold"));
        let nope = leads.update(lead.id, LeadPatch::new().property("nope", Value::Null)).await;
        assert_eq!(faults(nope), ["properties.nope unknown_field"]);
        // A read-only field that is sent back unchanged.
        let rep = world.restricted_rep("reader", vec![read_only(Kind::Lead, "company_name")]).await;
        leads.update(lead.id, LeadPatch::new().owner_id(rep.user()).company_name("Engines")).await.unwrap();
        let theirs = crm.leads(&rep);
        theirs.update(lead.id, LeadPatch::new().company_name("Engines").job_title("y")).await.unwrap();
        assert!(theirs.update(lead.id, LeadPatch::new().company_name("Mills")).await.is_err());
    });
}

#[test]
fn a_role_outlives_the_property_that_it_names() {
    run(async {
        let world = World::new().await;
        let new = NewProperty { kind: Some(Kind::Lead), key: "p".into(), name: "p".into(), ..Default::default() };
        let property = world.crm.properties(&world.admin).create(new).await.unwrap().id;
        let role = world.role("r", Vec::new(), vec![hidden(Kind::Lead, "properties.p")]).await;
        world.crm.properties(&world.admin).archive(property).await.unwrap();
        let roles = world.crm.roles(&world.admin);
        let same = RolePatch::new().name("R").field_rules(role.field_rules.clone());
        roles.update(role.id, same).await.unwrap();
        let more =
            RolePatch::new().field_rules(vec![hidden(Kind::Lead, "properties.p"), hidden(Kind::Deal, "properties.p")]);
        assert!(roles.update(role.id, more).await.is_err());
    });
}

#[test]
fn an_empty_text_is_a_missing_value_of_every_type() {
    run(async {
        for decl in crm_core::catalog::all() {
            for field in &decl.fields {
                let ty = field.ty;
                if matches!(ty, crm_core::schema::FieldType::Folded | crm_core::schema::FieldType::Properties) {
                    continue;
                }
                let read = ty.read_json(&json!("")).and_then(|value| ty.normalize(value, None));
                assert_eq!(read, Ok(Value::Null), "{} {}", decl.kind, field.name);
            }
        }
        let _ = ContactEmail::from("a@b.example");
    });
}
