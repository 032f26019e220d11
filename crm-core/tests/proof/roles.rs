//! Roles: nobody can grant more than they have, nobody can escalate their own rights, and there is always an
//! administrator.

use crm_core::{
    Error,
    access::{Action, Grant, Scope},
    organizations::NewOrganization,
    roles::{NewRole, Role, RolePatch},
    teams::{NewTeam, Team, TeamPatch},
    users::{Handover, NewUser, UserPatch},
    value::{Id, Kind},
};

use crate::support::{World, assert_fault, assert_forbidden, assert_refused, grants, hidden, run};

fn someone(name: &str, role_ids: Vec<Id<Role>>, team_ids: Vec<Id<Team>>) -> NewUser {
    NewUser { first_name: Some(name.into()), external_id: Some(name.into()), role_ids, team_ids, ..Default::default() }
}

#[test]
fn nobody_gives_a_role_that_grants_more_than_they_have() {
    run(async {
        let world = World::new().await;
        let (admin, rep) = (world.role_id("admin").await, world.role_id("sales_rep").await);
        let users = world.crm.users(&world.manager);
        let team = vec![world.team.id];
        // A manager may add a representative to the team, and may not make anyone an administrator.
        users.create(someone("new", vec![rep], team.clone())).await.unwrap();
        assert_forbidden(users.create(someone("boss", vec![admin], team.clone())).await);
        assert_forbidden(users.update(world.rep_user.id, UserPatch::new().role_ids(vec![rep, admin])).await);
        assert_forbidden(users.update(world.manager_user.id, UserPatch::new().role_ids(vec![admin])).await);
        let upserted = someone("rob", vec![admin], team.clone());
        assert_forbidden(users.upsert("external_id", "rob", upserted).await);
        let imported =
            users.create_many(vec![crm_core::collection::NewWithHistory::new(someone("i", vec![admin], team))]);
        assert_forbidden(imported.await.remove(0));
        // Nor by a role that inherits it, once an administrator has created one.
        let heir = NewRole { key: "heir".into(), name: "Heir".into(), inherits: vec![admin], ..Default::default() };
        let heir = world.crm.roles(&world.admin).create(heir).await.unwrap();
        assert_forbidden(users.update(world.rep_user.id, UserPatch::new().role_ids(vec![heir.id])).await);
    });
}

#[test]
fn roles_given_back_by_undo_are_roles_given() {
    run(async {
        let world = World::new().await;
        let (admin, rep) = (world.role_id("admin").await, world.role_id("sales_rep").await);
        let all = world.crm.users(&world.admin);
        all.update(world.rep_user.id, UserPatch::new().role_ids(vec![admin])).await.unwrap();
        let taken = all.update(world.rep_user.id, UserPatch::new().role_ids(vec![rep])).await.unwrap();
        let users = world.crm.users(&world.manager);
        assert_forbidden(users.undo(world.rep_user.id, taken.commit.unwrap()).await);
        assert_forbidden(users.roll_back(world.rep_user.id, 2).await);
        // A deactivated administrator can only be activated by a user with at least the same rights.
        let (_, boss) = world.member("boss", vec![admin], vec![world.team.id]).await;
        all.deactivate(boss.id, Handover::Leave).await.unwrap();
        assert_forbidden(users.activate(boss.id).await);
    });
}

#[test]
fn nobody_grants_in_a_role_what_they_lack() {
    run(async {
        let world = World::new().await;
        // A user who manages users and roles, and may read their own leads.
        let mut own = grants(&[Kind::Role, Kind::User], &[Action::Create, Action::Read, Action::Update], Scope::All);
        own.push(Grant::new(Kind::Lead, Action::Read, Scope::Own));
        let keeper = world.role("keeper", own.clone(), vec![]).await;
        let actor = world.actor_with("keeper", vec![keeper.id]).await;
        let roles = world.crm.roles(&actor);
        let named = |grants: Vec<Grant>| NewRole { key: "x".into(), name: "X".into(), grants, ..Default::default() };
        assert_forbidden(roles.create(named(vec![Grant::new(Kind::Deal, Action::Read, Scope::Own)])).await);
        assert_forbidden(roles.create(named(vec![Grant::new(Kind::Lead, Action::Read, Scope::All)])).await);
        let admin = world.role_id("admin").await;
        let heir = NewRole { inherits: vec![admin], ..named(vec![]) };
        assert_forbidden(roles.create(heir).await);
        let mut more = own.clone();
        more.push(Grant::new(Kind::Lead, Action::Update, Scope::All));
        assert_forbidden(roles.update(keeper.id, RolePatch::new().grants(more)).await);
        assert_forbidden(roles.update(keeper.id, RolePatch::new().inherits(vec![admin])).await);
        roles.create(named(vec![Grant::new(Kind::Lead, Action::Read, Scope::Own)])).await.unwrap();
    });
}

