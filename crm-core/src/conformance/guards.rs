//! Guards: records that a decision read and that must not have changed since.

use super::{Case, Lab, Outcome, case, commits::expect_conflict, ensure};
use crate::model::value::{Kind, Ref, Value};

pub(super) const CASES: &[Case] = &[
    case!("guards", unchanged_passes, "a commit passes while what it guards is at its version, again and again"),
    case!("guards", changed_refuses, "a commit whose guarded record has changed stores nothing"),
    case!("guards", missing_refuses, "a guarded record must exist"),
    case!("guards", machine_writes_pass, "a guard holds the person's version alone"),
    case!("guards", archived_counts_as_changed, "archiving is a change; an archived record can be guarded as it is"),
    case!("guards", guards_alone, "a commit of guards alone is a check"),
    case!("guards", many_guards, "of many guards each one counts"),
];

async fn unchanged_passes(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let parent = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    for _ in 0..3 {
        let child = lab.new_record(world.tenant, Kind::Company).set("parent_id", Value::Id(parent.id));
        let image = child.after();
        lab.step(world.tenant).write(child).guard(&parent).send().await?;
        lab.expect(&image).await?;
    }
    lab.expect(&parent).await?;
    let changes = lab.changes(world.tenant, parent.reference()).await?;
    ensure!(changes.len() == 1, "a guard left a change: {changes:?}");
    Ok(())
}

async fn changed_refuses(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let parent = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    let moved = lab.put(lab.change(&parent).set("source", Value::text("web"))).await?;
    for version in [parent.versions.person, 0, moved.versions.person + 1, u64::from(u32::MAX)] {
        let child = lab.new_record(world.tenant, Kind::Company);
        let record = child.record();
        let refused = lab.step(world.tenant).write(child).guard_at(parent.reference(), version).send().await;
        expect_conflict(refused.map(drop), parent.reference(), Some(moved.versions))?;
        lab.expect_none(world.tenant, record).await?;
    }
    Ok(())
}

async fn missing_refuses(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let nobody = Ref::new(Kind::Company, lab.id());
    for version in [0, 1] {
        let child = lab.new_record(world.tenant, Kind::Company);
        let record = child.record();
        let refused = lab.step(world.tenant).write(child).guard_at(nobody, version).send().await;
        expect_conflict(refused.map(drop), nobody, None)?;
        lab.expect_none(world.tenant, record).await?;
    }
    // A record of another kind with the same id does not satisfy the guard.
    let lead = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let other = Ref::new(Kind::Contact, lead.id);
    expect_conflict(lab.step(world.tenant).guard_at(other, 1).send().await.map(drop), other, None)
}

async fn machine_writes_pass(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let company = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    lab.put(lab.change(&company).set("score", Value::Int(9))).await?;
    let contact = lab.new_record(world.tenant, Kind::Contact);
    let image = contact.after();
    lab.step(world.tenant).write(contact).guard(&company).send().await?;
    lab.expect(&image).await
}

async fn archived_counts_as_changed(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let company = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    let archived = lab.put(lab.change(&company).archive()).await?;
    let refused = lab.step(world.tenant).write(lab.new_record(world.tenant, Kind::Contact)).guard(&company);
    expect_conflict(refused.send().await.map(drop), company.reference(), Some(archived.versions))?;
    lab.step(world.tenant).write(lab.new_record(world.tenant, Kind::Contact)).guard(&archived).send().await?;
    Ok(())
}

async fn guards_alone(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let company = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    lab.step(world.tenant).guard(&company).send().await?;
    let moved = lab.put(lab.change(&company).set("source", Value::text("web"))).await?;
    let refused = lab.step(world.tenant).guard(&company).send().await;
    expect_conflict(refused.map(drop), company.reference(), Some(moved.versions))?;
    lab.expect(&moved).await
}

async fn many_guards(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let companies = lab.put_all((0..30).map(|_| lab.new_record(world.tenant, Kind::Company)).collect()).await?;
    let all = || companies.iter().fold(lab.step(world.tenant), |step, image| step.guard(image));
    all().write(lab.new_record(world.tenant, Kind::Lead)).send().await?;
    let moved = lab.put(lab.change(&companies[17]).set("source", Value::text("web"))).await?;
    let lead = lab.new_record(world.tenant, Kind::Lead);
    let record = lead.record();
    expect_conflict(all().write(lead).send().await.map(drop), moved.reference(), Some(moved.versions))?;
    lab.expect_none(world.tenant, record).await
}
