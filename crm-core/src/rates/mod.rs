//! Exchange rates: what one unit of a currency was worth in the base currency, by day.

mod rules;

pub use crate::model::records::rate::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("rates")
        .kinds(&[crate::model::value::Kind::Rate])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::Rate))
}
