//! The web console as the router serves it.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use crm_core::{Crm, MemoryStore};
use crm_lambda::{Config, Console, SignIn, router};
use http_body_util::BodyExt;
use tower::ServiceExt;

fn app(console: Option<Console>) -> Router {
    let mut config = Config::new(SignIn::Host);
    config.console = console;
    router(Crm::new(MemoryStore::new()), config)
}

async fn get(app: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().uri(path).header(header::ACCEPT, "text/html,*/*").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_page_is_revalidated_and_its_files_are_kept_forever() {
    let app = app(Some(Console::default()));
    let (status, headers, page) = get(&app, "/console/").await;
    assert_eq!((status, &headers[header::CACHE_CONTROL]), (StatusCode::OK, &"no-cache".parse().unwrap()));
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.contains("<meta name=\"crm-sign-in\" content=\"host\">"), "{page}");
    let script = page.split("src=\"./").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let (status, headers, text) = get(&app, &format!("/console/{script}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(text.contains("import "));
}

#[tokio::test]
async fn only_files_of_the_console_are_served() {
    let app = app(Some(Console::default()));
    let hash = crm_console::hash();
    for path in ["/app.js", "/0000000000000000/app.js", &format!("/{hash}/nothing.js"), &format!("/{hash}/index.html")]
    {
        assert_eq!(get(&app, &format!("/console{path}")).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for up in ["..%2fCargo.toml", "../Cargo.toml", "lib/..%2f..%2fCargo.toml", "%2e%2e/lib.rs"] {
        assert_ne!(get(&app, &format!("/console/{hash}/{up}")).await.0, StatusCode::OK, "{up}");
    }
}

#[tokio::test]
async fn a_browser_is_sent_to_the_console_wherever_the_router_is_nested() {
    let nested = Router::new().nest_service("/crm", app(Some(Console::default())));
    for (app, prefix) in [(app(Some(Console::default())), ""), (nested, "/crm")] {
        let (status, headers, _) = get(&app, &format!("{prefix}/console")).await;
        assert_eq!(
            (status, &headers[header::LOCATION]),
            (StatusCode::PERMANENT_REDIRECT, &"console/".parse().unwrap())
        );
        let (status, headers, _) = get(&app, &format!("{prefix}/")).await;
        assert_eq!((status, &headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"console/".parse().unwrap()));
        assert_eq!(get(&app, &format!("{prefix}/console/")).await.0, StatusCode::OK);
    }
    let without = app(None);
    assert_eq!(get(&without, "/console/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&without, "/").await.1[header::LOCATION], "docs");
}

#[tokio::test]
async fn the_settings_of_an_embedder_reach_the_page_as_text() {
    let app = app(Some(Console {
        title: "Acme <b>".into(),
        accent: Some("#0a7f5a".into()),
        frame_ancestors: vec!["https://app.example.com".into(), "*; script-src *".into()],
        token_from: None,
    }));
    let (_, headers, page) = get(&app, "/console/").await;
    assert!(page.contains("<title>Acme &#60;b&#62;</title>") && page.contains("content=\"#0a7f5a\""), "{page}");
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.ends_with("frame-ancestors https://app.example.com"), "{policy}");
}
