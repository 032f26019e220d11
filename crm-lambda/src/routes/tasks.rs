//! Routes of tasks: complete, reopen, cancel.

use axum::{extract::State, http::StatusCode, response::Response};
use crm_core::{tasks::Task, value::Kind};
use serde::Deserialize;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::records::{path_of, write_one};
use crate::{
    app::App,
    input::{ActionOptions, Body, Empty, IdPath},
    openapi::{Operation, Route, kind_view, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let begin = |tail: &str, summary: &str| -> Operation {
        let path = format!("{}/{{id}}/{tail}", path_of(Kind::Task));
        route(HttpMethod::Post, path, "tasks", format!("{tail}_task"), summary)
            .idempotent()
            .conditional()
            .backdatable()
            .data(200, kind_view(Kind::Task), "the task")
    };
    vec![
        begin("complete", "Complete a task").body_as::<CompleteBody>().to(complete),
        begin("reopen", "Reopen a task").body_as::<Empty>().to(reopen),
        begin("cancel", "Cancel a task").body_as::<Empty>().to(cancel),
    ]
}

/// The outcome of a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CompleteBody {
    outcome: Option<String>,
}

async fn complete(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Task>,
    options: ActionOptions,
    Body(body): Body<CompleteBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().tasks(&caller.actor).complete(id, body.outcome);
    write_one(pending, options.0, StatusCode::OK).await
}

async fn reopen(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Task>,
    options: ActionOptions,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().tasks(&caller.actor).reopen(id);
    write_one(pending, options.0, StatusCode::OK).await
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Task>,
    options: ActionOptions,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().tasks(&caller.actor).cancel(id);
    write_one(pending, options.0, StatusCode::OK).await
}
