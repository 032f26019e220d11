//! The HTTP API of the CRM: a router to mount in your own program, the AWS Lambda entry point and a local server.
//!
//! [`router`] is the whole API as a tower service: `/api/v1/…`, `/health`, `/openapi.json`, `/docs`,
//! `/console/`. [`Config`] defines how users sign in and the limits. Handlers are thin: they parse the request, call one
//! use case of `crm-core` and serialize its result; they contain no business rules.
//!
//! Routes are declared once, in `routes/`. The router and the `OpenAPI` document are built from these declarations.

mod answer;
mod app;
pub mod config;
#[cfg(feature = "local")]
pub mod demo;
mod headers;
mod input;
mod limits;
mod metrics;
mod observe;
mod openapi;
mod problem;
mod router;
mod routes;
#[cfg(feature = "server")]
pub mod server;
mod sign_in;

#[cfg(feature = "console")]
pub use config::Console;
pub use config::{Config, ErrorHook, Metrics, OwnSignIn, ServerError, SignIn};
pub use problem::Problem;
pub use router::router;
pub use sign_in::{JwksError, JwksSource, KeyError, KeyRing, OutsideIssuer, SetupToken, StaticJwks, TokenKey};
