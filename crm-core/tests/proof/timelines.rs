//! Timelines by the time of events, kinds as an actor may use them, and whether changes of a history can be undone.

use std::collections::BTreeSet;

use crm_core::{
    companies::NewCompany,
    contacts::NewContact,
    deals::{DealPatch, NewDeal},
    leads::{LeadPatch, NewLead},
    notes::NewNote,
    properties::NewProperty,
    tasks::NewTask,
    timeline::{Entry, EntryType, MAX_RELATED, TimelineQuery, ViewedEntry},
    value::{Kind, Ref, Time},
};

use crate::support::{World, hidden, run};

async fn walk(world: &World, record: Ref, query: &TimelineQuery) -> Vec<Entry> {
    let (mut all, mut query) = (Vec::new(), query.clone());
    for _ in 0..400 {
        let page = world.crm.timeline(&world.admin).page(record, &query).await.unwrap();
        all.extend(page.items);
        query.cursor = page.next_cursor;
        match &query.cursor {
            Some(cursor) => assert!(cursor.len() < 400, "a cursor is one place, however many sources there are"),
            None => return all,
        }
    }
    panic!("a timeline that never ends");
}

fn when(entry: &Entry) -> Option<Time> {
    match entry {
        Entry::Change(change) => Some(change.occurred_at),
        Entry::Interaction(interaction) => interaction.happens_at,
        Entry::Task(task) => task.due_at,
        Entry::Note(note) => Some(note.created_at),
    }
}

#[test]
fn an_imported_history_stands_where_it_happened() {
    run(async {
        let world = World::new().await;
        let now = world.clock.now();
        let deals = world.crm.deals(&world.admin);
        let steps = (1..30).map(|day| (now.plus_days(day - 100), DealPatch::new().source(format!("s{day}"))));
        let new = NewDeal { title: "D".into(), ..Default::default() };
        let id = deals.create_with_history(new, now.plus_days(-100), steps.collect()).await.unwrap().id;
        let record = Ref::new(Kind::Deal, id);
        // A note written after the import is later than every imported change.
        let note = NewNote { content: "n".into(), links: vec![record], ..Default::default() };
        world.crm.notes(&world.admin).create(note).await.unwrap();
        for day in 1..10_i64 {
            world.clock.advance_days(1);
            let pending = deals.update(id, DealPatch::new().next_step(day.to_string()));
            let back = now.plus_days(-50 + day);
            if day % 3 == 0 {
                pending.occurred_at(back).await.unwrap()
            } else {
                pending.await.unwrap()
            };
        }
        let whole = walk(&world, record, &TimelineQuery { limit: 200, ..Default::default() }).await;
        assert_eq!(whole.len(), 30 + 1 + 9);
        assert!(whole.windows(2).all(|pair| when(&pair[0]) >= when(&pair[1])));
        assert!(matches!(&whole[6], Entry::Note(_)), "six edits of today, then the note, then what was dated back");
        for limit in [1, 3, 7, 39] {
            assert_eq!(walk(&world, record, &TimelineQuery { limit, ..Default::default() }).await, whole, "{limit}");
        }
        let notes = TimelineQuery { types: vec![EntryType::Note], ..Default::default() };
        assert_eq!(walk(&world, record, &notes).await.len(), 1);
        let both = TimelineQuery { types: vec![EntryType::Change, EntryType::Task], limit: 4, ..Default::default() };
        assert_eq!(walk(&world, record, &both).await.len(), 39);
    });
}

