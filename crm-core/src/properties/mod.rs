//! Custom properties: fields that a tenant adds to a kind at run time.

pub mod record;
mod rules;

pub use record::*;

pub mod typing;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("properties")
        .kinds(&[crate::value::Kind::Property])
        .grants(|_| crate::access::built_in::shared(crate::value::Kind::Property))
}
