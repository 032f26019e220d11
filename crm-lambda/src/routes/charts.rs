//! Charts, as SVG: the times of one record's stages, and those of the life report; the course of a score; how scores
//! would be spread by a model that was tried.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use crm_core::{
    charts::{self, Bins, HistogramOptions, SparklineOptions, StageBar, StageTimesOptions},
    companies::Company,
    contacts::Contact,
    deals::Deal,
    jobs::Job,
    leads::Lead,
    schema::RecordKind,
    scoring::{BAR, Backtest, Histogram},
    value::{Kind, Ref, Time},
};
use utoipa::openapi::HttpMethod;

use super::{PREFIX, records::path_of, reports, scoring};
use crate::{
    app::App,
    input::{IdPath, Params},
    openapi::{Operation, Route, route, text},
    problem::Problem,
    sign_in::Caller,
};

/// What an SVG is served as.
const SVG: &str = "image/svg+xml";
/// A chart brings its style along, and neither fetches nor runs anything, nor stands in a frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

pub(super) fn routes() -> Vec<Route> {
    let of_record = |kind: Kind| -> Operation {
        let summary = format!("Get a chart of the time a {kind} spent in its stages");
        route(
            HttpMethod::Get,
            format!("{}/{{id}}/stages.svg", path_of(kind)),
            kind.plural(),
            format!("{kind}_stages_chart"),
            summary,
        )
        .content(
            200,
            SVG,
            text(),
            "one bar per stage: total time, with the latest stay marked if there were several",
        )
    };
    let of_score = |kind: Kind| -> Operation {
        let path = format!("{}/{{id}}/score.svg", path_of(kind));
        let summary = format!("Get a chart of the score history of a {kind}");
        let operation = route(HttpMethod::Get, path, kind.plural(), format!("{kind}_score_chart"), summary);
        scoring::course_params(scoring::which(operation)).content(
            200,
            SVG,
            text(),
            "a line over time, with the hot threshold",
        )
    };
    vec![
        of_score(Kind::Lead).to(score::<Lead>),
        of_score(Kind::Contact).to(score::<Contact>),
        of_score(Kind::Company).to(score::<Company>),
        of_score(Kind::Deal).to(score::<Deal>),
        route(
            HttpMethod::Get,
            format!("{}/{{id}}/trial.svg", path_of(Kind::Job)),
            "jobs",
            "trial_chart",
            "Get a chart of the score distribution before and with a backtested model",
        )
        .content(200, SVG, text(), "two histograms with bins of five points")
        .fails(404)
        .to(trial),
        of_record(Kind::Lead).to(record_stages::<Lead>),
        of_record(Kind::Deal).to(record_stages::<Deal>),
        reports::life_parameters(route(
            HttpMethod::Get,
            format!("{PREFIX}/reports/life.svg"),
            "reports",
            "life_report_chart",
            "Get a chart of the times in stage of the funnel report",
        ))
        .content(200, SVG, text(), "the median of each open stage as a bar, the quartiles as a line")
        .to(life),
    ]
}

/// A chart as an answer.
pub(super) fn svg(chart: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, SVG),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, chart).into_response()
}

async fn record_stages<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    params: Params,
) -> Result<Response, Problem> {
    params.done()?;
    let bars = app.crm().collection::<K>(&caller.actor).stage_bars(id).await?;
    Ok(svg(charts::stage_times(&bars, &StageTimesOptions::default())))
}

async fn score<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let course = scoring::course_of(&app, &caller, Ref::new(K::KIND, id), &mut params).await?;
    params.done()?;
    let points: Vec<(Time, i64)> = course.moments.iter().map(|moment| (moment.at, moment.points.total)).collect();
    let options = SparklineOptions {
        title: format!("Score by {}", course.model),
        threshold: course.hot_threshold,
        ..SparklineOptions::default()
    };
    Ok(svg(charts::sparkline(&points, &options)))
}

async fn trial(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Job>,
    params: Params,
) -> Result<Response, Problem> {
    params.done()?;
    let job = app.crm().jobs(&caller.actor).get(id).await?;
    let trial = job.trial().ok_or_else(|| Problem::not_found("trial"))?;
    let options = HistogramOptions {
        title: format!("Scores by {} before, by {} after", trial.against, trial.model),
        ..HistogramOptions::default()
    };
    Ok(svg(charts::histogram(&bins(&trial), &options)))
}

/// The bars of both histograms, those between them included.
fn bins(trial: &Backtest) -> Bins {
    let bars = || trial.before.keys().chain(trial.after.keys()).copied();
    let (Some(low), Some(high)) = (bars().min(), bars().max()) else { return Bins::default() };
    let edges: Vec<i64> = (0..=(high - low) / BAR + 1).map(|step| low + step * BAR).collect();
    let counts =
        |of: &Histogram| edges.iter().take(edges.len() - 1).map(|edge| of.get(edge).copied().unwrap_or(0)).collect();
    Bins { before: counts(&trial.before), after: counts(&trial.after), edges: edges.clone() }
}

async fn life(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Problem> {
    let query = reports::life_query(&app, &caller, params).await?;
    let report = app.crm().reports(&caller.actor).funnel(&query).await.map_err(Problem::of_query)?;
    let options = StageTimesOptions {
        title: format!("Time of {} in stage: median and quartiles", report.kind.plural()),
        ..StageTimesOptions::default()
    };
    Ok(svg(charts::stage_times(&StageBar::of_report(&report), &options)))
}
