//! Exact penalised logistic regression by Newton's method, over numbers and one-hot codes, in blocks.
//!
//! A [`Block`] is a set of coefficients that is solved jointly while the contributions of the others are fixed. Plain
//! logistic regression is one block. The strength of a penalty can be estimated from the training rows: see
//! [`Block::relearn`]. Sums have a fixed order, and exp and ln are libm's, so the same rows give the same bits on every
//! processor.

use std::ops::Range;

use super::inputs::as_f64;

/// The design matrix of a set of coefficients: a number for each row, or the one-hot encoding of a code for each row.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Number(Vec<f64>),
    Codes { codes: Vec<u16>, width: usize },
}

impl Part {
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Codes { width, .. } => *width,
        }
    }
}

/// The form of a penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// ½ strength Σ w².
    Ridge,
    /// ½ strength Σ (w − its neighbour)², plus a small ridge, so that the solution is unique.
    Walk,
    /// As `Walk`, over a grid with this many columns: differences are penalised along the rows, the columns, or both.
    Grid { columns: usize, down: bool, across: bool },
}

/// The weight of the ridge in a walk.
const TETHER: f64 = 1e-3;

/// A penalty on the coefficients `from..to`.
#[derive(Clone, Debug)]
pub(super) struct Penalty {
    from: usize,
    to: usize,
    shape: Shape,
    strength: f64,
    /// `true` if the strength is estimated from the training rows.
    learned: bool,
    /// The effective degrees of freedom, as last estimated.
    free: f64,
}

impl Penalty {
    pub(super) fn new(range: Range<usize>, shape: Shape, strength: f64, learned: bool) -> Self {
        Self { from: range.start, to: range.end, shape, strength, learned, free: 0.0 }
    }

    /// Visits the entries of the penalty matrix at and below the diagonal: row, column, value.
    fn each(&self, mut entry: impl FnMut(usize, usize, f64)) {
        let tie = |entry: &mut dyn FnMut(usize, usize, f64), one: usize, two: usize| {
            entry(one, one, 1.0);
            entry(two, two, 1.0);
            entry(two, one, -1.0);
        };
        match self.shape {
            Shape::Ridge => (self.from..self.to).for_each(|at| entry(at, at, 1.0)),
            Shape::Walk => {
                (self.from..self.to).for_each(|at| entry(at, at, TETHER));
                (self.from + 1..self.to).for_each(|at| tie(&mut entry, at - 1, at));
            }
            Shape::Grid { columns, down, across } => {
                for at in self.from..self.to {
                    entry(at, at, if down || across { 0.2 } else { 1.0 });
                    if down && at >= self.from + columns {
                        tie(&mut entry, at - columns, at);
                    }
                    if across && !(at - self.from).is_multiple_of(columns) {
                        tie(&mut entry, at - 1, at);
                    }
                }
            }
        }
    }
}

/// The training rows, evaluated at the current weights.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// 1 for a positive outcome, 0 for a negative one.
    outcome: Vec<f64>,
    /// The sum of all blocks.
    log_odds: Vec<f64>,
    /// Outcome minus probability.
    residual: Vec<f64>,
    /// Probability × (1 − probability).
    curvature: Vec<f64>,
    /// The sum of the log-losses.
    loss: f64,
}

impl Rows {
    /// Creates rows at the log-odds of their base rate.
    pub(super) fn new(outcome: Vec<f64>) -> Self {
        let rate = outcome.iter().sum::<f64>() / as_f64(outcome.len());
        let (log_odds, nothing) = (vec![libm::log(rate / (1.0 - rate)); outcome.len()], vec![0.0; outcome.len()]);
        let mut rows = Self { outcome, log_odds, residual: nothing.clone(), curvature: nothing, loss: 0.0 };
        rows.refresh();
        rows
    }

    /// Returns the initial log-odds, which all rows share.
    pub(super) fn base(&self) -> f64 {
        self.log_odds[0]
    }

    /// Returns the outcomes: 1 for positive, 0 for negative.
    pub(super) fn outcome(&self) -> &[f64] {
        &self.outcome
    }

    /// Returns the residual and the curvature of each row.
    pub(super) fn missed(&self) -> impl Iterator<Item = (f64, f64)> {
        self.residual.iter().copied().zip(self.curvature.iter().copied())
    }

