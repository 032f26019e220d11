//! Leads: potential customers.

pub mod convert;
pub mod record;
mod rules;
mod stages;

pub use convert::{ConvertLead, Converted, Target};
pub use record::*;

use crate::{
    access::{
        BuiltInRole, Grant, Scope,
        built_in::{WRITE, sold_by},
    },
    value::Kind,
};

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("leads").kinds(&[Kind::Lead]).grants(grants)
}

/// What built-in roles may do with them.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::Marketing => Grant::of(Kind::Lead, &WRITE, Scope::All),
        role => sold_by(Kind::Lead, role),
    }
}
