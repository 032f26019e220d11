//! Rights are what the store says at each use case: what is withdrawn is withdrawn at the next one, in every process, and
//! nobody gives themselves any.

use std::sync::Arc;

use crm_core::{
    Crm, Error, MemoryStore,
    access::{Action, Actor, FieldRule, Grant, Permission, Scope},
    auth::NewKey,
    companies::{Company, CompanyPatch, NewCompany},
    ids::RandomIds,
    leads::{Lead, NewLead},
    listing::ListQuery,
    organizations::{OrganizationPatch, OrganizationStatus},
    roles::{Role, RolePatch},
    teams::{NewTeam, TeamPatch},
    users::{Handover, NewUser, UserPatch},
    value::{Id, Kind},
};

use crate::{
    auth_support::{PASSWORD, Scene, as_ada},
    racing::RacingStore,
    support::{World, assert_forbidden, hidden, run},
};

/// Another process on the same store.
fn elsewhere(scene: &Scene) -> Crm {
    Crm::builder_shared(Arc::new(scene.store.clone())).clock(scene.clock.clone()).ids(RandomIds::default()).build()
}

/// What an actor who may no longer act is told, of each way in.
async fn is_out(crm: &Crm, actor: &Actor, lead: Id<Lead>) {
    let told = [
        crm.leads(actor).get(lead).await.map(drop),
        crm.leads(actor).list(&ListQuery::new()).await.map(drop),
        crm.leads(actor).create(NewLead { name: "by a ghost".into(), ..Default::default() }).await.map(drop),
        crm.leads(actor).history(lead).await.map(drop),
        crm.permissions(actor).await.map(drop),
        crm.users(actor).update_me(UserPatch::new().first_name("Ghost")).await.map(drop),
    ];
    for (at, told) in told.into_iter().enumerate() {
        assert!(matches!(told, Err(Error::Unauthenticated)), "{at}: {told:?}");
    }
}

#[test]
fn withdrawn_rights_are_withdrawn_at_the_next_use_case_in_every_process() {
    run(async {
        let scene = Scene::new().await;
        let admin = &scene.admin.actor;
        let (user, bad) = scene.member("Bad", "admin").await;
        let lead =
            scene.crm.leads(&bad.actor).create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        let other = elsewhere(&scene);
        for crm in [&scene.crm, &other] {
            crm.leads(&bad.actor).list(&ListQuery::new()).await.unwrap();
            assert!(crm.roles(&bad.actor).may(Action::Update).await.unwrap());
        }
        // Demoted: the same actor has what the store says, and cannot take the role back.
        let (rep, was) = (scene.role("sales_rep").await, scene.role("admin").await);
        scene.crm.users(admin).update(user.id, UserPatch::new().role_ids(vec![rep])).await.unwrap();
        for crm in [&scene.crm, &other] {
            assert!(!crm.roles(&bad.actor).may(Action::Update).await.unwrap());
            assert_forbidden(crm.users(&bad.actor).update(user.id, UserPatch::new().role_ids(vec![was])).await);
        }
        // A role that is archived grants nothing at the next use case either.
        assert!(other.leads(&bad.actor).may(Action::Read).await.unwrap());
        scene.crm.roles(admin).archive(rep).await.unwrap();
        assert!(!other.leads(&bad.actor).may(Action::Read).await.unwrap());
        scene.crm.roles(admin).restore(rep, RolePatch::new()).await.unwrap();
        // Deactivated, and back; archived, and back: the session is over for good.
        scene.crm.users(admin).deactivate(user.id, Handover::Leave).await.unwrap();
        for crm in [&scene.crm, &other] {
            is_out(crm, &bad.actor, lead.id).await;
            assert!(matches!(crm.users(&bad.actor).activate(user.id).await, Err(Error::Unauthenticated)));
        }
        scene.crm.users(admin).activate(user.id).await.unwrap();
        is_out(&other, &bad.actor, lead.id).await;
        let as_user = Actor::signed_in(admin.tenant(), user.id);
        other.leads(&as_user).list(&ListQuery::new()).await.unwrap();
        scene.crm.users(admin).archive(user.id).await.unwrap();
        for crm in [&scene.crm, &other] {
            is_out(crm, &as_user, lead.id).await;
            assert!(matches!(
                crm.users(&as_user).restore(user.id, UserPatch::new()).await,
                Err(Error::Unauthenticated)
            ));
        }
        // Nobody, and a user of another tenant.
        for nobody in
            [Actor::signed_in(admin.tenant(), lead.id.erase().typed()), Actor::signed_in(lead.id.erase(), user.id)]
        {
            is_out(&other, &nobody, lead.id).await;
        }
    });
}

