//! Why a sign-in, a token or a key was refused. The words are the same whoever asks and whatever is wrong: none tells
//! whether a user exists.

use super::policy::MailError;
use crate::{error::Error, value::Time};

/// Why a use case of sign-in was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthError {
    /// No organization, no user, a wrong password, a wrong code, a user who may not sign in: nobody can tell which.
    #[error("the organization, the e-mail address, the password or the code is wrong")]
    InvalidCredentials,
    /// The password is right, and the user has a second factor: ask for its code, and sign in with both.
    #[error("a code of the second factor is needed")]
    CodeRequired,
    /// Too many tries for this name or from this address. Whether the last password was right is not looked at.
    #[error("too many tries: wait until {until}")]
    Locked {
        /// From when on one may try again.
        until: Time,
    },
    /// The token, ticket or key is none, was used up, or was revoked. Sign in again, or ask for another.
    #[error("the token is not valid")]
    InvalidToken,
    /// The token, ticket or key was good, and its time is over. Sign in again, or ask for another.
    #[error("the token has expired")]
    Expired,
    /// Only a user who signed in may do this: no API key, and not the system.
    #[error("this needs a user who has signed in")]
    NotSignedIn,
    /// What was asked is done, but for the letter, which could not be sent. Ask for it again.
    #[error("the letter could not be sent: {0}")]
    Mail(#[from] MailError),
    /// What any use case may be refused for: invalid input (a password that is too short), a missing permission, a
    /// store out of reach.
    #[error(transparent)]
    Crm(#[from] Error),
}
