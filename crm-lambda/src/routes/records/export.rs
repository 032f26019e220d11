//! A page of a list as CSV.

use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use crm_core::view::{View, protect};
use serde_json::Value as Json;

/// `true` if the client prefers CSV.
pub(super) fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .next()
        .and_then(|first| first.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("text/csv"))
}

/// A page as CSV: a column for each field that the caller can see, text as written by [`protect`], other non-text
/// values (lists, amounts, custom properties) as JSON, missing values as empty cells. Every cell can be parsed back.
pub(super) fn csv(shown: &[&'static str], views: &[View], fields: Option<&[String]>, cursor: Option<&str>) -> Response {
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
