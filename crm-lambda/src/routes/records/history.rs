//! The history of a record: its changes, undo of a commit, roll-back to a version.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    schema::RecordKind,
    store::CommitId,
    view::{ViewedChange, change_to_json},
};
use serde::Deserialize;
use serde_json::Value as Json;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{HISTORY_PAGE, Written, page_of, words, write, write_one, write_response};
use crate::{
    answer::Answer,
    app::App,
    input::{ActionOptions, Body, IdPath, Params},
    openapi::{Route, array, boolean, change, kind_view, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes<K: RecordKind>(path: &str) -> Vec<Route> {
    let (kind, name, tag) = (K::KIND, words(K::KIND), K::KIND.plural());
    let at = |tail: &str| format!("{path}/{tail}");
    let summary = format!("List the changes of a {name}, latest first");
    vec![
        route(HttpMethod::Get, at("history"), tag, format!("{kind}_history"), summary)
            .query("field", text(), "only changes to this field")
            .query("names", boolean(), "also `meta.names`: what the ids in the page are called, by id")
            .pages()
            .data(200, array(change()), "changes; values of fields that the caller may not see are omitted")
            .to(history::<K>),
        route(HttpMethod::Post, at("undo"), tag, format!("undo_{kind}"), "Undo the changes of a commit")
            .body_as::<UndoBody>()
            .idempotent()
            .conditional()
            .backdatable()
            .data(200, array(kind_view(kind)), "the records changed by the undo")
            .to(undo::<K>),
        route(
            HttpMethod::Post,
            at("roll-back"),
            tag,
            format!("roll_back_{kind}"),
            format!("Roll a {name} back to an earlier version"),
        )
        .body_as::<RollBackBody>()
        .idempotent()
        .conditional()
        .backdatable()
        .data(200, kind_view(kind), "the record as it is now")
        .to(roll_back::<K>),
    ]
}

async fn history<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    mut params: Params,
) -> Result<Response, Problem> {
    let field = params.take("field");
    let (cursor, limit) = page_of(&mut params, HISTORY_PAGE)?;
    let names = params.flag("names")?;
    params.done()?;
    let records = app.crm().collection::<K>(&caller.actor);
    let page = records.view_history_page(id, field.as_deref(), cursor.as_deref(), limit).await;
    let page = page.map_err(Problem::of_query)?;
    let mut answer = Answer::ok(page.items.iter().map(viewed_change).collect::<Vec<_>>());
    if let Some(cursor) = page.next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    if names {
        answer = answer.meta("names", app.crm().names_in_history(&caller.actor, &page.items).await?);
    }
    Ok(answer.into_response())
}

/// A change with `undoable` and, if it cannot be undone, the reason.
pub(super) fn viewed_change(viewed: &ViewedChange) -> Json {
    let mut json = change_to_json(&viewed.change);
    json["undoable"] = Json::Bool(viewed.undo.is_ok());
    if let Err(error) = &viewed.undo {
        json["not_undoable"] = Problem::from(error.clone()).reason();
    }
    json
}

/// The commit to undo.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UndoBody {
    #[schema(schema_with = uuid)]
    commit: CommitId,
}

async fn undo<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    options: ActionOptions,
    Body(body): Body<UndoBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().collection::<K>(&caller.actor).undo(id, body.commit);
    match write(pending, options.0).await? {
        Written::Done { views, .. } => Ok(Answer::ok(views).into_response()),
        planned @ Written::Planned(_) => write_response(planned, StatusCode::OK),
    }
}

/// The version to restore.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollBackBody {
    version: u64,
}

async fn roll_back<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    options: ActionOptions,
    Body(body): Body<RollBackBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().collection::<K>(&caller.actor).roll_back(id, body.version);
    write_one(pending, options.0, StatusCode::OK).await
}
