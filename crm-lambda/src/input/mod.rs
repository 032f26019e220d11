//! Parsing of requests: ids, JSON bodies, query parameters, conditional headers. Parsing is strict: unknown input is
//! rejected with its location, so that a misspelt name is never ignored.

mod body;
mod conditions;
mod path;
mod query;
mod write_options;

pub(crate) use body::{Body, Empty, object};
use conditions::IfMatch;
pub(crate) use conditions::{IdempotencyKey, none_match};
pub(crate) use path::IdPath;
pub(crate) use query::{ListParams, MOMENT, Params, references};
pub(crate) use write_options::{ActionOptions, CreateOptions, Options, UpdateOptions};
