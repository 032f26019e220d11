//! What every learner hands back, and how its weights are told: against the average row of training.

use super::{
    inputs::{Input, as_f64},
    model::Term,
};

/// A learned sum.
pub(super) struct Fitted {
    pub(super) intercept: f64,
    pub(super) inputs: Vec<Input>,
    pub(super) terms: Vec<Term>,
}

/// Weights by code, moved so that their mean over the training rows is 0 and rounded, and by how much they were moved.
/// With `unseen_is_average`, codes that no training row has count for nothing.
pub(super) fn centred(weights: &[f64], codes: &[u16], fineness: f64, unseen_is_average: bool) -> (Vec<f64>, f64) {
    let mut counts = vec![0_usize; weights.len()];
    for code in codes {
        counts[usize::from(*code)] += 1;
    }
    let rows = as_f64(codes.len());
    let mean = weights.iter().zip(&counts).map(|(weight, count)| weight * as_f64(*count)).sum::<f64>() / rows;
    let moved = |(weight, count): (&f64, &usize)| match count {
        0 if unseen_is_average => 0.0,
        _ => rounded(weight - mean, fineness),
    };
    (weights.iter().zip(&counts).map(moved).collect(), mean)
}

/// A number in steps of 1 / `fineness`: short when written down.
pub(super) fn rounded(number: f64, fineness: f64) -> f64 {
    // Not minus zero.
    (number * fineness).round() / fineness + 0.0
}