    /// Recomputes the values derived from the log-odds.
    fn refresh(&mut self) {
        // The log-loss is ln(1 + e^−|x|) + max(x, 0) − outcome · x. One logarithm of a product of factors, each at most
        // 2, replaces the logarithms of all of them.
        const TOGETHER: usize = 256;
        self.loss = 0.0;
        let mut from = 0;
        for log_odds in self.log_odds.chunks(TOGETHER) {
            let (mut product, mut rest) = (1.0, 0.0);
            for (at, log_odds) in (from..).zip(log_odds) {
                let small = libm::exp(-log_odds.abs());
                let larger = 1.0 / (1.0 + small);
                let probability = if *log_odds >= 0.0 { larger } else { small * larger };
                self.residual[at] = self.outcome[at] - probability;
                self.curvature[at] = larger * larger * small;
                product *= 1.0 + small;
                rest += log_odds.max(0.0) - self.outcome[at] * log_odds;
            }
            self.loss += libm::log(product) + rest;
            from += log_odds.len();
        }
    }
}

/// Coefficients that are solved jointly.
#[derive(Clone, Debug)]
pub(super) struct Block {
    parts: Vec<(usize, Part)>,
    penalties: Vec<Penalty>,
    /// The coefficients, part after part.
    pub(super) weights: Vec<f64>,
    /// The Cholesky factor of the last step's Hessian.
    factor: Vec<f64>,
}

/// The result of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The decrease of the penalised log-loss predicted by the quadratic model: 0 at the optimum.
    pub(super) decrement: f64,
}

impl Block {
    pub(super) fn new(parts: Vec<Part>, penalties: Vec<Penalty>) -> Self {
        let mut width = 0;
        let parts = parts
            .into_iter()
            .map(|part| {
                let from = width;
                width += part.width();
                (from, part)
            })
            .collect();
        Self { parts, penalties, weights: vec![0.0; width], factor: Vec::new() }
    }

    /// Adds `scale` times the contribution of these weights to each row's log-odds.
    fn add(&self, weights: &[f64], scale: f64, log_odds: &mut [f64]) {
        for (from, part) in &self.parts {
            match part {
                Part::Number(numbers) => {
                    let weight = scale * weights[*from];
                    log_odds.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += weight * number);
                }
                Part::Codes { codes, width } => {
                    let weights: Vec<f64> = weights[*from..from + width].iter().map(|weight| scale * weight).collect();
                    log_odds.iter_mut().zip(codes).for_each(|(sum, code)| *sum += weights[usize::from(*code)]);
                }
            }
        }
    }

    /// ½ weights' S weights.
    fn penalty(&self, weights: &[f64]) -> f64 {
        self.penalties.iter().map(|penalty| 0.5 * penalty.strength * quadratic(penalty, weights)).sum()
    }

    /// Performs one step of Newton's method, which updates the weights and the rows. The step is halved until the
    /// penalised log-loss does not increase.
    pub(super) fn step(&mut self, rows: &mut Rows) -> Step {
        let width = self.weights.len();
        let before = rows.loss + self.penalty(&self.weights);
        let (residual, curvature) = (&rows.residual, &rows.curvature);

        let mut gradient = vec![0.0; width];
        let mut hessian = vec![0.0; width * width];
        for (at, (from, part)) in self.parts.iter().enumerate() {
            match part {
                Part::Number(numbers) => {
                    gradient[*from] += numbers.iter().zip(residual).map(|(number, rest)| number * rest).sum::<f64>();
                }
                Part::Codes { codes, .. } => {
                    for (code, rest) in codes.iter().zip(residual) {
                        gradient[from + usize::from(*code)] += rest;
                    }
                }
            }
            for (other_from, other) in &self.parts[..=at] {
                accumulate(&mut hessian, width, (*from, part), (*other_from, other), curvature);
            }
        }
        for penalty in &self.penalties {
            penalty.each(|row, column, value| {
                let value = penalty.strength * value;
                hessian[row * width + column] += value;
                gradient[row] -= value * self.weights[column];
                if row != column {
                    gradient[column] -= value * self.weights[row];
                }
            });
        }
        factorise(&mut hessian, width);
        let mut direction = gradient.clone();
        solve(&hessian, width, &mut direction);
        let decrement = 0.5 * dot(&gradient, &direction);
        self.factor = hessian;

        let mut scale = 1.0;
        self.add(&direction, scale, &mut rows.log_odds);
        loop {
            let moved: Vec<f64> =
                self.weights.iter().zip(&direction).map(|(old, change)| old + scale * change).collect();
            rows.refresh();
            if rows.loss + self.penalty(&moved) <= before + 1e-9 * before.abs() {
                self.weights = moved;
                break;
            }
            if scale < 1e-6 {
                // No improvement is possible: revert the step.
                self.add(&direction, -scale, &mut rows.log_odds);
                rows.refresh();
                break;
            }
            scale *= 0.5;
            self.add(&direction, -scale, &mut rows.log_odds);
        }
        Step { decrement }
    }

    /// Estimates the strength of each penalty from the training rows by restricted maximum likelihood (the update of
    /// Fellner and Schall; Wood and Fasiolo, 2017). Effects without evidence shrink to zero. Returns the largest change
    /// of the effective degrees of freedom of a penalty.
    pub(super) fn relearn(&mut self) -> f64 {
        let width = self.weights.len();
        let inverse = Inverse::of(&self.factor, width);
        let mut most: f64 = 0.0;
        for penalty in self.penalties.iter_mut().filter(|penalty| penalty.learned) {
            let mut trace = 0.0;
            penalty.each(|row, column, value| {
                let entry = value * inverse.entry(row, column);
                trace += if row == column { entry } else { 2.0 * entry };
            });
            let size = quadratic(penalty, &self.weights);
            let rank = as_f64(penalty.to - penalty.from);
            let free = (rank - penalty.strength * trace).max(1e-3);
            most = most.max((free - penalty.free).abs());
            penalty.free = free;
            let wanted = (free / size.max(1e-12)).clamp(penalty.strength / 20.0, penalty.strength * 20.0);
            penalty.strength = wanted.clamp(1e-2, 1e6);
        }
        most
    }

    /// Returns the parts, in the order of their coefficients.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().map(|(_, part)| part)
    }
}

