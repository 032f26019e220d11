//! Users of the CRM. Their credentials are separate records.

mod activity;
mod deactivate;
mod me;
pub mod record;
mod rights;
pub(crate) mod rules;
pub(crate) mod signed_in;

pub use activity::Handover;
pub use record::*;

use crate::{
    access::{Action, BuiltInRole, Grant, Scope, built_in::shared},
    value::Kind,
};

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("users").kinds(&[Kind::User]).grants(grants).job(deactivate::Deactivate)
}

/// What built-in roles may do with them.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    let mut grants = shared(Kind::User);
    if role == BuiltInRole::SalesManager {
        grants.extend(Grant::of(Kind::User, &[Action::Create, Action::Update], Scope::Team));
    }
    grants
}
