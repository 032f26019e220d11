//! JSON bodies: one media type, limited size and depth, no unknown fields.

use axum::{
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::problem::Problem;

/// The maximum size of a body in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// The maximum nesting depth of a body: far more than a record needs, far less than a parser can handle.
const MAX_DEPTH: usize = 32;

/// A JSON body, deserialized. An empty body is read as `{}`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let media = parts.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        let bytes = match Limited::new(body, MAX_BODY).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
                let detail = format!("a body may have at most {MAX_BODY} bytes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
            }
            Err(_) => return Err(Problem::malformed("body_cut_off", "the body is incomplete")),
        };
        if bytes.is_empty() && media.is_none() {
            return read(b"{}");
        }
        if !media.is_some_and(is_json) {
            let detail = "the body must be JSON: send Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        read(if bytes.is_empty() { b"{}" } else { &bytes })
    }
}

fn is_json(media: &str) -> bool {
    let mut parts = media.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    let utf8 = parts.filter_map(|part| part.trim().split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    utf8 && (essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("application/merge-patch+json"))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, Problem> {
    if depth(bytes) > MAX_DEPTH {
        return Err(Problem::malformed("too_deep", format!("JSON may be nested at most {MAX_DEPTH} levels deep")));
    }
    serde_json::from_slice(bytes).map(Body).map_err(|error| {
        let code = if error.is_data() { "bad_body" } else { "malformed_json" };
        Problem::malformed(code, format!("the body cannot be read: {}", capped(&error.to_string())))
    })
}

/// Shortens an error message, which may quote megabytes of the body.
fn capped(message: &str) -> String {
    let mut short: String = message.chars().take(200).collect();
    // The end of a shortened message is kept: it contains the position.
    if let Some(place) = message.rfind(" at line ").filter(|_| message.chars().count() > 200) {
        short.push('…');
        short.push_str(&message[place..]);
    }
    short
}

/// Returns the maximum nesting depth of brackets outside strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut now, mut text, mut escaped) = (0, 0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A body without fields.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {}

/// Returns the object that a body must be.
///
/// # Errors
/// 400 for any other JSON value.
pub(crate) fn object(json: Json) -> Result<Map<String, Json>, Problem> {
    match json {
        Json::Object(object) => Ok(object),
        _ => Err(Problem::malformed("bad_body", "the body must be a JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_of_brackets_and_not_of_texts() {
        assert_eq!(depth(br#"{"a": ["[[[[", {"b": "\"]}"}]}"#), 3);
        assert_eq!(depth(b"1"), 0);
        assert_eq!(depth("[".repeat(100).as_bytes()), 100);
    }

    #[test]
    fn only_json_in_utf_8_is_json() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "application/json; charset=latin1", "application/jsonx"] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn a_message_keeps_its_place_and_loses_its_bulk() {
        let long = format!("unknown field `{}` at line 1 column 9", "x".repeat(5000));
        let short = capped(&long);
        assert!(short.len() < 300 && short.ends_with("at line 1 column 9"), "{short}");
    }
}
