//! Teams: groups of users, in a tree.

mod rules;

pub use crate::model::records::team::*;

use crate::{
    engine::access::{BuiltInRole, built_in::shared},
    model::{
        access::{Action, Grant, Scope},
        value::Kind,
    },
};

/// What it adds to the engine.
pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("teams").kinds(&[Kind::Team]).grants(grants)
}

/// What built-in roles may do with them.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    let mut grants = shared(Kind::Team);
    if role == BuiltInRole::SalesManager {
        grants.extend(Grant::of(Kind::Team, &[Action::Update], Scope::Team));
    }
    grants
}
