//! Routes of leads: conversion, its reversal, and moving through stages.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    deals::Deal,
    error::Faults,
    leads::{ConvertLead, Lead, Matched, Target},
    schema::{Patch, RecordKind},
    value::{Choice, Id, Kind},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::{
    HttpMethod, RefOr, Schema,
    schema::{ObjectBuilder, OneOfBuilder},
};

use super::{
    deals::{move_route, stage},
    records::{Written, path_of, write, written},
};
use crate::{
    answer::Answer,
    app::App,
    input::{Acting, Body, Empty, IdPath},
    openapi::{Route, choice, kind_new, kind_view, object, or_null, route, text},
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
                        "The contact and company: `\"auto\"` (an existing one with a matching email address, domain or name, \
                         or else a new one), `\"new\"`, `\"skip\"` or an id, or an object with fields of the record and \
                         `target` for one of these. Optionally the deal to open.",
                    ))
                    .property("contact", side_of(Kind::Contact))
                    .property("company", side_of(Kind::Company))
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
                    .property("deal", kind_view(Kind::Deal))
                    .property("matched", object().property("contact", matched()).property("company", matched())),
                "the lead and its contact, company and deal",
            )
            .to(convert),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/unconvert"),
            "leads",
            "unconvert_lead",
            "Revert the conversion of a lead",
        )
        .body(object())
        .repeatable()
        .conditional()
        .data(200, kind_view(Kind::Lead), "the lead, in its previous stage")
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

/// How a record of a conversion was determined.
fn matched() -> RefOr<Schema> {
    or_null(choice(Matched::NAMES.iter().copied()))
}

/// A target of a conversion: a word, an id, or fields of the record.
fn side_of(kind: Kind) -> RefOr<Schema> {
    let fields = ObjectBuilder::new()
        .description(Some(format!("fields of the {kind}, as in its update, and `target`")))
        .property("target", text());
    OneOfBuilder::new().item(text()).item(fields).into()
}

/// Parses a target of a conversion, and the fields set on it.
fn side<K: RecordKind>(given: Option<Json>) -> Result<(Target, Patch<K>), Problem> {
    let fault = || {
        let message = "must be \"auto\", \"new\", \"skip\", the id of a record, or an object of its fields";
        Problem::from(crm_core::Error::invalid(K::KIND.name(), "wrong_type", message))
    };
    let target = |text: &str| match text {
        "auto" => Ok(Target::Auto),
        "new" => Ok(Target::New),
        "skip" => Ok(Target::Skip),
        id => id.parse::<Id>().map(Target::Existing).map_err(|_| fault()),
    };
    match given {
        None | Some(Json::Null) => Ok((Target::Auto, Patch::new())),
        Some(Json::String(text)) => Ok((target(&text)?, Patch::new())),
        Some(Json::Object(mut fields)) => {
            let which = match fields.remove("target") {
                None => Target::Auto,
                Some(Json::String(text)) => target(&text)?,
                Some(_) => return Err(fault()),
            };
            Ok((which, fields_of(&fields)?))
        }
        Some(_) => Err(fault()),
    }
}

/// Parses the fields of one of several records; faults are reported under its name.
fn fields_of<K: RecordKind>(fields: &Map<String, Json>) -> Result<Patch<K>, Problem> {
    Patch::from_json(fields).map_err(|faults| {
        let mut all = Faults::new();
        for fault in faults.all() {
            all.add(format!("{}.{}", K::KIND, fault.field), fault.fault.clone());
        }
        crm_core::Error::Invalid(all).into()
    })
}

/// The options of a conversion.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConvertBody {
    contact: Option<Json>,
    company: Option<Json>,
    deal: Option<Map<String, Json>>,
}

async fn convert(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<ConvertBody>,
) -> Result<Response, Problem> {
    let (contact, contact_fields) = side(body.contact)?;
    let (company, company_fields) = side(body.company)?;
    let open_deal = body.deal.as_ref().map(fields_of::<Deal>).transpose()?;
    let how = ConvertLead { contact, contact_fields, company, company_fields, open_deal };
    let pending = app.crm().leads(&caller.actor).convert(id, how);
    match write(pending, told.0).await? {
        Written::Done { views, .. } => {
            let mut data = json!({"lead": null, "contact": null, "company": null, "deal": null});
            for view in &views {
                data[view.reference().kind.name()] = json!(view);
                if view.reference().kind == Kind::Lead {
                    let by = |name: &str| view.value(name).as_text().map(str::to_owned);
                    data["matched"] =
                        json!({"contact": by("converted_contact_by"), "company": by("converted_company_by")});
                }
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

/// The reason of a disqualification.
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
