//! Custom properties: fields that a tenant adds to a kind at run time.

mod rules;

pub use crate::model::records::property::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("properties")
        .kinds(&[crate::model::value::Kind::Property])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::Property))
}
