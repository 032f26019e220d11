//! The rescore queue: dirty marks of records whose score is due.

use serde::{Deserialize, Serialize};

use crate::model::{
    schema::record,
    store::Position,
    value::{Choice, Kind, Time, structured},
};

/// How far the work of a dirty mark has come: a position in a total order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reached {
    /// The index of the list.
    pub(crate) list: usize,
    /// The position in that list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Position>,
}
structured!(; whole Reached);

record! {
    /// A dirty mark: the time at which the score of a record is due. Its id is that of the record (or of the scoring
    /// model, if all records of the model are due), so that each can be found from the other.
    Rescoring, NewRescoring, RescoringPatch, RescoringFields {
        expires_at: over_at,
        due: due_at,
        own: [], team: [],
        person {}
        read_only {}
        machine {
            /// Kind of the record.
            of: Option<Kind> = FieldType::Choice(Kind::NAMES), [] from [];
            /// Time from which the score is due; missing if it does not change with time.
            due_at: Option<Time> = FieldType::Time, [] from [];
            /// For a model, a contact or a company: how far the dependent records have been processed.
            reached: Option<Reached> = Struct, [] from [];
            /// For a mark that is not due: time from which it can be removed.
            over_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { () -> due_at; }
    }
}
