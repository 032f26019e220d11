//! Records whose score is due again.

use crate::{
    schema::record,
    value::{Choice, Kind, Time},
};

record! {
    /// When the score of a record is due again. Its id is that of the record (or of the scoring model, all of whose records
    /// are due), so that whoever has one has the other.
    Rescoring, NewRescoring, RescoringPatch, RescoringFields {
        own: [], team: [],
        person {}
        read_only {}
        machine {
            /// Of which kind the record is.
            of: Option<Kind> = FieldType::Choice(Kind::NAMES), [] from [];
            /// From when on it is due; missing where nothing will change by itself.
            due_at: Option<Time> = FieldType::Time, [] from [];
            /// Of a model: up to which time of creation its records have been scored.
            reached: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { () -> due_at; }
    }
}
