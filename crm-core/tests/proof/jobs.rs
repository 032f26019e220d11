//! Jobs: begun at once, done a stint at a time, by nobody but who asked for them; interrupted, they go on.

use crm_core::{
    Error,
    access::{Action, Grant, Scope},
    jobs::JobStatus,
    leads::NewLead,
    store::memory::Fault,
    users::Handover,
    value::{Id, Kind, Time},
};

use crate::support::{World, run};

async fn with_leads(world: &World, count: usize) -> Vec<Id> {
    let mut ids = Vec::new();
    for number in 0..count {
        let new = NewLead { name: format!("Lead {number}"), ..Default::default() };
        ids.push(world.crm.leads(&world.rep).create(new).await.unwrap().id);
    }
    ids
}

async fn owners(world: &World, leads: &[Id]) -> Vec<Option<Id>> {
    let mut owners = Vec::new();
    for &lead in leads {
        owners.push(world.crm.leads(&world.admin).get(lead).await.unwrap().owner_id);
    }
    owners
}

fn soon(world: &World) -> Time {
    Time::from_micros(world.crm.now().micros() + 1_000_000).unwrap()
}

#[test]
fn a_job_does_nothing_after_its_time_and_goes_on_where_it_stopped() {
    run(async {
        let world = World::new().await;
        let leads = with_leads(&world, 5).await;
        let rep = world.rep.user().unwrap();
        let to = Handover::TransferTo(world.manager.user().unwrap());
        let jobs = world.crm.jobs(&world.admin);
        let job = jobs.deactivate_user(rep, to, None).await.unwrap();
        assert!(world.crm.actor(world.admin.tenant(), rep).await.is_err(), "deactivated at once");
        assert_eq!(job.status, JobStatus::Running);
        // A stint that is over as it begins.
        let job = jobs.go_on(job.id, world.crm.now()).await.unwrap();
        assert_eq!((job.status, job.done), (JobStatus::Running, 0));
        assert!(owners(&world, &leads).await.iter().all(|owner| *owner == Some(rep)));
        // The store is out of reach half-way: nothing that was done is lost.
        world.store.faults().fail_commit_after(3, Fault::Unavailable, 2);
        assert!(matches!(jobs.go_on(job.id, soon(&world)).await, Err(Error::Unavailable(_))));
        let moved = owners(&world, &leads).await.iter().filter(|owner| **owner != Some(rep)).count();
        assert!((1..5).contains(&moved), "{moved}");
        world.clock.advance_seconds(60);
        let job = jobs.go_on(job.id, soon(&world)).await.unwrap();
        assert_eq!(job.status, JobStatus::Completed);
        assert!(job.finished_at.is_some() && job.held_back.is_empty());
        assert!(owners(&world, &leads).await.iter().all(|owner| *owner == world.manager.user()));
        // Once it is done it stays done.
        let again = jobs.go_on(job.id, soon(&world)).await.unwrap();
        assert_eq!((again.version, again.done), (job.version, job.done));
    });
}

#[test]
fn one_works_at_a_time_and_nobody_else_works_on_it() {
    run(async {
        let world = World::new().await;
        let leads = with_leads(&world, 3).await;
        let rep = world.rep.user().unwrap();
        let to = Handover::TransferTo(world.manager.user().unwrap());
        let jobs = world.crm.jobs(&world.admin);
        let job = jobs.deactivate_user(rep, to, None).await.unwrap();
        // A process takes it and dies: nobody takes it from it before its time.
        world.store.faults().fail_commit_after(1, Fault::Unavailable, 2);
        let _ = jobs.go_on(job.id, soon(&world)).await;
        let waiting = jobs.go_on(job.id, soon(&world)).await.unwrap();
        assert_eq!((waiting.status, waiting.done), (JobStatus::Running, 0));
        assert!(owners(&world, &leads).await.iter().all(|owner| *owner == Some(rep)));
        world.clock.advance_seconds(60);
        // Another who may read it sees it and does not do it; one who may not does not see it.
        let reader = world.role("reader", vec![Grant::new(Kind::Job, Action::Read, Scope::All)], vec![]).await;
        let reader = world.actor_with("reader", vec![reader.id]).await;
        let seen = world.crm.jobs(&reader).go_on(job.id, soon(&world)).await.unwrap();
        assert_eq!((seen.status, seen.done), (JobStatus::Running, 0));
        let stranger = world.crm.jobs(&world.manager).go_on(job.id, soon(&world)).await;
        assert!(matches!(stranger, Err(Error::NotFound(Kind::Job))));
        assert_eq!(jobs.go_on(job.id, soon(&world)).await.unwrap().status, JobStatus::Completed);
    });
}

#[test]
fn a_key_answers_the_same_job_and_a_job_gives_nobody_more_than_they_have() {
    run(async {
        let world = World::new().await;
        with_leads(&world, 1).await;
        let rep = world.rep.user().unwrap();
        let jobs = world.crm.jobs(&world.admin);
        let first = jobs.deactivate_user(rep, Handover::Leave, Some("k")).await.unwrap();
        let again = jobs.deactivate_user(rep, Handover::Leave, Some("k")).await.unwrap();
        assert_eq!(first.id, again.id);
        let other = Handover::TransferTo(world.manager.user().unwrap());
        assert!(matches!(jobs.deactivate_user(rep, other, Some("k")).await, Err(Error::KeyReused)));
        let own =
            world.crm.jobs(&world.manager).deactivate_user(world.admin.user().unwrap(), Handover::Leave, None).await;
        assert!(own.is_err(), "who may not deactivate a user starts no job for it");
        // Nobody makes, changes or forges one by the ordinary use cases.
        let made = jobs.create(crm_core::jobs::NewJob::default()).await;
        assert!(matches!(made, Err(Error::Invalid(_))), "{made:?}");
    });
}

#[test]
fn what_a_gate_holds_back_is_told_and_tried_once() {
    run(async {
        let world = World::new().await;
        let leads = with_leads(&world, 3).await;
        let crm = &world.crm;
        let pipeline = crm.leads(&world.admin).get(leads[0]).await.unwrap().pipeline_id.unwrap();
        // The target asks for an e-mail address, which one of them has.
        let mut changed = crm.pipelines(&world.admin).get(pipeline).await.unwrap().body().clone();
        for stage in &mut changed.stages {
            if stage.key == "contacted" {
                stage.required_fields = vec!["email".into()];
            }
        }
        let patch = crm_core::pipelines::PipelinePatch::new().stages(changed.stages);
        crm.pipelines(&world.admin).update(pipeline, patch).await.unwrap();
        let patch = crm_core::leads::LeadPatch::new().email(Some("ada@engines.example".to_owned()));
        crm.leads(&world.admin).update(leads[1], patch).await.unwrap();
        let jobs = crm.jobs(&world.admin);
        let job = jobs.retire_stage(pipeline, "new", "contacted", None).await.unwrap();
        let job = jobs.go_on(job.id, soon(&world)).await.unwrap();
        // The ready tenant has a lead with an address of its own.
        assert_eq!((job.status, job.done, job.held_back.len()), (JobStatus::Completed, 2, 2));
        assert!(job.held_back.iter().all(|one| one.reason.contains("email")), "{:?}", job.held_back);
        let entering = crm.leads(&world.admin).create(NewLead { name: "Late".into(), ..Default::default() }).await;
        assert!(entering.is_err() || entering.is_ok_and(|lead| lead.status != "new"), "nothing enters it any more");
    });
}
