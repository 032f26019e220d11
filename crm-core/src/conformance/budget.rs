//! The budget of a commit and the size limit of a record: every store accepts what fits and refuses what does not.

use super::{Case, Edit, Lab, Outcome, Step, case, ensure};
use crate::model::{
    store::{Claim, Commit, MAX_COMMIT_BYTES, MAX_COMMIT_ITEMS, MAX_RECORD_BYTES, StoreError},
    value::{Kind, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("budget", hundred_items_pass, "100 items pass, whatever they are: writes, guards, claims, links"),
    case!("budget", one_more_is_refused, "101 items are refused, and nothing of them is stored"),
    case!("budget", record_of_128_kb, "a record of 128 KB passes and comes back, one byte more is refused"),
    case!("budget", structured_128_kb, "structured values count as JSON with its escapes, whatever they hold"),
    case!("budget", commit_of_4_mb, "a commit of almost 4 MB passes and comes back, more is refused"),
];

fn expect_too_large(outcome: Result<Commit, StoreError>, limit: usize) -> Outcome {
    match outcome {
        Err(StoreError::TooLarge { limit: told, .. }) if told == limit => Ok(()),
        other => {
            let other = other.map(|commit| commit.id);
            Err(super::Failure::new(format!("expected to be past the limit of {limit}, the store said {other:?}")))
        }
    }
}

/// Returns commits of exactly a hundred items each, of different sorts, and the step that adds one more to each.
async fn hundreds<'a>(lab: &'a Lab<'a>) -> Result<Vec<(&'static str, Step<'a>)>, super::Failure> {
    let world = lab.tenant().await?;
    let tenant = world.tenant;
    let companies = lab.put_all((0..100).map(|_| lab.new_record(tenant, Kind::Company)).collect()).await?;
    let holder = companies[0].reference();
    let writes = (0..50).fold(lab.step(tenant), |step, _| step.write(lab.new_record(tenant, Kind::Lead)));
    let guards = companies.iter().fold(lab.step(tenant), |step, image| step.guard(image));
    let claims = (0..100).fold(lab.step(tenant), |step, number| {
        step.take(&Claim::new(tenant, Kind::Company, "domain", &format!("{number}.example.com")), holder)
    });
    // A note takes 23 items: itself, its long text, its change and twenty links. Four notes and eight claims make 100.
    let links = Value::list(companies[..20].iter().map(|image| Value::Ref(image.reference())));
    let notes = (0..4)
        .fold(lab.step(tenant), |step, _| step.write(lab.new_record(tenant, Kind::Note).set("links", links.clone())));
    let notes = (0..8).fold(notes, |step, number| {
        step.take(&Claim::new(tenant, Kind::Company, "external_id", &number.to_string()), holder)
    });
    // 49 teams make 98, the epoch 99, the key 100.
    let teams = (0..49).fold(lab.step(tenant), |step, _| step.write(lab.new_record(tenant, Kind::Team)));
    let teams = teams.key("hundred", 24);
    Ok(vec![("writes", writes), ("guards", guards), ("claims", claims), ("links", notes), ("definitions", teams)])
}

async fn hundred_items_pass(lab: &Lab<'_>) -> Outcome {
    for (what, step) in hundreds(lab).await? {
        let commit = step.build();
        ensure!(commit.items() == MAX_COMMIT_ITEMS, "{what}: the commit has {} items", commit.items());
        let stored = lab.store.commit(&commit).await;
        stored.map_err(|error| super::Failure::from(error).at(&format!("a hundred items of {what}")))?;
        for write in &commit.writes {
            lab.expect(&write.after).await?;
        }
        for op in &commit.claims {
            lab.expect_holder(op.claim(), op.held_after()).await?;
        }
    }
    Ok(())
}

async fn one_more_is_refused(lab: &Lab<'_>) -> Outcome {
    for (what, step) in hundreds(lab).await? {
        let tenant = step.clone().build().tenant;
        let holder = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
        let claim = Claim::new(tenant, Kind::Contact, "one", "more");
        let step = step.take(&claim, holder.reference());
        let commit = step.build();
        ensure!(commit.items() == MAX_COMMIT_ITEMS + 1, "{what}: the commit has {} items", commit.items());
        let refused = lab.store.commit(&commit).await.map(|()| commit.clone());
        expect_too_large(refused, MAX_COMMIT_ITEMS).map_err(|failure| failure.at(what))?;
        for write in &commit.writes {
            lab.expect_none(tenant, write.record()).await?;
        }
        lab.expect_holder(&claim, None).await?;
    }
    Ok(())
}

