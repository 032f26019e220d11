//! Invalid tables and options: each has a defined result.

use crm_core::predict::{
    AfterOutcome, Cell, Exclusion, Kind, Learner, Minimum, ModelError, Options, Order, Split, Table, TableBuilder,
    TableError, TrainError, train,
};

use super::data::{chance, dice, leads};

/// A table with one valid column, and the given numbers of outcomes.
fn outcomes(positives: u32, negatives: u32) -> Table {
    let mut builder = TableBuilder::new([("visits", Kind::Number)]).expect("one column");
    for row in 0..positives + negatives {
        // Spread evenly over the rows.
        let came = row * positives / (positives + negatives) != (row + 1) * positives / (positives + negatives);
        let visits = (chance(row, 1) * 5.0).floor() + if came { 2.0 } else { 0.0 };
        builder.push(&[Cell::Number(visits)], came).expect("it fits");
    }
    builder.build()
}

fn error(table: &Table, options: &Options) -> TrainError {
    train(table, options).expect_err("it is refused")
}

#[test]
fn too_little_is_refused_and_said() {
    let options = Options::default();
    assert_eq!(error(&outcomes(0, 0), &options), TrainError::NoOutcomes);
    assert_eq!(error(&outcomes(50, 49), &options), TrainError::TooFewOutcomes { found: 99, needed: 100 });
    let one_kind = error(&outcomes(0, 500), &options);
    assert_eq!(one_kind, TrainError::TooFewOfOneKind { came_true: true, found: 0, needed: 30 });
    assert_eq!(one_kind.to_string(), "0 outcomes are positive, but training requires 30 of each class");
    assert_eq!(
        error(&outcomes(71, 29), &options),
        TrainError::TooFewOfOneKind { came_true: false, found: 29, needed: 30 }
    );
    assert!(train(&outcomes(70, 30), &options).is_ok());
    // A tenant may require more; it may require less only down to what can be evaluated at all.
    let more = Options { minimum: Minimum { outcomes: 1000, of_each: 30 }, ..Options::default() };
    assert_eq!(error(&outcomes(500, 400), &more), TrainError::TooFewOutcomes { found: 900, needed: 1000 });
    let none = Options { minimum: Minimum { outcomes: 0, of_each: 0 }, ..Options::default() };
    assert_eq!(error(&outcomes(5, 40), &none), TrainError::TooFewOfOneKind { came_true: true, found: 5, needed: 10 });
    assert!(train(&outcomes(20, 20), &none).is_ok());
}

#[test]
fn options_that_cannot_be_are_refused() {
    let table = outcomes(100, 100);
    for c in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-310] {
        let options = Options { learner: Learner::Logistic { c }, ..Options::default() };
        assert!(matches!(error(&table, &options), TrainError::Penalty(_)), "{c}");
    }
    let exclude = |name: &str| Options { exclude: vec![name.to_owned()], ..Options::default() };
    assert_eq!(error(&table, &exclude("vists")), TrainError::UnknownColumn("vists".into()));
    assert_eq!(error(&table, &exclude("visits")), TrainError::NoFeatures);
    let by_time = Options { split: Some(Split::Time), ..Options::default() };
    assert_eq!(error(&table, &by_time), TrainError::OrderUnknown);
}

/// All positive outcomes are the newest rows: a split by time leaves nothing to learn from.
#[test]
fn a_division_that_separates_the_kinds_is_refused() {
    let mut builder = TableBuilder::new([("visits", Kind::Number)]).expect("one column").order(Order::OldestFirst);
    for row in 0..200 {
        builder.push(&[Cell::Number((chance(row, 1) * 5.0).floor())], row >= 150).expect("it fits");
    }
    let table = builder.build();
    let refused = error(&table, &Options::default());
    assert_eq!(refused, TrainError::OneSided { held_back: false, positives: 0, negatives: 140 });
    assert_eq!(refused.to_string(), "divided this way, the training rows hold 0 positive and 140 negative outcomes");
    // With a random split it works, and the report has no comparison with the other split.
    let by_chance = Options { split: Some(Split::Random { seed: 3 }), ..Options::default() };
    assert_eq!(train(&table, &by_chance).expect("it trains").report.other, None);
}

#[test]
fn rows_and_columns_must_fit() {
    assert_eq!(
        TableBuilder::new([("a", Kind::Number), ("a", Kind::Category)]).expect_err("twice"),
        TableError::DuplicateColumn("a".into())
    );
    let mut builder = TableBuilder::new([("a", Kind::Number), ("b", Kind::Category)]).expect("two columns");
    builder.push(&[Cell::Missing, Cell::Missing], true).expect("it fits");
    assert_eq!(builder.push(&[Cell::Missing], true), Err(TableError::Width { row: 1, found: 1, expected: 2 }));
    assert_eq!(builder.known_after("c", AfterOutcome::default()), Err(TableError::UnknownColumn("c".into())));
    assert_eq!(builder.build().rows(), 1, "a row that does not fit leaves nothing behind");
}

