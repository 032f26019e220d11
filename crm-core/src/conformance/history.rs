//! The changes of one record: in order, in both directions, by field, in pages, and as of the past.

use super::{Case, Failure, Lab, Outcome, case, ensure, samples};
use crate::model::{
    change::{Change, Origin, as_of},
    schema::Group,
    store::HistoryQuery,
    value::{Id, Kind, Ref, Value},
};

pub(super) const CASES: &[Case] = &[
    case!("history", changes_as_written, "every change is got as it was written, with all it has"),
    case!("history", both_ways_and_paged, "a history goes either way, in pages of every size"),
    case!("history", order_of_equal_times, "changes of one moment go by group, then by version"),
    case!("history", by_field, "a history of one field, built-in or custom, has the changes that touch it"),
    case!("history", by_field_in_pages, "a field that changed rarely is found in a long history, page by page"),
    case!("history", values_of_every_type, "old and new values of every type stay what they were, and of their type"),
    case!("history", machine_crossings, "an announced machine change is logged; others raise the version alone"),
    case!("history", as_of_agrees, "a record as of every moment of its life is what it was then"),
    case!("history", history_of_nothing, "a record that is not there, or of another kind, has no history"),
];

fn query(tenant: Id, record: Ref) -> HistoryQuery {
    HistoryQuery { tenant, record, field: None, descending: false, after: None, limit: 100 }
}

/// Requires that two sequences of changes are equal.
pub(super) fn same_changes(what: &str, expected: &[Change], got: &[Change]) -> Outcome {
    ensure!(expected.len() == got.len(), "{what}: expected {} changes, got {}", expected.len(), got.len());
    for (expected, got) in expected.iter().zip(got) {
        ensure!(
            expected == got,
            "{what}: expected {}\ngot {}",
            super::check::cut(&format!("{expected:?}"), 3000),
            super::check::cut(&format!("{got:?}"), 3000)
        );
    }
    Ok(())
}

async fn changes_as_written(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let other = lab.put(lab.new_record(world.tenant, Kind::Contact)).await?;
    let origin = Origin {
        through: Some("import".to_owned()),
        detail: Some("leads.csv, row 7 \"quoted\" 日本".to_owned()),
        address: Some("2001:db8::1".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; 'x')".to_owned()),
    };
    let created = lab
        .new_record(world.tenant, Kind::Lead)
        .by(world.users[0])
        .origin(origin)
        .with([other.reference(), Ref::new(Kind::Company, lab.id())])
        .occurred(samples_time(-86_400_000_000))
        .stage(world.lead_pipeline, world.stages[0]);
    let image = created.after();
    let first = lab.step(world.tenant).write(created).send().await?;
    let edit = lab
        .change(&image)
        .action("move_stage")
        .stage(world.lead_pipeline, world.stages[1])
        .property("size", Value::Int(3))
        .origin(Origin::default());
    let second = lab.step(world.tenant).write(edit).send().await?;
    let expected: Vec<Change> =
        first.writes.iter().chain(&second.writes).flat_map(|write| write.changes.clone()).collect();
    let got = lab.changes(world.tenant, image.reference()).await?;
    // An empty origin equals a missing one.
    let said = |change: &Change| {
        let mut change = change.clone();
        change.origin = change.origin.filter(|origin| **origin != Origin::default());
        change
    };
    let expected: Vec<Change> = expected.iter().map(said).collect();
    let got: Vec<Change> = got.iter().map(said).collect();
    same_changes("the history of a lead", &expected, &got)
}

fn samples_time(before: i64) -> crate::model::value::Time {
    crate::model::value::Time::EPOCH.plus_micros(1_704_067_200_000_000 + before)
}

