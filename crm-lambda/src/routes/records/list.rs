//! Lists of records, with the records that they include.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use crm_core::{schema::RecordKind, value::Ref, view::View};
use serde::{Serialize, Serializer};
use utoipa::openapi::HttpMethod;

use super::export::{csv, wants_csv};
use crate::{
    answer::Answer,
    app::App,
    input::{ListParams, Params},
    openapi::{Route, array, kind_view, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn route_at<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    route(
        HttpMethod::Get,
        path,
        kind.plural(),
        format!("list_{}", kind.plural()),
        format!("List {}", kind.plural().replace('_', " ")),
    )
    .lists(K::decl())
    .page(array(kind_view(kind)))
    .to(list::<K>)
}

async fn list<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let asked = ListParams::read(params, K::decl())?;
    list_of::<K>(&app, &caller, &headers, asked).await
}

/// A page of a list, as JSON or CSV.
pub(in crate::routes) async fn list_of<K: RecordKind>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    asked: ListParams,
) -> Result<Response, Problem> {
    let records = app.crm().collection::<K>(&caller.actor);
    let fields = asked.fields.as_deref();
    if wants_csv(headers) {
        let page = records.export(&asked.query, asked.as_of).await.map_err(Problem::of_query)?;
        let shown = records.shown_fields().await?;
        return Ok(csv(&shown, &page.items, fields, page.next_cursor.as_deref()));
    }
    let page = match asked.as_of {
        None => records.view_list(&asked.query).await,
        Some((at, known_at)) => records.view_list_as_of(&asked.query, at, known_at).await,
    };
    let page = page.map_err(Problem::of_query)?;
    let total =
        if asked.with_total { Some(records.count_of(&asked.query).await.map_err(Problem::of_query)?) } else { None };
    let included = included(app, caller, &page.items, &asked.include).await?;
    let mut answer = Answer::views(page.items.iter().map(|view| view.only(fields)));
    if let Some(cursor) = page.next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    if let Some(total) = total {
        answer = answer.meta("total", total);
    }
    if let Some((at, _)) = asked.as_of {
        answer = answer.meta("as_of", at);
    }
    if !asked.include.is_empty() {
        answer = answer.meta("included", ByKind(&included));
    }
    Ok(answer.into_response())
}

/// Returns the records referenced by the views, as far as the caller can see them.
pub(in crate::routes) async fn included(
    app: &App,
    caller: &Caller,
    views: &[View],
    include: &[String],
) -> Result<Vec<View>, Problem> {
    let mut wanted: Vec<Ref> =
        views.iter().flat_map(|view| include.iter().flat_map(|name| view.targets(name))).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(app.crm().view_many(&caller.actor, &wanted).await?.into_iter().flatten().collect())
}

/// Serializes records by kind and id. Records of a kind must be adjacent.
pub(in crate::routes) struct ByKind<'a>(pub(in crate::routes) &'a [View]);

impl Serialize for ByKind<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = |view: &View| view.reference().kind;
        let kinds = self.0.chunk_by(|a, b| kind(a) == kind(b));
        serializer.collect_map(kinds.map(|views| (kind(&views[0]).plural(), ById(views))))
    }
}

/// Serializes records by id.
struct ById<'a>(&'a [View]);

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|view| (view.reference().id, view)))
    }
}
