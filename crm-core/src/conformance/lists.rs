//! Lists by declared indexes: membership, order and paging.

use std::sync::Arc;

use super::{Case, Failure, Lab, Outcome, World, case, ensure, samples};
use crate::{
    catalog,
    model::{
        filter::Predicate,
        schema::{FieldType, Image, IndexDecl},
        store::Query,
        value::{Kind, Ref, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!(
        "lists",
        every_index_both_ways,
        "every declared index of every kind lists its records in order, and in reverse"
    ),
    case!("lists", pages_of_every_size, "pages of one, two, three and seven show each record once, in the same order"),
    case!("lists", ties_by_id, "equal sort values are in the order of ids, missing ones too, across pages"),
    case!("lists", missing_sorts_last, "missing sort values come last ascending, first descending"),
    case!(
        "lists",
        texts_by_sort_key,
        "texts are sorted by their folded keys of 120 characters, code point by code point"
    ),
    case!(
        "lists",
        numbers_and_times_by_size,
        "whole numbers, days and moments are sorted by size, across nought and all years"
    ),
    case!("lists", missing_equals, "records without a value are listed under it"),
    case!("lists", one_entry_per_element, "a record stands once under each element of a list-valued index"),
    case!("lists", edits_move_records, "an edit moves a record in every index that it stands in"),
    case!(
        "lists",
        archived_only_there,
        "archived records stand in no index but those of archived ones, and come back when restored"
    ),
    case!("lists", machine_sorts, "an index sorted by a machine's field follows machine writes"),
    case!("lists", exhausted_lists_end, "a list that ends with a full page says so in the end"),
    case!("lists", equals_must_be_given, "as many values are needed as the index has equal fields"),
    case!(
        "lists",
        odd_equals_find_nothing,
        "a value that no record has, or of a type that the field has not, finds nothing"
    ),
    case!("lists", listed_while_written, "a walk while records are written shows each record that was there, once"),
];

/// Creates records of a kind that fill an index: every sort value of its type (and missing ones), under several equals
/// (and missing ones).
async fn fill(lab: &Lab<'_>, world: &World, kind: Kind, index: &IndexDecl) -> Result<Vec<Arc<Image>>, Failure> {
    let decl = catalog::decl(kind);
    let mut sorts = if samples::is_kept_by_writes(index.sort) {
        vec![Value::Null; 5]
    } else {
        samples::values(decl.fields[index.sort].ty, world)
    };
    sorts.truncate(6);
    // Ties: the first two sort values occur twice.
    sorts.extend_from_within(..2);
    if samples::may_be_missing(decl, index.sort) {
        sorts.extend([Value::Null, Value::Null]);
    }
    let equals: Vec<Vec<Value>> = index
        .equals
        .iter()
        .map(|&at| {
            let field = &decl.fields[at];
            let mut values = samples::values(field.ty, world);
            values.truncate(2);
            if samples::may_be_missing(decl, at) && !field.ty.is_list() {
                values.push(Value::Null);
            }
            values
        })
        .collect();
    let mut edits = Vec::new();
    for (number, sort) in sorts.iter().enumerate() {
        let mut edit = super::edit::sample(world.tenant, Ref::new(kind, lab.mixed_id()), lab.now());
        if !samples::is_kept_by_writes(index.sort) {
            edit = edit.set(decl.fields[index.sort].name, sort.clone());
        }
        for (which, (&at, values)) in index.equals.iter().zip(&equals).enumerate() {
            // Most records have the first equals, so that these have several pages.
            let pick = if number % 3 < 2 { 0 } else { (number / 3 + which) % values.len().max(1) };
            if let Some(value) = values.get(pick) {
                edit = edit.set(decl.fields[at].name, value.clone());
            }
        }
        if index.archived {
            edit = edit.next(lab.now()).archive();
        }
        edits.push(edit);
    }
    Ok(lab.put_all(edits).await?)
}

/// Returns the distinct equals of the records in an index.
fn all_equals(index: &IndexDecl, images: &[Arc<Image>]) -> Vec<Vec<Value>> {
    let mut all: Vec<Vec<Value>> = Vec::new();
    for entry in images.iter().flat_map(|image| index.entries(image)) {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all
}

async fn expect_both_ways(lab: &Lab<'_>, images: &[Arc<Image>], mut query: Query) -> Outcome {
    lab.expect_list(images, &query).await?;
    query.descending = true;
    lab.expect_list(images, &query).await
}

async fn every_index_both_ways(lab: &Lab<'_>) -> Outcome {
    for decl in catalog::all().filter(|decl| decl.kind != Kind::Organization) {
        let world = lab.tenant().await?;
        let mut images = Vec::new();
        for record in world.records().filter(|record| record.kind == decl.kind) {
            images.extend(lab.get(world.tenant, record).await?);
        }
        for index in &decl.indexes {
            images.extend(fill(lab, &world, decl.kind, index).await?);
        }
        lab.settle().await;
        for index in &decl.indexes {
            let all = all_equals(index, &images);
            ensure!(!all.is_empty(), "no record stands in `{}` of {}", index.name, decl.kind);
            for equals in all {
                let query = lab.query(world.tenant, decl.kind, &index.name, equals);
                lab.expect_list(&images, &Query { limit: 7, ..query.clone() }).await?;
                lab.expect_list(&images, &Query { descending: true, ..query }).await?;
            }
        }
    }
    Ok(())
}

async fn pages_of_every_size(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = (0..23).map(|number| {
        let record = Ref::new(Kind::Lead, lab.mixed_id());
        super::edit::sample(world.tenant, record, lab.now())
            .set("score", if number % 4 == 3 { Value::Null } else { Value::Int(i64::from(number % 5) - 2) })
            .set("owner_id", Value::Id(world.users[usize::from(number % 2 == 0)]))
    });
    let images = lab.put_all(edits.collect()).await?;
    lab.settle().await;
    for index in ["owner_id -> score", "owner_id -> created_at"] {
        for limit in [1, 3, 11, 12, 13, 100_000] {
            let query = lab.query(world.tenant, Kind::Lead, index, vec![Value::Id(world.users[0])]);
            expect_both_ways(lab, &images, Query { limit, ..query }).await?;
        }
    }
    for limit in [22, 23, 24] {
        let query = lab.query(world.tenant, Kind::Lead, " -> score", vec![]);
        expect_both_ways(lab, &images, Query { limit, ..query }).await?;
    }
    Ok(())
}

async fn ties_by_id(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let at = lab.now();
    let edits = (0..18).map(|number| {
        let record = Ref::new(Kind::Lead, lab.mixed_id());
        super::edit::sample(world.tenant, record, at)
            .set("score", [Value::Int(1), Value::Int(2), Value::Null][number % 3].clone())
    });
    let images = lab.put_all(edits.collect()).await?;
    lab.settle().await;
    for index in [" -> created_at", " -> score"] {
        for limit in [1, 4, 100] {
            let query = lab.query(world.tenant, Kind::Lead, index, vec![]);
            expect_both_ways(lab, &images, Query { limit, ..query }).await?;
        }
    }
    Ok(())
}

async fn missing_sorts_last(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let days = [Some(19_723), None, Some(0), Some(-1), None, Some(20_000)];
    let edits = days.map(|days| {
        let close = days.map_or(Value::Null, samples::day);
        lab.new_record(world.tenant, Kind::Deal).set("stage_kind", Value::text("open")).set("close_date", close)
    });
    let images = lab.put_all(edits.into()).await?;
    lab.settle().await;
    let query = lab.query(world.tenant, Kind::Deal, "stage_kind -> close_date", vec![Value::text("open")]);
    let listed = lab.walk(&query).await?;
    let missing: Vec<bool> = listed.iter().map(|image| image.get("close_date").is_null()).collect();
    ensure!(missing == [false, false, false, false, true, true], "ascending, missing dates stand at {missing:?}");
    let reverse = Query { descending: true, ..query.clone() };
    let listed = lab.walk(&reverse).await?;
    let missing: Vec<bool> = listed.iter().map(|image| image.get("close_date").is_null()).collect();
    ensure!(missing == [true, true, false, false, false, false], "descending, missing dates stand at {missing:?}");
    expect_both_ways(lab, &images, Query { limit: 1, ..query }).await
}

async fn texts_by_sort_key(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let prefix = "p".repeat(119);
    let mut names: Vec<String> = samples::TEXTS.iter().map(|text| (*text).to_owned()).collect();
    names.extend(
        ["Zoë", "zoe", "ZOE", "Äpfel", "apfel", "Apfel", "apfel 2", "apfel 10", "apfel-1", "apfel_1", "apfel1"]
            .map(str::to_owned),
    );
    names.extend(
        ["ﬁne", "fine", "Fine", "ＦＩＮＥ", "\u{10000}", "\u{ffff}", "\u{e000}", "~", "é", "e\u{301}"]
            .map(str::to_owned),
    );
    // Equal up to the 120th character, the last one that is significant.
    names.extend([
        format!("{prefix}a"),
        format!("{prefix}b"),
        format!("{prefix}bz"),
        format!("{prefix}ba"),
        format!("{prefix}B"),
    ]);
    let edits = names.iter().map(|name| {
        let record = Ref::new(Kind::Company, lab.mixed_id());
        super::edit::sample(world.tenant, record, lab.now()).set("name", Value::text(name.as_str()))
    });
    let images = lab.put_all(edits.collect()).await?;
    lab.settle().await;
    for limit in [7, 100] {
        let query = lab.query(world.tenant, Kind::Company, " -> name", vec![]);
        expect_both_ways(lab, &images, Query { limit, ..query }).await?;
    }
    Ok(())
}

async fn numbers_and_times_by_size(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let numbers =
        [0, 1, -1, 9, 10, -9, -10, 99, 100, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1, 1 << 53, (1 << 53) + 1];
    let edits = numbers.map(|number| lab.new_record(world.tenant, Kind::Lead).set("score", Value::Int(number)));
    let leads = lab.put_all(edits.into()).await?;
    let edits = samples::values(FieldType::Time, &world)
        .into_iter()
        .map(|due| lab.new_record(world.tenant, Kind::Task).set("is_open", Value::Bool(true)).set("due_at", due));
    let tasks = lab.put_all(edits.collect()).await?;
    let edits = samples::values(FieldType::Date, &world).into_iter().map(|day| {
        lab.new_record(world.tenant, Kind::Deal).set("stage_kind", Value::text("won")).set("close_date", day)
    });
    let deals = lab.put_all(edits.collect()).await?;
    lab.settle().await;
    for limit in [1, 100] {
        let query = lab.query(world.tenant, Kind::Lead, " -> score", vec![]);
        expect_both_ways(lab, &leads, Query { limit, ..query }).await?;
        let query = lab.query(world.tenant, Kind::Task, "is_open -> due_at", vec![Value::Bool(true)]);
        expect_both_ways(lab, &tasks, Query { limit, ..query }).await?;
        let query = lab.query(world.tenant, Kind::Deal, "stage_kind -> close_date", vec![Value::text("won")]);
        expect_both_ways(lab, &deals, Query { limit, ..query }).await?;
    }
    Ok(())
}

async fn missing_equals(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = [None, Some(0), None, Some(1), None].map(|owner: Option<usize>| {
        let owner = owner.map_or(Value::Null, |at| Value::Id(world.users[at]));
        lab.new_record(world.tenant, Kind::Deal).set("owner_id", owner).set("stage_kind", Value::text("open"))
    });
    let mut images = lab.put_all(edits.into()).await?;
    images.push(lab.put(lab.new_record(world.tenant, Kind::Deal)).await?);
    lab.settle().await;
    for equals in [
        vec![Value::Null, Value::text("open")],
        vec![Value::Id(world.users[0]), Value::text("open")],
        vec![Value::Null, Value::Null],
        vec![Value::Id(world.users[2]), Value::Null],
    ] {
        let query = lab.query(world.tenant, Kind::Deal, "owner_id, stage_kind -> close_date", equals);
        expect_both_ways(lab, &images, Query { limit: 2, ..query }).await?;
    }
    Ok(())
}

async fn one_entry_per_element(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let targets = lab.put_all((0..3).map(|_| lab.new_record(world.tenant, Kind::Lead)).collect()).await?;
    let contact = lab.put(lab.new_record(world.tenant, Kind::Contact)).await?;
    let all: Vec<Ref> = targets.iter().chain([&contact]).map(|image| image.reference()).collect();
    let linked = |which: &[usize]| Value::list(which.iter().map(|&at| Value::Ref(all[at])));
    let picks: [&[usize]; 7] = [&[0], &[0, 1], &[1, 0, 2], &[2], &[3], &[3, 0], &[]];
    let edits = picks.map(|which| {
        lab.new_record(world.tenant, Kind::Task).set("links", linked(which)).set("is_open", Value::Bool(true))
    });
    let mut tasks = lab.put_all(edits.into()).await?;
    lab.settle().await;
    let check = async |tasks: &[Arc<Image>]| -> Outcome {
        for link in &all {
            for limit in [1, 100] {
                let query = lab.query(world.tenant, Kind::Task, "links -> due_at", vec![Value::Ref(*link)]);
                expect_both_ways(lab, tasks, Query { limit, ..query }).await?;
            }
        }
        let nothing = lab.query(world.tenant, Kind::Task, "links -> due_at", vec![Value::Null]);
        lab.expect_list(tasks, &nothing).await
    };
    check(&tasks).await?;
    // Elements that are added, kept and removed, and a changed sort value with elements that are kept.
    tasks[1] = lab.put(lab.change(&tasks[1]).set("links", linked(&[1, 2]))).await?;
    tasks[2] = lab.put(lab.change(&tasks[2]).set("due_at", samples::time(7))).await?;
    tasks[5] = lab.put(lab.change(&tasks[5]).set("links", linked(&[]))).await?;
    tasks[6] = lab.put(lab.change(&tasks[6]).set("links", linked(&[3, 2, 1, 0]))).await?;
    tasks[0] = lab.put(lab.change(&tasks[0]).archive()).await?;
    lab.settle().await;
    check(&tasks).await.map_err(|failure| failure.at("after edits"))?;
    tasks[0] = lab.put(lab.change(&tasks[0]).restore().set("links", linked(&[3]))).await?;
    lab.settle().await;
    check(&tasks).await.map_err(|failure| failure.at("after restoring"))
}

async fn edits_move_records(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = (0..4).map(|_| {
        lab.new_record(world.tenant, Kind::Deal)
            .set("owner_id", Value::Id(world.users[0]))
            .set("stage_kind", Value::text("open"))
            .set("close_date", samples::day(19_000))
            .stage(world.deal_pipeline, world.stages[0])
    });
    let mut deals = lab.put_all(edits.collect()).await?;
    deals[0] = lab.put(lab.change(&deals[0]).set("owner_id", Value::Id(world.users[1]))).await?;
    deals[1] = lab
        .put(
            lab.change(&deals[1])
                .stage(world.deal_pipeline, world.stages[1])
                .set("stage_kind", Value::text("won"))
                .set("close_date", samples::day(18_000)),
        )
        .await?;
    deals[2] = lab.put(lab.change(&deals[2]).set("owner_id", Value::Null).set("close_date", Value::Null)).await?;
    lab.settle().await;
    for owner in [Value::Id(world.users[0]), Value::Id(world.users[1]), Value::Null] {
        for kind in ["open", "won"] {
            let equals = vec![owner.clone(), Value::text(kind)];
            let query = lab.query(world.tenant, Kind::Deal, "owner_id, stage_kind -> close_date", equals);
            expect_both_ways(lab, &deals, query).await?;
        }
    }
    for stage in world.stages {
        let query = lab.query(world.tenant, Kind::Deal, "stage_id -> close_date", vec![Value::Id(stage)]);
        expect_both_ways(lab, &deals, query).await?;
    }
    Ok(())
}

async fn archived_only_there(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = (0..6).map(|_| lab.new_record(world.tenant, Kind::Lead).set("owner_id", Value::Id(world.users[0])));
    let mut leads = lab.put_all(edits.collect()).await?;
    for at in [1, 3, 4] {
        leads[at] = lab.put(lab.change(&leads[at]).archive()).await?;
    }
    let check = async |leads: &[Arc<Image>]| -> Outcome {
        lab.settle().await;
        for index in &catalog::decl(Kind::Lead).indexes {
            for equals in [Value::Id(world.users[0]), Value::Null] {
                let query = lab.query(world.tenant, Kind::Lead, &index.name, vec![equals; index.equals.len()]);
                expect_both_ways(lab, leads, Query { limit: 2, ..query }).await?;
            }
        }
        Ok(())
    };
    check(&leads).await?;
    leads[3] = lab.put(lab.change(&leads[3]).restore()).await?;
    leads[0] = lab.put(lab.change(&leads[0]).archive()).await?;
    // An edit of an archived record does not move it.
    leads[1] = lab.put(lab.change(&leads[1]).set("owner_id", Value::Id(world.users[1]))).await?;
    leads[4] = lab.put(lab.change(&leads[4]).set("score", Value::Int(5))).await?;
    check(&leads).await
}

async fn machine_sorts(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = (0..8).map(|_| lab.new_record(world.tenant, Kind::Lead).set("owner_id", Value::Id(world.users[0])));
    let mut leads = lab.put_all(edits.collect()).await?;
    for (at, score) in [(0, 5), (1, -5), (2, 50), (3, 5), (5, 0)] {
        leads[at] = lab.put(lab.change(&leads[at]).set("score", Value::Int(score))).await?;
    }
    leads[2] = lab.put(lab.change(&leads[2]).set("owner_id", Value::Id(world.users[1]))).await?;
    leads[3] = lab.put(lab.change(&leads[3]).set("score", Value::Int(-50))).await?;
    lab.settle().await;
    for owner in [0, 1] {
        let equals = vec![Value::Id(world.users[owner])];
        let query = lab.query(world.tenant, Kind::Lead, "owner_id -> score", equals);
        expect_both_ways(lab, &leads, Query { limit: 3, ..query }).await?;
    }
    expect_both_ways(lab, &leads, lab.query(world.tenant, Kind::Lead, " -> score", vec![])).await
}

async fn exhausted_lists_end(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let leads = lab.put_all((0..6).map(|_| lab.new_record(world.tenant, Kind::Lead)).collect()).await?;
    lab.settle().await;
    let query = lab.query(world.tenant, Kind::Lead, " -> created_at", vec![]);
    for limit in [6, 3, 2] {
        lab.expect_list(&leads, &Query { limit, ..query.clone() }).await?;
    }
    let page = lab.store.list(&Query { limit: 7, ..query.clone() }).await?;
    ensure!(page.items.len() == 6 && page.next.is_none(), "a page with room left over has a position: {:?}", page.next);
    let never = Query { filter: Predicate::never(), ..query };
    ensure!(lab.walk(&never).await?.is_empty(), "a filter that never holds shows records");
    Ok(())
}

async fn equals_must_be_given(lab: &Lab<'_>) -> Outcome {
    use crate::model::store::StoreError;
    let world = lab.tenant().await?;
    lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let owner = Value::Id(world.users[0]);
    for (index, equals) in [
        ("owner_id -> created_at", vec![]),
        ("owner_id -> created_at", vec![owner.clone(), owner.clone()]),
        (" -> created_at", vec![owner]),
    ] {
        let query = lab.query(world.tenant, Kind::Lead, index, equals);
        let listed = lab.store.list(&query).await;
        ensure!(matches!(listed, Err(StoreError::BadQuery(_))), "{:?} for `{index}` gave {listed:?}", query.equals);
    }
    Ok(())
}

async fn odd_equals_find_nothing(lab: &Lab<'_>) -> Outcome {
    use crate::model::store::StoreError;
    let world = lab.tenant().await?;
    lab.put(lab.new_record(world.tenant, Kind::Lead).set("owner_id", Value::Id(world.users[0]))).await?;
    lab.settle().await;
    let id = lab.id();
    for (index, value) in
        [("owner_id -> created_at", Value::Id(id)), ("email -> created_at", Value::text("nobody@x.io"))]
    {
        let listed = lab.walk(&lab.query(world.tenant, Kind::Lead, index, vec![value])).await?;
        ensure!(listed.is_empty(), "`{index}` of nobody lists {}", listed.len());
    }
    for odd in [Value::text("text"), Value::Int(1), Value::Bool(true), Value::list([]), Value::Time(lab.now())] {
        let query = lab.query(world.tenant, Kind::Lead, "owner_id -> created_at", vec![odd.clone()]);
        match lab.store.list(&query).await {
            Err(StoreError::BadQuery(_)) => {}
            Ok(page) if page.items.is_empty() => {}
            other => return Err(Failure::new(format!("owner_id = {odd:?} gave {other:?}"))),
        }
    }
    Ok(())
}

async fn listed_while_written(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let there = lab.put_all((0..10).map(|_| lab.new_record(world.tenant, Kind::Lead)).collect()).await?;
    lab.settle().await;
    let mut query = Query { limit: 3, ..lab.query(world.tenant, Kind::Lead, " -> created_at", vec![]) };
    let mut seen = Vec::new();
    loop {
        let page = lab.store.list(&query).await?;
        seen.extend(page.items.iter().map(|image| image.id));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        // Between two pages: a new record much later in the order, and an edit of a record that was returned.
        lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
        if let Some(shown) = page.items.first() {
            let Some(whole) = lab.get(world.tenant, shown.reference()).await? else {
                return Err(Failure::new("a listed record is not there"));
            };
            lab.put(lab.change(&whole).set("source", Value::text("web"))).await?;
        }
        lab.settle().await;
        ensure!(seen.len() < 1000, "the walk runs after records that it makes itself");
        if seen.len() > 30 {
            break;
        }
    }
    for image in &there {
        let times = seen.iter().filter(|&&id| id == image.id).count();
        ensure!(times == 1, "{} was shown {times} times", image.reference());
    }
    Ok(())
}
