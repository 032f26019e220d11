//! Throttles: failed sign-ins counted in the store, so that they are counted across all processes.

use crate::model::{schema::record, value::Time};

record! {
    /// Failed sign-ins of one name or from one address. Its id is made from a hash of it, so that it is found by one
    /// read and says nothing about who tried.
    Throttle, NewThrottle, ThrottlePatch, ThrottleFields {
        forgotten_at: expires_at,
        made_by_use_cases: true,
        own: [], team: [],
        person {}
        read_only {}
        machine {
            /// When it may be forgotten.
            expires_at: Option<Time> = FieldType::Time, [] from [];
            /// How many were tried within the window and did not succeed.
            failures: i64 = Int(0, i64::MAX), [] from [];
            /// When the window began.
            window_began_at: Option<Time> = FieldType::Time, [] from [];
            /// Until when nobody may try.
            locked_until: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes {}
    }
}
