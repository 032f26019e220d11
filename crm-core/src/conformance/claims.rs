//! Claims: a value has at most one holder. Claims are taken, released and transferred within a commit.

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::model::{
    store::{Claim, StoreError},
    value::{Id, Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("claims", take_and_find, "the record that holds a claim is found by it, as it is now"),
    case!("claims", taken_is_taken, "a claim that another record holds cannot be taken, and the holder is named"),
    case!("claims", taken_again_by_its_holder, "the holder of a claim may take it again"),
    case!("claims", release_and_take, "a released claim is free for another"),
    case!("claims", release_of_anothers, "who does not hold a claim cannot release it"),
    case!("claims", transfer, "a claim is handed over in one operation"),
    case!("claims", transfer_of_anothers, "what the giver does not hold, or nobody holds, cannot be handed over"),
    case!("claims", swap_in_one_commit, "one commit releases one value and takes another, and hands over a third"),
    case!("claims", claims_differ_by_every_part, "tenant, kind, name and value each make another claim"),
    case!(
        "claims",
        long_and_odd_values,
        "values of any characters and of 256 bytes are told apart; longer by their hash"
    ),
    case!("claims", global_claims, "a claim of the nil tenant is one among all tenants, and finds its record for each"),
    case!("claims", claims_outlive_edits, "an edit of the holder, or archiving, does nothing to its claims by itself"),
    case!("claims", many_claims_at_once, "a commit of many claims takes all or none"),
];

fn email(tenant: Id, value: &str) -> Claim {
    Claim::new(tenant, Kind::Contact, "emails", value)
}

async fn take_and_find(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    lab.expect_holder(&claim, None).await?;
    let edit = lab.new_record(tenant, Kind::Contact).set("description", Value::text("a long text"));
    let contact = edit.after();
    lab.step(tenant).take(&claim, contact.reference()).write(edit).send().await?;
    let edited = lab.put(lab.change(&contact).set("source", Value::text("web"))).await?;
    match lab.claimed(tenant, &claim).await? {
        None => Err(Failure::new("nobody is found by the claim")),
        Some(found) => super::differences(&edited, &found, false).map_or(Ok(()), |told| Err(Failure::new(told))),
    }
}

async fn taken_is_taken(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let first = lab.new_record(tenant, Kind::Contact);
    let holder = first.record();
    lab.step(tenant).write(first).take(&claim, holder).send().await?;
    let second = lab.new_record(tenant, Kind::Contact);
    let loser = second.record();
    let refused = lab.step(tenant).write(second).take(&claim, loser).send().await;
    expect_claimed(refused.map(drop), &claim, holder)?;
    lab.expect_none(tenant, loser).await?;
    lab.expect_holder(&claim, Some(holder)).await
}

async fn taken_again_by_its_holder(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let edit = lab.new_record(tenant, Kind::Contact);
    let image = edit.after();
    lab.step(tenant).write(edit).take(&claim, image.reference()).send().await?;
    let again = lab.change(&image).set("source", Value::text("web"));
    let edited = again.after();
    lab.step(tenant).write(again).take(&claim, image.reference()).send().await?;
    lab.expect(&edited).await?;
    lab.expect_holder(&claim, Some(image.reference())).await
}

async fn release_and_take(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let (first, second) = (lab.new_record(tenant, Kind::Contact), lab.new_record(tenant, Kind::Contact));
    let (a, b) = (first.record(), second.record());
    lab.step(tenant).write(first).take(&claim, a).send().await?;
    lab.step(tenant).release(&claim, a).send().await?;
    lab.expect_holder(&claim, None).await?;
    lab.step(tenant).write(second).take(&claim, b).send().await?;
    lab.expect_holder(&claim, Some(b)).await
}

async fn release_of_anothers(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let edits = vec![lab.new_record(tenant, Kind::Contact), lab.new_record(tenant, Kind::Contact)];
    let images = lab.put_all(edits).await?;
    let (a, b) = (images[0].reference(), images[1].reference());
    expect_conflict_of(lab.step(tenant).release(&claim, a).send().await.map(drop), a)?;
    lab.step(tenant).take(&claim, a).send().await?;
    expect_conflict_of(lab.step(tenant).release(&claim, b).send().await.map(drop), b)?;
    lab.expect_holder(&claim, Some(a)).await
}

async fn transfer(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let images =
        lab.put_all(vec![lab.new_record(tenant, Kind::Contact), lab.new_record(tenant, Kind::Contact)]).await?;
    let (a, b) = (images[0].reference(), images[1].reference());
    lab.step(tenant).take(&claim, a).send().await?;
    lab.step(tenant).transfer(&claim, a, b).send().await?;
    lab.expect_holder(&claim, Some(b)).await?;
    expect_conflict_of(lab.step(tenant).release(&claim, a).send().await.map(drop), a)?;
    expect_claimed(lab.step(tenant).take(&claim, a).send().await.map(drop), &claim, b)?;
    lab.step(tenant).release(&claim, b).send().await?;
    lab.expect_holder(&claim, None).await
}

async fn transfer_of_anothers(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let edits = (0..3).map(|_| lab.new_record(tenant, Kind::Contact)).collect();
    let images = lab.put_all(edits).await?;
    let [a, b, c] = [0, 1, 2].map(|at: usize| images[at].reference());
    expect_conflict_of(lab.step(tenant).transfer(&claim, a, b).send().await.map(drop), a)?;
    lab.expect_holder(&claim, None).await?;
    lab.step(tenant).take(&claim, a).send().await?;
    expect_conflict_of(lab.step(tenant).transfer(&claim, b, c).send().await.map(drop), b)?;
    lab.expect_holder(&claim, Some(a)).await
}

async fn swap_in_one_commit(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let [old, new, third] = ["old@example.com", "new@example.com", "third@example.com"].map(|v| email(tenant, v));
    let images =
        lab.put_all(vec![lab.new_record(tenant, Kind::Contact), lab.new_record(tenant, Kind::Contact)]).await?;
    let (a, b) = (images[0].reference(), images[1].reference());
    lab.step(tenant).take(&old, a).take(&third, b).send().await?;
    let edit = lab.change(&images[0]).set("source", Value::text("web"));
    let edited = edit.after();
    lab.step(tenant).write(edit).release(&old, a).take(&new, a).transfer(&third, b, a).send().await?;
    lab.expect(&edited).await?;
    lab.expect_holder(&old, None).await?;
    lab.expect_holder(&new, Some(a)).await?;
    lab.expect_holder(&third, Some(a)).await
}

async fn claims_differ_by_every_part(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?.tenant, lab.tenant().await?.tenant);
    let claims = [
        (one, Claim::new(one, Kind::Company, "domain", "example.com")),
        (one, Claim::new(one, Kind::Contact, "domain", "example.com")),
        (one, Claim::new(one, Kind::Company, "external_id", "example.com")),
        (one, Claim::new(one, Kind::Company, "domain", "example.org")),
        (one, Claim::new(one, Kind::Company, "domai", "nexample.com")),
        (one, Claim::new(one, Kind::Company, "domain", "Example.com")),
        (one, Claim::new(one, Kind::Company, "domain", "example.com ")),
        (one, Claim::new(Id::NIL, Kind::Company, "domain", "example.com")),
        (two, Claim::new(two, Kind::Company, "domain", "example.com")),
    ];
    let mut holders = Vec::new();
    for (tenant, claim) in &claims {
        let edit = lab.new_record(*tenant, claim.kind);
        let holder = edit.record();
        let taken = lab.step(*tenant).write(edit).take(claim, holder).send().await;
        taken.map_err(|error| Failure::from(error).at(&format!("taking {claim:?}")))?;
        holders.push(holder);
    }
    for ((_, claim), holder) in claims.iter().zip(holders) {
        lab.expect_holder(claim, Some(holder)).await?;
    }
    Ok(())
}

