//! Tests of reports through the use cases: permissions, money, days and archived deals.

use super::*;
use crate::{
    companies::NewCompany,
    deals::{DealPatch, NewDeal},
    engine::collection::NewWithHistory,
    model::{
        access::{FieldAccess, FieldRule, Grant, Scope},
        error::Error,
        filter::Op,
        records::{
            organization::OrganizationPatch,
            property::{NewProperty, PropertyType},
            rate::NewRate,
            role::NewRole,
            team::NewTeam,
            user::{User, UserPatch},
        },
        value::{Decimal, Money, Value},
    },
    testing::{Ready, user},
};
use futures::executor::block_on;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

#[allow(clippy::unnecessary_wraps)] // the signature of the field
fn dollars(amount: i64) -> Option<Money> {
    Some(Money::new(amount, Currency::USD))
}

struct Sale<'a> {
    title: &'a str,
    owner: Id<User>,
    value: Option<Money>,
    created: &'a str,
    qualified: Option<&'a str>,
    closed: Option<(&'a str, bool)>,
}

/// Returns a deal of the default pipeline with its history.
fn sale(ready: &Ready, sale: &Sale<'_>) -> NewWithHistory<crate::deals::Deal> {
    let stage = |kind| ready.deal_pipeline.first_of(kind).unwrap().id;
    let new = NewDeal {
        title: sale.title.into(),
        value: sale.value,
        owner_id: Some(sale.owner),
        external_id: Some(sale.title.into()),
        ..Default::default()
    };
    let mut history = NewWithHistory::new(new).created_at(at(sale.created));
    if let Some(qualified) = sale.qualified {
        history = history.then(at(qualified), DealPatch::new().stage_id(second(ready).id));
    }
    if let Some((closed, won)) = sale.closed {
        let patch = if won {
            DealPatch::new().stage_id(stage(StageKind::Won))
        } else {
            DealPatch::new().stage_id(stage(StageKind::Lost)).close_reason("price")
        };
        history = history.then(at(closed), patch);
    }
    history
}

/// Returns the second stage of the pipeline.
fn second(ready: &Ready) -> crate::model::records::pipeline::Stage {
    let mut open: Vec<_> =
        ready.deal_pipeline.stages.iter().filter(|stage| stage.kind == StageKind::Open).cloned().collect();
    open.sort_by_key(|stage| stage.position);
    open[1].clone()
}

/// Creates deals of a representative, of a manager, and of a user in another team.
async fn ready() -> Ready {
    let ready = Ready::in_memory().await.unwrap();
    let other = NewTeam { name: "South".into(), ..Default::default() };
    let other = ready.crm.teams(&ready.admin).create(other).await.unwrap();
    let outsider = user(&ready.crm, &ready.admin, "Otto", "sales_rep", other.id).await.unwrap();
    let manager = UserPatch::new().manager_id(ready.manager_user.id);
    ready.crm.users(&ready.admin).update(ready.rep_user.id, manager).await.unwrap();
    let rep = ready.rep_user.id;
    let sales = [
        Sale {
            title: "A",
            owner: rep,
            value: dollars(100),
            created: "2025-01-01T00:00:00Z",
            qualified: Some("2025-01-11T00:00:00Z"),
            closed: Some(("2025-03-31T23:30:00Z", true)),
        },
        Sale {
            title: "B",
            owner: rep,
            value: dollars(50),
            created: "2025-02-01T00:00:00Z",
            qualified: None,
            closed: Some(("2025-02-11T00:00:00Z", false)),
        },
        Sale {
            title: "C",
            owner: ready.manager_user.id,
            value: dollars(300),
            created: "2025-04-01T00:00:00Z",
            qualified: Some("2025-04-02T00:00:00Z"),
            closed: Some(("2025-04-12T00:00:00Z", true)),
        },
        Sale {
            title: "D",
            owner: outsider.id,
            value: dollars(7),
            created: "2025-05-01T00:00:00Z",
            qualified: None,
            closed: Some(("2025-05-02T00:00:00Z", true)),
        },
        Sale {
            title: "E",
            owner: rep,
            value: dollars(1000),
            created: "2025-06-01T00:00:00Z",
            qualified: Some("2025-12-31T00:00:00Z"),
            closed: None,
        },
    ];
    let all = sales.iter().map(|one| sale(&ready, one)).collect();
    for made in ready.crm.deals(&ready.admin).create_many(all).await {
        made.unwrap();
    }
    ready
}

