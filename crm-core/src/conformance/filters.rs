//! Filters: every comparison of every type, on every value and on missing ones, compared with [`Predicate::holds`].

use std::sync::Arc;

use super::{Case, Failure, Lab, Outcome, World, case, ensure, expected_list, samples};
use crate::{
    catalog,
    model::{
        filter::{Compare, MAX_IN, Path, Predicate, Test},
        schema::{FieldType, Image, KindDecl, common},
        store::Query,
        value::{Currency, Id, Kind, Ref, Value},
    },
};

pub(super) const CASES: &[Case] = &[
    case!(
        "filters",
        every_field_type,
        "each comparison that a field's type has, with each value and its complement, shows what holds"
    ),
    case!("filters", properties_of_every_type, "the same for custom properties of every type"),
    case!(
        "filters",
        properties_of_mixed_types,
        "a property whose stored values are of several types compares as its filter's type"
    ),
    case!("filters", parts_of_texts, "contains and starts_with go letter for letter, and no letter is a wildcard"),
    case!(
        "filters",
        members_of_values,
        "a member of any of a list's structured values fits, in whatever place it stands"
    ),
    case!("filters", ids, "records are told apart by their ids"),
    case!("filters", money_by_currency, "amounts compare within their currency only"),
    case!(
        "filters",
        and_or_not,
        "parts are combined at will: empty, nested eight deep, complemented, a hundred of them"
    ),
    case!("filters", many_values, "`in` takes a hundred values"),
    case!("filters", filters_beside_an_index, "a filter holds besides the index's own equals, whatever its pages"),
    case!(
        "filters",
        fields_of_equals_filtered_again,
        "a filter on the index's own fields is no contradiction in itself"
    ),
];

/// Returns `true` if filters can compare a type this way, according to [`crate::model::filter::Compiler`].
pub(super) fn takes(ty: FieldType, compare: Compare) -> bool {
    let list = ty.is_list();
    let text = matches!(
        ty,
        FieldType::Text(_)
            | FieldType::Folded
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Domain
            | FieldType::Url
            | FieldType::Key
            | FieldType::Currency
            | FieldType::TimeZone
    );
    let ordered =
        matches!(ty, FieldType::Int(..) | FieldType::Decimal | FieldType::Money | FieldType::Time | FieldType::Date);
    match compare {
        Compare::Missing => !matches!(ty, FieldType::LongText | FieldType::Properties),
        Compare::Contains | Compare::StartsWith => text && !list,
        Compare::Lt | Compare::Le | Compare::Gt | Compare::Ge => !list && (text || ordered),
        Compare::Eq | Compare::In => {
            !matches!(ty, FieldType::Struct | FieldType::Structs(_) | FieldType::Properties | FieldType::LongText)
        }
    }
}

pub(super) const COMPARES: [Compare; 9] = [
    Compare::Eq,
    Compare::Lt,
    Compare::Le,
    Compare::Gt,
    Compare::Ge,
    Compare::In,
    Compare::Contains,
    Compare::StartsWith,
    Compare::Missing,
];

/// Returns every test of a path that its type allows, with operands that some records have and others that none has.
fn tests(path: &Path, ty: FieldType, operands: &[Value]) -> Vec<Predicate> {
    let test = |compare: Compare, operands: Vec<Value>| {
        Predicate::Test(Test { path: path.clone(), ty: ty.element(), list: ty.is_list(), compare, operands })
    };
    let mut all = Vec::new();
    for compare in COMPARES.into_iter().filter(|&compare| takes(ty, compare)) {
        match compare {
            Compare::Missing => all.push(test(compare, Vec::new())),
            Compare::In => {
                all.push(test(compare, operands.iter().take(1).cloned().collect()));
                all.push(test(compare, operands.iter().step_by(2).cloned().collect()));
                all.push(test(compare, operands.to_vec()));
            }
            _ => all.extend(operands.iter().map(|operand| test(compare, vec![operand.clone()]))),
        }
    }
    all
}

/// Lists the kind with each predicate and its complement, and compares the results with the expected ones.
async fn expect_each(lab: &Lab<'_>, images: &[Arc<Image>], tenant: Id, predicates: &[Predicate]) -> Outcome {
    let complements = predicates.iter().map(|predicate| Predicate::Not(Box::new(predicate.clone())));
    expect_all(lab, images, tenant, &predicates.iter().cloned().chain(complements).collect::<Vec<_>>()).await
}

