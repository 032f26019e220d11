//! Pages that a database cuts on its own terms: lists of more than a megabyte, selective filters, and forged positions.

use std::sync::Arc;

use super::{Case, Failure, Lab, Outcome, World, case, ensure, samples};
use crate::{
    catalog,
    model::{
        filter::{Compare, Path, Predicate, Test},
        schema::{FieldType, Image},
        store::{Position, Query, StoreError},
        value::{Currency, Id, Kind, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!(
        "pages",
        more_than_a_megabyte,
        "a list of several megabytes is walked whole, in small pages and large, both ways"
    ),
    case!("pages", few_among_many, "a filter that lets one in many through finds all of them, and ends"),
    case!("pages", positions_of_the_wrong_type, "a position whose sort value is of another type is a bad query"),
    case!("pages", positions_far_out, "a position beyond all records, at either end or at none, is harmless"),
    case!("pages", position_of_a_vanished_record, "a walk goes on after a record that meanwhile moved or was archived"),
    case!("pages", missing_as_a_position, "a walk goes on after a record without a sort value"),
    case!("pages", with_the_epoch, "a page that tells the epoch is the same page, and the epoch the tenant's"),
];

/// Creates leads of about 50 kilobytes each, without long texts, so that a list transfers several megabytes.
async fn heavy(lab: &Lab<'_>, world: &World, count: usize) -> Result<Vec<Arc<Image>>, Failure> {
    let filler = Value::text("f".repeat(50_000));
    let edits = (0..count).map(|number| {
        let record = crate::model::value::Ref::new(Kind::Lead, lab.mixed_id());
        super::edit::sample(world.tenant, record, lab.now())
            .set("owner_id", Value::Id(world.users[0]))
            .set("score", Value::Int(i64::try_from(number % 7).unwrap_or_default()))
            .set("source", Value::text(if number % 29 == 28 { "rare" } else { "common" }))
            .property("filler", filler.clone())
    });
    Ok(lab.put_all(edits.collect()).await?)
}

fn source_is(value: &str) -> Predicate {
    let decl = catalog::decl(Kind::Lead);
    let field = decl.position("source").unwrap_or_default();
    Predicate::field_eq(field, decl.fields[field].ty, Value::text(value))
}

async fn more_than_a_megabyte(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let leads = heavy(lab, &world, 60).await?;
    lab.settle().await;
    for index in ["owner_id -> created_at", "owner_id -> score"] {
        for (limit, descending) in [(7, false), (59, true), (60, false), (1000, true)] {
            let query = lab.query(world.tenant, Kind::Lead, index, vec![Value::Id(world.users[0])]);
            lab.expect_list(&leads, &Query { descending, limit, ..query }).await?;
        }
    }
    Ok(())
}

async fn few_among_many(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    // More than four database pages of a megabyte.
    let leads = heavy(lab, &world, 90).await?;
    lab.settle().await;
    for filter in [source_is("rare"), source_is("none"), source_is("common"), Predicate::never()] {
        for (limit, descending) in [(1, false), (100, true)] {
            if limit == 1 && filter == source_is("common") {
                continue;
            }
            let query = lab.query(world.tenant, Kind::Lead, " -> score", vec![]);
            lab.expect_list(&leads, &Query { descending, filter: filter.clone(), limit, ..query }).await?;
        }
    }
    Ok(())
}

/// Returns a value of every variant, none of which is valid for all fields.
fn one_of_each(lab: &Lab<'_>) -> Vec<Value> {
    vec![
        Value::NotLoaded,
        Value::Redacted,
        Value::Bool(true),
        Value::Int(5),
        Value::Decimal(5.into()),
        Value::text("text"),
        Value::Id(lab.id()),
        Value::Ref(crate::model::value::Ref::new(Kind::Lead, lab.id())),
        Value::Time(lab.now()),
        Value::Date(crate::model::value::Date::of(lab.now())),
        samples::money("5", Currency::EUR),
        Value::list([Value::Int(5)]),
        Value::Map(Arc::default()),
        Value::Json(Arc::new(serde_json::json!({"a": 1}))),
    ]
}

async fn positions_of_the_wrong_type(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    for decl in catalog::all() {
        for index in &decl.indexes {
            let ty = decl.fields[index.sort].ty;
            for sort in one_of_each(lab) {
                let fits = matches!(
                    (&sort, ty),
                    (Value::Time(_), FieldType::Time)
                        | (Value::Date(_), FieldType::Date)
                        | (Value::Int(_), FieldType::Int(..))
                        | (Value::Decimal(_), FieldType::Decimal)
                        | (Value::Text(_), FieldType::Text(_))
                );
                let equals = vec![Value::Null; index.equals.len()];
                let after = Some(Position { sort: sort.clone(), id: lab.id() });
                let query = Query { after, ..lab.query(world.tenant, decl.kind, &index.name, equals) };
                match lab.store.list(&query).await {
                    Err(StoreError::BadQuery(_)) if !fits => {}
                    Ok(_) if fits => {}
                    other => {
                        let name = &index.name;
                        return Err(Failure::new(format!(
                            "after {sort:?} by `{name}` of {} gave {other:?}",
                            decl.kind
                        )));
                    }
                }
            }
        }
    }
    Ok(())
}

async fn positions_far_out(lab: &Lab<'_>) -> Outcome {
    use crate::model::value::Time;
    let world = lab.tenant().await?;
    let leads = lab
        .put_all((0..6).map(|n| lab.new_record(world.tenant, Kind::Lead).set("score", Value::Int(n))).collect())
        .await?;
    let companies = lab.put_all((0..6).map(|_| lab.new_record(world.tenant, Kind::Company)).collect()).await?;
    lab.settle().await;
    let long = "z".repeat(5_000);
    let texts = ["", "zzz", "\u{10FFFF}", "A", "'; drop table", "\\", "%", long.as_str(), "a\u{0}b"];
    let mut tries: Vec<(&str, Kind, &[Arc<Image>], Value)> = vec![
        (" -> created_at", Kind::Lead, &leads, Value::Time(Time::MIN)),
        (" -> created_at", Kind::Lead, &leads, Value::Time(Time::MAX)),
        (" -> created_at", Kind::Lead, &leads, Value::Null),
        (" -> score", Kind::Lead, &leads, Value::Int(i64::MIN)),
        (" -> score", Kind::Lead, &leads, Value::Int(i64::MAX)),
        (" -> score", Kind::Lead, &leads, Value::Int(3)),
        (" -> score", Kind::Lead, &leads, Value::Null),
    ];
    tries.extend(texts.iter().map(|text| (" -> name", Kind::Company, companies.as_slice(), Value::text(*text))));
    let [low, high] = [0, u128::MAX].map(|bits| Id::from_uuid(uuid::Uuid::from_u128(bits)));
    for (index, kind, records, sort) in tries {
        for id in [low, high, lab.mixed_id()] {
            for descending in [false, true] {
                let query = Query { descending, limit: 4, ..lab.query(world.tenant, kind, index, vec![]) };
                // The expected result after such a position.
                let expected: Vec<Arc<Image>> = super::expected_list(records, &query)
                    .into_iter()
                    .filter(|image| {
                        let order = query.index.sort_value(image).sort_order(&sort).then_with(|| image.id.cmp(&id));
                        if descending { order.is_lt() } else { order.is_gt() }
                    })
                    .collect();
                let after = Some(Position { sort: sort.clone(), id });
                let what = format!("after {} by `{index}`", super::check::short(&sort));
                let forged = Query { after, ..query };
                if sort.as_text().is_some_and(|text| text.contains('\0')) {
                    // Texts never contain NUL, so this position is invalid: it may be refused or treated as a place in
                    // the order.
                    let listed = lab.store.list(&forged).await;
                    ensure!(matches!(listed, Ok(_) | Err(StoreError::BadQuery(_))), "{what}: {listed:?}");
                } else {
                    let listed = lab.walk(&forged).await.map_err(|failure| failure.at(&what))?;
                    super::check::same_list(&what, &expected, &listed)?;
                }
            }
        }
    }
    Ok(())
}

async fn position_of_a_vanished_record(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut leads = lab
        .put_all((0..9).map(|n| lab.new_record(world.tenant, Kind::Lead).set("score", Value::Int(n))).collect())
        .await?;
    lab.settle().await;
    let query = Query { limit: 3, ..lab.query(world.tenant, Kind::Lead, " -> score", vec![]) };
    let first = lab.store.list(&query).await?;
    let last = first.items.last().map(|image| image.id);
    let at = leads.iter().position(|lead| Some(lead.id) == last);
    let Some(at) = at else { return Err(Failure::new("the first page is empty")) };
    leads[at] = lab.put(lab.change(&leads[at]).archive()).await?;
    lab.settle().await;
    let rest = lab.walk(&Query { after: first.next.clone(), ..query.clone() }).await?;
    super::check::same_list("after an archived record", &leads[3..], &rest)?;
    leads[at] = lab.put(lab.change(&leads[at]).restore().set("score", Value::Int(100))).await?;
    lab.settle().await;
    let rest = lab.walk(&Query { after: first.next, ..query }).await?;
    let mut expected = leads[3..].to_vec();
    expected.push(leads[at].clone());
    super::check::same_list("after a record that moved", &expected, &rest)
}

async fn missing_as_a_position(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits = (0..12).map(|n| {
        let record = crate::model::value::Ref::new(Kind::Lead, lab.mixed_id());
        let score = if n % 2 == 0 { Value::Null } else { Value::Int(n) };
        super::edit::sample(world.tenant, record, lab.now()).set("score", score)
    });
    let leads = lab.put_all(edits.collect()).await?;
    lab.settle().await;
    let decl = catalog::decl(Kind::Lead);
    let missing = Predicate::Test(Test {
        path: Path { field: decl.position("score").unwrap_or_default(), property: None },
        ty: FieldType::Int(i64::MIN, i64::MAX),
        list: false,
        compare: Compare::Missing,
        operands: Vec::new(),
    });
    for filter in [Predicate::always(), missing.clone(), Predicate::Not(Box::new(missing))] {
        for limit in [1, 2, 5] {
            for descending in [false, true] {
                let query = lab.query(world.tenant, Kind::Lead, " -> score", vec![]);
                lab.expect_list(&leads, &Query { limit, descending, filter: filter.clone(), ..query }).await?;
            }
        }
    }
    Ok(())
}

async fn with_the_epoch(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let other = lab.tenant().await?.tenant;
    let edits = (0..6).map(|n| {
        let record = crate::model::value::Ref::new(Kind::Lead, lab.mixed_id());
        let score = if n % 2 == 0 { Value::Null } else { Value::Int(n) };
        super::edit::sample(world.tenant, record, lab.now()).set("score", score)
    });
    lab.put_all(edits.collect()).await?;
    lab.settle().await;
    let shared = Value::Ref(crate::model::value::Ref::new(Kind::User, lab.mixed_id()));
    for (tenant, index, equals) in [
        (world.tenant, " -> score", vec![]),
        (world.tenant, "owner_id -> score", vec![Value::Id(lab.mixed_id())]),
        (world.tenant, "shared_with -> created_at", vec![shared]),
        (world.tenant, "shared_with -> created_at", vec![Value::Null]),
        (other, " -> score", vec![]),
        (lab.mixed_id(), " -> score", vec![]),
    ] {
        for descending in [false, true] {
            let query = lab.query(tenant, Kind::Lead, index, equals.clone());
            let mut query = Query { limit: 2, descending, ..query };
            // Six leads are three pages, and a database may end with an empty one.
            for _ in 0..5 {
                let (page, epochs) = lab.store.list_with_epochs(&query).await?;
                ensure!(epochs == lab.epochs(tenant).await?, "by `{index}` the page tells {epochs:?}");
                ensure!(page == lab.store.list(&query).await?, "by `{index}` the page is another with the epoch");
                let Some(next) = page.next else { break };
                query.after = Some(next);
            }
        }
    }
    Ok(())
}
