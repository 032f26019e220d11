//! Access control: permissions and grants as data, the actor, and the decision.

mod actor;
pub(crate) mod built_in;
mod decision;
pub(crate) mod escalation;
pub mod grant;
mod rights;
pub(crate) mod role_set;

pub use actor::Actor;
pub(crate) use actor::By;
pub use built_in::BuiltInRole;
pub use decision::{Access, Explanation};
pub use grant::{Action, FieldAccess, FieldRule, Grant, Permission, Scope};
pub use rights::Authority;
pub(crate) use rights::{Rights, may_act};
pub use role_set::RoleSet;
