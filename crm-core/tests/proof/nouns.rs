//! Rules of single kinds: tasks, interactions, notes, users, associations, rates, deals' dates, contacts' addresses,
//! timelines, and the embedder's validators.

use std::sync::Arc;

use crm_core::{
    Crm, Error, MemoryStore,
    associations::{AssociationPatch, NewAssociation},
    companies::{CompanyPatch, NewCompany},
    contacts::{ContactEmail, ContactPatch, NewContact},
    deals::{DealPatch, NewDeal},
    error::Faults,
    filter::Filter,
    interactions::{Direction, InteractionPatch, NewInteraction},
    leads::{ConvertLead, LeadPatch, NewLead},
    listing::ListQuery,
    notes::NewNote,
    organizations::{NewOrganization, OrganizationPatch},
    pipelines::{PipelinePatch, StageKind},
    rates::NewRate,
    rules::Validator,
    schema::Image,
    tasks::{NewTask, TaskPatch, TaskStatus},
    testing::TestClock,
    timeline::Entry,
    users::{Handover, UserPatch},
    value::{Currency, Date, FaultCode, Kind, Money, Ref, Time},
};

use crate::support::{World, assert_fault, assert_not_found, faults, run};

#[test]
fn tasks_belong_to_somebody_and_end() {
    run(async {
        let world = World::new().await;
        let tasks = world.crm.tasks(&world.rep);
        let mine = tasks.create(NewTask { title: "T".into(), ..Default::default() }).await.unwrap();
        assert_eq!((mine.assignee_id, mine.is_open, mine.status), (world.rep.user(), true, TaskStatus::Pending));
        let teams = NewTask { title: "T".into(), team_id: Some(world.team.id), ..Default::default() };
        let teams = world.crm.tasks(&world.manager).create(teams).await.unwrap();
        assert_eq!((teams.assignee_id, teams.team_id), (None, Some(world.team.id)));
        world.clock.advance_days(1);
        let done = tasks.complete(mine.id, Some("went well".into())).await.unwrap();
        assert_eq!(
            (done.is_open, done.completed_at, done.completed_by, done.outcome.as_deref()),
            (false, Some(world.clock.now()), world.rep.user(), Some("went well"))
        );
        assert!(!tasks.complete(mine.id, None).await.unwrap().changed());
        let then = tasks.as_of(mine.id, world.clock.now()).await.unwrap().unwrap();
        assert_eq!((then.completed_at, then.completed_by), (done.completed_at, done.completed_by));
        let open = tasks.reopen(mine.id).await.unwrap();
        assert_eq!((open.is_open, open.completed_at, open.completed_by), (true, None, None));
        let given_up = tasks.cancel(mine.id).await.unwrap();
        assert_eq!((given_up.is_open, given_up.completed_at), (false, None));
        let born_done = NewTask { title: "T".into(), status: TaskStatus::Completed, ..Default::default() };
        assert_eq!(tasks.create(born_done).await.unwrap().completed_at, Some(world.clock.now()));
        // Derived fields cannot be set.
        let set =
            TaskPatch::new().set(crm_core::tasks::TaskFields::is_open as usize, crm_core::value::Value::Bool(true));
        assert_fault(tasks.update(mine.id, set).await, "is_open read_only");
    });
}

