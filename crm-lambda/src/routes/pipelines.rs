//! What only pipelines have: the board, and stages that are retired.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::value::Kind;
use serde_json::{Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::records::path_of;
use crate::{
    answer::Answer,
    app::App,
    input::{IdPath, Params},
    openapi::{Route, array, bounded, object, route},
    problem::Problem,
    sign_in::Caller,
};

/// Records a column has where nothing else is asked.
const PER_COLUMN: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    let path = format!("{}/{{id}}/board", path_of(Kind::Pipeline));
    let mut all = vec![
        route(HttpMethod::Get, path, "pipelines", "pipeline_board", "The board of a pipeline: its stages as columns")
            .query("per_column", bounded(1, 200), "records in each column; 20 where not given")
            .data(200, array(object()), "`stage`, `count`, `records` and `next_cursor` of each column")
            .to(board),
    ];
    all.extend(super::jobs::retire_route());
    all
}

async fn board(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    mut params: Params,
) -> Result<Response, Problem> {
    let per_column = params.read("per_column", "a number from 1 to 200")?.unwrap_or(PER_COLUMN);
    params.done()?;
    let columns = app.crm().pipelines(&caller.actor).view_board(id, per_column).await.map_err(Problem::of_query)?;
    let columns: Vec<Json> = columns
        .iter()
        .map(|column| {
            json!({
                "stage": column.stage,
                "count": column.count,
                "records": column.items,
                "next_cursor": column.next_cursor,
            })
        })
        .collect();
    Ok(Answer::ok(columns).into_response())
}
