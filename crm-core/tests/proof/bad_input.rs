//! Invalid input: all faults at once, by field; nothing is stored, nothing panics.

use std::collections::BTreeMap;

use crm_core::{
    Error,
    associations::NewAssociation,
    collection::NewWithHistory,
    companies::{Company, CompanyPatch, NewCompany},
    contacts::{ContactEmail, ContactFields, NewContact},
    deals::{DealPatch, NewDeal},
    filter::{Filter, Op},
    interactions::NewInteraction,
    leads::{LeadFields, LeadPatch, NewLead},
    listing::ListQuery,
    notes::NewNote,
    organizations::{NewOrganization, OrganizationPatch},
    properties::{NewProperty, PropertyType},
    rates::NewRate,
    tasks::{ChecklistItem, NewTask, Reminder},
    teams::{NewTeam, Team, TeamPatch},
    users::NewUser,
    value::{Currency, Date, Decimal, Id, Kind, Money, Ref, Value},
};
use proptest::prelude::*;

use crate::support::{World, assert_fault, faults, run};

fn text(length: usize) -> String {
    "x".repeat(length)
}

const TEN_MB: usize = 10 * 1024 * 1024;

#[test]
fn every_fault_of_a_lead_is_said_at_once() {
    run(async {
        let world = World::new().await;
        let before = world.snapshot();
        let nobody: Id = Id::from_parts(3, [3; 10]);
        let new = NewLead {
            name: "  ".into(),
            email: Some("not an address".into()),
            phone: Some("12".into()),
            mobile_phone: Some("call me".into()),
            website: Some("ftp://x".into()),
            job_title: Some("CTO\0".into()),
            description: Some(text(TEN_MB)),
            industry: Some(text(256)),
            employee_count: Some(-1),
            annual_revenue: Some(Money::new(-1, Currency::EUR)),
            owner_id: Some(nobody.typed()),
            team_id: Some(nobody.typed()),
            stage_id: Some(nobody.typed()),
            tags: (0..51).map(|n| n.to_string()).collect(),
            external_id: Some(text(TEN_MB)),
            properties: BTreeMap::from([("nope".to_owned(), Value::Int(1))]),
            shared_with: vec![Ref::new(Kind::User, nobody)],
            ..Default::default()
        };
        let expected = [
            "annual_revenue too_small",
            "description too_long",
            "email invalid_email",
            "employee_count too_small",
            "external_id too_long",
            "industry too_long",
            "job_title nul",
            "mobile_phone invalid_phone",
            "name required",
            "owner_id not_found",
            "phone invalid_phone",
            "properties.nope unknown_field",
            "shared_with not_found",
            "stage_id stage_of_other_pipeline",
            "tags too_many",
            "team_id not_found",
            "website invalid_url",
        ];
        assert_eq!(faults(world.crm.leads(&world.admin).create(new.clone()).await), expected);
        assert_eq!(faults(world.crm.leads(&world.admin).create(new.clone()).plan().await), expected);
        let now = world.clock.now();
        let dated = world.crm.leads(&world.admin).create_with_history(new.clone(), now, vec![]).await;
        assert_eq!(faults(dated), expected);
        let imported = world.crm.leads(&world.admin).create_many(vec![NewWithHistory::new(new)]).await.remove(0);
        assert_eq!(faults(imported), expected);
        assert!(world.snapshot() == before, "nothing is stored");
    });
}

