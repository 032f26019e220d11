//! Idempotency keys, versions, no-ops and plans.

use crm_core::{
    Error,
    leads::{ConvertLead, LeadPatch, NewLead},
    organizations::{OrganizationPatch, OrganizationStatus},
    value::Kind,
};

use crate::support::{World, run};

fn ada() -> NewLead {
    NewLead { name: "Ada".into(), ..Default::default() }
}

#[test]
fn the_same_key_answers_the_same() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let first = leads.create(ada()).idempotency_key("k1").await.unwrap();
        assert!(first.changed());
        let before = world.changes().await;
        let again = leads.create(ada()).idempotency_key("k1").await.unwrap();
        assert_eq!((&*again, again.commit), (&*first, first.commit));
        // Also if the record has changed since: the original response is replayed.
        world.clock.advance_days(0);
        leads.update(first.id, LeadPatch::new().name("Eve").source("web")).await.unwrap();
        leads.move_to(first.id, "contacted").await.unwrap();
        let again = leads.create(ada()).idempotency_key("k1").await.unwrap();
        assert_eq!(
            (again.name.as_str(), &again.source, again.status.as_str(), again.version),
            ("Ada", &None, "new", 1)
        );
        assert_eq!(world.changes().await, before + 2);
        let converted = leads.convert(first.id, ConvertLead::default()).idempotency_key("k2").await.unwrap();
        let again = leads.convert(first.id, ConvertLead::default()).idempotency_key("k2").await.unwrap();
        assert_eq!(again.contact.as_ref().map(|c| c.id), converted.contact.as_ref().map(|c| c.id));
        // The key expires after a day.
        world.clock.advance_days(1);
        assert_ne!(leads.create(ada()).idempotency_key("k1").await.unwrap().id, first.id);
    });
}

#[test]
fn a_key_belongs_to_one_request_of_one_user() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let reused = |result: Result<_, Error>| assert!(matches!(result, Err(Error::KeyReused)), "{result:?}");
        let mine = leads.create(ada()).idempotency_key("k").await.unwrap();
        reused(leads.create(NewLead { name: "Eve".into(), ..Default::default() }).idempotency_key("k").await);
        reused(leads.update(mine.id, LeadPatch::new()).idempotency_key("k").await);
        reused(leads.create(ada()).occurred_at(world.clock.now()).idempotency_key("k").await);
        // The order of options does not matter.
        reused(leads.create(ada()).idempotency_key("k").occurred_at(world.clock.now()).await);
        // Another user with the same key and request learns nothing of the record.
        reused(world.crm.leads(&world.manager).create(ada()).idempotency_key("k").await);
        let update = || leads.update(mine.id, LeadPatch::new().source("web"));
        update().if_version(1).idempotency_key("v").await.unwrap();
        reused(update().if_version(2).idempotency_key("v").await);
        update().if_version(1).idempotency_key("v").await.unwrap();
    });
}

#[test]
fn failures_are_not_kept_and_no_ops_are() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        assert!(leads.update(world.lead.id, LeadPatch::new().email("broken")).idempotency_key("k").await.is_err());
        leads.update(world.lead.id, LeadPatch::new().source("web")).idempotency_key("k").await.unwrap();
        let before = world.changes().await;
        let same = || leads.update(world.lead.id, LeadPatch::new().source("web"));
        let nothing = same().await.unwrap();
        assert!(!nothing.changed() && nothing.version == 2);
        let nothing = same().idempotency_key("n").await.unwrap();
        assert!(!nothing.changed(), "a no-op says so, with a key too");
        assert_eq!(world.changes().await, before);
        // A no-op uses up the key too: a later replay writes nothing, even if it would be a change.
        leads.update(world.lead.id, LeadPatch::new().source("fair")).await.unwrap();
        let again = same().idempotency_key("n").await.unwrap();
        assert_eq!((again.source.as_deref(), again.changed()), (Some("web"), false));
        assert_eq!(leads.get(world.lead.id).await.unwrap().source.as_deref(), Some("fair"));
    });
}