fn sum(figures: &Figures) -> Option<Decimal> {
    figures.won_value.in_base.as_ref().map(|value| value.sum)
}

/// Returns the field and code of the only fault of a refusal.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (String, String) {
    let Err(Error::Invalid(faults)) = result else { panic!("{result:?}") };
    let [fault] = faults.all() else { panic!("{faults}") };
    (fault.field.clone(), fault.fault.code.to_string())
}

/// Returns an actor with its own role.
async fn with_role(ready: &Ready, grants: Vec<Grant>, field_rules: Vec<FieldRule>) -> Actor {
    let role = NewRole { key: "own".into(), name: "Own".into(), grants, field_rules, ..Default::default() };
    let role = ready.crm.roles(&ready.admin).create(role).await.unwrap();
    Actor::trusted(ready.admin.tenant(), ready.rep_user.id, vec![role.id], vec![ready.team.id])
}

#[test]
fn everybody_sees_what_their_grants_of_report_cover() {
    block_on(async {
        let ready = ready().await;
        let query = SalesQuery::of(ready.deal_pipeline.id);
        let seen = async |actor: &Actor| ready.crm.reports(actor).sales(&query).await.unwrap().overall;
        let all = seen(&ready.admin).await;
        assert_eq!((all.deals, all.won, all.lost, all.open), (5, 3, 1, 1));
        assert_eq!((all.win_rate, sum(&all)), (Some(0.75), Some(407.into())));
        let team = seen(&ready.manager).await;
        assert_eq!((team.deals, sum(&team)), (4, Some(400.into())));
        let own = seen(&ready.rep).await;
        assert_eq!((own.deals, own.won, sum(&own)), (3, 1, Some(100.into())));
        // The permission to read does not include reports.
        let reader = with_role(&ready, vec![Grant::new(Kind::Deal, Action::Read, Scope::All)], Vec::new()).await;
        let refused = ready.crm.reports(&reader).sales(&query).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
        let foreign = Actor::trusted(Id::from_parts(9, [9; 10]), ready.rep_user.id, ready.rep.roles(), Vec::new());
        let refused = ready.crm.reports(&foreign).sales(&query).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. } | Error::NotFound(_))), "{refused:?}");
    });
}

#[test]
fn a_hidden_field_does_not_exist_in_reports() {
    block_on(async {
        let ready = ready().await;
        let hide = |field: &str| FieldRule { kind: Kind::Deal, field: field.into(), access: FieldAccess::Hidden };
        let grants =
            vec![Grant::new(Kind::Deal, Action::Report, Scope::All), Grant::new(Kind::User, Action::Read, Scope::All)];
        let actor = with_role(&ready, grants, vec![hide("value"), hide("owner_id"), hide("source")]).await;
        let reports = ready.crm.reports(&actor);
        let of = || SalesQuery::of(ready.deal_pipeline.id);
        let found = reports.sales(&of()).await.unwrap().overall;
        assert_eq!((found.won, found.won_without_value, found.won_value), (3, 3, Sums::default()));
        let unknown = |field: &str| (field.to_owned(), "unknown_field".to_owned());
        assert_eq!(refusal(reports.sales(&of().by([GroupBy::Owner])).await), unknown("owner_id"));
        assert_eq!(refusal(reports.sales(&of().by([GroupBy::Manager])).await), unknown("owner_id"));
        assert_eq!(refusal(reports.sales(&of().by([GroupBy::Field("source".into())])).await), unknown("source"));
        let filter = Filter::is("value", Op::Missing, serde_json::Value::Null);
        assert_eq!(refusal(reports.sales(&of().filter(filter)).await), unknown("value"));
        assert_eq!(refusal(reports.pipeline(&PipelineQuery::of(ready.deal_pipeline.id)).await), unknown("value"));
        let title = GroupBy::Field("title".into());
        assert_eq!(refusal(reports.sales(&of().by([title])).await), ("title".to_owned(), "not_reportable".to_owned()));
        let stage = GroupBy::EnteredQuarter("nowhere".into());
        assert_eq!(
            refusal(reports.sales(&of().by([stage])).await),
            ("group_by".to_owned(), "unknown_stage".to_owned())
        );
    });
}