/// As [`expect_each`], with the complement of every third predicate only. Complements test missing values, which do not
/// depend on the operand, and each costs one more list.
async fn expect_most(lab: &Lab<'_>, images: &[Arc<Image>], tenant: Id, predicates: &[Predicate]) -> Outcome {
    let complements = predicates.iter().step_by(3).map(|predicate| Predicate::Not(Box::new(predicate.clone())));
    expect_all(lab, images, tenant, &predicates.iter().cloned().chain(complements).collect::<Vec<_>>()).await
}

/// Lists the kind with each predicate, and compares the results with the expected ones.
async fn expect_all(lab: &Lab<'_>, images: &[Arc<Image>], tenant: Id, predicates: &[Predicate]) -> Outcome {
    let decl: &'static KindDecl = match images.first() {
        Some(image) => image.decl,
        None => return Err(Failure::new("there is nothing to filter")),
    };
    for filter in predicates {
        let query = Query { filter: filter.clone(), ..lab.query(tenant, decl.kind, &decl.walk().name, vec![]) };
        let listed = lab.walk(&query).await.map_err(|failure| failure.at(&format!("{filter:?}")))?;
        let expected = expected_list(images, &query);
        if !expected.iter().map(|image| image.id).eq(listed.iter().map(|image| image.id)) {
            return Err(Failure::new(tell(filter, images, &expected, &listed)));
        }
    }
    Ok(())
}

/// Describes the values that a filter wrongly included or excluded.
fn tell(filter: &Predicate, images: &[Arc<Image>], expected: &[Arc<Image>], listed: &[Arc<Image>]) -> String {
    let path = first_path(filter);
    let value = |image: &Image| path.as_ref().map_or(Value::Null, |path| path.value(image).clone());
    let is_in = |list: &[Arc<Image>], image: &Arc<Image>| list.iter().any(|other| other.id == image.id);
    let wrong = |more: &[Arc<Image>], less: &[Arc<Image>]| {
        let wrong = images.iter().filter(|image| is_in(more, image) && !is_in(less, image));
        wrong.map(|image| super::check::short(&value(image))).collect::<Vec<_>>().join(", ")
    };
    format!(
        "the filter {}\nlet through wrongly: {}\nkept back wrongly: {}",
        super::check::cut(&format!("{filter:?}"), 1500),
        wrong(listed, expected),
        wrong(expected, listed)
    )
}

fn first_path(filter: &Predicate) -> Option<Path> {
    match filter {
        Predicate::Test(test) => Some(test.path.clone()),
        Predicate::Not(part) => first_path(part),
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().find_map(first_path),
        Predicate::Ids(_) => None,
    }
}

/// Returns operands for a type: each value that records have (for lists, each element), and some that none has.
fn operands(ty: FieldType, values: &[Value], world: &World) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut add = |value: &Value| {
        if !value.is_null() && !all.contains(value) {
            all.push(value.clone());
        }
    };
    for value in values {
        if ty.is_list() { value.items().iter().for_each(&mut add) } else { add(value) }
    }
    for value in samples::values(ty.element(), world).iter().take(3) {
        add(value);
    }
    match ty.element() {
        FieldType::Int(..) => [i64::MIN, i64::MAX, 8, -8].map(Value::Int).iter().for_each(&mut add),
        FieldType::Text(_) => ["nobody", "PLAIN", "plai", "plain "].map(Value::text).iter().for_each(&mut add),
        _ => {}
    }
    // Enough to meet the neighbours of every value; all pairs would be tens of thousands of lists.
    all.truncate(10);
    all
}