/// Cells that are not numbers are missing and counted; columns without information are excluded and named.
#[test]
fn unusable_cells_are_counted_and_empty_columns_named() {
    let columns = [
        ("visits", Kind::Number),
        ("broken", Kind::Number),
        ("empty", Kind::Category),
        ("constant", Kind::Category),
        ("one or none", Kind::Number),
    ];
    for learner in [Learner::Additive, Learner::Logistic { c: 1.0 }] {
        let mut builder = TableBuilder::new(columns).expect("five columns");
        for row in 0..300 {
            let came = chance(row, 1) < 0.5;
            let visits = match row % 10 {
                0 => Cell::Number(f64::NAN),
                1 => Cell::Number(f64::NEG_INFINITY),
                2 => Cell::Text("many"),
                _ => Cell::Number((chance(row, 2) * 4.0).floor() + if came { 2.0 } else { 0.0 }),
            };
            let one_or_none = if chance(row, 3) < 0.5 { Cell::Number(7.0) } else { Cell::Missing };
            let cells = [visits, Cell::Number(f64::INFINITY), Cell::Text(""), Cell::Text("same"), one_or_none];
            builder.push(&cells, came).expect("it fits");
        }
        let trained = train(&builder.build(), &Options { learner, ..Options::default() }).expect("it trains");
        let report = trained.report;
        assert_eq!(report.unusable, [("visits".to_owned(), 90), ("broken".to_owned(), 300)]);
        let why: Vec<(&str, Exclusion)> = report.excluded.iter().map(|one| (one.column.as_str(), one.why)).collect();
        let mut expected =
            vec![("broken", Exclusion::Empty), ("empty", Exclusion::Empty), ("constant", Exclusion::Constant)];
        // With missing values replaced by the median, the column is constant for the plain learner; the additive one
        // sees that it is missing.
        if learner != Learner::Additive {
            expected.push(("one or none", Exclusion::Constant));
        }
        assert_eq!(why, expected, "{learner:?}");
        assert!(trained.model.is_confident(), "{:?}", report.evaluation.verdict);
    }
}

/// A value not seen in training contributes nothing (additive), or counts as none of the known values (plain).
#[test]
fn unseen_names_have_an_answer() {
    let additive = train(&leads(800), &Options::default()).expect("it trains").model;
    let row = |source| [Cell::Number(5.0), Cell::Number(40.0), Cell::Text(source), Cell::Text("small")];
    let contribution = |source: &'static str| {
        let prediction = additive.predict(&row(source)).expect("four cells");
        prediction.contributions.iter().find(|one| one.column == "source" && one.with.is_none()).map(|one| one.log_odds)
    };
    assert_eq!(contribution("carrier pigeon"), Some(0.0));
    assert_ne!(contribution("referral"), Some(0.0));

    let learner = Learner::Logistic { c: 1.0 };
    let plain = train(&leads(800), &Options { learner, ..Options::default() }).expect("it trains").model;
    let log_odds = |source| plain.predict(&row(source)).expect("four cells").log_odds;
    assert_eq!(log_odds("carrier pigeon").to_bits(), log_odds("").to_bits(), "no row was without a source either");
    assert_eq!(
        plain.predict(&row("web")[..3]).expect_err("a cell is missing"),
        ModelError::Width { found: 3, expected: 4 }
    );
}

/// Extreme numbers do not overflow.
#[test]
fn huge_numbers_are_learned_from() {
    let mut builder = TableBuilder::new([("huge", Kind::Number), ("tiny", Kind::Number)]).expect("two columns");
    for row in 0..400 {
        let came = chance(row, 1) < 0.5;
        let sign = if came == (chance(row, 2) < 0.8) { 1.0 } else { -1.0 };
        let cells = [Cell::Number(sign * 1e308 * chance(row, 3)), Cell::Number(sign * 5e-324)];
        builder.push(&cells, came).expect("it fits");
    }
    let table = builder.build();
    for learner in [Learner::Additive, Learner::Logistic { c: 1.0 }] {
        let trained = train(&table, &Options { learner, ..Options::default() }).expect("it trains");
        assert!(trained.report.evaluation.metrics.log_loss.is_finite(), "{learner:?}");
        assert!(trained.held_back.iter().all(|row| row.probability.is_finite()), "{learner:?}");
    }
    let additive = train(&table, &Options::default()).expect("it trains");
    assert!(additive.report.evaluation.metrics.auc > Some(0.7));
}

/// A thousand values are pooled as far as the rows justify, and the model stays small.
#[test]
fn many_names_are_pooled() {
    let mut builder = TableBuilder::new([("town", Kind::Category), ("visits", Kind::Number)]).expect("two columns");
    let towns: Vec<String> = (0..1000).map(|at| format!("Town {at}")).collect();
    for row in 0..3000 {
        // A few towns are large.
        let town = if chance(row, 1) < 0.5 { row as usize % 5 } else { dice(row, 2, 999) };
        let came = chance(row, 3) < if town % 5 == 0 { 0.7 } else { 0.3 };
        builder.push(&[Cell::Text(&towns[town]), Cell::Number((chance(row, 4) * 9.0).floor())], came).expect("it fits");
    }
    let trained = train(&builder.build(), &Options::default()).expect("it trains");
    let crm_core::predict::Coding::Levels { levels, pooled } = &trained.model.parts().inputs[0].coding else {
        panic!("towns are names")
    };
    assert!(levels.len() < 100 && *pooled > 500, "{} kept, {pooled} pooled", levels.len());
    assert!(trained.model.is_confident());
}
