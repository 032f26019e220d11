//! The routes common to all kinds: list, create, get, find, change, archive, restore, history, as-of, undo, explain,
//! timeline.

use axum::{
    extract::{RawPathParams, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    access::Action,
    draft::{Pending, Plan},
    schema::{Patch, RecordKind, Section},
    timeline::{EntryType, TimelineQuery, ViewedEntry},
    value::{Choice, Id, Kind, Ref, Time},
    view::{View, ViewedChange, change_to_json, protect},
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::PREFIX;
use crate::{
    answer::{Answer, etag},
    app::App,
    input::{
        Acting, Body, IdPath, ListParams, MOMENT, Making, Options, Params, Setting, none_match, object as object_of,
    },
    openapi::{
        Operation, Route, array, boolean, change, integer, kind_new, kind_patch, kind_view, object, route, text,
        timeline_entry,
    },
    problem::Problem,
    sign_in::Caller,
};

/// The default number of entries on a page of history.
const HISTORY_PAGE: usize = 50;

/// The path of a kind's collection: `/api/v1/api-keys`.
pub(super) fn path_of(kind: Kind) -> String {
    match kind {
        // With the other routes of scoring.
        Kind::ScoringModel => format!("{PREFIX}/scoring/models"),
        // With the log.
        Kind::SecurityEvent => format!("{PREFIX}/audit/security-events"),
        _ => format!("{PREFIX}/{}", kind.plural().replace('_', "-")),
    }
}

fn words(kind: Kind) -> String {
    kind.name().replace('_', " ")
}

/// The routes of a kind whose records can be created by anyone with the permission.
pub(super) fn collection<K: RecordKind>() -> Vec<Route> {
    let (kind, decl) = (K::KIND, K::decl());
    let (path, name) = (path_of(kind), words(kind));
    let tag = kind.plural();
    let create = route(HttpMethod::Post, &path, tag, format!("create_{kind}"), format!("Create a {name}"))
        .body(kind_new(kind))
        .repeatable()
        .dated()
        .data(201, kind_view(kind), "the new record")
        .to(create::<K>);
    let mut all = vec![list_route::<K>(&path), create];
    if decl.fields.iter().any(|field| field.marks.unique && field.section == Section::Person) {
        let by = format!("{path}/by/{{field}}/{{value}}");
        all.push(
            route(HttpMethod::Get, &by, tag, format!("find_{kind}"), format!("Find a {name} by a unique value"))
                .views(decl)
                .data(200, kind_view(kind), "the record")
                .empty(304, "it is as the caller has it")
                .to(find::<K>),
        );
        all.push(
            route(
                HttpMethod::Put,
                &by,
                tag,
                format!("upsert_{kind}"),
                format!("Update the {name} that has a unique value, or create it"),
            )
            .body(kind_new(kind))
            .repeatable()
            .dated()
            .data(200, kind_view(kind), "the record as it is now")
            .data(201, kind_view(kind), "the new record, with the value from the path")
            .to(upsert::<K>),
        );
    }
    all.extend(members::<K>());
    all
}

fn list_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    route(
        HttpMethod::Get,
        path,
        kind.plural(),
        format!("list_{}", kind.plural()),
        format!("List {}", kind.plural().replace('_', " ")),
    )
    .lists(K::decl())
    .page(array(kind_view(kind)))
    .to(list::<K>)
}

/// The routes of a kind that is read-only in the API.
pub(super) fn read_only<K: RecordKind>(path: &str) -> Vec<Route> {
    vec![list_route::<K>(path), get_route::<K>(&format!("{path}/{{id}}"))]
}

fn get_route<K: RecordKind>(path: &str) -> Route {
    let kind = K::KIND;
    route(HttpMethod::Get, path, kind.plural(), format!("get_{kind}"), format!("Get a {}", words(kind)))
        .views(K::decl())
        .data(200, kind_view(kind), "the record")
        .empty(304, "it is as the caller has it")
        .to(get::<K>)
}

/// The routes of single records of a kind.
pub(super) fn members<K: RecordKind>() -> Vec<Route> {
    let kind = K::KIND;
    let collection = path_of(kind);
    let mut all = members_at::<K>(&format!("{collection}/{{id}}"));
    if kind == Kind::Organization {
        all.push(list_route::<K>(&collection));
    }
    all
}

/// The routes of single records of a kind, at `path`.
pub(super) fn members_at<K: RecordKind>(path: &str) -> Vec<Route> {
    let mut all = vec![get_route::<K>(path)];
    all.extend(changes::<K>(path));
    all
}

/// The routes that change single records of a kind, and those of their history.
fn changes<K: RecordKind>(path: &str) -> Vec<Route> {
    let kind = K::KIND;
    let name = words(kind);
    let tag = kind.plural();
    let at = |tail: &str| format!("{path}{tail}");
    let begin = |method: HttpMethod, tail: &str, id: &str, summary: String| -> Operation {
        route(method, at(tail), tag, id.to_owned(), summary)
    };
    let mut all = vec![
        begin(HttpMethod::Patch, "", &format!("update_{kind}"), format!("Update a {name}"))
            .body(kind_patch(kind))
            .conditional()
            .dated()
            .data(200, kind_view(kind), "the record as it is now")
            .to(update::<K>),
        begin(HttpMethod::Delete, "", &format!("archive_{kind}"), format!("Archive a {name}"))
            .conditional()
            .dated()
            .fails(409)
            .fails(422)
            .data(200, kind_view(kind), "the archived record")
            .to(archive::<K>),
        begin(HttpMethod::Post, "/restore", &format!("restore_{kind}"), format!("Restore an archived {name}"))
            .body(kind_patch(kind))
            .repeatable()
            .conditional()
            .dated()
            .data(200, kind_view(kind), "the record as it is now")
            .to(restore::<K>),
        begin(
            HttpMethod::Get,
            "/history",
            &format!("{kind}_history"),
            format!("List the changes of a {name}, latest first"),
        )
        .query("field", text(), "only changes to this field")
        .query("names", boolean(), "also `meta.names`: what the ids in the page are called, by id")
        .pages()
        .data(200, array(change()), "changes; values of fields that the caller may not see are omitted")
        .to(history::<K>),
        begin(HttpMethod::Get, "/as-of", &format!("{kind}_as_of"), format!("Get a {name} as of a time"))
            .query("at", text(), "the time; required")
            .query("known_at", text(), "only changes recorded by this time")
            .query("fields", text(), "the fields to return, separated by commas")
            .data(200, object(), "the record as of the time; null before its creation")
            .to(as_of::<K>),
        begin(HttpMethod::Post, "/undo", &format!("undo_{kind}"), "Undo the changes of a commit".to_owned())
            .body(object().property("commit", crate::openapi::uuid()).required("commit"))
            .repeatable()
            .conditional()
            .dated()
            .data(200, array(kind_view(kind)), "the records changed by the undo")
            .to(undo::<K>),
        begin(
            HttpMethod::Post,
            "/roll-back",
            &format!("roll_back_{kind}"),
            format!("Roll a {name} back to an earlier version"),
        )
        .body(object().property("version", integer()).required("version"))
        .repeatable()
        .conditional()
        .dated()
        .data(200, kind_view(kind), "the record as it is now")
        .to(roll_back::<K>),
        begin(
            HttpMethod::Get,
            "/explain",
            &format!("explain_{kind}"),
            "Explain whether the caller may perform an action".to_owned(),
        )
        .query(
            "action",
            crate::openapi::choice(Action::ALL.iter().map(|action| action.name())),
            "the action; default `read`",
        )
        .data(200, object().property("allowed", boolean()), "the grant that allows it, or the reason why none does")
        .to(explain::<K>),
    ];
    all.extend(courses::<K>(path));
    all
}

/// The routes of a record's timeline and stage history.
fn courses<K: RecordKind>(path: &str) -> Vec<Route> {
    let kind = K::KIND;
    let begin = |tail: &str, id: String, summary: String| -> Operation {
        route(HttpMethod::Get, format!("{path}{tail}"), kind.plural(), id, summary)
    };
    let mut all = Vec::new();
    if matches!(kind, Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal) {
        let summary = format!("Get the timeline of a {}, latest first", words(kind));
        all.push(
            begin("/timeline", format!("{kind}_timeline"), summary)
                .query("type", text(), "types of entries, separated by commas: change, interaction, task, note")
                .query("machine", boolean(), "include computed changes")
                .query("names", boolean(), "also `meta.names`: what the ids in the page are called, by id")
                .pages()
                .data(
                    200,
                    array(timeline_entry()),
                    "entries at the time they took effect; `meta.partial` if a company has more contacts or deals \
                     than its timeline shows",
                )
                .to(timeline::<K>),
        );
        let summary = format!("List the associations of a {}", words(kind));
        all.push(
            begin("/associations", format!("{kind}_associations"), summary)
                .pages()
                .data(
                    200,
                    array(kind_view(Kind::Association)),
                    "associations of which the caller may read both records",
                )
                .to(associations::<K>),
        );
    }
    if K::decl().position("stage_id").is_some() {
        let summary = "List when each stage was entered and left".to_owned();
        all.push(
            begin("/stages", format!("{kind}_stages"), summary)
                .data(200, object(), "`intervals` in order, `times` per stage")
                .to(stages::<K>),
        );
    }
    all
}

/// The result of a write: views of the records, or a plan.
pub(super) enum Written {
    Done {
        views: Vec<View>,
        /// `true` if the first record was created by it.
        created: bool,
    },
    Planned(Plan),
}

/// Executes a write with its options.
pub(super) async fn write<T: Send + 'static>(pending: Pending<T>, options: Options) -> Result<Written, Problem> {
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
pub(super) fn written(_: &Caller, written: Written, status: StatusCode) -> Result<Response, Problem> {
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

/// The path of a record.
pub(super) fn location(record: Ref) -> String {
    format!("{}/{}", path_of(record.kind), record.id)
}

/// The response with a view and its included records.
async fn shown(
    app: &App,
    caller: &Caller,
    view: &View,
    headers: &HeaderMap,
    fields: Option<&[String]>,
    include: &[String],
) -> Result<Response, Problem> {
    let included = included(app, caller, std::slice::from_ref(view), include).await?;
    // A whole record has the same tag in the responses of reads and writes.
    let asked = if fields.is_none() && include.is_empty() { String::new() } else { format!("{fields:?} {include:?}") };
    let tag = etag(view, &asked, &included);
    if none_match(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let mut answer = Answer::view(view.only(fields)).header(header::ETAG, &tag);
    if !include.is_empty() {
        answer = answer.meta("included", ByKind(&included));
    }
    Ok(answer.into_response())
}

/// Returns the records referenced by the views, as far as the caller can see them.
pub(super) async fn included(
    app: &App,
    caller: &Caller,
    views: &[View],
    include: &[String],
) -> Result<Vec<View>, Problem> {
    let mut wanted: Vec<Ref> =
        views.iter().flat_map(|view| include.iter().flat_map(|name| view.targets(name))).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(app.crm().view_many(&caller.actor, &wanted).await?.into_iter().flatten().collect())
}

/// Serializes records by kind and id. Records of a kind must be adjacent.
pub(super) struct ByKind<'a>(pub(super) &'a [View]);

impl Serialize for ByKind<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = |view: &View| view.reference().kind;
        let kinds = self.0.chunk_by(|a, b| kind(a) == kind(b));
        serializer.collect_map(kinds.map(|views| (kind(&views[0]).plural(), ById(views))))
    }
}

