//! Successes: `{"data": …, "meta": {…}}`, with the tag by which a record's version is known.

use std::{fmt::Write as _, io};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::view::{Part, View};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// About how many bytes a record has in JSON: a lead of twelve fields that are set.
const RECORD: usize = 1536;

/// An answer about to be sent. Its JSON is written as it is put together, straight from the records.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    /// `{"data": …`, or why it could not be written.
    data: io::Result<Vec<u8>>,
    /// `"name": …` of what there is besides, with commas between.
    meta: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// 200.
    pub(crate) fn ok(data: impl Serialize) -> Self {
        Self::written(RECORD, |body| Ok(serde_json::to_writer(body, &data)?))
    }

    /// 200 with a record.
    pub(crate) fn view(part: Part<'_>) -> Self {
        Self::written(RECORD, |body| part.write_json(body))
    }

    /// 200 with records.
    pub(crate) fn views<'a>(parts: impl ExactSizeIterator<Item = Part<'a>>) -> Self {
        Self::written(parts.len() * RECORD, |body| {
            body.push(b'[');
            for (at, part) in parts.enumerate() {
                if at > 0 {
                    body.push(b',');
                }
                part.write_json(body)?;
            }
            body.push(b']');
            Ok(())
        })
    }

    /// 200 with what is written, of about so many bytes.
    fn written(size: usize, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Self {
        let mut body = Vec::with_capacity(size + 256);
        body.extend_from_slice(b"{\"data\":");
        let data = write(&mut body).map(|()| body);
        Self { status: StatusCode::OK, data, meta: Vec::new(), headers: HeaderMap::new() }
    }

    /// Another status than 200.
    pub(crate) const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// One more entry of `meta`.
    pub(crate) fn meta(mut self, name: &'static str, value: impl Serialize) -> Self {
        let comma = if self.meta.is_empty() { "" } else { "," };
        self.meta.extend_from_slice(format!("{comma}\"{name}\":").as_bytes());
        if let Err(error) = serde_json::to_writer(&mut self.meta, &value) {
            self.data = Err(error.into());
        }
        self
    }

    /// A header; one whose value cannot be one is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = match self.data {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                return Problem::internal().into_response();
            }
        };
        body.extend_from_slice(b",\"meta\":{");
        body.extend_from_slice(&self.meta);
        body.extend_from_slice(b"}}");
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// 204.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// The strong tag of a view: `"person.machine-hash"`. The person's version is what `If-Match` compares; the hash is of
/// all that makes the same record look different: the fields that its reader may see, and what of it was asked for.
pub(crate) fn etag(view: &View, asked: &str, included: &[View]) -> String {
    let mut hash = Sha256::new();
    hash.update(asked.as_bytes());
    // The same versions look different under other field rules.
    let seen = |hash: &mut Sha256, view: &View| {
        for name in view.names() {
            hash.update(name.as_bytes());
            hash.update([0]);
        }
        hash.update([1]);
    };
    seen(&mut hash, view);
    for view in included {
        let versions = view.versions();
        hash.update(format!("{} {} {}", view.reference(), versions.person, versions.machine));
        seen(&mut hash, view);
    }
    let versions = view.versions();
    let mut tag = format!("\"{}.{}-", versions.person, versions.machine);
    for byte in hash.finalize().iter().take(6) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// The person's version in a tag of ours; `None` for any other.
pub(crate) fn version_of(tag: &str) -> Option<u64> {
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    let (versions, hash) = inner.split_once('-')?;
    let (person, machine) = versions.split_once('.')?;
    machine.parse::<u64>().ok()?;
    (hash.len() == 12 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(())?;
    person.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gives_back_the_persons_version_and_no_other_text_does() {
        assert_eq!(version_of("\"7.2-0011aabbccdd\""), Some(7));
        for other in ["", "*", "7", "\"7\"", "W/\"7.2-0011aabbccdd\"", "\"x.2-0011aabbccdd\"", "\"7.2-zz\"", "\"7-1\""]
        {
            assert_eq!(version_of(other), None, "{other}");
        }
    }
}
