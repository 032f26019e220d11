//! Notes: texts about records.

use crate::model::{
    schema::record,
    value::{Id, Kind, Ref},
};

record! {
    /// A text about records.
    Note, NewNote, NotePatch, NoteFields {
        visibility: Visibility::ByLinks(NoteFields::links as usize),
        private: is_private by author_id,
        own: [author_id], team: [],
        person {
            /// A heading.
            title: Option<String> = Text(MAX_TEXT), [searchable];
            /// The text.
            content: String = LongText, [required, searchable, personal];
            /// Only its author may read it (and who has `note.read_private`, for audit).
            is_private: bool = Bool, [];
            /// Shown first.
            is_pinned: bool = Bool, [];
            /// What it is about; at least one record.
            links: Vec<Ref> = Refs(Kind::LINKED, 20), [required];
        }
        read_only {
            /// Who wrote it.
            author_id: Option<Id> = FieldType::Id(Kind::User), [];
        }
        machine {}
        derived {}
        indexes { () [links] -> created_at; (author_id) -> created_at; }
    }
}
