//! What a request brings: ids, JSON bodies, query parameters, conditions. Read strictly: what is not known is refused
//! with its place, so that a misspelt word never passes as one left out.

mod body;
mod conditions;
mod path;
mod query;
mod told;

pub(crate) use body::{Body, Empty, object};
use conditions::IfMatch;
pub(crate) use conditions::{IdempotencyKey, none_match};
pub(crate) use path::IdPath;
pub(crate) use query::{ListParams, MOMENT, Params, references};
pub(crate) use told::{Acting, Making, Options, Setting};
