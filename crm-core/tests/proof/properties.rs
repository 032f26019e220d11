//! Custom properties: every type, required, unique, default, options, archived.

use std::collections::BTreeMap;

use crm_core::{
    Error,
    filter::{Filter, Op},
    leads::{LeadPatch, NewLead},
    listing::ListQuery,
    pipelines::{PipelinePatch, Stage, StageKind},
    properties::{
        NewProperty, Property, PropertyOption, PropertyPatch, PropertyRules, PropertyType, PropertyType as P,
    },
    schema::Record,
    value::{Currency, Date, Kind, Money, Time, Value},
};
use serde_json::json;

use crate::support::{World, assert_fault, faults, run};

fn new(key: &str, r#type: PropertyType) -> NewProperty {
    NewProperty { kind: Some(Kind::Lead), key: key.into(), name: key.into(), r#type, ..Default::default() }
}

async fn make(world: &World, property: NewProperty) -> Record<Property> {
    world.crm.properties(&world.admin).create(property).await.expect("a property").into_value()
}

fn option(value: &str) -> PropertyOption {
    PropertyOption { value: value.into(), label: value.into(), archived: false }
}

#[test]
fn every_type_is_typed_kept_filtered_and_refused() {
    run(async {
        let world = World::new().await;
        let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
        let time: Time = "2026-01-31T09:30:00Z".parse().unwrap();
        let someone = world.crm.companies(&world.admin);
        let company = crm_core::companies::NewCompany { name: "C".into(), ..Default::default() };
        let company = someone.create(company).await.unwrap().id;
        let options = vec![option("red"), option("green")];
        let to_company = PropertyRules { kind: Some(Kind::Company), ..Default::default() };
        // Type, a value as given, as stored, as JSON in a filter, and an invalid value.
        let table: Vec<(P, Value, Value, serde_json::Value, Value)> = vec![
            (P::Text, Value::text(" a "), Value::text("a"), json!("a"), Value::Int(1)),
            (P::LongText, Value::text("b"), Value::text("b"), json!("b"), Value::text("x".repeat(16_001))),
            (P::Integer, Value::Int(-5), Value::Int(-5), json!(-5), Value::text("5")),
            (P::Decimal, decimal("1.50"), decimal("1.5"), json!("1.5"), Value::Int(1)),
            (
                P::Money,
                Value::Money(Money::new(5, Currency::EUR)),
                Value::Money(Money::new(5, Currency::EUR)),
                json!({"amount": "5", "currency": "EUR"}),
                decimal("5"),
            ),
            (P::Boolean, Value::Bool(true), Value::Bool(true), json!(true), Value::text("true")),
            (
                P::Date,
                Value::Date(Date::of(time)),
                Value::Date(Date::of(time)),
                json!("2026-01-31"),
                Value::text("2026-01-31"),
            ),
            (
                P::Datetime,
                Value::Time(time),
                Value::Time(time),
                json!("2026-01-31T10:30:00+01:00"),
                Value::Date(Date::of(time)),
            ),
            (P::Select, Value::text("red"), Value::text("red"), json!("red"), Value::text("blue")),
            (
                P::MultiSelect,
                Value::list([Value::text("red"), Value::text("red")]),
                Value::list([Value::text("red")]),
                json!("red"),
                Value::list([Value::text("blue")]),
            ),
            (
                P::Url,
                Value::text("example.com/x"),
                Value::text("https://example.com/x"),
                json!("https://example.com/x"),
                Value::text("ftp://x"),
            ),
            (
                P::Email,
                Value::text("A@Example.com"),
                Value::text("a@example.com"),
                json!("a@example.com"),
                Value::text("a"),
            ),
            (
                P::Phone,
                Value::text("+49 30 123456"),
                Value::text("+4930123456"),
                json!("+4930123456"),
                Value::text("12"),
            ),
            (P::Reference, Value::from(company), Value::from(company), json!(company.to_string()), Value::text("C")),
        ];
        let leads = world.crm.leads(&world.admin);
        for (at, (r#type, given, kept, filter, wrong)) in table.into_iter().enumerate() {
            let key = format!("p{at}");
            let field = format!("properties.{key}");
            let options = if matches!(r#type, P::Select | P::MultiSelect) { options.clone() } else { vec![] };
            let rules = (r#type == P::Reference).then(|| to_company.clone());
            make(&world, NewProperty { options, rules, ..new(&key, r#type) }).await;
            let saved = leads.update(world.lead.id, LeadPatch::new().property(&key, given)).await.unwrap();
            assert_eq!(saved.property(&key), Some(&kept), "{type:?}");
            assert_eq!(leads.get(world.lead.id).await.unwrap().property(&key), Some(&kept));
            let change = leads.history(world.lead.id).await.unwrap().pop().unwrap();
            assert_eq!((&change.field(&field).unwrap().old, &change.field(&field).unwrap().new), (&Value::Null, &kept));
            assert_eq!(leads.count(Filter::eq(&field, filter.clone())).await.unwrap(), 1, "{type:?}");
            assert_eq!(leads.count(Filter::is(&field, Op::Ne, filter)).await.unwrap(), 0);
            let refused = faults(leads.update(world.lead.id, LeadPatch::new().property(&key, wrong)).await);
            assert!(refused.len() == 1 && refused[0].starts_with(&field), "{type:?} {refused:?}");
            let nulled = LeadPatch::new().property(&key, Value::Null);
            assert_eq!(leads.update(world.lead.id, nulled).await.unwrap().property(&key), None);
            assert_eq!(leads.count(Filter::missing(&field)).await.unwrap(), 1);
            leads.undo(world.lead.id, leads.history(world.lead.id).await.unwrap().pop().unwrap().commit).await.unwrap();
            assert_eq!(leads.get(world.lead.id).await.unwrap().property(&key), Some(&kept));
        }
        assert_eq!(leads.get(world.lead.id).await.unwrap().properties.len(), 14, "each kept the others");
        let nobody = Value::from(world.lead.id);
        assert_fault(
            leads.update(world.lead.id, LeadPatch::new().property("p13", nobody)).await,
            "properties.p13 not_found",
        );
    });
}

#[test]
fn required_defaults_and_bounds() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let rules = PropertyRules { min: Some(2), max: Some(5), default: Value::Int(3), ..Default::default() };
        let size = make(&world, NewProperty { rules: Some(rules), ..new("size", PropertyType::Integer) }).await;
        make(&world, NewProperty { required: true, ..new("need", PropertyType::Text) }).await;
        let lead = || NewLead { name: "L".into(), ..Default::default() };
        assert_eq!(faults(leads.create(lead()).await), ["properties.need required"]);
        let with =
            |key: &str, value: Value| BTreeMap::from([("need".to_owned(), Value::text("x")), (key.to_owned(), value)]);
        let made = leads.create(NewLead { properties: with("need", Value::text("y")), ..lead() }).await.unwrap();
        assert_eq!(made.property("size"), Some(&Value::Int(3)), "the default");
        let given = leads.create(NewLead { properties: with("size", Value::Int(5)), ..lead() }).await.unwrap();
        assert_eq!(given.property("size"), Some(&Value::Int(5)));
        for (value, code) in [(1, "too_small"), (6, "too_large")] {
            let new = NewLead { properties: with("size", Value::Int(value)), ..lead() };
            assert_eq!(faults(leads.create(new).await), [format!("properties.size {code}")]);
        }
        // A required value cannot be removed; records from before the rule may lack it.
        assert_fault(
            leads.update(made.id, LeadPatch::new().property("need", Value::Null)).await,
            "properties.need required",
        );
        leads.update(world.lead.id, LeadPatch::new().source("x")).await.unwrap();
        let bad = PropertyRules { min: Some(9), max: Some(1), default: Value::text("x"), ..Default::default() };
        let bad = world.crm.properties(&world.admin).update(size.id, PropertyPatch::new().rules(Some(bad))).await;
        assert_eq!(faults(bad), ["rules.default wrong_type", "rules.min too_large"]);
    });
}

#[test]
fn unique_values_are_claimed_and_freed() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        make(&world, NewProperty { unique: true, ..new("vat", PropertyType::Text) }).await;
        make(&world, NewProperty { unique: true, ..new("number", PropertyType::Decimal) }).await;
        let lead = |vat: &str| NewLead {
            name: "L".into(),
            properties: BTreeMap::from([("vat".to_owned(), Value::text(vat))]),
            ..Default::default()
        };
        let taken = |result: Result<(), Error>, name: &str| match result {
            Err(Error::Duplicate { kind: Kind::Lead, field }) => assert_eq!(field, name),
            other => panic!("{other:?}"),
        };
        let first = leads.create(lead("DE1")).await.unwrap();
        taken(leads.create(lead("de1 ")).await.map(drop), "properties.vat");
        taken(
            leads.update(world.lead.id, LeadPatch::new().property("vat", Value::text("DE1"))).await.map(drop),
            "properties.vat",
        );
        assert_eq!(leads.find("properties.vat", "de1").await.unwrap().id, first.id);
        let number = |text: &str| LeadPatch::new().property("number", Value::Decimal(text.parse().unwrap()));
        leads.update(first.id, number("1.50")).await.unwrap();
        taken(leads.update(world.lead.id, number("1.5")).await.map(drop), "properties.number");
        assert_eq!(leads.find("properties.number", "1.500").await.unwrap().id, first.id);
        // Archiving a record frees its values; restoring it claims them again or reports the conflict.
        leads.archive(first.id).await.unwrap();
        let second = leads.create(lead("DE1")).await.unwrap();
        taken(leads.restore(first.id, LeadPatch::new()).await.map(drop), "properties.vat");
        let restored = leads.restore(first.id, LeadPatch::new().property("vat", Value::text("DE2"))).await.unwrap();
        assert!(restored.archived_at.is_none());
        // Two records swap a value in two commits: one releases it, then the other claims it.
        leads.update(second.id, LeadPatch::new().property("vat", Value::Null)).await.unwrap();
        leads.update(first.id, LeadPatch::new().property("vat", Value::text("DE1"))).await.unwrap();
        let claimed: Vec<String> = vec![leads.find("properties.vat", "DE1").await.unwrap().name.clone()];
        assert_eq!(claimed, ["L"]);
        assert!(matches!(leads.find("properties.vat", "DE2").await, Err(Error::NotFound(_))));
        let upserted = leads.upsert("properties.vat", "DE9", lead("DE9")).await.unwrap();
        assert_eq!(leads.upsert("properties.vat", "DE9", lead("DE9")).await.unwrap().id, upserted.id);
    });
}

#[test]
fn definitions_keep_what_records_rest_on() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let properties = world.crm.properties(&world.admin);
        let colour =
            NewProperty { options: vec![option("red"), option("green")], ..new("colour", PropertyType::Select) };
        let colour = make(&world, colour).await;
        for (patch, expected) in [
            (PropertyPatch::new().key("other"), "key fixed"),
            (PropertyPatch::new().kind(Some(Kind::Deal)), "kind fixed"),
            (PropertyPatch::new().r#type(PropertyType::Integer), "type fixed"),
            (PropertyPatch::new().unique(true), "unique fixed"),
            (PropertyPatch::new().options(vec![]), "options required"),
            (PropertyPatch::new().options(vec![option("a"), option("a")]), "options duplicate"),
        ] {
            assert_fault(properties.update(colour.id, patch).await, expected);
        }
        let red = || LeadPatch::new().property("colour", Value::text("red"));
        let set = leads.update(world.lead.id, red()).await.unwrap();
        // An archived option is kept on records and cannot be chosen.
        let archived = PropertyOption { archived: true, ..option("red") };
        properties.update(colour.id, PropertyPatch::new().options(vec![archived, option("green")])).await.unwrap();
        leads.update(world.lead.id, LeadPatch::new().source("x")).await.unwrap();
        let other = leads.create(NewLead { name: "L".into(), ..Default::default() }).await.unwrap();
        assert_fault(leads.update(other.id, red()).await, "properties.colour unknown_choice");
        // An archived property keeps its values and accepts none; its key cannot be reused.
        properties.archive(colour.id).await.unwrap();
        assert_fault(leads.update(other.id, red()).await, "properties.colour unknown_field");
        assert_fault(leads.count(Filter::missing("properties.colour")).await, "properties.colour unknown_field");
        assert_eq!(leads.get(world.lead.id).await.unwrap().property("colour"), Some(&Value::text("red")));
        assert_fault(properties.create(new("colour", PropertyType::Integer)).await, "key archived");
        // Rollback still restores the value.
        leads.roll_back(world.lead.id, 1).await.unwrap();
        leads.roll_back(world.lead.id, set.version).await.unwrap();
        assert_eq!(leads.get(world.lead.id).await.unwrap().property("colour"), Some(&Value::text("red")));
        properties.restore(colour.id, PropertyPatch::new()).await.unwrap();
        assert_eq!(
            leads.list(&ListQuery::new().filter(Filter::eq("properties.colour", "red"))).await.unwrap().items.len(),
            1
        );
        assert_fault(
            world
                .crm
                .properties(&world.admin)
                .create(NewProperty { unique: true, options: vec![option("a")], ..new("m", PropertyType::MultiSelect) })
                .await,
            "unique wrong_type",
        );
        let twice = properties.create(new("colour", PropertyType::Text)).await;
        assert!(matches!(twice, Err(Error::Duplicate { .. })), "{twice:?}");
    });
}