async fn both_ways_and_paged(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut image = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    for number in 0..12 {
        let edit = lab.change(&image).set("source", Value::text(number.to_string()));
        let edit = if number % 3 == 0 { edit.announce("is_hot", Value::Bool(number % 2 == 0)) } else { edit };
        image = lab.put(edit).await?;
    }
    let all = lab.changes(world.tenant, image.reference()).await?;
    ensure!(all.len() == 17, "13 person's changes and 4 crossings were written, {} changes are there", all.len());
    let sorted = all.is_sorted_by_key(|change| (change.recorded_at, change.group, change.version));
    ensure!(sorted, "the history is not in order");
    let reverse: Vec<Change> = all.iter().rev().cloned().collect();
    for limit in [1, 2, 5, 16, 17, 18] {
        let query = HistoryQuery { limit, ..query(world.tenant, image.reference()) };
        same_changes(&format!("{limit} a page"), &all, &lab.history(&query).await?)?;
        let query = HistoryQuery { descending: true, ..query };
        same_changes(&format!("latest first, {limit} a page"), &reverse, &lab.history(&query).await?)?;
    }
    Ok(())
}

async fn order_of_equal_times(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let at = lab.now();
    let mut edit = super::edit::sample(world.tenant, Ref::new(Kind::Lead, lab.id()), at);
    for number in 0..11 {
        edit = edit.next(at).set("source", Value::text(number.to_string()));
    }
    let mut image = lab.put(edit).await?;
    for number in 0..2 {
        let edit = super::Edit::of(&image, at).announce("score", Value::Int(number + 1));
        image = lab.put(edit).await?;
    }
    let all = lab.changes(world.tenant, image.reference()).await?;
    let order: Vec<(Group, u64)> = all.iter().map(|change| (change.group, change.version)).collect();
    let expected: Vec<(Group, u64)> =
        (1..=12).map(|version| (Group::User, version)).chain([(Group::Machine, 1), (Group::Machine, 2)]).collect();
    ensure!(order == expected, "changes of one moment stand in the order {order:?}");
    let reverse: Vec<Change> = all.iter().rev().cloned().collect();
    for limit in [1, 3, 12, 100] {
        let query = HistoryQuery { limit, ..query(world.tenant, image.reference()) };
        same_changes("one moment", &all, &lab.history(&query).await?)?;
        let query = HistoryQuery { descending: true, ..query };
        same_changes("one moment, latest first", &reverse, &lab.history(&query).await?)?;
    }
    Ok(())
}

async fn by_field(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut image = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let edits: [&[(&str, Value)]; 5] = [
        &[("source", Value::text("web"))],
        &[("job_title", Value::text("CTO")), ("source", Value::Null)],
        &[("properties.size", Value::Int(1))],
        &[("properties.size_2", Value::Int(2)), ("job_title", Value::text("source"))],
        &[("properties.size", Value::Null), ("source_detail", Value::text("fair"))],
    ];
    for fields in edits {
        let edit =
            fields.iter().fold(lab.change(&image), |edit, (name, value)| match name.strip_prefix("properties.") {
                Some(key) => edit.property(key, value.clone()),
                None => edit.set(name, value.clone()),
            });
        image = lab.put(edit).await?;
    }
    for (field, expected) in [
        ("source", vec![2, 3]),
        ("job_title", vec![3, 5]),
        ("properties.size", vec![4, 6]),
        ("properties.size_2", vec![5]),
        ("source_detail", vec![6]),
        ("name", vec![1]),
        ("size", vec![]),
        ("sourc", vec![]),
        ("properties", vec![]),
        ("nothing", vec![]),
        ("", vec![]),
        ("sour%", vec![]),
    ] {
        for descending in [false, true] {
            for limit in [1, 100] {
                let query = HistoryQuery {
                    field: Some(field.to_owned()),
                    descending,
                    limit,
                    ..query(world.tenant, image.reference())
                };
                let mut versions: Vec<u64> = lab.history(&query).await?.iter().map(|change| change.version).collect();
                if descending {
                    versions.reverse();
                }
                ensure!(versions == expected, "`{field}` changed at {expected:?}, the history says {versions:?}");
            }
        }
    }
    Ok(())
}

async fn by_field_in_pages(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut image = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    for round in 0..4 {
        let mut edit = lab.change(&image).set("job_title", Value::text(format!("rare {round}")));
        for number in 0..30 {
            edit = edit.next(lab.now()).set("source", Value::text(format!("often {round} {number}")));
        }
        image = lab.put(edit).await?;
    }
    for descending in [false, true] {
        let query = HistoryQuery {
            field: Some("job_title".to_owned()),
            descending,
            limit: 3,
            ..query(world.tenant, image.reference())
        };
        let got = lab.history(&query).await?;
        ensure!(got.len() == 4, "a field that changed 4 times in 125 changes is told {} times", got.len());
    }
    Ok(())
}

