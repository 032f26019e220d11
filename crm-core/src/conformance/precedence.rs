//! The error that is reported if a commit fails for several reasons. Callers depend on it to decide how to continue.

use super::{
    Case, Lab, Outcome, case,
    claims::{expect_claimed, expect_conflict_of},
    commits::expect_conflict,
    ensure,
    keys::expect_used,
};
use crate::model::{
    store::{Claim, StoreError},
    value::{Kind, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("precedence", key_before_all, "a used key is told before stale versions and taken claims"),
    case!("precedence", versions_before_claims, "stale versions, of writes and of guards, are told before claims"),
    case!("precedence", claims_last, "with key and versions in order, the claim is told"),
    case!("precedence", budget_before_all, "what is too large is told before anything else"),
];

async fn key_before_all(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = Claim::new(tenant, Kind::Contact, "emails", "a@example.com");
    let holder = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    let old = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    lab.put(lab.change(&old).set("source", Value::text("web"))).await?;
    lab.step(tenant).take(&claim, holder.reference()).key("key", 24).send().await?;
    let stale = || lab.change(&old).set("source", Value::text("fair"));
    let all = lab.step(tenant).write(stale()).take(&claim, old.reference()).key("key", 24);
    expect_used(all.send().await.map(drop))?;
    expect_used(lab.step(tenant).guard_at(old.reference(), 77).key("key", 24).send().await.map(drop))?;
    expect_used(lab.step(tenant).release(&claim, old.reference()).key("key", 24).send().await.map(drop))
}

async fn versions_before_claims(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = Claim::new(tenant, Kind::Contact, "emails", "a@example.com");
    let free = Claim::new(tenant, Kind::Contact, "emails", "b@example.com");
    let holder = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    let old = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    let now = lab.put(lab.change(&old).set("source", Value::text("web"))).await?;
    lab.step(tenant).take(&claim, holder.reference()).send().await?;
    let stale = || lab.change(&old).set("source", Value::text("fair"));
    let conflict = |outcome: Result<(), StoreError>| expect_conflict(outcome, old.reference(), Some(now.versions));
    let taken = lab.step(tenant).write(stale()).take(&claim, old.reference()).take(&free, old.reference());
    conflict(taken.send().await.map(drop))?;
    conflict(lab.step(tenant).write(stale()).release(&claim, old.reference()).send().await.map(drop))?;
    conflict(lab.step(tenant).guard(&old).take(&claim, holder.reference()).send().await.map(drop))?;
    conflict(lab.step(tenant).guard(&old).take(&claim, old.reference()).send().await.map(drop))?;
    // A new record that exists already, and whose claim is held by its own first creation.
    let again = super::edit::sample(tenant, holder.reference(), lab.now());
    let twice = lab.step(tenant).write(again).take(&claim, holder.reference()).send().await;
    expect_conflict(twice.map(drop), holder.reference(), Some(holder.versions))?;
    lab.expect_holder(&free, None).await
}

async fn claims_last(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = Claim::new(tenant, Kind::Contact, "emails", "a@example.com");
    let holder = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    let other = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    lab.step(tenant).take(&claim, holder.reference()).send().await?;
    let edit = || lab.change(&other).set("source", Value::text("web"));
    let taken = lab.step(tenant).write(edit()).guard(&holder).take(&claim, other.reference()).key("key", 24);
    expect_claimed(taken.send().await.map(drop), &claim, holder.reference())?;
    let released = lab.step(tenant).write(edit()).guard(&holder).release(&claim, other.reference()).key("key", 24);
    expect_conflict_of(released.send().await.map(drop), other.reference())?;
    lab.expect(&other).await?;
    ensure!(lab.key(tenant, "key").await?.is_none(), "a commit that failed left its key");
    Ok(())
}

async fn budget_before_all(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    lab.put(lab.change(&old).set("source", Value::text("web"))).await?;
    lab.step(tenant).key("key", 24).send().await?;
    let mut step = lab.step(tenant).write(lab.change(&old).set("source", Value::text("fair"))).key("key", 24);
    for number in 0..100 {
        let claim = Claim::new(tenant, Kind::Contact, "emails", &format!("{number}@example.com"));
        step = step.take(&claim, old.reference());
    }
    let refused = step.send().await;
    ensure!(matches!(refused, Err(StoreError::TooLarge { .. })), "a commit of 103 items gave {refused:?}");
    Ok(())
}
