//! Built-in roles: what they grant is the program's, less what the organization withholds and with what it adds, in
//! organizations of any age.

use std::sync::Arc;

use crm_core::{
    Crm,
    access::{Action, BuiltInRole, Grant, Permission, Scope},
    catalog,
    filter::Filter,
    leads::LeadPatch,
    roles::{NewRole, Role, RoleFields, RolePatch},
    store::{Commit, Got, Records, Want, Write},
    users::NewUser,
    value::{Id, Kind, Ref, Value},
};

use crate::support::{World, assert_fault, assert_forbidden, faults, grants, hidden, run};

const SHARED: [Kind; 8] = [
    Kind::Organization,
    Kind::Team,
    Kind::Role,
    Kind::User,
    Kind::Property,
    Kind::Pipeline,
    Kind::Rate,
    Kind::ScoringModel,
];
const OWNED: [Kind; 4] = [Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal];
const WORK: [Kind; 3] = [Kind::Task, Kind::Interaction, Kind::Note];
const WRITE: [Action; 3] = [Action::Create, Action::Read, Action::Update];
const KEEP: [Action; 4] = [Action::Create, Action::Read, Action::Update, Action::Archive];
const STUDY: [Action; 3] = [Action::Read, Action::Report, Action::Export];

/// What each role grants on the kinds there were when this was written.
fn table(key: &str) -> Vec<Grant> {
    let associations = || grants(&[Kind::Association], &KEEP, Scope::All);
    let parts = match key {
        "sales_manager" => vec![
            grants(&OWNED, &KEEP, Scope::Team),
            grants(&OWNED, &[Action::Report, Action::Export, Action::Backdate], Scope::Team),
            grants(&WORK, &KEEP, Scope::Team),
            grants(&WORK, &[Action::Report, Action::Export], Scope::Team),
            grants(&[Kind::User], &[Action::Create, Action::Update], Scope::Team),
            grants(&[Kind::Team], &[Action::Update], Scope::Team),
            associations(),
        ],
        "sales_rep" => vec![
            grants(&OWNED, &WRITE, Scope::Own),
            grants(&OWNED, &[Action::Report], Scope::Own),
            grants(&WORK, &KEEP, Scope::Own),
            associations(),
        ],
        "support" => vec![
            [Kind::Contact, Kind::Company]
                .map(|kind| Grant {
                    condition: Some(Filter::eq("lifecycle", "customer")),
                    ..Grant::new(kind, Action::Read, Scope::All)
                })
                .into(),
            grants(&WORK, &WRITE, Scope::Own),
            grants(&[Kind::Association], &[Action::Read], Scope::All),
        ],
        "marketing" => vec![
            grants(&[Kind::Lead, Kind::Contact], &WRITE, Scope::All),
            grants(&[Kind::Company], &[Action::Read], Scope::All),
            grants(&WORK, &WRITE, Scope::Own),
            associations(),
        ],
        "analyst" => vec![
            grants(&OWNED, &STUDY, Scope::All),
            grants(&WORK, &STUDY, Scope::All),
            grants(&[Kind::Association], &[Action::Read, Action::Report], Scope::All),
        ],
        other => panic!("{other}"),
    };
    parts.into_iter().flatten().chain(grants(&SHARED, &[Action::Read], Scope::All)).collect()
}

fn sorted(mut all: Vec<Grant>) -> Vec<Grant> {
    all.sort_by_key(|grant| (grant.resource, grant.action, grant.scope));
    all
}

/// What a role grants in effect.
async fn effective(world: &World, role: Id<Role>) -> Vec<Grant> {
    sorted(world.crm.roles(&world.admin).grants(role).await.unwrap())
}

#[test]
fn a_built_in_role_grants_what_the_program_says_and_stores_none_of_it() {
    run(async {
        let world = World::new().await;
        let roles = world.crm.roles(&world.admin);
        let new: [Kind; 4] = [Kind::Session, Kind::ApiKey, Kind::SecurityEvent, Kind::Job];
        let kinds: Vec<Kind> =
            [&SHARED[..], &OWNED, &WORK, &[Kind::Association], &new].into_iter().flatten().copied().collect();
        for built_in in BuiltInRole::ALL {
            let role = roles.find("key", built_in.key()).await.unwrap();
            assert!(role.is_builtin && role.grants.is_empty() && role.withheld.is_empty(), "{role:?}");
            let all = effective(&world, role.id).await;
            assert_eq!(all, sorted(world.crm.built_in_grants(built_in).to_vec()), "{}", built_in.key());
            // Whoever has the role may do it, in every process.
            let actor = world.actor_with(&format!("holder of {}", built_in.key()), vec![role.id]).await;
            let other = Crm::builder_shared(Arc::new(world.store.clone())).clock(world.clock.clone()).build();
            let held = other.permissions(&actor).await.unwrap();
            assert!(
                all.iter().all(|grant| held.contains(&(Permission::new(grant.resource, grant.action), grant.scope)))
            );
            if built_in.key() == "admin" {
                let kinds = catalog::all().map(|decl| decl.kind).filter(|kind| !kind.is_internal());
                let every: Vec<Kind> = kinds.collect();
                assert_eq!(all, sorted(grants(&every, Action::ALL, Scope::All)));
                assert_eq!(held.len(), every.len() * Action::ALL.len());
            } else {
                let today = all.into_iter().filter(|grant| kinds.contains(&grant.resource)).collect();
                assert_eq!(sorted(today), sorted(table(built_in.key())), "{}", built_in.key());
            }
        }
    });
}

