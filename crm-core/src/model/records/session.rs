//! Sessions: where a user is signed in, each a family of refresh tokens that replace one another.

use crate::model::{
    schema::record,
    value::{Id, Kind, Time},
};

record! {
    /// Where a user is signed in. Archived once it is over.
    Session, NewSession, SessionPatch, SessionFields {
        forgotten_at: expires_at,
        made_by_use_cases: true,
        own: [user_id], team: [],
        person {}
        read_only {
            /// Who is signed in.
            user_id: Option<Id> = FieldType::Id(Kind::User), [required];
            /// From which address it was begun.
            address: Option<String> = Text(MAX_TEXT), [personal];
            /// With which program it was begun.
            user_agent: Option<String> = Text(MAX_TEXT), [];
            /// True where the second factor was given.
            second_factor: bool = Bool, [];
            /// Of which generation it is: good only while the user's credential is of the same.
            generation: i64 = Int(0, i64::MAX), [];
            /// When it ends at the latest.
            expires_at: Option<Time> = FieldType::Time, [required];
        }
        machine {
            /// The hash of the refresh token that is good now.
            token_hash: Option<String> = Text(64), [secret] from [];
            /// The hash of the one before it.
            previous_hash: Option<String> = Text(64), [secret] from [];
            /// When the token was last replaced.
            rotated_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { (user_id) -> created_at; }
    }
}
