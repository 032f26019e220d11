//! Idempotency keys: stored with their commit, used once, and removed after they expire.

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::model::{
    store::{KeyEntry, StoreError},
    value::{Kind, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("keys", stored_and_got, "a key is got with all that was stored under it"),
    case!("keys", used_once, "a commit under a used key stores nothing"),
    case!("keys", key_alone, "a commit may be a key alone"),
    case!("keys", expired_keys_are_absent, "a key counts as absent from the moment of its end, and is replaced"),
    case!("keys", odd_keys, "keys of any characters are told apart"),
    case!("keys", a_failure_stores_no_key, "a commit that fails leaves its key free"),
];

/// Requires that a commit failed because its key was used.
pub(super) fn expect_used(outcome: Result<(), StoreError>) -> Outcome {
    match outcome {
        Err(StoreError::KeyUsed) => Ok(()),
        other => Err(Failure::new(format!("expected the key to be used, the store said {other:?}"))),
    }
}

async fn expect_entry(lab: &Lab<'_>, tenant: crate::model::value::Id, expected: &KeyEntry) -> Outcome {
    let got = lab.key(tenant, &expected.key).await?;
    ensure!(got.as_ref() == Some(expected), "under the key is {got:?} in place of {expected:?}");
    Ok(())
}

async fn stored_and_got(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
    let step = lab
        .step(tenant)
        .write(lab.new_record(tenant, Kind::Lead))
        .write(lab.change(&old).set("score", Value::Int(3)))
        .write(lab.new_record(tenant, Kind::Deal))
        .key("a key", 24);
    let commit = step.send().await?;
    let entry = commit.key.ok_or_else(|| Failure::new("the commit has no key"))?;
    ensure!(entry.records.len() == 3, "three records in the answer");
    expect_entry(lab, tenant, &entry).await
}

async fn used_once(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let first = lab.step(tenant).write(lab.new_record(tenant, Kind::Lead)).key("key", 24).send().await?;
    let second = lab.new_record(tenant, Kind::Lead);
    let record = second.record();
    expect_used(lab.step(tenant).write(second).key("key", 24).send().await.map(drop))?;
    lab.expect_none(tenant, record).await?;
    expect_used(lab.step(tenant).key("key", 24).send().await.map(drop))?;
    lab.step(tenant).key("key/0", 24).send().await?;
    lab.step(tenant).key("key/1", 24).send().await?;
    let entry = first.key.ok_or_else(|| Failure::new("the commit has no key"))?;
    expect_entry(lab, tenant, &entry).await
}

async fn key_alone(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let commit = lab.step(tenant).key("no-op", 24).send().await?;
    let entry = commit.key.ok_or_else(|| Failure::new("the commit has no key"))?;
    ensure!(entry.records.is_empty(), "a key alone has no records");
    expect_entry(lab, tenant, &entry).await
}

async fn expired_keys_are_absent(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let start = lab.now();
    let first = lab.step(tenant).at(start).key("key", 24).send().await?;
    let end = start.plus_micros(24 * 3_600_000_000);
    let entry = first.key.ok_or_else(|| Failure::new("the commit has no key"))?;
    ensure!(entry.expires_at == end, "the key ends at {}, not at {end}", entry.expires_at);
    let before = lab.step(tenant).at(end.plus_micros(-1)).key("key", 24).send().await;
    expect_used(before.map(drop))?;
    let lead = lab.new_record(tenant, Kind::Lead);
    let image = lead.after();
    let again = lab.step(tenant).at(end).write(lead).key("key", 24).send().await?;
    lab.expect(&image).await?;
    let entry = again.key.ok_or_else(|| Failure::new("the commit has no key"))?;
    expect_entry(lab, tenant, &entry).await?;
    expect_used(lab.step(tenant).at(end.plus_micros(1)).key("key", 24).send().await.map(drop))
}

async fn odd_keys(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let mut keys: Vec<String> =
        super::samples::TEXTS.iter().filter(|text| !text.is_empty()).map(|text| (*text).to_owned()).collect();
    keys.extend(["key", "Key", "key ", "key#", "key/0"].map(str::to_owned));
    keys.push("k".repeat(255));
    let mut entries = Vec::new();
    for key in &keys {
        let stored = lab.step(tenant).key(key, 24).send().await;
        let stored = stored.map_err(|error| Failure::from(error).at(&format!("the key {key:?}")))?;
        entries.extend(stored.key);
    }
    for entry in &entries {
        expect_entry(lab, tenant, entry).await?;
    }
    Ok(())
}

async fn a_failure_stores_no_key(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    lab.put(lab.change(&old).set("source", Value::text("web"))).await?;
    let stale = lab.change(&old).set("source", Value::text("fair"));
    let refused = lab.step(tenant).write(stale).key("key", 24).send().await;
    ensure!(matches!(refused, Err(StoreError::Conflict { .. })), "a stale write gave {refused:?}");
    ensure!(lab.key(tenant, "key").await?.is_none(), "a commit that failed left its key");
    lab.step(tenant).key("key", 24).send().await?;
    Ok(())
}
