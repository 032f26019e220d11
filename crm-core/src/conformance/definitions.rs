//! Definitions and their epoch, by which a process detects that its cached definitions of a tenant are stale.

use super::{Case, Lab, Outcome, case, differences, ensure};
use crate::model::value::{Kind, Ref, Value};

pub(super) const CASES: &[Case] = &[
    case!("definitions", all_of_them_at_once, "definitions are all told, archived ones too, as they are now"),
    case!("definitions", epoch_is_the_last_commit, "the epoch is the id of the commit that last wrote a definition"),
    case!("definitions", other_writes_leave_the_epoch, "writes of other kinds, and failed ones, leave the epoch"),
    case!("definitions", many_definitions, "a tenant with hundreds of definitions gets every one"),
];

async fn expect_definitions(lab: &Lab<'_>, tenant: crate::model::value::Id, expected: &[Ref]) -> Outcome {
    let definitions = lab.store.definitions(tenant).await?;
    let mut found: Vec<Ref> = definitions.images.iter().map(|image| image.reference()).collect();
    found.sort();
    let mut wanted = expected.to_vec();
    wanted.sort();
    ensure!(found == wanted, "expected the definitions {wanted:?}, got {found:?}");
    for image in &definitions.images {
        let stored = lab.get(tenant, image.reference()).await?;
        let told = stored.and_then(|stored| differences(&stored, image, false));
        ensure!(told.is_none(), "a definition is not as it is got: {}", told.unwrap_or_default());
    }
    ensure!(definitions.epochs == lab.epochs(tenant).await?, "definitions and get tell other epochs");
    Ok(())
}

async fn all_of_them_at_once(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut expected: Vec<Ref> =
        world.records().filter(|record| crate::catalog::decl(record.kind).is_definition).collect();
    expect_definitions(lab, world.tenant, &expected).await?;
    // No settling here: definitions never lag.
    let property = lab.put(lab.new_record(world.tenant, Kind::Property)).await?;
    expected.push(property.reference());
    expect_definitions(lab, world.tenant, &expected).await?;
    lab.put(lab.change(&property).set("position", Value::Int(7))).await?;
    expect_definitions(lab, world.tenant, &expected).await?;
    let team = lab.put(lab.new_record(world.tenant, Kind::Team)).await?;
    expected.push(team.reference());
    lab.put(lab.change(&team).archive()).await?;
    expect_definitions(lab, world.tenant, &expected).await
}

async fn epoch_is_the_last_commit(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    for kind in [Kind::Team, Kind::Role, Kind::Property, Kind::Pipeline] {
        let edit = lab.new_record(tenant, kind);
        let image = edit.after();
        let commit = lab.step(tenant).write(edit).write(lab.new_record(tenant, Kind::Lead)).send().await?;
        let epoch = lab.epoch(tenant).await?;
        ensure!(epoch == commit.id, "after a new {kind} the epoch is {epoch}, the commit was {}", commit.id);
        let commit = lab.step(tenant).write(lab.change(&image).set("name", Value::text("other"))).send().await?;
        ensure!(lab.epoch(tenant).await? == commit.id, "an edit of a {kind} did not set the epoch");
        let Some(image) = lab.get(tenant, image.reference()).await? else { continue };
        let commit = lab.step(tenant).write(lab.change(&image).archive()).send().await?;
        ensure!(lab.epoch(tenant).await? == commit.id, "archiving a {kind} did not set the epoch");
    }
    let Some(organization) = lab.get(tenant, Ref::new(Kind::Organization, tenant)).await? else {
        return Err(super::Failure::new("the organization is not there"));
    };
    let commit = lab.step(tenant).write(lab.change(&organization).set("locale", Value::text("de"))).send().await?;
    ensure!(lab.epoch(tenant).await? == commit.id, "an edit of the organization did not set the epoch");
    Ok(())
}

async fn other_writes_leave_the_epoch(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let epoch = lab.epoch(tenant).await?;
    for decl in crate::catalog::all().filter(|decl| !decl.is_definition) {
        let image = lab.put(lab.new_record(tenant, decl.kind)).await?;
        lab.put(lab.change(&image).set("external_id", Value::text("x"))).await?;
        ensure!(lab.epoch(tenant).await? == epoch, "a write of a {} moved the epoch", decl.kind);
    }
    let team = Ref::new(Kind::Team, world.teams[0]);
    lab.step(tenant).guard_at(team, 1).key("key", 24).send().await?;
    ensure!(lab.epoch(tenant).await? == epoch, "a guard of a definition moved the epoch");
    let twice = lab.put(super::edit::sample(tenant, team, lab.now())).await;
    ensure!(twice.is_err(), "a team was created twice");
    ensure!(lab.epoch(tenant).await? == epoch, "a commit that failed moved the epoch");
    Ok(())
}

async fn many_definitions(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = (0..300).map(|number| {
        lab.new_record(world.tenant, Kind::Property)
            .set("position", Value::Int(number))
            .set("description", Value::text("d".repeat(2000)))
    });
    let images = lab.put_all(edits.collect()).await?;
    let mut expected: Vec<Ref> =
        world.records().filter(|record| crate::catalog::decl(record.kind).is_definition).collect();
    expected.extend(images.iter().map(|image| image.reference()));
    let found = lab.store.definitions(world.tenant).await?.images;
    ensure!(found.len() == expected.len(), "{} of {} definitions are told", found.len(), expected.len());
    Ok(())
}
