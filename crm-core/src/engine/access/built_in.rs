//! The built-in roles of every organization. Their grants are declared by the systems, with the helpers of this module.
//! They are not stored: a new version of the program changes them in every organization, except for permissions that
//! the organization withholds.

use crate::model::{
    access::{Action, Grant, Scope},
    value::Kind,
};

/// A role that every organization has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltInRole {
    /// Has all permissions.
    Admin,
    /// Manages a sales team.
    SalesManager,
    /// Sells to customers.
    SalesRep,
    /// Supports customers.
    Support,
    /// Generates leads.
    Marketing,
    /// Reads, reports on and exports records.
    Analyst,
}

impl BuiltInRole {
    /// All built-in roles.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::SalesManager, Self::SalesRep, Self::Support, Self::Marketing, Self::Analyst];

    /// Returns the key of the role in every organization.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::SalesManager => "sales_manager",
            Self::SalesRep => "sales_rep",
            Self::Support => "support",
            Self::Marketing => "marketing",
            Self::Analyst => "analyst",
        }
    }

    /// Returns the initial name of the role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "Administrator",
            Self::SalesManager => "Sales manager",
            Self::SalesRep => "Sales representative",
            Self::Support => "Support",
            Self::Marketing => "Marketing",
            Self::Analyst => "Analyst",
        }
    }

    /// Returns the role with a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.key() == key)
    }
}

impl Grant {
    /// Creates grants of several actions on a kind, with the same scope.
    pub fn of(resource: Kind, actions: &[Action], scope: Scope) -> Vec<Self> {
        actions.iter().map(|&action| Self::new(resource, action, scope)).collect()
    }
}

/// Grants reading all records of a kind: those that every user needs regardless of role.
pub(crate) fn shared(kind: Kind) -> Vec<Grant> {
    Grant::of(kind, &[Action::Read], Scope::All)
}

pub(crate) const WRITE: [Action; 3] = [Action::Create, Action::Read, Action::Update];
/// All actions of the owner of a record.
pub(crate) const KEEP: [Action; 4] = [Action::Create, Action::Read, Action::Update, Action::Archive];
const STUDY: [Action; 3] = [Action::Read, Action::Report, Action::Export];

/// The grants of sales roles on leads, contacts, companies and deals.
pub(crate) fn sold_by(kind: Kind, role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::SalesManager => {
            let actions = [&KEEP[..], &STUDY[1..], &[Action::Backdate]].concat();
            Grant::of(kind, &actions, Scope::Team)
        }
        BuiltInRole::SalesRep => Grant::of(kind, &[&WRITE[..], &[Action::Report]].concat(), Scope::Own),
        BuiltInRole::Analyst => Grant::of(kind, &STUDY, Scope::All),
        _ => Vec::new(),
    }
}

/// The grants of all roles on tasks, interactions and notes.
pub(crate) fn worked_with(kind: Kind, role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::SalesManager => Grant::of(kind, &[&KEEP[..], &STUDY[1..]].concat(), Scope::Team),
        BuiltInRole::SalesRep => Grant::of(kind, &KEEP, Scope::Own),
        BuiltInRole::Support | BuiltInRole::Marketing => Grant::of(kind, &WRITE, Scope::Own),
        BuiltInRole::Analyst => Grant::of(kind, &STUDY, Scope::All),
        BuiltInRole::Admin => Vec::new(),
    }
}
