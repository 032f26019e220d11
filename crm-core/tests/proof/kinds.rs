//! Rules that apply to all kinds with the respective fields: upsert by every unique key, the team that follows the
//! owner, visible text, and interactions that are not planned.

use crm_core::{
    companies::NewCompany,
    contacts::{ContactPatch, NewContact},
    interactions::{Direction, InteractionPatch, NewInteraction},
    leads::{LeadPatch, NewLead},
    pipelines::PipelinePatch,
    properties::{NewProperty, PropertyType},
    tasks::{NewTask, TaskPatch},
    teams::{NewTeam, Team},
    users::{Handover, User, UserPatch},
    value::{Id, Kind, Ref, Value},
};

use crate::support::{World, assert_fault, hidden, run};

#[test]
fn a_record_is_updated_or_created_by_every_unique_key() {
    run(async {
        let world = World::new().await;
        let contacts = world.crm.contacts(&world.admin);
        let made = contacts.upsert_from("email", "Ann@X.example", ContactPatch::new().name("Ann")).await.unwrap();
        assert!(made.created && made.emails[0].primary);
        assert_eq!(made.email.as_deref(), Some("ann@x.example"));
        let two = vec!["ann@x.example".into(), "second@x.example".into()];
        contacts.update(made.id, ContactPatch::new().emails(two)).await.unwrap();
        let by_second = ContactPatch::new().job_title("CTO".to_owned());
        let again = contacts.upsert_from("email", "second@x.example", by_second).await.unwrap();
        assert_eq!((again.id, again.created, again.emails.len()), (made.id, false, 2));
        let same = contacts.upsert_from("email", "second@x.example", ContactPatch::new().name("Ann")).await.unwrap();
        assert!(!same.created && !same.changed());
        let other = NewContact { name: "B".into(), emails: vec!["b@x.example".into()], ..Default::default() };
        assert_fault(contacts.upsert("email", "c@x.example", other.clone()).await, "emails contradicts_key");
        assert_fault(contacts.upsert("email", "ann@x.example", other).await, "emails contradicts_key");
        assert_fault(contacts.upsert_from("phone", "+4930123456", ContactPatch::new()).await, "phone not_unique");
        assert_fault(contacts.upsert_from("emails", "c@x.example", ContactPatch::new()).await, "emails not_unique");
        let key = |key: &str| {
            contacts.upsert_from("email", "k@x.example", ContactPatch::new().name("K")).idempotency_key(key)
        };
        assert!(key("one").await.unwrap().created);
        assert!(key("one").await.unwrap().created, "a repeated request is answered the same");
        assert!(!key("two").await.unwrap().created);

        let vat = NewProperty {
            kind: Some(Kind::Company),
            key: "vat".into(),
            name: "VAT".into(),
            r#type: PropertyType::Text,
            unique: true,
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(vat).await.unwrap();
        let companies = world.crm.companies(&world.admin);
        let new = |name: &str| NewCompany { name: name.into(), ..Default::default() };
        let made = companies.upsert("properties.vat", "DE1", new("V")).await.unwrap();
        assert!(made.created);
        assert_eq!(made.property("vat"), Some(&Value::text("DE1")));
        assert!(!companies.upsert("properties.vat", "DE1", new("W")).await.unwrap().created);
        let against = NewCompany { properties: [("vat".to_owned(), Value::text("DE2"))].into(), ..new("V") };
        assert_fault(companies.upsert("properties.vat", "DE1", against).await, "properties.vat contradicts_key");
        assert!(companies.upsert("domain", "WWW.Acme.example", new("A")).await.unwrap().created);
        assert_eq!(companies.find("domain", "acme.example").await.unwrap().name, "A");
        assert_fault(companies.find("name_claim", "a").await, "name_claim not_unique");
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Contact, "emails")]).await;
        let by = world.crm.contacts(&rep).upsert_from("email", "z@x.example", ContactPatch::new().name("Z"));
        assert_fault(by.await, "email not_unique");
    });
}

