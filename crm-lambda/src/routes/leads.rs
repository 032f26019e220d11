//! What only leads have: conversion and its way back, and moving through stages.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    deals::Deal,
    leads::{ConvertLead, Lead, Target},
    value::{Id, Kind},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::{
    deals::{move_route, stage},
    records::{Written, patch_of, path_of, write, written},
};
use crate::{
    answer::Answer,
    app::App,
    input::{Acting, Body, Empty, IdPath},
    openapi::{Route, kind_new, kind_view, object, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::Lead);
    vec![
        move_route(Kind::Lead).to(stage::<Lead>),
        route(HttpMethod::Post, format!("{path}/{{id}}/convert"), "leads", "convert_lead", "Convert a lead")
            .body(
                object()
                    .description(Some(
                        "Which contact and company: `\"auto\"` (by e-mail and domain, else new), `\"skip\"`, or an id; \
                         and the deal to open, if any.",
                    ))
                    .property("contact", text())
                    .property("company", text())
                    .property("deal", kind_new(Kind::Deal)),
            )
            .repeatable()
            .conditional()
            .dated()
            .data(
                200,
                object()
                    .property("lead", kind_view(Kind::Lead))
                    .property("contact", kind_view(Kind::Contact))
                    .property("company", kind_view(Kind::Company))
                    .property("deal", kind_view(Kind::Deal)),
                "what the lead became",
            )
            .to(convert),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/unconvert"),
            "leads",
            "unconvert_lead",
            "Take a conversion back",
        )
        .body(object())
        .repeatable()
        .conditional()
        .data(200, kind_view(Kind::Lead), "the lead, in the stage it came from")
        .to(unconvert),
        route(HttpMethod::Post, format!("{path}/{{id}}/disqualify"), "leads", "disqualify_lead", "Disqualify a lead")
            .body(object().property("reason", text()).required("reason"))
            .repeatable()
            .conditional()
            .dated()
            .data(200, kind_view(Kind::Lead), "the lead, in its pipeline's lost stage")
            .to(disqualify),
    ]
}

/// One side of a conversion: `"auto"`, `"skip"` or an id.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    #[default]
    Auto,
    Skip,
    #[serde(untagged)]
    Existing(Id),
}

impl From<Side> for Target {
    fn from(side: Side) -> Self {
        match side {
            Side::Auto => Target::Auto,
            Side::Skip => Target::Skip,
            Side::Existing(id) => Target::Existing(id),
        }
    }
}

/// How a lead is to be converted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConvertBody {
    contact: Side,
    company: Side,
    deal: Option<Map<String, Json>>,
}

async fn convert(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<ConvertBody>,
) -> Result<Response, Problem> {
    let how = ConvertLead {
        contact: body.contact.into(),
        company: body.company.into(),
        open_deal: body.deal.as_ref().map(patch_of::<Deal>).transpose()?,
    };
    let pending = app.crm().leads(&caller.actor).convert(id, how);
    match write(pending, told.0).await? {
        Written::Done(views) => {
            let mut data = json!({"lead": null, "contact": null, "company": null, "deal": null});
            for view in &views {
                data[view.reference().kind.name()] = json!(view);
            }
            Ok(Answer::ok(data).into_response())
        }
        planned @ Written::Planned(_) => written(&caller, planned, StatusCode::OK),
    }
}

async fn unconvert(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().leads(&caller.actor).unconvert(id);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

/// Why a lead is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DisqualifyBody {
    reason: String,
}

async fn disqualify(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<DisqualifyBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().leads(&caller.actor).disqualify(id, &body.reason);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}