async fn every_field_type(lab: &Lab<'_>) -> Outcome {
    let mut met: Vec<std::mem::Discriminant<FieldType>> = Vec::new();
    for decl in catalog::all().filter(|decl| decl.kind != Kind::Organization) {
        // Two fields of each type suffice, in any kinds.
        let mut chosen = Vec::new();
        for (at, field) in decl.fields.iter().enumerate() {
            let discriminant = std::mem::discriminant(&field.ty);
            let times = met.iter().filter(|&&other| other == discriminant).count();
            let skip = samples::is_kept_by_writes(at) || matches!(field.name, "merged_into" | "properties");
            if !skip && times < 2 {
                met.push(discriminant);
                chosen.push((at, field));
            }
        }
        if chosen.is_empty() {
            continue;
        }
        let world = lab.tenant().await?;
        let columns: Vec<_> = chosen
            .iter()
            .map(|(at, field)| {
                let mut values = samples::values(field.ty, &world);
                values.truncate(14);
                if samples::may_be_missing(decl, *at) {
                    values.push(Value::Null);
                }
                (*at, *field, values)
            })
            .filter(|(_, _, values)| !values.is_empty())
            .collect();
        let rows = columns.iter().map(|(_, _, values)| values.len()).max().unwrap_or(0);
        let edits = (0..rows).map(|row| {
            columns.iter().fold(lab.new_record(world.tenant, decl.kind), |edit, (_, field, values)| {
                edit.set(field.name, values[row % values.len()].clone())
            })
        });
        let mut images = lab.put_all(edits.collect()).await?;
        for record in world.records().filter(|record| record.kind == decl.kind) {
            images.extend(lab.get(world.tenant, record).await?);
        }
        lab.settle().await;
        for (at, field, values) in &columns {
            let path = Path { field: *at, property: None };
            let tests = tests(&path, field.ty, &operands(field.ty, values, &world));
            let place = format!("`{}` of {}", field.name, decl.kind);
            expect_most(lab, &images, world.tenant, &tests).await.map_err(|failure| failure.at(&place))?;
        }
    }
    ensure!(met.len() > 40, "only {} fields were filtered by", met.len());
    Ok(())
}

async fn properties_of_every_type(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let types = samples::property_types();
    let column = |ty: FieldType| {
        let mut values = samples::values(ty, &world);
        values.truncate(14);
        values
    };
    let rows = types.iter().map(|(_, ty)| column(*ty).len()).max().unwrap_or(0);
    let edits = (0..rows).map(|row| {
        types.iter().fold(lab.new_record(world.tenant, Kind::Contact), |edit, (key, ty)| {
            let values = column(*ty);
            edit.property(key, values[row % values.len()].clone())
        })
    });
    let mut images = lab.put_all(edits.collect()).await?;
    // One record with other properties only, and one without properties.
    images.push(lab.put(lab.new_record(world.tenant, Kind::Contact).property("other", Value::Int(1))).await?);
    images.push(lab.put(lab.new_record(world.tenant, Kind::Contact)).await?);
    lab.settle().await;
    for (key, ty) in types {
        let path = Path { field: common::PROPERTIES, property: Some(Arc::from(key)) };
        let tests = tests(&path, ty, &operands(ty, &column(ty), &world));
        let place = format!("the property `{key}`");
        expect_most(lab, &images, world.tenant, &tests).await.map_err(|failure| failure.at(&place))?;
    }
    let never = Path { field: common::PROPERTIES, property: Some(Arc::from("never")) };
    expect_each(lab, &images, world.tenant, &tests(&never, FieldType::Text(255), &[Value::text("x")])).await
}

async fn properties_of_mixed_types(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let values = [
        Value::text("5"),
        Value::Int(5),
        Value::Decimal(samples::decimal("5")),
        samples::money("5", Currency::EUR),
        Value::text("true"),
        Value::Bool(true),
        Value::text("2024-01-01"),
        samples::day(19_723),
        samples::time(1_704_067_200_000_000),
        Value::Id(world.users[0]),
        Value::text(world.users[0].to_string()),
        Value::Ref(Ref::new(Kind::User, world.users[0])),
        Value::list([Value::text("5")]),
        Value::list([Value::Int(5)]),
    ];
    let edits = values.iter().map(|value| lab.new_record(world.tenant, Kind::Deal).property("key", value.clone()));
    let images = lab.put_all(edits.collect()).await?;
    lab.settle().await;
    let path = Path { field: common::PROPERTIES, property: Some(Arc::from("key")) };
    let types = [
        (FieldType::Text(255), Value::text("5")),
        (FieldType::Text(255), Value::text("true")),
        (FieldType::Text(255), Value::text(world.users[0].to_string())),
        (FieldType::Int(i64::MIN, i64::MAX), Value::Int(5)),
        (FieldType::Decimal, Value::Decimal(samples::decimal("5"))),
        (FieldType::Money, samples::money("5", Currency::EUR)),
        (FieldType::Bool, Value::Bool(true)),
        (FieldType::Date, samples::day(19_723)),
        (FieldType::Time, samples::time(1_704_067_200_000_000)),
        (FieldType::Id(Kind::User), Value::Id(world.users[0])),
        (FieldType::Ref(Kind::LINKED), Value::Ref(Ref::new(Kind::User, world.users[0]))),
        (FieldType::Texts(100, 255), Value::text("5")),
    ];
    for (ty, operand) in types {
        expect_each(lab, &images, world.tenant, &tests(&path, ty, &[operand])).await?;
    }
    Ok(())
}