#[test]
fn interactions_have_types_and_directions() {
    run(async {
        let world = World::new().await;
        let links = vec![Ref::new(Kind::Lead, world.lead.id)];
        let new = |r#type: &str| NewInteraction {
            r#type: r#type.into(),
            subject: "S".into(),
            links: links.clone(),
            ..Default::default()
        };
        let interactions = world.crm.interactions(&world.rep);
        for kind in ["email", "call", "sms"] {
            assert_eq!(faults(interactions.create(new(kind)).await), ["direction required"]);
            let ok = NewInteraction { direction: Some(Direction::Inbound), ..new(kind) };
            interactions.create(ok).await.unwrap();
        }
        for kind in ["meeting", "social", "website"] {
            interactions.create(new(kind)).await.unwrap();
        }
        assert_eq!(faults(interactions.create(new("demo")).await), ["type unknown_choice"]);
        let types = OrganizationPatch::new().interaction_types(vec!["Demo".to_owned()]);
        world.crm.organizations(&world.admin).update(world.admin.tenant().typed(), types).await.unwrap();
        let demo = interactions.create(new("demo")).await.unwrap();
        assert_eq!(
            (demo.user_id, demo.team_id, demo.happens_at),
            (world.rep.user(), Some(world.team.id), Some(demo.created_at))
        );
        let later = world.clock.now().plus_days(3);
        let plan = InteractionPatch::new().scheduled_at(later).completed_at(None::<Time>);
        let planned = interactions.update(demo.id, plan).await.unwrap();
        assert_eq!((planned.happens_at, planned.is_open), (Some(later), true));
        let held = later.plus_days(1);
        let held = interactions.update(demo.id, InteractionPatch::new().completed_at(held)).await.unwrap();
        assert_eq!((held.happens_at, held.is_open), (Some(later.plus_days(1)), false));
        assert_eq!(
            faults(interactions.create(NewInteraction { links: vec![], ..new("meeting") }).await),
            ["links required"]
        );
        // Undo can restore a type that the organization has removed.
        let changed = interactions.update(demo.id, InteractionPatch::new().r#type("meeting")).await.unwrap();
        let none = OrganizationPatch::new().interaction_types(vec![]);
        world.crm.organizations(&world.admin).update(world.admin.tenant().typed(), none).await.unwrap();
        assert_eq!(interactions.undo(demo.id, changed.commit.unwrap()).await.unwrap().r#type, "demo");
        let unknown = ListQuery::new().filter(Filter::eq("type", "vanished"));
        assert_eq!(faults(interactions.list(&unknown).await), ["type unknown_choice"]);
        let system = crm_core::access::Actor::system(world.admin.tenant());
        assert_fault(world.crm.interactions(&system).create(new("meeting")).await, "user_id required");
    });
}

#[test]
fn users_go_and_hand_over() {
    run(async {
        let world = World::new().await;
        let crm = &world.crm;
        let rep = world.role_id("sales_rep").await;
        let (heir, heir_user) = world.member("heir", vec![rep], vec![world.team.id]).await;
        let deal = |title: &str| NewDeal { title: title.into(), ..Default::default() };
        let open = crm.deals(&world.rep).create(deal("open")).await.unwrap();
        let won = crm.deals(&world.rep).create(deal("won")).await.unwrap();
        crm.deals(&world.rep).win(won.id).await.unwrap();
        let company = NewCompany { name: "C".into(), ..Default::default() };
        crm.companies(&world.rep).create(company).await.unwrap();
        crm.contacts(&world.rep).create(NewContact { name: "C".into(), ..Default::default() }).await.unwrap();
        let todo = crm.tasks(&world.rep).create(NewTask { title: "T".into(), ..Default::default() }).await.unwrap();
        let done = crm.tasks(&world.rep).create(NewTask { title: "D".into(), ..Default::default() }).await.unwrap();
        crm.tasks(&world.rep).complete(done.id, None).await.unwrap();
        let users = crm.users(&world.admin);
        let (me, id) = (world.admin.tenant(), world.rep_user.id);
        assert_fault(users.deactivate(id, Handover::TransferTo(id)).await, "transfer_to same");
        let nobody = crm_core::value::Id::from_parts(9, [9; 10]);
        assert!(users.deactivate(id, Handover::TransferTo(nobody)).await.is_err());
        crm.actor(me, id).await.expect("nothing happened");
        let moved = users.deactivate(id, Handover::TransferTo(heir_user.id)).await.unwrap();
        // Lead, contact, company, the open deal, the open task.
        assert_eq!((moved.moved, moved.held_back.len()), (5, 0), "{moved:?}");
        assert_eq!(crm.deals(&heir).get(open.id).await.unwrap().owner_id, heir.user());
        assert_eq!(crm.deals(&world.admin).get(won.id).await.unwrap().owner_id, Some(id));
        assert_eq!(crm.tasks(&heir).get(todo.id).await.unwrap().assignee_id, heir.user());
        // A deactivated user cannot act, and no new records are assigned to them.
        assert_not_found(crm.actor(me, id).await);
        assert_not_found(crm.actor_by_external_id(me, "rob").await);
        assert!(users.get(id).await.unwrap().deactivated_at.is_some());
        let given = crm.leads(&world.admin).update(world.lead.id, LeadPatch::new().owner_id(id)).await;
        assert_fault(given, "owner_id inactive");
        assert_fault(users.deactivate(heir_user.id, Handover::TransferTo(id)).await, "transfer_to inactive");
        assert_eq!(
            users.deactivate(id, Handover::TransferTo(heir_user.id)).await.unwrap().moved,
            0,
            "again: nothing left"
        );
        let back = users.activate(id).await.unwrap();
        assert!(back.is_active && back.deactivated_at.is_none());
        crm.actor(me, id).await.unwrap();
        // A user must have an email or an external id.
        assert_fault(
            users
                .update(id, UserPatch::new().set(crm_core::schema::common::EXTERNAL_ID, crm_core::value::Value::Null))
                .await,
            "email required",
        );
    });
}

#[test]
fn deals_close_on_the_organizations_day() {
    run(async {
        let clock = TestClock::at("2026-01-05T23:30:00Z");
        let crm = Crm::builder(MemoryStore::new()).clock(clock.clone()).build();
        let organization =
            NewOrganization { name: "A".into(), time_zone: Some("Asia/Tokyo".into()), ..Default::default() };
        let me = crm.bootstrap(organization).await.unwrap();
        let deals = crm.deals(&me);
        let expected = Date::from_ymd(2026, 3, 1).ok();
        let new = NewDeal {
            title: "D".into(),
            value: Some(Money::new(1000, Currency::EUR)),
            expected_close_date: expected,
            ..Default::default()
        };
        let deal = deals.create(new).await.unwrap();
        assert_eq!(
            (deal.probability, deal.close_date, deal.weighted_value),
            (Some(10), expected, Some(Money::new(100, Currency::EUR)))
        );
        let won = deals.win(deal.id).await.unwrap();
        let day = Date::from_ymd(2026, 1, 6).ok();
        assert_eq!(
            (won.actual_close_date, won.close_date, won.probability),
            (day, day, Some(100)),
            "in Tokyo it is the sixth"
        );
        assert_eq!(won.stage_kind, StageKind::Won);
        // The probability of a won deal is fixed.
        assert_eq!(deals.update(deal.id, DealPatch::new().probability(50)).await.unwrap().probability, Some(100));
        clock.advance_days(5);
        let open = deals.move_to(deal.id, "negotiation").await.unwrap();
        assert_eq!((open.actual_close_date, open.close_date, open.probability), (None, expected, Some(75)));
        assert_fault(
            deals.update(deal.id, DealPatch::new().actual_close_date(Date::from_ymd(2026, 1, 1).unwrap())).await,
            "actual_close_date not_closed",
        );
        let lost = deals.lose(deal.id, "price").await.unwrap();
        assert_eq!((lost.actual_close_date, lost.probability), (Date::from_ymd(2026, 1, 11).ok(), Some(0)));
        // Winning a lost deal sets a new closing date; winning a won deal keeps it.
        clock.advance_days(2);
        assert_eq!(deals.win(deal.id).await.unwrap().actual_close_date, Date::from_ymd(2026, 1, 13).ok());
        let mut stages = crm.pipelines(&me).get(deal.pipeline_id.unwrap()).await.unwrap().stages.clone();
        stages.push(crm_core::pipelines::Stage::new("paid", "Paid", StageKind::Won, 100));
        crm.pipelines(&me).update(deal.pipeline_id.unwrap(), PipelinePatch::new().stages(stages)).await.unwrap();
        clock.advance_days(2);
        assert_eq!(deals.move_to(deal.id, "paid").await.unwrap().actual_close_date, Date::from_ymd(2026, 1, 13).ok());
        // A stage implies its pipeline; currencies are not mixed.
        assert_fault(deals.move_to(deal.id, "closed_lost").await, "close_reason required_by_stage");
    });
}

#[test]
fn addresses_are_unique_unless_the_tenant_shares_them() {
    run(async {
        let world = World::new().await;
        let contacts = world.crm.contacts(&world.admin);
        let with = |name: &str, emails: &[&str]| NewContact {
            name: name.into(),
            emails: emails.iter().map(|&email| ContactEmail::from(email)).collect(),
            ..Default::default()
        };
        let a = contacts.create(with("A", &["a@x.example", "b@x.example"])).await.unwrap();
        let taken = contacts.create(with("B", &["B@X.example"])).await;
        assert!(matches!(&taken, Err(Error::Duplicate { field, .. }) if field == "email"), "{taken:?}");
        for address in ["a@x.example", "B@x.example"] {
            assert_eq!(contacts.find("email", address).await.unwrap().id, a.id, "by any of them");
        }
        contacts.archive(a.id).await.unwrap();
        let b = contacts.create(with("B", &["b@x.example"])).await.unwrap();
        match contacts.restore(a.id, ContactPatch::new()).await {
            Err(Error::Duplicate { kind: Kind::Contact, field }) => assert_eq!(field, "email"),
            other => panic!("{other:?}"),
        }
        let patch = ContactPatch::new().emails(vec!["a@x.example".into()]);
        contacts.restore(a.id, patch).await.unwrap();
        // With shared addresses, an address no longer identifies a contact.
        let shared = |share| OrganizationPatch::new().allow_shared_emails(share);
        let organizations = world.crm.organizations(&world.admin);
        organizations.update(world.admin.tenant().typed(), shared(true)).await.unwrap();
        contacts.create(with("C", &["b@x.example"])).await.unwrap();
        contacts.update(b.id, ContactPatch::new().emails(vec!["new@x.example".into()])).await.unwrap();
        assert_fault(contacts.find("email", "b@x.example").await, "email not_unique");
        let lead = NewLead { name: "L".into(), email: Some("b@x.example".into()), ..Default::default() };
        let lead = world.crm.leads(&world.admin).create(lead).await.unwrap();
        let made = world.crm.leads(&world.admin).convert(lead.id, ConvertLead::default()).await.unwrap();
        assert_eq!(made.contact.as_ref().unwrap().version, 1, "a new one");
        assert_fault(
            organizations.update(world.admin.tenant().typed(), shared(false)).await,
            "allow_shared_emails fixed",
        );
    });
}

#[test]
fn restored_records_say_which_value_is_taken() {
    run(async {
        let world = World::new().await;
        let companies = world.crm.companies(&world.admin);
        let new = |key: Option<&str>, domain: &str| NewCompany {
            name: "C".into(),
            domain: Some(domain.into()),
            external_id: key.map(str::to_owned),
            ..Default::default()
        };
        let a = companies.create(new(Some("k"), "www.A.example")).await.unwrap();
        assert_eq!(a.domain.as_deref(), Some("a.example"));
        companies.archive(a.id).await.unwrap();
        assert_not_found(companies.find("domain", "a.example").await);
        companies.create(new(None, "a.example")).await.unwrap();
        let taken = |result: Result<_, Error>| match result {
            Err(Error::Duplicate { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(taken(companies.restore(a.id, CompanyPatch::new()).await), "domain");
        let archiving = companies.history(a.id).await.unwrap().pop().unwrap().commit;
        assert_eq!(taken(companies.undo(a.id, archiving).await), "domain");
        let back = companies.restore(a.id, CompanyPatch::new().domain("b.example")).await.unwrap();
        assert_eq!((back.external_id.as_deref(), back.archived_at), (Some("k"), None));
        // References to archived records are kept, and new ones are rejected.
        let child = NewCompany { parent_id: Some(a.id), ..new(None, "c.example") };
        let child = companies.create(child).await.unwrap();
        companies.archive(a.id).await.unwrap();
        companies.update(child.id, CompanyPatch::new().industry("x")).await.unwrap();
        let other = NewCompany { parent_id: Some(a.id), ..new(None, "d.example") };
        assert_eq!(faults(companies.create(other).await), ["parent_id archived"]);
        let team = world.crm.teams(&world.admin);
        let gone = team.create(crm_core::teams::NewTeam { name: "Gone".into(), ..Default::default() }).await.unwrap();
        team.archive(gone.id).await.unwrap();
        let below = crm_core::teams::NewTeam { name: "Below".into(), parent_id: Some(gone.id), ..Default::default() };
        assert_eq!(faults(team.create(below).await), ["parent_id not_found"]);
    });
}

#[test]
fn names_follow_their_parts_while_nobody_gives_another() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        assert_eq!(world.lead.name, "Ada Lovelace");
        let id = world.lead.id;
        let named = async |patch: LeadPatch| leads.update(id, patch).await.unwrap().name.clone();
        assert_eq!(named(LeadPatch::new().last_name("King")).await, "Ada King");
        assert_eq!(named(LeadPatch::new().first_name(None::<String>)).await, "King");
        assert_eq!(named(LeadPatch::new().name("The Countess")).await, "The Countess");
        assert_eq!(named(LeadPatch::new().first_name("Ada")).await, "The Countess");
        assert_eq!(named(LeadPatch::new().name("")).await, "Ada King", "emptied, it follows again");
        assert_eq!(named(LeadPatch::new().first_name("A").name("Ada King")).await, "Ada King", "given is given");
        let contacts = world.crm.contacts(&world.admin);
        let contact = NewContact { first_name: Some("Bob".into()), ..Default::default() };
        let contact = contacts.create(contact).await.unwrap();
        assert_eq!(contact.name, "Bob");
        assert_eq!(contacts.update(contact.id, ContactPatch::new().last_name("B")).await.unwrap().name, "Bob B");
    });
}

#[test]
fn associations_tie_what_may_be_tied_once() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let contact = crm.contacts(me).create(NewContact { name: "C".into(), ..Default::default() }).await.unwrap();
        let company = crm.companies(me).create(NewCompany { name: "C".into(), ..Default::default() }).await.unwrap();
        let deal = crm.deals(me).create(NewDeal { title: "D".into(), ..Default::default() }).await.unwrap();
        let (contact, company, deal) =
            (Ref::new(Kind::Contact, contact.id), Ref::new(Kind::Company, company.id), Ref::new(Kind::Deal, deal.id));
        let tie = |from: Ref, to: Ref| NewAssociation {
            from: Some(from),
            to: Some(to),
            label: "Works at".into(),
            ..Default::default()
        };
        let associations = crm.associations(me);
        let made = associations.create(tie(contact, company)).await.unwrap();
        associations.create(tie(contact, deal)).await.unwrap();
        let again = associations.create(NewAssociation { label: "works AT".into(), ..tie(contact, company) }).await;
        assert!(matches!(&again, Err(Error::Duplicate { field, .. }) if field == "label"), "{again:?}");
        assert_eq!(faults(associations.create(tie(company, deal)).await), ["to wrong_kind"]);
        assert_eq!(faults(associations.create(tie(contact, contact)).await), ["to same"]);
        assert_fault(associations.update(made.id, AssociationPatch::new().to(Some(deal))).await, "from fixed");
        let page = associations
            .list(&ListQuery::new().sort("label").filter(Filter::eq("from", serde_json::to_value(contact).unwrap())))
            .await;
        assert_eq!(page.unwrap().items.len(), 2);
        associations.archive(made.id).await.unwrap();
        associations.create(tie(contact, company)).await.unwrap();
        // A representative can only associate records they can read.
        assert_eq!(
            faults(crm.associations(&world.rep).create(tie(contact, deal)).await),
            ["from not_found", "to not_found"]
        );
    });
}

