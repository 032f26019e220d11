//! Commits of one record and of many: writes are readable afterwards, and every version is a condition.

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::model::{
    schema::Versions,
    store::StoreError,
    value::{Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("commits", empty_store, "an empty store answers every read with nothing"),
    case!("commits", create_and_get, "a record that was created is got as it was written, for every kind"),
    case!("commits", many_in_one_get, "one get answers every want in order, the same want twice too"),
    case!("commits", edit_keeps_the_rest, "an edit writes what it names; all else stays"),
    case!("commits", clear_a_field, "a field that is cleared is missing afterwards, of every type"),
    case!("commits", several_changes_at_once, "one write may bring many changes: a creation with its history"),
    case!("commits", stale_write, "a write based on an old version is a conflict that tells the current versions"),
    case!("commits", create_twice, "a record that exists cannot be created again"),
    case!("commits", edit_of_nothing, "a record that does not exist cannot be edited"),
    case!("commits", version_from_the_future, "a write based on a version that is not yet reached is a conflict"),
    case!("commits", conflict_names_the_first, "of several stale records the first in the commit's order is named"),
    case!("commits", archive_and_restore, "an archived record is got by id, and restored is as before"),
    case!("commits", many_kinds_at_once, "one commit writes records of many kinds that refer to one another"),
];

async fn empty_store(lab: &Lab<'_>) -> Outcome {
    let (tenant, other) = (lab.id(), lab.id());
    lab.expect_none(tenant, Ref::new(Kind::Lead, other)).await?;
    ensure!(lab.epoch(tenant).await?.is_nil(), "a tenant without definitions has an epoch");
    ensure!(lab.store.definitions(tenant).await?.images.is_empty(), "an empty store has definitions");
    ensure!(lab.key(tenant, "a").await?.is_none(), "an empty store has a key");
    ensure!(lab.changes(tenant, Ref::new(Kind::Lead, other)).await?.is_empty(), "an empty store has a history");
    for decl in crate::catalog::all() {
        for index in &decl.indexes {
            let equals = vec![Value::Null; index.equals.len()];
            let listed = lab.walk(&lab.query(tenant, decl.kind, &index.name, equals)).await?;
            ensure!(listed.is_empty(), "an empty store lists {}", decl.kind.plural());
        }
    }
    let (told, _) = lab.feed(None, 10, 0).await?;
    ensure!(told.is_empty(), "an empty store has a feed");
    Ok(())
}

async fn create_and_get(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    for &kind in Kind::ALL.iter().filter(|&&kind| kind != Kind::Organization) {
        let image = lab.put(lab.new_record(world.tenant, kind).by(world.users[0])).await?;
        lab.expect(&image).await.map_err(|failure| failure.at("created"))?;
        ensure!(image.versions == Versions { person: 1, machine: 0 }, "a creation leads to person 1, machine 0");
    }
    Ok(())
}

async fn many_in_one_get(lab: &Lab<'_>) -> Outcome {
    use crate::model::store::{Got, Want};
    let world = lab.tenant().await?;
    let edits = (0..60).map(|_| lab.new_record(world.tenant, Kind::Company)).collect();
    let images = lab.put_all(edits).await?;
    let missing = Ref::new(Kind::Company, lab.id());
    let mut wants: Vec<Want> = images.iter().rev().map(|image| Want::Record(image.reference())).collect();
    wants.push(Want::Record(missing));
    wants.push(Want::Record(images[7].reference()));
    wants.push(Want::Key("none".to_owned()));
    // The same id with another kind is another record.
    wants.push(Want::Record(Ref::new(Kind::Contact, images[7].id)));
    let answer = lab.store.get(world.tenant, &wants).await?;
    ensure!(answer.got.len() == wants.len(), "{} wants got {} answers", wants.len(), answer.got.len());
    let expected = images.iter().rev().map(Some).chain([None, Some(&images[7])]);
    for (at, (expected, got)) in expected.zip(&answer.got).enumerate() {
        let Got::Record(got) = got else { return Err(Failure::new(format!("want {at} got {got:?}"))) };
        match (expected, got) {
            (None, None) => {}
            (Some(expected), Some(got)) => {
                if let Some(told) = super::differences(expected, got, false) {
                    return Err(Failure::new(format!("want {at}: {told}")));
                }
            }
            _ => return Err(Failure::new(format!("want {at}: expected {expected:?}, got {got:?}"))),
        }
    }
    let last = &answer.got[answer.got.len() - 2..];
    ensure!(last == [Got::Key(None), Got::Record(None)], "the key and the record of another kind got {last:?}");
    Ok(())
}

async fn edit_keeps_the_rest(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let created = lab
        .put(
            lab.new_record(world.tenant, Kind::Lead)
                .set("email", Value::text("ada@example.com"))
                .set("owner_id", Value::Id(world.users[0]))
                .set("tags", Value::list([Value::text("a"), Value::text("b")]))
                .set("description", Value::text("a long text"))
                .property("size", Value::Int(7))
                .property("color", Value::text("red")),
        )
        .await?;
    let edited = lab
        .put(lab.change(&created).set("job_title", Value::text("CTO")).property("size", Value::Null).by(world.users[1]))
        .await?;
    lab.expect(&edited).await?;
    let again = lab.put(lab.change(&edited).set("tags", Value::list([Value::text("c")]))).await?;
    lab.expect(&again).await?;
    ensure!(again.versions == Versions { person: 3, machine: 0 }, "three changes lead to version 3");
    Ok(())
}

async fn clear_a_field(lab: &Lab<'_>) -> Outcome {
    use super::samples;
    let world = lab.tenant().await?;
    for kind in [Kind::Lead, Kind::Deal, Kind::Company, Kind::Contact, Kind::Task, Kind::Interaction] {
        let bare = lab.new_record(world.tenant, kind);
        let empty = bare.after();
        let mut full = bare;
        let mut names = Vec::new();
        for (at, field) in empty.decl.fields.iter().enumerate() {
            let value = samples::values(field.ty, &world).into_iter().next();
            if let Some(value) = value.filter(|_| samples::may_be_missing(empty.decl, at)) {
                full = full.set(field.name, value);
                names.push(field.name);
            }
        }
        let full = lab.put(full).await?;
        lab.expect(&full).await.map_err(|failure| failure.at("with every field filled"))?;
        let cleared = names.iter().fold(lab.change(&full), |edit, name| edit.set(name, Value::Null));
        let cleared = lab.put(cleared).await?;
        lab.expect(&cleared).await.map_err(|failure| failure.at("with every field cleared"))?;
    }
    Ok(())
}

async fn several_changes_at_once(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut edit = lab.new_record(world.tenant, Kind::Deal).stage(world.deal_pipeline, world.stages[0]);
    for stage in [1, 2] {
        edit = edit.next(lab.now()).stage(world.deal_pipeline, world.stages[stage]).action("move_stage");
    }
    let created = lab.put(edit).await?;
    ensure!(created.versions.person == 3, "a creation with two moves leads to version 3");
    lab.expect(&created).await?;
    let changes = lab.changes(world.tenant, created.reference()).await?;
    ensure!(changes.len() == 3, "three changes were written, {} are there", changes.len());
    let edit =
        lab.change(&created).set("source", Value::text("web")).next(lab.now()).set("source", Value::text("fair"));
    let edited = lab.put(edit).await?;
    ensure!(edited.versions.person == 5, "two more changes lead to version 5");
    lab.expect(&edited).await?;
    let versions: Vec<u64> =
        lab.changes(world.tenant, created.reference()).await?.iter().map(|change| change.version).collect();
    ensure!(versions == [1, 2, 3, 4, 5], "the log has the versions {versions:?}");
    Ok(())
}

async fn stale_write(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let first = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let second = lab.put(lab.change(&first).set("source", Value::text("web"))).await?;
    let stale = lab.put(lab.change(&first).set("source", Value::text("fair"))).await;
    expect_conflict(stale.map(drop), second.reference(), Some(second.versions))?;
    lab.expect(&second).await?;
    let changes = lab.changes(world.tenant, second.reference()).await?;
    ensure!(changes.len() == 2, "a refused write left a change: {changes:?}");
    Ok(())
}

async fn create_twice(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let first = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    let again = super::edit::sample(world.tenant, first.reference(), lab.now()).set("source", Value::text("again"));
    expect_conflict(lab.put(again).await.map(drop), first.reference(), Some(first.versions))?;
    lab.expect(&first).await?;
    let archived = lab.put(lab.change(&first).archive()).await?;
    let again = super::edit::sample(world.tenant, first.reference(), lab.now());
    expect_conflict(lab.put(again).await.map(drop), first.reference(), Some(archived.versions))?;
    lab.expect(&archived).await
}

async fn edit_of_nothing(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let never = lab.new_record(world.tenant, Kind::Lead).after();
    let person = lab.put(lab.change(&never).set("source", Value::text("web"))).await;
    expect_conflict(person.map(drop), never.reference(), None)?;
    let machine = lab.put(lab.change(&never).set("score", Value::Int(1))).await;
    expect_conflict(machine.map(drop), never.reference(), None)?;
    lab.expect_none(world.tenant, never.reference()).await
}

async fn version_from_the_future(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let stored = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let never = lab.change(&stored).set("source", Value::text("web")).after();
    let ahead = lab.put(lab.change(&never).set("source", Value::text("fair"))).await;
    expect_conflict(ahead.map(drop), stored.reference(), Some(stored.versions))?;
    lab.expect(&stored).await
}

async fn conflict_names_the_first(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = vec![
        lab.new_record(world.tenant, Kind::Deal),
        lab.new_record(world.tenant, Kind::Lead),
        lab.new_record(world.tenant, Kind::Company),
        lab.new_record(world.tenant, Kind::Company),
    ];
    let old = lab.put_all(edits).await?;
    // All companies except the first are changed.
    let mut new = Vec::new();
    for image in [&old[0], &old[1], &old[3]] {
        new.push(lab.put(lab.change(image).set("source", Value::text("web"))).await?);
    }
    let stale = |at: usize| lab.change(&old[at]).set("source", Value::text("fair"));
    let all = lab.step(world.tenant).write(stale(0)).write(stale(1)).write(stale(2)).write(stale(3)).send().await;
    expect_conflict(all.map(drop), old[3].reference(), Some(new[2].versions))?;
    let guarded = lab.step(world.tenant).write(stale(0)).guard(&old[1]).write(stale(2)).send().await;
    expect_conflict(guarded.map(drop), old[1].reference(), Some(new[1].versions))?;
    let written = lab.step(world.tenant).guard(&old[0]).write(stale(1)).write(stale(2)).send().await;
    expect_conflict(written.map(drop), old[1].reference(), Some(new[1].versions))?;
    lab.expect(&old[2]).await
}

async fn archive_and_restore(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let live = lab.put(lab.new_record(world.tenant, Kind::Contact)).await?;
    let archived = lab.put(lab.change(&live).archive()).await?;
    lab.expect(&archived).await?;
    let restored = lab.put(lab.change(&archived).restore().set("source", Value::text("back"))).await?;
    lab.expect(&restored).await?;
    ensure!(!restored.is_archived(), "a restored record is archived");
    Ok(())
}

async fn many_kinds_at_once(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let company = lab.new_record(tenant, Kind::Company);
    let child = lab.new_record(tenant, Kind::Company).set("parent_id", Value::Id(company.record().id));
    let contact = lab.new_record(tenant, Kind::Contact).set("company_id", Value::Id(company.record().id));
    let deal = lab
        .new_record(tenant, Kind::Deal)
        .set("company_id", Value::Id(company.record().id))
        .set("primary_contact_id", Value::Id(contact.record().id))
        .stage(world.deal_pipeline, world.stages[0]);
    let links = Value::list([company.record(), contact.record(), deal.record()].map(Value::Ref));
    let note = lab.new_record(tenant, Kind::Note).set("links", links.clone());
    let task = lab.new_record(tenant, Kind::Task).set("links", links.clone());
    let call = lab.new_record(tenant, Kind::Interaction).set("links", links);
    let tie = lab
        .new_record(tenant, Kind::Association)
        .set("from", Value::Ref(contact.record()))
        .set("to", Value::Ref(deal.record()));
    // In an order in which every reference points forward, which must have no effect: the commit is sorted.
    let edits = [tie, call, task, note, deal, contact, child, company];
    let images: Vec<_> = edits.iter().map(super::Edit::after).collect();
    edits.into_iter().fold(lab.step(tenant), super::Step::write).send().await?;
    for image in &images {
        lab.expect(image).await?;
    }
    Ok(())
}

/// Requires that a commit failed with a conflict of this record at these versions.
pub(super) fn expect_conflict(outcome: Result<(), StoreError>, record: Ref, current: Option<Versions>) -> Outcome {
    match outcome {
        Err(StoreError::Conflict { record: named, current: told }) if named == record && told == current => Ok(()),
        other => {
            Err(Failure::new(format!("expected a conflict of {record} (now at {current:?}), the store said {other:?}")))
        }
    }
}
