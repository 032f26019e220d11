//! Jobs: long-running operations, processed in pieces. Each piece is one commit together with the position it reached.
//!
//! | file | content |
//! |---|---|
//! | `handler` | the trait of job types: [`JobHandler`] |
//! | `start` | starting and cancelling a job |
//! | `run` | resuming a job: its pieces, refused rows, failures |
//! | `due` | resuming the due jobs of all tenants |
//! | `lists` | pieces of the records of lists |

mod due;
mod handler;
pub(crate) mod lists;
mod rules;
mod run;
mod start;
#[cfg(all(test, feature = "testing"))]
mod tests;

pub use crate::model::records::job::*;
pub use handler::{JobContext, JobHandler, Piece, Row, Verdict};
pub use run::MAX_ATTEMPTS;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("jobs").kinds(&[crate::model::value::Kind::Job])
}
