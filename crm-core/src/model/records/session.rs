//! Sessions of users: families of refresh tokens that replace one another.

use crate::model::{
    records::user::User,
    schema::record,
    value::{Id, Kind, Time},
};

record! {
    /// A session of a user. Archived once it is over.
    Session, NewSession, SessionPatch, SessionFields {
        expires_at: expires_at,
        made_by_use_cases: true,
        own: [user_id], team: [],
        person {}
        read_only {
            /// User.
            user_id: Option<Id<User>> = FieldType::Id(Kind::User), [required];
            /// Network address from which the session was started.
            address: Option<String> = Text(MAX_TEXT), [personal];
            /// User agent with which the session was started.
            user_agent: Option<String> = Text(MAX_TEXT), [];
            /// `true` if the second factor was used.
            second_factor: bool = Bool, [];
            /// Generation: the session is valid only while the user's credential has the same one.
            generation: i64 = Int(0, i64::MAX), [];
            /// Latest expiry time.
            expires_at: Option<Time> = FieldType::Time, [required];
        }
        machine {
            /// Hash of the current refresh token.
            token_hash: Option<String> = Text(64), [secret] from [];
            /// Hash of the previous refresh token.
            previous_hash: Option<String> = Text(64), [secret] from [];
            /// Time of the last rotation of the token.
            rotated_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { (user_id) -> created_at; }
    }
}
