//! The roles that come with every organization. What the program gives them, the systems say, in the words of this file; it is
//! stored nowhere: in force in every organization as soon as the program is, less what the organization withholds.

use crate::model::{
    access::{Action, Grant, Scope},
    value::Kind,
};

/// A role that comes with every organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltInRole {
    /// May do everything.
    Admin,
    /// Leads a sales team.
    SalesManager,
    /// Sells.
    SalesRep,
    /// Helps customers.
    Support,
    /// Wins leads.
    Marketing,
    /// Reads and reports.
    Analyst,
}

impl BuiltInRole {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::SalesManager, Self::SalesRep, Self::Support, Self::Marketing, Self::Analyst];

    /// Its key in every organization.
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

    /// What it is called at first.
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

    /// The role of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.key() == key)
    }
}

impl Grant {
    /// Grants of some actions on a kind, over the same records.
    pub fn of(resource: Kind, actions: &[Action], scope: Scope) -> Vec<Self> {
        actions.iter().map(|&action| Self::new(resource, action, scope)).collect()
    }
}

/// Reading all of a kind: what a person must see to work at all, whatever their role.
pub(crate) fn shared(kind: Kind) -> Vec<Grant> {
    Grant::of(kind, &[Action::Read], Scope::All)
}

/// Making, seeing and changing.
pub(crate) const WRITE: [Action; 3] = [Action::Create, Action::Read, Action::Update];
/// All that one does with one's own.
pub(crate) const KEEP: [Action; 4] = [Action::Create, Action::Read, Action::Update, Action::Archive];
/// What one studies records by.
const STUDY: [Action; 3] = [Action::Read, Action::Report, Action::Export];

/// What sales does with a kind of record that it sells by (leads, contacts, companies, deals).
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

/// What everybody does with a kind of record that work is noted in (tasks, interactions, notes).
pub(crate) fn worked_with(kind: Kind, role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::SalesManager => Grant::of(kind, &[&KEEP[..], &STUDY[1..]].concat(), Scope::Team),
        BuiltInRole::SalesRep => Grant::of(kind, &KEEP, Scope::Own),
        BuiltInRole::Support | BuiltInRole::Marketing => Grant::of(kind, &WRITE, Scope::Own),
        BuiltInRole::Analyst => Grant::of(kind, &STUDY, Scope::All),
        BuiltInRole::Admin => Vec::new(),
    }
}
