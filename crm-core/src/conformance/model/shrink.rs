//! Reduces a failing sequence: removes ever shorter runs of operations, and then parts of commits, as long as the
//! stores still disagree.

use super::{CommitOp, Op, agree};
use crate::conformance::Harness;

/// The limit of sequences that are tried; each requires a fresh store.
const MAX_TRIES: usize = 400;

struct Shrinking<'a> {
    harness: &'a dyn Harness,
    tries: usize,
    ops: Vec<Op>,
    message: String,
}

/// Returns the shortest failing sequence that was found, and its failure.
pub(super) async fn shrink(harness: &dyn Harness, ops: Vec<Op>, message: String) -> (Vec<Op>, String) {
    let mut shrinking = Shrinking { harness, tries: 0, ops, message };
    shrinking.runs().await;
    shrinking.parts().await;
    shrinking.runs().await;
    (shrinking.ops, shrinking.message)
}

impl Shrinking<'_> {
    /// Keeps the candidate if the stores still disagree on it.
    async fn try_ops(&mut self, candidate: Vec<Op>) -> bool {
        if self.tries >= MAX_TRIES {
            return false;
        }
        self.tries += 1;
        match agree(self.harness, &candidate).await {
            Ok(()) => false,
            Err(failure) => {
                self.ops = candidate;
                self.message = failure.to_string();
                true
            }
        }
    }

    /// Removes runs of operations: halves, quarters, … single ones.
    async fn runs(&mut self) {
        let mut length = self.ops.len().div_ceil(2).max(1);
        loop {
            // From the end, so that operations after the failure are removed first.
            let mut end = self.ops.len();
            while end > 0 {
                let start = end.saturating_sub(length);
                let mut candidate = self.ops.clone();
                candidate.drain(start..end.min(candidate.len()));
                self.try_ops(candidate).await;
                end = start.min(self.ops.len());
            }
            if length == 1 {
                return;
            }
            length = length.div_ceil(2);
        }
    }

    /// Removes the parts of commits, one by one.
    async fn parts(&mut self) {
        for at in 0..self.ops.len() {
            let mut part = 0;
            while let Some(Op::Commit(commit)) = self.ops.get(at) {
                let Some(smaller) = without(commit, part) else { break };
                let mut candidate = self.ops.clone();
                candidate[at] = Op::Commit(smaller);
                if !self.try_ops(candidate).await {
                    part += 1;
                }
            }
        }
    }
}

/// Returns the commit without one of its parts; `None` if it has fewer parts.
fn without(commit: &CommitOp, part: usize) -> Option<CommitOp> {
    let mut smaller = commit.clone();
    let (writes, guards, claims) = (commit.writes.len(), commit.guards.len(), commit.claims.len());
    if part < writes {
        smaller.writes.remove(part);
    } else if part < writes + guards {
        smaller.guards.remove(part - writes);
    } else if part < writes + guards + claims {
        smaller.claims.remove(part - writes - guards);
    } else if part == writes + guards + claims && commit.key.is_some() {
        smaller.key = None;
    } else {
        return None;
    }
    Some(smaller)
}
