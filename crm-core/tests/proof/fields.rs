//! Field permissions: a hidden field does not exist, however it is accessed; a read-only one cannot be written.

use crm_core::{
    Error,
    access::{Action, Actor, Grant, Scope},
    collection::NewWithHistory,
    companies::NewCompany,
    contacts::NewContact,
    deals::NewDeal,
    error::{MissingScope, UndoRefusal},
    filter::Filter,
    leads::{ConvertLead, LeadPatch, NewLead},
    listing::ListQuery,
    pipelines::PipelinePatch,
    properties::NewProperty,
    reports::{PipelineQuery, Sums},
    roles::RolePatch,
    timeline::Entry,
    users::UserPatch,
    value::{Currency, Kind, Money, Ref, Value},
};

use crate::support::{World, assert_fault, assert_forbidden, faults, grants, hidden, read_only, run};

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
            // The same message as for a field that does not exist.
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
        // Nor does the response show it to a user who may write other fields.
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
        // The secret from the test ids, as it is stored.
        let secret = "07".repeat(32);
        assert!(world.snapshot().contains(&secret), "it is where it belongs");
        let system = crm_core::access::Actor::system(tenant);
        for actor in [&world.admin, &system, &world.rep] {
            let organizations = world.crm.organizations(actor);
            let mut told = String::new();
            told += &format!("{:?}", organizations.get(tenant.typed()).await);
            told += &format!("{:?}", organizations.list(&ListQuery::new()).await);
            told += &format!("{:?}", organizations.history(tenant.typed()).await);
            told += &format!("{:?}", organizations.history_page(tenant.typed(), None, None, 50).await);
            told += &format!("{:?}", organizations.as_of(tenant.typed(), world.clock.now()).await);
            told +=
                &format!("{:?}", world.crm.timeline(actor).of(Ref::new(Kind::Organization, tenant), None, 50).await);
            let patch = crm_core::organizations::OrganizationPatch::new().name("Told");
            told += &format!("{:?}", organizations.update(tenant.typed(), patch.clone()).plan().await);
            told += &format!("{:?}", organizations.update(tenant.typed(), patch).idempotency_key("k").await);
            told += &format!("{:?}", organizations.count(Filter::missing("seal_key")).await);
            told += &format!("{:?}", organizations.history_page(tenant.typed(), Some("seal_key"), None, 50).await);
            told += &format!("{:?}", world.crm.feed(None, 1000).await);
            told += &format!("{:?} {:?}", world.crm, organizations);
            assert!(told.len() > 1000 && !told.contains(&secret), "told");
        }
        let history = world.crm.organizations(&world.admin).history(tenant.typed()).await.unwrap();
        assert_eq!(history[0].field("seal_key").unwrap().new, Value::Redacted, "the log holds only that it changed");
    });
}

