//! Atomic use cases defined by the embedder.

use crm_core::{
    Error,
    deals::{Deal, DealPatch, NewDeal},
    draft::{Draft, Saved},
    leads::{Lead, LeadPatch, NewLead},
    schema::Record,
    sessions::{NewSession, Session},
    tasks::{NewTask, Task},
    value::{Id, Kind, Ref},
};

use crate::support::{World, run};

fn lead(name: &str) -> NewLead {
    NewLead { name: name.into(), ..Default::default() }
}

#[test]
fn records_of_several_kinds_are_written_in_one_commit_or_not_at_all() {
    run(async {
        let world = World::new().await;
        let made = world.crm.leads(&world.admin).create(lead("Ada")).await.unwrap().id;
        let both = |title: &'static str| {
            world.crm.decide::<Record<Lead>, _, _>(
                &world.admin,
                "acme.call_back",
                (made, title),
                |draft: &mut Draft<'_>, &(id, title)| {
                    let lead = draft.of::<Lead>().update(id, LeadPatch::new().source("phone"))?;
                    let about = Ref::new(Kind::Lead, lead.id);
                    let task = NewTask { title: title.into(), links: vec![about], ..Default::default() };
                    draft.of::<Task>().create(task)?;
                    Ok(vec![about])
                },
            )
        };
        // The task has no title: nothing is stored, and the fault names the field.
        let refused = both("").await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid(faults) if faults.all()[0].field == "title"), "{refused}");
        assert_eq!(world.crm.leads(&world.admin).get(made).await.unwrap().source, None);
        // A plan stores nothing either.
        assert_eq!(both("Call").plan().await.unwrap().changes.len(), 2);
        let saved: Saved<Record<Lead>> = both("Call").idempotency_key("once").await.unwrap();
        assert_eq!(saved.source.as_deref(), Some("phone"));
        let again = both("Call").idempotency_key("once").await.unwrap();
        assert_eq!(again.commit, saved.commit);
        assert!(matches!(both("Else").idempotency_key("once").await, Err(Error::KeyReused)));
        let history = world.crm.leads(&world.admin).history(made).await.unwrap();
        let last = history.last().unwrap();
        assert_eq!((last.action.as_ref(), last.commit, history.len()), ("acme.call_back", saved.commit.unwrap(), 2));
    });
}

#[test]
fn what_holds_for_the_built_in_use_cases_holds_for_it() {
    run(async {
        let world = World::new().await;
        let rep = world.actor_with("Robin", vec![world.role_id("sales_rep").await]).await;
        let theirs = world.crm.leads(&world.admin).create(lead("Theirs")).await.unwrap().id;
        let mine = world.crm.leads(&rep).create(lead("Mine")).await.unwrap().id;
        let rename = |id: Id<Lead>| {
            world.crm.decide::<(), _, _>(&rep, "acme.rename", id, |draft: &mut Draft<'_>, &id| {
                draft.of::<Lead>().update(id, LeadPatch::new().name("Other"))?;
                Ok(vec![])
            })
        };
        rename(mine).await.unwrap();
        assert!(matches!(rename(theirs).await, Err(Error::NotFound(Kind::Lead))));
        let archive = world.crm.decide::<(), _, _>(&rep, "acme.archive", mine, |draft: &mut Draft<'_>, &id| {
            draft.of::<Lead>().archive(id)?;
            Ok(vec![])
        });
        assert!(matches!(archive.await, Err(Error::Forbidden { .. })));
        // A session can only be started by signing in.
        let session = world.crm.decide::<(), _, _>(&world.admin, "acme.session", (), |draft: &mut Draft<'_>, ()| {
            draft.of::<Session>().create(NewSession::default())?;
            Ok(vec![])
        });
        assert!(matches!(session.await, Err(Error::Invalid(faults)) if faults.all()[0].fault.code == "not_created"));
        // Names of built-in use cases are reserved: some are subject to fewer rules.
        let reserved = world.crm.decide::<(), _, _>(&world.admin, "bootstrap", (), |_: &mut Draft<'_>, ()| Ok(vec![]));
        assert!(matches!(reserved.await, Err(Error::Invalid(faults)) if faults.all()[0].fault.code == "reserved"));
    });
}

#[test]
fn it_reads_by_unique_values_and_sees_what_it_wrote() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let ada = leads.create(NewLead { external_id: Some("A1".into()), ..lead("Ada") }).await.unwrap().id;
        let found: Saved<Vec<Ref>> = world
            .crm
            .decide(&world.admin, "acme.sell", (), |draft: &mut Draft<'_>, ()| {
                assert!(draft.of::<Lead>().find("external_id", "A2")?.is_none());
                let lead = draft.of::<Lead>().find("external_id", "A1")?.expect("she is there");
                let deal = draft.of::<Deal>().create(NewDeal { title: lead.name.clone(), ..Default::default() })?;
                let deal = draft.of::<Deal>().update(deal.id, DealPatch::new().title("Sold"))?;
                assert_eq!(draft.of::<Deal>().get(deal.id)?.title, "Sold");
                draft.of::<Lead>().hold(lead.id)?;
                Ok(vec![Ref::new(Kind::Deal, deal.id), Ref::new(Kind::Lead, lead.id)])
            })
            .await
            .unwrap();
        assert_eq!(found[1], ada.into());
        assert_eq!(world.crm.deals(&world.admin).get(found[0].id.typed()).await.unwrap().title, "Sold");
    });
}