async fn long_and_odd_values(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let mut values: Vec<String> = super::samples::TEXTS.iter().map(|text| (*text).to_owned()).collect();
    values.push("x".repeat(255));
    values.push("x".repeat(256));
    values.push("x".repeat(257));
    values.push("x".repeat(300));
    values.push(format!("{}y", "x".repeat(299)));
    values.push("𝄞".repeat(64));
    values.push("𝄞".repeat(65));
    values.push("a#b".to_owned());
    values.push("a".to_owned());
    let mut holders = Vec::new();
    for value in &values {
        let claim = Claim::new(tenant, Kind::Lead, "external_id", value);
        ensure!(claim.value.len() <= 256, "a claim of {} bytes", claim.value.len());
        let edit = lab.new_record(tenant, Kind::Lead);
        let holder = edit.record();
        let taken = lab.step(tenant).write(edit).take(&claim, holder).send().await;
        taken.map_err(|error| Failure::from(error).at(&format!("taking {value:?}")))?;
        holders.push((claim, holder));
    }
    for (claim, holder) in &holders {
        lab.expect_holder(claim, Some(*holder)).await?;
    }
    Ok(())
}

async fn global_claims(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?.tenant, lab.tenant().await?.tenant);
    let claim = Claim::new(Id::NIL, Kind::Company, "slug", "acme");
    // The same id in two tenants identifies two records, one of which holds the claim.
    let first = lab.new_record(one, Kind::Company);
    let record = first.record();
    let image = first.after();
    let second = super::edit::sample(two, record, lab.now());
    lab.step(one).write(first).take(&claim, record).send().await?;
    let refused = lab.step(two).write(second.clone()).take(&claim, record).send().await;
    expect_claimed(refused.map(drop), &claim, record)?;
    lab.expect_none(two, record).await?;
    lab.put(second).await?;
    expect_conflict_of(lab.step(two).release(&claim, record).send().await.map(drop), record)?;
    for asker in [one, two, Id::NIL, lab.id()] {
        match lab.claimed(asker, &claim).await? {
            Some(found) => {
                if let Some(told) = super::differences(&image, &found, false) {
                    return Err(Failure::new(told).at("found by its global claim"));
                }
            }
            None => return Err(Failure::new(format!("tenant {asker} finds nobody by the global claim"))),
        }
    }
    lab.step(one).release(&claim, record).send().await?;
    lab.step(two).take(&claim, record).send().await?;
    let found = lab.claimed(one, &claim).await?.map(|found| found.tenant);
    ensure!(found == Some(two), "the global claim is now held in tenant {two}, found in {found:?}");
    Ok(())
}

