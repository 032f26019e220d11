//! The warnings of a model: columns that leak the outcome, drift, and a model without predictive power.

use std::collections::HashMap;

use crm_core::predict::{
    AfterOutcome, Cell, Exclusion, Kind, Leak, LeakReason, Learner, Options, Order, Report, Split, Suspicion, Table,
    TableBuilder, Trained, train,
};

use super::data::{bank, chance, folder, leads, xedu};

fn plain(table: &Table, split: Split) -> Trained {
    let learner = Learner::Logistic { c: 1.0 };
    let options = Options { split: Some(split), learner, both_ways: false, resamplings: 0, ..Options::default() };
    train(table, &options).expect("it trains")
}

fn named(leaks: &[Leak]) -> Vec<&str> {
    leaks.iter().map(|leak| leak.column.as_str()).collect()
}

fn excluded(report: &Report, why: Exclusion) -> Vec<&str> {
    report.excluded.iter().filter(|one| one.why == why).map(|one| one.column.as_str()).collect()
}

#[test]
fn columns_filled_in_by_the_sales_team_are_named() {
    let Some(table) = xedu(|_| true) else { return };
    let report = plain(&table, Split::Fnv).report;
    let leaks = named(&report.leakage);
    for column in ["Tags", "Lead Quality", "Last Activity", "Last Notable Activity"] {
        assert!(leaks.contains(&column), "{column} is not in {leaks:?}");
    }
    assert_eq!(leaks[0], "Tags");
    assert_eq!(report.leakage[0].suspicion, Suspicion::Likely);
    for column in ["Lead Origin", "Lead Source", "City", "Country", "TotalVisits", "Do Not Email"] {
        assert!(!leaks.contains(&column), "{column} is honest, and in {leaks:?}");
    }
    // docs/prediction.md explains why a table alone does not show these.
    assert!(!leaks.iter().any(|column| column.starts_with("Asymmetrique")), "{leaks:?}");
    assert_eq!(excluded(&report, Exclusion::Identifier), ["Prospect ID", "Lead Number"]);
    assert_eq!(excluded(&report, Exclusion::Constant).len(), 5);
}

#[test]
fn what_is_known_only_afterwards_is_named_and_drift_is_told() {
    let Some(table) = bank(|_| true) else { return };
    let report = plain(&table, Split::Fnv).report;
    assert_eq!(named(&report.leakage), ["duration"]);
    assert_eq!(report.leakage[0].suspicion, Suspicion::Likely);
    let drift = report.drift.expect("the order is known");
    assert!(drift.base_rate_moved);
    assert_eq!(format!("{:.3} {:.3}", drift.before, drift.after), "0.058 0.254");
    assert_eq!(drift.tenths.len(), 10);
    let moved: Vec<&str> = drift.columns.iter().map(|column| column.column.as_str()).collect();
    assert!(moved.contains(&"month") && moved.contains(&"poutcome"), "{moved:?}");
    assert!(!moved.contains(&"age") && !moved.contains(&"job"), "{moved:?}");
}

#[test]
fn without_it_nothing_is_named() {
    let Some(table) = bank(|name| name != "duration") else { return };
    assert_eq!(named(&plain(&table, Split::Fnv).report.leakage), [""; 0]);
}

/// The closed deals of a sales team, oldest engagement first, with the month of closing if requested.
fn deals(with_closing_month: bool) -> Option<Table> {
    let path = folder("maven")?.join("sales_pipeline.csv");
    let mut reader = csv::Reader::from_path(path).expect("the file is there");
    let heading = reader.headers().expect("a heading").clone();
    let at = |name: &str| heading.iter().position(|column| column == name).expect("the column is there");
    let mut rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    rows.retain(|row| ["Won", "Lost"].contains(&&row[at("deal_stage")]));
    rows.sort_by_key(|row| row[at("engage_date")].to_owned());
    let mut names = vec!["agent", "product", "account", "engaged"];
    names.extend(with_closing_month.then_some("closed"));
    let columns = names.into_iter().map(|name| (name, Kind::Category));
    let mut builder = TableBuilder::new(columns).expect("no two columns have one name").order(Order::OldestFirst);
    for row in &rows {
        let text = |name: &str| Cell::Text(&row[at(name)]);
        let month = |name: &str| Cell::Text(&row[at(name)][..7]);
        let mut cells = vec![text("sales_agent"), text("product"), text("account"), month("engage_date")];
        cells.extend(with_closing_month.then(|| month("close_date")));
        builder.push(&cells, &row[at("deal_stage")] == "Won").expect("it fits");
    }
    // A change log shows when the month of closing was set.
    if with_closing_month {
        let all = AfterOutcome { filled: rows.len(), after: rows.len() };
        builder.known_after("closed", all).expect("the column is there");
    }
    Some(builder.build())
}

