//! Access epochs, by which a process detects that permissions have changed since it read them.

use std::sync::Arc;

use super::{Case, Lab, Outcome, case, edit::Edit, ensure};
use crate::model::{
    schema::Image,
    store::{CommitId, Epochs},
    value::{Id, Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("access", rights_set_the_epoch, "a commit that changes what somebody may do sets the access epoch"),
    case!("access", other_writes_leave_it, "creation, other fields and other kinds leave the access epoch"),
    case!("access", the_two_epochs_are_apart, "a commit sets the epochs that it touches and no other"),
    case!("access", another_tenants, "the access epoch is the tenant's own"),
    case!("access", with_every_read, "get, definitions and pages tell the same epochs"),
];

/// Sends one edit, and returns whether its commit set the definitions epoch and the access epoch.
async fn moved(lab: &Lab<'_>, edit: Edit) -> Result<(bool, bool), super::Failure> {
    let tenant = edit.after().tenant;
    let before = lab.epochs(tenant).await?;
    let commit = lab.step(tenant).write(edit).send().await?;
    let after = lab.epochs(tenant).await?;
    let told = |before: CommitId, after: CommitId| {
        ensure!(after == before || after == commit.id, "an epoch is neither the one before nor the commit's");
        Ok(after == commit.id)
    };
    Ok((told(before.definitions, after.definitions)?, told(before.access, after.access)?))
}

async fn stored(lab: &Lab<'_>, image: &Image) -> Result<Arc<Image>, super::Failure> {
    let found = lab.get(image.tenant, image.reference()).await?;
    found.ok_or_else(|| super::Failure::new(format!("{} is not there", image.reference())))
}

/// An edit of the current record.
type Change = fn(Edit, &Image) -> Edit;

/// Applies each of the edits in turn, and requires that each sets the access epoch.
async fn each_sets_it(lab: &Lab<'_>, image: &Arc<Image>, edits: &[(&str, Change)]) -> Outcome {
    for (what, edit) in edits {
        let now = stored(lab, image).await?;
        let (_, access) = moved(lab, edit(lab.change(&now), &now)).await?;
        ensure!(access, "{what} of a {} did not set the access epoch", image.kind());
    }
    Ok(())
}

fn other_ids(image: &Image, field: &str, more: Id) -> Value {
    let mut ids = image.get(field).items().to_vec();
    if ids.contains(&Value::Id(more)) {
        ids.retain(|id| id != &Value::Id(more));
    } else {
        ids.push(Value::Id(more));
    }
    Value::list(ids)
}

async fn rights_set_the_epoch(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let user = stored(lab, &Image::empty(crate::catalog::decl(Kind::User), tenant, world.users[0])).await?;
    let [team, role] = [world.teams[0], world.role];
    let role_ids = other_ids(&user, "role_ids", role);
    let team_ids = other_ids(&user, "team_ids", team);
    let edits = [("role_ids", role_ids), ("team_ids", team_ids), ("is_active", Value::Bool(false))];
    for (field, value) in edits {
        let now = stored(lab, &user).await?;
        let value = if field == "is_active" && now.get(field) == &value { Value::Bool(true) } else { value };
        let (_, access) = moved(lab, lab.change(&now).set(field, value)).await?;
        ensure!(access, "another {field} of a user did not set the access epoch");
    }
    each_sets_it(
        lab,
        &user,
        &[
            ("another external_id", |edit, _| edit.set("external_id", Value::text("elsewhere"))),
            ("archiving", |edit, _| edit.archive()),
            ("restoring", |edit, _| edit.restore()),
        ],
    )
    .await?;
    let key = lab.put(lab.new_record(tenant, Kind::ApiKey)).await?;
    each_sets_it(
        lab,
        &key,
        &[
            ("other permissions", |edit, _| edit.set("permissions", Value::list([Value::text("lead.read")]))),
            ("archiving", |edit, _| edit.archive()),
        ],
    )
    .await?;
    let begun = lab.new_record(tenant, Kind::Session).set("user_id", Value::Id(world.users[1]));
    let session = lab.put(begun).await?;
    each_sets_it(lab, &session, &[("archiving", |edit, _| edit.archive())]).await?;
    let credential = lab.put(lab.new_record(tenant, Kind::Credential)).await?;
    let next = |edit: Edit, _: &Image| edit.set("session_generation", Value::Int(12));
    each_sets_it(lab, &credential, &[("another generation", next)]).await?;
    let organization = stored(lab, &Image::empty(crate::catalog::decl(Kind::Organization), tenant, tenant)).await?;
    let suspended = |edit: Edit, _: &Image| edit.set("status", Value::text("suspended"));
    each_sets_it(lab, &organization, &[("suspension", suspended)]).await
}

async fn other_writes_leave_it(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    for decl in crate::catalog::all().filter(|decl| decl.kind != Kind::Organization) {
        let edit = lab.new_record(tenant, decl.kind);
        let image = edit.after();
        ensure!(!moved(lab, edit).await?.1, "a new {} set the access epoch", decl.kind);
        if !matches!(decl.kind, Kind::User | Kind::ApiKey) {
            let edit = lab.change(&stored(lab, &image).await?).set("external_id", Value::text("x"));
            ensure!(!moved(lab, edit).await?.1, "an edit of a {} set the access epoch", decl.kind);
        }
    }
    let user = stored(lab, &Image::empty(crate::catalog::decl(Kind::User), tenant, world.users[1])).await?;
    for (field, value) in [
        ("job_title", Value::text("clerk")),
        ("last_login_at", Value::Time(lab.now())),
        ("role_ids", user.get("role_ids").clone()),
    ] {
        let edit = lab.change(&stored(lab, &user).await?).set(field, value);
        ensure!(!moved(lab, edit).await?.1, "{field} of a user set the access epoch");
    }
    let key = lab.put(lab.new_record(tenant, Kind::ApiKey)).await?;
    let last_use = lab.change(&key).set("last_used_at", Value::Time(lab.now()));
    ensure!(!moved(lab, last_use).await?.1, "the last use of a key set the access epoch");
    // A session ended by its own user.
    let edit = lab.new_record(tenant, Kind::Session).set("user_id", Value::Id(world.users[1]));
    let session = lab.put(edit).await?;
    let ended = lab.change(&session).archive().by(world.users[1]);
    ensure!(!moved(lab, ended).await?.1, "a session that its own user ended set the access epoch");
    let before = lab.epochs(tenant).await?;
    let record = Ref::new(Kind::User, world.users[0]);
    lab.step(tenant).guard_at(record, 1).key("key", 24).send().await?;
    ensure!(lab.epochs(tenant).await? == before, "a guard of a user set an epoch");
    Ok(())
}

async fn the_two_epochs_are_apart(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let first = lab.epochs(tenant).await?;
    ensure!(!first.access.is_nil() && !first.definitions.is_nil(), "a tenant with an organization has no epochs");
    let user = stored(lab, &Image::empty(crate::catalog::decl(Kind::User), tenant, world.users[0])).await?;
    let both = lab.step(tenant).write(lab.change(&user).archive()).write(lab.new_record(tenant, Kind::Team));
    let both = both.send().await?;
    ensure!(
        lab.epochs(tenant).await? == Epochs { definitions: both.id, access: both.id },
        "a commit of a team and a user did not set both epochs"
    );
    let team = lab.step(tenant).write(lab.new_record(tenant, Kind::Team)).send().await?;
    let expected = Epochs { definitions: team.id, access: both.id };
    ensure!(lab.epochs(tenant).await? == expected, "a team did not set the epoch of definitions alone");
    let restored = lab.change(&stored(lab, &user).await?).restore();
    let restored = lab.step(tenant).write(restored).send().await?;
    let expected = Epochs { definitions: team.id, access: restored.id };
    ensure!(lab.epochs(tenant).await? == expected, "a user did not set the epoch of access alone");
    Ok(())
}

async fn another_tenants(lab: &Lab<'_>) -> Outcome {
    let (one, other) = (lab.tenant().await?, lab.tenant().await?);
    let before = lab.epochs(other.tenant).await?;
    let user = stored(lab, &Image::empty(crate::catalog::decl(Kind::User), one.tenant, one.users[0])).await?;
    ensure!(moved(lab, lab.change(&user).archive()).await?.1, "archiving a user did not set the access epoch");
    ensure!(lab.epochs(other.tenant).await? == before, "another tenant's user set the access epoch");
    ensure!(lab.epochs(lab.mixed_id()).await? == Epochs::default(), "a tenant without records has epochs");
    Ok(())
}

async fn with_every_read(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let user = stored(lab, &Image::empty(crate::catalog::decl(Kind::User), tenant, world.users[0])).await?;
    moved(lab, lab.change(&user).archive()).await?;
    let epochs = lab.epochs(tenant).await?;
    ensure!(lab.store.definitions(tenant).await?.epochs == epochs, "definitions tell other epochs than get");
    let query = lab.query(tenant, Kind::Lead, " -> score", vec![]);
    ensure!(lab.store.list_with_epochs(&query).await?.1 == epochs, "a page tells other epochs than get");
    Ok(())
}
