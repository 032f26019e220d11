//! Users of the CRM. Their credentials are separate records.

mod activity;
mod deactivate;
mod me;
mod rights;
pub(crate) mod rules;

pub use crate::model::records::user::*;
pub use activity::Handover;

use crate::{
    engine::access::{BuiltInRole, built_in::shared},
    model::{
        access::{Action, Grant, Scope},
        value::Kind,
    },
};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("users").kinds(&[Kind::User]).grants(grants).job(deactivate::Deactivate)
}

/// The permissions of built-in roles.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    let mut grants = shared(Kind::User);
    if role == BuiltInRole::SalesManager {
        grants.extend(Grant::of(Kind::User, &[Action::Create, Action::Update], Scope::Team));
    }
    grants
}
