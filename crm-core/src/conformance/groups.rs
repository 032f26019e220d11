//! The two groups of a record: writes of the user group and of the machine group never conflict.

use std::sync::Arc;

use super::{Case, Failure, Lab, Outcome, case, commits::expect_conflict, ensure};
use crate::model::{
    schema::{Image, Versions},
    value::{Kind, Value},
};

pub(super) const CASES: &[Case] = &[
    case!(
        "groups",
        machine_keeps_what_people_wrote,
        "a machine write based on an older read of the person's fields goes through and keeps what is stored of them"
    ),
    case!(
        "groups",
        people_keep_what_the_machine_wrote,
        "a person's write based on an older read of the machine's fields goes through and keeps them"
    ),
    case!("groups", machine_against_machine, "two machine writes from one read: the second is a conflict"),
    case!("groups", both_at_once, "a write of both groups asks for both versions"),
    case!(
        "groups",
        machine_leaves_no_trace_on_people,
        "a machine write changes neither updated_at nor updated_by, nor the log"
    ),
    case!(
        "groups",
        listed_image_may_be_rescored,
        "a machine write based on a listed record leaves its long text alone"
    ),
    case!("groups", machine_writes_many_kinds, "the machine's group of every kind that has one is written by itself"),
];

async fn lead(lab: &Lab<'_>) -> Result<Arc<Image>, Failure> {
    let world = lab.tenant().await?;
    let edit = lab
        .new_record(world.tenant, Kind::Lead)
        .set("description", Value::text("a long text"))
        .set("stage_kind", Value::text("open"))
        .set("status", Value::text("new"))
        .property("size", Value::Int(1));
    Ok(lab.put(edit).await?)
}

/// Returns the user group of one image with the machine group of another.
fn merged(person: &Image, machine: &Image) -> Image {
    use crate::model::schema::Section;
    let mut image = person.clone();
    for (at, field) in image.decl.fields.iter().enumerate() {
        if field.section == Section::Machine {
            image.values[at] = machine.values[at].clone();
        }
    }
    image.versions.machine = machine.versions.machine;
    image
}

async fn machine_keeps_what_people_wrote(lab: &Lab<'_>) -> Outcome {
    let read = lead(lab).await?;
    let person = lab
        .change(&read)
        .set("source", Value::text("web"))
        .set("description", Value::text("another"))
        .set("status", Value::text("contacted"))
        .set("tags", Value::list([Value::text("a")]))
        .property("size", Value::Int(2));
    let person = lab.put(person).await?;
    let machine = lab.put(lab.change(&read).set("score", Value::Int(90)).set("is_hot", Value::Bool(true))).await?;
    lab.expect(&merged(&person, &machine)).await?;
    // Once more, after a user archived it in the meantime.
    let read = lab.get(read.tenant, read.reference()).await?.ok_or_else(|| Failure::new("the lead is gone"))?;
    let archived = lab.put(lab.change(&read).archive()).await?;
    let machine = lab.put(lab.change(&read).set("grade", Value::text("A1"))).await?;
    lab.expect(&merged(&archived, &machine)).await?;
    lab.settle().await;
    let all = [Arc::new(merged(&archived, &machine))];
    lab.expect_list(&all, &lab.query(read.tenant, Kind::Lead, "archived", vec![])).await?;
    lab.expect_list(&all, &lab.query(read.tenant, Kind::Lead, " -> score", vec![])).await
}

async fn people_keep_what_the_machine_wrote(lab: &Lab<'_>) -> Outcome {
    let read = lead(lab).await?;
    let machine = lab.put(lab.change(&read).set("score", Value::Int(90)).set("grade", Value::text("A1"))).await?;
    let machine = lab.put(lab.change(&machine).set("score", Value::Int(91))).await?;
    let person = lab.put(lab.change(&read).set("source", Value::text("web"))).await?;
    let stored = merged(&person, &machine);
    lab.expect(&stored).await?;
    ensure!(stored.versions == Versions { person: 2, machine: 2 }, "versions {:?}", stored.versions);
    lab.settle().await;
    let all = [Arc::new(stored)];
    for index in [" -> score", " -> created_at"] {
        lab.expect_list(&all, &lab.query(read.tenant, Kind::Lead, index, vec![])).await?;
    }
    Ok(())
}