async fn parts_of_texts(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let texts = [
        "100%",
        "100 percent",
        "under_score",
        "underXscore",
        "back\\slash",
        "back/slash",
        "it's",
        "its",
        "a*b",
        "axb",
        "[a]",
        "a",
        "",
        "Ünï",
        "unï",
        "日本語",
        "e\u{301}",
        "é",
        "line\nbreak",
        "line break",
        "👩‍👧",
        "%",
        "_",
        "\\",
        "'",
        "\"",
    ];
    let edits = texts.iter().map(|text| {
        lab.new_record(world.tenant, Kind::Lead)
            .set("source", Value::text(*text))
            .set("search_text", Value::text(*text))
            .property("text", Value::text(*text))
    });
    let mut images = lab.put_all(edits.collect()).await?;
    images.push(lab.put(lab.new_record(world.tenant, Kind::Lead)).await?);
    lab.settle().await;
    let parts = [
        "%", "_", "\\", "'", "\"", "*", "[a]", "^", ".", "100", "100%", "under_", "back\\", "\\s", "it's", "Ü", "ü",
        "日", "本語", "e", "\u{301}", "é", "\n", "👩", "a", "", "nobody", "%%", "\\%",
    ];
    let source = catalog::decl(Kind::Lead).position("source").unwrap_or_default();
    let mut predicates = Vec::new();
    for part in parts {
        for (path, ty) in [
            (Path { field: source, property: None }, FieldType::Text(255)),
            (Path { field: common::SEARCH_TEXT, property: None }, FieldType::Folded),
            (Path { field: common::PROPERTIES, property: Some(Arc::from("text")) }, FieldType::Text(255)),
        ] {
            for compare in [Compare::Contains, Compare::StartsWith] {
                let operands = vec![Value::text(part)];
                predicates.push(Predicate::Test(Test { path: path.clone(), ty, list: false, compare, operands }));
            }
        }
    }
    expect_each(lab, &images, world.tenant, &predicates).await
}

async fn members_of_values(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let lists: [&[&str]; 6] = [
        &["ann@home.example", "ann@work.example"],
        &["ann@work.example"],
        &["bob@home.example", "100%_\\'\"@x.example", "zoë@home.example"],
        &["ann@work.example", "ann@home.example"],
        &["home@ann.example"],
        &[],
    ];
    let edits = lists.iter().map(|emails| {
        let email = |email: &&str| Value::Json(Arc::new(serde_json::json!({"email": email, "kind": "work"})));
        lab.new_record(world.tenant, Kind::Contact).set("emails", Value::list(emails.iter().map(email)))
    });
    let mut images = lab.put_all(edits.collect()).await?;
    images.push(lab.put(lab.new_record(world.tenant, Kind::Contact)).await?);
    lab.settle().await;
    let field = catalog::decl(Kind::Contact).position("emails").unwrap_or_default();
    let mut predicates = Vec::new();
    for member in ["email", "kind", "nothing"] {
        let path = Path { field, property: Some(Arc::from(member)) };
        for part in
            ["ann@home.example", "ann@", "home", "@home.example", "100%", "_\\", "'", "\"", "ë", "work", "nobody"]
        {
            for compare in [Compare::Eq, Compare::Contains, Compare::StartsWith] {
                let test = Test {
                    path: path.clone(),
                    ty: FieldType::Email,
                    list: true,
                    compare,
                    operands: vec![Value::text(part)],
                };
                predicates.push(Predicate::Test(test));
            }
        }
        let operands = ["nobody", "ann@home.example", "home@ann.example"].map(Value::text).to_vec();
        predicates.push(Predicate::Test(Test {
            path,
            ty: FieldType::Email,
            list: true,
            compare: Compare::In,
            operands,
        }));
    }
    expect_each(lab, &images, world.tenant, &predicates).await
}

