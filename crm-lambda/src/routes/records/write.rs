//! Writes of one record: create, upsert, update, archive, restore.

use axum::{
    extract::{RawPathParams, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    draft::{Pending, Plan},
    schema::{Patch, RecordKind},
    value::FaultCode,
    view::{View, change_to_json},
};
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::{location, read::by, words};
use crate::{
    answer::{Answer, etag},
    app::App,
    input::{ActionOptions, Body, CreateOptions, IdPath, Options, UpdateOptions, object as object_of},
    openapi::{Route, kind_fields, kind_new, kind_patch, kind_view, route},
    problem::Problem,
    sign_in::Caller,
};

/// The result of a write: views of the records, or a plan.
pub(in crate::routes) enum Written {
    Done {
        views: Vec<View>,
        /// `true` if the first record was created by it.
        created: bool,
    },
    Planned(Plan),
}

/// Executes a write with its options.
pub(in crate::routes) async fn write<T: Send + 'static>(
    pending: Pending<T>,
    options: Options,
) -> Result<Written, Problem> {
    let Options { occurred_at, dry_run, key, version } = options;
    let mut pending = pending.viewed();
    if let Some(time) = occurred_at {
        pending = pending.occurred_at(time);
    }
    if let Some(version) = version {
        pending = pending.if_version(version);
    }
    if dry_run {
        let plan = pending.plan().await.map_err(|error| Problem::of_conditional(error, version.is_some()))?;
        return Ok(Written::Planned(plan));
    }
    if let Some(key) = key {
        pending = pending.idempotency_key(key);
    }
    let saved = pending.await.map_err(|error| Problem::of_conditional(error, version.is_some()))?;
    Ok(Written::Done { created: saved.created, views: saved.into_value() })
}

/// The response to a write of one record.
pub(in crate::routes) fn write_response(written: Written, status: StatusCode) -> Result<Response, Problem> {
    match written {
        Written::Planned(plan) => {
            let changes: Vec<Json> = plan.changes.iter().map(change_to_json).collect();
            Ok(Answer::ok(json!({"changes": changes, "items": plan.items})).meta("dry_run", true).into_response())
        }
        Written::Done { views, .. } => {
            let view = views.first().ok_or_else(Problem::internal)?;
            let record = view.reference();
            let mut answer = Answer::view(view.only(None)).status(status).header(header::ETAG, &etag(view, "", &[]));
            if status == StatusCode::CREATED {
                answer = answer.header(header::LOCATION, &location(record));
            }
            Ok(answer.into_response())
        }
    }
}

/// Executes a write of one record and returns the response.
pub(in crate::routes) async fn write_one<T: Send + 'static>(
    pending: Pending<T>,
    options: Options,
    status: StatusCode,
) -> Result<Response, Problem> {
    write_response(write(pending, options).await?, status)
}

/// Parses a body as a patch.
///
/// # Errors
/// 400 for an unknown field, 422 for values of a wrong type.
pub(in crate::routes) fn patch_of<K: RecordKind>(object: &Map<String, Json>) -> Result<Patch<K>, Problem> {
    Patch::from_json(object).map_err(|faults| crm_core::Error::Invalid(faults).into())
}

/// Removes the version that a patch was made from.
pub(in crate::routes) fn version_in(object: &mut Map<String, Json>) -> Result<Option<u64>, Problem> {
    match object.remove("version") {
        None | Some(Json::Null) => Ok(None),
        Some(version) => version.as_u64().map(Some).ok_or_else(|| {
            crm_core::Error::invalid("version", FaultCode::WrongType, "must be the version on which the patch is based")
                .into()
        }),
    }
}

pub(super) fn create_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    let summary = format!("Create a {}", words(kind));
    route(HttpMethod::Post, path, kind.plural(), format!("create_{kind}"), summary)
        .body(kind_new(kind))
        .idempotent()
        .backdatable()
        .data(201, kind_view(kind), "the new record")
        .to(create::<K>)
}

async fn create<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    options: CreateOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let patch = patch_of::<K>(&object_of(body)?)?;
    let pending = app.crm().collection::<K>(&caller.actor).create_from(patch);
    write_one(pending, options.0, StatusCode::CREATED).await
}

pub(super) fn upsert_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    let summary = format!("Update the {} that has a unique value, or create it", words(kind));
    route(HttpMethod::Put, path, kind.plural(), format!("upsert_{kind}"), summary)
        .body(kind_fields(kind))
        .idempotent()
        .backdatable()
        .data(200, kind_view(kind), "the record as it is now")
        .data(201, kind_view(kind), "the new record, with the value from the path")
        .to(upsert::<K>)
}

async fn upsert<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    names: RawPathParams,
    options: CreateOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let (field, value) = by(&names);
    let patch = patch_of::<K>(&object_of(body)?)?;
    let pending = app.crm().collection::<K>(&caller.actor).upsert_from(&field, &value, patch);
    let done = write(pending, options.0).await?;
    let status = if matches!(done, Written::Done { created: true, .. }) { StatusCode::CREATED } else { StatusCode::OK };
    write_response(done, status)
}

/// The writes of an existing record.
pub(super) fn routes<K: RecordKind>(path: &str) -> Vec<Route> {
    let (kind, name, tag) = (K::KIND, words(K::KIND), K::KIND.plural());
    vec![
        route(HttpMethod::Patch, path, tag, format!("update_{kind}"), format!("Update a {name}"))
            .body(kind_patch(kind))
            .conditional()
            .backdatable()
            .data(200, kind_view(kind), "the record as it is now")
            .to(update::<K>),
        route(HttpMethod::Delete, path, tag, format!("archive_{kind}"), format!("Archive a {name}"))
            .conditional()
            .backdatable()
            .fails(409)
            .fails(422)
            .data(200, kind_view(kind), "the archived record")
            .to(archive::<K>),
        route(
            HttpMethod::Post,
            format!("{path}/restore"),
            tag,
            format!("restore_{kind}"),
            format!("Restore an archived {name}"),
        )
        .body(kind_fields(kind))
        .idempotent()
        .conditional()
        .backdatable()
        .data(200, kind_view(kind), "the record as it is now")
        .to(restore::<K>),
    ]
}

async fn update<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    options: UpdateOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let mut object = object_of(body)?;
    let based_on = version_in(&mut object)?;
    let mut pending = app.crm().collection::<K>(&caller.actor).update(id, patch_of::<K>(&object)?);
    if let Some(version) = based_on {
        pending = pending.based_on(version);
    }
    write_one(pending, options.0, StatusCode::OK).await
}

async fn archive<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    options: UpdateOptions,
) -> Result<Response, Problem> {
    let pending = app.crm().collection::<K>(&caller.actor).archive(id);
    write_one(pending, options.0, StatusCode::OK).await
}

async fn restore<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    options: ActionOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let patch = patch_of::<K>(&object_of(body)?)?;
    let pending = app.crm().collection::<K>(&caller.actor).restore(id, patch);
    write_one(pending, options.0, StatusCode::OK).await
}
