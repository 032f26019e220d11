//! Systems of the embedder: their part in commits, the permissions they give to built-in roles, and what they hide.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use crm_core::{
    Crm, Error,
    access::{Action, BuiltInRole, Grant, Scope},
    companies::NewCompany,
    deals::NewDeal,
    definitions::Definitions,
    draft::{CommitHook, Draft, Lookup, Stop},
    jobs::{JobContext, JobHandler, JobStatus, Piece, Row, Verdict},
    leads::{Lead, LeadPatch, NewLead},
    listing::ListQuery,
    store::Want,
    system::System,
    tasks::{NewTask, Task},
    value::{FaultCode, Id, Kind, Ref},
};

use serde_json::{Value as Json, json};

use crate::support::{World, assert_fault, assert_forbidden, assert_not_found, hidden, run};

/// Counts its calls, and refuses commits while it is shut.
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
            return Err(Error::invalid("", FaultCode::custom("shut"), "nobody writes now").into());
        }
        Ok(())
    }
}

/// Has every new lead called.
struct CallBack;

impl CommitHook for CallBack {
    fn after(&self, draft: &mut Draft<'_>) -> Result<(), Stop> {
        for lead in draft.changed::<Lead>()? {
            if lead.before.is_none() {
                let links = vec![Ref::new(Kind::Lead, lead.after.id)];
                let title = format!("Call {}", lead.after.name);
                draft.of::<Task>().create(NewTask { title, links, ..Default::default() })?;
            }
        }
        Ok(())
    }
}

/// Names leads anew.
struct Rename;

#[async_trait]
impl JobHandler for Rename {
    fn name(&self) -> &'static str {
        "acme.rename"
    }

    fn begin(&self, _: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        Ok(args.clone())
    }

    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error> {
        if place.is_some() {
            return Ok(Piece::done(None));
        }
        let page = cx.crm().leads(cx.actor()).list(&ListQuery::new().limit(cx.limit())).await?;
        let rows = page.items.iter().map(|lead| Ref::new(Kind::Lead, lead.id).into()).collect();
        Ok(Piece::new(rows, json!("once")))
    }

    fn decide(&self, draft: &mut Draft<'_>, args: &Json, row: &Row) -> Result<Verdict, Stop> {
        let name = args["name"].as_str().unwrap_or_default();
        draft.of::<Lead>().update(row.record.id.typed(), LeadPatch::new().name(name))?;
        Ok(Verdict::Changed)
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
fn a_hook_writes_more_in_the_same_commit_and_is_held_to_every_rule() {
    run(async {
        let world = World::new().await;
        let crm = with(&world, System::new("acme").hook(CallBack));
        let lead = crm.leads(&world.admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap();
        let tasks = crm.tasks(&world.admin).list(&ListQuery::new()).await.unwrap().items;
        assert_eq!((tasks.len(), tasks[0].title.as_str()), (1, "Call Ada"));
        let change = crm.tasks(&world.admin).history(tasks[0].id).await.unwrap().remove(0);
        assert_eq!((Some(change.commit), change.action.as_ref()), (lead.commit, "create"));
        // Who may make leads and no tasks makes neither.
        let role = world.role("leads", vec![Grant::new(Kind::Lead, Action::Create, Scope::All)], vec![]).await;
        let actor = world.actor_with("leads", vec![role.id]).await;
        let before = world.snapshot();
        assert_forbidden(crm.leads(&actor).create(NewLead { name: "Eve".into(), ..Default::default() }).await);
        assert_eq!(world.snapshot(), before);
    });
}

#[test]
fn a_job_of_the_embedders_own_is_told_in_the_log_by_its_name() {
    run(async {
        let world = World::new().await;
        let crm = with(&world, System::new("acme").job(Rename));
        let lead =
            crm.leads(&world.admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap().id;
        let job = crm.jobs(&world.admin).start("acme.rename", json!({"name": "Eve"}), None).await.unwrap();
        assert!(crm.worker().run(std::time::Duration::from_mins(1)).await.failed().next().is_none());
        let job = crm.jobs(&world.admin).get(job.id).await.unwrap();
        assert_eq!((job.status, job.done), (JobStatus::Completed, 2));
        let last = crm.leads(&world.admin).history(lead).await.unwrap().pop().unwrap();
        assert_eq!((last.action.as_ref(), last.by), ("acme.rename", world.admin.user()));
        assert_eq!(crm.leads(&world.admin).get(lead).await.unwrap().name, "Eve");
    });
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
        // It sees the first reads of a write, and the records it names are read with them.
        assert!(door.reads.lock().unwrap().is_empty(), "nothing was cached yet");
        leads.update(lead.id, LeadPatch::new().job_title("one")).await.unwrap();
        assert!(door.reads.lock().unwrap().contains(&Lookup::Want(Want::Record(Ref::new(Kind::Lead, lead.id)))));
        assert_eq!(door.asked(), 1);
        // It is not called if nothing is written.
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
        // It can be withheld like any permission that the program gives.
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
        let lead: Id<Lead> = lead.await.unwrap().id;
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
