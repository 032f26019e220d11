//! Pipelines: ordered stages for leads or for deals.

use serde::{Deserialize, Serialize};

use crate::model::{
    filter::Filter,
    schema::record,
    value::{Choice, Id, choices, structured},
};

choices! {
    /// The kind of records in a pipeline.
    #[derive(Default)]
    pub enum PipelineKind {
        /// Leads.
        Lead = "lead",
        /// Deals.
        #[default]
        Deal = "deal",
    }
    /// The kind of a stage. For leads, won is converted and lost is unqualified.
    #[derive(Default)]
    pub enum StageKind {
        /// Open.
        #[default]
        Open = "open",
        /// Won.
        Won = "won",
        /// Lost.
        Lost = "lost",
    }
    /// Forecast category.
    #[derive(Default)]
    pub enum ForecastCategory {
        /// Possible.
        #[default]
        Pipeline = "pipeline",
        /// Best case.
        BestCase = "best_case",
        /// Committed.
        Commit = "commit",
        /// Omitted from forecasts.
        Omitted = "omitted",
    }
}

/// A stage of a pipeline. Its kind is fixed: retire the stage and add another one instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stage {
    /// Id; generated if nil.
    pub id: Id<Stage>,
    /// Stable key, unique in the pipeline.
    pub key: String,
    /// Name.
    pub name: String,
    /// Position.
    pub position: i64,
    /// Kind.
    pub kind: StageKind,
    /// Win probability of records in this stage, 0 to 100.
    pub probability: i64,
    /// Fields that must be filled to enter the stage.
    pub required_fields: Vec<String>,
    /// Keys of the stages from which the stage can be entered; empty for any.
    pub allowed_from: Vec<String>,
    /// Condition that a record must meet to enter the stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Filter>,
    /// Number of days after which a record in this stage is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotting_days: Option<i64>,
    /// Forecast category of records in this stage.
    pub forecast_category: ForecastCategory,
    /// Color such as `#1a73e8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// `true` if no records can enter.
    pub retired: bool,
}
structured!(Stage);

impl Stage {
    /// Creates a stage with key, name, kind and probability.
    pub fn new(key: &str, name: &str, kind: StageKind, probability: i64) -> Self {
        Self { key: key.into(), name: name.into(), kind, probability, ..Self::default() }
    }

    /// Sets the fields that must be filled to enter the stage.
    #[must_use]
    pub fn requires(mut self, fields: &[&str]) -> Self {
        self.required_fields = fields.iter().map(|&field| field.to_owned()).collect();
        self
    }

    /// Sets the keys of the stages from which the stage can be entered.
    #[must_use]
    pub fn only_from(mut self, keys: &[&str]) -> Self {
        self.allowed_from = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }

    /// Sets the condition that a record must meet to enter the stage.
    #[must_use]
    pub fn gated_by(mut self, gate: Filter) -> Self {
        self.gate = Some(gate);
        self
    }
}

record! {
    /// Ordered stages for leads or for deals.
    Pipeline, NewPipeline, PipelinePatch, PipelineFields {
        definition: true,
        own: [], team: [],
        person {
            /// Name, unique per kind.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// Kind of its records.
            kind: PipelineKind = FieldType::Choice(PipelineKind::NAMES), [];
            /// `true` for the default pipeline of its kind.
            is_default: bool = Bool, [];
            /// Position among the pipelines of its kind.
            position: i64 = Int(0, 10_000), [];
            /// 1 to 50 stages.
            stages: Vec<Stage> = Structs(50), [required];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (kind) -> position; }
    }
}

impl StageKind {
    /// Returns `true` if the kind is open, or unknown to this program.
    pub const fn is_open(self) -> bool {
        matches!(self, StageKind::Open | StageKind::Unknown(_))
    }
}

impl Pipeline {
    /// Returns the stage with this id.
    pub fn stage(&self, id: Id<Stage>) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// Returns the stage with this key.
    pub fn stage_by_key(&self, key: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.key == key)
    }

    /// Returns the stage for new records: the first open one that is not retired.
    pub fn first_stage(&self) -> Option<&Stage> {
        self.stages
            .iter()
            .filter(|stage| !stage.retired && stage.kind == StageKind::Open)
            .min_by_key(|stage| stage.position)
    }

    /// Returns the first stage of a kind that is not retired.
    pub fn first_of(&self, kind: StageKind) -> Option<&Stage> {
        self.stages.iter().filter(|stage| !stage.retired && stage.kind == kind).min_by_key(|stage| stage.position)
    }
}
