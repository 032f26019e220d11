//! The training report as one JSON object.

use crm_core::predict::{Cell, Coding, Input, Trained};
use serde_json::{Value, json};

use super::reading::Reading;

/// Returns the metrics, the warnings, every weight, and the prediction for every test row, which is the base rate if
/// the model is not better.
pub fn report(reading: &Reading, trained: &Trained, seconds: f64) -> Value {
    let (report, model) = (&trained.report, &trained.model);
    let evaluation = &report.evaluation;
    let metrics = &evaluation.metrics;
    // A model without confidence predicts the same for every row.
    let refused = (!model.is_confident()).then(|| {
        let cells = vec![Cell::Missing; model.columns().len()];
        model.predict(&cells).map_or(evaluation.base_rate, |prediction| prediction.probability)
    });
    let row = |row: &crm_core::predict::HeldBack| {
        json!({
            "row": reading.places[row.row],
            "y": u8::from(row.outcome),
            "p": refused.unwrap_or(row.probability),
        })
    };
    json!({
        "verdict": verdict(trained),
        "auc": metrics.auc,
        "pr_auc": metrics.pr_auc,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier,
        "ece": metrics.ece,
        "base_rate": evaluation.base_rate,
        "base_log_loss": evaluation.base_log_loss,
        "auc_interval": evaluation.auc_interval,
        "log_loss_interval": evaluation.log_loss_interval,
        "gain": evaluation.verdict,
        "top_tenth": metrics.top_tenth,
        "calibration": metrics.calibration,
        "split": evaluation.split,
        "trained_on": evaluation.trained_on,
        "tested_on": metrics.rows,
        "other_split": report.other,
        "leakage": report.leakage,
        "drift": report.drift,
        "seconds": seconds,
        "positive": reading.positive,
        "types": model.parts().inputs.iter().map(typed).collect::<Value>(),
        "excluded": report.excluded,
        "unusable": report.unusable,
        "suspicious": reading.suspicious,
        "weights": model.weights(),
        "test": trained.held_back.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Returns a short statement on whether the model is reliable.
pub fn verdict(trained: &Trained) -> &'static str {
    if trained.model.is_confident() { "better than the base rate" } else { "no better than the base rate" }
}

fn typed(input: &Input) -> Value {
    let kind = if matches!(input.coding, Coding::Levels { .. }) { "category" } else { "number" };
    json!({ "column": input.column, "type": kind })
}