#[test]
fn sessions_that_others_end_are_over_at_once_and_ones_own_within_half_a_minute() {
    run(async {
        let scene = Scene::new().await;
        let (user, rep) = scene.member("Rep", "sales_rep").await;
        let other = elsewhere(&scene);
        let lead = other.leads(&rep.actor).create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        scene.auth().sign_out_user(&scene.admin.actor, user.id).await.unwrap();
        is_out(&other, &rep.actor, lead.id).await;
        is_out(&scene.crm, &rep.actor, lead.id).await;
        // One of one's own.
        let ada = scene.sign_in(PASSWORD).await.unwrap();
        other.leads(&ada.actor).get(lead.id).await.unwrap();
        scene.auth().sign_out(&ada.refresh_token).await.unwrap();
        is_out(&scene.crm, &ada.actor, lead.id).await;
        other.leads(&ada.actor).get(lead.id).await.unwrap();
        scene.clock.advance_seconds(31);
        is_out(&other, &ada.actor, lead.id).await;
        other.leads(&scene.admin.actor).get(lead.id).await.unwrap();
        // A session that comes to its end.
        scene.clock.advance_seconds(400 * 24 * 3600);
        is_out(&other, &scene.admin.actor, lead.id).await;
        scene.auth().sign_in(&as_ada(PASSWORD)).await.unwrap();
    });
}

#[test]
fn a_key_is_asked_for_at_each_use_case_and_costs_no_read() {
    run(async {
        let scene = Scene::new().await;
        let read = Permission::new(Kind::Lead, Action::Read);
        let new = NewKey { name: "sync".into(), permissions: vec![read], expires_at: None };
        let (key, secret) = scene.auth().create_key(&scene.admin.actor, &new).await.unwrap();
        let other = elsewhere(&scene);
        let actor = other.auth(&scene.policy).authenticate_key(&secret).await.unwrap();
        other.leads(&actor).list(&ListQuery::new()).await.unwrap();
        let reads = scene.store.faults().calls();
        for _ in 0..5 {
            other.auth(&scene.policy).authenticate_key(&secret).await.unwrap();
        }
        assert_eq!(scene.store.faults().calls(), reads, "a key that is known costs no read");
        // Suspended, the organization's sessions and keys are good for nothing.
        let status = |status| OrganizationPatch::new().status(status);
        let tenant = scene.admin.actor.tenant();
        let organizations = scene.crm.organizations(&scene.admin.actor);
        organizations.update(tenant.typed(), status(OrganizationStatus::Suspended)).await.unwrap();
        for out in [&actor, &scene.admin.actor] {
            let told = other.leads(out).list(&ListQuery::new()).await;
            assert!(matches!(told, Err(Error::Unauthenticated)), "{told:?}");
        }
        scene
            .crm
            .organizations(&Actor::system(tenant))
            .update(tenant.typed(), status(OrganizationStatus::Active))
            .await
            .unwrap();
        other.leads(&actor).list(&ListQuery::new()).await.unwrap();
        scene.auth().revoke_key(&scene.admin.actor, key.id).await.unwrap();
        let told = other.leads(&actor).list(&ListQuery::new()).await;
        assert!(matches!(told, Err(Error::Unauthenticated)), "{told:?}");
    });
}

