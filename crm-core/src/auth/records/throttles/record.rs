//! Throttles: failed sign-ins, counted in the store and therefore across all processes.

use crate::model::{schema::record, value::Time};

record! {
    /// Failed sign-ins of a name or of a network address. The id is derived from a hash of it: one read finds the
    /// throttle, and the throttle does not reveal who tried to sign in.
    Throttle, NewThrottle, ThrottlePatch, ThrottleFields {
        expires_at: expires_at,
        made_by_use_cases: true,
        own: [], team: [],
        person {}
        read_only {}
        machine {
            /// Time from which the throttle can be removed.
            expires_at: Option<Time> = FieldType::Time, [] from [];
            /// Number of failed attempts within the window.
            failures: i64 = Int(0, i64::MAX), [] from [];
            /// Start of the window.
            window_began_at: Option<Time> = FieldType::Time, [] from [];
            /// Time until which sign-in is locked.
            locked_until: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes {}
    }
}
