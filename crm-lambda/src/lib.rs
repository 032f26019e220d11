//! The CRM over HTTP: a router to mount in one's own program, the AWS Lambda entry point and a local server.
//!
//! [`router`] is the whole API as a tower service: `/api/v1/…`, `/health`, `/openapi.json`, `/docs`. [`Config`] says
//! who signs users in and how much they may ask for. Handlers are thin: they read the request, call one use case of
//! `crm-core` and write down its answer; no rule of the CRM is here.
//!
//! The table of routes (`routes/`) is the one place where a route is named: the router is made from it, and so is the
//! `OpenAPI` document.

mod answer;
mod app;
pub mod config;
#[cfg(feature = "local")]
pub mod demo;
mod figures;
mod headers;
mod input;
mod limits;
mod observe;
mod openapi;
mod problem;
mod router;
mod routes;
#[cfg(feature = "server")]
pub mod server;
mod sign_in;

pub use config::{Config, ErrorHook, Metrics, OwnSignIn, ServerError, SignIn};
pub use problem::Problem;
pub use router::router;
pub use sign_in::{JwksError, JwksSource, KeyError, KeyRing, OutsideIssuer, StaticJwks, TokenKey};