#[test]
fn rights_cost_one_read_when_they_have_moved_and_else_none() {
    run(async {
        let scene = Scene::new().await;
        let (_, rep) = scene.member("Rep", "sales_rep").await;
        let (user, _) = scene.member("Other", "sales_rep").await;
        let other = elsewhere(&scene);
        let leads = other.leads(&rep.actor);
        let lead = leads.create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        let calls = || scene.store.faults().calls();
        let vouched = Actor::trusted(rep.actor.tenant(), rep.user.id, rep.user.role_ids.clone(), vec![]);
        let first = calls();
        other.leads(&vouched).list(&ListQuery::new()).await.unwrap();
        let page = calls() - first;
        // A get, a page, a write, each as often as it is asked.
        for _ in 0..3 {
            let first = calls();
            leads.get(lead.id).await.unwrap();
            assert_eq!(calls() - first, 1, "a get");
            let first = calls();
            leads.list(&ListQuery::new()).await.unwrap();
            assert_eq!(calls() - first, page, "a page");
        }
        let moves = async || {
            let patch = UserPatch::new().role_ids(vec![scene.role("support").await, scene.role("sales_rep").await]);
            scene.crm.users(&scene.admin.actor).update(user.id, patch).await.unwrap();
            let patch = UserPatch::new().role_ids(vec![scene.role("sales_rep").await]);
            scene.crm.users(&scene.admin.actor).update(user.id, patch).await.unwrap();
            calls()
        };
        let first = moves().await;
        leads.get(lead.id).await.unwrap();
        assert_eq!(calls() - first, 2, "one more when rights have moved");
        let first = moves().await;
        leads.list(&ListQuery::new()).await.unwrap();
        assert!(calls() - first <= 2 * page + 1, "the page, the rights, the page again");
        // What moves no rights costs nothing.
        scene.crm.users(&scene.admin.actor).update(user.id, UserPatch::new().job_title("clerk")).await.unwrap();
        let first = calls();
        leads.get(lead.id).await.unwrap();
        assert_eq!(calls() - first, 1);
    });
}

fn assert_own<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    assert!(matches!(&result, Err(Error::OwnRights { field }) if *field == expected), "{expected}: {result:?}");
}

#[test]
fn nobody_raises_their_own_rights() {
    run(async {
        let world = World::new().await;
        let sales = |action, scope| Grant::new(Kind::Lead, action, scope);
        let mut staff: Vec<Grant> = [Kind::User, Kind::Role, Kind::Team]
            .into_iter()
            .flat_map(|kind| {
                [Action::Read, Action::Create, Action::Update, Action::Archive].map(|a| Grant::new(kind, a, Scope::All))
            })
            .collect();
        staff.push(sales(Action::Read, Scope::Team));
        let hides: Vec<FieldRule> = vec![hidden(Kind::Lead, "description")];
        let (staff, blind) = (world.role("staff", staff, vec![]).await, world.role("blind", vec![], hides).await);
        let (me, user) = world.member("me", vec![staff.id, blind.id], vec![]).await;
        let users = world.crm.users(&me);
        // A team of one's own brings what its members have.
        assert_own(users.update(user.id, UserPatch::new().team_ids(vec![world.team.id])).await, "team_ids");
        // A field rule goes neither with the role that one gives back, nor by editing or archiving it.
        assert_own(users.update(user.id, UserPatch::new().role_ids(vec![staff.id])).await, "role_ids");
        let roles = world.crm.roles(&me);
        assert_own(roles.update(blind.id, RolePatch::new().field_rules(vec![])).await, "grants");
        assert_own(roles.archive(blind.id).await, "grants");
        assert_forbidden(roles.update(staff.id, RolePatch::new().grants(vec![sales(Action::Read, Scope::All)])).await);
        // Nor another's, of whom one is to be spared no more than oneself.
        let (_, held) = world.member("held", vec![staff.id, blind.id], vec![]).await;
        assert_forbidden(users.update(held.id, UserPatch::new().role_ids(vec![staff.id])).await);
        // A team that comes under one's own.
        let (lead, lead_user) = world.member("lead", vec![staff.id, blind.id], vec![world.team.id]).await;
        let foreign = NewTeam { name: "Foreign".into(), ..Default::default() };
        let foreign = world.crm.teams(&world.admin).create(foreign).await.unwrap();
        let under = TeamPatch::new().parent_id(world.team.id);
        assert_own(world.crm.teams(&lead).update(foreign.id, under).await, "parent_id");
        // Less is no raise; and who has everything may be in any team.
        users.update(user.id, UserPatch::new().role_ids(vec![blind.id])).await.unwrap();
        let admin = world.role_id("admin").await;
        let (chief, chief_user) = world.member("chief", vec![admin], vec![]).await;
        let team = UserPatch::new().team_ids(vec![world.team.id]);
        world.crm.users(&chief).update(chief_user.id, team).await.unwrap();
        // The first administrator too is what the store says of them.
        let first = world.admin.user().unwrap();
        let rep = world.role_id("sales_rep").await;
        world.crm.users(&chief).update(first, UserPatch::new().role_ids(vec![rep])).await.unwrap();
        let back = UserPatch::new().role_ids(vec![admin]);
        assert_forbidden(world.crm.users(&world.admin).update(first, back.clone()).await);
        let vouched = Actor::trusted(world.admin.tenant(), first, vec![admin], vec![]);
        assert_own(world.crm.users(&vouched).update(first, back.clone()).await, "role_ids");
        world.crm.users(&chief).update(first, back).await.unwrap();
        // Whoever vouches for a user that may not act does not bring them back either.
        let ids: Vec<Id<Role>> = vec![staff.id, blind.id];
        let vouched = Actor::trusted(world.admin.tenant(), lead_user.id, ids, vec![world.team.id]);
        world.crm.users(&world.admin).deactivate(lead_user.id, Handover::Leave).await.unwrap();
        assert_own(world.crm.users(&vouched).activate(lead_user.id).await, "is_active");
        world.crm.users(&world.admin).archive(lead_user.id).await.unwrap();
        assert_own(world.crm.users(&vouched).restore(lead_user.id, UserPatch::new()).await, "archived_at");
    });
}

