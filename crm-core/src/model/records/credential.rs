//! Credentials: passwords and second factors of users. The log records only that they changed.

use crate::model::{
    records::user::User,
    schema::record,
    value::{Choice, Id, Kind, Time, choices},
};

choices! {
    /// Purpose of a single-use token.
    #[derive(Default)]
    pub enum TicketPurpose {
        /// Invitation of a new user.
        #[default]
        Invitation = "invitation",
        /// Reset of a forgotten password.
        PasswordReset = "password_reset",
    }
}

record! {
    /// The sign-in data of a user, with the user's id. Only the use cases of sign-in write it.
    Credential, NewCredential, CredentialPatch, CredentialFields {
        made_by_use_cases: true,
        own: [], team: [],
        person {}
        read_only {
            /// User.
            user_id: Option<Id<User>> = FieldType::Id(Kind::User), [];
            /// Hash of the password, in PHC form.
            password_hash: Option<String> = Text(MAX_TEXT), [secret];
            /// Time at which the password was set.
            password_set_at: Option<Time> = FieldType::Time, [];
            /// Secret of the second factor, in base 32.
            totp_secret: Option<String> = Text(MAX_TEXT), [secret];
            /// Time from which the second factor is required; `None` if there is none or it is not confirmed yet.
            totp_since: Option<Time> = FieldType::Time, [];
            /// Hashes of the unused recovery codes.
            recovery_codes: Vec<String> = Texts(20, 64), [secret];
            /// Hash of the invitation or reset token that was issued last.
            ticket_hash: Option<String> = Text(64), [secret];
            /// Purpose of the token.
            ticket_purpose: TicketPurpose = FieldType::Choice(TicketPurpose::NAMES), [];
            /// Expiry time of the token.
            ticket_expires_at: Option<Time> = FieldType::Time, [];
            /// Generation of valid sessions: incrementing it ends all sessions begun before, in one write and without a
            /// list of them.
            session_generation: i64 = Int(0, i64::MAX), [];
        }
        machine {
            /// Last accepted time step of the second factor: no code is accepted twice.
            totp_step: Option<i64> = Int(0, i64::MAX), [] from [];
        }
        derived {}
        indexes {}
    }
}
