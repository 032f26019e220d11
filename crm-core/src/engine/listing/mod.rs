//! Lists: a filter, a sort and a sealed cursor become reads of declared indexes. The actor's permissions are part of
//! every query.

mod cursor;
mod ends;
mod merge;
mod past;
mod plan;
mod query;

pub(crate) use cursor::{open, seal};
pub(crate) use ends::{walk_with_seen_ends, with_seen_ends};
pub(crate) use merge::{count, walk_page, walk_page_under};
pub(crate) use past::{Moment, PastPlan, plan_past, walk_past};
pub(crate) use plan::{Plan, Read, demand_ends, plan, signature};
pub(crate) use query::{DEFAULT_LIMIT, MAX_LIMIT};
pub use query::{ListPage, ListQuery};
