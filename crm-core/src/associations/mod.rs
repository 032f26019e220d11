//! Associations: labelled links between two records, with roles and dates.

mod of;
mod record;
mod rules;

pub use record::*;

use crate::{
    engine::access::{BuiltInRole, built_in::KEEP},
    model::{
        access::{Action, Grant, Scope},
        value::Kind,
    },
};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("associations").kinds(&[Kind::Association]).grants(grants)
}

/// The permissions of built-in roles.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    let actions: &[Action] = match role {
        BuiltInRole::Admin => &[],
        BuiltInRole::Support => &[Action::Read],
        BuiltInRole::Analyst => &[Action::Read, Action::Report],
        BuiltInRole::SalesManager | BuiltInRole::SalesRep | BuiltInRole::Marketing => &KEEP,
    };
    Grant::of(Kind::Association, actions, Scope::All)
}
