//! Field permissions: a hidden field does not exist, in whatever way one looks for it; a read-only one is not written.

use crm_core::{
    Error,
    collection::NewWithHistory,
    companies::NewCompany,
    contacts::NewContact,
    deals::NewDeal,
    error::UndoRefusal,
    filter::Filter,
    leads::{ConvertLead, LeadPatch, NewLead},
    listing::ListQuery,
    properties::NewProperty,
    timeline::Entry,
    value::{Currency, Kind, Money, Ref, Value},
};

use crate::support::{World, assert_fault, assert_forbidden, faults, hidden, read_only, run};

async fn property(world: &World, kind: Kind, key: &str, unique: bool) {
    let new = NewProperty { kind: Some(kind), key: key.into(), name: key.into(), unique, ..Default::default() };
    world.crm.properties(&world.admin).create(new).await.unwrap();
}

#[test]
fn a_hidden_field_does_not_exist() {
    run(async {
        let world = World::new().await;
        property(&world, Kind::Lead, "margin", true).await;
        let rules = [hidden(Kind::Lead, "email"), hidden(Kind::Lead, "score"), hidden(Kind::Lead, "external_id")];
        let rules = [&rules[..], &[hidden(Kind::Lead, "properties.margin")]].concat();
        let rep = world.restricted_rep("blind", rules).await;
        let new = NewLead {
            name: "Secretive".into(),
            email: Some("find-me@example.com".into()),
            owner_id: rep.user(),
            external_id: Some("key-7".into()),
            properties: [("margin".to_owned(), Value::text("12 %"))].into(),
            ..Default::default()
        };
        let lead = world.crm.leads(&world.admin).create(new.clone()).await.unwrap().into_value();
        let changed = LeadPatch::new().email("other@example.com").property("margin", Value::text("13 %"));
        let changed = world.crm.leads(&world.admin).update(lead.id, changed).await.unwrap().commit.unwrap();
        let before = world.snapshot();
        let leads = world.crm.leads(&rep);

        let seen = leads.get(lead.id).await.unwrap();
        assert_eq!((&seen.email, &seen.external_id, seen.properties.len()), (&None, &None, 0));
        let listed = leads.list(&ListQuery::new()).await.unwrap().items.remove(0);
        assert_eq!((&listed.email, listed.properties.len()), (&None, 0));
        let then = leads.as_of(lead.id, world.clock.now()).await.unwrap().unwrap();
        assert_eq!((&then.email, then.properties.len()), (&None, 0));

        let unknown = |field: &str| vec![format!("{field} unknown_field")];
        for (field, patch) in [
            ("email", LeadPatch::new().email("x@example.com")),
            ("external_id", LeadPatch::new().external_id("x")),
            ("properties.margin", LeadPatch::new().property("margin", Value::text("1"))),
        ] {
            assert_eq!(faults(leads.update(lead.id, patch.clone()).await), unknown(field));
            assert_eq!(faults(leads.update(lead.id, patch.clone()).plan().await), unknown(field));
            assert_eq!(faults(leads.move_with(lead.id, "contacted", &patch).await), unknown(field));
            // As with a field that there is none of, word for word.
            let message = |error: Error| error.to_string();
            let nope = leads.update(lead.id, LeadPatch::new().property("nope", Value::Int(1))).await.unwrap_err();
            if field == "properties.margin" {
                let hidden = leads.update(lead.id, patch).await.unwrap_err();
                assert_eq!(message(hidden).replace("margin", "nope"), message(nope));
            }
        }
        let tried = NewLead { email: Some("x@example.com".into()), name: "N".into(), ..Default::default() };
        assert_eq!(faults(leads.create(tried.clone()).await), unknown("email"));
        assert_eq!(faults(leads.create_many(vec![NewWithHistory::new(tried)]).await.remove(0)), unknown("email"));
        for field in ["email", "score", "properties.margin", "external_id"] {
            for filter in [
                Filter::missing(field),
                Filter::missing(field).negate(),
                Filter::any([Filter::eq("name", "x"), Filter::missing(field)]),
            ] {
                assert_eq!(faults(leads.list(&ListQuery::new().filter(filter.clone())).await), unknown(field));
                assert_eq!(faults(leads.count(filter).await), unknown(field));
            }
            assert_eq!(faults(leads.history_page(lead.id, Some(field), None, 10).await), ["field unknown_field"]);
        }
        assert_fault(leads.list(&ListQuery::new().sort("score")).await, "sort unknown_sort");
        let message = leads.list(&ListQuery::new().sort("nope")).await.unwrap_err().to_string();
        assert!(!message.contains("score") && !message.contains("email"), "{message}");
        for (field, value) in [("external_id", "key-7"), ("properties.margin", "13 %")] {
            assert_eq!(faults(leads.find(field, value).await), [format!("{field} not_unique")]);
            let new = NewLead { name: "N".into(), ..Default::default() };
            assert_eq!(faults(leads.upsert(field, value, new).await), [format!("{field} not_unique")]);
        }
        assert!(leads.list(&ListQuery::new().text("other@")).await.unwrap().items.is_empty());
        assert!(leads.list(&ListQuery::new().text("example.com")).await.unwrap().items.is_empty());
        assert_eq!(leads.list(&ListQuery::new().text("secret")).await.unwrap().items.len(), 1);
        let names = |changes: &[crm_core::change::Change]| -> Vec<String> {
            changes.iter().flat_map(|change| change.fields.iter().map(|field| field.field.to_string())).collect()
        };
        let history = leads.history(lead.id).await.unwrap();
        let page = leads.history_page(lead.id, None, None, 10).await.unwrap().items;
        for name in names(&history).into_iter().chain(names(&page)) {
            assert!(!["email", "external_id", "properties.margin"].contains(&name.as_str()), "{name}");
        }
        let timeline = world.crm.timeline(&rep).of(Ref::new(Kind::Lead, lead.id), None, 20).await.unwrap();
        for entry in timeline.items {
            let Entry::Change(change) = entry else { continue };
            assert!(change.field("email").is_none() && change.field("properties.margin").is_none());
        }
        for refused in [leads.undo(lead.id, changed).await, leads.roll_back(lead.id, 1).await] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::Undo { why: UndoRefusal::NotVisible, .. }), "{refused:?}");
            assert!(!format!("{refused:?} {refused}").contains("email"), "{refused:?}");
        }
        assert!(world.snapshot() == before, "nothing is stored");
        // Nor does an answer show it to who may write other fields.
        let answer = leads.update(lead.id, LeadPatch::new().job_title("CTO")).await.unwrap();
        assert_eq!((&answer.email, answer.properties.len()), (&None, 0));
    });
}

