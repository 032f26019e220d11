//! Reports: no input of one user makes a number wrong or makes the report fail for others.

use crm_core::{
    access::FieldAccess,
    deals::{Deal, DealPatch, NewDeal},
    filter::{Filter, Op},
    leads::NewLead,
    properties::{NewProperty, PropertyType},
    rates::NewRate,
    reports::{FunnelQuery, GroupBy, PipelineQuery, SalesQuery},
    value::{Currency, Date, Decimal, Id, Kind, Money, Value},
};
use serde_json::json;

use crate::support::{World, assert_fault, hidden, run};

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn usd(amount: &str) -> Money {
    Money::new(dec(amount), Currency::USD)
}

async fn deal(world: &World, new: NewDeal) -> Id<Deal> {
    let new = NewDeal { title: "a deal".into(), ..new };
    world.crm.deals(&world.admin).create(new).await.unwrap().id
}

async fn property(world: &World, key: &str, r#type: PropertyType) {
    let new = NewProperty { kind: Some(Kind::Deal), key: key.into(), name: key.into(), r#type, ..Default::default() };
    world.crm.properties(&world.admin).create(new).await.unwrap();
}

#[test]
fn an_amount_is_bounded_wherever_one_is_written() {
    run(async {
        let world = World::new().await;
        property(&world, "price", PropertyType::Money).await;
        property(&world, "weight", PropertyType::Decimal).await;
        let deals = world.crm.deals(&world.admin);
        let new = |value: Option<Money>| NewDeal { title: "a deal".into(), value, ..Default::default() };
        let most = "999999999999999999.9999999999";
        let id = deals.create(new(Some(usd(most)))).await.unwrap().id;
        for (amount, field) in [("50000000000000000000000000000", "too_large"), ("1000000000000000000", "too_large")] {
            assert_fault(deals.create(new(Some(usd(amount)))).await, &format!("value {field}"));
            assert_fault(deals.update(id, DealPatch::new().value(usd(amount))).await, &format!("value {field}"));
            let price = Value::Money(usd(amount));
            let patch = DealPatch::new().property("price", price);
            assert_fault(deals.update(id, patch).await, &format!("properties.price {field}"));
            let patch = DealPatch::new().property("weight", Value::Decimal(dec(amount)));
            assert_fault(deals.update(id, patch).await, &format!("properties.weight {field}"));
            let lead = NewLead { name: "Ada".into(), annual_revenue: Some(usd(amount)), ..Default::default() };
            assert_fault(world.crm.leads(&world.admin).create(lead).await, &format!("annual_revenue {field}"));
            let rate = NewRate {
                currency: Some(Currency::EUR),
                day: Some(day("2026-01-01")),
                rate: dec(amount),
                ..Default::default()
            };
            assert_fault(world.crm.rates(&world.admin).create(rate).await, &format!("rate {field}"));
        }
        let patch = DealPatch::new().property("weight", Value::Decimal(dec("-1000000000000000000")));
        assert_fault(deals.update(id, patch).await, "properties.weight too_small");
        let patch = DealPatch::new().property("weight", Value::Decimal(dec("-999999999999999999")));
        deals.update(id, patch).await.unwrap();
        // A value that is only compared may have any size.
        let huge = json!({"amount": "50000000000000000000000000000", "currency": "USD"});
        let query = crm_core::listing::ListQuery::new().filter(Filter::is("value", Op::Lt, huge));
        assert_eq!(deals.list(&query).await.unwrap().items.len(), 1);
    });
}

#[test]
fn a_value_out_of_range_is_left_out_of_the_report_and_told() {
    run(async {
        let world = World::new().await;
        property(&world, "seats", PropertyType::Integer).await;
        for seats in [5, i64::MAX, i64::MIN, 7] {
            let id = deal(&world, NewDeal::default()).await;
            let patch = DealPatch::new().property("seats", Value::Int(seats)).probability(50);
            world.crm.deals(&world.admin).update(id, patch).await.unwrap();
        }
        let rate = NewRate {
            currency: Some(Currency::EUR),
            day: Some(day("2025-01-01")),
            rate: dec("999999999999999999"),
            ..Default::default()
        };
        world.crm.rates(&world.admin).create(rate).await.unwrap();
        for value in ["999999999999999999 EUR", "0.000000000000000001 EUR", "2 USD"] {
            let id = deal(&world, NewDeal { value: value.parse().ok(), ..Default::default() }).await;
            world.crm.deals(&world.admin).win(id).await.unwrap();
        }
        let reports = world.crm.reports(&world.admin);
        let seats = PipelineQuery::of(world.deal_pipeline.id).value("properties.seats").by([GroupBy::Owner]);
        let report = reports.pipeline(&seats).await.unwrap();
        for open in [&report.total, &report.tables[0].groups[0].figures] {
            let figures = |sums: &crm_core::reports::Sums| (sums.out_of_range, sums.in_base.as_ref().unwrap().sum);
            assert_eq!((open.deals, figures(&open.value), figures(&open.weighted)), (4, (2, dec("12")), (2, dec("6"))));
        }
        let report = reports.sales(&SalesQuery::of(world.deal_pipeline.id)).await.unwrap();
        let value = &report.overall.won_value;
        assert_eq!((report.overall.won, value.out_of_range), (3, 1));
        assert_eq!(value.in_base.as_ref().map(|all| (all.n, all.sum)), Some((2, dec("3"))));
        assert_eq!(report.rates[0].amounts, 1);
        let life = reports.funnel(&FunnelQuery::of(world.deal_pipeline.id)).await.unwrap();
        assert_eq!(life.velocity.won_value, *value);
        assert_eq!(life.reasons.unwrap()[0].value.out_of_range, 1);
    });
}

#[test]
fn a_deal_that_was_won_before_it_was_created_is_in_no_cycle() {
    run(async {
        let world = World::new().await;
        let deals = world.crm.deals(&world.admin);
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(deal(&world, NewDeal { value: Some(usd("10")), ..Default::default() }).await);
        }
        world.clock.advance_days(10);
        for id in &made[..4] {
            deals.win(*id).await.unwrap();
        }
        deals.lose(made[4], "price").await.unwrap();
        let close = async |id: Id<Deal>, day: &str| {
            deals.update(id, DealPatch::new().actual_close_date(day.parse::<Date>().ok())).await.unwrap();
        };
        // Created on 5 January 2026; today is the 15th.
        close(made[0], "2024-05-19").await;
        close(made[1], "2062-01-15").await;
        close(made[2], "2026-01-05").await;
        close(made[4], "2026-01-04").await;
        let query = SalesQuery::of(world.deal_pipeline.id).by([GroupBy::Owner]);
        let report = world.crm.reports(&world.admin).sales(&query).await.unwrap();
        for figures in [&report.overall, &report.tables[0].groups[0].figures] {
            assert_eq!((figures.won, figures.lost, figures.cycle.left_out), (4, 1, 3));
            let won = figures.cycle.won.unwrap();
            assert_eq!((won.n, won.min, won.max, won.sum), (2, 0, 10, 10));
            assert_eq!((figures.cycle.lost, figures.cycle.closed), (None, Some(won)));
            assert_eq!(figures.won_value.in_base.as_ref().unwrap().sum, dec("40"), "they are sold all the same");
        }
        // Also from a stage: entered today, closed before.
        let first = world.deal_pipeline.first_of(crm_core::pipelines::StageKind::Won).unwrap().key.clone();
        let from_won = SalesQuery::of(world.deal_pipeline.id).cycle_from(first);
        let cycle = world.crm.reports(&world.admin).sales(&from_won).await.unwrap().overall.cycle;
        assert_eq!((cycle.left_out, cycle.won.map(|won| (won.n, won.sum))), (3, Some((1, 0))));
    });
}

