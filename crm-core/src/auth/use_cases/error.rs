//! The errors of authentication. A message is the same for every cause, so that none reveals whether a user exists.

use super::policy::MailError;
use crate::model::{error::Error, value::Time};

/// The error of an authentication use case.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The organization does not exist, the user does not exist or may not sign in, or the password or the code is
    /// wrong. The error does not reveal which.
    #[error("the organization, email address, password or code is wrong")]
    InvalidCredentials,
    /// The password is correct and the user has a second factor: sign in with both the password and a code.
    #[error("a second-factor code is required")]
    CodeRequired,
    /// Too many attempts for this name or from this address. The last password was not checked.
    #[error("too many attempts: try again after {until}")]
    Locked {
        /// When attempts are possible again.
        until: Time,
    },
    /// The token or key is malformed, unknown, used or revoked. Sign in again, or request another.
    #[error("the token is not valid")]
    InvalidToken,
    /// The token or key has expired. Sign in again, or request another.
    #[error("the token has expired")]
    Expired,
    /// The use case requires a user who has signed in; API keys and the system are refused.
    #[error("this requires a signed-in user")]
    NotSignedIn,
    /// The use case was committed, but its email could not be sent. Request it again.
    #[error("the email could not be sent: {0}")]
    Mail(#[from] MailError),
    /// An error of any use case: invalid input (such as a password that is too short), a missing permission, an
    /// unavailable store.
    #[error(transparent)]
    Crm(#[from] Error),
}
