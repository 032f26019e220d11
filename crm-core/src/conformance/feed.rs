//! The feed: every change of every tenant, for consumers that come back where they left off.

use std::collections::{BTreeMap, HashSet};

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::{
    change::{Change, ChangeId},
    schema::Group,
    store::{FeedCursor, StoreError},
    value::{Id, Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("feed", everything_once, "the feed tells every change of every tenant, each record's in version order"),
    case!("feed", resumes_anywhere, "a consumer that comes back with any page's cursor misses nothing"),
    case!("feed", waits_for_more, "an empty page has a cursor too, after which what comes later is told"),
    case!("feed", only_what_was_stored, "a commit that failed is not told"),
    case!("feed", cursor_that_is_none, "a cursor that is none is a bad query"),
    case!("feed", whole_changes, "a change in the feed is whole, with its tenant"),
    case!("feed", tenants, "every tenant with an organization is told once, in order, page by page"),
    case!("feed", kept_cursors, "of each consumer the cursor that was kept last is found"),
];

/// Changes without those that were told before; the feed may repeat itself.
fn once(told: Vec<(Id, Change)>) -> Vec<(Id, Change)> {
    let mut seen: HashSet<(Id, ChangeId)> = HashSet::new();
    told.into_iter().filter(|(tenant, change)| seen.insert((*tenant, change.id()))).collect()
}

/// Holds that each record's changes come in version order with none skipped, after what was told already.
pub(super) fn in_order(told: &[(Id, Change)], mut last: BTreeMap<(Id, Ref), u64>) -> Outcome {
    for (tenant, change) in told.iter().filter(|(_, change)| change.group == Group::Person) {
        let before = last.insert((*tenant, change.record), change.version).unwrap_or(0);
        ensure!(
            change.version == before + 1,
            "of {}, version {} was told after version {before}",
            change.record,
            change.version
        );
    }
    Ok(())
}

/// Two tenants with some history: the number of changes in it.
async fn history(lab: &Lab<'_>) -> Result<(Id, Id, usize), Failure> {
    let (one, two) = (lab.tenant().await?, lab.tenant().await?);
    let mut count = one.records().count() + two.records().count();
    for tenant in [one.tenant, two.tenant] {
        let edits = (0..5).map(|number| {
            let mut edit = lab.new_record(tenant, Kind::Lead);
            for step in 0..number {
                edit = edit.next(lab.now()).set("source", Value::text(format!("step {step}")));
            }
            edit
        });
        count += 5 + (1 + 2 + 3 + 4);
        for image in lab.put_all(edits.collect()).await? {
            lab.put(lab.change(&image).set("source", Value::text("web")).announce("is_hot", Value::Bool(true))).await?;
            count += 2;
        }
    }
    Ok((one.tenant, two.tenant, count))
}

async fn everything_once(lab: &Lab<'_>) -> Outcome {
    let (one, two, count) = history(lab).await?;
    for limit in [5, 1000] {
        let (told, _) = lab.feed(None, limit, count).await?;
        let told = once(told);
        ensure!(told.len() == count, "{count} changes were made, the feed tells {}, {limit} a page", told.len());
        ensure!(told.iter().all(|(tenant, _)| *tenant == one || *tenant == two), "the feed tells of a third tenant");
        in_order(&told, BTreeMap::new())?;
    }
    Ok(())
}

async fn resumes_anywhere(lab: &Lab<'_>) -> Outcome {
    let (_, _, count) = history(lab).await?;
    lab.settle().await;
    let mut cursor: Option<FeedCursor> = None;
    let mut told_before: Vec<(Id, Change)> = Vec::new();
    for _ in 0..4 {
        let page = lab.store.feed(cursor.as_ref(), 5).await?;
        told_before.extend(page.changes);
        // The cursor goes through JSON, as a consumer would keep it.
        let kept = serde_json::to_string(&page.cursor).map_err(|error| Failure::new(error.to_string()))?;
        let kept: FeedCursor = serde_json::from_str(&kept).map_err(|error| Failure::new(error.to_string()))?;
        let (rest, _) = lab.feed(Some(kept.clone()), 100, count - once(told_before.clone()).len()).await?;
        let all = once(told_before.iter().cloned().chain(rest).collect());
        ensure!(all.len() == count, "resumed after {}, {} of {count} are told", told_before.len(), all.len());
        in_order(&all, BTreeMap::new())?;
        cursor = Some(kept);
    }
    Ok(())
}

async fn waits_for_more(lab: &Lab<'_>) -> Outcome {
    let (tenant, _, count) = history(lab).await?;
    let (_, end) = lab.feed(None, 100, count).await?;
    let page = lab.store.feed(Some(&end), 100).await?;
    ensure!(page.changes.is_empty(), "after the end the feed tells {:?}", page.changes);
    let lead = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    lab.put(lab.change(&lead).set("source", Value::text("web"))).await?;
    for cursor in [end, page.cursor] {
        let (told, _) = lab.feed(Some(cursor), 1, 2).await?;
        let versions: Vec<(Ref, u64)> = once(told).iter().map(|(_, change)| (change.record, change.version)).collect();
        ensure!(versions == [(lead.reference(), 1), (lead.reference(), 2)], "after the end came {versions:?}");
    }
    Ok(())
}

async fn only_what_was_stored(lab: &Lab<'_>) -> Outcome {
    let tenant = lab.tenant().await?.tenant;
    let old = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    lab.put(lab.change(&old).set("source", Value::text("web"))).await?;
    let good = lab.new_record(tenant, Kind::Company);
    let never = good.record();
    let refused = lab.step(tenant).write(good).write(lab.change(&old).set("source", Value::text("fair"))).send().await;
    ensure!(matches!(refused, Err(StoreError::Conflict { .. })), "a stale write gave {refused:?}");
    let last = lab.put(lab.new_record(tenant, Kind::Deal)).await?;
    let (told, _) = lab.feed(None, 100, 13).await?;
    ensure!(told.iter().all(|(_, change)| change.record != never), "the feed tells of a commit that failed");
    ensure!(told.iter().any(|(_, change)| change.record == last.reference()), "the feed does not tell of the last");
    Ok(())
}

async fn cursor_that_is_none(lab: &Lab<'_>) -> Outcome {
    lab.tenant().await?;
    for text in ["nonsense", "", "-1", "1,2", "null", "{}", "'; drop table", "🦀", "99999999999999999999999999"] {
        let told = lab.store.feed(Some(&FeedCursor(text.to_owned())), 10).await;
        ensure!(matches!(told, Err(StoreError::BadQuery(_))), "the cursor `{text}` gave {told:?}");
    }
    Ok(())
}

async fn whole_changes(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edit = lab
        .new_record(world.tenant, Kind::Deal)
        .by(world.users[0])
        .stage(world.deal_pipeline, world.stages[0])
        .with([Ref::new(Kind::User, world.users[1])])
        .property("decimal", Value::Decimal(super::samples::decimal("12345678901234567.89012345678")))
        .set("description", Value::text("a long text 日本"));
    let commit = lab.step(world.tenant).write(edit).send().await?;
    let (told, _) = lab.feed(None, 100, world.records().count() + 1).await?;
    let told: Vec<_> = once(told).into_iter().filter(|(_, change)| change.commit == commit.id).collect();
    ensure!(told.iter().all(|(tenant, _)| *tenant == world.tenant), "the change is told of another tenant");
    let changes: Vec<Change> = told.into_iter().map(|(_, change)| change).collect();
    super::history::same_changes("the feed", &commit.writes[0].changes, &changes)
}

async fn tenants(lab: &Lab<'_>) -> Outcome {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(lab.tenant().await?.tenant);
    }
    // A tenant without an organization is none yet.
    let bare = lab.id();
    lab.put(lab.new_record(bare, Kind::Lead)).await?;
    let all = lab.store.tenants(None, 10_000).await?;
    ensure!(all.is_sorted_by(|a, b| a < b), "tenants are not told in order, each once: {all:?}");
    for tenant in &made {
        ensure!(all.contains(tenant), "{tenant} has an organization and is not told");
    }
    ensure!(!all.contains(&bare), "{bare} has no organization and is told");
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let page = lab.store.tenants(after, 2).await?;
        ensure!(page.len() <= 2, "a page of at most 2 has {}", page.len());
        ensure!(page.iter().all(|tenant| after.is_none_or(|after| *tenant > after)), "a page begins before its place");
        after = page.last().copied();
        told.extend(&page);
        if page.len() < 2 {
            break;
        }
    }
    // Other cases may make tenants meanwhile on the same store.
    ensure!(all.iter().all(|tenant| told.contains(tenant)), "page by page some tenants are not told");
    ensure!(told.is_sorted_by(|a, b| a < b), "page by page tenants are not told in order, each once");
    Ok(())
}

