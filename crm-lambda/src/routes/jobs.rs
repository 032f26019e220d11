//! Jobs: begun here, with a first slice of time within the request. The worker does the rest, and so does whoever asks for
//! it by `POST /jobs/{id}/run`.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    Error,
    jobs::{Job, JobStatus},
    pipelines::Pipeline,
    schema::Record,
    users::{Handover, User},
    value::{FaultCode, Id, Kind, Ref, Time},
};
use serde::Deserialize;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::records::{location, path_of, read_only, write_one};
use crate::{
    answer::Answer,
    app::App,
    input::{ActionOptions, Body, Empty, IdPath, IdempotencyKey},
    openapi::{Operation, Route, kind_view, route, uuid},
    problem::Problem,
    sign_in::Caller,
};

/// How long a request works on a job at most, in microseconds: well below what API Gateway waits for.
const SLICE: i64 = 5_000_000;

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::Job);
    let mut all = read_only::<Job>(&path);
    let act = |tail: &str, id: &str, summary: &str| -> Operation {
        route(HttpMethod::Post, format!("{path}/{{id}}/{tail}"), "jobs", id, summary).body_as::<Empty>()
    };
    all.push(
        act("run", "run_job", "Continue a job now, for a few seconds")
            .data(200, kind_view(Kind::Job), "the job: who may see it and did not ask for it only sees it")
            .to(run),
    );
    all.push(
        act("cancel", "cancel_job", "Cancel a job: what it has done stays")
            .idempotent()
            .conditional()
            .data(200, kind_view(Kind::Job), "the job, cancelled")
            .to(cancel),
    );
    all
}

pub(super) fn job_route(kind: Kind, tail: &str, id: &str, summary: &str) -> Operation {
    let path = format!("{}/{tail}", path_of(kind));
    route(HttpMethod::Post, path, kind.plural(), id, summary)
        .idempotent()
        .data(200, kind_view(Kind::Job), "completed")
        .data(
            202,
            kind_view(Kind::Job),
            "in progress: `Location` is the URL of the job; the worker continues it, and `POST /jobs/{id}/run` does",
        )
}

/// Deactivating a user.
pub(super) fn deactivate_route() -> Vec<Route> {
    vec![
        job_route(Kind::User, "{id}/deactivate", "deactivate_user", "Deactivate a user and hand over their records")
            .body_as::<DeactivateBody>()
            .to(deactivate),
    ]
}

/// Retiring a stage.
pub(super) fn retire_route() -> Vec<Route> {
    vec![
        job_route(Kind::Pipeline, "{id}/retire-stage", "retire_stage", "Retire a stage and move its records")
            .body_as::<RetireBody>()
            .to(retire),
    ]
}

/// The handover of a deactivated user's records. Either `transfer_to` or `leave: true` is required.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct DeactivateBody {
    /// The user who takes over.
    #[schema(schema_with = uuid)]
    transfer_to: Option<Id<User>>,
    /// Leaves the records with the deactivated user.
    leave: bool,
}

async fn deactivate(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    IdPath(id): IdPath<User>,
    Body(body): Body<DeactivateBody>,
) -> Result<Response, Problem> {
    let handover = match (body.transfer_to, body.leave) {
        (Some(to), false) => Handover::TransferTo(to),
        (None, true) => Handover::Leave,
        _ => {
            let message = "either `transfer_to` or `leave: true` is required";
            return Err(Error::invalid("transfer_to", FaultCode::Required, message).into());
        }
    };
    let jobs = app.crm().jobs(&caller.actor);
    begun(&app, &caller, jobs.deactivate_user(id, handover, key.0.as_deref()).await?).await
}

/// The stage to retire, and the target of its records.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetireBody {
    /// The key of the stage.
    stage: String,
    /// The key of the stage to which its records move.
    target: String,
}

async fn retire(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    IdPath(id): IdPath<Pipeline>,
    Body(body): Body<RetireBody>,
) -> Result<Response, Problem> {
    let jobs = app.crm().jobs(&caller.actor);
    begun(&app, &caller, jobs.retire_stage(id, &body.stage, &body.target, key.0.as_deref()).await?).await
}

/// When a slice of time that begins now is over.
fn until(app: &App) -> Time {
    app.crm().now().plus_micros(SLICE)
}

/// The answer of a job that has been begun: done, or under way.
pub(super) async fn begun(app: &App, caller: &Caller, job: Record<Job>) -> Result<Response, Problem> {
    // What is done by now stays done: a failure here leaves a job to the worker.
    let job = app.crm().jobs(&caller.actor).resume(job.id, until(app)).await?;
    let view = app.crm().jobs(&caller.actor).view(job.id).await?;
    let place = location(Ref::new(Kind::Job, job.id));
    let answer = Answer::ok(view).header(header::LOCATION, &place);
    let is_running = job.status == JobStatus::Running;
    Ok(if is_running { answer.status(StatusCode::ACCEPTED).into_response() } else { answer.into_response() })
}

async fn run(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Job>,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let jobs = app.crm().jobs(&caller.actor);
    jobs.resume(id, until(&app)).await?;
    Ok(Answer::ok(jobs.view(id).await?).into_response())
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Job>,
    options: ActionOptions,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().jobs(&caller.actor).cancel(id);
    write_one(pending, options.0, StatusCode::OK).await
}