#[test]
fn a_hidden_field_stays_hidden_whatever_role_one_gives_oneself() {
    run(async {
        let world = World::new().await;
        let mut own = grants(&[Kind::Role, Kind::User], &[Action::Create, Action::Read, Action::Update], Scope::All);
        own.push(Grant::new(Kind::Deal, Action::Read, Scope::All));
        let keeper = world.role("keeper", own.clone(), vec![hidden(Kind::Deal, "value")]).await;
        let (actor, user) = world.member("keeper", vec![keeper.id], vec![]).await;
        // The same role without its field rule.
        let open = world.role("open", own, vec![]).await;
        let users = world.crm.users(&actor);
        assert_forbidden(users.update(user.id, UserPatch::new().role_ids(vec![open.id])).await);
        assert_forbidden(users.create(someone("puppet", vec![open.id], vec![])).await);
        assert_forbidden(world.crm.roles(&actor).update(keeper.id, RolePatch::new().field_rules(vec![])).await);
    });
}

#[test]
fn nobody_moves_themselves_into_a_wider_team() {
    run(async {
        let world = World::new().await;
        let teams = world.crm.teams(&world.admin);
        let top = teams.create(NewTeam { name: "Top".into(), ..Default::default() }).await.unwrap();
        teams.update(world.team.id, TeamPatch::new().parent_id(top.id)).await.unwrap();
        let other = teams
            .create(NewTeam { name: "South".into(), parent_id: Some(top.id), ..Default::default() })
            .await
            .unwrap();
        let users = world.crm.users(&world.manager);
        let rep = world.role_id("sales_rep").await;
        for team in [top.id, other.id] {
            let both = vec![world.team.id, team];
            assert_forbidden(users.update(world.manager_user.id, UserPatch::new().team_ids(both.clone())).await);
            assert_forbidden(users.create(someone("puppet", vec![rep], both)).await);
        }
        // A manager may assign and edit teams below their own.
        let below = NewTeam { name: "North-east".into(), parent_id: Some(world.team.id), ..Default::default() };
        let below = teams.create(below).await.unwrap();
        users.update(world.rep_user.id, UserPatch::new().team_ids(vec![below.id])).await.unwrap();
        let named = TeamPatch::new().description("the harbour");
        world.crm.teams(&world.manager).update(below.id, named.clone()).await.unwrap();
        assert_forbidden(world.crm.teams(&world.manager).update(other.id, named.clone()).await);
        assert_forbidden(world.crm.teams(&world.manager).update(top.id, named).await);
    });
}

#[test]
fn who_has_more_is_not_taken_over_by_who_has_less() {
    run(async {
        let world = World::new().await;
        let admin = world.role_id("admin").await;
        let (_, boss) = world.member("boss", vec![admin], vec![world.team.id]).await;
        let users = world.crm.users(&world.manager);
        // Changing the external id or address of a user would allow signing in as that user.
        for patch in [UserPatch::new().external_id("mine"), UserPatch::new().email("mine@example.com")] {
            assert_forbidden(users.update(boss.id, patch).await);
        }
        users.update(boss.id, UserPatch::new().job_title("CEO")).await.unwrap();
    });
}

