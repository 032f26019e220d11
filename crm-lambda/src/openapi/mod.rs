//! The OpenAPI document, generated from the same table of routes as the router.

mod operation;
mod records;
mod schemas;
mod shared;
mod structs;

pub(crate) use operation::{Operation, Route, route};
pub(crate) use records::{kind_fields, kind_new, kind_patch, kind_view};
pub(crate) use schemas::{
    Item, any, any_of, array, boolean, bounded, choice, date, decimal, either, integer, map_of, members, number,
    object, open, or_null, reference, text, time, uuid,
};
pub(crate) use shared::{change, timeline_entry};

use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, ResponseBuilder,
    ServerBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

use crate::problem::PROBLEM_JSON;

/// Returns the document of these routes.
pub(crate) fn document(routes: &[Route]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut grouped: Vec<&str> = Vec::new();
    for route in routes {
        if !grouped.contains(&route.path.as_str()) {
            grouped.push(&route.path);
        }
    }
    for path in grouped {
        let mut item = utoipa::openapi::path::PathItemBuilder::new();
        for route in routes.iter().filter(|route| route.path == path) {
            item = item.operation(route.method.clone(), route.operation.clone());
        }
        paths = paths.path(path, item.build());
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token from `POST /api/v1/auth/login`, or an API key"))
        .build();
    let mut components = ComponentsBuilder::new().security_scheme("bearer", SecurityScheme::Http(bearer));
    for &(status, meaning) in operation::FAILURES {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let answer = ResponseBuilder::new().description(meaning).content(PROBLEM_JSON, content).build();
        components = components.response(operation::failure_name(status), answer);
    }
    for (name, schema) in shared::all().into_iter().chain(structs::all()).chain(records::all()) {
        components = components.schema(name, schema);
    }
    for (name, schema) in routes.iter().flat_map(|route| &route.components) {
        components = components.schema(name, schema.clone());
    }
    let mut tags: Vec<&'static str> = Vec::new();
    for route in routes {
        if !tags.contains(&route.tag) {
            tags.push(route.tag);
        }
    }
    // Relative to the document, wherever the router is nested.
    let here = ServerBuilder::new().url(".").build();
    OpenApiBuilder::new()
        .servers(Some([here]))
        .info(
            InfoBuilder::new()
                .title("CRM")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(include_str!("description.md")))
                .build(),
        )
        .paths(paths.build())
        .components(Some(components.build()))
        .tags(Some(tags.into_iter().map(|tag| TagBuilder::new().name(tag).build())))
        .build()
}