#[test]
fn a_property_that_a_stage_asks_for_stays_until_it_is_asked_for_no_more() {
    run(async {
        let world = World::new().await;
        let (properties, pipelines) = (world.crm.properties(&world.admin), world.crm.pipelines(&world.admin));
        let of_deals = |key: &str| NewProperty { kind: Some(Kind::Deal), ..new(key, P::Integer) };
        let made = properties.create(of_deals("seats")).await.unwrap();
        let (seats, made) = (made.id, made.commit.unwrap());
        let discount = make(&world, of_deals("discount")).await.id;
        let same_key = make(&world, new("seats", P::Integer)).await.id;
        let gate = Filter::any([
            Filter::eq("source", "web"),
            Filter::all([Filter::is("properties.seats", Op::Lt, 9).negate(), Filter::missing("properties.discount")]),
        ]);
        let first = world
            .pipeline(
                "Big ones",
                vec![
                    Stage::new("open", "Open", StageKind::Open, 10),
                    Stage::new("agreed", "Agreed", StageKind::Won, 100).requires(&["properties.seats"]),
                    Stage::new("gone", "Gone", StageKind::Lost, 0).gated_by(gate),
                ],
            )
            .await;
        let second = Stage::new("open", "Open", StageKind::Open, 10).requires(&["properties.seats"]);
        let other = world.pipeline("Others", vec![second, Stage::new("won", "Won", StageKind::Won, 100)]).await;
        // Every stage is named at once; undoing the creation counts as archiving.
        for refused in [properties.archive(seats).await, properties.undo(seats, made).await] {
            let Err(Error::Invalid(all)) = &refused else { panic!("{refused:?}") };
            let said: Vec<(&str, &str)> =
                all.all().iter().map(|fault| (fault.field.as_str(), fault.fault.code.as_str())).collect();
            assert_eq!(said, [("archived_at", "in_use"); 3]);
            for named in [
                "the stage `agreed` of the pipeline `Big ones` requires it",
                "the stage `gone` of the pipeline `Big ones` has a gate on it",
                "the stage `open` of the pipeline `Others` requires it",
            ] {
                assert!(all.to_string().contains(named), "{all}");
            }
        }
        assert_eq!(faults(properties.archive(discount).await), ["archived_at in_use"]);
        // A lead property with the same key is independent.
        properties.archive(same_key).await.unwrap();
        // Archived pipelines and retired stages require nothing.
        pipelines.archive(other.id).await.unwrap();
        assert_eq!(faults(properties.archive(seats).await), ["archived_at in_use", "archived_at in_use"]);
        let mut stages = first.stages.clone();
        stages.push(Stage::new("lost", "Lost", StageKind::Lost, 0));
        pipelines.update(first.id, PipelinePatch::new().stages(stages.clone())).await.unwrap();
        pipelines.retire_stage(first.id, "gone", "lost").await.unwrap();
        properties.archive(discount).await.unwrap();
        assert_eq!(faults(properties.archive(seats).await), ["archived_at in_use"]);
        let mut stages = pipelines.get(first.id).await.unwrap().stages.clone();
        stages[1].required_fields.clear();
        pipelines.update(first.id, PipelinePatch::new().stages(stages.clone())).await.unwrap();
        properties.archive(seats).await.unwrap();
        // A retired stage that required it does not block its pipeline, and can only be reactivated without it.
        pipelines.update(first.id, PipelinePatch::new().name("Bigger ones")).await.unwrap();
        stages[2].retired = false;
        let back = pipelines.update(first.id, PipelinePatch::new().stages(stages.clone())).await;
        assert_fault(back, "stages[2].gate.properties.seats unknown_field");
        assert_fault(
            pipelines.restore(other.id, PipelinePatch::new()).await,
            "stages[0].required_fields unknown_field",
        );
        // Once restored, it may be required again.
        properties.restore(seats, PropertyPatch::new()).await.unwrap();
        pipelines.restore(other.id, PipelinePatch::new()).await.unwrap();
        assert_eq!(faults(properties.archive(seats).await), ["archived_at in_use"]);
    });
}
