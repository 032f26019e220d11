//! One change of one record: who, when, why, through what, and every field's old and new value.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    schema::Group,
    value::{Id, Ref, Time, Value},
};

/// One field's old and new value. Properties are named `properties.key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's name: names, never positions, so that the log outlives declarations.
    pub field: Cow<'static, str>,
    /// Before; missing at a creation. Redacted for a secret.
    pub old: Value,
    /// After. Redacted for a secret.
    pub new: Value,
}

/// Through what a change came, where it was no plain call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// What brought it: `import`, `workflow`, `api_key`, `job`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// Which one: a file and row, a workflow and its version, a key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The address the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The program that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// Characters of each part of an origin.
const ORIGIN_CHARS: usize = 255;

impl Origin {
    /// As the log holds it. A client says what it likes: no NUL and no megabytes of it.
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

    /// The same, with what it leaves out as in another.
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

/// What one change is called within a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeId {
    /// Of which record.
    pub record: Ref,
    /// Of which of its groups.
    pub group: Group,
    /// Which one: the version it led to.
    pub version: u64,
}

/// One change of one group of one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Of which record.
    pub record: Ref,
    /// Of which of its groups.
    pub group: Group,
    /// The version it led to: base + 1.
    pub version: u64,
    /// The commit that brought it.
    pub commit: Id,
    /// When the store learned it. Never runs backwards within a record.
    pub recorded_at: Time,
    /// When it was true.
    pub occurred_at: Time,
    /// Who; `None` for the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Id>,
    /// Why: the use case, such as `create`, `update`, `move_stage`, `convert`, `undo`.
    pub action: Cow<'static, str>,
    /// Through what, where it was no plain call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Arc<Origin>>,
    /// What brought it about, where another change did: which, through what and at what depth. JSON, so that it can grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<serde_json::Value>>,
    /// Every logged field that changed, in declared order.
    pub fields: Vec<FieldChange>,
    /// The other records of the same step, where it touched several (a conversion): undone together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Ref>,
    /// Where the change moves a stage: the pipeline it moves in, by which stage moves are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_move: Option<Id>,
}

impl Change {
    /// What it is called.
    pub fn id(&self) -> ChangeId {
        ChangeId { record: self.record, group: self.group, version: self.version }
    }

    /// True for the change that made the record.
    pub fn is_creation(&self) -> bool {
        self.version == 1 && self.group == Group::Person
    }

    /// The old and new value of a field, where this change touched it.
    pub fn field(&self, name: &str) -> Option<&FieldChange> {
        self.fields.iter().find(|change| change.field == name)
    }

    /// About how many bytes the change needs in a store.
    pub fn size(&self) -> usize {
        160 + self.with.len() * 24
            + self.fields.iter().map(|f| f.field.len() + f.old.size() + f.new.size() + 8).sum::<usize>()
    }
}
