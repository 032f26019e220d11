//! One operation: what the document says of it and what answers it, side by side.

use axum::{
    extract::{FromRequestParts as _, Request},
    handler::Handler,
    middleware::{self, Next},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, Ref, RefOr, Required, ResponseBuilder, Schema,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::AnyOfBuilder,
    security::SecurityRequirement,
};

use super::schemas::{integer, object, reference, text};
use crate::{app::App, input::Params, problem::Problem};

/// A route: how it is documented and what answers it.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: HttpMethod,
    pub(crate) path: String,
    pub(crate) tag: &'static str,
    pub(crate) operation: utoipa::openapi::path::Operation,
    pub(crate) handler: MethodRouter<App>,
}

/// A route that is being described.
pub(crate) struct Operation {
    method: HttpMethod,
    path: String,
    tag: &'static str,
    builder: OperationBuilder,
    writes: bool,
    public: bool,
    /// It may be asked what it would do, and then answers a plan.
    plans: bool,
}

/// Begins the description of a route: method, path, tag, operation id, one sentence.
pub(crate) fn route(
    method: HttpMethod,
    path: impl Into<String>,
    tag: &'static str,
    id: impl Into<String>,
    summary: impl Into<String>,
) -> Operation {
    let path = path.into();
    let mut operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let schema: RefOr<Schema> = if name.ends_with("id") { super::schemas::uuid() } else { text() };
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(schema))
                .build(),
        );
    }
    Operation { method, path, tag, builder: operation, writes: false, public: false, plans: false }
}

impl Operation {
    /// A query parameter.
    pub(crate) fn query(mut self, name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        self.builder = self.builder.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(description).filter(|text| !text.is_empty()))
                .schema(Some(schema))
                .build(),
        );
        self
    }

    fn header(mut self, name: &str, description: &str) -> Self {
        self.builder = self.builder.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(text()))
                .build(),
        );
        self
    }

    /// It takes an idempotency key.
    pub(crate) fn repeatable(self) -> Self {
        self.header("Idempotency-Key", "the same key answers the same for 24 hours, and nothing is done twice")
    }

    /// It holds to a version where asked.
    pub(crate) fn conditional(self) -> Self {
        self.header("If-Match", "the ETag the record must still have").fails(412)
    }

    /// It may say when it was true, and be asked for its plan.
    pub(crate) fn dated(mut self) -> Self {
        self = self.data(200, reference("Plan"), "with `dry_run`: what would change");
        self.plans = true;
        let when = "when it was true, between the record's creation and now; needs the permission `backdate`";
        self.query("occurred_at", super::schemas::time(), when).query(
            "dry_run",
            super::schemas::boolean(),
            "say what would change, and change nothing",
        )
    }

    /// It takes a JSON body.
    pub(crate) fn body(mut self, schema: impl Into<RefOr<Schema>>) -> Self {
        self.writes = true;
        let content = ContentBuilder::new().schema(Some(schema.into())).build();
        let body =
            RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build();
        self.builder = self.builder.request_body(Some(body));
        self
    }

    /// Nobody has to be signed in for it.
    pub(crate) const fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// It answers `{data, meta}` with data of this schema.
    pub(crate) fn data(self, status: u16, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        if self.plans && status == 200 {
            let either = AnyOfBuilder::new().item(schema).item(reference("Plan")).build();
            let description = format!("{description}; with `dry_run` what would change");
            return self.content(status, "application/json", enveloped(Schema::AnyOf(either)), &description);
        }
        self.content(status, "application/json", enveloped(schema), description)
    }

    /// It answers a page of `{data, meta}`, or, where `Accept: text/csv` asks for it, the same page as a table.
    pub(crate) fn page(mut self, schema: impl Into<RefOr<Schema>>) -> Self {
        let json = ContentBuilder::new().schema(Some(enveloped(schema))).build();
        let table = ContentBuilder::new().schema(Some(text())).build();
        let response = ResponseBuilder::new()
            .description("a page; `meta.next_cursor` where there is more. As a table with `Accept: text/csv`")
            .content("application/json", json)
            .content("text/csv", table)
            .build();
        self.builder = self.builder.response("200", response);
        self
    }

    /// It answers this media type.
    pub(crate) fn content(
        mut self,
        status: u16,
        media: &str,
        schema: impl Into<RefOr<Schema>>,
        description: &str,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema.into())).build();
        let response = ResponseBuilder::new().description(description).content(media, content).build();
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    /// It answers without a body.
    pub(crate) fn empty(mut self, status: u16, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).build();
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    /// It answers a problem. What it says there is the same for every route, and stands in the document once.
    pub(crate) fn fails(mut self, status: u16) -> Self {
        self.builder = self.builder.response(status.to_string(), Ref::from_response_name(failure_name(status)));
        self
    }

    /// What answers it.
    pub(crate) fn to<H, T>(self, handler: H) -> Route
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = on(self.filter(), handler);
        self.answered_by(handler)
    }

    const fn filter(&self) -> MethodFilter {
        match self.method {
            HttpMethod::Post => MethodFilter::POST,
            HttpMethod::Put => MethodFilter::PUT,
            HttpMethod::Patch => MethodFilter::PATCH,
            HttpMethod::Delete => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        }
    }

    /// What is the same of every handler, so that it is compiled once.
    fn answered_by(self, handler: MethodRouter<App>) -> Route {
        let mut whole = self.fails(400);
        if whole.public {
            whole.builder = whole.builder.securities(Some([SecurityRequirement::default()]));
        } else {
            whole.builder =
                whole.builder.securities(Some([SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]));
            whole = whole.fails(401).fails(403).fails(404);
        }
        if whole.writes {
            whole = whole.fails(409).fails(413).fails(415).fails(422);
        }
        whole = whole.fails(429).fails(503).fails(504);
        // What is open to all and only reads (pages, keys, health) is asked by browsers and probes, which add what they like.
        let operation = whole.builder.build();
        let queried = operation
            .parameters
            .iter()
            .flatten()
            .any(|one| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query));
        let strict = !queried && (whole.writes || !whole.public);
        Route {
            method: whole.method,
            path: whole.path,
            tag: whole.tag,
            operation,
            handler: if strict { handler.layer(middleware::from_fn(unqueried)) } else { handler },
        }
    }

    /// The parameters of every list of a kind.
    pub(crate) fn lists(self, decl: &crm_core::schema::KindDecl) -> Self {
        let mut sorts: Vec<String> = decl
            .indexes
            .iter()
            .filter(|index| !index.archived)
            .map(|index| decl.fields[index.sort].name.to_owned())
            .collect();
        sorts.sort();
        sorts.dedup();
        let both: Vec<String> = sorts.iter().cloned().chain(sorts.iter().map(|name| format!("-{name}"))).collect();
        let mut whole = self
            .query(
                "q",
                text(),
                "words, or beginnings of words, of names, addresses, numbers and texts: each must be there, in any order; at most 8",
            )
            .query("id", text(), "ids, with commas between")
            .query(
                "filter",
                text(),
                "a condition as JSON: `{\"field\": …, \"op\": …, \"value\": …}`, `and`, `or`, `not`",
            )
            .query("sort", super::schemas::choice(both), "the field to sort by; `-` for descending")
            .query("limit", super::schemas::bounded(1, 200), "records on a page; 20 where not given")
            .query("cursor", text(), "`meta.next_cursor` of the page before")
            .query("archived", super::schemas::boolean(), "archived records in place of live ones")
            .query("with_total", super::schemas::boolean(), "also count the whole list")
            .query(
                "as_of",
                text(),
                "a moment: records as they were then, by `created_at` alone; not with `archived`, `include`, `with_total`",
            )
            .query("known_at", text(), "with `as_of`: counting only what had been recorded by then")
            .views(decl);
        for field in decl.fields.iter().filter(|field| is_simple(field)) {
            whole = whole.query(field.name, text(), &filtered_by(field.ty));
        }
        whole
    }

    /// The parameters that choose what of a record is shown.
    pub(crate) fn views(self, decl: &crm_core::schema::KindDecl) -> Self {
        let references: Vec<&str> = crate::input::references(decl).collect();
        self.query("fields", text(), "the fields to show, with commas between").query(
            "include",
            text(),
            &format!("references to bring along in `meta.included`: {}", references.join(", ")),
        )
    }
}