#[test]
fn the_last_administrator_stays() {
    run(async {
        let world = World::new().await;
        let users = world.crm.users(&world.admin);
        let me = world.admin.user().unwrap();
        let (admin, rep) = (world.role_id("admin").await, world.role_id("sales_rep").await);
        let created = users.history(me).await.unwrap()[0].commit;
        let admins = async || {
            let organization = world.crm.organizations(&world.admin).get(world.admin.tenant().typed()).await.unwrap();
            organization.admin_ids.clone()
        };
        assert_eq!(admins().await, [me]);
        assert_fault(users.update(me, UserPatch::new().role_ids(vec![rep])).await, "role_ids last_admin");
        assert_fault(users.archive(me).await, "role_ids last_admin");
        assert_fault(users.deactivate(me, Handover::Leave).await, "role_ids last_admin");
        assert_refused(users.undo(me, created).await);
        assert_refused(world.crm.organizations(&world.admin).undo(world.admin.tenant().typed(), created).await);
        assert_refused(world.crm.roles(&world.admin).archive(admin).await);
        assert_refused(
            world.crm.roles(&world.admin).update(admin, RolePatch::new().withheld(vec!["lead.read".into()])).await,
        );

        // With a second administrator the first may be removed; the second then stays.
        users.update(world.rep_user.id, UserPatch::new().role_ids(vec![admin])).await.unwrap();
        assert_eq!(admins().await.len(), 2);
        let organizations = world.crm.organizations(&world.admin);
        users.update(world.rep_user.id, UserPatch::new().role_ids(vec![rep])).await.unwrap();
        assert_eq!(admins().await, [me]);
        // Restoring only the organization's list would name a user who is not an administrator.
        let history = organizations.history(world.admin.tenant().typed()).await.unwrap();
        let removal = history.last().unwrap();
        let _ = organizations.undo(world.admin.tenant().typed(), removal.commit).await;
        let _ = organizations.roll_back(world.admin.tenant().typed(), removal.version - 1).await;
        assert_eq!(admins().await, [me]);
        assert_fault(users.update(me, UserPatch::new().role_ids(vec![rep])).await, "role_ids last_admin");
        users.update(world.manager_user.id, UserPatch::new().role_ids(vec![admin])).await.unwrap();
        users.archive(me).await.unwrap();
        let manager = world.crm.actor(world.admin.tenant(), world.manager_user.id).await.unwrap();
        let last = world.crm.users(&manager).update(world.manager_user.id, UserPatch::new().role_ids(vec![rep])).await;
        assert_fault(last, "role_ids last_admin");
        // A restored user is an administrator again.
        world.crm.users(&manager).restore(me, UserPatch::new()).await.unwrap();
        assert_eq!(admins().await.len(), 2);
    });
}

#[test]
fn a_tenant_is_one_organization() {
    run(async {
        let world = World::new().await;
        let organizations = world.crm.organizations(&world.admin);
        let new = || NewOrganization { name: "Second".into(), external_id: Some("x".into()), ..Default::default() };
        assert_refused(organizations.create(new()).await);
        assert_refused(organizations.upsert("external_id", "x", new()).await);
        assert_refused(
            organizations.create_many(vec![crm_core::collection::NewWithHistory::new(new())]).await.remove(0),
        );
        assert_refused(organizations.archive(world.admin.tenant().typed()).await);
    });
}

#[test]
fn inheritance_forms_no_circle() {
    run(async {
        let world = World::new().await;
        let a = world.role("a", vec![], vec![]).await;
        let b = NewRole { key: "b".into(), name: "B".into(), inherits: vec![a.id], ..Default::default() };
        let b = world.crm.roles(&world.admin).create(b).await.unwrap();
        let circle = world.crm.roles(&world.admin).update(a.id, RolePatch::new().inherits(vec![b.id])).await;
        assert_fault(circle, "inherits cycle");
    });
}

#[test]
fn a_denial_names_the_missing_permission() {
    run(async {
        let world = World::new().await;
        match world.crm.leads(&world.rep).archive(world.lead.id).await {
            Err(Error::Forbidden { permission, .. }) => assert_eq!(permission.to_string(), "lead.archive"),
            other => panic!("{other:?}"),
        }
        // Undoing a creation archives the record: it requires the permission to archive another user's record.
        let given = crm_core::leads::NewLead { name: "Given".into(), owner_id: world.rep.user(), ..Default::default() };
        let given = world.crm.leads(&world.admin).create(given).await.unwrap();
        assert_forbidden(world.crm.leads(&world.rep).undo(given.id, given.commit.unwrap()).await);
        assert_forbidden(world.crm.leads(&world.rep).restore(given.id, crm_core::leads::LeadPatch::new()).await);
    });
}
