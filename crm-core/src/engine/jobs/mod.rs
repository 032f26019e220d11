//! Jobs: long work, done piece by piece, each piece in one commit with the place it reached.
//!
//! | file | what |
//! |---|---|
//! | `handler` | what a type of job does: [`JobHandler`] |
//! | `start` | starting and cancelling a job |
//! | `run` | resuming a job: its pieces, refusals, failures |
//! | `due` | resuming all that are due, of all tenants |
//! | `lists` | pieces of the records that some lists show |

mod due;
mod handler;
pub(crate) mod lists;
mod rules;
mod run;
mod start;
#[cfg(all(test, feature = "testing"))]
mod tests;

pub use crate::model::records::job::*;
pub(crate) use due::resume_due;
pub use handler::{JobContext, JobHandler, Piece, Row, Verdict};
pub use run::MAX_ATTEMPTS;

/// What it adds to the engine.
pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("jobs").kinds(&[crate::model::value::Kind::Job])
}
