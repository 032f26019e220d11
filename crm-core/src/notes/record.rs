//! Notes: texts about records.

use crate::model::{
    records::user::User,
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
            /// Title.
            title: Option<String> = Text(MAX_TEXT), [searchable];
            /// Text.
            content: String = LongText, [required, searchable, personal];
            /// `true` if only the author and users with `note.read_private` (for audits) may read it.
            is_private: bool = Bool, [];
            /// `true` if shown first.
            is_pinned: bool = Bool, [];
            /// Linked records; at least one.
            links: Vec<Ref> = Refs(Kind::LINKED, 20), [required];
        }
        read_only {
            /// Author.
            author_id: Option<Id<User>> = FieldType::Id(Kind::User), [];
        }
        machine {}
        derived {}
        indexes { () [links] -> created_at; (author_id) -> created_at; }
    }
}
