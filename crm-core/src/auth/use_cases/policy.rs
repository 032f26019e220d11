//! The authentication policy of a deployment: hashing cost, lifetimes, limits, the worker that runs hashing and the
//! mailer that sends emails.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::Secret;
use crate::model::value::Time;

/// The authentication policy of a deployment. The default is the recommended policy; tests can use cheap hashing.
#[derive(Clone)]
pub struct Policy {
    /// The cost of hashing a password.
    pub argon2: Argon2Cost,
    /// Lifetime of a session from sign-in. Refreshing does not extend it. 30 days.
    pub session_lifetime: Duration,
    /// The period in which a replaced refresh token returns the same successor, so that a lost response does not sign
    /// the user out. 10 seconds.
    pub refresh_grace: Duration,
    /// Lifetime of an invitation. 72 hours.
    pub invitation_lifetime: Duration,
    /// Lifetime of a password reset token. 1 hour.
    pub reset_lifetime: Duration,
    /// Limit of attempts per name: 10 in 15 minutes, then locked for 15 minutes. An attempt counts from its start, so
    /// no more than this many can run concurrently for one name.
    pub per_name: Limit,
    /// Limit of attempts per address (per /64 network for IPv6): 100 in 15 minutes, then locked for 15 minutes.
    pub per_address: Limit,
    /// Limit of password reset requests per name: 3 per hour. For an address, [`Policy::per_address`] applies.
    pub resets_per_name: Limit,
    /// The issuer shown for second factors. `CRM`.
    pub issuer: String,
    /// The worker that runs hashing.
    pub worker: Arc<dyn PasswordHasher>,
    /// The mailer that sends emails.
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

/// The cost of hashing a password with argon2id. A password with a cheaper hash is hashed again when its user signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB: 19,456. Each concurrent sign-in uses this amount.
    pub memory_kib: u32,
    /// Number of passes: 2.
    pub passes: u32,
    /// Number of lanes: 1.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// A limit of attempts, and the lockout that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of attempts.
    pub times: u32,
    /// The period in which they are counted.
    pub window: Duration,
    /// The duration of the lockout.
    pub lock: Duration,
}

/// Work that occupies a CPU core for some milliseconds.
pub type HashingTask = Box<dyn FnOnce() + Send>;

/// Runs password hashing off the serving threads: a thread pool with limited concurrency (each hash uses
/// [`Argon2Cost::memory_kib`]).
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Runs the work and returns when it is done. If the work is dropped without having run, the caller receives the
    /// error of an unavailable store.
    async fn run(&self, work: HashingTask);
}

/// Hashes on the calling thread, for programs and tests that handle one request at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct InPlace;

#[async_trait]
impl PasswordHasher for InPlace {
    async fn run(&self, work: HashingTask) {
        work();
    }
}

/// An email to a user, with a token that lets its holder set the user's password.
#[derive(Clone, Debug)]
pub enum Mail {
    /// Invites a user to set their first password.
    Invitation(Email),
    /// Lets a user set a new password.
    PasswordReset(Email),
}

/// The recipient, the organization and the token of an email.
#[derive(Clone, Debug)]
pub struct Email {
    /// The user's email address.
    pub to: String,
    /// The user's name.
    pub name: String,
    /// The name of the organization.
    pub organization: String,
    /// The slug of the organization, if it has one.
    pub slug: Option<String>,
    /// The language of the user or, if unset, of the organization.
    pub locale: Option<String>,
    /// The reset or invitation token, which lets its holder set the password, once.
    pub ticket: Secret,
    /// When the token expires.
    pub expires_at: Time,
}

/// An email could not be sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

/// Sends emails. It should hand them over (to a queue, a mail service) and not wait for delivery: the duration of a
/// reset request would reveal whether the user exists.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends an email.
    ///
    /// # Errors
    /// [`MailError`], with a message for the operator of the deployment. It must not contain the token.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;

    /// Takes about as long as sending an email and sends none. It is called when an email is requested for a user who
    /// does not exist. The default implementation does nothing.
    async fn pretend(&self) {}
}

/// Sends nothing: invitations and resets fail because no email can be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn send(&self, _: Mail) -> Result<(), MailError> {
        Err(MailError("no mailer is set up".to_owned()))
    }
}
