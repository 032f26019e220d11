//! The sessions of the caller.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    sessions::Session,
    value::{Id, Time},
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{begin, post};
use crate::{
    answer::{Answer, nothing},
    app::App,
    input::{Body, Empty, IdPath},
    openapi::{Item, Route, or_null, time, uuid},
    problem::Problem,
    sign_in::{RequestOrigin, SessionCaller},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        begin(HttpMethod::Get, "sessions", "list_sessions", "List your sessions")
            .list_as::<SessionAnswer<'_>>("your sessions; `is_current` marks the current one")
            .to(sessions),
        begin(HttpMethod::Delete, "sessions/{id}", "end_session", "End a session").empty(204, "ended").to(end_session),
        post("logout-everywhere", "logout_everywhere", "End all your sessions")
            .body_as::<Empty>()
            .empty(204, "ended")
            .to(logout_everywhere),
    ]
}

fn some_time() -> Item {
    or_null(time())
}

/// A session of the caller.
#[derive(Serialize, ToSchema)]
struct SessionAnswer<'a> {
    #[schema(schema_with = uuid)]
    id: Id<Session>,
    version: u64,
    machine_version: u64,
    #[schema(schema_with = time)]
    created_at: Time,
    #[schema(schema_with = some_time, required)]
    expires_at: Option<Time>,
    #[schema(schema_with = some_time, required)]
    rotated_at: Option<Time>,
    #[schema(required)]
    address: Option<&'a str>,
    #[schema(required)]
    user_agent: Option<&'a str>,
    second_factor: bool,
    is_current: bool,
}

async fn sessions(State(app): State<App>, SessionCaller(actor): SessionCaller) -> Result<Response, Problem> {
    let sessions = app.auth(crm_core::change::Origin::default())?.sessions(&actor).await?;
    let shown = sessions.iter().map(|session| SessionAnswer {
        id: session.id,
        version: session.version,
        machine_version: session.machine_version,
        created_at: session.created_at,
        expires_at: session.expires_at,
        rotated_at: session.rotated_at,
        address: session.address.as_deref(),
        user_agent: session.user_agent.as_deref(),
        second_factor: session.second_factor,
        is_current: actor.session() == Some(session.id),
    });
    Ok(Answer::ok(shown.collect::<Vec<_>>()).into_response())
}

async fn end_session(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    RequestOrigin(origin): RequestOrigin,
    IdPath(id): IdPath<Session>,
) -> Result<Response, Problem> {
    app.auth(origin)?.end_session(&actor, id).await?;
    Ok(nothing())
}

async fn logout_everywhere(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    RequestOrigin(origin): RequestOrigin,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    app.auth(origin)?.sign_out_everywhere(&actor).await?;
    Ok(nothing())
}
