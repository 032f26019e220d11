//! The model test: random sequences of operations, executed on the memory store and on the store under test, which must
//! agree on every answer.
//!
//! [`check`] generates a sequence from a seed and executes it. If the stores disagree, it removes operations as long as
//! they still do, and returns a short sequence with the seed to reproduce it. [`agree`] executes a given sequence, so
//! that one that failed can be kept as a test.

mod generate;
mod op;
mod play;
mod rng;
mod shrink;

use std::{fmt, panic::AssertUnwindSafe};

use futures::FutureExt;

use super::{Failure, Harness, Outcome, run::panic_text};

pub use generate::ops;
pub use op::{Base, ClaimMove, CommitOp, GuardOp, How, Op, Slot, WriteOp};
pub use rng::Rng;

/// A sequence on which the store under test and the memory store disagree.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// The seed of the original sequence.
    pub seed: u64,
    /// The number of operations of the original sequence.
    pub steps: usize,
    /// The reduced sequence. As far as was tested, no operation can be removed.
    pub ops: Vec<Op>,
    /// The difference.
    pub message: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} steps, of which {} are left:", self.seed, self.steps, self.ops.len())?;
        for op in &self.ops {
            writeln!(f, "  {op:?}")?;
        }
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Disagreement {}

/// Executes a random sequence of operations.
///
/// # Errors
/// The shrunk sequence on which the stores disagree.
pub async fn check(harness: &dyn Harness, seed: u64, steps: usize) -> Result<(), Box<Disagreement>> {
    let ops = ops(seed, steps);
    let Err(failure) = agree(harness, &ops).await else { return Ok(()) };
    let (ops, message) = shrink::shrink(harness, ops, failure.to_string()).await;
    Err(Box::new(Disagreement { seed, steps, ops, message }))
}

/// Executes a sequence on a fresh memory store and a fresh store under test. A panic counts as a disagreement.
///
/// # Errors
/// The first difference.
pub async fn agree(harness: &dyn Harness, ops: &[Op]) -> Outcome {
    match AssertUnwindSafe(play::play(harness, ops)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => Err(Failure::new(format!("panicked: {}", panic_text(panic.as_ref())))),
    }
}