#[test]
fn what_would_tell_a_hidden_field_is_hidden_with_it() {
    run(async {
        let world = World::new().await;
        let deal = |owner| NewDeal {
            title: "Secret".into(),
            value: Some(Money::new(1000, Currency::USD)),
            probability: Some(37),
            owner_id: owner,
            ..Default::default()
        };
        for field in ["value", "probability", "weighted_value"] {
            let rep = world.restricted_rep(field, vec![hidden(Kind::Deal, field)]).await;
            let id = world.crm.deals(&world.admin).create(deal(rep.user())).await.unwrap().id;
            let seen = world.crm.deals(&rep).get(id).await.unwrap();
            assert_eq!(seen.weighted_value, None, "{field}");
            assert_eq!((seen.value.is_none(), seen.probability.is_none()), (field != "probability", field != "value"));
            let report = PipelineQuery::of(world.deal_pipeline.id);
            let report = world.crm.reports(&rep).pipeline(&report).await;
            match field {
                "probability" => {
                    let open = report.unwrap().total;
                    assert!(open.value.in_base.is_some() && open.weighted == Sums::default(), "{open:?}");
                }
                _ => assert_fault(report, "value unknown_field"),
            }
        }

        let rep = world.restricted_rep("nameless", vec![hidden(Kind::Lead, "last_name")]).await;
        let new = NewLead {
            first_name: Some("Ada".into()),
            last_name: Some("Lovelace".into()),
            owner_id: rep.user(),
            ..Default::default()
        };
        let id = world.crm.leads(&world.admin).create(new).await.unwrap().id;
        world.crm.leads(&world.admin).update(id, LeadPatch::new().last_name("Byron")).await.unwrap();
        let leads = world.crm.leads(&rep);
        let seen = leads.get(id).await.unwrap();
        assert_eq!((seen.first_name.as_deref(), seen.name.as_str()), (Some("Ada"), ""));
        let told = format!("{:?} {:?}", leads.history(id).await, leads.as_of(id, world.clock.now()).await);
        assert!(!told.contains("Lovelace") && !told.contains("Byron"), "{told}");
        assert!(leads.list(&ListQuery::new().text("lovelace")).await.unwrap().items.is_empty());
        assert_fault(leads.count(Filter::missing("name")).await, "name unknown_field");

        // Fields derived from the stage, and sums over fields hidden in other records.
        let rep = world.restricted_rep("stageless", vec![hidden(Kind::Deal, "stage_id")]).await;
        let id = world.crm.deals(&world.admin).create(deal(rep.user())).await.unwrap().id;
        world.crm.deals(&world.admin).win(id).await.unwrap();
        let deals = world.crm.deals(&rep);
        let seen = deals.get(id).await.unwrap();
        let dates = (seen.actual_close_date, seen.close_date, seen.stage_entered_at);
        assert_eq!((seen.probability, seen.forecast_category, dates), (None, None, (None, None, None)));
        let history = deals.history(id).await.unwrap();
        let told =
            history.iter().all(|change| change.stage_move.is_none() && matches!(&*change.action, "create" | "update"));
        assert!(told, "{history:?}");
        assert_fault(
            world.crm.companies(&rep).count(Filter::missing("lifetime_value")).await,
            "lifetime_value unknown_field",
        );
    });
}

#[test]
fn errors_name_no_hidden_field() {
    run(async {
        let world = World::new().await;
        let rules = vec![hidden(Kind::Lead, "phone"), hidden(Kind::Lead, "external_id"), hidden(Kind::Lead, "source")];
        let rep = world.restricted_rep("blind", rules).await;
        let new = NewLead { name: "L".into(), owner_id: rep.user(), ..Default::default() };
        let id = world.crm.leads(&world.admin).create(new.clone()).await.unwrap().id;
        let leads = world.crm.leads(&world.admin);
        let patch = LeadPatch::new().phone("+4930901820").job_title("CTO");
        let commit = leads.update(id, patch).await.unwrap().commit.unwrap();
        leads.update(id, LeadPatch::new().phone("+4930901821").job_title("CEO")).await.unwrap();
        match world.crm.leads(&rep).undo(id, commit).await {
            Err(Error::Undo { why: UndoRefusal::ChangedSince(fields), .. }) => {
                assert_eq!(fields.iter().map(|changed| changed.field.as_str()).collect::<Vec<_>>(), ["job_title"]);
            }
            other => panic!("{other:?}"),
        }
        // A key that is taken when the record is restored.
        let keyed = NewLead { external_id: Some("k-77".into()), ..new };
        let taken = leads.create(keyed.clone()).await.unwrap().id;
        leads.archive(taken).await.unwrap();
        leads.create(keyed).await.unwrap();
        let role = world.role("keeper", vec![Grant::new(Kind::Lead, Action::Archive, Scope::All)], Vec::new()).await;
        let users = world.crm.users(&world.admin);
        let mut role_ids = users.get(rep.user().unwrap()).await.unwrap().role_ids.clone();
        role_ids.push(role.id);
        users.update(rep.user().unwrap(), UserPatch::new().role_ids(role_ids)).await.unwrap();
        let rep = world.crm.actor(rep.tenant(), rep.user().unwrap()).await.unwrap();
        match world.crm.leads(&rep).restore(taken, LeadPatch::new()).await {
            Err(Error::Duplicate { field, .. }) => assert_eq!(field, ""),
            other => panic!("{other:?}"),
        }
        // A stage that requires it.
        let mut stages = world.lead_pipeline.stages.clone();
        let asked = stages.iter_mut().find(|stage| stage.key == "contacted").unwrap();
        asked.required_fields = vec!["source".into()];
        world
            .crm
            .pipelines(&world.admin)
            .update(world.lead_pipeline.id, PipelinePatch::new().stages(stages))
            .await
            .unwrap();
        let refused = world.crm.leads(&rep).move_to(id, "contacted").await.unwrap_err();
        let told = format!("{refused} {refused:?}");
        assert!(told.contains("HiddenField") && !told.contains("source"), "{told}");
    });
}

