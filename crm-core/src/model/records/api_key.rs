//! API keys: credentials of programs, which act for a user with their own permissions.

use crate::model::{
    schema::record,
    value::{Id, Kind, Time},
};

record! {
    /// What a program signs in with. It may do what its user may, and of that only what its permissions name. Archived
    /// once it is revoked.
    ApiKey, NewApiKey, ApiKeyPatch, ApiKeyFields {
        made_by_use_cases: true,
        own: [user_id], team: [],
        person {
            /// What it is for.
            name: String = Text(MAX_TEXT), [required, searchable];
        }
        read_only {
            /// On whose behalf it acts.
            user_id: Option<Id> = FieldType::Id(Kind::User), [required];
            /// What it may do, such as `lead.read`.
            permissions: Vec<String> = Texts(500, 63), [required];
            /// How it begins, to tell it from others.
            prefix: String = Text(32), [];
            /// The hash of its secret.
            secret_hash: Option<String> = Text(64), [secret];
            /// The hash of the secret before it, good until `previous_until`.
            previous_hash: Option<String> = Text(64), [secret];
            /// Until when the secret before the last rotation is still taken.
            previous_until: Option<Time> = FieldType::Time, [];
            /// When it ends.
            expires_at: Option<Time> = FieldType::Time, [];
        }
        machine {
            /// When it was last used, to the hour.
            last_used_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { () -> name; (user_id) -> name; }
    }
}
