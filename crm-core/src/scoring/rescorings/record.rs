//! Records whose score is due again.

use serde::{Deserialize, Serialize};

use crate::model::{
    schema::record,
    store::Position,
    value::{Choice, Kind, Time, structured},
};

/// How far the work that a mark asks for has come: a place that is total.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reached {
    /// In which of its lists it is.
    pub(crate) list: usize,
    /// After which place of that list it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Position>,
}
structured!(; whole Reached);

record! {
    /// When the score of a record is due again. Its id is that of the record (or of the scoring model, all of whose records
    /// are due), so that whoever has one has the other.
    Rescoring, NewRescoring, RescoringPatch, RescoringFields {
        forgotten_at: over_at,
        due: due_at,
        own: [], team: [],
        person {}
        read_only {}
        machine {
            /// Of which kind the record is.
            of: Option<Kind> = FieldType::Choice(Kind::NAMES), [] from [];
            /// From when on it is due; missing where nothing will change by itself.
            due_at: Option<Time> = FieldType::Time, [] from [];
            /// Of a model, a contact or a company: how far the records that depend on it have been dealt with.
            reached: Option<Reached> = Struct, [] from [];
            /// Where it is not due: from when on it is of no use.
            over_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { () -> due_at; }
    }
}
