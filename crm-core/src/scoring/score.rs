//! A score, and what it is made of.

use std::sync::Arc;

use serde::Serialize;

use super::model::On;
use crate::model::value::{Id, Ref, Time, Value, choices};

choices! {
    /// What brought a contribution.
    pub enum Source {
        /// A rule on what the record is.
        Rule = "rule",
        /// What happened.
        Behavior = "behavior",
        /// The group may not come to more.
        Cap = "cap",
        /// The group may not come to less.
        Floor = "floor",
    }
}

/// The figures of a score, in thousandths of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Points {
    /// All groups together.
    pub total: i64,
    /// The groups that measure fit.
    pub fit: i64,
    /// The groups that measure engagement.
    pub engagement: i64,
    /// Fit and engagement, such as `A1`; missing where the model has no matrix.
    pub grade: Option<String>,
    /// Whether the total reaches the model's threshold.
    pub is_hot: bool,
}

/// The score of a record at a moment, with what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Of which record.
    pub record: Ref,
    /// By which model and version, such as `starter@3`.
    pub model: String,
    /// At which moment.
    pub at: Time,
    /// Of what was known by when.
    pub known_at: Time,
    /// The figures.
    #[serde(flatten)]
    pub points: Points,
    /// What they are made of: they sum to the total exactly. As the actor may see them.
    pub contributions: Vec<Contribution>,
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The group's key.
    pub group: Arc<str>,
    /// The key of the rule or behaviour; missing for a cap or floor.
    pub rule: Option<Arc<str>>,
    /// What brought it.
    pub source: Source,
    /// Thousandths of a point.
    pub points: i64,
    /// What it rests on. Facts that the actor may not see are left out.
    pub facts: Vec<Fact>,
}

/// Something a contribution rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A field's value.
    Field {
        /// Of which record.
        on: On,
        /// Its name, or `properties.key`.
        field: Arc<str>,
        /// What it was.
        #[serde(serialize_with = "plain")]
        value: Value,
    },
    /// An interaction took place.
    Interaction {
        /// Which one.
        id: Id,
        /// When.
        at: Time,
    },
    /// A stage was entered.
    Stage {
        /// Which one.
        id: Id,
        /// When.
        at: Time,
    },
    /// A task is open.
    Task {
        /// Which one.
        id: Id,
        /// When it is due.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<Time>,
    },
    /// Something that the actor may not see.
    Hidden,
}

/// A value in its field's own JSON form.
fn plain<S: serde::Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_json().serialize(serializer)
}
