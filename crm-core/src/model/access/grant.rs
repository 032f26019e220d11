//! Permissions as data: the grants of a role, their scopes, and field rules.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{
    filter::Filter,
    value::{Kind, choices, structured},
};

choices! {
    /// An action on records of a kind.
    pub enum Action {
        /// Create records.
        Create = "create",
        /// Get, list and count records, and read their history.
        Read = "read",
        /// Update records.
        Update = "update",
        /// Archive and restore records.
        Archive = "archive",
        /// Write with an `occurred_at` in the past, as imports do.
        Backdate = "backdate",
        /// Include records in reports.
        Report = "report",
        /// Export records in bulk.
        Export = "export",
        /// Read records that are private to their author, for audits.
        ReadPrivate = "read_private",
    }
    /// The records that a grant covers.
    #[derive(Default)]
    pub enum Scope {
        /// The actor's own records, and those shared with the actor.
        #[default]
        Own = "own",
        /// Also the records of the actor's teams and of the teams below them.
        Team = "team",
        /// All records of the tenant.
        All = "all",
    }
    /// The effect of a field rule on a field.
    pub enum FieldAccess {
        /// The field does not exist for the actor.
        Hidden = "hidden",
        /// The actor can see the field but not write it.
        ReadOnly = "read_only",
    }
}

impl Action {
    /// All actions.
    pub const ALL: &'static [Action] = &[
        Action::Create,
        Action::Read,
        Action::Update,
        Action::Archive,
        Action::Backdate,
        Action::Report,
        Action::Export,
        Action::ReadPrivate,
    ];
}

/// A permission: a resource and an action, written `lead.update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// The kind of record.
    pub resource: Kind,
    /// The action.
    pub action: Action,
}

impl Permission {
    /// Creates the permission for an action on a kind.
    pub const fn new(resource: Kind, action: Action) -> Self {
        Self { resource, action }
    }

    /// Returns all permissions.
    pub fn all() -> impl Iterator<Item = Permission> {
        let resources = Kind::ALL.iter().filter(|kind| !kind.is_internal());
        resources.flat_map(|&resource| Action::ALL.iter().map(move |&action| Permission { resource, action }))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.resource, self.action)
    }
}

impl FromStr for Permission {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        use crate::model::value::Choice;
        text.split_once('.')
            .and_then(|(kind, action)| Some(Permission::new(kind.parse().ok()?, Action::from_name(action)?)))
            .ok_or_else(|| "must be a permission such as lead.update".to_owned())
    }
}

/// One permission granted by a role, with its scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The kind of record.
    pub resource: Kind,
    /// The action.
    pub action: Action,
    /// The records that the grant covers.
    pub scope: Scope,
    /// Limits the grant to records whose own fields match this filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Filter>,
}

impl Grant {
    /// Creates a grant without a condition.
    pub const fn new(resource: Kind, action: Action, scope: Scope) -> Self {
        Self { resource, action, scope, condition: None }
    }
}

/// A rule that hides a field or makes it read-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// The kind of record.
    pub kind: Kind,
    /// The name of the field, or `properties.key`.
    pub field: String,
    /// Whether the field is hidden or read-only.
    pub access: FieldAccess,
}

structured!(FieldRule; whole Grant);
