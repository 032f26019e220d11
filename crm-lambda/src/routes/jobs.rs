//! Long work: begun here, done a stint at a time, within the request at first and then whenever somebody asks how far it
//! is (and, in the local server, by itself).

use std::time::Duration;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    Error,
    jobs::{Job, JobStatus},
    schema::Record,
    users::Handover,
    value::{Id, Kind, Ref, Time},
};
use serde::Deserialize;
use utoipa::openapi::HttpMethod;

use super::records::{location, path_of, read_only};
use crate::{
    answer::Answer,
    app::App,
    input::{Body, IdPath, IdempotencyKey, ListParams, Params},
    openapi::{Operation, Route, boolean, kind_view, object, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

/// How long a request works on a job at most, in seconds: well below what API Gateway waits for.
const STINT: i64 = 5;

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::Job);
    let mut all = read_only::<Job>(&path);
    all.retain(|route| route.path == path);
    all.push(
        route(HttpMethod::Get, format!("{path}/{{id}}"), "jobs", "get_job", "How far a job is; asking goes on with it")
            .data(200, kind_view(Kind::Job), "the job")
            .to(get),
    );
    all
}

pub(super) fn job_route(kind: Kind, tail: &str, id: &str, summary: &str) -> Operation {
    let path = format!("{}/{tail}", path_of(kind));
    route(HttpMethod::Post, path, kind.plural(), id, summary)
        .repeatable()
        .data(200, kind_view(Kind::Job), "all done")
        .data(202, kind_view(Kind::Job), "under way: `Location` tells how far it is")
}

/// Deactivating a user.
pub(super) fn deactivate_route() -> Vec<Route> {
    vec![
        job_route(Kind::User, "{id}/deactivate", "deactivate_user", "Deactivate a user and hand over what is theirs")
            .body(
                object()
                    .description(Some("`transfer_to` another user, or `leave: true`: one of them must be said."))
                    .property("transfer_to", uuid())
                    .property("leave", boolean()),
            )
            .to(deactivate),
    ]
}

/// Retiring a stage.
pub(super) fn retire_route() -> Vec<Route> {
    vec![
        job_route(Kind::Pipeline, "{id}/retire-stage", "retire_stage", "Retire a stage and move what is in it")
            .body(object().property("stage", text()).required("stage").property("target", text()).required("target"))
            .to(retire),
    ]
}

/// What becomes of a deactivated user's records.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DeactivateBody {
    transfer_to: Option<Id>,
    leave: bool,
}

async fn deactivate(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    IdPath(id): IdPath,
    Body(body): Body<DeactivateBody>,
) -> Result<Response, Problem> {
    let handover = match (body.transfer_to, body.leave) {
        (Some(to), false) => Handover::TransferTo(to),
        (None, true) => Handover::Leave,
        _ => {
            let message = "say to whom the user's records go, or `leave: true`";
            return Err(Error::invalid("transfer_to", "required", message).into());
        }
    };
    let jobs = app.crm().jobs(&caller.actor);
    begun(&app, &caller, jobs.deactivate_user(id, handover, key.0.as_deref()).await?).await
}

/// A stage, and where its records go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetireBody {
    stage: String,
    target: String,
}

async fn retire(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    IdPath(id): IdPath,
    Body(body): Body<RetireBody>,
) -> Result<Response, Problem> {
    let jobs = app.crm().jobs(&caller.actor);
    begun(&app, &caller, jobs.retire_stage(id, &body.stage, &body.target, key.0.as_deref()).await?).await
}

/// When a stint that begins now is over.
fn until(app: &App) -> Time {
    Time::from_micros(app.crm().now().micros() + STINT * 1_000_000).unwrap_or(Time::MAX)
}

/// The answer of a job that has been begun: done, or under way.
pub(super) async fn begun(app: &App, caller: &Caller, job: Record<Job>) -> Result<Response, Problem> {
    // What is done by now stays done: a failure here leaves a job to go on with.
    let job = app.crm().jobs(&caller.actor).go_on(job.id, until(app)).await?;
    let view = app.crm().jobs(&caller.actor).view(job.id).await?;
    let place = location(Ref::new(Kind::Job, job.id));
    let running = job.status == JobStatus::Running;
    if running && app.config().background_jobs {
        in_background(app.clone(), caller.clone(), job.id);
    }
    let answer = Answer::ok(view).header(header::LOCATION, &place);
    Ok(if running { answer.status(StatusCode::ACCEPTED).into_response() } else { answer.into_response() })
}

/// Goes on with a job until it is done, as whoever asked for it.
fn in_background(app: App, caller: Caller, id: Id) {
    tokio::spawn(async move {
        loop {
            match app.crm().jobs(&caller.actor).go_on(id, until(&app)).await {
                Ok(job) if job.status == JobStatus::Running => {}
                Ok(_) => return,
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Conflict { .. })) => {
                    tracing::warn!(%error, job = %id, "a job waits");
                }
                // Who asked for it may not go on with it any more: another look would find the same.
                Err(error) => {
                    tracing::warn!(%error, job = %id, "a job is left alone");
                    return;
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

async fn get(State(app): State<App>, caller: Caller, IdPath(id): IdPath, params: Params) -> Result<Response, Problem> {
    let (fields, _) = ListParams::of_one(params, <Job as crm_core::schema::RecordKind>::decl())?;
    let jobs = app.crm().jobs(&caller.actor);
    jobs.go_on(id, until(&app)).await?;
    let view = jobs.view(id).await?;
    Ok(Answer::ok(view.only(fields.as_deref())).into_response())
}