#[test]
fn what_is_made_of_a_hidden_field_is_hidden_with_it() {
    run(async {
        let world = World::new().await;
        let rules =
            vec![hidden(Kind::Deal, "value"), hidden(Kind::Contact, "emails"), hidden(Kind::Company, "properties")];
        let rep = world.restricted_rep("blind", rules).await;
        property(&world, Kind::Company, "margin", true).await;
        let value = Some(Money::new(100, Currency::EUR));
        let deal = NewDeal { title: "D".into(), value, owner_id: rep.user(), ..Default::default() };
        let deal = world.crm.deals(&world.admin).create(deal).await.unwrap();
        let seen = world.crm.deals(&rep).get(deal.id).await.unwrap();
        assert_eq!((seen.value, seen.weighted_value), (None, None));
        assert_fault(
            world.crm.deals(&rep).count(Filter::missing("weighted_value")).await,
            "weighted_value unknown_field",
        );
        let contact = NewContact {
            name: "C".into(),
            emails: vec!["c@example.com".into()],
            owner_id: rep.user(),
            ..Default::default()
        };
        let contact = world.crm.contacts(&world.admin).create(contact).await.unwrap();
        let seen = world.crm.contacts(&rep).get(contact.id).await.unwrap();
        assert_eq!((seen.emails.len(), &seen.email), (0, &None));
        assert!(world.crm.contacts(&rep).list(&ListQuery::new().text("c@example")).await.unwrap().items.is_empty());
        assert_fault(world.crm.contacts(&rep).find("email", "c@example.com").await, "email not_unique");
        let company = NewCompany {
            name: "C".into(),
            owner_id: rep.user(),
            properties: [("margin".to_owned(), Value::text("x"))].into(),
            ..Default::default()
        };
        let company = world.crm.companies(&world.admin).create(company).await.unwrap();
        let companies = world.crm.companies(&rep);
        assert!(companies.get(company.id).await.unwrap().properties.is_empty());
        assert_fault(companies.count(Filter::missing("properties.margin")).await, "properties.margin unknown_field");
        assert_fault(companies.find("properties.margin", "x").await, "properties.margin not_unique");
        let changes = companies.history(company.id).await.unwrap();
        assert!(changes.iter().all(|change| change.field("properties.margin").is_none()));
    });
}

#[test]
fn conversion_carries_nothing_that_is_hidden() {
    run(async {
        let world = World::new().await;
        property(&world, Kind::Lead, "margin", false).await;
        property(&world, Kind::Contact, "margin", false).await;
        let rules = vec![
            hidden(Kind::Lead, "phone"),
            hidden(Kind::Lead, "properties.margin"),
            hidden(Kind::Contact, "job_title"),
            read_only(Kind::Contact, "description"),
        ];
        let rep = world.restricted_rep("blind", rules).await;
        let new = NewLead {
            name: "L".into(),
            email: Some("l@example.com".into()),
            phone: Some("+4930123456".into()),
            job_title: Some("CTO".into()),
            description: Some("long".into()),
            owner_id: rep.user(),
            properties: [("margin".to_owned(), Value::text("x"))].into(),
            ..Default::default()
        };
        let lead = world.crm.leads(&world.admin).create(new).await.unwrap();
        let made = world.crm.leads(&rep).convert(lead.id, ConvertLead::default()).await.unwrap();
        let contact = made.contact.as_ref().unwrap().id;
        let contact = world.crm.contacts(&world.admin).get(contact).await.unwrap();
        assert_eq!(contact.email.as_deref(), Some("l@example.com"));
        assert_eq!((contact.phones.len(), contact.properties.len()), (0, 0));
        assert_eq!((&contact.job_title, &contact.description), (&None, &None), "nor into what may not be written");
    });
}

