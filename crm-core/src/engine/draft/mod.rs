//! How a use case writes: a pure decision on a draft of the records it touches, run against the store.
//!
//! The draft is the one place where a record changes, so every gate stands here: permissions, field rules, formats,
//! references, stage gates, hierarchies, the embedder's validators. The runner reads what the decision asks for, lets
//! it decide again, and commits.

mod claims;
mod gate;
mod hook;
mod open;
mod pending;
mod references;
mod run;
mod sheet;
mod stop;
mod take_back;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod undo;

pub(crate) use claims::{claim_of_value, claims};
pub(crate) use gate::demand;
pub use hook::CommitHook;
pub use open::{Changed, DraftOf};
pub(crate) use pending::asked_for;
pub use pending::{Answer, Pending, Plan, Saved};
pub(crate) use references::parent;
#[cfg(feature = "auth")]
pub(crate) use run::run;
pub(crate) use run::{Loaded, Options, Outcome, decide_only, read_history};
pub use sheet::Draft;
pub(crate) use sheet::{Context, Moved, Sets, Step};
pub use stop::{Lookup, Stop};
pub(crate) use undo::{roll_back, try_undo, undo};