#[test]
fn what_an_organization_withholds_is_not_granted_and_what_it_adds_is() {
    run(async {
        let world = World::new().await;
        let roles = world.crm.roles(&world.admin);
        let rep = world.role_id("sales_rep").await;
        let before = effective(&world, rep).await;
        let heir = NewRole { key: "heir".into(), name: "Heir".into(), inherits: vec![rep], ..Default::default() };
        let heir = roles.create(heir).await.unwrap().id;
        let leads = world.crm.leads(&world.rep);
        leads.update(world.lead.id, LeadPatch::new().job_title("before")).await.unwrap();

        let export = Grant::new(Kind::Lead, Action::Export, Scope::Own);
        let narrow = Grant::new(Kind::Association, Action::Read, Scope::Own);
        let added = vec![export.clone(), narrow.clone()];
        let withheld: Vec<String> = ["lead.update", "association.read"].map(Into::into).into();
        let then = world.clock.now();
        world.clock.advance_days(1);
        let changed = RolePatch::new().grants(added.clone()).withheld(withheld.clone());
        let changed = roles.update(rep, changed).await.unwrap();
        assert_eq!((&changed.grants, &changed.withheld), (&added, &withheld));
        let is_withheld = |grant: &Grant| withheld.contains(&Permission::new(grant.resource, grant.action).to_string());
        let expected: Vec<Grant> =
            before.iter().filter(|grant| !is_withheld(grant)).cloned().chain(added.clone()).collect();
        assert_eq!(effective(&world, rep).await, sorted(expected.clone()));
        assert_eq!(effective(&world, heir).await, sorted(expected.clone()), "inherited as it is in effect");
        assert_forbidden(leads.update(world.lead.id, LeadPatch::new().job_title("after")).await);
        assert!(leads.may(Action::Export).await.unwrap());
        let kinds = world.crm.kinds(&world.rep).await.unwrap();
        let lead = kinds.kinds.iter().find(|info| info.kind == Kind::Lead).unwrap();
        assert!(!lead.actions.contains_key("update") && lead.actions["export"] == "own");

        // Who sends all grants back, as they were read in effect or from the code, stores no more and gives nothing back.
        for whole in [expected, [before.clone(), added.clone()].concat()] {
            let whole = roles.update(rep, RolePatch::new().grants(whole)).await.unwrap();
            assert_eq!(sorted(whole.grants.clone()), sorted(added.clone()));
            assert_eq!(whole.withheld, withheld);
        }
        assert_forbidden(leads.update(world.lead.id, LeadPatch::new().job_title("after")).await);

        // As of a moment and undone by its fields.
        assert!(roles.as_of(rep, then).await.unwrap().unwrap().withheld.is_empty());
        roles.undo(rep, changed.commit.unwrap()).await.unwrap();
        assert_eq!(effective(&world, rep).await, before);
        leads.update(world.lead.id, LeadPatch::new().job_title("after")).await.unwrap();

        // An archived role grants nothing, and its heirs nothing by it.
        roles.archive(rep).await.unwrap();
        assert!(effective(&world, rep).await.is_empty() && effective(&world, heir).await.is_empty());
        roles.restore(rep, RolePatch::new()).await.unwrap();
        assert_eq!(effective(&world, heir).await, before);
    });
}

#[test]
fn only_what_the_program_gives_is_withheld_and_nothing_from_admin() {
    run(async {
        let world = World::new().await;
        let roles = world.crm.roles(&world.admin);
        let (admin, rep) = (world.role_id("admin").await, world.role_id("sales_rep").await);
        let withheld =
            |all: &[&str]| RolePatch::new().withheld(all.iter().map(|&one| one.into()).collect::<Vec<String>>());
        let told = faults(roles.update(rep, withheld(&["lead.read", "lead.fly", "job.read", "x"])).await);
        assert_eq!(
            told,
            ["withheld[1] unknown_permission", "withheld[2] not_given", "withheld[3] unknown_permission"]
                .map(String::from)
        );
        assert_fault(roles.update(admin, withheld(&["lead.read"])).await, "withheld fixed");
        let own = NewRole { key: "own".into(), name: "Own".into(), inherits: vec![rep], ..Default::default() };
        let given = NewRole { withheld: vec!["lead.read".into()], ..own.clone() };
        assert_fault(roles.create(given).await, "withheld[0] not_given");
        let own = roles.create(own).await.unwrap().id;
        assert_fault(roles.update(own, withheld(&["lead.read"])).await, "withheld[0] not_given");
        // The administrators' grants sent back are no change; others are.
        let whole = effective(&world, admin).await;
        assert!(!roles.update(admin, RolePatch::new().grants(whole)).await.unwrap().changed());
        let other = vec![Grant::new(Kind::Lead, Action::Read, Scope::Own)];
        assert_fault(roles.update(admin, RolePatch::new().grants(other)).await, "grants fixed");
    });
}