/// Serializes records by id.
struct ById<'a>(&'a [View]);

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|view| (view.reference().id, view)))
    }
}

async fn list<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let asked = ListParams::read(params, K::decl())?;
    list_of::<K>(&app, &caller, &headers, asked).await
}

/// A page of a list, as JSON or CSV.
pub(super) async fn list_of<K: RecordKind>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    asked: ListParams,
) -> Result<Response, Problem> {
    let records = app.crm().collection::<K>(&caller.actor);
    let fields = asked.fields.as_deref();
    if wants_csv(headers) {
        let page = records.export(&asked.query, asked.as_of).await.map_err(Problem::of_query)?;
        let shown = records.shown_fields().await?;
        return Ok(csv(&shown, &page.items, fields, page.next_cursor.as_deref()));
    }
    let page = match asked.as_of {
        None => records.view_list(&asked.query).await,
        Some((at, known_at)) => records.view_list_as_of(&asked.query, at, known_at).await,
    };
    let page = page.map_err(Problem::of_query)?;
    let total =
        if asked.with_total { Some(records.count_of(&asked.query).await.map_err(Problem::of_query)?) } else { None };
    let included = included(app, caller, &page.items, &asked.include).await?;
    let mut answer = Answer::views(page.items.iter().map(|view| view.only(fields)));
    if let Some(cursor) = page.next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    if let Some(total) = total {
        answer = answer.meta("total", total);
    }
    if let Some((at, _)) = asked.as_of {
        answer = answer.meta("as_of", at);
    }
    if !asked.include.is_empty() {
        answer = answer.meta("included", ByKind(&included));
    }
    Ok(answer.into_response())
}

fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .next()
        .and_then(|first| first.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("text/csv"))
}

/// A page as CSV: a column for each field that the caller can see, text as written by [`protect`], other non-text
/// values (lists, amounts, custom properties) as JSON, missing values as empty cells. Every cell can be parsed back.
fn csv(shown: &[&'static str], views: &[View], fields: Option<&[String]>, cursor: Option<&str>) -> Response {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut columns = vec!["id", "version"];
    columns.extend(shown.iter().filter(|name| fields.is_none_or(|asked| asked.iter().any(|one| one == *name))));
    let _ = table.write_record(&columns);
    for view in views {
        let object = view.to_json(fields);
        let cells = columns.iter().map(|name| match object.get(*name) {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => protect(text),
            Some(other) => other.to_string(),
        });
        let _ = table.write_record(cells);
    }
    let text = table.into_inner().unwrap_or_default();
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if let Some(next) = cursor.and_then(|cursor| format!("cursor=\"{cursor}\"").parse().ok()) {
        response.headers_mut().insert("x-next-cursor", next);
    }
    response
}

async fn create<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    told: Making,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let patch = patch_of::<K>(&object_of(body)?)?;
    let pending = app.crm().collection::<K>(&caller.actor).create_from(patch);
    written(&caller, write(pending, told.0).await?, StatusCode::CREATED)
}