#[test]
fn a_company_that_one_may_not_see_gives_nothing_away() {
    block_on(async {
        let ready = ready().await;
        let new = NewCompany { name: "Secret Ltd".into(), industry: Some("mining".into()), ..Default::default() };
        let company = ready.crm.companies(&ready.admin).create(new).await.unwrap();
        let deal = ready.crm.deals(&ready.admin).find("external_id", "A").await.unwrap();
        let patch = DealPatch::new().company_id(company.id);
        ready.crm.deals(&ready.admin).update(deal.id, patch).await.unwrap();
        let query = SalesQuery::of(ready.deal_pipeline.id)
            .by([GroupBy::Company])
            .by([GroupBy::CompanyField("industry".into())]);
        let names = async |actor: &Actor| -> Vec<Vec<Option<String>>> {
            let report = ready.crm.reports(actor).sales(&query).await.unwrap();
            report.tables.iter().flat_map(|table| table.groups.iter().map(|group| group.names.clone())).collect()
        };
        let only = |name: &str| vec![Some(name.to_owned())];
        assert_eq!(names(&ready.admin).await, [only("Secret Ltd"), vec![None], only("mining"), vec![None]]);
        assert!(names(&ready.rep).await.iter().all(|names| names == &[None]));
    });
}

#[test]
fn groups_cycles_and_cohorts_follow_the_log_and_the_organizations_calendar() {
    block_on(async {
        let ready = ready().await;
        // In this time zone it is already the second quarter when deal A is won; the fiscal year begins in April.
        let patch = OrganizationPatch::new().time_zone("Europe/Berlin").fiscal_year_start_month(4);
        ready.crm.organizations(&ready.admin).update(ready.admin.tenant().typed(), patch).await.unwrap();
        let deals = ready.crm.deals(&ready.admin);
        let a = deals.find("external_id", "A").await.unwrap();
        deals.update(a.id, DealPatch::new().actual_close_date("2025-04-01".parse::<Date>().unwrap())).await.unwrap();
        let query = SalesQuery::of(ready.deal_pipeline.id)
            .cycle_from(second(&ready).key)
            .by([GroupBy::Manager])
            .by([GroupBy::CloseQuarter])
            .by([GroupBy::EnteredQuarter(second(&ready).key)])
            .by([GroupBy::Owner, GroupBy::CloseMonth]);
        let report = ready.crm.reports(&ready.admin).sales(&query).await.unwrap();
        let [managers, quarters, cohorts, months] = report.tables.as_slice() else { panic!("four tables") };
        assert_eq!(managers.find(&["Mary"]).unwrap().deals, 3);
        let counts = |table: &Table<Figures>| -> Vec<(Option<String>, u64)> {
            table.groups.iter().map(|group| (group.names[0].clone(), group.figures.deals)).collect()
        };
        let quarter = |name: &str| Some(name.to_owned());
        assert_eq!(counts(quarters), [(quarter("2025-Q4"), 1), (quarter("2026-Q1"), 3), (None, 1)]);
        assert_eq!(
            counts(cohorts),
            [(quarter("2025-Q4"), 1), (quarter("2026-Q1"), 1), (quarter("2026-Q3"), 1), (None, 2)]
        );
        assert_eq!(months.find(&["Rob", "2025-04"]).unwrap().won, 1);
        // A: 11 January to 1 April; C: 2 to 12 April. D and B never were there.
        let cycle = report.overall.cycle.won.unwrap();
        assert_eq!((cycle.n, cycle.sum, cycle.min), (2, 80 + 10, 10));
        assert_eq!(report.overall.cycle.lost, None);
        let from_creation = SalesQuery::of(ready.deal_pipeline.id);
        let report = ready.crm.reports(&ready.admin).sales(&from_creation).await.unwrap();
        assert_eq!(report.overall.cycle.closed.unwrap().n, 4);
    });
}

