//! Jobs: started at once and processed in pieces, only for the user who started them; after a kill at any point they
//! continue where they stopped.

use std::sync::Arc;

use async_trait::async_trait;
use crm_core::{
    Crm, Error, MemoryStore,
    access::{Action, Actor, Grant, Scope},
    deals::NewDeal,
    draft::{Draft, Stop},
    jobs::{Job, JobContext, JobHandler, JobStatus, MAX_ATTEMPTS, Piece, Row, Verdict},
    leads::{Lead, LeadPatch, NewLead},
    listing::ListQuery,
    organizations::NewOrganization,
    pipelines::{PipelinePatch, StageKind},
    schema::Record,
    store::{StoreError, memory::Fault},
    system::System,
    testing::{CountedIds, Ready},
    users::{Handover, User},
    value::{FaultCode, Id, Kind, Ref, Time},
    worker::Round,
};
use serde_json::{Value as Json, json};

use crate::{
    racing::RacingStore,
    support::{Ticking, World, assert_fault, hidden, run, stage},
};

async fn with_leads(world: &World, count: usize) -> Vec<Id<Lead>> {
    let mut ids = Vec::new();
    for number in 0..count {
        let new = NewLead { name: format!("Lead {number}"), ..Default::default() };
        ids.push(world.crm.leads(&world.rep).create(new).await.unwrap().id);
    }
    ids
}

async fn owners(world: &World, leads: &[Id<Lead>]) -> Vec<Option<Id<User>>> {
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
        let leads = with_leads(&world, 30).await;
        let rep = world.rep.user().unwrap();
        let to = Handover::TransferTo(world.manager.user().unwrap());
        let jobs = world.crm.jobs(&world.admin);
        let job = jobs.deactivate_user(rep, to, None).await.unwrap();
        assert!(world.crm.actor(world.admin.tenant(), rep).await.is_err(), "deactivated at once");
        assert_eq!(job.status, JobStatus::Running);
        // A run slice that is over as it begins.
        let job = jobs.resume(job.id, world.crm.now()).await.unwrap();
        assert_eq!((job.status, job.done), (JobStatus::Running, 0));
        assert!(owners(&world, &leads).await.iter().all(|owner| *owner == Some(rep)));
        // The store fails half-way, after the commit that takes the job and the commit of a piece: nothing that was
        // done is lost.
        world.store.faults().fail_commit_after(2, Fault::Unavailable, 2);
        assert!(matches!(jobs.resume(job.id, soon(&world)).await, Err(Error::Unavailable(_))));
        let moved = owners(&world, &leads).await.iter().filter(|owner| **owner != Some(rep)).count();
        assert!((1..30).contains(&moved), "{moved}");
        world.clock.advance_seconds(60);
        let job = jobs.resume(job.id, soon(&world)).await.unwrap();
        assert_eq!(job.status, JobStatus::Completed);
        assert!(job.finished_at.is_some() && job.held_back.is_empty());
        assert!(owners(&world, &leads).await.iter().all(|owner| *owner == world.manager.user()));
        // A completed job stays completed.
        let again = jobs.resume(job.id, soon(&world)).await.unwrap();
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
        // A process takes it and dies: no other takes it over before the lease ends.
        world.store.faults().fail_commit_after(1, Fault::Unavailable, 2);
        let _ = jobs.resume(job.id, soon(&world)).await;
        let waiting = jobs.resume(job.id, soon(&world)).await.unwrap();
        assert_eq!((waiting.status, waiting.done), (JobStatus::Running, 0));
        assert!(owners(&world, &leads).await.iter().all(|owner| *owner == Some(rep)));
        world.clock.advance_seconds(60);
        // Another user who may read it sees it but does not resume it; a user who may not does not see it.
        let reader = world.role("reader", vec![Grant::new(Kind::Job, Action::Read, Scope::All)], vec![]).await;
        let reader = world.actor_with("reader", vec![reader.id]).await;
        let seen = world.crm.jobs(&reader).resume(job.id, soon(&world)).await.unwrap();
        assert_eq!((seen.status, seen.done), (JobStatus::Running, 0));
        let stranger = world.crm.jobs(&world.manager).resume(job.id, soon(&world)).await;
        assert!(matches!(stranger, Err(Error::NotFound(Kind::Job))));
        assert_eq!(jobs.resume(job.id, soon(&world)).await.unwrap().status, JobStatus::Completed);
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
        // The generic use cases cannot create, change or forge a job.
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
        // The target requires an email address, which one of the leads has.
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
        let job = jobs.resume(job.id, soon(&world)).await.unwrap();
        // The prepared tenant has a lead with an email address.
        assert_eq!((job.status, job.done, job.held_back.len()), (JobStatus::Completed, 2, 2));
        assert!(job.held_back.iter().all(|one| one.reason.contains("email")), "{:?}", job.held_back);
        let entering = crm.leads(&world.admin).create(NewLead { name: "Late".into(), ..Default::default() }).await;
        assert!(entering.is_err() || entering.is_ok_and(|lead| lead.status != "new"), "nothing enters it any more");
    });
}