/// Parses a body as a patch.
///
/// # Errors
/// 400 for an unknown field, 422 for values of a wrong type.
pub(super) fn patch_of<K: RecordKind>(object: &Map<String, Json>) -> Result<Patch<K>, Problem> {
    Patch::from_json(object).map_err(|faults| crm_core::Error::Invalid(faults).into())
}

async fn get<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    IdPath(id): IdPath,
    params: Params,
) -> Result<Response, Problem> {
    let (fields, include) = ListParams::of_one(params, K::decl())?;
    let view = app.crm().collection::<K>(&caller.actor).view(id).await?;
    shown(&app, &caller, &view, &headers, fields.as_deref(), &include).await
}

/// The field and the value of a path.
fn by(params: &RawPathParams) -> (String, String) {
    let mut found = (String::new(), String::new());
    for (name, value) in params {
        match name {
            "field" => value.clone_into(&mut found.0),
            "value" => value.clone_into(&mut found.1),
            _ => {}
        }
    }
    found
}

async fn find<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    path: RawPathParams,
    params: Params,
) -> Result<Response, Problem> {
    let (field, value) = by(&path);
    let (fields, include) = ListParams::of_one(params, K::decl())?;
    let view = app.crm().collection::<K>(&caller.actor).view_by(&field, &value).await.map_err(Problem::of_query)?;
    shown(&app, &caller, &view, &headers, fields.as_deref(), &include).await
}

