//! Scoring: the current and past scores of a record with their contributions and score history; backtest and activation
//! of models.

mod answers;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    jobs::Job,
    schema::RecordKind,
    scoring::{KINDS, ModelDefinition, ScoreHistory, ScoreQuery, ScoringModel},
    value::{FaultCode, Id, Kind, Ref, Time},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::{ToSchema, openapi::HttpMethod};

pub(super) use answers::fact;

use super::{
    PREFIX,
    jobs::{begun, job_route},
    records::{path_of, write_one},
};
use crate::{
    answer::Answer,
    app::App,
    input::{ActionOptions, Body, Empty, IdPath, IdempotencyKey, Params},
    openapi::{Item, Operation, Route, boolean, bounded, choice, integer, kind_new, kind_view, route, time, uuid},
    problem::Problem,
    sign_in::Caller,
};

/// The default number of days of a score history.
const DAYS: i64 = 90;
/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

pub(super) fn routes() -> Vec<Route> {
    let models = path_of(Kind::ScoringModel);
    let mut all = vec![
        route(
            HttpMethod::Get,
            format!("{PREFIX}/scoring/starter"),
            "scoring_models",
            "starter_model",
            "Get a scoring model to start with",
        )
        .data(200, kind_new(Kind::ScoringModel), "a body for `POST /scoring/models`")
        .to(starter),
        route(
            HttpMethod::Post,
            format!("{models}/{{id}}/activate"),
            "scoring_models",
            "activate_scoring_model",
            "Activate a model for its kind, in place of the active one",
        )
        .body_as::<Empty>()
        .idempotent()
        .conditional()
        .data(200, kind_view(Kind::ScoringModel), "the active model")
        .to(activate),
        job_route(
            Kind::ScoringModel,
            "{id}/try",
            "try_scoring_model",
            "Backtest a model: how the scores of records would change",
        )
        .body_as::<Empty>()
        .to(attempt),
    ];
    all.push(
        job_route(Kind::ScoringModel, "train", "train_model", "Train a model from the outcomes of leads or deals")
            .body_as::<TrainBody>()
            .to(train),
    );
    all.extend(likelihoods());
    all.extend(of_kind::<crm_core::leads::Lead>());
    all.extend(of_kind::<crm_core::contacts::Contact>());
    all.extend(of_kind::<crm_core::companies::Company>());
    all.extend(of_kind::<crm_core::deals::Deal>());
    debug_assert_eq!(KINDS.len(), 4, "a kind that is scored has its routes");
    all
}

pub(super) fn which(operation: Operation) -> Operation {
    operation
        .query("model", uuid(), "the model; default: the active one")
        .query("version", integer(), "the version of the model; default: the newest")
        .query("known_at", time(), "only changes recorded by this time")
        .fails(404)
}

fn of_kind<K: RecordKind>() -> Vec<Route> {
    let kind = K::KIND;
    let begin = |tail: &str, id: &str, summary: String| -> Operation {
        let path = format!("{}/{{id}}/{tail}", path_of(kind));
        which(route(HttpMethod::Get, path, kind.plural(), format!("{kind}_{id}"), summary))
    };
    vec![
        begin("score", "score", format!("Get the score of a {kind} with its contributions"))
            .query("at", time(), "at which moment; now where not given")
            .data(200, answers::score(), "thousandths of a point; the contributions sum to the total")
            .to(score::<K>),
        course_params(begin("score/course", "score_course", format!("Get the score history of a {kind}")))
            .data(200, answers::course(), "`at` and the figures for each time at which the record existed")
            .to(course::<K>),
    ]
}

pub(super) fn course_params(operation: Operation) -> Operation {
    operation
        .query("from", time(), "start; default 90 days before `until`")
        .query("until", time(), "end; default now")
        .query("as_then", boolean(), "use what was known at each time; default: what is known now, or at `known_at`")
        .query("hours", bounded(1, 8_760), "the interval in hours; default 24")
        .fails(422)
}

fn likelihoods() -> Vec<Route> {
    let begin = |kind: Kind| -> Operation {
        let path = format!("{}/{{id}}/likelihood", path_of(kind));
        let summary = format!("Get the likelihood that a {kind} is won, by a trained model, with contributions");
        route(HttpMethod::Get, path, kind.plural(), format!("{kind}_likelihood"), summary)
            .query("job", uuid(), "the job that trained the model")
            .query("at", time(), "at which moment; now where not given")
            .data(200, answers::likelihood(), "`base` and the contributions add up to the log-odds")
            .fails(404)
    };
    vec![
        begin(Kind::Lead).to(likelihood::<crm_core::leads::Lead>),
        begin(Kind::Deal).to(likelihood::<crm_core::deals::Deal>),
    ]
}

fn trained_kind() -> Item {
    choice(["lead", "deal"])
}

/// The data to learn from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrainBody {
    #[schema(schema_with = trained_kind)]
    kind: Kind,
    #[serde(default)]
    exclude: Vec<String>,
}

