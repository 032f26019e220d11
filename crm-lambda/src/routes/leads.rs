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
    value::{Choice, FaultCode, Kind},
    view::View,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::{
    ToSchema,
    openapi::{HttpMethod, schema::AdditionalProperties},
};

use super::{
    deals::{move_route, stage},
    records::{Written, path_of, write, write_one, write_response},
};
use crate::{
    answer::Answer,
    app::App,
    input::{ActionOptions, Body, Empty, IdPath},
    openapi::{Item, Route, choice, either, kind_fields, kind_view, object, or_null, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::Lead);
    vec![
        move_route(Kind::Lead).to(stage::<Lead>),
        route(HttpMethod::Post, format!("{path}/{{id}}/convert"), "leads", "convert_lead", "Convert a lead")
            .body_as::<ConvertBody>()
            .idempotent()
            .conditional()
            .backdatable()
            .data_as::<Converted<'_>>(200, "the lead and its contact, company and deal")
            .to(convert),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/unconvert"),
            "leads",
            "unconvert_lead",
            "Revert the conversion of a lead",
        )
        .body_as::<Empty>()
        .idempotent()
        .conditional()
        .data(200, kind_view(Kind::Lead), "the lead, in its previous stage")
        .to(unconvert),
        route(HttpMethod::Post, format!("{path}/{{id}}/disqualify"), "leads", "disqualify_lead", "Disqualify a lead")
            .body_as::<DisqualifyBody>()
            .idempotent()
            .conditional()
            .backdatable()
            .data(200, kind_view(Kind::Lead), "the lead, in its pipeline's lost stage")
            .to(disqualify),
    ]
}

/// A target of a conversion: a word, an id, or fields of the record.
fn side_of(kind: Kind) -> Item {
    let fields = object()
        .description(Some(format!("fields of the {kind}, as in its update, and `target`")))
        .property("target", text())
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    either([text(), fields.into()])
}

/// Parses a target of a conversion, and the fields set on it.
fn side<K: RecordKind>(given: Option<Json>) -> Result<(Target<K>, Patch<K>), Problem> {
    let fault = || {
        let message = "must be \"auto\", \"new\", \"skip\", the id of a record, or an object of its fields";
        Problem::from(crm_core::Error::invalid(K::KIND.name(), FaultCode::WrongType, message))
    };
    let target = |text: &str| match text {
        "auto" => Ok(Target::Auto),
        "new" => Ok(Target::New),
        "skip" => Ok(Target::Skip),
        id => id.parse().map(Target::Existing).map_err(|_| fault()),
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

/// The contact and company: `"auto"` (an existing one with a matching email address, domain or name, or else a new one),
/// `"new"`, `"skip"` or an id, or an object with fields of the record and `target` for one of these. Optionally the deal
/// to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConvertBody {
    #[schema(schema_with = contact_side)]
    contact: Option<Json>,
    #[schema(schema_with = company_side)]
    company: Option<Json>,
    #[schema(schema_with = deal_fields)]
    deal: Option<Map<String, Json>>,
}

fn contact_side() -> Item {
    side_of(Kind::Contact)
}

fn company_side() -> Item {
    side_of(Kind::Company)
}

fn deal_fields() -> Item {
    kind_fields(Kind::Deal)
}

/// The records of a conversion. A record that does not belong to it is null.
#[derive(Default, Serialize, ToSchema)]
struct Converted<'a> {
    #[schema(schema_with = lead, required)]
    lead: Option<&'a View>,
    #[schema(schema_with = contact, required)]
    contact: Option<&'a View>,
    #[schema(schema_with = company, required)]
    company: Option<&'a View>,
    #[schema(schema_with = deal, required)]
    deal: Option<&'a View>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<MatchedBy<'a>>,
}

/// How the contact and the company of a conversion were found.
#[derive(Serialize, ToSchema)]
struct MatchedBy<'a> {
    #[schema(schema_with = some_match, required)]
    contact: Option<&'a str>,
    #[schema(schema_with = some_match, required)]
    company: Option<&'a str>,
}

fn lead() -> Item {
    or_null(kind_view(Kind::Lead))
}

fn contact() -> Item {
    or_null(kind_view(Kind::Contact))
}

fn company() -> Item {
    or_null(kind_view(Kind::Company))
}

fn deal() -> Item {
    or_null(kind_view(Kind::Deal))
}

fn some_match() -> Item {
    or_null(choice(Matched::NAMES.iter().copied()))
}

async fn convert(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Lead>,
    options: ActionOptions,
    Body(body): Body<ConvertBody>,
) -> Result<Response, Problem> {
    let (contact, contact_fields) = side(body.contact)?;
    let (company, company_fields) = side(body.company)?;
    let open_deal = body.deal.as_ref().map(fields_of::<Deal>).transpose()?;
    let how = ConvertLead { contact, contact_fields, company, company_fields, open_deal };
    let pending = app.crm().leads(&caller.actor).convert(id, how);
    match write(pending, options.0).await? {
        Written::Done { views, .. } => {
            let mut data = Converted::default();
            for view in &views {
                match view.reference().kind {
                    Kind::Contact => data.contact = Some(view),
                    Kind::Company => data.company = Some(view),
                    Kind::Deal => data.deal = Some(view),
                    _ => {
                        let by = |name: &str| view.value(name).as_text();
                        let (contact, company) = (by("converted_contact_by"), by("converted_company_by"));
                        (data.lead, data.matched) = (Some(view), Some(MatchedBy { contact, company }));
                    }
                }
            }
            Ok(Answer::ok(data).into_response())
        }
        planned @ Written::Planned(_) => write_response(planned, StatusCode::OK),
    }
}

async fn unconvert(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Lead>,
    options: ActionOptions,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().leads(&caller.actor).unconvert(id);
    write_one(pending, options.0, StatusCode::OK).await
}

/// The reason of a disqualification.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DisqualifyBody {
    reason: String,
}

async fn disqualify(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<Lead>,
    options: ActionOptions,
    Body(body): Body<DisqualifyBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().leads(&caller.actor).disqualify(id, &body.reason);
    write_one(pending, options.0, StatusCode::OK).await
}