fn quadratic(penalty: &Penalty, weights: &[f64]) -> f64 {
    let mut sum = 0.0;
    penalty.each(|row, column, value| {
        let product = value * weights[row] * weights[column];
        sum += if row == column { product } else { 2.0 * product };
    });
    sum
}

/// Returns the probability of a log-odds, with libm's exp.
pub(super) fn probability(log_odds: f64) -> f64 {
    if log_odds >= 0.0 {
        1.0 / (1.0 + libm::exp(-log_odds))
    } else {
        let odds = libm::exp(log_odds);
        odds / (1.0 + odds)
    }
}

/// Adds the contribution of two parts to the Hessian, at and below its diagonal.
fn accumulate(hessian: &mut [f64], width: usize, one: (usize, &Part), two: (usize, &Part), curvature: &[f64]) {
    let (row, column) = (one.0, two.0);
    match (one.1, two.1) {
        (Part::Number(a), Part::Number(b)) => {
            hessian[row * width + column] +=
                a.iter().zip(b).zip(curvature).map(|((a, b), curvature)| a * b * curvature).sum::<f64>();
        }
        (Part::Number(numbers), Part::Codes { codes, .. }) => {
            let line = &mut hessian[row * width + column..(row + 1) * width];
            for ((number, code), curvature) in numbers.iter().zip(codes).zip(curvature) {
                line[usize::from(*code)] += number * curvature;
            }
        }
        (Part::Codes { codes, .. }, Part::Number(numbers)) => {
            for ((number, code), curvature) in numbers.iter().zip(codes).zip(curvature) {
                hessian[(row + usize::from(*code)) * width + column] += number * curvature;
            }
        }
        (Part::Codes { codes, .. }, Part::Codes { .. }) if row == column => {
            for (code, curvature) in codes.iter().zip(curvature) {
                let at = row + usize::from(*code);
                hessian[at * width + at] += curvature;
            }
        }
        (Part::Codes { codes: a, .. }, Part::Codes { codes: b, .. }) => {
            for ((a, b), curvature) in a.iter().zip(b).zip(curvature) {
                hessian[(row + usize::from(*a)) * width + column + usize::from(*b)] += curvature;
            }
        }
    }
}

