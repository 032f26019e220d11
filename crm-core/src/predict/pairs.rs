//! The selection of pairs of columns with an interaction.
//!
//! For each pair the rows are counted in a coarse grid. The residuals of the shapes in its cells are compared with
//! those expected by chance (after Lou, Caruana, Gehrke and Hooker, 2013, with a score test in place of a fit).

use serde::{Deserialize, Serialize};

use super::inputs::{Coding, Input, as_f64};

/// The limit of pairs.
const MOST_PAIRS: usize = 8;
/// The number of columns, the strongest first, that are considered in pairs.
const MOST_COLUMNS: usize = 40;
/// The limit of groups of a side, in addition to missing values.
const GROUPS: usize = 12;
/// The required significance of a pair, in standard deviations.
const STANDS_OUT: f64 = 3.0;
/// Cells are shrunk to zero by this many units of curvature while pairs are selected.
const PRIOR: f64 = 10.0;

/// One side of a pair: the codes of an input, merged into fewer groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The index of the input in the model.
    pub input: usize,
    /// The group of each code of the input.
    pub groups: Vec<u16>,
    /// The number of groups.
    pub size: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) one: Side,
    pub(super) two: Side,
}

impl Side {
    /// Returns the group of a code.
    pub(super) fn group(&self, code: u16) -> u16 {
        self.groups[usize::from(code)]
    }

    /// Merges neighbouring bins into groups with about equal numbers of rows. The most frequent categories keep their
    /// own groups.
    fn of(input: usize, coding: &Coding, codes: &[u16]) -> Self {
        let width = coding.width();
        let mut counts = vec![0_usize; width];
        for code in codes {
            counts[usize::from(*code)] += 1;
        }
        let mut groups = vec![0_u16; width];
        let mut group = 0_u16;
        if coding.is_ordered() {
            let (bins, missing) = (width - 1, width - 1);
            let (mut held, mut left, mut open) = (0, codes.len() - counts[missing], GROUPS);
            for bin in 0..bins {
                let full = bins <= GROUPS || held * open >= left || counts[bin] * open >= left;
                if held > 0 && open > 1 && full {
                    left -= held;
                    open -= 1;
                    held = 0;
                    group += 1;
                }
                groups[bin] = group;
                held += counts[bin];
            }
            group += u16::from(counts[missing] > 0);
            groups[missing] = group;
        } else {
            let mut order: Vec<usize> = (0..width).collect();
            order.sort_by(|one, two| counts[*two].cmp(&counts[*one]).then(one.cmp(two)));
            for (rank, code) in order.into_iter().enumerate() {
                groups[code] = group;
                group += u16::from(rank + 1 < GROUPS && counts[code] > 0);
            }
            group = groups.iter().copied().max().unwrap_or(0);
        }
        Self { input, groups, size: group + 1 }
    }
}

impl Pair {
    pub(super) fn size(&self) -> usize {
        usize::from(self.one.size) * usize::from(self.two.size)
    }

    /// Returns the cell of each row.
    pub(super) fn cells(&self, codes: &[Vec<u16>]) -> Vec<u16> {
        let (one, two) = (&codes[self.one.input], &codes[self.two.input]);
        one.iter().zip(two).map(|(a, b)| self.one.group(*a) * self.two.size + self.two.group(*b)).collect()
    }
}

/// Returns the significant pairs, the strongest first. `missed` contains the residual and the curvature of each row.
pub(super) fn find(inputs: &[Input], codes: &[Vec<u16>], outcome: &[f64], missed: &[(f64, f64)]) -> Vec<Pair> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    if order.len() > MOST_COLUMNS {
        let strength: Vec<f64> = codes.iter().map(|codes| spread(codes, outcome)).collect();
        order.sort_by(|one, two| strength[*two].total_cmp(&strength[*one]));
        order.truncate(MOST_COLUMNS);
        order.sort_unstable();
    }
    let sides: Vec<(Side, Vec<u16>)> = order
        .iter()
        .map(|at| {
            let side = Side::of(*at, &inputs[*at].coding, &codes[*at]);
            let groups = codes[*at].iter().map(|code| side.group(*code)).collect();
            (side, groups)
        })
        .collect();
    let mut found = Vec::new();
    for (at, one) in sides.iter().enumerate() {
        for two in &sides[at + 1..] {
            let clear = stands_out(one, two, missed);
            if clear >= STANDS_OUT {
                found.push((clear, Pair { one: one.0.clone(), two: two.0.clone() }));
            }
        }
    }
    found.sort_by(|one, two| two.0.total_cmp(&one.0));
    found.into_iter().take(MOST_PAIRS).map(|(_, pair)| pair).collect()
}

/// Returns the spread of the rates of a column's codes: Σ (positives − expected)² / rows.
pub(super) fn spread(codes: &[u16], outcome: &[f64]) -> f64 {
    let rate = outcome.iter().sum::<f64>() / as_f64(outcome.len());
    let mut counts = vec![(0.0, 0.0); codes.iter().map(|code| usize::from(*code) + 1).max().unwrap_or(0)];
    for (code, outcome) in codes.iter().zip(outcome) {
        let count = &mut counts[usize::from(*code)];
        count.0 += 1.0;
        count.1 += outcome - rate;
    }
    counts.iter().filter(|(rows, _)| *rows > 0.0).map(|(rows, gap)| gap * gap / rows).sum()
}

/// Returns by how much the residuals in the grid's cells exceed chance, in standard deviations.
fn stands_out(one: &(Side, Vec<u16>), two: &(Side, Vec<u16>), missed: &[(f64, f64)]) -> f64 {
    let (height, width) = (usize::from(one.0.size), usize::from(two.0.size));
    let mut cells = vec![(0.0, 0.0); height * width];
    for ((a, b), (residual, curvature)) in one.1.iter().zip(&two.1).zip(missed) {
        let cell = &mut cells[usize::from(*a) * width + usize::from(*b)];
        cell.0 += residual;
        cell.1 += curvature;
    }
    let (mut statistic, mut free, mut square) = (0.0, 0.0, 0.0);
    for (residual, curvature) in cells {
        let share = curvature / (curvature + PRIOR);
        statistic += residual * residual / (curvature + PRIOR);
        free += share;
        square += share * share;
    }
    // The shapes already account for the grid's margins.
    let left = as_f64((height - 1) * (width - 1)) / as_f64(height * width);
    if square > 0.0 { (statistic - free * left) / libm::sqrt(2.0 * square) } else { 0.0 }
}