/// How a field's parameter is written. All of them can be given several times (one of the values has to fit) and be empty
/// (the field is missing); custom properties are given as `properties.KEY` in the same way.
fn filtered_by(ty: crm_core::schema::FieldType) -> String {
    use crm_core::schema::FieldType;
    let many = "; several with commas";
    match ty.element() {
        FieldType::Choice(names) => format!("{}{many}", names.join(", ")),
        FieldType::Id(crm_core::value::Kind::User) => format!("an id, or `me`{many}"),
        FieldType::Id(_) | FieldType::StageId => format!("an id{many}"),
        FieldType::Time => format!("a time, a day, or a period such as `today`, `this_week`, `last_quarter`{many}"),
        FieldType::Date => format!("a day, or a period such as `today`, `this_week`, `last_quarter`{many}"),
        FieldType::Money => "an amount such as `10.50 EUR`".to_owned(),
        FieldType::Ref(_) => "a record such as `lead:0190c0de-0000-7000-8000-000000000000`".to_owned(),
        FieldType::Bool => "`true` or `false`".to_owned(),
        FieldType::Int(..) => format!("a whole number{many}"),
        _ => String::new(),
    }
}

/// Refuses all query parameters, before a route whose description has none.
async fn unqueried(request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    Params::from_request_parts(&mut parts, &()).await?.done()?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// `{data, meta}` with data of a schema.
fn enveloped(schema: impl Into<RefOr<Schema>>) -> Schema {
    let whole = object().property("data", schema).required("data").property("meta", object()).required("meta");
    Schema::from(whole.build())
}

/// Fields by which a list can be narrowed with a plain parameter.
fn is_simple(field: &crm_core::schema::FieldDecl) -> bool {
    use crm_core::schema::FieldType;
    !field.marks.secret
        && !matches!(
            field.ty,
            FieldType::LongText | FieldType::Folded | FieldType::Struct | FieldType::Structs(_) | FieldType::Properties
        )
}

/// The parameters of a page of anything else.
impl Operation {
    pub(crate) fn pages(self) -> Self {
        self.query("cursor", text(), "`meta.next_cursor` of the page before").query(
            "limit",
            integer(),
            "entries on a page: 1 to 200; 50 where not given",
        )
    }
}

/// The failures there are, by status: what each means.
pub(super) const FAILURES: &[(u16, &str)] = &[
    (400, "The request cannot be read"),
    (401, "Nobody is signed in, or the credentials are not good"),
    (403, "A permission is missing, which the answer names"),
    (404, "There is no such thing, or it may not be seen"),
    (409, "Somebody else was faster, or a unique value is taken"),
    (412, "The record has changed since"),
    (413, "The body is too large"),
    (415, "The body is not JSON"),
    (422, "Fields are invalid: every fault is named"),
    (429, "Too many requests, or too many tries: `Retry-After` says how long to wait"),
    (503, "The store cannot be reached: try again"),
    (504, "It took too long"),
];

/// The name of a failure's answer among the components.
pub(super) fn failure_name(status: u16) -> String {
    format!("Problem{status}")
}