#[test]
fn one_rate_a_currency_and_day() {
    run(async {
        let world = World::new().await;
        let rates = world.crm.rates(&world.admin);
        let new = |day: u32, rate: &str| NewRate {
            currency: Some(Currency::EUR),
            day: Date::from_ymd(2026, 1, day).ok(),
            rate: rate.parse().unwrap(),
            ..Default::default()
        };
        rates.create(new(1, "1.0850")).await.unwrap();
        assert!(matches!(rates.create(new(1, "1.1")).await, Err(Error::Duplicate { field, .. }) if field == "day"));
        rates.create(new(2, "1.09")).await.unwrap();
        let listed =
            rates.list(&ListQuery::new().sort("day").descending().filter(Filter::eq("currency", "EUR"))).await.unwrap();
        let values: Vec<String> = listed.items.iter().map(|rate| rate.rate.to_string()).collect();
        assert_eq!(values, ["1.09", "1.085"]);
        assert_fault(rates.create(new(3, "0")).await, "rate too_small");
    });
}

#[test]
fn a_timeline_is_everything_in_time_order_page_by_page() {
    run(async {
        let world = World::new().await;
        let lead = Ref::new(Kind::Lead, world.lead.id);
        let (crm, rep) = (&world.crm, &world.rep);
        for n in 0..7_i64 {
            world.clock.advance_days(1);
            crm.leads(rep).update(lead.id.typed(), LeadPatch::new().source(format!("s{n}"))).await.unwrap();
            let meeting = NewInteraction {
                r#type: "meeting".into(),
                subject: format!("m{n}"),
                scheduled_at: Some(world.clock.now().plus_days(n % 3)),
                links: vec![lead],
                ..Default::default()
            };
            crm.interactions(rep).create(meeting).await.unwrap();
            let due_at = (n % 2 == 0).then(|| world.clock.now().plus_days(10));
            let task = NewTask { title: format!("t{n}"), due_at, links: vec![lead], ..Default::default() };
            crm.tasks(rep).create(task).await.unwrap();
            crm.notes(rep)
                .create(NewNote { content: format!("n{n}"), links: vec![lead], ..Default::default() })
                .await
                .unwrap();
        }
        let made = crm.leads(rep).convert(lead.id.typed(), ConvertLead::default()).await.unwrap();
        let walk = async |record: Ref, limit: usize| {
            let (mut all, mut cursor) = (Vec::new(), None::<String>);
            for _ in 0..100 {
                let page = crm.timeline(rep).of(record, cursor.as_deref(), limit).await.unwrap();
                all.extend(page.items);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    return all;
                }
            }
            panic!("a timeline that never ends");
        };
        let whole = walk(lead, 200).await;
        assert_eq!(whole.len(), 7 * 4 + 2);
        let when = |entry: &Entry| match entry {
            Entry::Change(change) => Some(change.occurred_at),
            Entry::Interaction(interaction) => interaction.happens_at,
            Entry::Task(task) => task.due_at,
            Entry::Note(note) => Some(note.created_at),
        };
        // Tasks without a due date first, then latest first.
        let times: Vec<_> = whole.iter().map(when).collect();
        assert!(
            times.windows(2).all(|pair| pair[0].is_none() || pair[1].is_some_and(|second| second <= pair[0].unwrap())),
            "{times:?}"
        );
        for limit in [1, 2, 3, 7] {
            let paged = walk(lead, limit).await;
            let short = |entry: &Entry| format!("{:?} {}", when(entry), &format!("{entry:?}")[..12]);
            let shown = |all: &[Entry]| all.iter().map(short).collect::<Vec<_>>();
            assert_eq!(shown(&paged), shown(&whole), "{limit} a page");
            assert_eq!(paged, whole, "{limit} a page");
        }
        // The timeline of the converted contact includes that of the lead.
        let contact = Ref::new(Kind::Contact, made.contact.as_ref().unwrap().id);
        assert_eq!(walk(contact, 4).await.len(), whole.len() + 1);
    });
}

