//! The report as one JSON object. Floats are rounded to six decimals; amounts are in the base currency.

use crm_core::{
    reports::{Figures, Spread},
    value::Decimal,
};
use serde_json::{Map, Value, json};

use super::reporting::{By, OLDER_THAN, YearReport};

/// Returns the report as JSON.
pub fn report(year: &YearReport) -> Value {
    let overall = &year.sales.overall;
    let mut all = Map::new();
    all.insert("counts".into(), counts(year));
    all.insert("overall".into(), totals(overall));
    let cycle = overall.cycle;
    all.insert(
        "cycle".into(),
        json!({
            "won": days(cycle.won), "lost": days(cycle.lost), "closed": days(cycle.closed),
        }),
    );
    all.insert(
        "per_quarter".into(),
        each(year, By::Quarter, |figures| {
            let mut quarter = closed(figures);
            quarter.insert("win_rate".into(), float(figures.win_rate));
            quarter.into()
        }),
    );
    all.insert("per_month".into(), each(year, By::Month, |figures| closed(figures).into()));
    all.insert("per_agent".into(), each(year, By::Agent, group));
    all.insert("per_agent_quarter_won_value".into(), agent_quarters(year));
    for (name, by) in [
        ("per_manager", By::Manager),
        ("per_region", By::Region),
        ("per_product", By::Product),
        ("per_sector", By::Sector),
        ("per_country", By::Country),
    ] {
        all.insert(name.into(), each(year, by, group));
    }
    all.insert("top10_accounts_by_won_value".into(), top(year, By::Account, "account", 10));
    all.insert("top5_agents_by_won_value".into(), top(year, By::Agent, "agent", 5));
    all.insert("open_pipeline".into(), open_pipeline(year));
    all.insert(format!("engaging_age_at_{}", year.ages.on.to_string().replace('-', "_")), ages(year));
    all.insert(
        "cohorts_by_engage_quarter".into(),
        each(year, By::Cohort, |figures| {
            json!({
                "engaged": figures.deals, "won": figures.won, "lost": figures.lost, "still_open": figures.open,
            })
        }),
    );
    all.insert("velocity_usd_per_day".into(), float(year.velocity()));
    Value::Object(all)
}

/// A number with six decimals; null if it is unknown.
fn float(number: Option<f64>) -> Value {
    number.map_or(Value::Null, |number| json!((number * 1e6).round() / 1e6))
}

/// An amount; an integer if it is whole.
fn amount(number: Decimal) -> Value {
    number.to_string().parse::<i64>().map_or_else(|_| float(Some(number.to_f64())), Value::from)
}

fn won_value(figures: &Figures) -> Value {
    figures.won_value.in_base.as_ref().map_or(json!(0), |value| amount(value.sum))
}

fn average(figures: &Figures) -> Value {
    float(figures.won_value.in_base.as_ref().map(|value| value.average.to_f64()))
}

fn won_days(figures: &Figures) -> Value {
    float(figures.cycle.won.map(|won| won.mean))
}

fn counts(year: &YearReport) -> Value {
    let stages: Map<String, Value> =
        year.groups(By::Stage).into_iter().map(|(name, figures)| (name.to_owned(), json!(figures.deals))).collect();
    let sellers = year.groups(By::Agent);
    let idle: Vec<&String> =
        year.agents.iter().filter(|name| !sellers.iter().any(|(other, _)| other == name)).collect();
    let nobody = year.table(By::Account).and_then(|table| table.groups.iter().find(|group| group.names == [None]));
    json!({
        "total": year.sales.overall.deals,
        "by_stage": stages,
        "accounts": year.accounts,
        "products": year.products,
        "agents_in_teams": year.agents.len(),
        "agents_with_deals": sellers.len(),
        "agents_without_deals": idle,
        "deals_without_account": nobody.map_or(0, |group| group.figures.deals),
        "open_deals_without_account": nobody.map_or(0, |group| group.figures.open),
    })
}

fn totals(figures: &Figures) -> Value {
    let value = figures.won_value.in_base.as_ref();
    json!({
        "deals": figures.deals,
        "won": figures.won,
        "lost": figures.lost,
        "open": figures.open,
        "win_rate": float(figures.win_rate),
        "won_value": won_value(figures),
        "average_won_value": average(figures),
        "won_cycle_mean_days": won_days(figures),
        "median_won_value": float(value.map(|value| value.median.to_f64())),
        "max_won_value": value.map_or(Value::Null, |value| amount(value.max)),
        "min_won_value": value.map_or(Value::Null, |value| amount(value.min)),
    })
}

