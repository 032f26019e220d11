//! Mounts the API in another program: nested under a path, with the program's own authentication.
//!
//! `cargo run -p examples --example mount_api` sends itself a request and exits; with an address (`-- 127.0.0.1:8080`)
//! it serves.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use crm_core::{Crm, MemoryStore, access::Actor, leads::NewLead, organizations::NewOrganization};
use crm_lambda::{Config, Console, SignIn, router};
use tower::ServiceExt;

/// Your own session check goes here. In this example every request is made by the administrator. The API reads the
/// rights of the user itself. With cookie authentication, pages must send `X-CRM-Request` with every request that
/// changes something.
async fn who(State(admin): State<Actor>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(admin);
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let crm = Crm::new(MemoryStore::new());
    let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await?;
    crm.leads(&admin).create(NewLead { name: "Ada Lovelace".into(), ..Default::default() }).await?;

    let mut config = Config::new(SignIn::Host);
    config.requests_per_minute = None;
    config.console = Some(Console { title: "Acme".into(), ..Console::default() });
    let api = router(crm, config).layer(from_fn_with_state(admin, who));
    let app = Router::new().route("/", get(|| async { "a program with a CRM in it\n" })).nest_service("/crm", api);

    if let Some(address) = std::env::args().nth(1) {
        let listener = tokio::net::TcpListener::bind(&address).await?;
        println!("http://{address}/crm/console/");
        axum::serve(listener, app).await?;
        return Ok(());
    }
    let request = Request::builder().uri("/crm/api/v1/leads?fields=name,status").body(Body::empty())?;
    let answer = app.oneshot(request).await?;
    println!("{}", answer.status());
    println!("{}", String::from_utf8(axum::body::to_bytes(answer.into_body(), 1 << 20).await?.to_vec())?);
    Ok(())
}