#[test]
fn who_may_give_a_built_in_role_goes_by_what_it_grants_in_effect() {
    run(async {
        let world = World::new().await;
        let roles = world.crm.roles(&world.admin);
        let (manager, rep) = (world.role_id("sales_manager").await, world.role_id("sales_rep").await);
        let someone = |name: &str| NewUser {
            first_name: Some(name.into()),
            external_id: Some(name.into()),
            role_ids: vec![rep],
            team_ids: vec![world.team.id],
            ..Default::default()
        };
        let users = world.crm.users(&world.manager);
        users.create(someone("one")).await.unwrap();
        roles.update(manager, RolePatch::new().withheld(vec!["deal.create".into()])).await.unwrap();
        assert_forbidden(users.create(someone("two")).await);
        roles.update(rep, RolePatch::new().withheld(vec!["deal.create".into()])).await.unwrap();
        users.create(someone("two")).await.unwrap();
        // Who looks after roles gives nobody, themselves included, back what they are without.
        let keeping = grants(&[Kind::Role], &[Action::Read, Action::Update], Scope::All);
        let keeper = world.role("keeper", keeping, vec![]).await.id;
        let keeper = world.actor_with("keeper", vec![rep, keeper]).await;
        let none = RolePatch::new().withheld(Vec::new());
        assert_forbidden(world.crm.roles(&keeper).update(rep, none.clone()).await);
        world.crm.roles(&keeper).update(rep, RolePatch::new().description("Sells")).await.unwrap();
        roles.update(rep, none).await.unwrap();
    });
}

#[test]
fn what_a_role_grants_is_told_to_who_may_see_the_role() {
    run(async {
        let world = World::new().await;
        let rep = world.role_id("sales_rep").await;
        assert!(!world.crm.roles(&world.rep).grants(rep).await.unwrap().is_empty());
        let blind = world.restricted_rep("blind", vec![hidden(Kind::Role, "withheld")]).await;
        assert_forbidden(world.crm.roles(&blind).grants(rep).await);
        let none = world.role("none", vec![Grant::new(Kind::Lead, Action::Read, Scope::All)], vec![]).await.id;
        let stranger = world.actor_with("stranger", vec![none]).await;
        crate::support::assert_not_found(world.crm.roles(&stranger).grants(rep).await);
    });
}

#[test]
fn what_a_newer_program_withholds_stays_withheld() {
    run(async {
        let world = World::new().await;
        let roles = world.crm.roles(&world.admin);
        let rep = world.role_id("sales_rep").await;
        let wants = [Want::Record(Ref::new(Kind::Role, rep))];
        let Got::Record(Some(before)) = world.store.get(world.admin.tenant(), &wants).await.unwrap().got.remove(0)
        else {
            panic!("no role")
        };
        let mut after = before.as_ref().clone();
        let withheld = ["lead.fly", "robot.read", "lead.report"].map(Value::text);
        after.values[RoleFields::withheld as usize] = Value::list(withheld);
        after.versions.person += 1;
        let commit = Commit {
            id: Id::from_parts(1, [9; 10]),
            tenant: world.admin.tenant(),
            at: world.clock.now(),
            writes: vec![Write { before: Some(before), after: Arc::new(after), changes: Vec::new() }],
            guards: Vec::new(),
            claims: Vec::new(),
            key: None,
        };
        world.store.commit(&commit).await.unwrap();
        let all = effective(&world, rep).await;
        assert!(all.contains(&Grant::new(Kind::Lead, Action::Read, Scope::Own)));
        assert!(!all.contains(&Grant::new(Kind::Lead, Action::Report, Scope::Own)));
        // It is shown, kept by an edit, and not taken off by who does not know what it is.
        let shown = roles.update(rep, RolePatch::new().description("Sells")).await.unwrap();
        assert_eq!(shown.withheld, ["lead.fly", "robot.read", "lead.report"]);
        let taken = RolePatch::new().withheld(vec!["lead.fly".into(), "lead.report".into()]);
        assert_fault(roles.update(rep, taken).await, "withheld unknown_permission");
        let kept: Vec<String> = ["robot.read", "lead.fly", "deal.report"].map(Into::into).into();
        let kept = roles.update(rep, RolePatch::new().withheld(kept)).await.unwrap();
        assert_eq!(kept.withheld.len(), 3);
        assert!(effective(&world, rep).await.contains(&Grant::new(Kind::Lead, Action::Report, Scope::Own)));
    });
}