/// The dot product, in eight lanes, so that it vectorizes with a fixed order of summation.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Computes the Cholesky factor of a positive definite matrix, in place, at and below the diagonal.
fn factorise(matrix: &mut [f64], width: usize) {
    for row in 0..width {
        let (above, rest) = matrix.split_at_mut(row * width);
        let line = &mut rest[..=row];
        for column in 0..row {
            let other = &above[column * width..=column * width + column];
            line[column] = (line[column] - dot(&line[..column], &other[..column])) / other[column];
        }
        // The penalties keep the matrix positive definite; this guards against rounding.
        line[row] = (line[row] - dot(&line[..row], &line[..row])).max(1e-12).sqrt();
    }
}

/// Solves for a right-hand side, in place, given the factor.
fn solve(factor: &[f64], width: usize, side: &mut [f64]) {
    for row in 0..width {
        let line = &factor[row * width..=row * width + row];
        side[row] = (side[row] - dot(&line[..row], &side[..row])) / line[row];
    }
    for row in (0..width).rev() {
        let line = &factor[row * width..=row * width + row];
        let value = side[row] / line[row];
        side[row] = value;
        side[..row].iter_mut().zip(line).for_each(|(left, entry)| *left -= value * entry);
    }
}

/// The inverse of a matrix, by the inverse of its Cholesky factor. Entries are computed on demand.
struct Inverse {
    width: usize,
    /// The inverse of the factor, a line for each of its columns.
    lines: Vec<f64>,
}

impl Inverse {
    fn of(factor: &[f64], width: usize) -> Self {
        let mut lines = vec![0.0; width * width];
        for column in 0..width {
            let line = &mut lines[column * width..(column + 1) * width];
            line[column] = 1.0 / factor[column * width + column];
            for row in column + 1..width {
                let entries = &factor[row * width..=row * width + row];
                line[row] = -dot(&entries[column..row], &line[column..row]) / entries[row];
            }
        }
        Self { width, lines }
    }

