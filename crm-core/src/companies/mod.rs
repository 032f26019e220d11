//! Companies: businesses that are customers or potential ones.

pub(crate) mod name;
mod record;
mod rules;
pub(crate) mod shared_hosts;

pub use record::*;

use crate::{
    engine::access::{BuiltInRole, built_in::sold_by},
    model::{
        access::{Action, Grant, Scope},
        filter::Filter,
        value::Kind,
    },
};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("companies").kinds(&[crate::model::value::Kind::Company]).grants(grants)
}

/// The permissions of built-in roles.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::Marketing => Grant::of(Kind::Company, &[Action::Read], Scope::All),
        BuiltInRole::Support => {
            let customers = Some(Filter::eq("lifecycle", "customer"));
            vec![Grant { condition: customers, ..Grant::new(Kind::Company, Action::Read, Scope::All) }]
        }
        role => sold_by(Kind::Company, role),
    }
}