#[test]
fn each_kind_says_what_is_wrong_with_it() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let lead = Ref::new(Kind::Lead, world.lead.id);
        let day = |day| Date::from_ymd(2026, 1, day).unwrap();
        let before = world.snapshot();

        let company = NewCompany {
            domain: Some("no domain".into()),
            founded_year: Some(0),
            annual_revenue: Some(Money::new(-5, Currency::USD)),
            ..Default::default()
        };
        assert_eq!(
            faults(crm.companies(me).create(company).await),
            ["annual_revenue too_small", "domain invalid_domain", "founded_year too_small", "name required"]
        );
        let primary = |email: &str| ContactEmail { primary: true, ..email.into() };
        let contact = NewContact {
            emails: vec![primary("a@b.example"), primary("A@B.example"), "broken".into()],
            phones: vec!["nope".into()],
            time_zone: Some("Mars/Olympus".into()),
            ..Default::default()
        };
        assert_eq!(
            faults(crm.contacts(me).create(contact).await),
            [
                "emails duplicate",
                "emails too_many",
                "emails[2].email invalid_email",
                "name required",
                "phones[0].phone invalid_phone",
                "time_zone unknown_time_zone"
            ]
        );
        let deal = NewDeal {
            value: Some(Money::new(-1, Currency::EUR)),
            probability: Some(101),
            company_id: Some(Id::from_parts(1, [1; 10])),
            ..Default::default()
        };
        assert_eq!(
            faults(crm.deals(me).create(deal).await),
            ["company_id not_found", "probability too_large", "title required", "value too_small"]
        );
        let task = NewTask {
            checklist: vec![ChecklistItem { text: " ".into(), done: false }],
            reminders: vec![Reminder { minutes_before: -1 }],
            start_at: Some(world.clock.now().plus_days(2)),
            due_at: Some(world.clock.now()),
            ..Default::default()
        };
        assert_eq!(
            faults(crm.tasks(me).create(task).await),
            [
                "checklist[0].text required",
                "reminders[0].minutes_before too_large",
                "start_at too_large",
                "title required"
            ]
        );
        let interaction = NewInteraction { r#type: "call".into(), duration_seconds: Some(-1), ..Default::default() };
        assert_eq!(
            faults(crm.interactions(me).create(interaction).await),
            ["direction required", "duration_seconds too_small", "links required", "subject required"]
        );
        let smoke =
            NewInteraction { r#type: "smoke".into(), subject: "s".into(), links: vec![lead], ..Default::default() };
        assert_eq!(faults(crm.interactions(me).create(smoke).await), ["type unknown_choice"]);
        assert_eq!(faults(crm.notes(me).create(NewNote::default()).await), ["content required", "links required"]);
        let association = NewAssociation {
            from: Some(lead),
            to: Some(lead),
            started_on: Some(day(2)),
            ended_on: Some(day(1)),
            ..Default::default()
        };
        assert_eq!(
            faults(crm.associations(me).create(association).await),
            ["ended_on too_small", "label required", "to same", "to wrong_kind"]
        );
        let rate = NewRate { rate: Decimal::from(-1), currency: Some(Currency::USD), ..Default::default() };
        assert_eq!(
            faults(crm.rates(me).create(rate).await),
            ["currency base_currency", "day required", "rate too_small"]
        );
        assert_eq!(faults(crm.users(me).create(NewUser::default()).await), ["email required", "role_ids required"]);
        let property = NewProperty {
            kind: Some(Kind::Rate),
            key: "no key!".into(),
            r#type: PropertyType::Select,
            ..Default::default()
        };
        assert_eq!(
            faults(crm.properties(me).create(property).await),
            ["key invalid_key", "kind unknown_choice", "name required", "options required"]
        );
        let organization = OrganizationPatch::new()
            .name("")
            .time_zone("Nowhere")
            .default_country("XX")
            .fiscal_year_start_month(13)
            .base_currency(Currency::EUR)
            .slug("Not a slug");
        assert_eq!(
            faults(crm.organizations(me).update(me.tenant().typed(), organization).await),
            [
                "base_currency fixed",
                "default_country unknown_country",
                "fiscal_year_start_month too_large",
                "name required",
                "slug invalid_key",
                "time_zone unknown_time_zone"
            ]
        );
        assert!(world.snapshot() == before, "nothing is stored");
        assert_eq!(faults(crm.bootstrap(NewOrganization::default()).await), ["name required"]);
        assert!(world.snapshot() == before, "nothing is stored");
    });
}