#[test]
fn versions_are_strict_or_merge() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let id = world.lead.id;
        leads.update(id, LeadPatch::new().source("web")).if_version(1).await.unwrap();
        match leads.update(id, LeadPatch::new().job_title("CTO")).if_version(1).await {
            Err(Error::Conflict { current: Some(current), .. }) => assert_eq!(current.person, 2),
            other => panic!("{other:?}"),
        }
        let merged = leads.update(id, LeadPatch::new().job_title("CTO")).based_on(1).await.unwrap();
        assert_eq!((merged.source.as_deref(), merged.job_title.as_deref()), (Some("web"), Some("CTO")));
        match leads.update(id, LeadPatch::new().source("x").industry("y")).based_on(1).await {
            Err(Error::Conflict { fields, .. }) => assert_eq!(fields, ["source"]),
            other => panic!("{other:?}"),
        }
        for future in [4, u64::MAX] {
            let ahead = leads.update(id, LeadPatch::new().source("x")).based_on(future).await;
            assert!(matches!(ahead, Err(Error::Conflict { .. })), "{ahead:?}");
        }
        // Undo and rollback check versions as any write does.
        let commit = merged.commit.unwrap();
        assert!(matches!(leads.undo(id, commit).if_version(1).await, Err(Error::Conflict { .. })));
        assert!(matches!(leads.roll_back(id, 1).if_version(1).await, Err(Error::Conflict { .. })));
        assert!(matches!(leads.move_to(id, "contacted").based_on(3).await, Ok(saved) if saved.version == 4));
        assert!(matches!(leads.move_to(id, "qualified").based_on(3).await, Err(Error::Conflict { .. })));
        leads.archive(id).if_version(4).await.expect_err("a representative may not");
    });
}

#[test]
fn a_plan_writes_nothing_and_is_what_is_then_done() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let before = world.snapshot();
        let new = crm_core::deals::NewDeal { title: "T".into(), ..Default::default() };
        let how = ConvertLead { open_deal: Some(new.into()), ..Default::default() };
        let plan = leads.convert(world.lead.id, how.clone()).plan().await.unwrap();
        assert_eq!(
            leads.convert(world.lead.id, how.clone()).idempotency_key("k").plan().await.unwrap().items,
            plan.items + 1
        );
        assert!(world.snapshot() == before, "nothing is stored");
        let shape = |changes: &[crm_core::change::Change]| -> Vec<(Kind, String, Vec<String>)> {
            let names = |change: &crm_core::change::Change| change.fields.iter().map(|f| f.field.to_string()).collect();
            let mut all: Vec<_> =
                changes.iter().map(|change| (change.record.kind, change.action.to_string(), names(change))).collect();
            all.sort();
            all
        };
        let known = world.changes().await;
        leads.convert(world.lead.id, how).await.unwrap();
        let done: Vec<_> =
            world.crm.feed(None, 10_000).await.unwrap().changes.into_iter().skip(known).map(|(_, c)| c).collect();
        assert_eq!(shape(&plan.changes), shape(&done));
        let nothing = leads.update(world.lead.id, LeadPatch::new()).plan().await.unwrap();
        assert!(nothing.changes.is_empty() && nothing.items == 0);
    });
}

#[test]
fn upsert_is_a_write_like_any_other() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let new = |name: &str| NewLead { name: name.into(), external_id: Some("x".into()), ..Default::default() };
        let plan = leads.upsert("external_id", "x", new("A")).plan().await.unwrap();
        assert_eq!(plan.changes.len(), 1);
        let made = leads.upsert("external_id", "x", new("A")).idempotency_key("k").await.unwrap();
        let again = leads.upsert("external_id", "x", new("A")).idempotency_key("k").await.unwrap();
        assert_eq!(made.id, again.id);
        let changed = leads.upsert("external_id", "x", new("B")).await.unwrap();
        assert_eq!((changed.id, changed.name.as_str(), changed.version), (made.id, "B", 2));
        assert!(!leads.upsert("external_id", "x", new("B")).await.unwrap().changed());
        // The key of an upsert need not be repeated in the fields.
        let keyless = leads.upsert("external_id", "y", ada()).await.unwrap();
        assert_eq!((keyless.created, keyless.external_id.as_deref()), (true, Some("y")));
        assert_eq!(leads.upsert("external_id", "y", ada()).await.unwrap().id, keyless.id);
        crate::support::assert_fault(leads.upsert("name", "A", ada()).await, "name not_unique");
    });
}

#[test]
fn suspended_tenants_are_read_only() {
    run(async {
        let world = World::new().await;
        let patch = OrganizationPatch::new().status(OrganizationStatus::Suspended);
        let system = crm_core::access::Actor::system(world.admin.tenant());
        world.crm.organizations(&system).update(world.admin.tenant().typed(), patch).await.unwrap();
        crate::support::assert_fault(world.crm.leads(&world.rep).create(ada()).await, "organization suspended");
        world.crm.leads(&world.rep).get(world.lead.id).await.unwrap();
        let patch = OrganizationPatch::new().status(OrganizationStatus::Active);
        world.crm.organizations(&system).update(world.admin.tenant().typed(), patch).await.unwrap();
        world.crm.leads(&world.rep).create(ada()).await.unwrap();
    });
}
