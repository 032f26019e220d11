//! Who may do what: permissions and grants as data, the actor, and the decision.

mod actor;
mod decision;
pub mod grant;
pub(crate) mod role_set;

pub use actor::Actor;
pub use decision::{Access, Explanation};
pub use grant::{Action, FieldAccess, FieldRule, Grant, Permission, Scope};
pub use role_set::{RoleSet, built_in_roles};
