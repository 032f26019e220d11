//! Exchange rates: what one unit of a currency was worth in the base currency, by day.

pub mod record;
mod rules;

pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("rates")
        .kinds(&[crate::value::Kind::Rate])
        .grants(|_| crate::access::built_in::shared(crate::value::Kind::Rate))
}
