//! The routes common to all kinds, by theme: lists, reads, writes, history, timeline.

mod export;
mod history;
mod list;
mod read;
mod timeline;
mod write;

use crm_core::{
    schema::{RecordKind, Section},
    value::{Kind, Ref},
};
use serde::Serialize;

use super::PREFIX;
use crate::{answer::Answer, input::Params, openapi::Route, problem::Problem};
use axum::response::{IntoResponse, Response};

pub(super) use list::{ByKind, included, list_of};
pub(super) use write::{Written, patch_of, version_in, write, write_one, write_response};

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

/// The path of a record.
pub(super) fn location(record: Ref) -> String {
    format!("{}/{}", path_of(record.kind), record.id)
}

fn words(kind: Kind) -> String {
    kind.name().replace('_', " ")
}

/// The routes of a kind whose records can be created by anyone with the permission.
pub(super) fn collection<K: RecordKind>() -> Vec<Route> {
    let path = path_of(K::KIND);
    let mut all = vec![list::route_at::<K>(&path), write::create_route::<K>(&path)];
    if K::decl().fields.iter().any(|field| field.marks.unique && field.section == Section::User) {
        let by = format!("{path}/by/{{field}}/{{value}}");
        all.extend([read::find_route::<K>(&by), write::upsert_route::<K>(&by)]);
    }
    all.extend(members::<K>());
    all
}

/// The routes of a kind that is read-only in the API.
pub(super) fn read_only<K: RecordKind>(path: &str) -> Vec<Route> {
    vec![list::route_at::<K>(path), read::get_route::<K>(&format!("{path}/{{id}}"))]
}

/// The routes of single records of a kind.
pub(super) fn members<K: RecordKind>() -> Vec<Route> {
    let kind = K::KIND;
    let collection = path_of(kind);
    let mut all = members_at::<K>(&format!("{collection}/{{id}}"));
    if kind == Kind::Organization {
        all.push(list::route_at::<K>(&collection));
    }
    all
}

/// The routes of single records of a kind, at `path`.
pub(super) fn members_at<K: RecordKind>(path: &str) -> Vec<Route> {
    let mut all = vec![read::get_route::<K>(path)];
    all.extend(write::routes::<K>(path));
    all.extend(history::routes::<K>(path));
    all.extend([read::as_of_route::<K>(path), read::explain_route::<K>(path)]);
    all.extend(timeline::routes::<K>(path));
    all
}

/// Parses the `cursor` and `limit` of a page.
pub(super) fn page_of(params: &mut Params, limit: usize) -> Result<(Option<String>, usize), Problem> {
    Ok((params.take("cursor"), params.read("limit", "a number from 1 to 200")?.unwrap_or(limit)))
}

/// The response with a page.
pub(super) fn page_response(items: impl Serialize, next_cursor: Option<String>) -> Response {
    let mut answer = Answer::ok(items);
    if let Some(cursor) = next_cursor {
        answer = answer.meta("next_cursor", cursor);
    }
    answer.into_response()
}