#[test]
fn an_administrator_is_never_blinded() {
    run(async {
        let world = World::new().await;
        let rule = vec![hidden(Kind::User, "role_ids"), hidden(Kind::Role, "field_rules")];
        let blinding = world.role("blinding", Vec::new(), rule).await;
        let admin = world.role_id("admin").await;
        let roles = world.crm.roles(&world.admin);
        assert_fault(roles.update(admin, RolePatch::new().inherits(vec![blinding.id])).await, "inherits fixed");
        let blind = RolePatch::new().field_rules(vec![hidden(Kind::User, "role_ids")]);
        assert_fault(roles.update(admin, blind).await, "field_rules fixed");
        // Nor by another role next to it.
        let me = world.admin.user().unwrap();
        let users = world.crm.users(&world.admin);
        users.update(me, UserPatch::new().role_ids(vec![admin, blinding.id])).await.unwrap();
        let actor = world.crm.actor(world.admin.tenant(), me).await.unwrap();
        assert_eq!(world.crm.users(&actor).get(me).await.unwrap().role_ids.len(), 2);
        world.crm.users(&actor).update(me, UserPatch::new().role_ids(vec![admin])).await.unwrap();
        // An id contains its creation time, so it cannot be hidden.
        let when = RolePatch::new().field_rules(vec![hidden(Kind::Lead, "created_at")]);
        assert_fault(roles.update(blinding.id, when).await, "field_rules[0].field not_hideable");
    });
}

#[test]
fn an_export_has_what_may_be_read_and_exported() {
    run(async {
        let world = World::new().await;
        let rep = world.rep.user();
        for (name, source, owner_id) in [("Own", "web", rep), ("Fair", "fair", rep), ("Other", "web", None)] {
            let new = NewLead { name: name.into(), source: Some(source.into()), owner_id, ..Default::default() };
            world.crm.leads(&world.admin).create(new).await.unwrap();
        }
        let names = |actor: Actor| {
            let leads = world.crm.clone();
            async move {
                let page = leads.leads(&actor).export(&ListQuery::new(), None).await?;
                let names = page.items.iter().filter_map(|view| Some(view.value("name").as_text()?.to_owned()));
                Ok::<_, Error>(names.collect::<Vec<_>>())
            }
        };
        assert_forbidden(names(world.rep.clone()).await);
        assert!(names(world.admin.clone()).await.unwrap().len() >= 3);
        let grant = Grant {
            condition: Some(Filter::eq("source", "web")),
            ..Grant::new(Kind::Lead, Action::Export, Scope::All)
        };
        let role = world.role("exporter", vec![grant], Vec::new()).await;
        let sales = world.role_id("sales_rep").await;
        let both = UserPatch::new().role_ids(vec![sales, role.id]);
        world.crm.users(&world.admin).update(rep.unwrap(), both).await.unwrap();
        let exporter = world.crm.actor(world.rep.tenant(), rep.unwrap()).await.unwrap();
        assert_eq!(
            names(exporter).await.unwrap(),
            ["Own"],
            "not what may not be read, nor what no grant of export covers"
        );
        let only = world.role("only", vec![Grant::new(Kind::Lead, Action::Export, Scope::All)], Vec::new()).await;
        assert_forbidden(names(world.actor_with("only", vec![only.id]).await).await);
    });
}

