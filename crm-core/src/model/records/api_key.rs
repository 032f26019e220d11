//! API keys: credentials of programs, which act for a user with their own permissions.

use crate::model::{
    records::user::User,
    schema::record,
    value::{Id, Kind, Time},
};

record! {
    /// The credential of a program. It has those permissions of its user that its own permissions name. Archived once
    /// it is revoked.
    ApiKey, NewApiKey, ApiKeyPatch, ApiKeyFields {
        made_by_use_cases: true,
        own: [user_id], team: [],
        person {
            /// Name that states the purpose of the key.
            name: String = Text(MAX_TEXT), [required, searchable];
        }
        read_only {
            /// User on whose behalf the key acts.
            user_id: Option<Id<User>> = FieldType::Id(Kind::User), [required];
            /// Permissions, such as `lead.read`.
            permissions: Vec<String> = Texts(500, 63), [required];
            /// Beginning of the key, to tell it from other keys.
            prefix: String = Text(32), [];
            /// Hash of the secret.
            secret_hash: Option<String> = Text(64), [secret];
            /// Hash of the previous secret, valid until `previous_until`.
            previous_hash: Option<String> = Text(64), [secret];
            /// Time until which the secret before the last rotation is accepted.
            previous_until: Option<Time> = FieldType::Time, [];
            /// Expiry time.
            expires_at: Option<Time> = FieldType::Time, [];
        }
        machine {
            /// Time of the last use, to the hour.
            last_used_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { () -> name; (user_id) -> name; }
    }
}