#[test]
fn a_read_only_field_is_refused_whoever_carries_it() {
    run(async {
        let world = World::new().await;
        property(&world, Kind::Lead, "margin", false).await;
        let rules = vec![read_only(Kind::Lead, "source"), read_only(Kind::Lead, "properties.margin")];
        let rep = world.restricted_rep("reader", rules).await;
        let new = NewLead { name: "L".into(), source: Some("web".into()), owner_id: rep.user(), ..Default::default() };
        let lead = world.crm.leads(&world.admin).create(new.clone()).await.unwrap();
        let changed = world.crm.leads(&world.admin).update(lead.id, LeadPatch::new().source("fair")).await.unwrap();
        let leads = world.crm.leads(&rep);
        assert_eq!(leads.get(lead.id).await.unwrap().source.as_deref(), Some("fair"));
        assert_eq!(leads.count(Filter::eq("source", "fair")).await.unwrap(), 1);
        match leads.update(lead.id, LeadPatch::new().source("x")).await {
            Err(Error::Forbidden { field: Some(field), .. }) => assert_eq!(field, "source"),
            other => panic!("{other:?}"),
        }
        assert_forbidden(leads.update(lead.id, LeadPatch::new().property("margin", Value::text("x"))).await);
        assert_forbidden(leads.create(new.clone()).await);
        assert_forbidden(leads.create_many(vec![NewWithHistory::new(new)]).await.remove(0));
        assert_forbidden(leads.undo(lead.id, changed.commit.unwrap()).await);
        assert_forbidden(leads.roll_back(lead.id, 1).await);
        assert_forbidden(leads.move_with(lead.id, "contacted", &LeadPatch::new().source("x")).await);
        leads.update(lead.id, LeadPatch::new().job_title("x")).await.unwrap();
    });
}

#[test]
fn a_duplicate_names_no_record_that_one_may_not_see() {
    run(async {
        let world = World::new().await;
        let company = NewCompany { name: "Hidden".into(), domain: Some("hidden.example".into()), ..Default::default() };
        let company = world.crm.companies(&world.admin).create(company).await.unwrap();
        let companies = world.crm.companies(&world.rep);
        let mine = NewCompany { name: "Mine".into(), domain: Some("hidden.example".into()), ..Default::default() };
        for result in [
            companies.create(mine.clone()).await.map(drop),
            companies.upsert("domain", "hidden.example", mine).await.map(drop),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(&error, Error::Duplicate { kind: Kind::Company, field } if field == "domain"),
                "{error:?}"
            );
            let told = format!("{error:?} {error}");
            assert!(!told.contains(&company.id.to_string()) && !told.contains("hidden.example"), "{told}");
        }
        assert!(matches!(companies.find("domain", "hidden.example").await, Err(Error::NotFound(_))));
    });
}

#[test]
fn secrets_are_told_to_nobody() {
    run(async {
        let world = World::new().await;
        let tenant = world.admin.tenant();
        // The test ids' secret, as it is stored.
        let secret = "07".repeat(32);
        assert!(world.snapshot().contains(&secret), "it is where it belongs");
        let system = crm_core::access::Actor::system(tenant);
        for actor in [&world.admin, &system, &world.rep] {
            let organizations = world.crm.organizations(actor);
            let mut told = String::new();
            told += &format!("{:?}", organizations.get(tenant).await);
            told += &format!("{:?}", organizations.list(&ListQuery::new()).await);
            told += &format!("{:?}", organizations.history(tenant).await);
            told += &format!("{:?}", organizations.history_page(tenant, None, None, 50).await);
            told += &format!("{:?}", organizations.as_of(tenant, world.clock.now()).await);
            told +=
                &format!("{:?}", world.crm.timeline(actor).of(Ref::new(Kind::Organization, tenant), None, 50).await);
            let patch = crm_core::organizations::OrganizationPatch::new().name("Told");
            told += &format!("{:?}", organizations.update(tenant, patch.clone()).plan().await);
            told += &format!("{:?}", organizations.update(tenant, patch).idempotency_key("k").await);
            told += &format!("{:?}", organizations.count(Filter::missing("seal_key")).await);
            told += &format!("{:?}", organizations.history_page(tenant, Some("seal_key"), None, 50).await);
            told += &format!("{:?}", world.crm.feed(None, 1000).await);
            told += &format!("{:?} {:?}", world.crm, organizations);
            assert!(told.len() > 1000 && !told.contains(&secret), "told");
        }
        let history = world.crm.organizations(&world.admin).history(tenant).await.unwrap();
        assert_eq!(history[0].field("seal_key").unwrap().new, Value::Redacted, "the log holds only that it changed");
    });
}
