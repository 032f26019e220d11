//! Reports: sales, and the open pipeline.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    filter::Filter,
    listing::ListQuery,
    reports::{GroupBy, PipelineQuery, SalesQuery},
    value::Id,
};
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::PREFIX;
use crate::{
    answer::Answer,
    app::App,
    input::Params,
    openapi::{Operation, Route, object, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let begin = |name: &str, summary: &str| -> Operation {
        route(HttpMethod::Get, format!("{PREFIX}/reports/{name}"), "reports", format!("{name}_report"), summary)
            .query("pipeline_id", uuid(), "the pipeline of deals; the default one where not given")
            .query("filter", text(), "only deals of which this condition holds, as JSON")
            .query(
                "by",
                text(),
                "what to group by, as JSON: a list of tables, each a list of `owner`, `manager`, `team`, `parent_team`, \
                 `company`, `stage`, `close_month`, `close_quarter`, `{\"field\": …}`, `{\"company_field\": …}`, \
                 `{\"entered_month\": stage}`, `{\"entered_quarter\": stage}`",
            )
    };
    vec![
        begin("sales", "What sold, how often, for how much, and how long it took")
            .query("cycle_from", text(), "the key of the stage from which the sales cycle counts")
            .data(200, object(), "figures of all deals, and of each group")
            .to(sales),
        begin("pipeline", "What is open: by stage, weighted by probability")
            .data(200, object(), "sums of all open deals, of each stage and of each group")
            .to(pipeline),
    ]
}

/// What both reports are asked.
struct Asked {
    pipeline: Id,
    filter: Option<Filter>,
    by: Vec<Vec<GroupBy>>,
}

async fn asked(app: &App, caller: &Caller, params: &mut Params) -> Result<Asked, Problem> {
    let bad = |name: &str, message: &str| Problem::malformed("bad_parameter", format!("{name}: {message}"));
    let filter = params
        .take("filter")
        .map(|text| serde_json::from_str(&text).map_err(|_| bad("filter", "must be a condition in JSON")))
        .transpose()?;
    let by = params
        .take("by")
        .map(|text| serde_json::from_str(&text).map_err(|_| bad("by", "must be a list of lists of groups, in JSON")))
        .transpose()?
        .unwrap_or_default();
    let pipeline = match params.read("pipeline_id", "an id")? {
        Some(id) => id,
        None => default_pipeline(app, caller).await?,
    };
    Ok(Asked { pipeline, filter, by })
}

/// The default pipeline of deals.
async fn default_pipeline(app: &App, caller: &Caller) -> Result<Id, Problem> {
    let filter = Filter::eq("kind", "deal").and(Filter::eq("is_default", true));
    let page = app.crm().pipelines(&caller.actor).list(&ListQuery::new().filter(filter).limit(1)).await?;
    page.items.first().map(|pipeline| pipeline.id).ok_or_else(|| Problem::not_found("pipeline"))
}

async fn sales(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let asked = asked(&app, &caller, &mut params).await?;
    let mut query = SalesQuery::of(asked.pipeline);
    if let Some(filter) = asked.filter {
        query = query.filter(filter);
    }
    if let Some(stage) = params.take("cycle_from") {
        query = query.cycle_from(stage);
    }
    for groups in asked.by {
        query = query.by(groups);
    }
    params.done()?;
    let report = app.crm().reports(&caller.actor).sales(&query).await.map_err(Problem::of_query)?;
    Ok(Answer::ok(json!(report)).into_response())
}

async fn pipeline(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let asked = asked(&app, &caller, &mut params).await?;
    let mut query = PipelineQuery::of(asked.pipeline);
    if let Some(filter) = asked.filter {
        query = query.filter(filter);
    }
    for groups in asked.by {
        query = query.by(groups);
    }
    params.done()?;
    let report = app.crm().reports(&caller.actor).pipeline(&query).await.map_err(Problem::of_query)?;
    Ok(Answer::ok(json!(report)).into_response())
}