async fn upsert<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    names: RawPathParams,
    told: Making,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let (field, value) = by(&names);
    let patch = patch_of::<K>(&object_of(body)?)?;
    let pending = app.crm().collection::<K>(&caller.actor).upsert_from(&field, &value, patch);
    let done = write(pending, told.0).await?;
    let status = if matches!(done, Written::Done { created: true, .. }) { StatusCode::CREATED } else { StatusCode::OK };
    written(&caller, done, status)
}

async fn update<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Setting,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let mut object = object_of(body)?;
    let based_on = version_in(&mut object)?;
    let mut pending = app.crm().collection::<K>(&caller.actor).update(id, patch_of::<K>(&object)?);
    if let Some(version) = based_on {
        pending = pending.based_on(version);
    }
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

/// Removes the version that a patch was made from.
pub(super) fn version_in(object: &mut Map<String, Json>) -> Result<Option<u64>, Problem> {
    match object.remove("version") {
        None | Some(Json::Null) => Ok(None),
        Some(version) => version.as_u64().map(Some).ok_or_else(|| {
            crm_core::Error::invalid("version", "wrong_type", "must be the version on which the patch is based").into()
        }),
    }
}

async fn archive<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Setting,
) -> Result<Response, Problem> {
    let pending = app.crm().collection::<K>(&caller.actor).archive(id);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

async fn restore<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let patch = patch_of::<K>(&object_of(body)?)?;
    let pending = app.crm().collection::<K>(&caller.actor).restore(id, patch);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

async fn history<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    mut params: Params,
) -> Result<Response, Problem> {
    let field = params.take("field");
    let (cursor, limit) = page_of(&mut params, HISTORY_PAGE)?;
    let names = params.flag("names")?;
    params.done()?;
    let records = app.crm().collection::<K>(&caller.actor);
    let page = records.view_history_page(id, field.as_deref(), cursor.as_deref(), limit).await;
    let page = page.map_err(Problem::of_query)?;
    let mut answer = Answer::ok(page.items.iter().map(viewed_change).collect::<Vec<_>>());
    if let Some(cursor) = page.next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    if names {
        answer = answer.meta("names", app.crm().names_in_history(&caller.actor, &page.items).await?);
    }
    Ok(answer.into_response())
}

/// Parses the `cursor` and `limit` of a page.
pub(super) fn page_of(params: &mut Params, limit: usize) -> Result<(Option<String>, usize), Problem> {
    Ok((params.take("cursor"), params.read("limit", "a number from 1 to 200")?.unwrap_or(limit)))
}

/// The response with a page.
pub(super) fn paged(items: impl Serialize, next_cursor: Option<String>) -> Response {
    let mut answer = Answer::ok(items);
    if let Some(cursor) = next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    answer.into_response()
}

async fn as_of<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    mut params: Params,
) -> Result<Response, Problem> {
    let at: Option<Time> = params.read("at", MOMENT)?;
    let known_at: Option<Time> = params.read("known_at", MOMENT)?;
    let at = at.ok_or_else(|| {
        let mut faults = crm_core::error::Faults::new();
        faults.push("at", "required", format!("is required: {MOMENT}"));
        Problem::bad_request(&faults)
    })?;
    let (fields, _) = ListParams::of_one(params, K::decl())?;
    let view = app.crm().collection::<K>(&caller.actor).view_as_of(id, at, known_at).await?;
    let data = view.as_ref().map(|view| view.only(fields.as_deref()));
    Ok(Answer::ok(data).meta("as_of", at).into_response())
}

/// The commit to undo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UndoBody {
    commit: Id,
}

async fn undo<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<UndoBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().collection::<K>(&caller.actor).undo(id, body.commit);
    match write(pending, told.0).await? {
        Written::Done { views, .. } => Ok(Answer::ok(views).into_response()),
        planned @ Written::Planned(_) => written(&caller, planned, StatusCode::OK),
    }
}

/// The version to restore.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBackBody {
    version: u64,
}

async fn roll_back<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(body): Body<RollBackBody>,
) -> Result<Response, Problem> {
    let pending = app.crm().collection::<K>(&caller.actor).roll_back(id, body.version);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}

