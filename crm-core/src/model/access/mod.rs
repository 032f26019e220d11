//! Who acts, and permissions and grants as data. What they come to is decided in the engine.

mod actor;
pub mod grant;

pub use actor::Actor;
pub(crate) use actor::By;
pub use grant::{Action, FieldAccess, FieldRule, Grant, Permission, Scope};
