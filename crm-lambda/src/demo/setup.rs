//! What must be there before the first customer: the organization's settings, custom properties, exchange rates; and what is
//! there once everything has happened: scores.

use std::{str::FromStr, time::Duration};

use crm_core::{
    Crm, Error,
    access::Actor,
    collection::NewWithHistory,
    organizations::{Branding, NewOrganization},
    products::{Billing, NewProduct},
    properties::{NewProperty, PropertyOption, PropertyType},
    rates::NewRate,
    scoring::ScoringModel,
    value::{Currency, Date, Decimal, Kind, Money},
};
use fastrand::Rng;

use super::calendar::{Calendar, HISTORY};
use crate::demo::SLUG;

/// A line of products: its key and name, what one counts, how it is priced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub(super) key: &'static str,
    pub(super) label: &'static str,
    /// What is counted.
    pub(super) unit: &'static str,
    /// What one of it costs, about.
    pub(super) price: i64,
    /// How many are bought.
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What the demo organization sells.
pub(super) const PRODUCTS: [Product; 4] = [
    Product { key: "cold_rooms", label: "Cold-room monitoring", unit: "points", price: 240, from: 12, to: 160 },
    Product { key: "transport", label: "Transport loggers", unit: "loggers", price: 95, from: 40, to: 500 },
    Product { key: "laboratory", label: "Freezer monitoring", unit: "points", price: 310, from: 8, to: 90 },
    Product { key: "calibration", label: "Calibration service", unit: "sensors", price: 60, from: 60, to: 350 },
];

/// The organization.
pub(super) fn organization() -> NewOrganization {
    NewOrganization {
        name: "Coldharrow Instruments".into(),
        slug: Some(SLUG.into()),
        base_currency: Some(Currency::USD),
        time_zone: Some("America/New_York".into()),
        locale: Some("en-US".into()),
        default_country: Some("US".into()),
        branding: Some(Branding {
            color: Some("#1f6f8b".into()),
            product_name: Some("Coldharrow CRM".into()),
            logo_url: None,
        }),
        ..Default::default()
    }
}

/// The fields that it adds: of leads and deals the product line and how many, of deals when it goes live, of companies
/// how many sites they have.
pub(super) async fn properties(crm: &Crm, admin: &Actor) -> Result<(), Error> {
    let new = |kind, key: &str, name: &str, r#type, position| NewProperty {
        kind: Some(kind),
        key: key.into(),
        name: name.into(),
        r#type,
        position,
        ..Default::default()
    };
    let option = |of: Product| PropertyOption { value: of.key.into(), label: of.label.into(), archived: false };
    let line = |kind| NewProperty {
        options: PRODUCTS.map(option).to_vec(),
        reportable: true,
        ..new(kind, "product_line", "Product line", PropertyType::Select, 1)
    };
    let all = vec![
        line(Kind::Lead),
        new(Kind::Lead, "units", "Units", PropertyType::Integer, 2),
        line(Kind::Deal),
        new(Kind::Deal, "units", "Units", PropertyType::Integer, 2),
        new(Kind::Deal, "go_live_on", "Goes live on", PropertyType::Date, 3),
        NewProperty { reportable: true, ..new(Kind::Company, "sites", "Sites", PropertyType::Integer, 1) },
    ];
    let made = crm.properties(admin).create_many(all.into_iter().map(NewWithHistory::new).collect()).await;
    made.into_iter().try_for_each(|made| made.map(drop))
}

/// What a euro was worth on the first of each month, from before the first deal on.
pub(super) async fn rates(crm: &Crm, admin: &Actor, calendar: Calendar, rng: &mut Rng) -> Result<(), Error> {
    let (last, first) = (calendar.day(chrono_tz::UTC, 0), calendar.day(chrono_tz::UTC, HISTORY + 40));
    let mut worth = rng.i64(10_700..11_200);
    let mut many = Vec::new();
    let (mut year, mut month, _) = first.ymd();
    while let Some(day) = Date::from_ymd(year, month, 1).ok().filter(|&day| day <= last) {
        let rate = Decimal::from_str(&format!("{}.{:04}", worth / 10_000, worth % 10_000));
        let new = NewRate {
            currency: Some(Currency::EUR),
            day: Some(day),
            rate: rate.unwrap_or(Decimal::ZERO),
            source: Some("Month's opening rate".into()),
            ..Default::default()
        };
        many.push(NewWithHistory::new(new));
        worth += rng.i64(-130..=150);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    let made = crm.rates(admin).create_many(many).await;
    made.into_iter().try_for_each(|made| made.map(drop))
}

/// The catalog: the product lines, with what a unit costs the organization.
pub(super) async fn products(crm: &Crm, admin: &Actor) -> Result<(), Error> {
    let new = |line: &Product| {
        let yearly = line.key != "calibration";
        NewWithHistory::new(NewProduct {
            name: line.label.into(),
            sku: Some(line.key.to_uppercase().replace('_', "-")),
            family: Some(if yearly { "Monitoring" } else { "Services" }.into()),
            unit: Some(line.unit.into()),
            billing: if yearly { Billing::Yearly } else { Billing::OneTime },
            cost: Some(Money::new(line.price * 2 / 5, Currency::USD)),
            ..Default::default()
        })
    };
    let made = crm.products(admin).create_many(PRODUCTS.iter().map(new).collect()).await;
    made.into_iter().try_for_each(|made| made.map(drop))
}

/// The starter model, in force, and every lead scored by it.
pub(super) async fn scores(crm: &Crm, admin: &Actor) -> Result<(), Error> {
    crm.scoring_models(admin).create(ScoringModel::starter()).await?;
    while crm.score_sweeper().sweep(admin.tenant(), Duration::from_mins(1)).await?.more {}
    Ok(())
}
