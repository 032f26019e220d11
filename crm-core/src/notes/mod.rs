//! Notes on records.

pub mod record;
mod rules;

pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("notes")
        .kinds(&[crate::value::Kind::Note])
        .grants(|role| crate::access::built_in::worked_with(crate::value::Kind::Note, role))
}