#[test]
fn a_refusal_names_the_scope_that_is_missing() {
    run(async {
        let world = World::new().await;
        let refused = world.crm.associations(&world.rep).count(Filter::all([])).await.unwrap_err();
        let told = "not permitted: lead.read with scope all is required; the user has it with scope own";
        assert_eq!(refused.to_string(), told);
        // For a single record, the scope that would cover it.
        let team = grants(&[Kind::Lead], &[Action::Read], Scope::All);
        let narrow = [team, grants(&[Kind::Lead], &[Action::Update], Scope::Own)].concat();
        let role = world.role("narrow", narrow, Vec::new()).await;
        let actor = world.actor_with("narrow", vec![role.id]).await;
        let refused = world.crm.leads(&actor).update(world.lead.id, LeadPatch::new().job_title("x")).await.unwrap_err();
        let needed = match &refused {
            Error::Forbidden {
                scope: Some(MissingScope { needed, held: Some(Scope::Own), conditional: false }),
                ..
            } => needed,
            other => panic!("{other:?}"),
        };
        assert!(refused.to_string().contains(&format!("lead.update with scope {needed} is required")), "{refused}");
        assert_forbidden(world.crm.leads(&actor).archive(world.lead.id).await);
    });
}

#[test]
fn what_is_tied_is_not_told_by_the_other_end() {
    run(async {
        let world = World::new().await;
        let lead = Ref::new(Kind::Lead, world.lead.id);
        let task = crm_core::tasks::NewTask { title: "t".into(), links: vec![lead], ..Default::default() };
        world.crm.tasks(&world.admin).create(task).await.unwrap();
        let kinds = [Kind::Lead, Kind::Task, Kind::Contact, Kind::Company, Kind::Association];
        let reads = grants(&kinds, &[Action::Read], Scope::All);
        let role = world.role("tied", reads, vec![hidden(Kind::Task, "links"), hidden(Kind::Association, "to")]).await;
        let blind = world.actor_with("tied", vec![role.id]).await;
        let entries = async |actor: &Actor| {
            let page = world.crm.timeline(actor).of(lead, None, 50).await.unwrap();
            page.items.iter().filter(|entry| matches!(entry, Entry::Task(_))).count()
        };
        assert_eq!((entries(&world.admin).await, entries(&blind).await), (1, 0));
        let company = NewCompany { name: "C".into(), ..Default::default() };
        let company = Ref::new(Kind::Company, world.crm.companies(&world.admin).create(company).await.unwrap().id);
        let contact = NewContact { name: "C".into(), ..Default::default() };
        let contact = Ref::new(Kind::Contact, world.crm.contacts(&world.admin).create(contact).await.unwrap().id);
        let tie = crm_core::associations::NewAssociation {
            from: Some(contact),
            to: Some(company),
            label: "works at".into(),
            ..Default::default()
        };
        world.crm.associations(&world.admin).create(tie).await.unwrap();
        let of = async |actor: &Actor| world.crm.associations(actor).of(company, None, 10).await.unwrap().items.len();
        assert_eq!((of(&world.admin).await, of(&blind).await), (1, 0));
        // Fields that identify records of other kinds cannot be hidden.
        for kind in [Kind::Pipeline, Kind::Team, Kind::Property, Kind::Organization] {
            let patch = RolePatch::new().field_rules(vec![hidden(kind, "name")]);
            assert_fault(
                world.crm.roles(&world.admin).update(role.id, patch).await,
                "field_rules[0].field not_hideable",
            );
        }
    });
}
