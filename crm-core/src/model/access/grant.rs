//! Permissions as data: what a role grants, over which records, and which fields it hides.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{
    filter::Filter,
    value::{Kind, choices, structured},
};

choices! {
    /// What may be done with a kind of record.
    pub enum Action {
        /// Make one.
        Create = "create",
        /// See it, list it, count it, read its history.
        Read = "read",
        /// Change it.
        Update = "update",
        /// Archive and restore it.
        Archive = "archive",
        /// Write with an `occurred_at` before now, as imports do.
        Backdate = "backdate",
        /// See it in reports.
        Report = "report",
        /// Take many out at once.
        Export = "export",
        /// Read what is private to its author, for audit.
        ReadPrivate = "read_private",
    }
    /// Over which records a grant holds.
    #[derive(Default)]
    pub enum Scope {
        /// The actor's own, and those shared with the actor.
        #[default]
        Own = "own",
        /// Those of the actor's teams and the teams below them too.
        Team = "team",
        /// All of the tenant's.
        All = "all",
    }
    /// What a field rule does to a field.
    pub enum FieldAccess {
        /// As if the field did not exist.
        Hidden = "hidden",
        /// Seen, not written.
        ReadOnly = "read_only",
    }
}

impl Action {
    /// Every action.
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

/// A resource and an action, written `lead.update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// On what.
    pub resource: Kind,
    /// What.
    pub action: Action,
}

impl Permission {
    /// An action on a kind.
    pub const fn new(resource: Kind, action: Action) -> Self {
        Self { resource, action }
    }

    /// Every permission there is.
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

/// One thing a role allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// On what kind.
    pub resource: Kind,
    /// What.
    pub action: Action,
    /// Over which records.
    pub scope: Scope,
    /// Only where this holds of the record's own fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Filter>,
}

impl Grant {
    /// A grant without a condition.
    pub const fn new(resource: Kind, action: Action, scope: Scope) -> Self {
        Self { resource, action, scope, condition: None }
    }
}

/// A field that a role hides or protects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// Of what kind.
    pub kind: Kind,
    /// The field's name, or `properties.key`.
    pub field: String,
    /// Hidden or read-only.
    pub access: FieldAccess,
}

structured!(FieldRule; whole Grant);
