//! The plain learner: logistic regression with an L2 penalty, solved to the optimum.
//!
//! Numbers are standard scores (missing: the median). Categories are one-hot with missing as its own level, none is
//! dropped, and an unknown name is all zeros. This matches scikit-learn's pipeline of `StandardScaler`, `OneHotEncoder`
//! and `LogisticRegression`, so that results can be compared.

use super::{
    inputs::{Input, Ready, learn_column_levels, learn_standard},
    model::Term,
    newton::{Block, Part, Penalty, Rows, Shape},
    table::{Table, Values},
    terms::{Fitted, centred, rounded},
};

/// The limit of coefficients of all names, beyond which the rarest are pooled: the cost of a step grows with its cube.
const MOST_LEVELS: usize = 1000;
const ROUNDS: usize = 50;
/// The expected improvement below which a step is the last.
const DONE: f64 = 1e-13;
/// Weights are rounded to billionths of log-odds.
const FINENESS: f64 = 1e9;

/// Fits the model to these rows. It minimises the sum of their log-losses + ½ |weights|² / `c`; the intercept is not
/// penalised.
pub(super) fn fit(table: &Table, columns: &[usize], rows: &[usize], c: f64) -> Fitted {
    let outcome: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(table.outcome()[*row]))).collect();
    let levels = learn_column_levels(table, columns, rows, 1, MOST_LEVELS);
    let mut inputs = Vec::new();
    let mut parts = vec![Part::Codes { codes: vec![0; rows.len()], width: 1 }];
    let mut width = 1;
    for (column, levels) in columns.iter().zip(levels) {
        let column = &table.columns()[*column];
        let coding = match (&column.values, levels) {
            (Values::Number(numbers), _) => learn_standard(numbers, rows),
            (Values::Category(_), levels) => levels,
        };
        // Numbers that are constant after replacing missing values carry no information here.
        let Some(coding) = coding else { continue };
        parts.push(match coding.ready(Some(column), rows) {
            Ready::Scores(scores) => Part::Number(scores),
            Ready::Codes(codes) => Part::Codes { codes, width: coding.width() },
        });
        width += coding.width().max(1);
        inputs.push(Input { column: column.name.clone(), coding });
    }
    let penalty = Penalty::new(1..width, Shape::Ridge, 1.0 / c, false);
    let mut block = Block::new(parts, vec![penalty]);
    let mut seen = Rows::new(outcome);
    block.weights[0] = seen.base();
    for _ in 0..ROUNDS {
        if block.step(&mut seen).decrement < DONE {
            break;
        }
    }

    let mut intercept = block.weights[0];
    let mut from = 1;
    let mut terms = Vec::new();
    for (input, part) in block.parts().skip(1).enumerate() {
        let term = match part {
            Part::Number(_) => Term::Linear { input, weight: rounded(block.weights[from], FINENESS) },
            Part::Codes { codes, width } => {
                let (values, mean) = centred(&block.weights[from..from + width], codes, FINENESS, false);
                intercept += mean;
                Term::Shape { input, values }
            }
        };
        from += part.width();
        terms.push(term);
    }
    Fitted { intercept, inputs, terms }
}
