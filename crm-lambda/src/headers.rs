//! The headers that every answer has, whatever the route: what keeps it from caches, frames and guesses, and where things are
//! when the router is nested.

use axum::{
    extract::{OriginalUri, Request},
    http::{HeaderMap, HeaderValue, header},
};

/// What the headers that every answer has depend on.
pub(crate) struct Place {
    /// Under which path the router is nested: where things are is told from there.
    nested: Option<String>,
}

impl Place {
    /// Of a request.
    pub(crate) fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let nested = request.extensions().get::<OriginalUri>().and_then(|OriginalUri(original)| {
            original.path().strip_suffix(path).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
        });
        Self { nested }
    }

    /// Headers that every answer has: nobody keeps it, frames it or takes it for another type.
    pub(crate) fn secure(&self, headers: &mut HeaderMap) {
        if let (Some(prefix), Some(place)) = (&self.nested, headers.get(header::LOCATION))
            && let Some(place) = place.to_str().ok().filter(|place| place.starts_with('/'))
            && let Ok(whole) = HeaderValue::from_str(&format!("{prefix}{place}"))
        {
            headers.insert(header::LOCATION, whole);
        }
        for (name, value) in [
            (header::CACHE_CONTROL, "private, no-store"),
            (header::VARY, "Authorization, Accept, Cookie"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
            // A route that answers with a page says what the page may load.
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        ] {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
}
