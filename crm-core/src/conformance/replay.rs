//! A commit that is resent, as after a lost answer, has no second effect, whatever the answer.

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::model::{
    store::{Claim, Commit, StoreError},
    value::{Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("replay", creation_again, "a creation sent again makes nothing twice"),
    case!("replay", edit_again, "an edit sent again raises no version twice"),
    case!("replay", machine_write_again, "a machine write that is not logged, sent again, has no second effect"),
    case!("replay", key_again, "a commit under a key sent again is told that the key is used, or succeeds"),
    case!("replay", late_replay, "a commit sent again after others changed its records undoes nothing of theirs"),
    case!("replay", claims_again, "claims taken, released and handed over by a commit stay so when it is sent again"),
    case!("replay", own_commit_is_found, "the log tells whose commit made the change at base + 1"),
];

/// Resends a commit, which fails with a conflict or a used key, or succeeds.
async fn send_again(lab: &Lab<'_>, commit: &Commit) -> Result<Result<(), StoreError>, Failure> {
    match lab.store.commit(commit).await {
        Ok(()) => Ok(Ok(())),
        Err(error @ (StoreError::Conflict { .. } | StoreError::KeyUsed)) => Ok(Err(error)),
        Err(other) => Err(Failure::new(format!("sent again, the store said {other:?}"))),
    }
}

async fn expect_versions(lab: &Lab<'_>, commit: &Commit, record: Ref, versions: &[u64]) -> Outcome {
    let changes = lab.changes(commit.tenant, record).await?;
    let found: Vec<u64> = changes.iter().map(|change| change.version).collect();
    ensure!(found == versions, "the log holds the versions {found:?} in place of {versions:?}");
    lab.settle().await;
    // The tenant's own ten records, and the changes of this one.
    let (told, _) = lab.feed(None, 100, 10 + changes.len()).await?;
    let told = told.iter().filter(|(_, change)| change.record == record && change.commit == commit.id).count();
    let own = changes.iter().filter(|change| change.commit == commit.id).count();
    ensure!(told == own, "the feed tells {told} changes of the commit, the history {own}");
    Ok(())
}

async fn creation_again(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = Claim::new(tenant, Kind::Contact, "emails", "a@example.com");
    let edit = lab.new_record(tenant, Kind::Contact).set("description", Value::text("long"));
    let image = edit.after();
    let commit = lab.step(tenant).take(&claim, image.reference()).write(edit).send().await?;
    for _ in 0..3 {
        send_again(lab, &commit).await?.ok();
        lab.expect(&image).await?;
        lab.expect_holder(&claim, Some(image.reference())).await?;
        expect_versions(lab, &commit, image.reference(), &[1]).await?;
    }
    lab.settle().await;
    lab.expect_list(&[image], &lab.query(tenant, Kind::Contact, " -> created_at", vec![])).await
}

async fn edit_again(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    let edit = lab.change(&old).set("source", Value::text("web")).next(lab.now()).set("source", Value::text("fair"));
    let image = edit.after();
    let commit = lab.step(tenant).write(edit).send().await?;
    for _ in 0..2 {
        send_again(lab, &commit).await?.ok();
        lab.expect(&image).await?;
        expect_versions(lab, &commit, image.reference(), &[1, 2, 3]).await?;
    }
    Ok(())
}

async fn machine_write_again(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    let edit = lab.change(&old).set("score", Value::Int(9));
    let image = edit.after();
    let commit = lab.step(tenant).write(edit).send().await?;
    send_again(lab, &commit).await?.ok();
    lab.expect(&image).await?;
    let later = lab.put(lab.change(&image).set("score", Value::Int(10))).await?;
    send_again(lab, &commit).await?.ok();
    lab.expect(&later).await
}

async fn key_again(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let edit = lab.new_record(tenant, Kind::Lead);
    let image = edit.after();
    let commit = lab.step(tenant).write(edit).key("key", 24).send().await?;
    let again = send_again(lab, &commit).await?;
    ensure!(!matches!(again, Err(StoreError::Conflict { .. })), "the key is told before the version: {again:?}");
    lab.expect(&image).await?;
    ensure!(lab.key(tenant, "key").await? == commit.key, "the key's entry is not what it was");
    let alone = lab.step(tenant).key("alone", 24).send().await?;
    send_again(lab, &alone).await?.ok();
    ensure!(lab.key(tenant, "alone").await? == alone.key, "the key's entry is not what it was");
    Ok(())
}

async fn late_replay(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = Claim::new(tenant, Kind::Contact, "emails", "a@example.com");
    let old = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    let edit = lab.change(&old).set("source", Value::text("web"));
    let image = edit.after();
    let first = lab.step(tenant).write(edit).take(&claim, old.reference()).send().await?;
    let edit = lab.change(&image).set("source", Value::text("fair"));
    let later = edit.after();
    lab.step(tenant).write(edit).release(&claim, old.reference()).send().await?;
    send_again(lab, &first).await?.ok();
    lab.expect(&later).await?;
    lab.expect_holder(&claim, None).await?;
    expect_versions(lab, &first, old.reference(), &[1, 2, 3]).await
}

async fn claims_again(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let [taken, released, handed] =
        ["taken", "released", "handed"].map(|value| Claim::new(tenant, Kind::Contact, "emails", value));
    let images =
        lab.put_all(vec![lab.new_record(tenant, Kind::Contact), lab.new_record(tenant, Kind::Contact)]).await?;
    let (a, b) = (images[0].reference(), images[1].reference());
    lab.step(tenant).take(&released, a).take(&handed, a).send().await?;
    let edit = lab.change(&images[0]).set("source", Value::text("web"));
    let step = lab.step(tenant).write(edit).take(&taken, a).release(&released, a).transfer(&handed, a, b);
    let commit = step.send().await?;
    for _ in 0..2 {
        send_again(lab, &commit).await?.ok();
        lab.expect_holder(&taken, Some(a)).await?;
        lab.expect_holder(&released, None).await?;
        lab.expect_holder(&handed, Some(b)).await?;
    }
    Ok(())
}

async fn own_commit_is_found(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    let mine = lab.step(tenant).write(lab.change(&old).set("source", Value::text("web"))).send().await?;
    let theirs = lab.step(tenant).write(lab.change(&old).set("source", Value::text("fair"))).build();
    let refused = lab.store.commit(&theirs).await;
    ensure!(matches!(refused, Err(StoreError::Conflict { .. })), "a stale write gave {refused:?}");
    let changes = lab.changes(tenant, old.reference()).await?;
    let made = changes.iter().find(|change| change.version == 2).map(|change| change.commit);
    ensure!(made == Some(mine.id), "version 2 was made by {:?}, the log says {made:?}", mine.id);
    Ok(())
}