/// Rejects addresses of free mail providers.
struct NoFreeMail;

impl Validator for NoFreeMail {
    fn check(&self, _: Option<&Image>, after: &Image, faults: &mut Faults) {
        if after.get("email").as_text().is_some_and(|email| email.ends_with("@free.example")) {
            faults.push("email", FaultCode::custom("free_mail"), "must be an address at work");
        }
    }
}

#[test]
fn the_embedders_rules_hold_for_every_writer() {
    run(async {
        let store = MemoryStore::new();
        let crm = Crm::builder_shared(Arc::new(store)).validator(NoFreeMail).build();
        let me = crm.bootstrap(NewOrganization { name: "A".into(), ..Default::default() }).await.unwrap();
        let leads = crm.leads(&me);
        let free = || NewLead {
            name: "L".into(),
            email: Some("x@free.example".into()),
            external_id: Some("x".into()),
            ..Default::default()
        };
        assert_eq!(faults(leads.create(free()).await), ["email free_mail"]);
        assert_eq!(faults(leads.upsert("external_id", "x", free()).await), ["email free_mail"]);
        let many = vec![crm_core::collection::NewWithHistory::new(free())];
        assert_eq!(faults(leads.create_many(many).await.remove(0)), ["email free_mail"]);
        let lead = leads.create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        assert_eq!(faults(leads.update(lead.id, LeadPatch::new().email("x@free.example")).await), ["email free_mail"]);
        assert_eq!(faults(leads.restore(lead.id, LeadPatch::new().email("x@free.example")).await), ["email free_mail"]);
    });
}
