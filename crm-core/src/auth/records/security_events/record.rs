//! The security log: sign-ins, refusals and other events that are not changes of records. It is append-only.

use crate::model::{
    records::user::User,
    schema::record,
    value::{Choice, Id, Kind, choices},
};

choices! {
    /// Type of a security event.
    #[derive(Default)]
    pub enum SecurityEventType {
        /// A user signed in.
        #[default]
        SignedIn = "signed_in",
        /// A sign-in failed.
        SignInFailed = "sign_in_failed",
        /// Sign-in was locked after too many failures.
        LockedOut = "locked_out",
        /// A user signed out.
        SignedOut = "signed_out",
        /// A refresh token was used a second time, and its session was ended.
        TokenReused = "token_reused",
        /// A password was set.
        PasswordSet = "password_set",
        /// An invitation or password reset was requested.
        PasswordResetAsked = "password_reset_asked",
        /// The second factor was enabled.
        SecondFactorSet = "second_factor_set",
        /// The second factor was disabled.
        SecondFactorRemoved = "second_factor_removed",
        /// A recovery code was used.
        RecoveryCodeUsed = "recovery_code_used",
        /// An API key was created.
        ApiKeyCreated = "api_key_created",
        /// The secret of an API key was rotated.
        ApiKeyRotated = "api_key_rotated",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key_revoked",
        /// A request was refused for missing permissions.
        AccessRefused = "access_refused",
    }
}

record! {
    /// An entry of the security log. Its time is `created_at`.
    SecurityEvent, NewSecurityEvent, SecurityEventPatch, SecurityEventFields {
        made_by_use_cases: true,
        own: [], team: [],
        person {}
        read_only {
            /// Type.
            event: SecurityEventType = FieldType::Choice(SecurityEventType::NAMES), [required];
            /// User concerned, if known.
            user_id: Option<Id<User>> = FieldType::Id(Kind::User), [];
            /// Network address of the client.
            address: Option<String> = Text(MAX_TEXT), [personal];
            /// User agent of the client.
            user_agent: Option<String> = Text(MAX_TEXT), [];
            /// Further details, such as the missing permission. Never an entered password.
            detail: Option<String> = Text(MAX_TEXT), [personal];
        }
        machine {}
        derived {}
        indexes { (user_id) -> created_at; (event) -> created_at; }
    }
}
