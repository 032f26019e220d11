//! The pipelines of a new organization.

use crate::model::records::pipeline::{ForecastCategory, NewPipeline, PipelineKind, Stage, StageKind};

/// new → contacted → qualified → converted, and unqualified.
pub(crate) fn lead_pipeline() -> NewPipeline {
    NewPipeline {
        name: "Leads".into(),
        kind: PipelineKind::Lead,
        is_default: true,
        position: 1,
        stages: vec![
            Stage::new("new", "New", StageKind::Open, 5),
            Stage::new("contacted", "Contacted", StageKind::Open, 15),
            Stage::new("qualified", "Qualified", StageKind::Open, 40),
            Stage::new("converted", "Converted", StageKind::Won, 100),
            Stage::new("unqualified", "Unqualified", StageKind::Lost, 0),
        ],
        ..NewPipeline::default()
    }
}

/// prospecting 10 %, qualification 25 %, proposal 50 %, negotiation 75 %, closed won and closed lost; a loss requires
/// its reason.
pub(crate) fn deal_pipeline() -> NewPipeline {
    let forecast = |mut stage: Stage, category| {
        stage.forecast_category = category;
        stage
    };
    NewPipeline {
        name: "Sales".into(),
        kind: PipelineKind::Deal,
        is_default: true,
        position: 1,
        stages: vec![
            Stage::new("prospecting", "Prospecting", StageKind::Open, 10),
            Stage::new("qualification", "Qualification", StageKind::Open, 25),
            forecast(Stage::new("proposal", "Proposal", StageKind::Open, 50), ForecastCategory::BestCase),
            forecast(Stage::new("negotiation", "Negotiation", StageKind::Open, 75), ForecastCategory::Commit),
            forecast(Stage::new("closed_won", "Closed won", StageKind::Won, 100), ForecastCategory::Commit),
            forecast(
                Stage::new("closed_lost", "Closed lost", StageKind::Lost, 0).requires(&["close_reason"]),
                ForecastCategory::Omitted,
            ),
        ],
        ..NewPipeline::default()
    }
}
