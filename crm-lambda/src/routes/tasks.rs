//! Routes of tasks: complete, reopen, cancel.

use axum::{extract::State, http::StatusCode, response::Response};
use crm_core::value::Kind;
use serde::Deserialize;
use utoipa::openapi::HttpMethod;

use super::records::{path_of, write, written};
use crate::{
    app::App,
    input::{Acting, Body, Empty, IdPath},
    openapi::{Operation, Route, kind_view, object, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let begin = |tail: &str, summary: &str| -> Operation {
        let path = format!("{}/{{id}}/{tail}", path_of(Kind::Task));
        route(HttpMethod::Post, path, "tasks", format!("{tail}_task"), summary).repeatable().conditional().dated().data(
            200,
            kind_view(Kind::Task),
            "the task",
        )
    };
    vec![
        begin("complete", "Complete a task").body(object().property("outcome", text())).to(complete),
        begin("reopen", "Reopen a task").body(object()).to(reopen),
        begin("cancel", "Cancel a task").body(object()).to(cancel),
    ]
}

/// The outcome of a task.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CompleteBody {
    outcome: Option<String>,
}

async fn complete(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<CompleteBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().tasks(&caller.actor).complete(id, body.outcome);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

async fn reopen(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().tasks(&caller.actor).reopen(id);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().tasks(&caller.actor).cancel(id);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}