/// Returns a contact of exactly this many bytes, half in its long text and half in a property.
fn sized(lab: &Lab<'_>, tenant: crate::model::value::Id, bytes: usize) -> Edit {
    let base = lab.new_record(tenant, Kind::Contact);
    let half = base.clone().set("description", Value::text("l".repeat(crate::model::schema::MAX_LONG_TEXT)));
    let with = |filler: usize| half.clone().property("filler", Value::text("p".repeat(filler)));
    let overhead = with(0).after().size();
    with(bytes.saturating_sub(overhead))
}

async fn record_of_128_kb(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let full = sized(lab, tenant, MAX_RECORD_BYTES);
    ensure!(full.after().size() == MAX_RECORD_BYTES, "the record has {} bytes", full.after().size());
    let image = lab.put(full).await?;
    lab.expect(&image).await?;
    let more = sized(lab, tenant, MAX_RECORD_BYTES + 1);
    let record = more.record();
    expect_too_large(lab.step(tenant).write(more).send().await, MAX_RECORD_BYTES)?;
    lab.expect_none(tenant, record).await?;
    let grown = lab.change(&image).set("source", Value::text("web"));
    expect_too_large(lab.step(tenant).write(grown).send().await, MAX_RECORD_BYTES)?;
    lab.expect(&image).await
}

/// Structured values of characters that JSON escapes (quotes, backslashes, control characters) and of others: each is
/// stored and read back at the size limit of a record, and refused at one byte more.
async fn structured_128_kb(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    for filler in ["\u{1}", "\"", "\\", "\n", "ä", "😀", "x"] {
        let with = |base: &Edit, times: usize, rest: usize| {
            let text = filler.repeat(times) + &"x".repeat(rest);
            base.clone()
                .set("addresses", Value::list([Value::Json(std::sync::Arc::new(serde_json::json!({"street": text})))]))
        };
        let base = lab.new_record(tenant, Kind::Company);
        let (empty, one) = (with(&base, 0, 0).after().size(), with(&base, 1, 0).after().size());
        let room = MAX_RECORD_BYTES - empty;
        let (times, rest) = (room / (one - empty), room % (one - empty));
        let full = with(&base, times, rest);
        ensure!(full.after().size() == MAX_RECORD_BYTES, "{filler:?}: the record has {} bytes", full.after().size());
        let more = with(&lab.new_record(tenant, Kind::Company), times, rest + 1);
        let record = more.record();
        expect_too_large(lab.step(tenant).write(more).send().await, MAX_RECORD_BYTES)?;
        lab.expect_none(tenant, record).await?;
        let image = lab.put(full).await.map_err(|error| super::Failure::from(error).at(filler))?;
        lab.expect(&image).await?;
        // A change of the whole value contains it twice: before and after.
        let changed = with(&lab.change(&image), times - 1, rest);
        let image = lab.put(changed).await.map_err(|error| super::Failure::from(error).at(filler))?;
        lab.expect(&image).await?;
    }
    Ok(())
}

async fn commit_of_4_mb(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    // Each takes its size twice: for itself and for the change that created it.
    let mut step = lab.step(tenant);
    let mut images = Vec::new();
    let one_more = loop {
        let edit = sized(lab, tenant, 126 * 1024);
        let bigger = step.clone().write(edit.clone());
        if bigger.clone().build().size() > MAX_COMMIT_BYTES {
            break bigger;
        }
        images.push(edit.after());
        step = bigger;
    };
    let refused = one_more.send().await;
    expect_too_large(refused, MAX_COMMIT_BYTES)?;
    for image in &images {
        lab.expect_none(tenant, image.reference()).await?;
    }
    let stored = step.send().await?;
    ensure!(stored.size() > MAX_COMMIT_BYTES * 9 / 10, "the commit has only {} bytes", stored.size());
    for image in &images {
        lab.expect(image).await?;
        let changes = lab.changes(tenant, image.reference()).await?;
        let written = stored.writes.iter().find(|write| write.record() == image.reference());
        super::history::same_changes("4 MB", written.map_or(&[], |write| &write.changes), &changes)?;
    }
    Ok(())
}
