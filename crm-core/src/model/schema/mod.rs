//! Declarations: the fields and indexes of each kind of record. The struct, its patch, the checks, the filter language
//! and the tables of every store are derived from them.

mod behavior;
mod field;
mod hiding;
mod image;
mod index;
mod kind_decl;
mod record;

pub use behavior::{Behavior, Private, Visibility};
pub use field::{FieldDecl, FieldType, MAX_LONG_TEXT, MAX_MADE, MAX_TEXT, Marks, Section, Source};
pub(crate) use hiding::hidden_with;
pub use image::{Group, Image, Versions};
pub use index::{ARCHIVED, ARCHIVED_WALK, IndexDecl};
pub(crate) use kind_decl::is_field;
pub use kind_decl::{KindDecl, KindParts, common};
pub use record::{Patch, Record, RecordKind, TypedField};

pub(crate) use field::one_line;
pub(crate) use record::{Named, record, record_marks, record_source};