fn days(spread: Option<Spread>) -> Value {
    spread.map_or(Value::Null, |spread| {
        json!({
            "n": spread.n,
            "mean_days": float(Some(spread.mean)),
            "median_days": float(Some(spread.median)),
            "min_days": spread.min,
            "max_days": spread.max,
            "sum_days": spread.sum,
        })
    })
}

fn each(year: &YearReport, by: By, of: impl Fn(&Figures) -> Value) -> Value {
    year.groups(by).into_iter().map(|(name, figures)| (name.to_owned(), of(figures))).collect::<Map<_, _>>().into()
}

fn closed(figures: &Figures) -> Map<String, Value> {
    Map::from_iter([
        ("won".to_owned(), json!(figures.won)),
        ("lost".to_owned(), json!(figures.lost)),
        ("won_value".to_owned(), won_value(figures)),
    ])
}

fn group(figures: &Figures) -> Value {
    json!({
        "deals": figures.deals,
        "won": figures.won,
        "lost": figures.lost,
        "open": figures.open,
        "win_rate": float(figures.win_rate),
        "won_value": won_value(figures),
        "average_won_value": average(figures),
        "won_cycle_mean_days": won_days(figures),
    })
}

fn agent_quarters(year: &YearReport) -> Value {
    let mut agents: Map<String, Value> = Map::new();
    for group in year.table(By::AgentQuarter).into_iter().flat_map(|table| &table.groups) {
        if let [Some(agent), Some(quarter)] = group.names.as_slice()
            && let Value::Object(quarters) = agents.entry(agent.clone()).or_insert_with(|| Map::new().into())
        {
            quarters.insert(quarter.clone(), won_value(&group.figures));
        }
    }
    agents.into()
}

/// The groups with the largest won value, then by name.
fn top(year: &YearReport, by: By, called: &str, count: usize) -> Value {
    let mut groups = year.groups(by);
    let value = |figures: &Figures| figures.won_value.in_base.as_ref().map_or(Decimal::ZERO, |value| value.sum);
    groups.sort_by(|(a, x), (b, y)| value(y).cmp(&value(x)).then_with(|| a.cmp(b)));
    let show = |(name, figures): &(&str, &Figures)| json!({ called: name, "won_value": won_value(figures) });
    groups.iter().take(count).map(show).collect::<Vec<_>>().into()
}

fn open_pipeline(year: &YearReport) -> Value {
    let value =
        |open: &crm_core::reports::OpenDeals| open.value.in_base.as_ref().map_or(json!(0), |value| amount(value.sum));
    let stages: Map<String, Value> = year
        .pipeline
        .stages
        .iter()
        .map(|stage| (stage.name.clone(), json!({"deals": stage.open.deals, "list_value": value(&stage.open)})))
        .collect();
    let rates = year.table(By::Product);
    let products: Map<String, Value> = year
        .pipeline
        .tables
        .iter()
        .flat_map(|table| &table.groups)
        .filter_map(|group| {
            let name = group.names.first()?.clone()?;
            let rate = rates.and_then(|rates| rates.find(&[&name])).and_then(|figures| figures.win_rate);
            let shown = json!({
                "deals": group.figures.deals, "list_value": value(&group.figures), "win_rate": float(rate),
            });
            Some((name, shown))
        })
        .collect();
    json!({
        "deals": year.pipeline.total.deals,
        "list_value": value(&year.pipeline.total),
        "by_stage": stages,
        "by_product": products,
        "weighted_forecast_by_product": float(Some(year.forecast_by_product())),
        "weighted_forecast_flat": float(year.forecast_flat()),
    })
}

fn ages(year: &YearReport) -> Value {
    let mut all = Map::new();
    if let Some(days) = year.ages.days {
        all.insert("n".into(), json!(days.n));
        all.insert("mean_days".into(), float(Some(days.mean)));
        all.insert("median_days".into(), float(Some(days.median)));
        all.insert("min_days".into(), json!(days.min));
        all.insert("max_days".into(), json!(days.max));
    }
    for (days, older) in OLDER_THAN.iter().zip(&year.ages.older_than) {
        all.insert(format!("older_than_{days}"), json!(older.deals));
    }
    all.into()
}
