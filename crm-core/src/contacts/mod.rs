//! Contacts: people outside the organization.

mod record;
mod rules;

pub use record::*;

use crate::{
    engine::access::{
        BuiltInRole,
        built_in::{WRITE, sold_by},
    },
    model::{
        access::{Action, Grant, Scope},
        filter::Filter,
        value::Kind,
    },
};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("contacts").kinds(&[Kind::Contact]).grants(grants)
}

/// The permissions of built-in roles.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::Marketing => Grant::of(Kind::Contact, &WRITE, Scope::All),
        BuiltInRole::Support => {
            let customers = Some(Filter::eq("lifecycle", "customer"));
            vec![Grant { condition: customers, ..Grant::new(Kind::Contact, Action::Read, Scope::All) }]
        }
        role => sold_by(Kind::Contact, role),
    }
}
