//! The log of the tenant: every change, and the security log.

use axum::{extract::State, response::Response};
use crm_core::{audit::AuditQuery, security_events::SecurityEvent, view::change_to_json};
use utoipa::openapi::HttpMethod;

use super::{
    PREFIX,
    records::{page_of, page_response, read_only},
};
use crate::{
    app::App,
    input::Params,
    openapi::{Route, array, change, route, time},
    problem::Problem,
    sign_in::Caller,
};

/// The default number of changes on a page.
const PAGE: usize = 50;

pub(super) fn routes() -> Vec<Route> {
    let path = format!("{PREFIX}/audit");
    let mut all = vec![
        route(HttpMethod::Get, &path, "audit", "list_changes", "List all changes of the organization, latest first")
            .query("from", time(), "only changes recorded at this time or later")
            .query("to", time(), "only changes recorded before this time")
            .pages()
            .data(200, array(change()), "changes; values of fields that the caller may not see are omitted")
            .to(changes),
    ];
    all.extend(read_only::<SecurityEvent>(&format!("{path}/security-events")));
    all
}

async fn changes(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Problem> {
    let moment = "a time such as 2024-01-31T09:30:00Z";
    let from = params.read("from", moment)?;
    let to = params.read("to", moment)?;
    let (cursor, limit) = page_of(&mut params, PAGE)?;
    params.done()?;
    let query = AuditQuery { from, until: to, descending: true, limit: Some(limit), cursor };
    let page = app.crm().audit(&caller.actor).page(&query).await.map_err(Problem::of_query)?;
    Ok(page_response(page.items.iter().map(change_to_json).collect::<Vec<_>>(), page.next_cursor))
}