#[test]
fn a_company_shows_what_happened_to_its_contacts_and_deals() {
    run(async {
        let world = World::new().await;
        let (crm, me) = (&world.crm, &world.admin);
        let company = crm.companies(me).create(NewCompany { name: "C".into(), ..Default::default() }).await.unwrap().id;
        let contact = NewContact { name: "P".into(), company_id: Some(company), ..Default::default() };
        let contact = Ref::new(Kind::Contact, crm.contacts(me).create(contact).await.unwrap().id);
        let deal = NewDeal { title: "D".into(), company_id: Some(company), ..Default::default() };
        let deal = Ref::new(Kind::Deal, crm.deals(me).create(deal).await.unwrap().id);
        // Linked to both, it is one entry.
        let task = NewTask { title: "T".into(), links: vec![contact, deal], ..Default::default() };
        crm.tasks(me).create(task).await.unwrap();
        let record = Ref::new(Kind::Company, company);
        for limit in [1, 2, 50] {
            let all = walk(&world, record, &TimelineQuery { limit, ..Default::default() }).await;
            let of: BTreeSet<Kind> =
                all.iter().filter_map(|e| if let Entry::Change(c) = e { Some(c.record.kind) } else { None }).collect();
            assert_eq!((all.len(), of), (4, BTreeSet::from([Kind::Company, Kind::Contact, Kind::Deal])));
        }
        // The contact's company is hidden: the company's timeline does not reveal it.
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Contact, "company_id")]).await;
        let mine = NewCompany { name: "M".into(), owner_id: rep.user(), ..Default::default() };
        let mine = crm.companies(me).create(mine).await.unwrap().id;
        let new = NewContact { name: "Q".into(), company_id: Some(mine), owner_id: rep.user(), ..Default::default() };
        crm.contacts(me).create(new).await.unwrap();
        let page = crm.timeline(&rep).page(Ref::new(Kind::Company, mine), &TimelineQuery::default()).await.unwrap();
        assert_eq!((page.items.len(), page.partial), (1, false));
        for n in 0..=MAX_RELATED {
            let more = NewDeal { title: n.to_string(), company_id: Some(company), ..Default::default() };
            crm.deals(me).create(more).await.unwrap();
        }
        let page = crm.timeline(me).page(record, &TimelineQuery::default()).await.unwrap();
        assert!(page.partial, "more deals than are shown");
    });
}

#[test]
fn a_history_says_of_each_change_what_undoing_it_would_say() {
    run(async {
        let world = World::new().await;
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Lead, "email")]).await;
        let new = NewLead { name: "L".into(), owner_id: rep.user(), ..Default::default() };
        let id = world.crm.leads(&world.admin).create(new).await.unwrap().id;
        let leads = world.crm.leads(&world.admin);
        for n in 0..8 {
            world.clock.advance_days(1);
            let patch = match n % 4 {
                0 => LeadPatch::new().email(format!("a{n}@x.example")),
                1 => LeadPatch::new().job_title(n.to_string()),
                2 => LeadPatch::new().tags((0..n).map(|n| n.to_string()).collect::<Vec<_>>()),
                _ => LeadPatch::new().source("same").industry(n.to_string()),
            };
            leads.update(id, patch).await.unwrap();
        }
        leads.move_to(id, "contacted").await.unwrap();
        let mut seen = BTreeSet::new();
        for actor in [&world.admin, &world.rep, &rep] {
            let leads = world.crm.leads(actor);
            if leads.get(id).await.is_err() {
                continue;
            }
            for limit in [2, 50] {
                let mut cursor: Option<String> = None;
                loop {
                    let page = leads.view_history_page(id, None, cursor.as_deref(), limit).await.unwrap();
                    for viewed in &page.items {
                        let said = viewed.undo.as_ref().map_err(ToString::to_string).copied();
                        let done = leads.undo(id, viewed.change.commit).plan().await.map(drop);
                        assert_eq!(said, done.map_err(|error| error.to_string()), "{:?}", viewed.change);
                        let reason = |error: String| error.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ");
                        seen.insert(said.map_err(reason));
                    }
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
            }
        }
        assert!(seen.len() > 2 && seen.contains(&Ok(())), "{seen:?}");
    });
}

