//! Definitions of custom properties, by kind of record: `/properties/lead`.

use axum::{
    extract::{RawPathParams, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use crm_core::{filter::Filter, properties::Property, schema::RecordKind, value::FaultCode, value::Kind};
use serde_json::Value as Json;
use utoipa::openapi::HttpMethod;

use super::records::{list_of, members_at, patch_of, path_of, write_one};
use crate::{
    app::App,
    input::{Body, CreateOptions, ListParams, Params, object as object_of},
    openapi::{Route, array, kind_new, kind_view, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let base = path_of(Kind::Property);
    let of_kind = format!("{base}/{{kind}}");
    let kinds = "List the custom properties of a kind";
    let mut all = vec![
        route(HttpMethod::Get, &of_kind, "properties", "list_properties", kinds)
            .lists(Property::decl())
            .page(array(kind_view(Kind::Property)))
            .to(list),
        route(HttpMethod::Post, &of_kind, "properties", "create_property", "Define a custom property of a kind")
            .body(kind_new(Kind::Property))
            .idempotent()
            .backdatable()
            .data(201, kind_view(Kind::Property), "the definition")
            .to(create),
    ];
    // An id implies the kind, so these routes are those of any other record.
    all.extend(members_at::<Property>(&format!("{of_kind}/{{id}}")));
    all
}

/// The kind in the path.
fn kind_of(path: &RawPathParams) -> Result<Kind, Problem> {
    let name = path.iter().find(|(name, _)| *name == "kind").map(|(_, value)| value).unwrap_or_default();
    name.parse().map_err(|_| Problem::not_found("kind of record"))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    path: RawPathParams,
    params: Params,
) -> Result<Response, Problem> {
    let kind = kind_of(&path)?;
    let mut asked = ListParams::read(params, Property::decl())?;
    asked.query = asked.query.filter(Filter::eq("kind", kind.name()));
    list_of::<Property>(&app, &caller, &headers, asked).await
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    path: RawPathParams,
    options: CreateOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let kind = kind_of(&path)?;
    let mut object = object_of(body)?;
    let given = object.insert("kind".to_owned(), Json::from(kind.name()));
    if given.is_some_and(|given| given != kind.name()) {
        return Err(
            crm_core::Error::invalid("kind", FaultCode::OtherKind, format!("must be {kind}, as in the path")).into()
        );
    }
    let pending = app.crm().properties(&caller.actor).create_from(patch_of(&object)?);
    write_one(pending, options.0, StatusCode::CREATED).await
}