async fn teams(world: &World) -> (Id<Team>, Id<Team>) {
    let team = async |name: &str| {
        let new = NewTeam { name: name.into(), ..Default::default() };
        world.crm.teams(&world.admin).create(new).await.unwrap().id
    };
    (team("One").await, team("Two").await)
}

#[test]
fn the_team_follows_the_owner_unless_it_was_chosen() {
    run(async {
        let world = World::new().await;
        let (one, two) = teams(&world).await;
        let role = world.role_id("sales_rep").await;
        let (_, u1) = world.member("u1", vec![role], vec![one]).await;
        let (_, u2) = world.member("u2", vec![role], vec![two]).await;
        let (_, nowhere) = world.member("nowhere", vec![role], vec![]).await;
        let leads = world.crm.leads(&world.admin);
        let new = |owner: Option<Id<User>>, team: Option<Id<Team>>| NewLead {
            name: "L".into(),
            owner_id: owner,
            team_id: team,
            ..Default::default()
        };
        let make = async |owner, team| leads.create(new(owner, team)).await.unwrap().id;
        let give =
            async |id, to: Option<Id<User>>| leads.update(id, LeadPatch::new().owner_id(to)).await.unwrap().team_id;

        let lead = make(Some(u1.id), None).await;
        assert_eq!(give(lead, Some(u2.id)).await, Some(two));
        let commit = leads.update(lead, LeadPatch::new().owner_id(u1.id)).await.unwrap().commit.unwrap();
        assert_eq!(leads.undo(lead, commit).await.unwrap().team_id, Some(two), "undone together");
        assert_eq!(give(lead, None).await, Some(two), "nobody has no team");
        assert_eq!(give(make(Some(u1.id), Some(two)).await, Some(u2.id)).await, Some(two));
        let chosen = make(Some(u2.id), Some(one)).await;
        assert_eq!(give(chosen, Some(u1.id)).await, Some(one));
        assert_eq!(
            give(make(Some(u2.id), Some(one)).await, Some(nowhere.id)).await,
            Some(one),
            "chosen by hand: it stays"
        );
        assert_eq!(give(make(Some(u1.id), None).await, Some(nowhere.id)).await, None);
        assert_eq!(give(make(Some(nowhere.id), None).await, Some(u2.id)).await, Some(two), "it had none");
        assert_eq!(give(make(None, Some(one)).await, Some(u2.id)).await, Some(one), "of a queue");
        let both = LeadPatch::new().owner_id(u2.id).team_id(one);
        assert_eq!(leads.update(make(Some(u1.id), None).await, both).await.unwrap().team_id, Some(one));
        // The team also follows the owner in upserts and bulk updates.
        let keyed = NewLead { external_id: Some("k".into()), ..new(Some(u1.id), None) };
        leads.create(keyed).await.unwrap();
        let upsert = leads.upsert_from("external_id", "k", LeadPatch::new().owner_id(u2.id)).await.unwrap();
        assert_eq!(upsert.team_id, Some(two), "by an upsert");
        let many = vec![(make(Some(u1.id), None).await, LeadPatch::new().owner_id(u2.id))];
        assert_eq!(leads.update_many(many).await[0].as_ref().unwrap().team_id, Some(two), "in bulk");

        let tasks = world.crm.tasks(&world.admin);
        let task =
            tasks.create(NewTask { title: "T".into(), assignee_id: Some(u1.id), ..Default::default() }).await.unwrap();
        assert_eq!(task.team_id, Some(one));
        assert_eq!(tasks.update(task.id, TaskPatch::new().assignee_id(u2.id)).await.unwrap().team_id, Some(two));

        let left = make(Some(u1.id), None).await;
        world.crm.users(&world.admin).deactivate(u1.id, Handover::TransferTo(u2.id)).await.unwrap();
        let left = leads.get(left).await.unwrap();
        assert_eq!((left.owner_id, left.team_id), (Some(u2.id), Some(two)), "handed over");
        world.crm.teams(&world.admin).archive(one).await.unwrap();
        let fresh = world.member("fresh", vec![role], vec![two]).await.1;
        world.crm.users(&world.admin).update(fresh.id, UserPatch::new().team_ids(vec![two])).await.unwrap();
        world.crm.teams(&world.admin).archive(two).await.unwrap();
        assert_eq!(give(make(None, None).await, Some(fresh.id)).await, None, "a team that is archived is no team");
    });
}

