//! Deals: sales opportunities.

mod record;
mod rules;
mod stages;

pub use record::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("deals")
        .kinds(&[crate::model::value::Kind::Deal])
        .grants(|role| crate::engine::access::built_in::sold_by(crate::model::value::Kind::Deal, role))
}