#[test]
fn values_of_the_wrong_type_are_faults_of_their_field() {
    run(async {
        let world = World::new().await;
        let before = world.snapshot();
        let json = |text: &str| Value::Json(std::sync::Arc::new(serde_json::from_str(text).unwrap()));
        let leads = world.crm.leads(&world.admin);
        let table = [
            (LeadFields::employee_count as usize, Value::text("ten"), "employee_count wrong_type"),
            (LeadFields::annual_revenue as usize, Value::Int(5), "annual_revenue wrong_type"),
            (LeadFields::do_not_email as usize, Value::Int(1), "do_not_email wrong_type"),
            (LeadFields::tags as usize, Value::text("a"), "tags wrong_type"),
            (LeadFields::tags as usize, Value::list([Value::Int(1)]), "tags wrong_type"),
            (LeadFields::owner_id as usize, Value::text("me"), "owner_id wrong_type"),
            (LeadFields::stage_id as usize, Value::Bool(true), "stage_id wrong_type"),
            (LeadFields::address as usize, json(r#"{"planet": "Mars"}"#), "address.planet unknown_field"),
            (LeadFields::address as usize, json("[1]"), "address wrong_type"),
            (LeadFields::address as usize, json(r#"{"street": "a\u0000b"}"#), "address nul"),
            (LeadFields::score as usize, Value::Int(5), "score read_only"),
            (LeadFields::converted_at as usize, Value::Time(world.clock.now()), "converted_at read_only"),
            (LeadFields::status as usize, Value::text("converted"), "status read_only"),
            (0, Value::Time(world.clock.now().plus_days(-1)), "created_at read_only"),
            (9_999, Value::Int(1), "9999 unknown_field"),
        ];
        for (at, value, expected) in table {
            let patch = || LeadPatch::new().set(at, value.clone());
            assert_eq!(faults(leads.update(world.lead.id, patch()).await), [expected]);
            assert_eq!(faults(leads.restore(world.lead.id, patch()).await), [expected]);
            let now = world.clock.now();
            let named = || NewLead { name: "N".into(), ..Default::default() };
            let many = NewWithHistory::new(named()).then(now, patch());
            assert_eq!(faults(leads.create_many(vec![many]).await.remove(0)), [expected]);
            assert_eq!(faults(leads.create_with_history(named(), now, vec![(now, patch())]).await), [expected]);
        }
        let contact = crm_core::contacts::ContactPatch::new()
            .set(ContactFields::emails as usize, Value::list([json(r#"{"adress": "x"}"#)]));
        let nobody: Id = Id::from_parts(3, [3; 10]);
        let _ = world.crm.contacts(&world.admin).update(nobody.typed(), contact).await;
        assert!(world.snapshot() == before, "nothing is stored");
    });
}

#[test]
fn companies_form_no_circle() {
    run(async {
        let world = World::new().await;
        let companies = world.crm.companies(&world.admin);
        let make = async |name: &str, parent: Option<Id<Company>>| {
            companies
                .create(NewCompany { name: name.into(), parent_id: parent, ..Default::default() })
                .await
                .unwrap()
                .id
        };
        let a = make("a", None).await;
        let b = make("b", Some(a)).await;
        let c = make("c", Some(b)).await;
        let under = |id: Id<Company>| CompanyPatch::new().parent_id(id);
        for (which, parent) in [(a, a), (a, b), (a, c), (b, c)] {
            assert_eq!(faults(companies.update(which, under(parent)).await), ["parent_id cycle"]);
        }
        // Nor by undo: b is moved out, a is moved under b, and the first move is undone.
        let left = companies.update(b, CompanyPatch::new().parent_id(None)).await.unwrap();
        companies.update(a, under(b)).await.unwrap();
        assert_fault(companies.undo(b, left.commit.unwrap()).await, "parent_id cycle");
        assert_fault(companies.roll_back(b, 1).await, "parent_id cycle");
        assert_fault(companies.restore(b, under(a)).await, "parent_id cycle");
        // The maximum depth is twenty.
        let mut last = None;
        for n in 0..20 {
            last = Some(make(&format!("n{n}"), last).await);
        }
        let deep = NewCompany { name: "n20".into(), parent_id: last, ..Default::default() };
        assert_eq!(faults(companies.create(deep).await), ["parent_id too_deep"]);
    });
}

#[test]
fn a_team_that_moves_takes_all_below_it_along() {
    run(async {
        let world = World::new().await;
        let teams = world.crm.teams(&world.admin);
        let make = async |name: String, parent_id: Option<Id<Team>>| {
            teams.create(NewTeam { name, parent_id, ..Default::default() }).await.unwrap().id
        };
        // A chain of eleven and one of nine make twenty; one more level is too deep, wherever it is added.
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for n in 0..11 {
            long.push(make(format!("long {n}"), long.last().copied()).await);
        }
        for n in 0..10 {
            short.push(make(format!("short {n}"), short.last().copied()).await);
        }
        let under = |id: Id<Team>| TeamPatch::new().parent_id(id);
        assert_eq!(faults(teams.update(short[0], under(long[10])).await), ["parent_id too_deep"]);
        assert_eq!(faults(teams.update(long[0], under(short[9])).await), ["parent_id too_deep"]);
        teams.update(short[1], under(long[10])).await.unwrap();
        let deep = NewTeam { name: "deep".into(), parent_id: Some(short[9]), ..Default::default() };
        assert_eq!(faults(teams.create(deep).await), ["parent_id too_deep"]);
        // In one commit each move takes the previous ones into account.
        teams.update(short[1], under(short[0])).await.unwrap();
        let both = teams.update_many(vec![(short[1], under(long[0])), (short[0], under(long[10]))]).await;
        assert!(both.iter().all(Result::is_ok), "{both:?}");
        let back = vec![(short[1], under(short[0])), (short[0], under(long[10]))];
        let back = teams.update_many(back).await;
        assert!(back.iter().any(Result::is_err), "{back:?}");
        // Cycles are found below a record as well as above it.
        assert_fault(teams.update(long[0], under(long[10])).await, "parent_id cycle");
        assert_fault(teams.update(long[9], under(long[10])).await, "parent_id cycle");
    });
}

#[test]
fn what_lists_refuse() {
    run(async {
        let world = World::new().await;
        let before = world.snapshot();
        let leads = world.crm.leads(&world.admin);
        let mut deep = Filter::eq("name", "x");
        for _ in 0..1000 {
            deep = deep.negate();
        }
        let wide = Filter::any((0..101).map(|n| Filter::eq("name", n.to_string())));
        let empty = Filter::any((0..10_000).map(|_| Filter::all([])));
        let long = Filter::any((0..50).map(|_| Filter::eq("name", text(200))));
        let unknown = format!("{} unknown_field", text(80));
        let table: Vec<(Filter, &str)> = vec![
            (deep, "filter too_deep"),
            (wide, "filter too_large"),
            (empty, "filter too_large"),
            (long, "filter too_large"),
            (Filter::one_of("name", (0..101).map(|n| n.to_string())), "name too_many"),
            (Filter::eq("nope", 1), "nope unknown_field"),
            (Filter::eq("search_text", "x"), "search_text unknown_field"),
            (Filter::eq("properties.nope", 1), "properties.nope unknown_field"),
            (Filter::eq("properties", 1), "properties unknown_field"),
            (Filter::eq(text(TEN_MB), 1), "filter too_large"),
            (Filter::eq(text(2_000), 1), &unknown),
            (Filter::eq("employee_count", "ten"), "employee_count wrong_type"),
            (Filter::eq("employee_count", 1.5), "employee_count wrong_type"),
            (Filter::eq("annual_revenue", 5), "annual_revenue wrong_type"),
            (Filter::eq("created_at", "someday"), "created_at wrong_type"),
            (Filter::eq("name", "a\0"), "name nul"),
            (Filter::is("name", Op::Contains, "a\0"), "name nul"),
            (Filter::is("name", Op::Contains, text(TEN_MB)), "filter too_large"),
            (Filter::eq("name", text(TEN_MB)), "name too_long"),
            (Filter::eq("name", serde_json::Value::Null), "name wrong_type"),
            (Filter::is("name", Op::In, "a"), "name wrong_type"),
            (Filter::is("name", Op::Missing, "a"), "name wrong_type"),
            (Filter::is("do_not_email", Op::Lt, true), "do_not_email wrong_operator"),
            (Filter::is("description", Op::Contains, "x"), "description wrong_operator"),
            (Filter::eq("owner_id", "you"), "owner_id wrong_type"),
            (Filter::eq("stage_kind", "vanished"), "stage_kind unknown_choice"),
        ];
        for (filter, expected) in table {
            assert_eq!(faults(leads.list(&ListQuery::new().filter(filter.clone())).await), [expected]);
            assert_eq!(faults(leads.count(filter).await), [expected]);
        }
        for limit in [0, 201, usize::MAX] {
            assert_eq!(faults(leads.list(&ListQuery::new().limit(limit)).await), ["limit too_large"]);
            assert_eq!(faults(leads.history_page(world.lead.id, None, None, limit).await), ["limit too_large"]);
            let lead = Ref::new(Kind::Lead, world.lead.id);
            assert_eq!(faults(world.crm.timeline(&world.admin).of(lead, None, limit).await), ["limit too_large"]);
        }
        for sort in ["nope", "name", "updated_at", "", "search_text", &text(TEN_MB)] {
            assert_eq!(faults(leads.list(&ListQuery::new().sort(sort)).await), ["sort unknown_sort"]);
        }
        assert_eq!(faults(leads.list(&ListQuery::new().archived().sort("score")).await), ["sort unknown_sort"]);
        for (search, fault) in [(text(201), "too_long"), (text(TEN_MB), "too_long"), ("a\0".to_owned(), "nul")] {
            assert_eq!(faults(leads.list(&ListQuery::new().text(search)).await), [format!("q {fault}")]);
        }
        let all =
            faults(leads.list(&ListQuery::new().filter(Filter::all([Filter::eq("a", 1), Filter::eq("b", 2)]))).await);
        assert_eq!(all, ["a unknown_field", "b unknown_field"]);
        assert!(world.snapshot() == before, "nothing is stored");
        // A filter with keys of two forms is invalid.
        for ambiguous in [
            r#"{"and": [], "or": []}"#,
            r#"{"and": [], "field": "name", "op": "eq", "value": "x"}"#,
            r#"{"not": {"and": []}, "extra": 1}"#,
        ] {
            assert!(serde_json::from_str::<Filter>(ambiguous).is_err(), "{ambiguous}");
        }
        let nested = format!("{}{}{}", r#"{"not":"#.repeat(1000), r#"{"and":[]}"#, "}".repeat(1000));
        assert!(serde_json::from_str::<Filter>(&nested).is_err());
    });
}

#[test]
fn cursors_belong_to_their_list() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        for n in 0..5 {
            leads.create(NewLead { name: format!("L{n}"), ..Default::default() }).await.unwrap();
        }
        let query = ListQuery::new().limit(2);
        let cursor = leads.list(&query).await.unwrap().next_cursor.unwrap();
        leads.list(&query.clone().limit(3).cursor(cursor.clone())).await.unwrap();
        let mut flipped = cursor.clone().into_bytes();
        flipped[5] = if flipped[5] == b'A' { b'B' } else { b'A' };
        let bad = |result| assert_eq!(faults(result), ["cursor bad_cursor"]);
        bad(leads.list(&query.clone().cursor(String::from_utf8(flipped).unwrap())).await);
        bad(leads.list(&query.clone().descending().cursor(cursor.clone())).await);
        bad(leads.list(&query.clone().sort("score").cursor(cursor.clone())).await);
        bad(leads.list(&query.clone().text("l").cursor(cursor.clone())).await);
        bad(leads.list(&query.clone().archived().cursor(cursor.clone())).await);
        bad(leads.list(&query.clone().filter(Filter::missing("email")).cursor(cursor.clone())).await);
        bad(world.crm.leads(&world.manager).list(&query.clone().cursor(cursor.clone())).await);
        for nonsense in [String::new(), "!".into(), "AAAA".into(), text(TEN_MB), "\0".into(), "é".into()] {
            bad(leads.list(&query.clone().cursor(nonsense.clone())).await);
            let page = leads.history_page(world.lead.id, None, Some(&nonsense), 5).await;
            assert_eq!(faults(page), ["cursor bad_cursor"]);
            let lead = Ref::new(Kind::Lead, world.lead.id);
            let page = world.crm.timeline(&world.admin).of(lead, Some(&nonsense), 5).await;
            assert_eq!(faults(page), ["cursor bad_cursor"]);
        }
        // A list's cursor is not valid for a history, nor for a board of contacts.
        let page = leads.history_page(world.lead.id, None, Some(&cursor), 5).await;
        assert_eq!(faults(page), ["cursor bad_cursor"]);
        let page = world.crm.contacts(&world.admin).list(&query.cursor(cursor)).await;
        assert_eq!(faults(page), ["cursor bad_cursor"]);
    });
}

#[test]
fn sizes_are_bounded() {
    run(async {
        let world = World::new().await;
        for key in ["a", "b", "c", "d", "e"] {
            let new = NewProperty {
                kind: Some(Kind::Lead),
                key: key.into(),
                name: key.into(),
                r#type: PropertyType::LongText,
                ..Default::default()
            };
            world.crm.properties(&world.admin).create(new).await.unwrap();
        }
        let leads = world.crm.leads(&world.admin);
        let patch = ["a", "b", "c", "d", "e"]
            .into_iter()
            .fold(LeadPatch::new(), |patch, key| patch.property(key, Value::text(text(15_999))));
        assert_eq!(faults(leads.update(world.lead.id, patch).await), ["properties too_long"]);
        let huge = LeadPatch::new().property(text(TEN_MB), Value::Int(1));
        assert!(faults(leads.update(world.lead.id, huge).await)[0].ends_with("unknown_field"));
        let long = LeadPatch::new().description(text(65_537));
        assert_eq!(faults(leads.update(world.lead.id, long).await), ["description too_long"]);
        for key in [String::new(), text(256), "a\0".into()] {
            let keyed = leads.update(world.lead.id, LeadPatch::new().job_title("x")).idempotency_key(key).await;
            assert_eq!(faults(keyed), ["idempotency_key too_long"]);
        }
        let many: Vec<NewWithHistory<_>> =
            vec![(0..60).fold(NewWithHistory::new(NewDeal { title: "d".into(), ..Default::default() }), |new, n| {
                new.then(world.clock.now(), DealPatch::new().probability(n + 11))
            })];
        assert!(world.crm.deals(&world.admin).create_many(many).await.remove(0).is_ok());
        let too_many = (0..100)
            .fold(NewWithHistory::new(NewDeal { title: "d".into(), ..Default::default() }), |new, n| {
                new.then(world.clock.now(), DealPatch::new().next_step(n.to_string()))
            });
        let refused = world.crm.deals(&world.admin).create_many(vec![too_many]).await.remove(0);
        assert!(matches!(refused, Err(Error::TooLarge { limit: 100, .. })), "{refused:?}");
        // The origin of a change is limited in length and cleaned, whatever a client sends.
        let origin =
            crm_core::change::Origin { user_agent: Some(format!("a\0{}", text(TEN_MB))), ..Default::default() };
        let actor = world.admin.clone().through(origin);
        world.crm.leads(&actor).update(world.lead.id, LeadPatch::new().job_title("CTO")).await.unwrap();
        let history = leads.history(world.lead.id).await.unwrap();
        let agent = history.last().unwrap().origin.as_ref().unwrap().user_agent.clone().unwrap();
        assert!(agent.len() <= 512 && !agent.contains('\0'), "{}", agent.len());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn formats_never_panic_and_are_their_own_normal_form(input in ".{0,60}", plus in "[+0-9a-zA-Z ().;=@-]{0,30}") {
        use crm_core::value::{normalize_domain, normalize_email, normalize_phone, normalize_slug, normalize_url};
        for text in [&input, &plus] {
            for country in [None, Some("DE"), Some("US")] {
                if let Ok(phone) = normalize_phone(text, country) {
                    prop_assert_eq!(normalize_phone(&phone, None), Ok(phone.clone()), "{}", text);
                }
            }
            if let Ok(email) = normalize_email(text) {
                prop_assert_eq!(normalize_email(&email), Ok(email.clone()));
            }
            if let Ok(domain) = normalize_domain(text) {
                prop_assert_eq!(normalize_domain(&domain), Ok(domain.clone()));
            }
            if let Ok(url) = normalize_url(text) {
                prop_assert_eq!(normalize_url(&url), Ok(url.clone()));
            }
            if let Ok(slug) = normalize_slug(text) {
                prop_assert_eq!(normalize_slug(&slug), Ok(slug.clone()));
            }
            let _ = (text.parse::<Decimal>(), text.parse::<Money>(), text.parse::<Currency>(), text.parse::<Date>());
            let _ = (text.parse::<crm_core::value::Time>(), text.parse::<Id>());
            let folded = crm_core::value::fold(text);
            prop_assert_eq!(crm_core::value::fold(&folded), folded);
        }
    }
}

#[test]
fn any_field_takes_any_value_or_says_why_not() {
    run(async {
        let world = World::new().await;
        let map = BTreeMap::from([("x".to_owned(), Value::Null)]);
        let values = [
            Value::Null,
            Value::NotLoaded,
            Value::Redacted,
            Value::Bool(true),
            Value::Int(-1),
            Value::text("x"),
            Value::text(""),
            Value::from(world.lead.id),
            Value::Ref(Ref::new(Kind::Lead, world.lead.id)),
            Value::list([Value::list([Value::Null])]),
            Value::Map(map.into()),
            Value::Json(serde_json::json!({"x": [1]}).into()),
        ];
        for at in 0..60 {
            for value in &values {
                let patch = LeadPatch::new().set(at, value.clone());
                match world.crm.leads(&world.admin).update(world.lead.id, patch).await {
                    Ok(_) | Err(Error::Invalid(_)) => {}
                    other => panic!("{at} {value:?}: {other:?}"),
                }
                world.crm.leads(&world.admin).get(world.lead.id).await.expect("still readable");
            }
        }
    });
}

#[test]
fn decimals_are_exact_or_refused() {
    for good in ["0", "-0", "1.50", "0.0000000000000000000000000001", "9999999999999999999999999999", "-1"] {
        let number: Decimal = good.parse().unwrap();
        assert_eq!(number.to_string().parse::<Decimal>().unwrap(), number, "{good}");
        assert!(!number.to_string().ends_with(".0") && number.to_string() != "-0", "{good}");
    }
    for bad in ["", "-", ".", "-.", "1e5", "1,5", "+1", " 1", "0x1", "--1", "1-", "1.2.3", "٣", "NaN", &"9".repeat(40)]
    {
        assert!(bad.parse::<Decimal>().is_err(), "{bad}");
    }
    assert!("99999999999999999999999999999.99".parse::<Decimal>().is_err(), "nothing is rounded away");
    let large: Decimal = "9999999999999999999999999999".parse().unwrap();
    assert!(large.times(large).is_err());
    assert!(Money::new(1, Currency::EUR).plus(Money::new(1, Currency::USD)).is_err());
    assert!(
        "EURO".parse::<Currency>().is_err() && "eur".parse::<Currency>().is_ok() && "ZZZ".parse::<Currency>().is_err()
    );
    let json: Result<Money, _> = serde_json::from_str(r#"{"amount": 1.5, "currency": "EUR"}"#);
    assert!(json.is_err(), "a fraction in a JSON number has lost digits");
}