async fn explain<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    mut params: Params,
) -> Result<Response, Problem> {
    let action = match params.take("action") {
        None => Action::Read,
        Some(name) => Action::from_name(&name).ok_or_else(|| {
            let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
            Problem::malformed("bad_parameter", format!("action: must be one of {}", names.join(", ")))
        })?,
    };
    params.done()?;
    let why = app.crm().collection::<K>(&caller.actor).explain(id, action).await?;
    let data = json!({"allowed": why.allowed, "permission": why.permission, "grant": why.grant, "reason": why.reason});
    Ok(Answer::ok(data).into_response())
}

async fn timeline<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    mut params: Params,
) -> Result<Response, Problem> {
    let (cursor, limit) = page_of(&mut params, HISTORY_PAGE)?;
    let types = params.take("type").unwrap_or_default();
    let types: Result<Vec<EntryType>, Problem> = types
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| {
            EntryType::from_name(name).ok_or_else(|| {
                let message = format!("type: must be of {}", EntryType::NAMES.join(", "));
                Problem::malformed("bad_parameter", message)
            })
        })
        .collect();
    let query = TimelineQuery { cursor, limit, types: types?, machine: params.flag("machine")? };
    let names = params.flag("names")?;
    params.done()?;
    let timeline = app.crm().timeline(&caller.actor);
    let page = timeline.view(Ref::new(K::KIND, id), &query).await.map_err(Problem::of_query)?;
    let entry = |entry: &ViewedEntry| match entry {
        ViewedEntry::Change(change) => json!({"type": "change", "change": viewed_change(change)}),
        ViewedEntry::Record(view) => {
            let kind = view.reference().kind;
            json!({"type": kind.name(), kind.name(): view})
        }
    };
    let mut answer = Answer::ok(page.items.iter().map(entry).collect::<Vec<_>>());
    if let Some(cursor) = page.next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    if page.partial {
        answer = answer.meta("partial", true);
    }
    if names {
        answer = answer.meta("names", app.crm().names_in_timeline(&caller.actor, &page.items).await?);
    }
    Ok(answer.into_response())
}

/// A change with `undoable` and, if it cannot be undone, the reason.
fn viewed_change(viewed: &ViewedChange) -> Json {
    let mut json = change_to_json(&viewed.change);
    json["undoable"] = Json::Bool(viewed.undo.is_ok());
    if let Err(error) = &viewed.undo {
        json["not_undoable"] = Problem::from(error.clone()).reason();
    }
    json
}

async fn associations<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    mut params: Params,
) -> Result<Response, Problem> {
    let (cursor, limit) = page_of(&mut params, HISTORY_PAGE)?;
    params.done()?;
    let associations = app.crm().associations(&caller.actor);
    let page = associations.view_of(Ref::new(K::KIND, id), cursor.as_deref(), limit).await;
    let page = page.map_err(Problem::of_query)?;
    Ok(paged(page.items, page.next_cursor))
}

async fn stages<K: RecordKind>(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
) -> Result<Response, Problem> {
    let intervals = app.crm().collection::<K>(&caller.actor).stage_intervals(id).await?;
    let times = crm_core::change::stage_times(&intervals, app.crm().now());
    let intervals: Vec<Json> = intervals
        .iter()
        .map(|one| json!({"stage_id": one.stage_id, "entered_at": one.entered_at, "left_at": one.left_at}))
        .collect();
    let seconds = |micros: i64| micros / 1_000_000;
    let times: Vec<Json> = times
        .iter()
        .map(|one| {
            json!({
                "stage_id": one.stage_id,
                "times": one.times,
                "first_entered_at": one.first_entered_at,
                "last_entered_at": one.last_entered_at,
                "left_at": one.left_at,
                "latest_seconds": seconds(one.latest_micros),
                "total_seconds": seconds(one.total_micros),
            })
        })
        .collect();
    Ok(Answer::ok(json!({"intervals": intervals, "times": times})).into_response())
}
