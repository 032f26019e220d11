//! Notes on records.

mod record;
mod rules;

pub use record::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("notes")
        .kinds(&[crate::model::value::Kind::Note])
        .grants(|role| crate::engine::access::built_in::worked_with(crate::model::value::Kind::Note, role))
}