async fn values_of_every_type(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut expected = Vec::new();
    let mut image = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let mut types = samples::property_types();
    types.push(("long_text", crate::model::schema::FieldType::LongText));
    types.push(("structs", crate::model::schema::FieldType::Structs(5)));
    for (key, ty) in types {
        let mut edit = lab.change(&image);
        for value in samples::values(ty, &world) {
            expected.push(value.clone());
            edit = edit.property(key, value).next(lab.now());
        }
        image = lab.put(edit).await?;
    }
    let got: Vec<Value> = lab
        .changes(world.tenant, image.reference())
        .await?
        .into_iter()
        .skip(1)
        .flat_map(|change| change.fields.into_iter().map(|field| field.new))
        .collect();
    ensure!(expected.len() == got.len(), "{} values were logged, {} are there", expected.len(), got.len());
    for (expected, got) in expected.iter().zip(&got) {
        let (expected_shown, got_shown) = (super::check::short(expected), super::check::short(got));
        ensure!(expected == got, "logged was {expected_shown}, the history has {got_shown}");
    }
    Ok(())
}

async fn machine_crossings(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let image = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let quiet = lab.put(lab.change(&image).set("score", Value::Int(10))).await?;
    let crossed =
        lab.put(lab.change(&quiet).set("score", Value::Int(90)).announce("is_hot", Value::Bool(true))).await?;
    lab.expect(&crossed).await?;
    let changes = lab.changes(world.tenant, image.reference()).await?;
    ensure!(changes.len() == 2, "a creation and a crossing were logged, {} changes are there", changes.len());
    let last = &changes[1];
    ensure!(
        last.group == Group::Machine && last.version == 2 && last.field("is_hot").is_some(),
        "the crossing led to version 2 of the machine's group, the log has {last:?}"
    );
    Ok(())
}

async fn as_of_agrees(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut image = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    let mut lives = vec![(lab.now(), image.clone())];
    let steps: [&[(&str, Value)]; 6] = [
        &[("source", Value::text("web")), ("tags", Value::list([Value::text("a")]))],
        &[("annual_revenue", samples::money("10.5", crate::model::value::Currency::EUR))],
        &[("tags", Value::list([])), ("source", Value::Null)],
        &[("employee_count", Value::Int(7)), ("do_not_call", Value::Bool(true))],
        &[("archived_at", Value::Time(lab.now()))],
        &[("archived_at", Value::Null), ("owner_id", Value::Id(world.users[1]))],
    ];
    for fields in steps {
        let edit = fields.iter().fold(lab.change(&image), |edit, (name, value)| edit.set(name, value.clone()));
        image = lab.put(edit.property("step", Value::Int(1))).await?;
        lives.push((lab.now(), image.clone()));
    }
    let changes = lab.changes(world.tenant, image.reference()).await?;
    for (at, then) in &lives {
        let Some(told) = as_of(world.tenant, &changes, *at, None) else {
            return Err(Failure::new(format!("as of {at} there is nothing")));
        };
        for ((field, expected), got) in then.decl.fields.iter().zip(&then.values).zip(&told.values) {
            let same = expected == got || (expected.items().is_empty() && got.items().is_empty() && field.ty.is_list());
            let empty = field.name == "properties" && expected.is_null();
            ensure!(
                !field.is_logged() || same || empty,
                "as of {at}, `{}` was {expected:?}, the log says {got:?}",
                field.name
            );
        }
        ensure!(told.versions.person == then.versions.person, "as of {at}, version {:?}", told.versions);
    }
    Ok(())
}

async fn history_of_nothing(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let lead = lab.put(lab.new_record(world.tenant, Kind::Lead)).await?;
    for record in [Ref::new(Kind::Contact, lead.id), Ref::new(Kind::Lead, lab.id())] {
        let changes = lab.changes(world.tenant, record).await?;
        ensure!(changes.is_empty(), "{record} has a history: {changes:?}");
    }
    Ok(())
}