#[test]
fn a_version_that_holds_is_not_refused_for_the_change_of_another_record() {
    run(async {
        let world = World::new().await;
        let racing = RacingStore::on(world.store.clone());
        let crm = world.crm.on(racing.clone());
        let new = |name: &str| NewCompany { name: name.into(), ..Default::default() };
        let companies = world.crm.companies(&world.admin);
        let (parent, child) =
            (companies.create(new("Parent")).await.unwrap(), companies.create(new("Child")).await.unwrap());
        let meanwhile = |id: Id<Company>| {
            let (crm, admin) = (world.crm.clone(), world.admin.clone());
            racing.before_next_commit(move || {
                run(async {
                    let patch = CompanyPatch::new().description("meanwhile");
                    crm.companies(&admin).update(id, patch).await.unwrap();
                });
            });
        };
        // The parent is guarded, and is not what the version is of.
        meanwhile(parent.id);
        let under = || CompanyPatch::new().parent_id(parent.id);
        crm.companies(&world.admin).update(child.id, under()).if_version(child.version).await.unwrap();
        assert!(!racing.is_armed());
        let other = companies.create(new("Other")).await.unwrap();
        meanwhile(other.id);
        let told = crm.companies(&world.admin).update(other.id, under()).if_version(other.version).await;
        assert!(matches!(told, Err(Error::Conflict { record, .. }) if record == other.id.into()), "{told:?}");
    });
}

#[test]
fn who_is_demoted_while_giving_rights_gives_none() {
    run(async {
        let world = World::new().await;
        let racing = RacingStore::on(world.store.clone());
        let crm = world.crm.on(racing.clone());
        let (admin, rep) = (world.role_id("admin").await, world.role_id("sales_rep").await);
        let (bad, user) = world.member("bad", vec![admin], vec![]).await;
        let demoted = |roles: Vec<Id<Role>>| {
            let (crm, admin, user) = (world.crm.clone(), world.admin.clone(), user.id);
            racing.before_next_commit(move || {
                run(async {
                    crm.users(&admin).update(user, UserPatch::new().role_ids(roles)).await.unwrap();
                });
            });
        };
        let again = async || {
            assert!(!racing.is_armed());
            world.crm.users(&world.admin).update(user.id, UserPatch::new().role_ids(vec![admin])).await.unwrap();
        };
        let second = NewUser { email: Some("second@acme.example".into()), role_ids: vec![admin], ..NewUser::default() };
        demoted(vec![rep]);
        assert_forbidden(crm.users(&bad).create(second).await);
        again().await;
        demoted(vec![rep]);
        let more = RolePatch::new().grants(vec![Grant::new(Kind::User, Action::Update, Scope::All)]);
        assert_forbidden(crm.roles(&bad).update(rep, more).await);
        again().await;
        demoted(vec![rep]);
        assert_forbidden(crm.users(&bad).update(world.rep_user.id, UserPatch::new().role_ids(vec![admin])).await);
        again().await;
        demoted(vec![rep]);
        assert_forbidden(crm.users(&bad).update(user.id, UserPatch::new().role_ids(vec![admin, rep])).await);
        again().await;
        // Another change of one's own record refuses nothing.
        let (other, theirs) = (world.crm.clone(), world.admin.clone());
        racing.before_next_commit(move || {
            run(async {
                other.users(&theirs).update(user.id, UserPatch::new().job_title("clerk")).await.unwrap();
            });
        });
        let new = NewTeam { name: "Made".into(), ..Default::default() };
        crm.teams(&bad).create(new).await.unwrap();
        assert!(!racing.is_armed());
    });
}

