//! Recommended next steps for a record, with reasons.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    recommendations::NextStep,
    schema::RecordKind,
    value::{Choice as _, Ref},
};
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::{records::path_of, scoring::fact};
use crate::{
    answer::Answer,
    app::App,
    input::{IdPath, Params},
    openapi::{Route, array, choice, integer, members, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        of_kind::<crm_core::leads::Lead>(),
        of_kind::<crm_core::contacts::Contact>(),
        of_kind::<crm_core::companies::Company>(),
        of_kind::<crm_core::deals::Deal>(),
    ]
}

fn of_kind<K: RecordKind>() -> Route {
    let kind = K::KIND;
    let one = members([
        ("step", choice(NextStep::NAMES.iter().copied())),
        ("reason", text()),
        ("gain?", integer()),
        ("rule?", text()),
        ("facts", array(fact())),
    ]);
    route(
        HttpMethod::Get,
        format!("{}/{{id}}/recommendations", path_of(kind)),
        kind.plural(),
        format!("{kind}_recommendations"),
        format!("List recommended next steps for a {kind}, with reasons"),
    )
    .data(200, array(one), "most urgent first; `gain` is in thousandths of a point")
    .fails(404)
    .to(recommendations::<K>)
}

async fn recommendations<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    params: Params,
) -> Result<Response, Problem> {
    params.done()?;
    let all = app.crm().recommendations(&caller.actor).of(Ref::new(K::KIND, id)).await?;
    Ok(Answer::ok(json!(all)).into_response())
}