#[test]
fn sales_and_pipeline_are_asked_for_a_period_and_for_owners() {
    run(async {
        let world = World::new().await;
        let me = world.admin.user();
        let (rep, manager) = (Some(world.rep_user.id), Some(world.manager_user.id));
        let closing = [
            ("2026-03-31", rep, "1"),
            ("2026-04-01", rep, "10"),
            ("2026-06-30", manager, "100"),
            ("2026-07-01", me, "1000"),
        ];
        for (date, owner_id, value) in closing {
            let new = || NewDeal { value: Some(usd(value)), owner_id, ..Default::default() };
            deal(&world, NewDeal { expected_close_date: Some(day(date)), ..new() }).await;
            let won = deal(&world, new()).await;
            world.crm.deals(&world.admin).win(won).await.unwrap();
            let patch = DealPatch::new().actual_close_date(Some(day(date)));
            world.crm.deals(&world.admin).update(won, patch).await.unwrap();
        }
        let none = deal(&world, NewDeal { value: Some(usd("5")), ..Default::default() }).await;
        world.crm.deals(&world.admin).update(none, DealPatch::new().owner_id(None)).await.unwrap();
        let reports = world.crm.reports(&world.admin);
        let pipeline = world.deal_pipeline.id;
        let sold = async |query: SalesQuery| {
            let found = reports.sales(&query).await.unwrap().overall;
            (found.won, found.open, found.won_value.in_base.map_or(Decimal::ZERO, |all| all.sum))
        };
        let open = async |query: PipelineQuery| {
            let found = reports.pipeline(&query).await.unwrap().total;
            (found.deals, found.value.in_base.map_or(Decimal::ZERO, |all| all.sum))
        };
        let sales = || SalesQuery::of(pipeline);
        let pipe = || PipelineQuery::of(pipeline);
        assert_eq!(sold(sales()).await, (4, 5, dec("1111")));
        let (first, last) = (day("2026-04-01"), day("2026-06-30"));
        assert_eq!(sold(sales().from(first).until(last)).await, (2, 2, dec("110")), "both days belong to it");
        assert_eq!(open(pipe().from(first).until(last)).await, (2, dec("110")));
        assert_eq!(sold(sales().from(first)).await.0, 3);
        assert_eq!(open(pipe().until(first)).await, (2, dec("11")));
        assert_eq!(sold(sales().from(first).until(first)).await, (1, 1, dec("10")));
        let (rep, manager) = (rep.unwrap(), manager.unwrap());
        assert_eq!(sold(sales().owners(vec![rep])).await, (2, 2, dec("11")));
        assert_eq!(open(pipe().owners(vec![rep, manager])).await, (3, dec("111")));
        assert_eq!(open(pipe().owners(vec![])).await, (1, dec("5")), "those without an owner");
        let narrow = sales().owners(vec![rep]).from(first).filter(Filter::eq("stage_kind", "won"));
        assert_eq!(sold(narrow).await, (1, 0, dec("10")), "all has to hold");
        assert_fault(reports.sales(&sales().from(last).until(first)).await, "until bad_period");
        assert_fault(reports.pipeline(&pipe().from(last).until(first)).await, "until bad_period");
        // A query by a hidden field would reveal it.
        assert_eq!(hidden(Kind::Deal, "owner_id").access, FieldAccess::Hidden);
        let rules = vec![hidden(Kind::Deal, "owner_id"), hidden(Kind::Deal, "close_date")];
        let blind = world.restricted_rep("blind", rules).await;
        let reports = world.crm.reports(&blind);
        assert_fault(reports.sales(&sales().owners(vec![rep])).await, "owner_id unknown_field");
        assert_fault(reports.pipeline(&pipe().from(first)).await, "close_date unknown_field");
    });
}
