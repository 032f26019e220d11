//! Teams: groups of users, organized as a tree.

mod rules;

pub use crate::model::records::team::*;

use crate::{
    engine::access::{BuiltInRole, built_in::shared},
    model::{
        access::{Action, Grant, Scope},
        value::Kind,
    },
};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("teams").kinds(&[Kind::Team]).grants(grants)
}

/// The permissions of built-in roles.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    let mut grants = shared(Kind::Team);
    if role == BuiltInRole::SalesManager {
        grants.extend(Grant::of(Kind::Team, &[Action::Update], Scope::Team));
    }
    grants
}
