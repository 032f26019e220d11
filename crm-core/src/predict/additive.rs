//! The default learner: an additive model with a shape function for each column and interactions of a few pairs of
//! columns.
//!
//! The log-odds of a row are the sum of the contribution of each column's value and of some pairs of values. A shape is
//! a step function over bins or levels. Differences of neighbouring bins, and the weights of levels, are penalised with
//! strengths that are estimated from the training rows (`newton.rs`), so no rows are set aside for tuning, and effects
//! without evidence vanish. The pairs are those with the most unexplained by the shapes alone (`pairs.rs`).

use super::{
    inputs::{Coding, Input, Ready, learn_bins, learn_column_levels},
    model::Term,
    newton::{Block, Part, Penalty, Rows, Shape},
    pairs::{self, Pair},
    table::{Table, Values},
    terms::{Fitted, centred},
};

/// The number of bins of a number, if the limit of coefficients allows it.
const BINS: usize = 32;
/// Names with fewer training rows are pooled.
const RARE: usize = 10;
/// Limits of the coefficients of all names and of all coefficients: the cost of a step grows with their cube.
const MOST_LEVELS: usize = 240;
const MOST_COEFFICIENTS: usize = 480;
/// The limit of rounds of each of the two stages; about ten are needed.
const ROUNDS: usize = 16;
/// Weights are rounded to millionths of log-odds, to keep serialized models short.
const FINENESS: f64 = 1e6;

/// Fits the model to these rows.
pub(super) fn fit(table: &Table, columns: &[usize], rows: &[usize]) -> Fitted {
    let outcome: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(table.outcome()[*row]))).collect();
    let inputs = inputs(table, columns, rows);
    let codes: Vec<Vec<u16>> = inputs
        .iter()
        .zip(columns)
        .map(|(input, column)| match input.coding.ready(Some(&table.columns()[*column]), rows) {
            Ready::Codes(codes) => codes,
            Ready::Scores(_) => unreachable!("an additive model reads codes only"),
        })
        .collect();

    let mut shapes = shapes(&inputs, &codes, rows.len());
    let mut seen = Rows::new(outcome);
    shapes.weights[0] = seen.base();
    settle(std::slice::from_mut(&mut shapes), &mut seen);

    let pairs = pairs::find(&inputs, &codes, seen.outcome(), &seen.missed().collect::<Vec<_>>());
    let mut blocks: Vec<Block> = pairs.iter().map(|pair| of_pair(pair, &inputs, &codes)).collect();
    blocks.push(shapes);
    if blocks.len() > 1 {
        settle(&mut blocks, &mut seen);
    }

    let shapes = blocks.pop().expect("it was put there");
    let mut intercept = shapes.weights[0];
    let mut terms = Vec::new();
    let mut from = 1;
    for (input, codes) in codes.iter().enumerate() {
        let width = inputs[input].coding.width();
        let (values, mean) = centred(&shapes.weights[from..from + width], codes, FINENESS, true);
        terms.push(Term::Shape { input, values });
        intercept += mean;
        from += width;
    }
    for (pair, block) in pairs.into_iter().zip(blocks) {
        let cells = pair.cells(&codes);
        let (values, mean) = centred(&block.weights, &cells, FINENESS, false);
        // A pair without evidence in the rows is dropped.
        if values.iter().any(|value| *value != 0.0) {
            terms.push(Term::Pair { one: pair.one, two: pair.two, values });
        }
        intercept += mean;
    }
    Fitted { intercept, inputs, terms }
}

/// Returns bins and levels, as fine as the rows and the limits allow.
fn inputs(table: &Table, columns: &[usize], rows: &[usize]) -> Vec<Input> {
    let levels = learn_column_levels(table, columns, rows, RARE, MOST_LEVELS);
    let taken: usize = levels.iter().flatten().map(Coding::width).sum();
    let numbers = levels.iter().filter(|levels| levels.is_none()).count().max(1);
    let bins = (MOST_COEFFICIENTS.saturating_sub(taken) / numbers).clamp(6, BINS);
    columns
        .iter()
        .zip(levels)
        .map(|(column, levels)| {
            let column = &table.columns()[*column];
            let coding = match (&column.values, levels) {
                (Values::Number(numbers), _) => learn_bins(numbers, rows, bins),
                (Values::Category(_), levels) => levels.expect("categories have levels"),
            };
            Input { column: column.name.clone(), coding }
        })
        .collect()
}

/// Returns the intercept and a shape for each column, to be solved jointly.
fn shapes(inputs: &[Input], codes: &[Vec<u16>], rows: usize) -> Block {
    let mut parts = vec![Part::Codes { codes: vec![0; rows], width: 1 }];
    let mut penalties = Vec::new();
    let mut from = 1;
    for (input, codes) in inputs.iter().zip(codes) {
        let width = input.coding.width();
        parts.push(Part::Codes { codes: codes.clone(), width });
        let to = from + width;
        if input.coding.is_ordered() {
            penalties.push(Penalty::new(from..to - 1, Shape::Walk, 10.0, true));
            // The bin of missing values has no neighbours.
            penalties.push(Penalty::new(to - 1..to, Shape::Ridge, 1.0, false));
        } else {
            penalties.push(Penalty::new(from..to, Shape::Ridge, 1.0, true));
        }
        from = to;
    }
    Block::new(parts, penalties)
}

fn of_pair(pair: &Pair, inputs: &[Input], codes: &[Vec<u16>]) -> Block {
    let width = pair.size();
    let shape = Shape::Grid {
        columns: usize::from(pair.two.size),
        down: inputs[pair.one.input].coding.is_ordered(),
        across: inputs[pair.two.input].coding.is_ordered(),
    };
    let penalty = Penalty::new(0..width, shape, 10.0, true);
    Block::new(vec![Part::Codes { codes: pair.cells(codes), width }], vec![penalty])
}

/// Solves the blocks in turn until the weights and the penalty strengths converge.
fn settle(blocks: &mut [Block], rows: &mut Rows) {
    for round in 0..ROUNDS {
        let (mut decrement, mut change) = (0.0, 0.0_f64);
        for block in &mut *blocks {
            decrement += block.step(rows).decrement;
            // The first steps are too far from the optimum to estimate strengths from.
            change = change.max(if round > 0 { block.relearn() } else { f64::INFINITY });
        }
        // Converged: changes below one nat over all rows and below half a coefficient are within noise.
        if decrement < 1.0 && change < 0.5 {
            break;
        }
    }
}