async fn machine_against_machine(lab: &Lab<'_>) -> Outcome {
    let read = lead(lab).await?;
    let first = lab.put(lab.change(&read).set("score", Value::Int(1))).await?;
    let second = lab.put(lab.change(&read).set("grade", Value::text("B"))).await;
    expect_conflict(second.map(drop), read.reference(), Some(first.versions))?;
    lab.expect(&first).await
}

async fn both_at_once(lab: &Lab<'_>) -> Outcome {
    let read = lead(lab).await?;
    let both = |before: &Arc<Image>, text: &'static str| {
        lab.change(before).set("source", Value::text(text)).set("score", Value::Int(1))
    };
    let machine = lab.put(lab.change(&read).set("score", Value::Int(5))).await?;
    expect_conflict(lab.put(both(&read, "a")).await.map(drop), read.reference(), Some(machine.versions))?;
    let person = lab.put(lab.change(&machine).set("source", Value::text("b"))).await?;
    expect_conflict(lab.put(both(&machine, "c")).await.map(drop), read.reference(), Some(person.versions))?;
    lab.expect(&person).await?;
    let done = lab.put(both(&person, "d")).await?;
    lab.expect(&done).await
}

async fn machine_leaves_no_trace_on_people(lab: &Lab<'_>) -> Outcome {
    let read = lead(lab).await?;
    let mut image = read.clone();
    for score in 0..5 {
        image = lab.put(lab.change(&image).set("score", Value::Int(score))).await?;
    }
    lab.expect(&image).await?;
    ensure!(image.versions == Versions { person: 1, machine: 5 }, "versions {:?}", image.versions);
    ensure!(image.get("updated_at") == read.get("updated_at"), "a machine write moved updated_at");
    let changes = lab.changes(read.tenant, read.reference()).await?;
    ensure!(changes.len() == 1, "machine writes were logged: {changes:?}");
    let person = lab.put(lab.change(&read).set("source", Value::text("web"))).await?;
    lab.expect(&merged(&person, &image)).await
}

async fn listed_image_may_be_rescored(lab: &Lab<'_>) -> Outcome {
    let read = lead(lab).await?;
    lab.settle().await;
    let listed = lab.walk(&lab.query(read.tenant, Kind::Lead, " -> created_at", vec![])).await?;
    let listed = listed.first().ok_or_else(|| Failure::new("the lead is not listed"))?;
    let scored = lab.put(lab.change(listed).set("score", Value::Int(7))).await?;
    lab.expect(&merged(&read, &scored)).await
}

async fn machine_writes_many_kinds(lab: &Lab<'_>) -> Outcome {
    use super::samples;
    use crate::model::schema::Section;
    let world = lab.tenant().await?;
    for decl in crate::catalog::all() {
        let machine: Vec<_> = decl.fields.iter().filter(|field| field.section == Section::Machine).collect();
        if machine.is_empty() {
            continue;
        }
        let read = lab.put(lab.new_record(world.tenant, decl.kind)).await?;
        let person = lab.put(lab.change(&read).set("external_id", Value::text("x"))).await?;
        let mut machine_side = read.clone();
        for round in 0..3 {
            let edit = machine.iter().fold(lab.change(&machine_side), |edit, field| {
                let values = samples::values(field.ty, &world);
                edit.set(field.name, values[round % values.len()].clone())
            });
            machine_side = lab.put(edit).await?;
            lab.expect(&merged(&person, &machine_side)).await?;
        }
    }
    Ok(())
}