    fn entry(&self, row: usize, column: usize) -> f64 {
        let from = row.max(column);
        let line = |at: usize| &self.lines[at * self.width + from..(at + 1) * self.width];
        dot(line(row), line(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solved(mut block: Block, outcome: &[f64]) -> (Block, Vec<f64>) {
        let mut rows = Rows::new(outcome.to_vec());
        block.weights[0] = rows.base();
        for _ in 0..60 {
            if block.step(&mut rows).decrement < 1e-15 {
                return (block, rows.log_odds);
            }
        }
        panic!("it does not converge");
    }

    fn ones(rows: usize) -> Part {
        Part::Codes { codes: vec![0; rows], width: 1 }
    }

    /// An unpenalised intercept alone equals the base rate.
    #[test]
    fn an_intercept_is_the_base_rate() {
        let (block, log_odds) = solved(Block::new(vec![ones(4)], Vec::new()), &[1.0, 0.0, 0.0, 0.0]);
        assert!((block.weights[0] - (1.0_f64 / 3.0).ln()).abs() < 1e-12);
        assert!((probability(log_odds[0]) - 0.25).abs() < 1e-12);
    }

    /// At the optimum the gradient of the penalised log-loss is zero, whatever the parts.
    #[test]
    fn the_optimum_is_one() {
        let rows = 60;
        let number: Vec<f64> = (0..rows).map(|at| f64::from(at * 37 % 11) - 5.0).collect();
        let codes: Vec<u16> = (0..rows).map(|at| u16::try_from(at * 7 % 4).unwrap()).collect();
        let outcome: Vec<f64> = (0..rows).map(|at| f64::from(u8::from(at * 13 % 5 < 2 || at % 11 == 3))).collect();
        let parts = vec![ones(60), Part::Number(number.clone()), Part::Codes { codes: codes.clone(), width: 4 }];
        let (block, log_odds) = solved(Block::new(parts, vec![Penalty::new(1..6, Shape::Ridge, 2.0, false)]), &outcome);
        let rest: Vec<f64> =
            log_odds.iter().zip(&outcome).map(|(log_odds, outcome)| outcome - probability(*log_odds)).collect();
        let gradient = |of: &dyn Fn(usize) -> f64| rest.iter().enumerate().map(|(at, rest)| of(at) * rest).sum::<f64>();
        assert!(gradient(&|_| 1.0).abs() < 1e-6);
        assert!((gradient(&|at| number[at]) - 2.0 * block.weights[1]).abs() < 1e-6);
        for code in 0..4_u16 {
            let of = |at: usize| f64::from(u8::from(codes[at] == code));
            assert!((gradient(&of) - 2.0 * block.weights[2 + usize::from(code)]).abs() < 1e-6);
        }
    }

    /// The values stored for each row equal their definitions.
    #[test]
    fn rows_are_what_they_are_said_to_be() {
        let outcome: Vec<f64> = (0..700).map(|at| f64::from(u8::from(at % 3 == 0))).collect();
        let mut rows = Rows::new(outcome.clone());
        assert!((rows.base() - (234.0_f64 / 466.0).ln()).abs() < 1e-12);
        rows.log_odds = (0..700).map(|at| f64::from(at - 350) / 10.0).collect();
        rows.refresh();
        let mut loss = 0.0;
        for (at, came) in outcome.iter().enumerate() {
            let probability = probability(rows.log_odds[at]);
            assert!((rows.residual[at] - (came - probability)).abs() < 1e-15);
            assert!((rows.curvature[at] - probability * (1.0 - probability)).abs() < 1e-15);
            // Computed independently of `refresh`, and valid for certain outcomes too.
            let given = if *came > 0.5 { rows.log_odds[at] } else { -rows.log_odds[at] };
            loss += (-given).exp().ln_1p();
        }
        assert!((rows.loss - loss).abs() < 1e-9 * loss, "{} is not {loss}", rows.loss);
    }

    #[test]
    fn factor_and_inverse_undo_the_matrix() {
        let width = 19;
        let mut matrix = vec![0.0; width * width];
        for row in 0..width {
            for column in 0..=row {
                matrix[row * width + column] =
                    if row == column { 20.0 } else { as_f64((row * 5 + column * 3) % 7) / 7.0 };
            }
        }
        let full = |row: usize, column: usize| matrix[row.max(column) * width + row.min(column)];
        let mut factor = matrix.clone();
        factorise(&mut factor, width);
        let inverse = Inverse::of(&factor, width);
        for row in 0..width {
            let mut side = vec![0.0; width];
            side[row] = 1.0;
            solve(&factor, width, &mut side);
            for (column, solved) in side.iter().enumerate() {
                let one = (0..width).map(|at| full(row, at) * inverse.entry(at, column)).sum::<f64>();
                assert!((one - f64::from(u8::from(row == column))).abs() < 1e-12);
                assert!((solved - inverse.entry(row, column)).abs() < 1e-12);
            }
        }
    }

    /// Effects of a code that is unrelated to the outcome shrink to zero; those of a decisive code are not shrunk.
    #[test]
    fn strength_is_learned_from_the_rows() {
        let rows = 2000;
        let codes: Vec<u16> = (0..rows).map(|at| u16::try_from(at % 10).unwrap()).collect();
        let free = |outcome: &dyn Fn(u32) -> bool| {
            let outcome: Vec<f64> = (0..rows).map(|at| f64::from(u8::from(outcome(at)))).collect();
            let parts = vec![ones(2000), Part::Codes { codes: codes.clone(), width: 10 }];
            let mut block = Block::new(parts, vec![Penalty::new(1..11, Shape::Ridge, 1.0, true)]);
            let mut rows = Rows::new(outcome);
            block.weights[0] = rows.base();
            for _ in 0..30 {
                block.step(&mut rows);
                block.relearn();
            }
            block.penalties[0].free
        };
        assert!(free(&|at| at / 10 % 2 == 0) < 0.5, "nothing to learn");
        assert!(free(&|at| at % 10 < 5 && at / 10 % 5 > 0) > 8.0, "much to learn");
    }

    /// Weights stay finite for separable rows: the penalty bounds them, and no step increases the loss.
    #[test]
    fn separated_rows_are_held() {
        let number: Vec<f64> = (0..20).map(|at| f64::from(at) - 9.5).collect();
        let outcome: Vec<f64> = (0..20).map(|at| f64::from(u8::from(at > 9))).collect();
        let parts = vec![ones(20), Part::Number(number)];
        let (block, _) = solved(Block::new(parts, vec![Penalty::new(1..2, Shape::Ridge, 1e-3, false)]), &outcome);
        assert!(block.weights.iter().all(|weight| weight.is_finite() && weight.abs() < 50.0));
    }
}
