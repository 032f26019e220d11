//! How a deployment signs in: costs, lifetimes, limits, where hashing runs and who carries letters.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::Secret;
use crate::value::Time;

/// How a deployment signs in. The default is what is recommended; a test may make hashing cheap.
#[derive(Clone)]
pub struct Policy {
    /// What hashing a password costs.
    pub argon2: Argon2Cost,
    /// How long a session lasts, counted from signing in. Refreshing does not prolong it. 30 days.
    pub session_lifetime: Duration,
    /// How long a refresh token that was replaced still gets the same successor: so that a lost answer signs nobody
    /// out. 10 seconds.
    pub refresh_grace: Duration,
    /// How long an invitation is good. 72 hours.
    pub invitation_lifetime: Duration,
    /// How long a ticket to reset a password is good. 1 hour.
    pub reset_lifetime: Duration,
    /// How often one name may be tried. 10 times in 15 minutes, then not for 15 minutes. A try counts from its
    /// beginning, so that no more than so many of one name can be under way at once.
    pub per_name: Limit,
    /// How often may be tried from one address (of IPv6, one network of 64 bits). 100 times in 15 minutes, then not
    /// for 15 minutes.
    pub per_address: Limit,
    /// How often a ticket to reset a password may be asked for, for one name: 3 times an hour. From one address it may
    /// be as often as [`Policy::per_address`] allows.
    pub resets_per_name: Limit,
    /// Who second factors are shown as issued by. `CRM`.
    pub issuer: String,
    /// Where hashing runs.
    pub worker: Arc<dyn Worker>,
    /// Who carries letters.
    pub mailer: Arc<dyn Mailer>,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        let quarter = |times| Limit { times, window: 15 * MINUTE, lock: 15 * MINUTE };
        Self {
            argon2: Argon2Cost::default(),
            session_lifetime: 30 * 24 * HOUR,
            refresh_grace: Duration::from_secs(10),
            invitation_lifetime: 72 * HOUR,
            reset_lifetime: HOUR,
            per_name: quarter(10),
            per_address: quarter(100),
            resets_per_name: Limit { times: 3, window: HOUR, lock: HOUR },
            issuer: "CRM".to_owned(),
            worker: Arc::new(InPlace),
            mailer: Arc::new(NoMailer),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("argon2", &self.argon2).finish_non_exhaustive()
    }
}

/// What hashing a password with argon2id costs. A password whose hash cost less is hashed again when its user signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB: 19,456. Each sign-in in flight takes so much.
    pub memory_kib: u32,
    /// Passes over it: 2.
    pub passes: u32,
    /// Lanes: 1.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// How often something may be tried in vain before it is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So often,
    pub times: u32,
    /// within so long;
    pub window: Duration,
    /// one more, and nobody may try for so long.
    pub lock: Duration,
}

/// A piece of work that keeps a core busy for some milliseconds.
pub type Work = Box<dyn FnOnce() + Send>;

/// Runs hashing where it keeps no other request waiting: a pool of threads, with a bound on how many run at once (each
/// takes [`Argon2Cost::memory_kib`]).
#[async_trait]
pub trait Worker: Send + Sync {
    /// Does the work, and returns once it is done. Work that is dropped undone is told to the caller as a store that is
    /// unavailable.
    async fn run(&self, work: Work);
}

/// Hashing on the thread that asks: for programs and tests that serve one request at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct InPlace;

#[async_trait]
impl Worker for InPlace {
    async fn run(&self, work: Work) {
        work();
    }
}

/// A letter to a user, with the ticket that lets whoever holds it set the user's password.
#[derive(Clone, Debug)]
pub enum Mail {
    /// Somebody was invited, and is to set their first password.
    Invitation(Letter),
    /// Somebody asked to set a new password.
    PasswordReset(Letter),
}

/// To whom, from where, and the ticket.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The user's e-mail address.
    pub to: String,
    /// The user's name.
    pub name: String,
    /// What the organization is called.
    pub organization: String,
    /// The name it signs in under, where it has one.
    pub slug: Option<String>,
    /// The user's own language, or the organization's.
    pub locale: Option<String>,
    /// What lets its holder set the password, once.
    pub ticket: Secret,
    /// When the ticket ends.
    pub expires_at: Time,
}

/// A letter could not be sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

/// Carries letters. It should hand them over (to a queue, a mail service) and not wait until they are delivered: how
/// long a forgotten password takes would tell whether there is such a user.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a letter.
    ///
    /// # Errors
    /// [`MailError`], in words for whoever runs the deployment. It must not hold the ticket.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;

    /// Takes about as long as sending a letter and sends none: called where somebody asks for a letter to a user that
    /// there is not. Does nothing unless a mailer says otherwise.
    async fn pretend(&self) {}
}

/// Carries nothing: inviting and resetting answer that the letter could not be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn send(&self, _: Mail) -> Result<(), MailError> {
        Err(MailError("no mailer is set up".to_owned()))
    }
}
