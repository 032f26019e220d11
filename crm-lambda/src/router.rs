//! The router: every route of the table, and what stands around all of them.

use axum::{
    Router,
    extract::{OriginalUri, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use crm_core::Crm;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
    timeout::TimeoutLayer,
};

use crate::{
    app::App,
    config::Config,
    observe::{REQUEST_ID, observe},
    problem::Problem,
    routes,
};

/// The API as a tower service, to be served or nested under a path of any axum or hyper program.
///
/// ```
/// # use crm_core::{Crm, MemoryStore};
/// # use crm_lambda::{Config, SignIn, router};
/// let crm = Crm::new(MemoryStore::new());
/// // Whoever comes before it puts an `Actor` into the request's extensions.
/// let api = router(crm, Config::new(SignIn::Host));
/// let app: axum::Router = axum::Router::new().nest_service("/crm", api);
/// ```
pub fn router(crm: Crm, config: Config) -> Router {
    let app = App::new(crm, config);
    let mut router: Router<App> = Router::new();
    for route in routes::all(app.config()) {
        router = router.route(&route.path, route.handler);
    }
    let plain = router
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "unknown_route", "there is no such route") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take that method")
        })
        .with_state(app.clone());
    let _ = app.routes().set(plain.clone());
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, app.config().timeout);
    plain
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a handler panicked");
            Problem::internal().into_response()
        }))
        .layer(timeout)
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .layer(middleware::from_fn(secure))
        .layer(cors(&app.config().allowed_origins))
        .layer(CompressionLayer::new())
}

/// Headers that every answer has: nobody keeps it, frames it or takes it for another type.
async fn secure(request: Request, next: Next) -> Response {
    let is_page = request.uri().path().contains("/docs");
    // Under which path the router is nested: where things are is told from there.
    let nested = request.extensions().get::<OriginalUri>().and_then(|OriginalUri(original)| {
        original.path().strip_suffix(request.uri().path()).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
    });
    let mut response = next.run(request).await;
    if let (Some(prefix), Some(place)) = (nested, response.headers().get(header::LOCATION))
        && let Some(place) = place.to_str().ok().filter(|place| place.starts_with('/'))
        && let Ok(whole) = HeaderValue::from_str(&format!("{prefix}{place}"))
    {
        response.headers_mut().insert(header::LOCATION, whole);
    }
    let headers = response.headers_mut();
    let set = |headers: &mut axum::http::HeaderMap, name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(headers, header::CACHE_CONTROL, "private, no-store");
    set(headers, header::VARY, "Authorization, Accept, Cookie");
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    let policy = if is_page {
        // The page's own scripts and styles, and the API it tries.
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    set(headers, header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let named = |name: &'static str| HeaderName::from_static(name);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(allowed))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            named("idempotency-key"),
            named("x-crm-request"),
            REQUEST_ID,
        ])
        .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER, REQUEST_ID, named("x-next-cursor")])
        .allow_credentials(!origins.is_empty())
}