#[test]
fn deals_that_nothing_tells_apart_are_not_scored() {
    let Some(table) = deals(false) else { return };
    assert_eq!(table.rows(), 6711);
    for learner in [Learner::Additive, Learner::Logistic { c: 1.0 }] {
        for split in [Split::Time, Split::Random { seed: 0 }, Split::Random { seed: 3 }, Split::Fnv] {
            let options =
                Options { split: Some(split), learner, both_ways: false, resamplings: 0, ..Options::default() };
            let trained = train(&table, &options).expect("it trains");
            let verdict = trained.report.evaluation.verdict;
            assert!(!verdict.confident, "{learner:?} {split:?}: {verdict:?}");
            let cells = vec![Cell::Missing; trained.model.columns().len()];
            let prediction = trained.model.predict(&cells).expect("as many cells as columns");
            assert!(!prediction.confident && prediction.contributions.is_empty());
            assert!((prediction.probability - trained.report.evaluation.base_rate).abs() < f64::EPSILON);
            let all = trained.model.probabilities(&trained.model.prepare(&table));
            assert!(all.iter().all(|probability| probability.to_bits() == prediction.probability.to_bits()));
        }
    }
}

#[test]
fn the_month_of_closing_is_known_only_afterwards() {
    let Some(table) = deals(true) else { return };
    let report = plain(&table, Split::Fnv).report;
    assert_eq!(named(&report.leakage), ["closed"]);
    assert_eq!(report.leakage[0].suspicion, Suspicion::Likely);
    assert_eq!(report.leakage[0].reasons[0], LeakReason::WrittenAfter { share: 1.0 });
}

/// The change log shows leaks that no rule finds in a table.
#[test]
fn the_change_log_sees_what_a_bare_table_hides() {
    let table = |known: Option<AfterOutcome>| {
        let columns = [("visits", Kind::Number), ("profile", Kind::Category)];
        let mut builder = TableBuilder::new(columns).expect("no two columns have one name");
        for row in 0..600 {
            let came = chance(row, 1) < 0.4;
            // Weak, as fields filled in afterwards can be: 55 against 45 of a hundred.
            let profile = if chance(row, 2) < if came { 0.55 } else { 0.45 } { "high" } else { "low" };
            builder.push(&[Cell::Number(chance(row, 3).round()), Cell::Text(profile)], came).expect("it fits");
        }
        if let Some(known) = known {
            builder.known_after("profile", known).expect("the column is there");
        }
        builder.build()
    };
    let leaks = |known| plain(&table(known), Split::Fnv).report.leakage;
    assert_eq!(leaks(None), []);
    assert_eq!(leaks(Some(AfterOutcome { filled: 600, after: 20 })), [], "now and then somebody corrects one");
    let some = leaks(Some(AfterOutcome { filled: 600, after: 60 }));
    assert_eq!((named(&some), some[0].suspicion), (vec!["profile"], Suspicion::Possible));
    let most = leaks(Some(AfterOutcome { filled: 600, after: 500 }));
    assert_eq!(most[0].suspicion, Suspicion::Likely);
    assert_eq!(most[0].reasons, [LeakReason::WrittenAfter { share: 500.0 / 600.0 }]);
}

/// The presence of a value can leak the outcome, and so can a single value.
#[test]
fn being_filled_in_and_values_that_are_proof_are_named() {
    let columns = [("lost reason", Kind::Category), ("won by", Kind::Category), ("size", Kind::Category)];
    let mut builder = TableBuilder::new(columns).expect("no two columns have one name");
    for row in 0..2000 {
        let came = chance(row, 1) < 0.3;
        let lost =
            if came || chance(row, 2) < 0.5 { Cell::Missing } else { Cell::Text(["price", "time"][row as usize % 2]) };
        let won = if came && chance(row, 3) < 0.2 { "handshake" } else { ["call", "mail"][row as usize / 2 % 2] };
        let size = ["small", "large"][row as usize / 4 % 2];
        builder.push(&[lost, Cell::Text(won), Cell::Text(size)], came).expect("it fits");
    }
    let leaks = plain(&builder.build(), Split::Fnv).report.leakage;
    let by_name: HashMap<&str, &Leak> = leaks.iter().map(|leak| (leak.column.as_str(), leak)).collect();
    let mut names: Vec<&&str> = by_name.keys().collect();
    names.sort_unstable();
    assert_eq!(names, [&"lost reason", &"won by"]);
    assert!(by_name["lost reason"].reasons.iter().any(|reason| matches!(reason, LeakReason::FilledTells { .. })));
    let proof = |reason: &LeakReason| matches!(reason, LeakReason::Proof { value, .. } if value == "handshake");
    assert!(by_name["won by"].reasons.iter().any(proof), "{:?}", by_name["won by"]);
}

/// Without a known order no drift is reported.
#[test]
fn without_an_order_there_is_no_drift() {
    let ordered = train(&leads(400), &Options::default()).expect("it trains").report;
    assert_eq!(ordered.evaluation.split, Split::Time);
    assert_eq!(ordered.other.map(|other| other.split), Some(Split::Random { seed: 0 }));
    let drift = ordered.drift.expect("the order is known");
    assert!(!drift.base_rate_moved && drift.columns.is_empty(), "nothing moves in them: {drift:?}");

    let mut builder = TableBuilder::new([("visits", Kind::Number)]).expect("one column");
    for row in 0..400 {
        builder.push(&[Cell::Number((chance(row, 1) * 5.0).floor())], chance(row, 2) < 0.5).expect("it fits");
    }
    let bare = train(&builder.build(), &Options::default()).expect("it trains").report;
    assert_eq!((bare.evaluation.split, bare.other, bare.drift), (Split::Random { seed: 0 }, None, None));
}
