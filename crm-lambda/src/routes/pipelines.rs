//! Routes of pipelines: the board, and the retirement of stages.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{Error, catalog, pipelines::Pipeline, value::Kind, view::View};
use serde_json::{Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::records::{ByKind, included, path_of};
use crate::{
    answer::Answer,
    app::App,
    input::{IdPath, ListParams, Params},
    openapi::{Route, any_of, array, bounded, integer, kind_view, members, reference, route, text},
    problem::Problem,
    sign_in::Caller,
};

/// The default number of records in a column.
const PER_COLUMN: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    let path = format!("{}/{{id}}/board", path_of(Kind::Pipeline));
    // Its records are of the kind of the pipeline.
    let record = any_of([kind_view(Kind::Lead), kind_view(Kind::Deal)]);
    let column = members([
        ("stage", reference("Stage")),
        ("count", integer()),
        ("records", array(record)),
        ("filter", reference("Filter")),
        ("next_cursor?", text()),
    ]);
    let mut all = vec![
        route(HttpMethod::Get, path, "pipelines", "pipeline_board", "Get the board of a pipeline")
            .query("per_column", bounded(1, 200), "records per column; default 20")
            .query("q", text(), "text to search for, as in lists")
            .filter("a filter as JSON, as in lists; any field can also be used as a parameter")
            .query("sort", text(), "the field to sort each column by; `-` for descending")
            .query("fields", text(), "the fields to return, separated by commas")
            .query("include", text(), "references to include in `meta.included`, separated by commas")
            .data(
                200,
                array(column),
                "`stage`, `count`, `records`, `filter` and `next_cursor` of each column: the list of this filter goes on \
                 from the cursor",
            )
            .to(board),
    ];
    all.extend(super::jobs::retire_route());
    all
}

async fn board(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Pipeline>,
    mut params: Params,
) -> Result<Response, Problem> {
    let per_column = params.read("per_column", "a number from 1 to 200")?.unwrap_or(PER_COLUMN);
    let pipelines = app.crm().pipelines(&caller.actor);
    let kind = pipelines.get(id).await?.kind.record_kind().ok_or(Error::NotFound(Kind::Pipeline))?;
    for name in ["limit", "cursor", "with_total", "as_of", "known_at", "archived"] {
        if params.take(name).is_some() {
            return Err(Problem::malformed("unknown_parameter", format!("{name}: is not a parameter of a board")));
        }
    }
    let asked = ListParams::read(params, catalog::decl(kind))?;
    let columns = pipelines.view_board(id, &asked.query.limit(per_column)).await.map_err(Problem::of_query)?;
    let views: Vec<View> = columns.iter().flat_map(|column| column.items.iter().cloned()).collect();
    let included = included(&app, &caller, &views, &asked.include).await?;
    let fields = asked.fields.as_deref();
    let columns: Vec<Json> = columns
        .iter()
        .map(|column| {
            let mut json = json!({
                "stage": column.stage,
                "count": column.count,
                "records": column.items.iter().map(|view| view.only(fields)).collect::<Vec<_>>(),
                "filter": column.filter,
            });
            // As in any list, an exhausted column has no cursor.
            if let Some(cursor) = &column.next_cursor {
                json["next_cursor"] = Json::from(cursor.as_str());
            }
            json
        })
        .collect();
    let mut answer = Answer::ok(columns);
    if !asked.include.is_empty() {
        answer = answer.meta("included", ByKind(&included));
    }
    Ok(answer.into_response())
}