async fn train(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Body(body): Body<TrainBody>,
) -> Result<Response, Problem> {
    if !matches!(body.kind, Kind::Lead | Kind::Deal) {
        return Err(crm_core::Error::invalid("kind", FaultCode::UnknownChoice, "must be lead or deal").into());
    }
    if body.exclude.len() > 200 || body.exclude.iter().any(|name| name.len() > 100) {
        return Err(crm_core::Error::invalid("exclude", FaultCode::TooMany, "may contain at most 200 fields").into());
    }
    let job = app.crm().jobs(&caller.actor).train(body.kind, body.exclude, key.0.as_deref()).await?;
    begun(&app, &caller, job).await
}

async fn likelihood<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let job: Option<Id<Job>> = params.read("job", "an id")?;
    let at: Option<Time> = params.read("at", WHEN)?;
    params.done()?;
    let Some(job) = job else {
        // A record that the caller cannot see is not found, even if the request is also invalid.
        app.crm().collection::<K>(&caller.actor).view(id).await?;
        return Err(Problem::of_query(crm_core::Error::invalid(
            "job",
            FaultCode::Required,
            "is required: the job that trained the model",
        )));
    };
    let scoring = app.crm().scoring(&caller.actor);
    let likelihood = scoring.likelihood(Ref::new(K::KIND, id), job, at).await.map_err(Problem::of_query)?;
    Ok(Answer::ok(json!(likelihood)).into_response())
}

async fn starter(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Problem> {
    params.done()?;
    // The starter model is the same for everyone, but the actor must be active.
    app.crm().permissions(&caller.actor).await?;
    let new = ScoringModel::starter();
    let definition: Option<ModelDefinition> = new.definition;
    Ok(Answer::ok(json!({
        "key": new.key,
        "name": new.name,
        "description": new.description,
        "kind": new.kind,
        "definition": definition,
        "is_active": new.is_active,
    }))
    .into_response())
}

async fn activate(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<ScoringModel>,
    options: ActionOptions,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().scoring(&caller.actor).activate(id);
    write_one(pending, options.0, StatusCode::OK).await
}

async fn attempt(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    IdPath(id): IdPath<ScoringModel>,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let job = app.crm().jobs(&caller.actor).try_model(id, key.0.as_deref()).await?;
    begun(&app, &caller, job).await
}

fn query_of(params: &mut Params) -> Result<ScoreQuery, Problem> {
    Ok(ScoreQuery {
        model: params.read("model", "an id")?,
        version: params.read("version", "a version")?,
        at: None,
        known_at: params.read("known_at", WHEN)?,
    })
}

const WHEN: &str = "a time such as 2024-01-31T09:30:00Z";

async fn score<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let mut query = query_of(&mut params)?;
    query.at = params.read("at", WHEN)?;
    params.done()?;
    let scoring = app.crm().scoring(&caller.actor);
    let score = scoring.score(Ref::new(K::KIND, id), &query).await.map_err(Problem::of_query)?;
    Ok(Answer::ok(json!(score)).into_response())
}

/// Reads the score history that the parameters ask for.
pub(super) async fn course_of(
    app: &App,
    caller: &Caller,
    record: Ref,
    params: &mut Params,
) -> Result<ScoreHistory, Problem> {
    let query = query_of(params)?;
    let until: Time = params.read("until", WHEN)?.unwrap_or_else(|| app.crm().now());
    let from: Time = params.read("from", WHEN)?.unwrap_or_else(|| plus_hours(until, -24 * DAYS));
    let as_then = params.read("as_then", "true or false")?.unwrap_or(false);
    let hours: i64 = params.read("hours", "a number of hours")?.unwrap_or(24);
    if !(1..=8_760).contains(&hours) || from > until {
        return Err(crm_core::Error::invalid(
            "hours",
            FaultCode::TooLarge,
            "must be 1 to 8760, and `from` must be before `until`",
        )
        .into());
    }
    let count = (until.micros() - from.micros()) / (hours * HOUR) + 1;
    if count > 1_000 {
        let message = format!("{count} times requested, but at most 1000 are allowed: use a longer interval");
        return Err(crm_core::Error::invalid("hours", FaultCode::TooSmall, message).into());
    }
    // Counted back from the end, so that the last time is the requested one.
    let moments: Vec<Time> = (0..count).rev().map(|step| plus_hours(until, -step * hours)).collect();
    let scoring = app.crm().scoring(&caller.actor);
    let course = if as_then {
        scoring.course_as_it_was(record, &moments, &query).await
    } else {
        scoring.course(record, &moments, &query).await
    };
    course.map_err(Problem::of_query)
}

fn plus_hours(time: Time, hours: i64) -> Time {
    Time::from_micros(time.micros().saturating_add(hours.saturating_mul(HOUR))).unwrap_or(Time::EPOCH)
}

async fn course<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let course = course_of(&app, &caller, Ref::new(K::KIND, id), &mut params).await?;
    params.done()?;
    Ok(Answer::ok(json!(course)).into_response())
}
