//! Deals: sales opportunities.

pub mod record;
mod rules;
mod stages;

pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("deals")
        .kinds(&[crate::value::Kind::Deal])
        .grants(|role| crate::access::built_in::sold_by(crate::value::Kind::Deal, role))
}
