//! Ordinary and extreme values of every type are returned unchanged by get, by lists and by the log.

use std::sync::Arc;

use super::{Case, Failure, Lab, Outcome, case, ensure, samples};
use crate::{
    catalog,
    model::{
        change::Change,
        schema::{FieldDecl, Image, MAX_TEXT},
        value::{Id, Kind, Ref, Time, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!(
        "values",
        every_field_of_every_kind,
        "every value of every field's type comes back unchanged, from get, list and log"
    ),
    case!("values", every_property_type, "custom properties of every type come back unchanged and of their type"),
    case!(
        "values",
        every_character,
        "every character but NUL comes back, in a text, a long text, a property and a tag"
    ),
    case!(
        "values",
        decimals_to_the_last_digit,
        "decimals of 28 digits come back to the last one, as numbers and as money"
    ),
    case!("values", times_to_the_microsecond, "every moment comes back to the microsecond, from the year 1 to 9999"),
    case!("values", very_long_texts, "texts of 255 wide characters and long texts of 64 KB come back whole"),
    case!("values", many_elements, "lists keep their order, all their elements and each element's text"),
    case!(
        "values",
        many_properties,
        "a record with hundreds of custom properties keeps each, and loses those taken away"
    ),
    case!(
        "values",
        missing_is_not_empty,
        "a missing text is not an empty one, nought is not missing, false is not missing"
    ),
];

/// Returns `true` if the table of values can be used for a field.
fn is_free(at: usize, field: &FieldDecl) -> bool {
    !samples::is_kept_by_writes(at) && !matches!(field.name, "merged_into")
}

async fn expect_everywhere(lab: &Lab<'_>, images: &[Arc<Image>], logged: &[Change]) -> Outcome {
    lab.expect_all(images).await?;
    lab.settle().await;
    if let Some(first) = images.first() {
        let walk = first.decl.walk();
        let all = lab.walk(&lab.query(first.tenant, first.kind(), &walk.name, vec![])).await?;
        for image in images {
            let listed = all.iter().find(|listed| listed.id == image.id);
            let told = listed.map(|listed| super::differences(image, listed, true));
            match told {
                Some(None) => {}
                Some(Some(told)) => return Err(Failure::new(told).at("listed")),
                None => return Err(Failure::new(format!("{} is not listed", image.reference()))),
            }
        }
    }
    for image in images {
        let expected: Vec<Change> =
            logged.iter().filter(|change| change.record == image.reference()).cloned().collect();
        // The ids of the commits are not compared.
        let mut found = lab.changes(image.tenant, image.reference()).await?;
        for change in &mut found {
            change.commit = Id::NIL;
        }
        super::history::same_changes("the log", &expected, &found)?;
    }
    Ok(())
}

/// Commits edits, and returns the images and changes.
async fn put_logged(lab: &Lab<'_>, edits: Vec<super::Edit>) -> Result<(Vec<Arc<Image>>, Vec<Change>), Failure> {
    let changes = edits.iter().flat_map(|edit| edit.clone().into_write(Id::NIL).changes).collect();
    let names: Vec<String> = edits.iter().map(|edit| super::check::cut(&format!("{:?}", edit.after()), 1000)).collect();
    let images = lab.put_all(edits).await;
    let images = images.map_err(|error| Failure::from(error).at(&format!("among {}", names.join("\n"))))?;
    Ok((images, changes))
}

async fn every_field_of_every_kind(lab: &Lab<'_>) -> Outcome {
    for decl in catalog::all().filter(|decl| decl.kind != Kind::Organization) {
        let world = lab.tenant().await?;
        let columns: Vec<(&FieldDecl, Vec<Value>)> = decl
            .fields
            .iter()
            .enumerate()
            .filter(|(at, field)| is_free(*at, field))
            .map(|(_, field)| (field, samples::values(field.ty, &world)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        let rows = columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let edits = (0..rows).map(|row| {
            columns.iter().fold(lab.new_record(world.tenant, decl.kind), |edit, (field, values)| {
                edit.set(field.name, values[row % values.len()].clone())
            })
        });
        let (images, changes) = put_logged(lab, edits.collect()).await?;
        expect_everywhere(lab, &images, &changes).await?;
    }
    Ok(())
}

async fn every_property_type(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let types = samples::property_types();
    let rows = types.iter().map(|(_, ty)| samples::values(*ty, &world).len()).max().unwrap_or(0);
    let edits = (0..rows).map(|row| {
        types.iter().fold(lab.new_record(world.tenant, Kind::Deal), |edit, (key, ty)| {
            let values = samples::values(*ty, &world);
            edit.property(key, values[row % values.len()].clone())
        })
    });
    let (images, changes) = put_logged(lab, edits.collect()).await?;
    expect_everywhere(lab, &images, &changes).await
}

async fn every_character(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut characters: Vec<char> = (1..0x300_u32).filter_map(char::from_u32).collect();
    characters.extend((0x300..0x11_0000_u32).step_by(251).filter_map(char::from_u32));
    characters.extend(['\u{d7ff}', '\u{e000}', '\u{fffe}', '\u{ffff}', '\u{10000}', '\u{10ffff}']);
    let mut edits = Vec::new();
    for chunk in characters.chunks(200) {
        let text: String = chunk.iter().collect();
        let tags = chunk.iter().step_by(11).map(|c| Value::text(format!("t{c}"))).take(50);
        edits.push(
            lab.new_record(world.tenant, Kind::Lead)
                .set("name", Value::text(text.as_str()))
                .set("description", Value::text(text.as_str()))
                .set("tags", Value::list(tags))
                .property("text", Value::text(text.as_str()))
                .set("search_text", Value::text(crate::model::value::fold(&text))),
        );
    }
    let (images, changes) = put_logged(lab, edits).await?;
    expect_everywhere(lab, &images, &changes).await
}

async fn decimals_to_the_last_digit(lab: &Lab<'_>) -> Outcome {
    use crate::model::value::Currency;
    let world = lab.tenant().await?;
    let edits = samples::DECIMALS.iter().map(|text| {
        lab.new_record(world.tenant, Kind::Company)
            .set("lifetime_value", Value::Decimal(samples::decimal(text)))
            .set("annual_revenue", samples::money(text, Currency::USD))
            .property("decimal", Value::Decimal(samples::decimal(text)))
            .property("money", samples::money(text, Currency::EUR))
    });
    let (images, changes) = put_logged(lab, edits.collect()).await?;
    expect_everywhere(lab, &images, &changes).await?;
    let edits = samples::DECIMALS.iter().map(|text| {
        let rate = Value::Decimal(samples::decimal(text));
        lab.new_record(world.tenant, Kind::Rate).set("rate", rate)
    });
    let (images, changes) = put_logged(lab, edits.collect()).await?;
    expect_everywhere(lab, &images, &changes).await
}

async fn times_to_the_microsecond(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let moments =
        [0, 1, -1, 999_999, -999_999, 1_704_067_200_123_456, 253_402_300_799_999_999, -62_135_596_800_000_000];
    let times = moments.map(|micros| Time::EPOCH.plus_micros(micros));
    // Also for changes: one that occurred in the year 1 and is recorded at the end of time.
    let edits = times.map(|time| {
        super::edit::sample(world.tenant, Ref::new(Kind::Task, lab.id()), time.max(Time::EPOCH))
            .set("due_at", Value::Time(time))
            .property("datetime", Value::Time(time))
            .occurred(time.min(Time::EPOCH))
    });
    let (images, changes) = put_logged(lab, edits.into()).await?;
    expect_everywhere(lab, &images, &changes).await
}

async fn very_long_texts(lab: &Lab<'_>) -> Outcome {
    use crate::model::schema::MAX_LONG_TEXT;
    let world = lab.tenant().await?;
    let wide = samples::wide_text(MAX_TEXT);
    let quotes = "\"\\'".repeat(MAX_TEXT / 3);
    let long = [
        "a".repeat(MAX_LONG_TEXT),
        samples::wide_text(MAX_LONG_TEXT / 4),
        "\"\\\n\t".repeat(MAX_LONG_TEXT / 8),
        "\u{1}".repeat(4096),
    ];
    let edits = long.iter().zip([&wide, &quotes, &wide, &quotes]).map(|(long, text)| {
        lab.new_record(world.tenant, Kind::Lead)
            .set("name", Value::text(text.as_str()))
            .set("external_id", Value::text(text.as_str()))
            .set("description", Value::text(long.as_str()))
    });
    let (images, changes) = put_logged(lab, edits.collect()).await?;
    expect_everywhere(lab, &images, &changes).await
}

async fn many_elements(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let tags = |rotate: usize| {
        let mut tags: Vec<Value> = (0..50).map(|number| Value::text(format!("tag, \"{number}\" {{}}"))).collect();
        tags.rotate_left(rotate);
        Value::list(tags)
    };
    let leads = lab.put_all((0..20).map(|_| lab.new_record(world.tenant, Kind::Lead)).collect()).await?;
    let links = |rotate: usize| {
        let mut links: Vec<Value> = leads.iter().map(|lead| Value::Ref(lead.reference())).collect();
        links.rotate_left(rotate);
        Value::list(links)
    };
    let mut deal = lab.put(lab.new_record(world.tenant, Kind::Deal).set("tags", tags(0))).await?;
    let mut note = lab.put(lab.new_record(world.tenant, Kind::Note).set("links", links(0))).await?;
    for rotate in [0, 1, 7, 19] {
        deal = lab.put(lab.change(&deal).set("tags", tags(rotate)).property("step", Value::Int(1))).await?;
        lab.expect(&deal).await?;
        note = lab.put(lab.change(&note).set("links", links(rotate)).property("step", Value::Int(1))).await?;
        lab.expect(&note).await?;
    }
    lab.settle().await;
    lab.expect_list(&[note], &lab.query(world.tenant, Kind::Note, " -> created_at", vec![])).await
}

async fn many_properties(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let mut edit = lab.new_record(world.tenant, Kind::Contact);
    for number in 0..300 {
        edit = edit.property(&format!("key_{number}"), Value::Int(number));
    }
    let image = lab.put(edit).await?;
    lab.expect(&image).await?;
    let mut edit = lab.change(&image);
    for number in (0..300).step_by(2) {
        edit = edit.property(&format!("key_{number}"), Value::Null);
    }
    let image = lab.put(edit.property("key_1", Value::text("1"))).await?;
    lab.expect(&image).await?;
    let left = image.get("properties").as_map().map_or(0, std::collections::BTreeMap::len);
    ensure!(left == 150, "150 properties should be left, {left} are");
    Ok(())
}

async fn missing_is_not_empty(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let rows: [[Value; 4]; 3] = [
        [Value::Null, Value::Null, Value::Null, Value::Null],
        [Value::text(""), Value::Int(0), Value::Bool(false), Value::text("")],
        [Value::text(" "), Value::Int(-1), Value::Bool(true), Value::text("\n")],
    ];
    let mut edits = Vec::new();
    for [text, number, flag, outcome] in rows {
        edits.push(
            lab.new_record(world.tenant, Kind::Lead)
                .set("source", text.clone())
                .set("employee_count", number.clone())
                .set("is_hot", flag.clone())
                .set("grade", outcome),
        );
        let mut deal = lab.new_record(world.tenant, Kind::Deal).set("source", text.clone()).set("probability", number);
        if !text.is_null() {
            deal = deal.property("text", text).property("flag", flag);
        }
        edits.push(deal);
    }
    for image in lab.put_all(edits).await? {
        lab.expect(&image).await?;
    }
    Ok(())
}
