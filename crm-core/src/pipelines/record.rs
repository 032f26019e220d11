//! Pipelines: ordered stages for leads or for deals.

use serde::{Deserialize, Serialize};

use crate::{
    filter::Filter,
    schema::record,
    value::{Choice, Id, choices, structured},
};

choices! {
    /// What goes through a pipeline.
    #[derive(Default)]
    pub enum PipelineKind {
        /// Leads.
        Lead = "lead",
        /// Deals.
        #[default]
        Deal = "deal",
    }
    /// What a stage means. Of leads, won is converted and lost is unqualified.
    #[derive(Default)]
    pub enum StageKind {
        /// Still going on.
        #[default]
        Open = "open",
        /// Ended well.
        Won = "won",
        /// Ended badly.
        Lost = "lost",
    }
    /// How sure a forecast is.
    #[derive(Default)]
    pub enum ForecastCategory {
        /// It may come.
        #[default]
        Pipeline = "pipeline",
        /// It comes if all goes well.
        BestCase = "best_case",
        /// It comes.
        Commit = "commit",
        /// It is left out.
        Omitted = "omitted",
    }
}

/// One stage of a pipeline. Its kind never changes: retire it and add another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stage {
    /// Which one; made by the core when nil.
    pub id: Id,
    /// Its stable name, unique in the pipeline.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// Its place in the order.
    pub position: i64,
    /// What it means.
    pub kind: StageKind,
    /// 0 to 100: the share of records here that are won in the end.
    pub probability: i64,
    /// Fields that must be filled to enter.
    pub required_fields: Vec<String>,
    /// Keys of the stages from which it may be entered; empty for any.
    pub allowed_from: Vec<String>,
    /// What must hold of the record to enter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Filter>,
    /// Days after which a record that stays here is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotting_days: Option<i64>,
    /// How sure a forecast is of a record here.
    pub forecast_category: ForecastCategory,
    /// A colour such as `#1a73e8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// True where nothing may enter any more.
    pub retired: bool,
}
structured!(Stage);

impl Stage {
    /// A stage of a key, name, kind and probability.
    pub fn new(key: &str, name: &str, kind: StageKind, probability: i64) -> Self {
        Self { key: key.into(), name: name.into(), kind, probability, ..Self::default() }
    }

    /// Fields that must be filled to enter.
    #[must_use]
    pub fn requires(mut self, fields: &[&str]) -> Self {
        self.required_fields = fields.iter().map(|&field| field.to_owned()).collect();
        self
    }

    /// Keys of the stages from which it may be entered.
    #[must_use]
    pub fn only_from(mut self, keys: &[&str]) -> Self {
        self.allowed_from = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }

    /// What must hold of the record to enter.
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
            /// What it is called, unique per kind.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// What goes through it.
            kind: PipelineKind = FieldType::Choice(PipelineKind::NAMES), [];
            /// True for the one that records of its kind get when they name none.
            is_default: bool = Bool, [];
            /// Its place among the pipelines of its kind.
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
    /// True for what goes on: open, or of a kind that this program does not know.
    pub const fn is_open(self) -> bool {
        matches!(self, StageKind::Open | StageKind::Unknown(_))
    }
}

impl Pipeline {
    /// The stage of an id.
    pub fn stage(&self, id: Id) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// The stage of a key.
    pub fn stage_by_key(&self, key: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.key == key)
    }

    /// The stage new records enter: the first open one that is not retired.
    pub fn first_stage(&self) -> Option<&Stage> {
        self.stages
            .iter()
            .filter(|stage| !stage.retired && stage.kind == StageKind::Open)
            .min_by_key(|stage| stage.position)
    }

    /// The first stage of a kind that is not retired.
    pub fn first_of(&self, kind: StageKind) -> Option<&Stage> {
        self.stages.iter().filter(|stage| !stage.retired && stage.kind == kind).min_by_key(|stage| stage.position)
    }
}
