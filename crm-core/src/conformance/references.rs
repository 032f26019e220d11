//! References between records: within one commit in any order, to archived records, and to records that do not exist.

use super::{Case, Edit, Lab, Outcome, Step, case, ensure};
use crate::model::{
    store::StoreError,
    value::{Id, Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("references", circles_within_a_commit, "records made in one commit may refer to one another in a circle"),
    case!(
        "references",
        archived_targets_stay_valid,
        "a reference to an archived record can be kept, written and taken out"
    ),
    case!(
        "references",
        nothing_half_dangling,
        "a reference to nothing is refused whole, or stored: nothing in between"
    ),
    case!(
        "references",
        no_reference_across_tenants,
        "a reference to another tenant's record is refused whole, or finds nothing"
    ),
];

async fn circles_within_a_commit(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let new = |kind| lab.new_record(tenant, kind);
    let (boss, user, team, below) = (new(Kind::User), new(Kind::User), new(Kind::Team), new(Kind::Team));
    let (boss_id, team_id) = (boss.record().id, team.record().id);
    let user = user
        .set("manager_id", Value::Id(boss_id))
        .set("team_ids", Value::list([Value::Id(team_id)]))
        .set("role_ids", Value::list([Value::Id(world.role)]))
        .by(boss_id);
    let boss = boss.set("team_ids", Value::list([Value::Id(team_id)])).by(boss_id);
    let team = team.set("manager_id", Value::Id(boss_id)).by(boss_id);
    let below = below.set("parent_id", Value::Id(team_id)).set("manager_id", Value::Id(user.record().id)).by(boss_id);
    let edits = [below, team, user, boss];
    let images: Vec<_> = edits.iter().map(Edit::after).collect();
    edits.into_iter().fold(lab.step(tenant), Step::write).send().await?;
    for image in &images {
        lab.expect(image).await?;
    }
    Ok(())
}

async fn archived_targets_stay_valid(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let company = lab.put(lab.new_record(world.tenant, Kind::Company)).await?;
    let contact = lab.put(lab.new_record(world.tenant, Kind::Contact).set("company_id", Value::Id(company.id))).await?;
    lab.put(lab.change(&company).archive()).await?;
    lab.expect(&contact).await?;
    let edited = lab.put(lab.change(&contact).set("source", Value::text("web"))).await?;
    lab.expect(&edited).await?;
    let another = lab.put(lab.new_record(world.tenant, Kind::Contact).set("company_id", Value::Id(company.id))).await?;
    lab.expect(&another).await?;
    let cleared = lab.put(lab.change(&edited).set("company_id", Value::Null)).await?;
    lab.expect(&cleared).await
}

/// Sends a step with a reference to a record that does not exist in the tenant. It must be refused as dangling with
/// nothing stored, or stored completely.
async fn whole_or_nothing(lab: &Lab<'_>, step: Step<'_>) -> Outcome {
    let commit = step.build();
    match lab.store.commit(&commit).await {
        Ok(()) => {
            for write in &commit.writes {
                lab.expect(&write.after).await?;
            }
        }
        Err(StoreError::Dangling) => {
            for write in &commit.writes {
                match &write.before {
                    None => lab.expect_none(commit.tenant, write.record()).await?,
                    Some(before) => lab.expect(before).await?,
                }
            }
        }
        Err(other) => return Err(super::Failure::new(format!("a dangling reference gave {other:?}"))),
    }
    Ok(())
}

async fn nothing_half_dangling(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let there = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    let nobody = || Value::Id(lab.id());
    let step = |edit: Edit| {
        lab.step(tenant)
            .write(lab.new_record(tenant, Kind::Company))
            .write(edit)
            .write(lab.change(&there).set("source", Value::text("web")))
    };
    whole_or_nothing(lab, step(lab.new_record(tenant, Kind::Deal).set("owner_id", nobody()))).await?;
    let there = lab.get(tenant, there.reference()).await?.unwrap_or(there);
    let step = |edit: Edit| lab.step(tenant).write(lab.change(&there).set("score", Value::Int(1))).write(edit);
    whole_or_nothing(lab, step(lab.new_record(tenant, Kind::Contact).set("company_id", nobody()))).await?;
    let gone = Value::list([Value::Ref(Ref::new(Kind::Deal, lab.id()))]);
    let step = lab.step(tenant).write(lab.new_record(tenant, Kind::Task).set("links", gone));
    whole_or_nothing(lab, step).await
}

async fn no_reference_across_tenants(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let theirs = lab.put(lab.new_record(one.tenant, Kind::Company)).await?;
    let step =
        lab.step(two.tenant).write(lab.new_record(two.tenant, Kind::Contact).set("company_id", Value::Id(theirs.id)));
    whole_or_nothing(lab, step).await?;
    let step =
        lab.step(two.tenant).write(lab.new_record(two.tenant, Kind::Deal).set("owner_id", Value::Id(one.users[0])));
    whole_or_nothing(lab, step).await?;
    lab.expect_none(two.tenant, theirs.reference()).await?;
    lab.settle().await;
    let query = lab.query(one.tenant, Kind::Contact, "company_id -> name", vec![Value::Id(theirs.id)]);
    ensure!(lab.walk(&query).await?.is_empty(), "tenant one lists a contact of tenant two");
    lab.expect_none(Id::NIL, theirs.reference()).await
}
