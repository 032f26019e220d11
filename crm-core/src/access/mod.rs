//! Who may do what: permissions, grants, the actor, and the decision.

pub mod grant;

pub use grant::{Action, FieldAccess, FieldRule, Grant, Permission, Scope};