#[test]
fn what_is_not_planned_is_held() {
    run(async {
        let world = World::new().await;
        let calls = world.crm.interactions(&world.admin);
        let new = || NewInteraction {
            r#type: "call".into(),
            direction: Some(Direction::Outbound),
            subject: "S".into(),
            links: vec![Ref::new(Kind::Lead, world.lead.id)],
            ..Default::default()
        };
        let held = calls.create(new()).await.unwrap();
        assert_eq!((held.completed_at, held.is_open), (Some(world.clock.now()), false));
        let then = world.clock.now().plus_days(-3);
        let earlier = calls.create_with_history(new(), then, vec![]).await.unwrap();
        assert_eq!(earlier.completed_at, Some(then));
        let at = world.clock.now().plus_days(2);
        let planned = calls.create(NewInteraction { scheduled_at: Some(at), ..new() }).await.unwrap();
        assert_eq!((planned.completed_at, planned.is_open), (None, true));
        let neither = InteractionPatch::new().scheduled_at(None);
        assert_fault(calls.update(planned.id, neither).await, "completed_at required");
    });
}

#[test]
fn texts_can_be_seen_and_do_not_pretend() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let named = |name: &str| leads.create(NewLead { name: name.into(), ..Default::default() });
        for nothing in ["\u{200b}", "\u{200d}\u{200c}", " \u{feff} ", "\u{3164}", "\u{2060}\u{ad}"] {
            assert_fault(named(nothing).await, "name invisible");
        }
        for control in ["a\nb", "a\rb", "a\u{7}b", "a\u{85}b", "a\u{2028}b", "a\tb", "a\u{1b}[0m"] {
            assert_fault(named(control).await, "name control_character");
        }
        for turned in ["a\u{202e}b", "\u{2066}a\u{2069}", "a\u{202a}b"] {
            assert_fault(named(turned).await, "name direction_override");
        }
        for fine in ["नमस्\u{200d}ते", "می\u{200c}خواهم", "👩\u{200d}💻 Ada", "שלום", "Ann-Marie O’Brien"]
        {
            assert_eq!(named(fine).await.unwrap().name, fine);
        }
        assert_eq!(named("\u{feff} Ann\u{200b} ").await.unwrap().name, "Ann");
        let first = NewLead { first_name: Some("\u{200b}".into()), name: "A".into(), ..Default::default() };
        assert_fault(leads.create(first).await, "first_name invisible");
        let tags = NewLead { name: "A".into(), tags: vec!["a\nb".into()], ..Default::default() };
        assert_fault(leads.create(tags).await, "tags control_character");
        // A longer text may have several lines.
        let deal =
            crm_core::deals::NewDeal { title: "D".into(), next_step: Some("one\ntwo".into()), ..Default::default() };
        let deal = world.crm.deals(&world.admin).create(deal).await.unwrap();
        assert_eq!(deal.next_step.as_deref(), Some("one\ntwo"));
        let pipeline = world.crm.pipelines(&world.admin).get(deal.pipeline_id.unwrap()).await.unwrap();
        let mut stages = pipeline.stages.clone();
        stages[0].name = "\u{200b}".into();
        let patch = PipelinePatch::new().stages(stages);
        assert_fault(world.crm.pipelines(&world.admin).update(pipeline.id, patch).await, "stages[0].name invisible");
    });
}
