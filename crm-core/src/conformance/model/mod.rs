//! The model test: random sequences of operations on the memory store and on the store under test, side by side, which
//! must agree on every answer.
//!
//! [`check`] makes a sequence from a seed, plays it, and where the stores disagree takes operations out for as long as
//! they still do: what it returns is a short sequence and the seed to play it again. [`agree`] plays a given sequence,
//! so that one that once failed can be kept as a test.

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
    /// The seed it came from.
    pub seed: u64,
    /// How many operations were made from it.
    pub steps: usize,
    /// What is left of them: every one of these is needed, as far as was tried.
    pub ops: Vec<Op>,
    /// What they disagree on.
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

/// Plays a random sequence of so many operations.
///
/// # Errors
/// The shrunk sequence on which the stores disagree.
pub async fn check(harness: &dyn Harness, seed: u64, steps: usize) -> Result<(), Box<Disagreement>> {
    let ops = ops(seed, steps);
    let Err(failure) = agree(harness, &ops).await else { return Ok(()) };
    let (ops, message) = shrink::shrink(harness, ops, failure.to_string()).await;
    Err(Box::new(Disagreement { seed, steps, ops, message }))
}

/// Plays a sequence on a fresh memory store and a fresh store under test; a panic counts as a disagreement.
///
/// # Errors
/// What they disagree on first.
pub async fn agree(harness: &dyn Harness, ops: &[Op]) -> Outcome {
    match AssertUnwindSafe(play::play(harness, ops)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => Err(Failure::new(format!("panicked: {}", panic_text(panic.as_ref())))),
    }
}