async fn ids(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let images = varied(lab, &world).await?;
    lab.settle().await;
    let some: Vec<Id> = images.iter().step_by(5).map(|image| image.id).chain([lab.id()]).collect();
    let web = lead_test("source", Compare::Eq, vec![Value::text("web")]);
    let all = [
        Predicate::Ids(some.clone()),
        Predicate::Ids(Vec::new()),
        Predicate::Ids(vec![lab.id()]),
        Predicate::All(vec![Predicate::Ids(some.clone()), web.clone()]),
        Predicate::Any(vec![Predicate::Ids(some), web]),
    ];
    expect_each(lab, &images, world.tenant, &all).await
}

async fn money_by_currency(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let amounts = ["-100", "-9", "-1.5", "0", "0.1", "0.09", "1", "1.5", "2", "9", "10", "100", "1000000"];
    let edits = amounts.iter().flat_map(|amount| {
        [Currency::EUR, Currency::USD].map(|currency| {
            let money = samples::money(amount, currency);
            lab.new_record(world.tenant, Kind::Deal).set("value", money.clone()).property("money", money)
        })
    });
    let mut images = lab.put_all(edits.collect()).await?;
    images.push(lab.put(lab.new_record(world.tenant, Kind::Deal)).await?);
    lab.settle().await;
    let field = catalog::decl(Kind::Deal).position("value").unwrap_or_default();
    let jpy = "JPY".parse().unwrap_or(Currency::EUR);
    let operands: Vec<Value> = ["-9", "-1.5", "0", "0.1", "9", "10"]
        .iter()
        .map(|amount| samples::money(amount, Currency::EUR))
        .chain([samples::money("9", Currency::USD), samples::money("9", jpy)])
        .collect();
    for path in [Path { field, property: None }, Path { field: common::PROPERTIES, property: Some(Arc::from("money")) }]
    {
        expect_each(lab, &images, world.tenant, &tests(&path, FieldType::Money, &operands)).await?;
    }
    Ok(())
}

/// Creates leads with and without a source, a headcount and tags.
async fn varied(lab: &Lab<'_>, world: &World) -> Result<Vec<Arc<Image>>, Failure> {
    let edits = (0..24_i64).map(|number| {
        let mut edit = lab.new_record(world.tenant, Kind::Lead).set("score", Value::Int(number % 5));
        if number % 3 != 0 {
            edit = edit.set("source", Value::text(if number % 2 == 0 { "web" } else { "fair" }));
        }
        if number % 4 != 0 {
            edit = edit.set("employee_count", Value::Int(number)).property("size", Value::Int(number % 7));
        }
        if number % 5 != 0 {
            edit = edit.set("tags", Value::list([Value::text("all"), Value::text(format!("t{}", number % 2))]));
        }
        edit.set("owner_id", Value::Id(world.users[usize::from(number % 2 == 0)]))
    });
    Ok(lab.put_all(edits.collect()).await?)
}

fn lead_test(field: &str, compare: Compare, operands: Vec<Value>) -> Predicate {
    let decl = catalog::decl(Kind::Lead);
    let (path, ty) = if let Some(key) = field.strip_prefix("properties.") {
        (Path { field: common::PROPERTIES, property: Some(Arc::from(key)) }, FieldType::Int(i64::MIN, i64::MAX))
    } else {
        let at = decl.position(field).unwrap_or_default();
        (Path { field: at, property: None }, decl.fields[at].ty)
    };
    Predicate::Test(Test { path, ty: ty.element(), list: ty.is_list(), compare, operands })
}

