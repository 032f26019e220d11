//! Credentials: what a user signs in with. The log holds only that it changed.

use crate::model::{
    schema::record,
    value::{Choice, Id, Kind, Time, choices},
};

choices! {
    /// What a single-use ticket is for.
    #[derive(Default)]
    pub enum TicketPurpose {
        /// To set the first password.
        #[default]
        Invitation = "invitation",
        /// To set a new one in place of a forgotten one.
        PasswordReset = "password_reset",
    }
}

record! {
    /// What a user signs in with. Its id is the user's. Everything in it is written by use cases of sign-in alone.
    Credential, NewCredential, CredentialPatch, CredentialFields {
        made_by_use_cases: true,
        own: [], team: [],
        person {}
        read_only {
            /// Whose.
            user_id: Option<Id> = FieldType::Id(Kind::User), [];
            /// The password's hash, in PHC form.
            password_hash: Option<String> = Text(MAX_TEXT), [secret];
            /// When the password was set.
            password_set_at: Option<Time> = FieldType::Time, [];
            /// The secret of the second factor, in base 32.
            totp_secret: Option<String> = Text(MAX_TEXT), [secret];
            /// Since when the second factor is asked for; `None` while it waits to be confirmed, or there is none.
            totp_since: Option<Time> = FieldType::Time, [];
            /// Hashes of the recovery codes that are left.
            recovery_codes: Vec<String> = Texts(20, 64), [secret];
            /// The hash of the single-use ticket that was last given out.
            ticket_hash: Option<String> = Text(64), [secret];
            /// What the ticket is for.
            ticket_purpose: TicketPurpose = FieldType::Choice(TicketPurpose::NAMES), [];
            /// When the ticket ends.
            ticket_expires_at: Option<Time> = FieldType::Time, [];
            /// Which generation of sessions is good: counted up, it ends all that were begun before, in one write and
            /// without a list of them.
            session_generation: i64 = Int(0, i64::MAX), [];
        }
        machine {
            /// The last time step whose code was taken: none is taken twice.
            totp_step: Option<i64> = Int(0, i64::MAX), [] from [];
        }
        derived {}
        indexes {}
    }
}
