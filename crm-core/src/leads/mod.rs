//! Leads: potential customers.

pub mod convert;
mod record;
mod rules;
mod stages;

pub use convert::{ConvertLead, Converted, Target};
pub use record::*;

use crate::{
    engine::access::{
        BuiltInRole,
        built_in::{WRITE, sold_by},
    },
    model::{
        access::{Grant, Scope},
        value::Kind,
    },
};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("leads").kinds(&[Kind::Lead]).grants(grants)
}

/// The permissions of built-in roles.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::Marketing => Grant::of(Kind::Lead, &WRITE, Scope::All),
        role => sold_by(Kind::Lead, role),
    }
}
