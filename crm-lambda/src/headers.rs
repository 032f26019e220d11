//! Headers of every response: they prevent caching, framing and content sniffing, and correct `Location` if the router
//! is nested.

use axum::{
    extract::{OriginalUri, Request},
    http::{HeaderMap, HeaderValue, header},
};

/// The part of a request that these headers depend on.
pub(crate) struct MountPath {
    /// The path under which the router is nested. It is prepended to `Location`.
    nested: Option<String>,
}

impl MountPath {
    pub(crate) fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let nested = request.extensions().get::<OriginalUri>().and_then(|OriginalUri(original)| {
            original.path().strip_suffix(path).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
        });
        Self { nested }
    }

    /// Sets the headers of every response that are not set yet and completes `Location`.
    pub(crate) fn secure(&self, headers: &mut HeaderMap) {
        if let (Some(prefix), Some(location)) = (&self.nested, headers.get(header::LOCATION))
            && let Some(location) = location.to_str().ok().filter(|location| location.starts_with('/'))
            && let Ok(whole) = HeaderValue::from_str(&format!("{prefix}{location}"))
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
            // A route that returns a page sets the policy of that page.
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        ] {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
}