async fn and_or_not(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let images = varied(lab, &world).await?;
    lab.settle().await;
    let web = || lead_test("source", Compare::Eq, vec![Value::text("web")]);
    let large = || lead_test("employee_count", Compare::Ge, vec![Value::Int(10)]);
    let tagged = || lead_test("tags", Compare::Eq, vec![Value::text("t1")]);
    let size = || lead_test("properties.size", Compare::Lt, vec![Value::Int(3)]);
    let missing = || lead_test("source", Compare::Missing, vec![]);
    let not = |part: Predicate| Predicate::Not(Box::new(part));
    let mut all = vec![
        Predicate::always(),
        Predicate::never(),
        not(not(web())),
        Predicate::All(vec![web(), large()]),
        Predicate::Any(vec![web(), large()]),
        Predicate::All(vec![not(web()), not(large())]),
        not(Predicate::Any(vec![web(), not(large())])),
        Predicate::Any(vec![Predicate::All(vec![web(), tagged()]), Predicate::All(vec![missing(), size()])]),
        Predicate::All(vec![Predicate::Any(vec![]), web()]),
        Predicate::Any(vec![Predicate::All(vec![]), web()]),
        Predicate::All(vec![Predicate::All(vec![]), Predicate::All(vec![Predicate::All(vec![])])]),
        Predicate::All(vec![not(Predicate::All(vec![])), web()]),
        Predicate::Any(vec![not(Predicate::never()), web()]),
    ];
    let deep = (0..7).fold(web(), |part, level| match level % 3 {
        0 => not(part),
        1 => Predicate::Any(vec![part, large(), missing()]),
        _ => Predicate::All(vec![part, not(size())]),
    });
    all.push(deep);
    let hundred = (0..100).map(|number| lead_test("employee_count", Compare::Eq, vec![Value::Int(number * 2)]));
    all.push(Predicate::Any(hundred.clone().collect()));
    all.push(Predicate::All(hundred.map(not).collect()));
    expect_each(lab, &images, world.tenant, &all).await
}

async fn many_values(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let images = varied(lab, &world).await?;
    lab.settle().await;
    let count = i64::try_from(MAX_IN).unwrap_or(100);
    let numbers = |from: i64| (from..from + count).map(Value::Int).collect::<Vec<_>>();
    let texts: Vec<Value> = (0..count - 1).map(|n| Value::text(format!("s{n}"))).chain([Value::text("web")]).collect();
    let tags: Vec<Value> = (0..count - 1).map(|n| Value::text(format!("s{n}"))).chain([Value::text("t1")]).collect();
    let owners: Vec<Value> = (0..count - 1).map(|_| Value::Id(lab.id())).chain([Value::Id(world.users[1])]).collect();
    let all = [
        lead_test("employee_count", Compare::In, numbers(0)),
        lead_test("employee_count", Compare::In, numbers(12)),
        lead_test("employee_count", Compare::In, numbers(1000)),
        lead_test("properties.size", Compare::In, numbers(3)),
        lead_test("source", Compare::In, texts),
        lead_test("tags", Compare::In, tags),
        lead_test("owner_id", Compare::In, owners),
    ];
    expect_each(lab, &images, world.tenant, &all).await
}

async fn filters_beside_an_index(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let images = varied(lab, &world).await?;
    lab.settle().await;
    let filters = [
        lead_test("source", Compare::Eq, vec![Value::text("web")]),
        lead_test("source", Compare::Missing, vec![]),
        lead_test("tags", Compare::Eq, vec![Value::text("t1")]),
        lead_test("score", Compare::Gt, vec![Value::Int(2)]),
    ];
    for filter in filters {
        for index in ["owner_id -> created_at", "owner_id -> score"] {
            for limit in [1, 2, 5, 100] {
                for descending in [false, true] {
                    let query = lab.query(world.tenant, Kind::Lead, index, vec![Value::Id(world.users[0])]);
                    lab.expect_list(&images, &Query { filter: filter.clone(), limit, descending, ..query }).await?;
                }
            }
        }
    }
    Ok(())
}

async fn fields_of_equals_filtered_again(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let images = varied(lab, &world).await?;
    lab.settle().await;
    let owner = |at: usize| Value::Id(world.users[at]);
    for filter in [
        lead_test("owner_id", Compare::Eq, vec![owner(0)]),
        lead_test("owner_id", Compare::Eq, vec![owner(1)]),
        lead_test("owner_id", Compare::In, vec![owner(1), owner(0)]),
        lead_test("owner_id", Compare::Missing, vec![]),
        lead_test("score", Compare::Lt, vec![Value::Int(3)]),
        lead_test("created_at", Compare::Gt, vec![images[10].get("created_at").clone()]),
        lead_test("archived_at", Compare::Missing, vec![]),
        Predicate::Not(Box::new(lead_test("archived_at", Compare::Missing, vec![]))),
    ] {
        for index in ["owner_id -> score", "owner_id -> created_at"] {
            let query = lab.query(world.tenant, Kind::Lead, index, vec![owner(0)]);
            lab.expect_list(&images, &Query { filter: filter.clone(), limit: 3, ..query }).await?;
        }
    }
    Ok(())
}
