//! Reports: sales, the open pipeline, and the funnel of leads and deals.

mod answers;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    filter::Filter,
    listing::ListQuery,
    pipelines::{Pipeline, PipelineKind},
    reports::{FunnelQuery, GroupBy, Moment, PipelineQuery, SalesQuery},
    users::User,
    value::{Choice, Date, Id},
};
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::PREFIX;
use crate::{
    answer::Answer,
    app::App,
    input::Params,
    openapi::{Operation, Route, choice, date, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

/// The description of the parameter `owner_id` of every report.
const OWNERS: &str = "only these owners': ids with commas between them, `me` for one's own; an empty value asks for those \
                      without an owner";

pub(super) fn routes() -> Vec<Route> {
    let begin = |name: &str, summary: &str| -> Operation {
        route(HttpMethod::Get, format!("{PREFIX}/reports/{name}"), "reports", format!("{name}_report"), summary)
            .query("pipeline_id", uuid(), "the deal pipeline; default: the default pipeline")
            .query("from", date(), "only deals whose close date (expected close date for open deals) is this day or later")
            .query("until", date(), "only deals whose close date is this day or earlier (inclusive)")
            .query("owner_id", text(), OWNERS)
            .filter("only deals that match this filter, as JSON")
            .query(
                "by",
                text(),
                "what to group by, as JSON: a list of tables, each a list of `owner`, `manager`, `team`, `parent_team`, \
                 `company`, `stage`, `close_month`, `close_quarter`, `{\"field\": …}`, `{\"company_field\": …}`, \
                 `{\"entered_month\": stage}`, `{\"entered_quarter\": stage}`",
            )
    };
    vec![
        begin("sales", "Get the sales report: deals won and lost, values and sales cycle")
            .query("cycle_from", text(), "the key of the stage at which the sales cycle starts")
            .data(200, answers::sales(), "figures for all deals and for each group")
            .to(sales),
        begin("pipeline", "Get the pipeline report: open deals by stage, weighted by probability")
            .data(200, answers::pipeline(), "sums for all open deals, for each stage and for each group")
            .to(pipeline),
        life_parameters(route(
            HttpMethod::Get,
            format!("{PREFIX}/reports/life"),
            "reports",
            "life_report",
            "Get the funnel report: entries, exits, conversion, time in stage, velocity, reasons",
        ))
        .data(
            200,
            answers::life(),
            "the flow of each stage with `went_to` (the matrix of conversions) and `time` (microseconds: quartiles by \
             Kaplan and Meier, since some stays go on), what became of the `cohort` that entered, `velocity`, and \
             `reasons` of wins and losses",
        )
        .to(life),
    ]
}

/// The parameters of the funnel report and of its chart.
pub(super) fn life_parameters(operation: Operation) -> Operation {
    let moment = |what: &str| format!("{what}: a day (its start in the organization's time zone) or a time");
    operation
        .query(
            "kind",
            choice(PipelineKind::NAMES.iter().copied()),
            "the kind whose default pipeline is used; default `deal`",
        )
        .query("pipeline_id", uuid(), "the pipeline, instead of `kind`")
        .query("from", text(), &moment("start of the period, inclusive"))
        .query("until", text(), &moment("end of the period, exclusive; default now"))
        .query("follow_until", text(), &moment("end of the follow-up of stays that began in the period; default now"))
        .query("owner_id", text(), OWNERS)
        .query("team_id", uuid(), "only records of this team; empty for records without a team")
        .query("source", text(), "only records with this source; empty for records without a source")
        .filter("only records that match this filter, as JSON")
}

/// The parameters common to both reports.
struct DealParams {
    pipeline: Id<Pipeline>,
    from: Option<Date>,
    until: Option<Date>,
    owners: Option<Vec<Id<User>>>,
    filter: Option<Filter>,
    by: Vec<Vec<GroupBy>>,
}

fn bad(name: &str, message: &str) -> Problem {
    Problem::malformed("bad_parameter", format!("{name}: {message}"))
}

/// Parses the parameter `filter`.
fn condition(params: &mut Params) -> Result<Option<Filter>, Problem> {
    params
        .take("filter")
        .map(|text| serde_json::from_str(&text).map_err(|_| bad("filter", "must be a filter in JSON")))
        .transpose()
}

/// Parses the parameter `owner_id`; no ids if it is empty.
fn owners(caller: &Caller, params: &mut Params) -> Result<Option<Vec<Id<User>>>, Problem> {
    let Some(text) = params.take("owner_id") else { return Ok(None) };
    let owner = |name: &str| if name == "me" { caller.actor.user() } else { name.parse().ok() };
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let ids: Option<Vec<Id<User>>> = names.map(owner).collect();
    ids.map(Some).ok_or_else(|| bad("owner_id", "must be user ids or `me`, separated by commas"))
}

async fn deal_params(app: &App, caller: &Caller, params: &mut Params) -> Result<DealParams, Problem> {
    let filter = condition(params)?;
    let day = "a day such as 2024-01-31";
    let (from, until) = (params.read("from", day)?, params.read("until", day)?);
    let owners = owners(caller, params)?;
    let by = params
        .take("by")
        .map(|text| serde_json::from_str(&text).map_err(|_| bad("by", "must be a list of lists of groups, in JSON")))
        .transpose()?
        .unwrap_or_default();
    let pipeline = match params.read("pipeline_id", "an id")? {
        Some(id) => id,
        None => default_pipeline(app, caller, PipelineKind::Deal).await?,
    };
    Ok(DealParams { pipeline, from, until, owners, filter, by })
}

/// The id of the default pipeline of a kind.
async fn default_pipeline(app: &App, caller: &Caller, kind: PipelineKind) -> Result<Id<Pipeline>, Problem> {
    let filter = Filter::eq("kind", kind.name()).and(Filter::eq("is_default", true));
    let page = app.crm().pipelines(&caller.actor).list(&ListQuery::new().filter(filter).limit(1)).await?;
    page.items.first().map(|pipeline| pipeline.id).ok_or_else(|| Problem::not_found("pipeline"))
}

async fn sales(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let asked = deal_params(&app, &caller, &mut params).await?;
    let query = SalesQuery::of(asked.pipeline).filter(asked.filter).from(asked.from).until(asked.until);
    let mut query = query.owners(asked.owners);
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
    let asked = deal_params(&app, &caller, &mut params).await?;
    let query = PipelineQuery::of(asked.pipeline).filter(asked.filter).from(asked.from).until(asked.until);
    let mut query = query.owners(asked.owners);
    for groups in asked.by {
        query = query.by(groups);
    }
    params.done()?;
    let report = app.crm().reports(&caller.actor).pipeline(&query).await.map_err(Problem::of_query)?;
    Ok(Answer::ok(json!(report)).into_response())
}

/// Parses the parameters of the funnel report.
pub(super) async fn life_query(app: &App, caller: &Caller, mut params: Params) -> Result<FunnelQuery, Problem> {
    let moment = "a day such as 2024-01-31 or a time such as 2024-01-31T09:30:00Z";
    let from: Option<Moment> = params.read("from", moment)?;
    let until: Option<Moment> = params.read("until", moment)?;
    let follow_until: Option<Moment> = params.read("follow_until", moment)?;
    let mut filters: Vec<Filter> = condition(&mut params)?.into_iter().collect();
    if let Some(owners) = owners(caller, &mut params)? {
        let ids = owners.iter().map(Id::to_string);
        filters.push(if owners.is_empty() { Filter::missing("owner_id") } else { Filter::one_of("owner_id", ids) });
    }
    for name in ["team_id", "source"] {
        if let Some(value) = params.take(name) {
            filters.push(if value.is_empty() { Filter::missing(name) } else { Filter::eq(name, value) });
        }
    }
    let kind = params
        .take("kind")
        .map(|name| PipelineKind::from_name(&name).ok_or_else(|| bad("kind", "must be lead or deal")))
        .transpose()?;
    let pipeline: Option<Id<Pipeline>> = params.read("pipeline_id", "an id")?;
    params.done()?;
    let pipeline = match (pipeline, kind) {
        (Some(_), Some(_)) => return Err(bad("kind", "cannot be combined with `pipeline_id`")),
        (Some(id), None) => id,
        (None, kind) => default_pipeline(app, caller, kind.unwrap_or_default()).await?,
    };
    let mut query = FunnelQuery::of(pipeline);
    if let Some(from) = from {
        query = query.from(from);
    }
    if let Some(until) = until {
        query = query.until(until);
    }
    if let Some(follow_until) = follow_until {
        query = query.follow_until(follow_until);
    }
    if !filters.is_empty() {
        query = query.filter(Filter::all(filters));
    }
    Ok(query)
}

async fn life(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Problem> {
    let query = life_query(&app, &caller, params).await?;
    let report = app.crm().reports(&caller.actor).funnel(&query).await.map_err(Problem::of_query)?;
    Ok(Answer::ok(json!(report)).into_response())
}
