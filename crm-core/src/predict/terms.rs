//! The common output of the learners, with weights relative to the average training row.

use super::{
    inputs::{Input, as_f64},
    model::Term,
};

/// A fitted sum.
pub(super) struct Fitted {
    pub(super) intercept: f64,
    pub(super) inputs: Vec<Input>,
    pub(super) terms: Vec<Term>,
}

/// Returns the weights by code, shifted to a mean of 0 over the training rows and rounded, and the shift. With
/// `unseen_is_average`, codes without training rows have weight 0.
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

/// Rounds a number to steps of 1 / `fineness`, to keep its serialized form short.
pub(super) fn rounded(number: f64, fineness: f64) -> f64 {
    // Avoids minus zero.
    (number * fineness).round() / fineness + 0.0
}
