//! Access control: permissions and grants as data, actors, and the access decision.

pub(crate) mod built_in;
mod decision;
pub(crate) mod escalation;
mod rights;
pub(crate) mod role_set;

pub use built_in::BuiltInRole;
pub use decision::{Access, Explanation};
pub use rights::Authority;
pub(crate) use rights::{Rights, may_act};
pub use role_set::RoleSet;
