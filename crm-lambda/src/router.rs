//! The router: all routes and the middleware around them.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
    response::IntoResponse,
};
use crm_core::Crm;
use tower::ServiceBuilder;
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
/// // Middleware in front of it inserts an `Actor` into the request's extensions.
/// let api = router(crm, Config::new(SignIn::Host));
/// let app: axum::Router = axum::Router::new().nest_service("/crm", api);
/// ```
pub fn router(crm: Crm, config: Config) -> Router {
    let app = App::new(crm, config);
    let mut router: Router<App> = Router::new();
    routes::each_group(app.config(), &mut |group| {
        for route in group {
            router = std::mem::take(&mut router).route(&route.path, route.handler);
        }
    });
    #[cfg(feature = "console")]
    if let Some(console) = &app.config().console {
        router = router.merge(routes::console::router(console, &app.config().sign_in));
    }
    let plain = router
        .fallback(|| async { Problem::unknown_route() })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "the method is not allowed for this route",
            )
        })
        .with_state(app.clone());
    let _ = app.routes().set(plain.clone());
    // One layer of plain types per route: separate layers would each be boxed, and cloned at every request.
    plain.layer(
        ServiceBuilder::new()
            .layer(CompressionLayer::new())
            .layer(cors(&app.config().allowed_origins))
            .layer(middleware::from_fn_with_state(app.clone(), observe))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, app.config().timeout))
            .layer(CatchPanicLayer::custom(|_| {
                tracing::error!("a handler panicked");
                Problem::internal().into_response()
            })),
    )
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
