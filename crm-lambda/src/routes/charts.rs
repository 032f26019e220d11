//! Charts, as SVG: the times of one record's stages, and those of the life report.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use crm_core::{
    charts::{self, StageBar, StageTimesOptions},
    deals::Deal,
    leads::Lead,
    schema::RecordKind,
    value::Kind,
};
use utoipa::openapi::HttpMethod;

use super::{PREFIX, records::path_of, reports};
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
        let summary = format!("The times of a {kind} in its stages, as a chart");
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
            "a bar for each stage: cumulative, with the latest stay where there were several",
        )
    };
    vec![
        of_record(Kind::Lead).to(record_stages::<Lead>),
        of_record(Kind::Deal).to(record_stages::<Deal>),
        reports::life_parameters(route(
            HttpMethod::Get,
            format!("{PREFIX}/reports/life.svg"),
            "reports",
            "life_report_chart",
            "The life report's times in stage, as a chart",
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
    IdPath(id): IdPath,
    params: Params,
) -> Result<Response, Problem> {
    params.done()?;
    let bars = app.crm().collection::<K>(&caller.actor).stage_bars(id).await?;
    Ok(svg(charts::stage_times(&bars, &StageTimesOptions::default())))
}

async fn life(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Problem> {
    let query = reports::life_query(&app, &caller, params).await?;
    let report = app.crm().reports(&caller.actor).life(&query).await.map_err(Problem::of_query)?;
    let options = StageTimesOptions {
        title: format!("Time of {} in stage: median and quartiles", report.kind.plural()),
        ..StageTimesOptions::default()
    };
    Ok(svg(charts::stage_times(&StageBar::of_report(&report), &options)))
}