#[test]
fn open_deals_are_summed_by_stage_and_weighted() {
    block_on(async {
        let ready = ready().await;
        let price = NewProperty {
            kind: Some(Kind::Deal),
            key: "seats".into(),
            name: "Seats".into(),
            r#type: PropertyType::Integer,
            ..Default::default()
        };
        ready.crm.properties(&ready.admin).create(price).await.unwrap();
        let deals = ready.crm.deals(&ready.admin);
        let e = deals.find("external_id", "E").await.unwrap();
        deals.update(e.id, DealPatch::new().probability(30).property("seats", Value::Int(12))).await.unwrap();
        let archived = NewDeal { title: "gone".into(), value: dollars(9), ..Default::default() };
        let archived = deals.create(archived).await.unwrap();
        deals.archive(archived.id).await.unwrap();
        let reports = ready.crm.reports(&ready.admin);
        let report = reports.pipeline(&PipelineQuery::of(ready.deal_pipeline.id)).await.unwrap();
        let stage = report.stages.iter().find(|stage| stage.id == second(&ready).id).unwrap();
        assert_eq!((report.total.deals, stage.open.deals), (1, 1));
        assert_eq!(stage.open.weighted.in_base.as_ref().unwrap().sum, Decimal::from(300));
        assert!(report.stages.len() > 1, "stages without deals are shown");
        let seats = PipelineQuery::of(ready.deal_pipeline.id).value("properties.seats").by([GroupBy::Stage]);
        let report = reports.pipeline(&seats).await.unwrap();
        assert_eq!(report.tables[0].groups[0].figures.value.in_base.as_ref().unwrap().sum, Decimal::from(12));
        let text = PipelineQuery::of(ready.deal_pipeline.id).value("title");
        assert_eq!(refusal(reports.pipeline(&text).await), ("title".to_owned(), "wrong_type".to_owned()));
        let leads = reports.pipeline(&PipelineQuery::of(ready.lead_pipeline.id)).await;
        assert!(matches!(leads, Err(Error::NotFound(Kind::Pipeline))));
    });
}

#[test]
fn amounts_are_converted_by_the_rate_of_their_day_and_missing_rates_are_said() {
    block_on(async {
        let ready = ready().await;
        for (day, rate) in [("2025-01-01", "1.1"), ("2025-06-01", "1.2")] {
            let new = NewRate {
                currency: Some(Currency::EUR),
                day: day.parse().ok(),
                rate: rate.parse().unwrap(),
                source: None,
                ..Default::default()
            };
            ready.crm.rates(&ready.admin).create(new).await.unwrap();
        }
        let foreign = |title, code: &str, closed| {
            let value = Some(Money::new(10, code.parse::<Currency>().unwrap()));
            let (owner, created) = (ready.rep_user.id, "2024-01-01T00:00:00Z");
            sale(&ready, &Sale { title, owner, value, created, qualified: None, closed: Some((closed, true)) })
        };
        let many = vec![
            foreign("F", "EUR", "2025-05-31T00:00:00Z"),
            foreign("G", "EUR", "2025-06-01T00:00:00Z"),
            foreign("H", "EUR", "2024-12-31T00:00:00Z"),
            foreign("I", "GBP", "2025-06-01T00:00:00Z"),
        ];
        for made in ready.crm.deals(&ready.admin).create_many(many).await {
            made.unwrap();
        }
        let report = ready.crm.reports(&ready.admin).sales(&SalesQuery::of(ready.deal_pipeline.id)).await.unwrap();
        let value = &report.overall.won_value;
        assert_eq!(value.in_base.as_ref().unwrap().sum, Decimal::from(407 + 11 + 12));
        assert_eq!(value.by_currency.get(&Currency::EUR), Some(&Decimal::from(30)));
        assert_eq!(value.without_rate, 2);
        let used: Vec<_> = report.rates.iter().map(|rate| (rate.day.to_string(), rate.amounts)).collect();
        assert_eq!(used, [("2025-01-01".to_owned(), 1), ("2025-06-01".to_owned(), 1)]);
        let missing: Vec<_> =
            report.missing_rates.iter().map(|rate| (rate.currency.to_string(), rate.amounts)).collect();
        assert_eq!(missing, [("EUR".to_owned(), 1), ("GBP".to_owned(), 1)]);
    });
}

