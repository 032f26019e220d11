//! The guarantees of a model, whatever it learned: contributions that sum to the score, bit-identical results, and
//! lossless JSON.

use crm_core::predict::{Cell, Learner, Model, ModelError, Options, Parts, Table, Term, Trained, Values, train};
use proptest::prelude::*;

use super::data::leads;

const LEARNERS: [Learner; 2] = [Learner::Additive, Learner::Logistic { c: 1.0 }];

fn trained(rows: u32, learner: Learner) -> Trained {
    train(&leads(rows), &Options { learner, resamplings: 10, ..Options::default() }).expect("it trains")
}

fn cells(table: &Table, row: usize) -> Vec<Cell<'_>> {
    let cell = |values: &'_ Values| match values {
        Values::Number(numbers) => Cell::Number(numbers[row]),
        Values::Category(categories) => match categories.levels.get(categories.codes[row] as usize) {
            Some(level) => Cell::Text(leak(level)),
            None => Cell::Missing,
        },
    };
    table.columns().iter().map(|column| cell(&column.values)).collect()
}

/// Column names of a test live as long as the process.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[test]
fn contributions_sum_to_the_score_and_bulk_is_the_same_bits() {
    for learner in LEARNERS {
        let Trained { model, .. } = trained(1500, learner);
        assert!(model.is_confident());
        let table = leads(1500);
        let prepared = model.prepare(&table);
        let (scores, probabilities) = (model.score(&prepared), model.probabilities(&prepared));
        for row in 0..table.rows() {
            let cells = cells(&table, row);
            let prediction = model.predict(&cells).expect("as many cells as columns");
            let sum = prediction.contributions.iter().fold(prediction.base, |sum, one| sum + one.log_odds);
            assert_eq!(sum.to_bits(), prediction.log_odds.to_bits());
            assert_eq!(sum.to_bits(), scores[row].to_bits());
            assert_eq!(prediction.probability.to_bits(), probabilities[row].to_bits());
        }
    }
}

/// Contributions are relative to the average row of training, so those of a column are zero on average.
#[test]
fn the_base_is_the_average_row() {
    for learner in LEARNERS {
        let Trained { model, .. } = trained(1500, learner);
        let table = leads(1500);
        let count = model.parts().terms.len();
        let mut sums = vec![0.0; count];
        // It was trained on the oldest seven tenths.
        for row in 0..1050 {
            let cells = cells(&table, row);
            let prediction = model.predict(&cells).expect("as many cells as columns");
            sums.iter_mut().zip(&prediction.contributions).for_each(|(sum, one)| *sum += one.log_odds / 1050.0);
        }
        assert!(sums.iter().all(|mean| mean.abs() < 1e-5), "{sums:?}");
    }
}

#[test]
fn the_same_rows_give_the_same_model() {
    for learner in LEARNERS {
        assert_eq!(trained(600, learner), trained(600, learner));
    }
}

