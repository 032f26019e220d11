//! Teams: groups of users, in a tree.

pub mod record;
mod rules;

pub use record::*;

use crate::{
    access::{Action, BuiltInRole, Grant, Scope, built_in::shared},
    value::Kind,
};

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("teams").kinds(&[Kind::Team]).grants(grants)
}

/// What built-in roles may do with them.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    let mut grants = shared(Kind::Team);
    if role == BuiltInRole::SalesManager {
        grants.extend(Grant::of(Kind::Team, &[Action::Update], Scope::Team));
    }
    grants
}