async fn kept_cursors(lab: &Lab<'_>) -> Outcome {
    // Other runs of the suite may have used the same store.
    let [one, other] = [lab.id(), lab.id()].map(|id| format!("suite-{id}"));
    ensure!(lab.store.feed_cursor(&one).await?.is_none(), "a consumer that is new has a cursor");
    history(lab).await?;
    let mut kept = None;
    for _ in 0..2 {
        let page = lab.store.feed(kept.as_ref(), 3).await?;
        lab.store.keep_feed_cursor(&one, &page.cursor).await?;
        kept = lab.store.feed_cursor(&one).await?;
        ensure!(kept.as_ref() == Some(&page.cursor), "{:?} was kept, {kept:?} is found", page.cursor);
        ensure!(lab.store.feed_cursor(&other).await?.is_none(), "a consumer finds the cursor of another");
    }
    let first = lab.store.feed(None, 1).await?.cursor;
    lab.store.keep_feed_cursor(&other, &first).await?;
    ensure!(lab.store.feed_cursor(&one).await? == kept, "another consumer's cursor took the place of this one's");
    // One that is put back is one that reads again.
    lab.store.keep_feed_cursor(&one, &first).await?;
    ensure!(lab.store.feed_cursor(&one).await?.as_ref() == Some(&first), "a cursor cannot be put back");
    Ok(())
}