#[test]
fn ids_have_names_where_they_may_be_seen() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let id = leads.create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap().id;
        leads.update(id, LeadPatch::new().owner_id(Some(world.rep_user.id))).await.unwrap();
        leads.move_to(id, "contacted").await.unwrap();
        let record = Ref::new(Kind::Lead, id);
        let names = async |actor| {
            let page = world.crm.timeline(actor).view(record, &TimelineQuery::default()).await.unwrap();
            assert!(page.items.iter().all(|entry| matches!(entry, ViewedEntry::Change(_))));
            world.crm.names_in_timeline(actor, &page.items).await.unwrap()
        };
        let all = names(&world.admin).await;
        let stage = world.lead_pipeline.stages[1].id;
        assert_eq!(all.get(&stage.erase()), Some(&world.lead_pipeline.stages[1].name));
        assert_eq!(all.get(&id.erase()).map(String::as_str), Some("Ada"));
        assert_eq!(all.get(&world.rep_user.id.erase()).map(String::as_str), Some(world.rep_user.name.as_str()));
        let rules = vec![hidden(Kind::User, "name"), hidden(Kind::Lead, "name"), hidden(Kind::Lead, "stage_id")];
        let blind = world.role("blind_rules", Vec::new(), rules).await.id;
        let blind = world.actor_with("blind", vec![world.role_id("analyst").await, blind]).await;
        let few = names(&blind).await;
        assert_eq!((few.get(&stage.erase()), few.get(&id.erase())), (None, None));
        assert_ne!(few.get(&world.rep_user.id.erase()), Some(&world.rep_user.name));
    });
}

#[test]
fn kinds_are_told_as_the_actor_may_use_them() {
    run(async {
        let world = World::new().await;
        let property = |key: &str| NewProperty {
            kind: Some(Kind::Lead),
            key: key.into(),
            name: format!("The {key}"),
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(property("plan")).await.unwrap();
        world.crm.properties(&world.admin).create(property("margin")).await.unwrap();
        let rules = vec![hidden(Kind::Lead, "email"), hidden(Kind::Lead, "properties.margin")];
        let rep = world.restricted_rep("blind", rules).await;
        let all = world.crm.kinds(&world.admin).await.unwrap();
        let lead = all.kinds.iter().find(|kind| kind.kind == Kind::Lead).unwrap();
        let field = |name: &str| lead.fields.iter().find(|field| field.name == name);
        assert_eq!((field("owner_id").unwrap().r#type, field("owner_id").unwrap().of), ("id", Some(Kind::User)));
        assert_eq!((field("name").unwrap().required, field("score").unwrap().read_only), (true, true));
        assert!(field("search_text").is_none() && field("properties").is_none());
        assert!(lead.sorts.contains(&"created_at") && lead.pipelines[0].stages.len() > 2);
        assert_eq!(lead.properties.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().len(), 2);
        assert_eq!(lead.actions.get("read"), Some(&"all"));
        // No kind shows a secret field to anyone.
        for kind in &all.kinds {
            let decl = crm_core::catalog::decl(kind.kind);
            assert!(kind.fields.iter().all(|field| !decl.field(&field.name).unwrap().marks.secret), "{}", kind.kind);
        }
        let less = world.crm.kinds(&rep).await.unwrap();
        assert_ne!(less.tag, all.tag);
        let text = serde_json::to_string(&less.kinds.iter().find(|kind| kind.kind == Kind::Lead).unwrap()).unwrap();
        assert!(!text.contains("margin") && !text.contains("\"name\":\"email\"") && text.contains("properties.plan"));
        assert!(less.kinds.iter().all(|kind| kind.actions.contains_key("read")));
        // The tag changes with definitions and rights only.
        world.crm.leads(&world.admin).create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        assert_eq!(world.crm.kinds(&world.admin).await.unwrap().tag, all.tag);
        world.crm.properties(&world.admin).create(property("more")).await.unwrap();
        assert_ne!(world.crm.kinds(&world.admin).await.unwrap().tag, all.tag);
    });
}
