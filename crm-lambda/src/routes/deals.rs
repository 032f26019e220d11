//! Routes of deals, and moving to another stage, which leads share.

use axum::{extract::State, http::StatusCode, response::Response};
use crm_core::{
    Crm,
    access::Actor,
    deals::Deal,
    draft::Pending,
    leads::Lead,
    pipelines::moves::StageRef,
    schema::{Patch, Record, RecordKind},
    value::{FaultCode, Id, Kind},
};
use serde_json::Value as Json;
use utoipa::openapi::{HttpMethod, schema::AdditionalProperties};

use super::records::{patch_of, path_of, version_in, write_one};
use crate::{
    app::App,
    input::{ActionOptions, Body, IdPath, object as object_of},
    openapi::{Item, Operation, Route, kind_view, object, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    vec![move_route(Kind::Deal).to(stage::<Deal>)]
}

/// The route that moves a record of a kind to another stage.
pub(super) fn move_route(kind: Kind) -> Operation {
    let path = format!("{}/{{id}}/stage", path_of(kind));
    let summary = format!("Move a {kind} to another stage");
    route(HttpMethod::Post, path, kind.plural(), format!("move_{kind}"), summary)
        .body(move_body(kind))
        .idempotent()
        .conditional()
        .backdatable()
        .data(200, kind_view(kind), "the record in its new stage")
}

/// `stage` or `stage_id`, and other fields to change in the same write.
fn move_body(kind: Kind) -> Item {
    object()
        .description(Some(format!(
            "`stage` (a key of the record's pipeline) or `stage_id` (of any pipeline), and fields of the {kind} to change \
             in the same write, such as those that the stage requires."
        )))
        .property("stage", text())
        .property("stage_id", uuid())
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .into()
}

/// The target stage and the changes made with the move.
#[derive(Debug)]
pub(super) struct StageBody<K> {
    pub(super) stage: StageRef,
    pub(super) patch: Patch<K>,
    pub(super) based_on: Option<u64>,
}

impl<K: RecordKind> StageBody<K> {
    pub(super) fn read(body: Json) -> Result<Self, Problem> {
        let mut object = object_of(body)?;
        let based_on = version_in(&mut object)?;
        let missing = |code, message: &str| Problem::from(crm_core::Error::invalid("stage", code, message));
        let stage = match (object.remove("stage"), object.remove("stage_id")) {
            (Some(Json::String(key)), None) => StageRef::Key(key),
            (None, Some(Json::String(id))) => StageRef::Id(
                id.parse().map_err(|_| missing(FaultCode::WrongType, "stage_id must be the id of a stage"))?,
            ),
            (None, None) => return Err(missing(FaultCode::Required, "`stage` or `stage_id` is required")),
            _ => {
                return Err(missing(
                    FaultCode::WrongType,
                    "exactly one of `stage` and `stage_id` is required, as a string",
                ));
            }
        };
        Ok(Self { stage, patch: patch_of(&object)?, based_on })
    }
}

/// Records with a stage.
pub(super) trait Staged: RecordKind {
    /// Moves a record to a stage together with other changes.
    fn moved(crm: &Crm, actor: &Actor, id: Id<Self>, stage: StageRef, patch: &Patch<Self>) -> Pending<Record<Self>>;
}

impl Staged for Deal {
    fn moved(crm: &Crm, actor: &Actor, id: Id<Deal>, stage: StageRef, patch: &Patch<Self>) -> Pending<Record<Self>> {
        crm.deals(actor).move_with(id, stage, patch)
    }
}

impl Staged for Lead {
    fn moved(crm: &Crm, actor: &Actor, id: Id<Lead>, stage: StageRef, patch: &Patch<Self>) -> Pending<Record<Self>> {
        crm.leads(actor).move_with(id, stage, patch)
    }
}

pub(super) async fn stage<K: Staged>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<K>,
    options: ActionOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let StageBody { stage, patch, based_on } = StageBody::<K>::read(body)?;
    let mut pending = K::moved(app.crm(), &caller.actor, id, stage, &patch);
    if let Some(version) = based_on {
        pending = pending.based_on(version);
    }
    write_one(pending, options.0, StatusCode::OK).await
}