/// The keys of the first two open stages of the deal pipeline, the later one first.
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
        // A key of the maximum length.
        let first = jobs.retire_stage(pipeline, &from, &to, Some(&long[1..])).await.unwrap();
        let again = jobs.retire_stage(pipeline, &from, &to, Some(&long[1..])).await.unwrap();
        assert_eq!((again.id, again.r#type.clone()), (first.id, "retire_stage".to_owned()));
        // After a day the key can be used again.
        world.clock.advance_days(1);
        let next = jobs.deactivate_user(manager, Handover::Leave, Some("k")).await.unwrap();
        assert!(!world.crm.users(&world.admin).get(manager).await.unwrap().is_active);
        assert_eq!(next.target.as_ref().unwrap().0["user_id"], json!(manager));
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
            // The user and the job, each once, in one commit.
            let log = world.crm.feed(None, 100_000).await.unwrap().changes.split_off(before);
            assert_eq!(log.len(), 2, "{log:?}");
            assert_eq!(log[0].1.commit, log[1].1.commit);
        }
    });
}

#[test]
fn retiring_a_stage_leaves_alone_what_has_left_it() {
    // Moved after being listed; and moved between the decision and the commit.
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
            let job = slow.jobs(&world.admin).resume(job.id, soon(&world)).await.unwrap();
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
            // The first one belongs to the prepared tenant.
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
            let job = slow.jobs(&world.admin).resume(job.id, soon(&world)).await.unwrap();
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
        // 250 deals that the target stage refuses, all listed before the ten that it accepts: with equal sort values,
        // by id.
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
            assert!(slices < 200, "a job ends: {:?} {}", job.place, job.done);
            clock.advance_seconds(60);
            job = jobs.resume(job.id, crm.now().plus_micros(8_000)).await.unwrap();
        }
        assert_eq!((job.status, job.done, job.held_back.len()), (JobStatus::Completed, 10, 100));
        assert_eq!(job.held_back_count, 250);
        assert!(slices > 3, "{slices}");
    });
}

/// The number of a lead's changes by a handover.
async fn handed_over(world: &World, lead: Id<Lead>) -> usize {
    let history = world.crm.leads(&world.admin).history(lead).await.unwrap();
    history.iter().filter(|change| change.action == "hand_over").count()
}

/// Asserts that all leads belong to the manager, by one change each, and that the job reports this.
async fn assert_done_once(world: &World, job: Id<Job>, leads: &[Id<Lead>]) {
    let job = world.crm.jobs(&world.admin).get(job).await.unwrap();
    assert_eq!((job.status, job.due_at, job.attempts), (JobStatus::Completed, None, 0), "{:?}", job.failure);
    assert_eq!((usize::try_from(job.done).unwrap(), job.held_back_count), (leads.len(), 0));
    for &lead in leads {
        assert_eq!(handed_over(world, lead).await, 1);
    }
    assert!(owners(world, leads).await.iter().all(|owner| *owner == world.manager.user()));
}

/// A world with leads for two pieces, and the job that hands them over.
async fn with_handover() -> (World, Vec<Id<Lead>>, Id<Job>) {
    let world = World::new().await;
    let leads = [vec![world.lead.id], with_leads(&world, 28).await].concat();
    let to = Handover::TransferTo(world.manager.user().unwrap());
    let job = world.crm.jobs(&world.admin).deactivate_user(world.rep.user().unwrap(), to, None).await.unwrap().id;
    (world, leads, job)
}

