//! Scoring models as records: named, versioned by their changes, one of each kind in force.

use super::model::ModelDefinition;
use crate::model::{
    schema::record,
    value::{Choice, Kind},
};

record! {
    /// A scoring model. Every change of it is a new version; a score names the model's key and the version that made it,
    /// such as `starter@3`. Its key and kind never change.
    ScoringModel, NewScoringModel, ScoringModelPatch, ScoringModelFields {
        definition: true,
        own: [], team: [],
        person {
            /// Its name in scores, unique within the organization: up to 40 of a-z, 0-9 and _.
            key: String = Key, [required];
            /// What it is called.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// What it is for.
            description: Option<String> = Text(2000), [];
            /// Which kind of record it scores: lead, contact, company or deal.
            kind: Option<Kind> = FieldType::Choice(Kind::NAMES), [required];
            /// What it says.
            definition: Option<ModelDefinition> = Struct, [required];
            /// Whether its score is the one kept on the records of its kind; at most one model of a kind is.
            is_active: bool = Bool, [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (kind) -> name; }
    }
}

impl ScoringModel {
    /// A sensible model of leads for the first day, in force as soon as it is created: see
    /// [`ModelDefinition::starter`].
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

    /// How scores name a version of it.
    pub fn version_name(&self, version: u64) -> String {
        format!("{}@{version}", self.key)
    }
}
