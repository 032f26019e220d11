//! Writing: a use case is a pure decision on a draft of the records it touches, run against the store.
//!
//! All changes of records go through the draft, so every gate is checked here: permissions, field rules, formats,
//! references, stage gates, hierarchies and the embedder's validators. The runner reads the records that the decision
//! requests, runs it again with them, and commits.

mod claims;
mod gate;
mod hook;
mod open;
mod pending;
mod references;
mod run;
mod state;
mod stop;
mod take_back;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod undo;
mod write;

pub(crate) use claims::{claim_of_value, claims};
pub(crate) use gate::demand;
pub use hook::CommitHook;
pub use open::{Changed, DraftOf};
pub(crate) use pending::fingerprint;
pub use pending::{Answer, Pending, Plan, Saved};
pub(crate) use references::parent;
#[cfg(feature = "auth")]
pub(crate) use run::run;
pub(crate) use run::{Loaded, Options, Outcome, decide_only, read_history, read_record};
pub use state::Draft;
pub(crate) use state::{Context, Input, Moved, Step};
pub use stop::{Lookup, Stop};
pub(crate) use undo::{roll_back, try_undo, undo};