/// The learner finds interactions of two columns and non-monotonic effects.
#[test]
fn pairs_and_bends_are_found() {
    let Trained { model, report, .. } = trained(6000, Learner::Additive);
    let pairs: Vec<(&str, &str)> = model
        .parts()
        .terms
        .iter()
        .filter_map(|term| match term {
            Term::Pair { one, two, .. } => {
                let name = |input: usize| model.parts().inputs[input].column.as_str();
                Some((name(one.input), name(two.input)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(pairs.first(), Some(&("source", "size")), "{pairs:?}");
    let plain = trained(6000, Learner::Logistic { c: 1.0 }).report.evaluation.metrics;
    let found = &report.evaluation.metrics;
    assert!(found.auc > plain.auc && found.log_loss < plain.log_loss - 0.01, "{found:?} {plain:?}");
    // With few rows it is not worse than the plain learner.
    let few = |learner| trained(150, learner).report.evaluation.metrics.log_loss;
    assert!(few(Learner::Additive) < few(Learner::Logistic { c: 1.0 }) + 0.05);
}

#[test]
fn json_reads_back_exactly() {
    for learner in LEARNERS {
        let Trained { model, report, .. } = trained(700, learner);
        let text = serde_json::to_string(&model).expect("it is written");
        let again: Model = serde_json::from_str(&text).expect("it is read");
        assert_eq!(again, model);
        assert_eq!(serde_json::to_string(&again).expect("it is written"), text);
        assert!(model.compare(&again).same_scores());
        // Also through a JSON value, as stores keep it.
        let value = serde_json::to_value(&model).expect("it is written");
        assert_eq!(serde_json::from_value::<Model>(value).expect("it is read"), model);
        let report_text = serde_json::to_string(&report).expect("it is written");
        assert_eq!(serde_json::from_str::<crm_core::predict::Report>(&report_text).expect("it is read"), report);
    }
}

#[test]
fn two_models_are_compared_by_what_differs() {
    let one = trained(700, Learner::Logistic { c: 1.0 }).model;
    let exclude = vec!["visits".to_owned()];
    let options = Options { learner: Learner::Logistic { c: 1.0 }, exclude, ..Options::default() };
    let two = train(&leads(700), &options).expect("it trains").model;
    let found = one.compare(&two);
    assert_eq!((found.only_first, found.only_second), (vec!["visits".to_owned()], Vec::new()));
    let visits = found.weights.iter().find(|change| change.column == "visits").expect("it is told");
    assert!(visits.first.is_some_and(|weight| weight > 0.5) && visits.second.is_none());
    assert!(found.weights.iter().any(|change| change.first.is_some() && change.second.is_some()));
    assert!(found.auc.0 > found.auc.1);
    let mut parts = Parts::from(one.clone());
    parts.intercept += 1e-12;
    assert!(!one.compare(&Model::try_from(parts).expect("it fits together")).same_scores());
}

/// Every weight is listed under a readable name.
#[test]
fn weights_are_listed_by_name() {
    let Trained { model, .. } = trained(6000, Learner::Additive);
    let weights = model.weights();
    let count: usize = model
        .parts()
        .terms
        .iter()
        .map(|term| match term {
            Term::Linear { .. } => 1,
            Term::Shape { values, .. } | Term::Pair { values, .. } => values.len(),
        })
        .sum();
    assert_eq!(weights.len(), count);
    let of = |column: &str, values: &str| {
        weights
            .iter()
            .find(|one| one.column == column && one.with.is_none() && one.values == values)
            .map(|one| one.weight)
    };
    assert!(of("source", "referral").is_some_and(|weight| weight > 0.5));
    assert_eq!(of("source", "any other"), Some(0.0));
    assert!(of("visits", "≤ 0").is_some_and(|weight| weight < -0.5));
    assert!(of("minutes", "missing").is_some());
    let pair =
        weights.iter().find(|one| one.with.is_some() && one.values == "fair × large").expect("the pair is listed");
    assert!(pair.weight > 0.5);
}

/// A model read from JSON is consistent, or rejected.
#[test]
fn broken_models_are_refused() {
    let model = trained(6000, Learner::Additive).model;
    let refused = |change: fn(&mut Parts)| {
        let mut parts = Parts::from(model.clone());
        change(&mut parts);
        let text = serde_json::to_string(&parts).expect("it is written");
        assert!(serde_json::from_str::<Model>(&text).is_err(), "it was read");
        Model::try_from(parts).expect_err("it is broken")
    };
    assert_eq!(refused(|parts| parts.format = 2), ModelError::Format(2));
    assert!(matches!(refused(|parts| parts.base_rate = 1.0), ModelError::Broken(_)));
    assert!(matches!(refused(|parts| parts.intercept = f64::NAN), ModelError::Broken(_)));
    assert!(matches!(refused(|parts| parts.inputs.truncate(1)), ModelError::Broken(_)));
    assert!(matches!(
        refused(|parts| if let Term::Shape { values, .. } = &mut parts.terms[0] {
            values.truncate(2);
        }),
        ModelError::Broken(_)
    ));
    assert!(matches!(
        refused(|parts| for term in &mut parts.terms {
            if let Term::Pair { one, .. } = term {
                one.groups[0] = one.size;
            }
        }),
        ModelError::Broken(_)
    ));
    assert!(matches!(
        refused(|parts| for term in &mut parts.terms {
            if let Term::Pair { two, .. } = term {
                two.input = 99;
            }
        }),
        ModelError::Broken(_)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any row has a finite score, and its contributions sum to it.
    #[test]
    fn any_row_has_an_answer(
        rows in prop::collection::vec((any::<f64>(), any::<Option<f64>>(), ".{0,6}", any::<f64>()), 1..8),
    ) {
        static MODELS: std::sync::OnceLock<Vec<Model>> = std::sync::OnceLock::new();
        let models = MODELS.get_or_init(|| LEARNERS.map(|learner| trained(500, learner).model).into());
        for model in models {
            for (visits, minutes, source, size) in &rows {
                let minutes = minutes.map_or(Cell::Missing, Cell::Number);
                let cells = [Cell::Number(*visits), minutes, Cell::Text(source), Cell::Number(*size)];
                let prediction = model.predict(&cells).expect("as many cells as columns");
                let sum = prediction.contributions.iter().fold(prediction.base, |sum, one| sum + one.log_odds);
                prop_assert_eq!(sum.to_bits(), prediction.log_odds.to_bits());
                prop_assert!(prediction.log_odds.is_finite(), "{} of {:?}", prediction.log_odds, cells);
                prop_assert!((0.0..=1.0).contains(&prediction.probability));
            }
        }
    }
}
