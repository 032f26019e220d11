//! The security log: sign-ins, refusals and the like, which are no change of a record. Only ever added to.

use crate::model::{
    schema::record,
    value::{Choice, Id, Kind, choices},
};

choices! {
    /// What happened.
    #[derive(Default)]
    pub enum SecurityEventType {
        /// A user signed in.
        #[default]
        SignedIn = "signed_in",
        /// Somebody tried to.
        SignInFailed = "sign_in_failed",
        /// Too many tried: nobody may for a while.
        LockedOut = "locked_out",
        /// A user signed out.
        SignedOut = "signed_out",
        /// A refresh token was used a second time: its session was ended.
        TokenReused = "token_reused",
        /// A password was set.
        PasswordSet = "password_set",
        /// A ticket to set a password was asked for.
        PasswordResetAsked = "password_reset_asked",
        /// The second factor was switched on.
        SecondFactorSet = "second_factor_set",
        /// The second factor was switched off.
        SecondFactorRemoved = "second_factor_removed",
        /// A recovery code was used.
        RecoveryCodeUsed = "recovery_code_used",
        /// An API key was made.
        ApiKeyCreated = "api_key_created",
        /// An API key got a new secret.
        ApiKeyRotated = "api_key_rotated",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key_revoked",
        /// Somebody was refused what they asked for.
        AccessRefused = "access_refused",
    }
}

record! {
    /// One entry of the security log. When it happened is its `created_at`.
    SecurityEvent, NewSecurityEvent, SecurityEventPatch, SecurityEventFields {
        made_by_use_cases: true,
        own: [], team: [],
        person {}
        read_only {
            /// What happened.
            event: SecurityEventType = FieldType::Choice(SecurityEventType::NAMES), [required];
            /// Whom it concerns, where it is known.
            user_id: Option<Id> = FieldType::Id(Kind::User), [];
            /// From which address.
            address: Option<String> = Text(MAX_TEXT), [personal];
            /// With which program.
            user_agent: Option<String> = Text(MAX_TEXT), [];
            /// What else there is to say, such as the permission that was missing. Never what was typed as a password.
            detail: Option<String> = Text(MAX_TEXT), [personal];
        }
        machine {}
        derived {}
        indexes { (user_id) -> created_at; (event) -> created_at; }
    }
}
