//! Systems of the embedder's own: what takes part in commits, what built-in roles may do by them, what they hide.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crm_core::{
    Crm, Error,
    access::{Action, BuiltInRole, Grant, Scope},
    companies::NewCompany,
    deals::NewDeal,
    definitions::Definitions,
    draft::{CommitHook, Draft, Lookup, Stop},
    leads::{LeadPatch, NewLead},
    store::Want,
    system::System,
    value::{Id, Kind, Ref},
};

use crate::support::{World, assert_fault, assert_forbidden, assert_not_found, hidden, run};

/// Counts what it is asked, and refuses while it is shut.
#[derive(Clone, Default)]
struct Door {
    is_shut: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    reads: Arc<Mutex<Vec<Lookup>>>,
}

impl CommitHook for Door {
    fn also_read(&self, definitions: &Definitions, reads: &[Lookup]) -> Vec<Lookup> {
        self.reads.lock().unwrap().extend(reads.iter().cloned());
        definitions
            .organization()
            .map(|organization| Ref::new(Kind::Organization, organization.id).into())
            .into_iter()
            .collect()
    }

    fn after(&self, _: &mut Draft<'_>) -> Result<(), Stop> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_shut.load(Ordering::SeqCst) {
            return Err(Error::invalid("", "shut", "nobody writes now").into());
        }
        Ok(())
    }
}

impl Door {
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

fn with(world: &World, system: System) -> Crm {
    Crm::builder_shared(Arc::new(world.store.clone())).clock(world.clock.clone()).system(system).build()
}

#[test]
fn a_hook_takes_part_in_every_commit_and_may_refuse_it() {
    run(async {
        let world = World::new().await;
        let door = Door::default();
        let crm = with(&world, System::new("acme").hook(door.clone()));
        let leads = crm.leads(&world.rep);
        let lead = leads.create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap();
        assert_eq!(door.asked(), 1);
        // It sees what a write reads first, and what it names is read along.
        assert!(door.reads.lock().unwrap().is_empty(), "nothing was cached yet");
        leads.update(lead.id, LeadPatch::new().job_title("one")).await.unwrap();
        assert!(door.reads.lock().unwrap().contains(&Lookup::Want(Want::Record(Ref::new(Kind::Lead, lead.id)))));
        assert_eq!(door.asked(), 1);
        // Not in what writes nothing.
        leads.get(lead.id).await.unwrap();
        leads.update(lead.id, LeadPatch::new().job_title("one")).await.unwrap();
        assert_eq!(door.asked(), 0);

        door.is_shut.store(true, Ordering::SeqCst);
        let before = world.snapshot();
        assert_fault(leads.update(lead.id, LeadPatch::new().job_title("two")).await, " shut");
        assert_fault(crm.leads(&world.admin).archive(lead.id).await, " shut");
        assert_fault(
            crm.companies(&world.admin).create(NewCompany { name: "Same".into(), ..Default::default() }).await,
            " shut",
        );
        assert_eq!(world.snapshot(), before);
        world.crm.leads(&world.rep).update(lead.id, LeadPatch::new().job_title("two")).await.unwrap();
    });
}

#[test]
fn a_system_grants_to_built_in_roles_of_organizations_that_were_there_before() {
    run(async {
        let world = World::new().await;
        let (support, marketing) = (world.role_id("support").await, world.role_id("marketing").await);
        let helper = world.actor_with("helper", vec![support]).await;
        let new = NewDeal { title: "Engines".into(), ..Default::default() };
        let deal = world.crm.deals(&world.rep).create(new).await.unwrap().id;
        assert_not_found(world.crm.deals(&helper).get(deal).await);
        let grants = |role| match role {
            BuiltInRole::Support => Grant::of(Kind::Deal, &[Action::Read, Action::Export], Scope::All),
            _ => Vec::new(),
        };
        let crm = with(&world, System::new("acme").grants(grants));
        crm.deals(&helper).get(deal).await.unwrap();
        let given = crm.roles(&world.admin).grants(support).await.unwrap();
        assert!(grants(BuiltInRole::Support).iter().all(|grant| given.contains(grant)));
        assert_eq!(
            crm.roles(&world.admin).grants(marketing).await.unwrap(),
            world.crm.roles(&world.admin).grants(marketing).await.unwrap()
        );
        let more = crm.built_in_grants(BuiltInRole::Support).len();
        assert_eq!(more, world.crm.built_in_grants(BuiltInRole::Support).len() + 2);
        // Withheld as any that the program gives.
        let roles = crm.roles(&world.admin);
        let withheld = crm_core::roles::RolePatch::new().withheld(vec!["deal.read".into()]);
        roles.update(support, withheld).await.unwrap();
        assert_not_found(crm.deals(&helper).get(deal).await);
        assert_forbidden(world.crm.deals(&helper).list(&crm_core::listing::ListQuery::new()).await);
    });
}

#[test]
fn a_system_hides_what_would_tell_what_is_hidden() {
    run(async {
        let world = World::new().await;
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Lead, "job_title")]).await;
        let lead = world.crm.leads(&rep).create(NewLead {
            name: "Ada".into(),
            industry: Some("x".into()),
            ..Default::default()
        });
        let lead: Id = lead.await.unwrap().id;
        assert_eq!(world.crm.leads(&rep).get(lead).await.unwrap().industry.as_deref(), Some("x"));
        let crm = with(
            &world,
            System::new("acme").hides(|_, roles| {
                roles.is_hidden(Kind::Lead, "job_title").then_some((Kind::Lead, "industry")).into_iter().collect()
            }),
        );
        assert_eq!(crm.leads(&rep).get(lead).await.unwrap().industry, None);
        assert_eq!(crm.leads(&world.admin).get(lead).await.unwrap().industry.as_deref(), Some("x"));
    });
}
