//! Jobs: begun at once, done a stint at a time, by nobody but who asked for them; interrupted, they go on.

use std::sync::Arc;

use crm_core::{
    Crm, Error, MemoryStore,
    access::{Action, Grant, Scope},
    deals::NewDeal,
    jobs::{JobStatus, JobType},
    leads::{LeadPatch, NewLead},
    listing::ListQuery,
    pipelines::{PipelinePatch, StageKind},
    store::memory::Fault,
    testing::{CountedIds, Ready},
    users::Handover,
    value::{Id, Kind, Time},
};

use crate::{
    racing::RacingStore,
    support::{Ticking, World, assert_fault, run, stage},
};

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

/// The keys of the first two open stages of the deals' pipeline, the later one first.
fn open_stages(world: &World) -> (String, String) {
    let mut open = world.deal_pipeline.stages.iter().filter(|stage| stage.kind == StageKind::Open);
    let to = open.next().unwrap().key.clone();
    (open.next().unwrap().key.clone(), to)
}

#[test]
fn what_is_refused_for_its_key_has_no_effect() {
    run(async {
        let world = World::new().await;
        let jobs = world.crm.jobs(&world.admin);
        let (rep, manager) = (world.rep.user().unwrap(), world.manager.user().unwrap());
        let (from, to) = open_stages(&world);
        let pipeline = world.deal_pipeline.id;
        jobs.deactivate_user(rep, Handover::Leave, Some("k")).await.unwrap();
        let before = world.snapshot();
        let refused = jobs.deactivate_user(manager, Handover::Leave, Some("k")).await;
        assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
        let refused = jobs.retire_stage(pipeline, &from, &to, Some("k")).await;
        assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
        let long = "k".repeat(256);
        for key in [long.as_str(), ""] {
            let refused = jobs.deactivate_user(manager, Handover::Leave, Some(key)).await;
            assert_fault(refused, "idempotency_key too_long");
            assert_fault(jobs.retire_stage(pipeline, &from, &to, Some(key)).await, "idempotency_key too_long");
        }
        assert_eq!(world.snapshot(), before);
        // The longest there may be.
        let first = jobs.retire_stage(pipeline, &from, &to, Some(&long[1..])).await.unwrap();
        let again = jobs.retire_stage(pipeline, &from, &to, Some(&long[1..])).await.unwrap();
        assert_eq!((again.id, again.r#type), (first.id, JobType::RetireStage));
        // After a day the key is free.
        world.clock.advance_days(1);
        let next = jobs.deactivate_user(manager, Handover::Leave, Some("k")).await.unwrap();
        assert!(!world.crm.users(&world.admin).get(manager).await.unwrap().is_active);
        assert_eq!(next.target.as_ref().unwrap().user_id, Some(manager));
    });
}

#[test]
fn a_job_its_first_step_and_its_key_are_there_together_or_not_at_all() {
    run(async {
        for fault in [Fault::Unavailable, Fault::LostBefore, Fault::LostAfter] {
            let world = World::new().await;
            let jobs = world.crm.jobs(&world.admin);
            let rep = world.rep.user().unwrap();
            let before = world.changes().await;
            world.store.faults().fail_next_commit(fault);
            let started = jobs.deactivate_user(rep, Handover::Leave, Some("k")).await;
            let active = world.crm.users(&world.admin).get(rep).await.unwrap().is_active;
            let made = jobs.list(&ListQuery::new()).await.unwrap().items.len();
            assert_eq!((active, made), (started.is_err(), usize::from(started.is_ok())), "{fault:?}");
            let job = jobs.deactivate_user(rep, Handover::Leave, Some("k")).await.unwrap();
            assert!(started.is_err() || started.unwrap().id == job.id);
            assert_eq!(jobs.list(&ListQuery::new()).await.unwrap().items.len(), 1);
            // The user and the job, each once, by one commit.
            let log = world.crm.feed(None, 100_000).await.unwrap().changes.split_off(before);
            assert_eq!(log.len(), 2, "{log:?}");
            assert_eq!(log[0].1.commit, log[1].1.commit);
        }
    });
}

#[test]
fn retiring_a_stage_leaves_alone_what_has_left_it() {
    // Listed and moved meanwhile; and moved between the decision and the commit.
    for lags in [true, false] {
        let (world, racing, deal) = run(async {
            let world = World::new().await;
            let (from, _) = open_stages(&world);
            let deals = world.crm.deals(&world.admin);
            let new = NewDeal { title: "Big".into(), ..Default::default() };
            let deal = deals.create(new).await.unwrap().id;
            deals.move_to(deal, from.as_str()).await.unwrap();
            let racing = RacingStore::on(world.store.clone());
            (world, racing, deal)
        });
        let (from, to) = open_stages(&world);
        let (crm, admin) = (world.crm.clone(), world.admin.clone());
        let win = move || run(async { crm.deals(&admin).win(deal).await.map(drop) }).unwrap();
        let slow = world.crm.on(racing.clone());
        run(async {
            let job = slow.jobs(&world.admin).retire_stage(world.deal_pipeline.id, &from, &to, None).await.unwrap();
            if lags {
                world.store.faults().lag_lists();
                std::thread::spawn(win).join().unwrap();
            } else {
                // The first commit takes the job.
                let armed = racing.clone();
                racing.before_next_commit(move || armed.before_next_commit(win));
            }
            let job = slow.jobs(&world.admin).go_on(job.id, soon(&world)).await.unwrap();
            assert!(!racing.is_armed());
            let now = world.crm.deals(&world.admin).get(deal).await.unwrap();
            assert_eq!((now.stage_kind, job.status, job.done), (StageKind::Won, JobStatus::Completed, 0));
            assert_eq!(job.held_back, []);
        });
    }
}

#[test]
fn handing_over_leaves_alone_what_was_given_to_somebody_else() {
    for lags in [true, false] {
        let (world, racing, leads) = run(async {
            let world = World::new().await;
            // The first one is the ready tenant's own.
            let leads = [vec![world.lead.id], with_leads(&world, 2).await].concat();
            let racing = RacingStore::on(world.store.clone());
            (world, racing, leads)
        });
        let (rep, manager, admin) = (world.rep.user(), world.manager.user(), world.admin.user());
        let (crm, actor, given) = (world.crm.clone(), world.admin.clone(), leads[0]);
        let give = move || {
            let patch = LeadPatch::new().owner_id(actor.user());
            run(async { crm.leads(&actor).update(given, patch).await.map(drop) }).unwrap();
        };
        let slow = world.crm.on(racing.clone());
        run(async {
            let to = Handover::TransferTo(manager.unwrap());
            let job = slow.jobs(&world.admin).deactivate_user(rep.unwrap(), to, None).await.unwrap();
            if lags {
                world.store.faults().lag_lists();
                std::thread::spawn(give).join().unwrap();
            } else {
                let armed = racing.clone();
                racing.before_next_commit(move || armed.before_next_commit(give));
            }
            let job = slow.jobs(&world.admin).go_on(job.id, soon(&world)).await.unwrap();
            assert_eq!((job.status, job.done), (JobStatus::Completed, 2), "{:?}", job.held_back);
            assert_eq!(owners(&world, &leads).await, [admin, manager, manager]);
        });
    }
}

#[test]
fn what_is_held_back_keeps_no_job_from_its_end_however_much_it_is() {
    run(async {
        let store = MemoryStore::new();
        let ready = Ready::on(Arc::new(store.clone())).await.unwrap();
        let clock = Ticking::from(ready.clock.now());
        let crm = Crm::builder(store.clone()).clock(clock.clone()).ids(CountedIds::series(77)).build();
        let world = World::from_ready(store, ready);
        let deals = crm.deals(&world.admin);
        let (from, to) = open_stages(&world);
        // 250 that the target stage refuses, all listed before the ten that it takes: of one sort value, by their ids.
        let stage_id = Some(stage(&world.deal_pipeline, &from));
        for number in 0..260 {
            let source = (number >= 250).then(|| "web".to_owned());
            let new = NewDeal { title: format!("Deal {number}"), stage_id, source, ..Default::default() };
            deals.create(new).await.unwrap();
        }
        let mut stages = world.deal_pipeline.stages.clone();
        stages.iter_mut().find(|stage| stage.key == to).unwrap().required_fields = vec!["source".into()];
        let patch = PipelinePatch::new().stages(stages);
        crm.pipelines(&world.admin).update(world.deal_pipeline.id, patch).await.unwrap();
        let jobs = crm.jobs(&world.admin);
        let mut job = jobs.retire_stage(world.deal_pipeline.id, &from, &to, None).await.unwrap();
        clock.tick(1_000);
        let mut slices = 0;
        while job.status == JobStatus::Running {
            slices += 1;
            assert!(slices < 50, "a job ends: {:?} {}", job.progress, job.done);
            clock.advance_seconds(60);
            job = jobs.go_on(job.id, crm.now().plus_micros(120_000)).await.unwrap();
        }
        assert_eq!((job.status, job.done, job.held_back.len()), (JobStatus::Completed, 10, 100));
        assert_eq!(job.held_back_count, 250);
        assert!(slices > 3, "{slices}");
    });
}

/// Deals that were won or lost, in so many custom properties of twenty choices each, whose names end so.
#[cfg(feature = "predictive")]
async fn closed_deals(world: &World, count: usize, properties: usize, ending: &str) {
    use crm_core::{
        properties::{NewProperty, PropertyOption, PropertyType},
        value::Value,
    };
    const CHOICES: u64 = 20;
    let choice = |number: u64| format!("{number:02}{ending}");
    for number in 0..properties {
        let option = |number| PropertyOption { value: choice(number), label: String::new(), archived: false };
        let new = NewProperty {
            kind: Some(Kind::Deal),
            key: format!("p{number}"),
            name: format!("P{number}"),
            r#type: PropertyType::Select,
            reportable: true,
            options: (0..CHOICES).map(option).collect(),
            ..Default::default()
        };
        world.crm.properties(&world.admin).create(new).await.unwrap();
    }
    let deals = world.crm.deals(&world.admin);
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for number in 0..count {
        world.clock.advance_seconds(600);
        let values = (0..properties).map(|at| (format!("p{at}"), Value::text(choice(next() % CHOICES)))).collect();
        let new = NewDeal { title: format!("Deal {number}"), properties: values, ..Default::default() };
        let id = deals.create(new).await.unwrap().id;
        world.clock.advance_seconds(60);
        if next() % 2 == 0 {
            deals.win(id).await.unwrap();
        } else {
            deals.lose(id, "price").await.unwrap();
        }
    }
}

#[cfg(feature = "predictive")]
#[test]
fn what_a_job_makes_fits_into_it_or_the_job_fails_and_says_so() {
    run(async {
        for (ending, fits) in [("x".repeat(28), true), ("語".repeat(200), false)] {
            let world = World::new().await;
            closed_deals(&world, 400, 40, &ending).await;
            let jobs = world.crm.jobs(&world.admin);
            let job = jobs.train(Kind::Deal, Vec::new(), None).await.unwrap();
            let job = jobs.go_on(job.id, world.clock.now().plus_days(1)).await.unwrap();
            let bytes = job.product.as_ref().map_or(0, |product| product.0.to_string().len());
            if fits {
                assert_eq!((job.status, &job.failure), (JobStatus::Completed, &None));
                assert!(bytes > 16 * 1024, "{bytes}");
            } else {
                let failure = job.failure.as_deref().unwrap_or_default();
                assert!(job.status == JobStatus::Failed && failure.contains("product"), "{bytes}: {failure}");
            }
            let again = jobs.go_on(job.id, world.clock.now().plus_days(1)).await.unwrap();
            assert_eq!((again.status, again.finished_at), (job.status, job.finished_at), "it is over");
        }
    });
}
