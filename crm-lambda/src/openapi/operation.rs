//! A single operation: its documentation together with its handler.

use axum::{
    extract::{FromRequestParts as _, Request},
    handler::Handler,
    middleware::{self, Next},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, HttpMethod, Ref, RefOr, Required, ResponseBuilder, Schema,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::AnyOfBuilder,
        security::SecurityRequirement,
    },
};

use super::schemas::{array, bounded, members, reference, text};
use crate::{app::App, input::Params, problem::Problem};

/// A route: its documentation and its handler.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: HttpMethod,
    pub(crate) path: String,
    pub(crate) tag: &'static str,
    pub(crate) operation: utoipa::openapi::path::Operation,
    /// The named schemas of its types.
    pub(crate) components: Vec<(String, RefOr<Schema>)>,
    pub(crate) handler: MethodRouter<App>,
}

/// The builder of a route.
pub(crate) struct Operation {
    method: HttpMethod,
    path: String,
    tag: &'static str,
    builder: OperationBuilder,
    components: Vec<(String, RefOr<Schema>)>,
    writes: bool,
    public: bool,
    /// The operation supports `dry_run`, which returns a plan.
    plans: bool,
}

/// Starts a route: method, path, tag, operation id, summary.
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
    Operation {
        method,
        path,
        tag,
        builder: operation,
        components: Vec::new(),
        writes: false,
        public: false,
        plans: false,
    }
}

impl Operation {
    /// Adds a query parameter.
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

    /// Adds the `Idempotency-Key` header.
    pub(crate) fn idempotent(self) -> Self {
        self.header(
            "Idempotency-Key",
            "for 24 hours, requests with the same key return the same result and are executed once",
        )
    }

    /// Adds the `If-Match` header.
    pub(crate) fn conditional(self) -> Self {
        self.header("If-Match", "write only if the record still has this ETag").fails(412)
    }

    /// Adds `occurred_at` and `dry_run`.
    pub(crate) fn backdatable(mut self) -> Self {
        self = self.data(200, reference("Plan"), "with `dry_run`: the changes that would be made");
        self.plans = true;
        let when = "the time at which the change took effect, between the record's creation and now; requires the permission `backdate`";
        self.query("occurred_at", super::schemas::time(), when).query(
            "dry_run",
            super::schemas::boolean(),
            "return the changes without making them",
        )
    }

    /// Adds a JSON body of a type.
    pub(crate) fn body_as<T: ToSchema>(mut self) -> Self {
        let schema = self.named::<T>();
        self.body(schema)
    }