#[test]
fn a_job_that_is_killed_anywhere_ends_as_one_that_is_not_and_no_row_is_done_twice() {
    run(async {
        // Each store call fails in turn; then each commit loses its response, before or after it was stored,
        // permanently.
        let (world, leads, job) = with_handover().await;
        let before = world.store.faults().calls();
        world.crm.jobs(&world.admin).resume(job, soon(&world)).await.unwrap();
        let calls = world.store.faults().calls() - before;
        assert_done_once(&world, job, &leads).await;
        assert!(calls < 40, "{calls} store calls for {} records", leads.len());
        let faults = [Fault::Unavailable, Fault::LostBefore, Fault::LostAfter];
        let lost = faults.into_iter().flat_map(|fault| (0..5).map(move |at| Some((fault, at))));
        for (number, lost) in (1..=calls).map(|number| (number, None)).chain(lost.map(|lost| (0, lost))) {
            let (world, leads, job) = with_handover().await;
            match lost {
                Some((fault, others)) => world.store.faults().fail_commit_after(others, fault, 3),
                None => world.store.faults().fail_call(number),
            }
            let jobs = world.crm.jobs(&world.admin);
            for _ in 0..10 {
                if jobs.resume(job, soon(&world)).await.is_ok_and(|job| job.status != JobStatus::Running) {
                    break;
                }
                world.clock.advance_seconds(60);
            }
            world.store.faults().clear();
            assert_done_once(&world, job, &leads).await;
        }
    });
}

#[test]
fn of_two_workers_one_commits_and_the_other_stops() {
    let (world, leads, job, racing) = run(async {
        let (world, leads, job) = with_handover().await;
        let racing = RacingStore::on(world.store.clone());
        (world, leads, job, racing)
    });
    let slow = world.crm.on(racing.clone());
    let (crm, admin, clock) = (world.crm.clone(), world.admin.clone(), world.clock.clone());
    // After the commit that takes the job its lease expires, and another worker completes it.
    let other = move || {
        clock.advance_seconds(61);
        let system = Actor::system(admin.tenant());
        run(async { crm.jobs(&system).resume(job, crm.now().plus_micros(1_000_000)).await.map(drop) }).unwrap();
    };
    let armed = racing.clone();
    racing.before_next_commit(move || armed.before_next_commit(other));
    run(async {
        let until = world.clock.now().plus_days(1);
        let seen = slow.jobs(&world.admin).resume(job, until).await.unwrap();
        assert!(!racing.is_armed());
        assert_eq!(seen.status, JobStatus::Completed);
        assert_done_once(&world, job, &leads).await;
    });
}

#[test]
fn a_job_that_is_cancelled_stops_and_what_it_did_stays() {
    let (world, leads, job, racing) = run(async {
        let (world, leads, job) = with_handover().await;
        let racing = RacingStore::on(world.store.clone());
        (world, leads, job, racing)
    });
    let slow = world.crm.on(racing.clone());
    let (crm, admin) = (world.crm.clone(), world.admin.clone());
    let cancel = move || run(async { crm.jobs(&admin).cancel(job).await.map(drop) }).unwrap();
    // Before the commit of the second piece.
    let (one, two) = (racing.clone(), racing.clone());
    racing.before_next_commit(move || one.before_next_commit(move || two.before_next_commit(cancel)));
    run(async {
        let stranger = world.crm.jobs(&world.manager).cancel(job).await;
        assert!(matches!(stranger, Err(Error::NotFound(Kind::Job))));
        let reader = world.role("reader", vec![Grant::new(Kind::Job, Action::Read, Scope::All)], vec![]).await;
        let reader = world.actor_with("reader", vec![reader.id]).await;
        assert!(matches!(world.crm.jobs(&reader).cancel(job).await, Err(Error::Forbidden { .. })));
        let seen = slow.jobs(&world.admin).resume(job, soon(&world)).await.unwrap();
        assert!(!racing.is_armed());
        assert_eq!((seen.status, seen.done, seen.due_at), (JobStatus::Cancelled, 25, None));
        assert!(seen.finished_at.is_some() && seen.failure.is_none());
        let moved = owners(&world, &leads).await.iter().filter(|owner| **owner == world.manager.user()).count();
        assert_eq!(moved, 25);
        let jobs = world.crm.jobs(&world.admin);
        let again = jobs.resume(job, soon(&world)).await.unwrap();
        assert_eq!((again.status, again.version), (seen.status, seen.version));
        assert_fault(jobs.cancel(job).await, "status ended");
    });
}

