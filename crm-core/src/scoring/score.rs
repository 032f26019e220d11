//! A score and its contributions.

use std::sync::Arc;

use serde::Serialize;

use super::model::On;
use crate::{
    interactions::Interaction,
    model::{
        records::pipeline::Stage,
        value::{Id, Ref, Time, Value, choices},
    },
    tasks::Task,
};

choices! {
    /// Source of a contribution.
    pub enum Source {
        /// A rule about the record.
        Rule = "rule",
        /// A behavior.
        Behavior = "behavior",
        /// The cap of a group.
        Cap = "cap",
        /// The floor of a group.
        Floor = "floor",
    }
}

/// The figures of a score, in thousandths of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Points {
    /// Sum of all groups.
    pub total: i64,
    /// Sum of the groups that measure fit.
    pub fit: i64,
    /// Sum of the groups that measure engagement.
    pub engagement: i64,
    /// Grade for fit and engagement, such as `A1`; missing if the model has no matrix.
    pub grade: Option<String>,
    /// `true` if the total reaches the model's threshold.
    pub is_hot: bool,
}

/// The score of a record at a time, with its contributions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The record.
    pub record: Ref,
    /// Model and version, such as `starter@3`.
    pub model: String,
    /// The time of the score.
    pub at: Time,
    /// The time up to which recorded changes were considered.
    pub known_at: Time,
    /// The figures.
    #[serde(flatten)]
    pub points: Points,
    /// The contributions, which sum to the total exactly, as far as the actor may see them.
    pub contributions: Vec<Contribution>,
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The group's key.
    pub group: Arc<str>,
    /// The key of the rule or behavior; missing for a cap or floor.
    pub rule: Option<Arc<str>>,
    /// Source of the contribution.
    pub source: Source,
    /// Points in thousandths.
    pub points: i64,
    /// The facts behind the contribution. Facts that the actor may not see are omitted.
    pub facts: Vec<Fact>,
}

/// A fact behind a contribution.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The value of a field.
    Field {
        /// The record that has the field.
        on: On,
        /// The name of the field, or `properties.key`.
        field: Arc<str>,
        /// The value.
        #[serde(serialize_with = "plain")]
        value: Value,
    },
    /// A completed interaction.
    Interaction {
        /// The id of the interaction.
        id: Id<Interaction>,
        /// The time at which it took place.
        at: Time,
    },
    /// The entry into a stage.
    Stage {
        /// The id of the stage.
        id: Id<Stage>,
        /// The time of entry.
        at: Time,
    },
    /// An open task.
    Task {
        /// The id of the task.
        id: Id<Task>,
        /// The due date.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<Time>,
    },
    /// A fact that the actor may not see.
    Hidden,
}

/// Serializes a value in the JSON form of its field.
fn plain<S: serde::Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_json().serialize(serializer)
}
