//! Sign-in and sign-out, passwords, the second factor, sessions, registration.

mod passwords;
mod registration;
mod second_factor;
mod sessions;
mod sign_in;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::openapi::HttpMethod;

use super::PREFIX;
use crate::{
    answer::Answer,
    openapi::{Operation, Route, route},
};

pub(super) fn routes(registration: bool) -> Vec<Route> {
    let mut all = sign_in::routes();
    all.extend(passwords::routes());
    all.extend(second_factor::routes());
    all.extend(sessions::routes());
    if registration {
        all.push(registration::route());
    }
    all
}

/// A route below `/auth`.
fn begin(method: HttpMethod, tail: &str, id: &str, summary: &str) -> Operation {
    route(method, format!("{PREFIX}/auth/{tail}"), "auth", id, summary)
}

fn post(tail: &str, id: &str, summary: &str) -> Operation {
    begin(HttpMethod::Post, tail, id, summary)
}

/// A response that must not be cached.
pub(super) fn shown_once(data: impl Serialize) -> Response {
    let mut response = Answer::ok(data).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
