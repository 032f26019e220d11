//! Products: what is sold, as a catalog that quotes and deals refer to.

mod record;
mod rules;

pub use record::*;

use crate::{
    engine::{
        access::{
            BuiltInRole,
            built_in::{KEEP, shared},
        },
        system::System,
    },
    model::{
        access::{Grant, Scope},
        value::Kind,
    },
};

pub(crate) fn system() -> System {
    System::new("products").kinds(&[Kind::Product]).grants(grants)
}

/// Everyone reads the catalog; sales managers maintain it.
fn grants(role: BuiltInRole) -> Vec<Grant> {
    match role {
        BuiltInRole::SalesManager => Grant::of(Kind::Product, &KEEP, Scope::All),
        _ => shared(Kind::Product),
    }
}
