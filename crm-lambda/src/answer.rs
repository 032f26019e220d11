//! Successful responses: `{"data": …, "meta": {…}}`, with the `ETag` of the record's version.

use std::{fmt::Write as _, io};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::view::{Part, View};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// The approximate size in bytes of a record as JSON: a lead with twelve fields set.
const RECORD: usize = 1536;

/// A response to be sent. Its JSON is written directly from the records.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    /// `{"data": …`, or the error that occurred while writing it.
    data: io::Result<Vec<u8>>,
    /// The entries of `meta` (`"name": …`), separated by commas.
    meta: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// 200 with `data`.
    pub(crate) fn ok(data: impl Serialize) -> Self {
        Self::written(RECORD, |body| Ok(serde_json::to_writer(body, &data)?))
    }

    /// 200 with a record.
    pub(crate) fn view(part: Part<'_>) -> Self {
        Self::written(RECORD, |body| part.write_json(body))
    }

    /// 200 with a list of records.
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

    /// 200 with the JSON that `write` produces, of about `size` bytes.
    fn written(size: usize, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Self {
        let mut body = Vec::with_capacity(size + 256);
        body.extend_from_slice(b"{\"data\":");
        let data = write(&mut body).map(|()| body);
        Self { status: StatusCode::OK, data, meta: Vec::new(), headers: HeaderMap::new() }
    }

    /// Sets a status other than 200.
    pub(crate) const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds an entry to `meta`.
    pub(crate) fn meta(mut self, name: &'static str, value: impl Serialize) -> Self {
        let comma = if self.meta.is_empty() { "" } else { "," };
        self.meta.extend_from_slice(format!("{comma}\"{name}\":").as_bytes());
        if let Err(error) = serde_json::to_writer(&mut self.meta, &value) {
            self.data = Err(error.into());
        }
        self
    }

    /// Adds a header. An invalid value is ignored.
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
                tracing::error!(%error, "a response cannot be serialized as JSON");
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

/// The strong `ETag` of a view: `"user.machine-hash"`. `If-Match` compares the user version. The hash covers everything
/// else that changes the representation: the fields visible to the reader and the requested projection.
pub(crate) fn etag(view: &View, asked: &str, included: &[View]) -> String {
    let mut hash = Sha256::new();
    hash.update(asked.as_bytes());
    // The same versions look different under other field permissions.
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

/// The user version in an `ETag` issued by this API; `None` for any other tag.
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