#[test]
fn ages_are_those_of_the_day_by_the_log() {
    block_on(async {
        let ready = ready().await;
        let ages = async |actor: &Actor, day: &str| {
            let query =
                AgesQuery::of(ready.deal_pipeline.id, second(&ready).key).on(day.parse().unwrap()).older_than([10, 4]);
            ready.crm.reports(actor).ages(&query).await.unwrap()
        };
        let now = ages(&ready.admin, "2026-01-05").await;
        assert_eq!(now.days.map(|days| (days.n, days.sum)), Some((1, 5)));
        assert_eq!(now.older_than.iter().map(|older| older.deals).collect::<Vec<_>>(), [0, 1]);
        // Deal A, which is won now, was in the stage then.
        let then = ages(&ready.admin, "2025-01-31").await;
        assert_eq!(then.days.map(|days| (days.n, days.sum)), Some((1, 20)));
        assert_eq!(ages(&ready.admin, "2024-01-01").await.days, None);
        // C belongs to the manager: the representative may not see it.
        assert_eq!(ages(&ready.manager, "2025-04-05").await.days.map(|days| days.n), Some(1));
        assert_eq!(ages(&ready.rep, "2025-04-05").await.days, None);
    });
}

#[test]
fn the_life_of_deals_has_money_and_velocity() {
    const HOUR: i64 = 3_600_000_000;
    block_on(async {
        let ready = ready().await;
        let query = FunnelQuery::of(ready.deal_pipeline.id);
        let report = ready.crm.reports(&ready.admin).funnel(&query).await.unwrap();
        let velocity = &report.velocity;
        assert_eq!((velocity.open, velocity.won, velocity.lost, velocity.win_rate), (1, 3, 1, Some(0.75)));
        assert_eq!(velocity.won_value.in_base.as_ref().map(|value| value.sum), Some(407.into()));
        // A: 89 days and 23.5 hours, C: 11 days, D: 1 day.
        let time = velocity.time_to_win.unwrap();
        assert_eq!((time.n, time.median_micros, time.min_micros), (3, 11 * 24 * HOUR, 24 * HOUR));
        assert_eq!(time.mean_micros, (HOUR * (89 + 11 + 1) * 24 + HOUR * 47 / 2) / 3);
        let expected = 0.75 * (407.0 / 3.0) / (2447.5 / 3.0 / 24.0);
        assert!((velocity.value_per_day.unwrap() - expected).abs() < 1e-9 * expected, "{velocity:?}");
        let reasons: Vec<_> = report.reasons.as_ref().unwrap().iter().collect();
        assert_eq!((reasons[0].ending, reasons[0].records, reasons[0].rate), (Ending::Won, 3, 1.0));
        assert_eq!((reasons[1].ending, reasons[1].reason.as_deref()), (Ending::Lost, Some("price")));
        assert_eq!(reasons[1].value.in_base.as_ref().map(|value| value.sum), Some(50.into()));
        // The first quarter: A and B. The outcomes of its cohort are followed beyond it.
        let quarter = query.from(Date::from_ymd(2025, 1, 1).unwrap()).until(Date::from_ymd(2025, 4, 1).unwrap());
        let report = ready.crm.reports(&ready.admin).funnel(&quarter).await.unwrap();
        assert_eq!((report.velocity.won, report.velocity.lost, report.cohort.records), (1, 1, 2));
        let team = ready.crm.reports(&ready.manager).funnel(&quarter).await.unwrap();
        assert_eq!(team.records, 4, "the outsider's is not the manager's to see");
    });
}