    /// Adds a response `{data, meta}` with data of a type.
    pub(crate) fn data_as<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = self.named::<T>();
        self.data(status, schema, description)
    }

    /// Adds a response `{data, meta}` with a list of values of a type.
    pub(crate) fn list_as<T: ToSchema>(mut self, description: &str) -> Self {
        let schema = self.named::<T>();
        self.data(200, array(schema), description)
    }

    /// Adds the schema of a type to the document and returns a reference to it.
    fn named<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.components);
        self.components.push((T::name().into_owned(), T::schema()));
        reference(&T::name())
    }

    /// Adds the query parameter `filter`: a condition as JSON.
    pub(crate) fn filter(mut self, description: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(reference("Filter"))).build();
        self.builder = self.builder.parameter(
            ParameterBuilder::new()
                .name("filter")
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(description))
                .content("application/json", content)
                .build(),
        );
        self
    }

    /// Adds a JSON body.
    pub(crate) fn body(mut self, schema: impl Into<RefOr<Schema>>) -> Self {
        self.writes = true;
        let content = ContentBuilder::new().schema(Some(schema.into())).build();
        let body =
            RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build();
        self.builder = self.builder.request_body(Some(body));
        self
    }

    /// Requires no authentication.
    pub(crate) const fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Adds a response `{data, meta}` with data of this schema.
    pub(crate) fn data(self, status: u16, schema: impl Into<RefOr<Schema>>, description: &str) -> Self {
        if self.plans && status == 200 {
            let either = AnyOfBuilder::new().item(schema).item(reference("Plan")).build();
            let description = format!("{description}; with `dry_run` the changes that would be made");
            return self.content(status, "application/json", enveloped(Schema::AnyOf(either)), &description);
        }
        self.content(status, "application/json", enveloped(schema), description)
    }

    /// Adds a response with a page of `{data, meta}`, or the same page as CSV if requested by `Accept: text/csv`.
    pub(crate) fn page(mut self, schema: impl Into<RefOr<Schema>>) -> Self {
        let json = ContentBuilder::new().schema(Some(enveloped(schema))).build();
        let table = ContentBuilder::new().schema(Some(text())).build();
        let response = ResponseBuilder::new()
            .description("a page, with `meta.next_cursor` if there are more; with `Accept: text/csv` as CSV")
            .content("application/json", json)
            .content("text/csv", table)
            .build();
        self.builder = self.builder.response("200", response);
        self
    }

    /// Adds a response of this media type.
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

    /// Adds a response without a body.
    pub(crate) fn empty(mut self, status: u16, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).build();
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    /// Adds a problem response. Its description is the same for every route and is in the document once.
    pub(crate) fn fails(mut self, status: u16) -> Self {
        self.builder = self.builder.response(status.to_string(), Ref::from_response_name(failure_name(status)));
        self
    }

    /// Sets the handler.
    pub(crate) fn to<H, T>(self, handler: H) -> Route
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = on(self.method_filter(), handler);
        self.answered_by(handler)
    }

    const fn method_filter(&self) -> MethodFilter {
        match self.method {
            HttpMethod::Post => MethodFilter::POST,
            HttpMethod::Put => MethodFilter::PUT,
            HttpMethod::Patch => MethodFilter::PATCH,
            HttpMethod::Delete => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        }
    }

    /// The part that does not depend on the handler's type, so that it is compiled once.
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
        // Public reads (pages, keys, health) are requested by browsers and probes, which add parameters of their own.
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
            components: whole.components,
            handler: if strict { handler.layer(middleware::from_fn(reject_query)) } else { handler },
        }
    }

    /// Adds the parameters of a list of a kind.
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
                "at most 8 words or word prefixes, all of which must occur in names, addresses, numbers or texts, in any order",
            )
            .query("id", text(), "ids, separated by commas")
            .filter("a filter as JSON: `{\"field\": …, \"op\": …, \"value\": …}`, `and`, `or`, `not`")
            .query("sort", super::schemas::choice(both), "the field to sort by; `-` for descending")
            .query("limit", super::schemas::bounded(1, 200), "records per page; default 20")
            .query("cursor", text(), "`meta.next_cursor` of the page before")
            .query("archived", super::schemas::boolean(), "archived records instead of active ones")
            .query("with_total", super::schemas::boolean(), "also return the total count")
            .query(
                "as_of",
                text(),
                "a time: return records as they were then, sorted by `created_at`; cannot be combined with `archived`, `include` or `with_total`",
            )
            .query("known_at", text(), "with `as_of`: only changes recorded by this time")
            .views(decl);
        for field in decl.fields.iter().filter(|field| is_simple(field)) {
            whole = whole.query(field.name, text(), &filtered_by(field.ty));
        }
        whole
    }

    /// Adds the parameters that select the returned parts of a record.
    pub(crate) fn views(self, decl: &crm_core::schema::KindDecl) -> Self {
        let references: Vec<&str> = crate::input::references(decl).collect();
        self.query("fields", text(), "the fields to return, separated by commas").query(
            "include",
            text(),
            &format!("references to include in `meta.included`: {}", references.join(", ")),
        )
    }
}

/// The description of a field's parameter. Each can occur several times (one of the values has to match) and be empty
/// (the field is not set). Custom properties are given as `properties.KEY` in the same way.
fn filtered_by(ty: crm_core::schema::FieldType) -> String {
    use crm_core::schema::FieldType;
    let many = "; multiple values separated by commas";
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

/// Rejects all query parameters, for a route that documents none.
async fn reject_query(request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    Params::from_request_parts(&mut parts, &()).await?.done()?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// `{data, meta}` with data of a schema.
fn enveloped(schema: impl Into<RefOr<Schema>>) -> Schema {
    Schema::from(members([("data", schema.into()), ("meta", reference("Meta"))]))
}

/// `true` if a list can be filtered by the field with a plain parameter.
fn is_simple(field: &crm_core::schema::FieldDecl) -> bool {
    use crm_core::schema::FieldType;
    !field.marks.secret
        && !matches!(
            field.ty,
            FieldType::LongText | FieldType::Folded | FieldType::Struct | FieldType::Structs(_) | FieldType::Properties
        )
}

/// The parameters of other pages.
impl Operation {
    pub(crate) fn pages(self) -> Self {
        self.query("cursor", text(), "`meta.next_cursor` of the page before").query(
            "limit",
            bounded(1, 200),
            "entries per page: 1 to 200; default 50",
        )
    }
}

/// Every error status with its meaning.
pub(super) const FAILURES: &[(u16, &str)] = &[
    (400, "The request is malformed"),
    (401, "Authentication is missing or invalid"),
    (403, "A permission is missing; the response names it"),
    (404, "The resource does not exist or is not visible"),
    (409, "Conflict with a concurrent change, or a unique value is already in use"),
    (412, "The record has changed since it was read it was read"),
    (413, "The body is too large"),
    (415, "The body is not JSON"),
    (422, "Invalid input; all faults are listed"),
    (429, "Too many requests or attempts; `Retry-After` is the time to wait"),
    (503, "The store cannot be reached: try again"),
    (504, "The request timed out"),
];

/// The name of an error response among the components.
pub(super) fn failure_name(status: u16) -> String {
    format!("Problem{status}")
}
