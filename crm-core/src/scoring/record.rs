//! The record of scoring models: named, versioned by its changes, at most one active per kind.

use super::model::ModelDefinition;
use crate::model::{
    schema::record,
    value::{Choice, Kind},
};

record! {
    /// A scoring model. Every change creates a new version; a score names the model's key and version, such as
    /// `starter@3`. Key and kind are fixed.
    ScoringModel, NewScoringModel, ScoringModelPatch, ScoringModelFields {
        definition: true,
        own: [], team: [],
        person {
            /// Key in the names of scores, unique within the organization: up to 40 of a-z, 0-9 and _.
            key: String = Key, [required];
            /// Name.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// Description.
            description: Option<String> = Text(2000), [];
            /// Kind of the scored records: lead, contact, company or deal.
            kind: Option<Kind> = FieldType::Choice(Kind::NAMES), [required];
            /// Definition: groups of rules and behaviors, grade matrix and threshold.
            definition: Option<ModelDefinition> = Struct, [required];
            /// `true` for the model whose scores are stored on records; at most one per kind.
            is_active: bool = Bool, [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (kind) -> name; }
    }
}

impl ScoringModel {
    /// Returns a model of leads to start with, active as soon as it is created: see [`ModelDefinition::starter`].
    pub fn starter() -> NewScoringModel {
        NewScoringModel {
            key: "starter".into(),
            name: "Starter".into(),
            description: Some("Who they are, where they came from, what they did lately.".into()),
            kind: Some(Kind::Lead),
            definition: Some(ModelDefinition::starter()),
            is_active: true,
            ..NewScoringModel::default()
        }
    }

    /// Returns the name of a version in scores.
    pub fn version_name(&self, version: u64) -> String {
        format!("{}@{version}", self.key)
    }
}
