//! The feed: every change of every tenant, for consumers that resume where they stopped.

use std::collections::HashSet;

use super::{Case, Failure, Lab, Outcome, case, ensure};
use crate::{
    catalog,
    model::{
        change::{Change, ChangeId},
        schema::{KindDecl, common},
        store::{FeedCursor, FeedPlace, StoreError},
        value::{Id, Kind, Ref, Time, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!("feed", everything_once, "the feed tells every change of every tenant"),
    case!("feed", resumes_anywhere, "a consumer that comes back with any page's cursor misses nothing"),
    case!("feed", waits_for_more, "an empty page has a cursor too, after which what comes later is told"),
    case!("feed", only_what_was_stored, "a commit that failed is not told"),
    case!("feed", cursor_that_is_none, "a cursor that is none is a bad query"),
    case!("feed", whole_changes, "a change in the feed is whole, with its tenant"),
    case!("feed", tenants, "every tenant with an organization is told once, in order, page by page"),
    case!("feed", end, "what is committed after the end was asked for is told behind it, and not all again"),
    case!("feed", kept_places, "of each consumer the place that was kept last is found, whole, and its fence counts"),
    case!("feed", stale_places, "a place is kept only where the fence is the kept one's"),
    case!("feed", due, "what is due is found across tenants, by tenant and the oldest first, and nothing else is"),
    case!("feed", due_in_turns, "of one tenant no more is due than asked for, and who comes after one is found"),
];

/// Removes repeated changes, since the feed may return a change more than once.
pub(super) fn once(told: Vec<(Id, Change)>) -> Vec<(Id, Change)> {
    let mut seen: HashSet<(Id, ChangeId)> = HashSet::new();
    told.into_iter().filter(|(tenant, change)| seen.insert((*tenant, change.id()))).collect()
}

/// Creates two tenants with a history, and returns them with the number of changes.
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
        // The cursor is serialized as JSON, as a consumer would store it.
        let kept = serde_json::to_string(&page.cursor).map_err(|error| Failure::new(error.to_string()))?;
        let kept: FeedCursor = serde_json::from_str(&kept).map_err(|error| Failure::new(error.to_string()))?;
        let (rest, _) = lab.feed(Some(kept.clone()), 100, count - once(told_before.clone()).len()).await?;
        let all = once(told_before.iter().cloned().chain(rest).collect());
        ensure!(all.len() == count, "resumed after {}, {} of {count} are told", told_before.len(), all.len());
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
        let mut versions: Vec<(Ref, u64)> = once(told).iter().map(|(_, c)| (c.record, c.version)).collect();
        versions.sort_unstable();
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
    // A tenant without an organization is not listed.
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
    // Concurrent cases can create tenants on the same store.
    ensure!(all.iter().all(|tenant| told.contains(tenant)), "page by page some tenants are not told");
    ensure!(told.is_sorted_by(|a, b| a < b), "page by page tenants are not told in order, each once");
    Ok(())
}

async fn end(lab: &Lab<'_>) -> Outcome {
    // Also for a feed that has returned nothing yet.
    let first = lab.store.feed_end().await?;
    let (tenant, _, count) = history(lab).await?;
    let (told, _) = lab.feed(Some(first), 100, count).await?;
    ensure!(once(told).len() == count, "behind the end of an empty feed not all is told that came then");
    lab.settle().await;
    let end = lab.store.feed_end().await?;
    let lead = lab.put(lab.new_record(tenant, Kind::Lead)).await?;
    lab.put(lab.change(&lead).set("source", Value::text("web"))).await?;
    let (told, _) = lab.feed(Some(end), 1, 2).await?;
    let told = once(told);
    let new = told.iter().filter(|(_, change)| change.record == lead.reference()).count();
    ensure!(new == 2, "of 2 changes after the end was asked for {new} are told behind it");
    ensure!(told.len() < count, "behind the end everything is told again");
    Ok(())
}

/// Returns a place as a consumer stores it.
fn place(cursor: Option<FeedCursor>, at: Time) -> FeedPlace {
    FeedPlace {
        cursor,
        began: at,
        settled: at.plus_micros(-1),
        gap_since: Some(at.plus_micros(1)),
        taken_until: Some(at.plus_micros(60_000_001)),
        state: Some(serde_json::json!({
            "waiting": [{"n": 9_007_199_254_740_993_i64, "t": "日本 \" ' \\ \n"}, null, true, [], -1.5],
            "": {},
        })),
        fence: 0,
    }
}

async fn kept_places(lab: &Lab<'_>) -> Outcome {
    // Other runs of the suite may have used the same store.
    let [one, other] = [lab.id(), lab.id()].map(|id| format!("suite-{id}"));
    ensure!(lab.store.feed_place(&one).await?.is_none(), "a consumer that is new has a place");
    history(lab).await?;
    let mut cursor = None;
    for was in 0..3 {
        cursor = Some(lab.store.feed(cursor.as_ref(), 3).await?.cursor);
        let place = match was {
            2 => FeedPlace::beginning(lab.now()),
            _ => place(cursor.clone(), lab.now()),
        };
        // The fence in the argument is ignored.
        let place = FeedPlace { fence: 7, ..place };
        ensure!(lab.store.keep_feed_place(&one, &place, was).await?, "a place is refused under the fence {was}");
        let expected = Some(FeedPlace { fence: was + 1, ..place });
        let found = lab.store.feed_place(&one).await?;
        ensure!(found == expected, "{expected:?} was kept, {found:?} is found");
        ensure!(lab.store.feed_place(&other).await?.is_none(), "a consumer finds the place of another");
    }
    let kept = lab.store.feed_place(&one).await?;
    let large = FeedPlace { state: Some("x".repeat(300_000).into()), ..FeedPlace::beginning(lab.now()) };
    ensure!(lab.store.keep_feed_place(&other, &large, 0).await?, "another consumer's first place is refused");
    ensure!(lab.store.feed_place(&one).await? == kept, "another consumer's place took the place of this one's");
    let found = lab.store.feed_place(&other).await?;
    ensure!(found == Some(FeedPlace { fence: 1, ..large }), "a large place is not found as it was kept");
    Ok(())
}

async fn stale_places(lab: &Lab<'_>) -> Outcome {
    let consumer = format!("suite-{}", lab.id());
    let keep = async |cursor: &str, was: u64| {
        let place = FeedPlace { cursor: Some(FeedCursor(cursor.to_owned())), ..FeedPlace::beginning(lab.now()) };
        lab.store.keep_feed_place(&consumer, &place, was).await
    };
    ensure!(!keep("ahead", 1).await?, "a place is kept after one that there is not");
    ensure!(lab.store.feed_place(&consumer).await?.is_none(), "a place that was refused is found");
    for (was, cursor) in [(0, "first"), (1, "second"), (2, "third")] {
        ensure!(keep(cursor, was).await?, "a place is refused under the fence {was}");
        for stale in [0, was, was + 2, u64::MAX >> 1] {
            ensure!(!keep("stale", stale).await?, "under the fence {stale} a place is kept where {} is", was + 1);
        }
        let found = lab.store.feed_place(&consumer).await?;
        let told = found.as_ref().map(|place| (place.cursor.as_ref().map(|cursor| cursor.0.as_str()), place.fence));
        ensure!(told == Some((Some(cursor), was + 1)), "`{cursor}` was kept, {found:?} is found");
    }
    Ok(())
}

/// Returns the kinds with a due time, and the field that holds it.
fn kinds_that_come_due() -> impl Iterator<Item = (&'static KindDecl, &'static str)> {
    catalog::all().filter_map(|decl| Some((decl, decl.fields[decl.due?].name)))
}

/// A time long before any other case's records are due.
fn due_time(seconds: i64) -> Time {
    Time::EPOCH.plus_micros(seconds * 1_000_000)
}

/// Returns the due records of some tenants, by id.
async fn due_of(
    lab: &Lab<'_>,
    decl: &'static KindDecl,
    tenants: &[Id],
    (after, per_tenant, limit): (Option<Id>, usize, usize),
) -> Result<Vec<(Id, Ref, Time)>, Failure> {
    lab.settle().await;
    let mut due = lab.store.due(decl, due_time(100), after, per_tenant, limit).await?;
    ensure!(due.len() <= limit, "at most {limit} are asked for, {} are due", due.len());
    due.retain(|(tenant, ..)| tenants.contains(tenant));
    Ok(due)
}

async fn due(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.tenant().await?.tenant, lab.tenant().await?.tenant);
    for (decl, field) in kinds_that_come_due() {
        let mut expected = Vec::new();
        for (tenant, times) in [(two, &[40, 100][..]), (one, &[70, -5, 100, 30, 30][..])] {
            for &seconds in times {
                let at = due_time(seconds);
                let image = lab.put(lab.new_record(tenant, decl.kind).set(field, Value::Time(at))).await?;
                expected.push((tenant, image.reference(), at));
            }
            // Due later, never due, and archived.
            let later = Value::Time(due_time(100).plus_micros(1));
            lab.put(lab.new_record(tenant, decl.kind).set(field, later)).await?;
            lab.put(lab.new_record(tenant, decl.kind).set(field, Value::Null)).await?;
            let gone = lab.put(lab.new_record(tenant, decl.kind).set(field, Value::Time(due_time(1)))).await?;
            let archived_at = decl.fields[common::ARCHIVED_AT].name;
            lab.put(lab.change(&gone).set(archived_at, Value::Time(lab.now()))).await?;
        }
        expected.sort_unstable_by_key(|(tenant, record, at)| (*tenant, *at, record.id));
        let all = (None, 100, 1000);
        let found = due_of(lab, decl, &[one, two], all).await?;
        ensure!(found == expected, "{} that are due: expected {expected:?}, found {found:?}", decl.kind.plural());
        // Completed, postponed, and due again.
        let mut images = Vec::new();
        for (tenant, record, _) in &expected[..2] {
            images.extend(lab.get(*tenant, *record).await?);
        }
        ensure!(images.len() == 2, "what is due is not there");
        let sooner = due_time(-6);
        lab.put(lab.change(&images[0]).set(field, Value::Null)).await?;
        lab.put(lab.change(&images[1]).set(field, Value::Time(due_time(1_000)))).await?;
        expected.drain(..2);
        let found = due_of(lab, decl, &[one, two], all).await?;
        ensure!(found == expected, "after two were done: expected {expected:?}, found {found:?}");
        let (tenant, record, _) = expected[1];
        let Some(image) = lab.get(tenant, record).await? else { return Err(Failure::new("what is due is not there")) };
        lab.put(lab.change(&image).set(field, Value::Time(sooner))).await?;
        expected[1].2 = sooner;
        expected.sort_unstable_by_key(|(tenant, record, at)| (*tenant, *at, record.id));
        let found = due_of(lab, decl, &[one, two], all).await?;
        ensure!(found == expected, "after one became older: expected {expected:?}, found {found:?}");
    }
    let none = catalog::all().find(|decl| decl.due.is_none());
    let found = match none {
        Some(decl) => lab.store.due(decl, Time::MAX, None, 10, 10).await?,
        None => Vec::new(),
    };
    ensure!(found.is_empty(), "of a kind that never comes due {found:?} is");
    Ok(())
}