async fn claims_outlive_edits(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claim = email(tenant, "ada@example.com");
    let edit = lab.new_record(tenant, Kind::Contact);
    let image = edit.after();
    lab.step(tenant).write(edit).take(&claim, image.reference()).send().await?;
    let archived = lab.put(lab.change(&image).archive()).await?;
    lab.expect_holder(&claim, Some(image.reference())).await?;
    lab.step(tenant).release(&claim, image.reference()).send().await?;
    lab.expect_holder(&claim, None).await?;
    let restored = lab.change(&archived).restore();
    lab.step(tenant).write(restored).take(&claim, image.reference()).send().await?;
    lab.expect_holder(&claim, Some(image.reference())).await
}

async fn many_claims_at_once(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let claims: Vec<Claim> = (0..40).map(|n| email(tenant, &format!("ada{n}@example.com"))).collect();
    let images =
        lab.put_all(vec![lab.new_record(tenant, Kind::Contact), lab.new_record(tenant, Kind::Contact)]).await?;
    let (a, b) = (images[0].reference(), images[1].reference());
    lab.step(tenant).take(&claims[23], b).send().await?;
    let step = claims.iter().fold(lab.step(tenant), |step, claim| step.take(claim, a));
    expect_claimed(step.send().await.map(drop), &claims[23], b)?;
    for (at, claim) in claims.iter().enumerate() {
        lab.expect_holder(claim, (at == 23).then_some(b)).await?;
    }
    lab.step(tenant).release(&claims[23], b).send().await?;
    claims.iter().fold(lab.step(tenant), |step, claim| step.take(claim, a)).send().await?;
    for claim in &claims {
        lab.expect_holder(claim, Some(a)).await?;
    }
    Ok(())
}

/// Requires that a commit failed because a claim is taken.
pub(super) fn expect_claimed(outcome: Result<(), StoreError>, claim: &Claim, holder: Ref) -> Outcome {
    match outcome {
        Err(StoreError::Claimed { claim: named, holder: told }) if named == *claim && told == holder => Ok(()),
        other => Err(Failure::new(format!("expected {claim:?} to be held by {holder}, the store said {other:?}"))),
    }
}

/// Requires that a commit failed with a conflict of this record at any version, which is the error for a claim that is
/// not held.
pub(super) fn expect_conflict_of(outcome: Result<(), StoreError>, record: Ref) -> Outcome {
    match outcome {
        Err(StoreError::Conflict { record: named, .. }) if named == record => Ok(()),
        other => Err(Failure::new(format!("expected a conflict of {record}, the store said {other:?}"))),
    }
}
