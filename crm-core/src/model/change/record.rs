//! A change of one record: the user, time, action and origin, and the old and new value of every changed field.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::model::{
    records::{pipeline::Pipeline, user::User},
    schema::Group,
    store::CommitId,
    value::{Id, Ref, Time, Value},
};

/// The old and new value of one field. Custom properties are named `properties.key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The name of the field rather than its position, so that the log does not depend on declarations.
    pub field: Cow<'static, str>,
    /// The previous value; null for a creation, redacted for a secret.
    pub old: Value,
    /// The new value; redacted for a secret.
    pub new: Value,
}

/// The origin of a change that was not a plain call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The kind of origin: `import`, `workflow`, `api_key`, `job`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The specific origin: a file and row, a workflow and its version, the id of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The address of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The user agent of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// The maximum number of characters in each part of an origin.
const ORIGIN_CHARS: usize = 255;

impl Origin {
    /// Returns the origin as the log stores it, without NUL and truncated, since clients choose its content.
    #[must_use]
    pub(crate) fn plain(self) -> Self {
        let plain = |text: Option<String>| -> Option<String> {
            text.map(|text| text.chars().filter(|&c| c != '\0').take(ORIGIN_CHARS).collect())
        };
        Self {
            through: plain(self.through),
            detail: plain(self.detail),
            address: plain(self.address),
            user_agent: plain(self.user_agent),
        }
    }

    /// Returns this origin with missing parts taken from another.
    #[must_use]
    pub(crate) fn or(self, other: &Self) -> Self {
        let Self { through, detail, address, user_agent } = self;
        Self {
            through: through.or_else(|| other.through.clone()),
            detail: detail.or_else(|| other.detail.clone()),
            address: address.or_else(|| other.address.clone()),
            user_agent: user_agent.or_else(|| other.user_agent.clone()),
        }
    }
}

/// The identifier of a change within a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeId {
    /// The changed record.
    pub record: Ref,
    /// The changed group of fields.
    pub group: Group,
    /// The resulting version.
    pub version: u64,
}

/// A change of one group of fields of one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The changed record.
    pub record: Ref,
    /// The changed group of fields.
    pub group: Group,
    /// The resulting version: base + 1.
    pub version: u64,
    /// The commit.
    pub commit: CommitId,
    /// The time at which the store recorded the change. Never decreases within a record.
    pub recorded_at: Time,
    /// The time at which the change took effect.
    pub occurred_at: Time,
    /// The user who made the change; `None` for the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Id<User>>,
    /// The use case, such as `create`, `update`, `move_stage`, `convert`, `undo`.
    pub action: Cow<'static, str>,
    /// The origin, if the change was not a plain call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Arc<Origin>>,
    /// The change that caused this one, if any: its id, mechanism and depth. JSON, so that it can be extended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<serde_json::Value>>,
    /// All logged fields that changed, in declared order.
    pub fields: Vec<FieldChange>,
    /// The other records changed in the same step (such as a conversion). They are undone together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Ref>,
    /// The pipeline of a stage move; stage moves are listed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_move: Option<Id<Pipeline>>,
}

impl Change {
    /// Returns the id of the change.
    pub fn id(&self) -> ChangeId {
        ChangeId { record: self.record, group: self.group, version: self.version }
    }

    /// Returns `true` if the change created the record.
    pub fn is_creation(&self) -> bool {
        self.version == 1 && self.group == Group::User
    }

    /// Returns the old and new value of a field, if the change includes it.
    pub fn field(&self, name: &str) -> Option<&FieldChange> {
        self.fields.iter().find(|change| change.field == name)
    }

    /// Estimates the size of the change in a store, in bytes.
    pub fn size(&self) -> usize {
        160 + self.with.len() * 24
            + self.fields.iter().map(|f| f.field.len() + f.old.size() + f.new.size() + 8).sum::<usize>()
    }
}
