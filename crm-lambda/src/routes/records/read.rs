//! Reads of one record: by id, by a unique value, as of a time; and why the caller may perform an action on it.

use axum::{
    extract::{RawPathParams, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    access::{Action, Explanation, Grant},
    schema::RecordKind,
    value::{Choice as _, FaultCode, Time},
    view::View,
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{
    list::{ByKind, included},
    words,
};
use crate::{
    answer::{Answer, etag},
    app::App,
    input::{IdPath, ListParams, MOMENT, Params, none_match},
    openapi::{Item, Route, choice, kind_view, or_null, reference, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn get_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    route(HttpMethod::Get, path, kind.plural(), format!("get_{kind}"), format!("Get a {}", words(kind)))
        .views(K::decl())
        .data(200, kind_view(kind), "the record")
        .empty(304, "it is as the caller has it")
        .to(get::<K>)
}

async fn get<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    IdPath(id): IdPath<K>,
    params: Params,
) -> Result<Response, Problem> {
    let (fields, include) = ListParams::of_one(params, K::decl())?;
    let view = app.crm().collection::<K>(&caller.actor).view(id).await?;
    view_response(&app, &caller, &view, &headers, fields.as_deref(), &include).await
}

/// The response with a view and its included records.
async fn view_response(
    app: &App,
    caller: &Caller,
    view: &View,
    headers: &HeaderMap,
    fields: Option<&[String]>,
    include: &[String],
) -> Result<Response, Problem> {
    let included = included(app, caller, std::slice::from_ref(view), include).await?;
    // A whole record has the same tag in the responses of reads and writes.
    let asked = if fields.is_none() && include.is_empty() { String::new() } else { format!("{fields:?} {include:?}") };
    let tag = etag(view, &asked, &included);
    if none_match(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let mut answer = Answer::view(view.only(fields)).header(header::ETAG, &tag);
    if !include.is_empty() {
        answer = answer.meta("included", ByKind(&included));
    }
    Ok(answer.into_response())
}

pub(super) fn find_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    let summary = format!("Find a {} by a unique value", words(kind));
    route(HttpMethod::Get, path, kind.plural(), format!("find_{kind}"), summary)
        .views(K::decl())
        .data(200, kind_view(kind), "the record")
        .empty(304, "it is as the caller has it")
        .to(find::<K>)
}

async fn find<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    path: RawPathParams,
    params: Params,
) -> Result<Response, Problem> {
    let (field, value) = by(&path);
    let (fields, include) = ListParams::of_one(params, K::decl())?;
    let view = app.crm().collection::<K>(&caller.actor).view_by(&field, &value).await.map_err(Problem::of_query)?;
    view_response(&app, &caller, &view, &headers, fields.as_deref(), &include).await
}

/// The field and the value of a path.
pub(super) fn by(params: &RawPathParams) -> (String, String) {
    let mut found = (String::new(), String::new());
    for (name, value) in params {
        match name {
            "field" => value.clone_into(&mut found.0),
            "value" => value.clone_into(&mut found.1),
            _ => {}
        }
    }
    found
}

pub(super) fn as_of_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    let summary = format!("Get a {} as of a time", words(kind));
    route(HttpMethod::Get, format!("{path}/as-of"), kind.plural(), format!("{kind}_as_of"), summary)
        .query("at", text(), "the time; required")
        .query("known_at", text(), "only changes recorded by this time")
        .query("fields", text(), "the fields to return, separated by commas")
        .data(200, or_null(kind_view(kind)), "the record as of the time; null before its creation")
        .to(as_of::<K>)
}

async fn as_of<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let at: Option<Time> = params.read("at", MOMENT)?;
    let known_at: Option<Time> = params.read("known_at", MOMENT)?;
    let at = at.ok_or_else(|| {
        let mut faults = crm_core::error::Faults::new();
        faults.push("at", FaultCode::Required, format!("is required: {MOMENT}"));
        Problem::bad_request(&faults)
    })?;
    let (fields, _) = ListParams::of_one(params, K::decl())?;
    let view = app.crm().collection::<K>(&caller.actor).view_as_of(id, at, known_at).await?;
    let data = view.as_ref().map(|view| view.only(fields.as_deref()));
    Ok(Answer::ok(data).meta("as_of", at).into_response())
}

pub(super) fn explain_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    let summary = "Explain whether the caller may perform an action";
    route(HttpMethod::Get, format!("{path}/explain"), kind.plural(), format!("explain_{kind}"), summary)
        .query("action", choice(Action::NAMES.iter().copied()), "the action; default `read`")
        .data_as::<Explained>(200, "the grant that allows it, or the reason why none does")
        .to(explain::<K>)
}

/// Whether the caller may perform an action, and why.
#[derive(Serialize, ToSchema)]
struct Explained {
    allowed: bool,
    permission: String,
    #[schema(schema_with = some_grant, required)]
    grant: Option<Grant>,
    reason: String,
}

fn some_grant() -> Item {
    or_null(reference("Grant"))
}

async fn explain<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let action = match params.take("action") {
        None => Action::Read,
        Some(name) => Action::from_name(&name).ok_or_else(|| {
            let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
            Problem::malformed("bad_parameter", format!("action: must be one of {}", names.join(", ")))
        })?,
    };
    params.done()?;
    let why = app.crm().collection::<K>(&caller.actor).explain(id, action).await?;
    let Explanation { allowed, permission, grant, reason } = why;
    Ok(Answer::ok(Explained { allowed, permission, grant, reason }).into_response())
}