/// A job of the embedder over leads: even ones change, odd ones are refused.
struct Count;

#[async_trait]
impl JobHandler for Count {
    fn name(&self) -> &'static str {
        "acme.count"
    }

    fn discloses(&self) -> &'static [&'static str] {
        &["lead.phone"]
    }

    fn begin(&self, _: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        if args["most"].is_u64() {
            Ok(args.clone())
        } else {
            Err(Error::invalid("most", FaultCode::Required, "is required").into())
        }
    }

    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error> {
        let (from, most) = (place.and_then(Json::as_u64).unwrap_or_default(), cx.args()["most"].as_u64().unwrap());
        if from >= most {
            return Ok(Piece::done(Some(json!({"changed": cx.done()}))));
        }
        let lead = cx.crm().leads(cx.actor()).list(&ListQuery::new().limit(1)).await?.items[0].id;
        let to = most.min(from + cx.limit() as u64);
        let rows = (from..to).map(|number| Row::new(Ref::new(Kind::Lead, lead), json!(number))).collect();
        Ok(Piece::new(rows, json!(to)))
    }

    fn decide(&self, _: &mut Draft<'_>, _: &Json, row: &Row) -> Result<Verdict, Stop> {
        match row.data.as_u64() {
            Some(number) if number % 2 == 0 => Ok(Verdict::Changed),
            _ => Err(Error::invalid("number", FaultCode::custom("odd"), "must be even").into()),
        }
    }
}

/// A job that fails, permanently or transiently.
struct Fails(&'static str, fn() -> Error);

#[async_trait]
impl JobHandler for Fails {
    fn name(&self) -> &'static str {
        self.0
    }

    fn begin(&self, _: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        Ok(args.clone())
    }

    async fn next(&self, _: &JobContext<'_>, _: Option<&Json>) -> Result<Piece, Error> {
        Err((self.1)())
    }
}

fn of_acme(world: &World) -> Crm {
    let system = System::new("acme")
        .job(Count)
        .job(Fails("acme.broken", || {
            Error::invalid("file", FaultCode::custom("unreadable"), "the file cannot be read")
        }))
        .job(Fails("acme.flaky", || Error::Unavailable(StoreError::unavailable("the other side is away"))));
    let ids = CountedIds::series(99);
    Crm::builder(world.store.clone()).clock(world.clock.clone()).ids(ids).system(system).build()
}

#[test]
fn an_embedder_has_jobs_of_their_own() {
    run(async {
        let world = World::new().await;
        let crm = of_acme(&world);
        let jobs = crm.jobs(&world.rep);
        assert_fault(jobs.start("acme.other", json!({}), None).await, "type unknown_choice");
        assert_fault(jobs.start("acme.count", json!({}), None).await, "most required");
        let job = jobs.start("acme.count", json!({"most": 60}), Some("k")).await.unwrap();
        let again = jobs.start("acme.count", json!({"most": 60}), Some("k")).await.unwrap();
        assert_eq!(again.id, job.id);
        // A program without this system leaves it alone.
        let left = world.crm.jobs(&world.rep).resume(job.id, soon(&world)).await.unwrap();
        assert_eq!((left.status, left.machine_version), (JobStatus::Running, job.machine_version));
        let done = jobs.resume(job.id, soon(&world)).await.unwrap();
        assert_eq!((done.status, done.done, done.held_back.len()), (JobStatus::Completed, 30, 30));
        assert!(done.held_back[0].reason.contains("must be even"), "{:?}", done.held_back[0]);
        assert_eq!(done.product.as_ref().unwrap().0, json!({"changed": 30}));
        // The result is visible to users who may see everything that it reveals.
        for (name, rules, is_shown) in [("sees", vec![], true), ("blind", vec![hidden(Kind::Lead, "phone")], false)] {
            let role = world.role(name, vec![Grant::new(Kind::Job, Action::Read, Scope::All)], rules).await;
            let reader = world.actor_with(name, vec![role.id]).await;
            let seen = crm.jobs(&reader).get(done.id).await.unwrap();
            assert_eq!((seen.product.is_some(), seen.done), (is_shown, 30), "{name}");
        }
    });
}

