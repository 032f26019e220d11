//! Who may do what: permissions and grants as data, the actor, and the decision.

mod actor;
mod decision;
pub mod grant;
mod rights;
pub(crate) mod role_set;

pub use actor::Actor;
pub(crate) use actor::By;
pub use decision::{Access, Explanation};
pub use grant::{Action, FieldAccess, FieldRule, Grant, Permission, Scope};
pub use rights::Authority;
pub(crate) use rights::Rights;
#[cfg(feature = "auth")]
pub(crate) use rights::may_act;
pub use role_set::{BuiltInRole, RoleSet, built_in_roles};