#[test]
fn rights_that_were_read_right_before_their_epoch_are_not_kept_under_it() {
    run(async {
        let scene = Scene::new().await;
        let (user, bad) = scene.member("Bad", "admin").await;
        let rep = scene.role("sales_rep").await;
        let racing = RacingStore::on(scene.store.clone());
        // Processes that know nothing yet, and one that knows the epoch before.
        for warm in [false, true] {
            let other = Crm::builder(racing.clone()).clock(scene.clock.clone()).ids(RandomIds::default()).build();
            let actor = Actor::signed_in(bad.actor.tenant(), user.id);
            if warm {
                other.leads(&scene.admin.actor).list(&ListQuery::new()).await.unwrap();
            }
            let (crm, admin, id) = (scene.crm.clone(), scene.admin.actor.clone(), user.id);
            racing.within_next_get(move || {
                run(async {
                    crm.users(&admin).update(id, UserPatch::new().role_ids(vec![rep])).await.unwrap();
                });
            });
            let _ = other.roles(&actor).may(Action::Update).await;
            assert!(!other.roles(&actor).may(Action::Update).await.unwrap(), "{warm}");
            let back = UserPatch::new().role_ids(vec![scene.role("admin").await]);
            scene.crm.users(&scene.admin.actor).update(user.id, back).await.unwrap();
        }
    });
}

#[test]
fn a_job_goes_on_with_the_rights_that_its_user_has_now() {
    run(async {
        let store = MemoryStore::new();
        let world = World::on(store, 0).await;
        let admin = world.role_id("admin").await;
        let (boss, user) = world.member("boss", vec![admin], vec![]).await;
        let (_, gone) = world.member("gone", vec![world.role_id("sales_rep").await], vec![]).await;
        let theirs = NewLead { name: "L".into(), owner_id: Some(gone.id), ..Default::default() };
        let lead = world.crm.leads(&world.admin).create(theirs).await.unwrap();
        let handover = Handover::TransferTo(world.rep_user.id);
        let job = world.crm.jobs(&boss).deactivate_user(gone.id, handover, None).await.unwrap();
        let support = world.role_id("support").await;
        world.crm.users(&world.admin).update(user.id, UserPatch::new().role_ids(vec![support])).await.unwrap();
        let system = Actor::system(world.admin.tenant());
        let until = world.crm.now().plus_days(1);
        let _ = world.crm.jobs(&system).resume(job.id, until).await.unwrap();
        let owner = world.crm.leads(&world.admin).get(lead.id).await.unwrap().owner_id;
        assert_eq!(owner, Some(gone.id), "a demoted user's job writes nothing");
    });
}

#[test]
fn a_key_answers_again_who_may_still_do_something_with_such_records() {
    run(async {
        let world = World::new().await;
        let me = world.actor_with("keyed", vec![world.role_id("sales_rep").await]).await;
        let create = async |actor: &Actor| {
            let new = NewLead { name: "L".into(), ..Default::default() };
            world.crm.leads(actor).create(new).idempotency_key("k").await
        };
        let made = create(&me).await.unwrap().id;
        assert_eq!(create(&me).await.unwrap().id, made);
        // Whoever gave it away may still ask whether it was made.
        let away = crm_core::leads::LeadPatch::new().owner_id(world.manager_user.id);
        world.crm.leads(&world.admin).update(made, away).await.unwrap();
        assert_eq!(create(&me).await.unwrap().id, made);
        let tasks_alone = me.clone().limited_to([Permission::new(Kind::Task, Action::Read)]);
        assert_forbidden(create(&tasks_alone).await);
        // Also of what may be seen without a grant, an API key that may do nothing with it is told nothing.
        let note = async |actor: &Actor| {
            let links = vec![crm_core::value::Ref::new(Kind::Lead, world.lead.id)];
            let new = crm_core::notes::NewNote { content: "n".into(), links, ..Default::default() };
            world.crm.notes(actor).create(new).idempotency_key("n").await
        };
        world
            .crm
            .leads(&world.admin)
            .update(world.lead.id, crm_core::leads::LeadPatch::new().owner_id(me.user()))
            .await
            .unwrap();
        note(&me).await.unwrap();
        assert_forbidden(note(&tasks_alone).await);
        let of_tasks = vec![Grant::new(Kind::Task, Action::Read, Scope::All)];
        let demoted = UserPatch::new().role_ids(vec![world.role("tasks", of_tasks, vec![]).await.id]);
        world.crm.users(&world.admin).update(me.user().unwrap(), demoted).await.unwrap();
        assert_forbidden(create(&me).await);
    });
}