#[test]
fn what_fails_for_good_says_why_at_once_and_what_passes_is_tried_later_a_number_of_times() {
    run(async {
        let world = World::new().await;
        let crm = of_acme(&world);
        let jobs = crm.jobs(&world.admin);
        let broken = jobs.start("acme.broken", json!({}), None).await.unwrap();
        let broken = jobs.resume(broken.id, soon(&world)).await.unwrap();
        assert_eq!((broken.status, broken.due_at), (JobStatus::Failed, None));
        assert!(broken.failure.as_ref().unwrap().contains("the file cannot be read"), "{:?}", broken.failure);
        let flaky = jobs.start("acme.flaky", json!({}), None).await.unwrap().id;
        for attempt in 1..MAX_ATTEMPTS {
            assert!(matches!(jobs.resume(flaky, soon(&world)).await, Err(Error::Unavailable(_))), "{attempt}");
            let job: Record<Job> = jobs.get(flaky).await.unwrap();
            let delay = job.due_at.unwrap().since(world.clock.now()) / 1_000_000;
            assert_eq!((job.attempts, delay), (attempt, (1_i64 << (attempt - 1)).min(3_600)));
            // Not before it is due.
            assert_eq!(jobs.resume(flaky, soon(&world)).await.unwrap().machine_version, job.machine_version);
            world.clock.advance_seconds(delay);
        }
        let job = jobs.resume(flaky, soon(&world)).await.unwrap();
        assert_eq!((job.status, job.due_at, job.attempts), (JobStatus::Failed, None, MAX_ATTEMPTS));
        assert!(job.failure.as_ref().unwrap().contains("the other side is away"), "{:?}", job.failure);
    });
}

#[test]
fn the_worker_finds_what_is_due_of_all_tenants_and_nothing_costs_two_reads() {
    run(async {
        let world = World::new().await;
        let crm = of_acme(&world);
        let later = |seconds: i64| world.clock.now().plus_micros(seconds * 1_000_000);
        let mut begun = Vec::new();
        for number in 0..20 {
            let admin = crm.bootstrap(NewOrganization { name: format!("Tenant {number}"), ..Default::default() }).await;
            let admin = admin.unwrap();
            crm.leads(&admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap();
            let jobs = crm.jobs(&admin);
            // Jobs for another program, and failing jobs, do not block the others.
            let ty = ["acme.flaky", "acme.broken", "acme.count"][number % 3];
            jobs.start(ty, json!({"most": 3}), None).await.unwrap();
            let job = jobs.start("acme.count", json!({"most": 60}), None).await.unwrap().id;
            begun.push((admin, job));
        }
        // Without time nothing is done, and nothing is lost.
        let round = crm.resume_jobs(later(0)).await.unwrap();
        assert!(round.more && round.counts.is_empty(), "{round:?}");
        let round = crm.resume_jobs(later(60)).await.unwrap();
        assert!(!round.more, "{round:?}");
        for (admin, job) in &begun {
            let job = crm.jobs(admin).get(*job).await.unwrap();
            assert_eq!((job.status, job.done), (JobStatus::Completed, 30), "{:?}", job.failure);
        }
        let before = world.store.faults().calls();
        assert_eq!(crm.resume_jobs(later(60)).await.unwrap(), Round::default());
        assert_eq!(world.store.faults().calls() - before, 2);
    });
}

/// Creates won and lost deals with so many custom properties of twenty choices each, whose names have a common ending.
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
            let job = jobs.resume(job.id, world.clock.now().plus_days(1)).await.unwrap();
            let bytes = job.product.as_ref().map_or(0, |product| product.0.to_string().len());
            if fits {
                assert_eq!((job.status, &job.failure), (JobStatus::Completed, &None));
                assert!(bytes > 16 * 1024, "{bytes}");
            } else {
                let failure = job.failure.as_deref().unwrap_or_default();
                assert!(job.status == JobStatus::Failed && failure.contains("product"), "{bytes}: {failure}");
            }
            let again = jobs.resume(job.id, world.clock.now().plus_days(1)).await.unwrap();
            assert_eq!((again.status, again.finished_at), (job.status, job.finished_at), "it is over");
        }
    });
}
