//! A user's own profile: writable without a grant, and nothing else is.

use std::collections::BTreeMap;

use crm_core::{
    Error,
    access::{Action, Actor, Permission, Scope},
    properties::NewProperty,
    schema::RecordKind,
    teams::NewTeam,
    users::{Handover, User, UserPatch},
    value::{Kind, Ref, Value},
};

use crate::support::{World, assert_fault, assert_forbidden, assert_not_found, grants, hidden, read_only, run};

#[test]
fn everybody_changes_how_they_are_called_and_reached() {
    run(async {
        let world = World::new().await;
        let me = world.crm.users(&world.rep);
        let id = world.rep_user.id;
        assert_forbidden(me.update(id, UserPatch::new().first_name("Robert")).await);
        let patch = UserPatch::new()
            .first_name("Robert")
            .last_name("Roe")
            .phone("+41 44 668 18 00")
            .job_title("Closer")
            .time_zone("Europe/Zurich")
            .locale("de-CH");
        let saved = me.update_me(patch.clone()).if_version(1).await.unwrap();
        assert_eq!((saved.id, saved.name.as_str(), saved.phone.as_deref()), (id, "Robert Roe", Some("+41446681800")));
        let history = me.history(id).await.unwrap();
        let last = history.last().unwrap();
        assert_eq!((last.action.as_ref(), last.by), ("update_me", Some(id)));
        let mut names: Vec<&str> = last.fields.iter().map(|field| field.field.as_ref()).collect();
        names.sort_unstable();
        assert_eq!(names, ["first_name", "job_title", "last_name", "locale", "phone", "time_zone"]);
        // A repeated update is a no-op, and an old version is a conflict.
        assert!(!me.update_me(patch.clone()).await.unwrap().changed());
        assert!(matches!(me.update_me(patch.clone()).if_version(1).await, Err(Error::Conflict { .. })));
        assert_eq!(me.update_me(patch.last_name("Doe")).plan().await.unwrap().changes.len(), 1);
        assert_fault(me.update_me(UserPatch::new().time_zone("Mars/North")).await, "time_zone unknown_time_zone");
    });
}

#[test]
fn nothing_else_of_oneself_is_ones_own_to_change() {
    run(async {
        let world = World::new().await;
        let admin = world.role_id("admin").await;
        let team =
            world.crm.teams(&world.admin).create(NewTeam { name: "T".into(), ..Default::default() }).await.unwrap();
        let property =
            NewProperty { kind: Some(Kind::User), key: "badge".into(), name: "Badge".into(), ..Default::default() };
        world.crm.properties(&world.admin).create(property).await.unwrap();
        let plain = || UserPatch::new().first_name("R");
        let before = world.snapshot();
        let tries = [
            plain().role_ids(vec![admin]),
            plain().team_ids(vec![team.id]),
            plain().manager_id(world.rep_user.id),
            plain().manager_id(None),
            plain().email("rob@evil.example"),
            plain().external_id("mary"),
            plain().department("Board"),
            plain().property("badge", Value::text("gold")),
            plain().property("none", Value::Null),
            plain().shared_with([Ref::new(Kind::User, world.manager_user.id)]),
        ];
        for actor in [&world.rep, &world.manager, &world.admin] {
            for patch in &tries {
                assert_forbidden(world.crm.users(actor).update_me(patch.clone()).await);
            }
            // By position, for every other field.
            let own = ["first_name", "last_name", "phone", "job_title", "time_zone", "locale"];
            for (at, field) in User::decl().fields.iter().enumerate().filter(|(_, field)| !own.contains(&field.name)) {
                let refused = world.crm.users(actor).update_me(UserPatch::new().set(at, Value::Null)).await;
                assert!(
                    matches!(&refused, Err(Error::Forbidden { field: Some(name), .. }) if name == field.name),
                    "{}: {refused:?}",
                    field.name
                );
            }
            assert_forbidden(world.crm.users(actor).update_me(UserPatch::new().set(999, Value::Bool(true))).await);
        }
        assert_eq!(world.snapshot(), before);
    });
}

#[test]
fn it_is_oneself_and_nobody_else() {
    run(async {
        let world = World::new().await;
        let patch = || UserPatch::new().first_name("X");
        let tenant = world.admin.tenant();
        // The system has no user; neither has an actor whose user is missing, belongs to another tenant or is inactive.
        assert_forbidden(world.crm.users(&Actor::system(tenant)).update_me(patch()).await);
        let nobody = Actor::trusted(tenant, world.lead.id.erase().typed(), vec![], vec![]);
        assert_not_found(world.crm.users(&nobody).update_me(patch()).await);
        let other = World::on(world.store.clone(), 1).await;
        let stranger = Actor::trusted(other.admin.tenant(), world.rep_user.id, vec![], vec![]);
        assert_not_found(other.crm.users(&stranger).update_me(patch()).await);
        let users = world.crm.users(&world.admin);
        users.deactivate(world.rep_user.id, Handover::Leave).await.unwrap();
        let out = async || world.crm.users(&world.rep).update_me(patch()).await;
        assert!(matches!(out().await, Err(Error::Unauthenticated)));
        let vouched = Actor::trusted(tenant, world.rep_user.id, vec![], vec![]);
        assert_not_found(world.crm.users(&vouched).update_me(patch()).await);
        users.activate(world.rep_user.id).await.unwrap();
        world.crm.users(&world.rep).update_me(patch()).await.unwrap();
        users.archive(world.rep_user.id).await.unwrap();
        assert!(matches!(out().await, Err(Error::Unauthenticated)));
    });
}

#[test]
fn field_rules_times_and_undo_are_as_for_everybody() {
    run(async {
        let world = World::new().await;
        let rules = vec![hidden(Kind::User, "phone"), read_only(Kind::User, "job_title")];
        let actor = world.restricted_rep("quiet", rules).await;
        let me = world.crm.users(&actor);
        assert_fault(me.update_me(UserPatch::new().phone("+41446681800")).await, "phone unknown_field");
        assert_forbidden(me.update_me(UserPatch::new().job_title("CEO")).await);
        let saved = me.update_me(UserPatch::new().first_name("Q")).await.unwrap();
        // The profile cannot be backdated, undone or rolled back without a grant.
        world.clock.advance_days(2);
        let earlier = world.clock.now().plus_days(-1);
        assert_forbidden(me.update_me(UserPatch::new().first_name("W")).occurred_at(earlier).await);
        assert_forbidden(me.undo(saved.id, saved.commit.unwrap()).await);
        assert_forbidden(me.roll_back(saved.id, 1).await);
        // An idempotency key is valid only for its user.
        let keyed =
            |actor: &Actor| world.crm.users(actor).update_me(UserPatch::new().first_name("K")).idempotency_key("k");
        keyed(&actor).await.unwrap();
        assert!(matches!(keyed(&world.rep).await, Err(Error::KeyReused)));
        // No grant is required.
        let bare = world.role("bare", grants(&[Kind::Task], &[Action::Read], Scope::Own), vec![]).await;
        let bare = world.actor_with("bare", vec![bare.id]).await;
        let permissions: BTreeMap<String, Scope> = world
            .crm
            .permissions(&bare)
            .await
            .unwrap()
            .into_iter()
            .map(|(permission, scope): (Permission, Scope)| (permission.to_string(), scope))
            .collect();
        assert!(!permissions.keys().any(|name| name.starts_with("user.")), "{permissions:?}");
        world.crm.users(&bare).update_me(UserPatch::new().first_name("B")).await.unwrap();
    });
}