async fn due_in_turns(lab: &Lab<'_>) -> Outcome {
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(lab.tenant().await?.tenant);
    }
    for (decl, field) in kinds_that_come_due() {
        let mut all = Vec::new();
        // The first tenant has more than all others.
        for (&tenant, count) in tenants.iter().zip([30, 3, 1, 2]) {
            let edits = (0..count).map(|number| {
                let at = due_time(100 - (number * 7) % 30);
                lab.new_record(tenant, decl.kind).set(field, Value::Time(at))
            });
            for image in lab.put_all(edits.collect()).await? {
                all.push((tenant, image.reference(), image.get(field).as_time().unwrap_or(Time::MIN)));
            }
        }
        all.sort_unstable_by_key(|(tenant, record, at)| (*tenant, *at, record.id));
        let of = |after: Option<Id>, per_tenant: usize| {
            let behind = tenants.iter().filter(|tenant| after.is_none_or(|after| **tenant > after));
            behind
                .flat_map(|&tenant| all.iter().filter(move |(of, ..)| *of == tenant).take(per_tenant).copied())
                .collect::<Vec<_>>()
        };
        for (after, per_tenant) in [(None, 1), (None, 2), (None, 50), (Some(tenants[0]), 2), (Some(tenants[3]), 5)] {
            let expected = of(after, per_tenant);
            let found = due_of(lab, decl, &tenants, (after, per_tenant, 1000)).await?;
            ensure!(found == expected, "{per_tenant} a tenant after {after:?}: expected {expected:?}, found {found:?}");
        }
        // Each tenant is found once per round.
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let found = lab.store.due(decl, due_time(100), after, 1, 2).await?;
            ensure!(found.len() <= 2, "a page of at most 2 has {}", found.len());
            ensure!(found.is_sorted_by(|a, b| a.0 < b.0), "of one tenant each, {found:?} is due");
            let Some((last, ..)) = found.last() else { break };
            after = Some(*last);
            told.extend(found.into_iter().filter(|(tenant, ..)| tenants.contains(tenant)));
        }
        ensure!(told == of(None, 1), "two at a time: expected {:?}, found {told:?}", of(None, 1));
    }
    Ok(())
}
