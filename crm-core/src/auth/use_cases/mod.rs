//! Authentication: passwords, sessions, second factors, API keys, invitations and the security log, as use cases of the
//! core, available without HTTP.
//!
//! The entry point is [`Crm::auth`]. Tokens of sessions, keys and emails are [`Secret`]s that are shown once;
//! the store holds hashes. Every rule is a condition of one commit, and none depends on a list: all sessions of a user
//! end when a generation counter is incremented, attempts are counted before the password is checked, and codes and
//! tokens are accepted once, because the commit that accepts them requires the version it read.
//!
//! ```
//! # use crm_core::{Crm, MemoryStore, auth::{Policy, Secret, SignIn}, organizations::NewOrganization, users::NewUser};
//! # futures::executor::block_on(async {
//! let crm = Crm::new(MemoryStore::new());
//! # let policy = Policy { argon2: crm_core::auth::Argon2Cost { memory_kib: 32, passes: 1, lanes: 1 }, ..Policy::default() };
//! # let _ = "
//! let policy = Policy::default();
//! # ";
//! let organization = NewOrganization { name: "Acme".into(), slug: Some("acme".into()), ..Default::default() };
//! let ada = NewUser { first_name: Some("Ada".into()), email: Some("ada@acme.example".into()), ..Default::default() };
//! let password = Secret::from("a horse of nine colours");
//! crm.auth(&policy).register(organization, ada, &password).await?;
//!
//! let with = SignIn { organization: "acme".into(), email: "ada@acme.example".into(), password, code: None };
//! let signed_in = crm.auth(&policy).sign_in(&with).await?;
//! let lead = crm.leads(&signed_in.actor).create(crm_core::leads::NewLead { name: "Bob".into(), ..Default::default() });
//! # lead.await?;
//! let again = crm.auth(&policy).refresh(&signed_in.refresh_token).await?;
//! assert_eq!(again.session.id, signed_in.session.id);
//! # Ok::<(), crm_core::auth::AuthError>(())
//! # }).unwrap();
//! ```

mod api_keys;
mod common;
mod error;
mod invite;
mod links;
mod log;
mod password;
mod passwords;
mod policy;
mod register;
mod second_factor;
mod secret;
mod sessions;
mod sign_in;
mod throttle;
mod token;
mod totp;
mod tries;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::{
    api_keys::NewKey,
    error::AuthError,
    policy::{
        Argon2Cost, Email, HashingTask, InPlace, Limit, Mail, MailError, Mailer, NoMailer, PasswordHasher, Policy,
    },
    second_factor::SecondFactor,
    secret::Secret,
    sign_in::SignIn,
};
use crate::{
    engine::{
        access::{Access, may_act},
        crm::Crm,
        draft::{self, Draft, Lookup, Options, Outcome, Stop},
        runtime::Engine,
    },
    model::{
        access::Actor,
        change::Origin,
        error::Error,
        records::{organization::Organization, session::Session, user::User},
        schema::{Image, Record},
        store::StoreError,
        value::Id,
    },
};

/// The limit of retries of a contended decision. At least one of the competitors succeeds in each round.
const TRIES: usize = 64;

/// The use cases of authentication.
#[derive(Clone)]
#[must_use]
pub struct Auth<'a> {
    engine: &'a Arc<Engine>,
    policy: &'a Policy,
    origin: Option<Origin>,
}

impl std::fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("policy", &self.policy).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A user who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The actor of the session, as returned by [`Actor::signed_in`].
    pub actor: Actor,
    /// The user's record, as the user may see it.
    pub user: Record<User>,
    /// The organization's record, as the user may see it.
    pub organization: Record<Organization>,
    /// The session. It ends at `expires_at` at the latest.
    pub session: Record<Session>,
    /// The token that refreshes the session, once: [`Auth::refresh`] returns the next.
    pub refresh_token: Secret,
}

impl Crm {
    /// Returns the use cases of authentication, under a policy.
    pub fn auth<'a>(&'a self, policy: &'a Policy) -> Auth<'a> {
        Auth { engine: &self.engine, policy, origin: None }
    }
}

impl Auth<'_> {
    /// Sets the request origin (address and user agent). It is used for sessions, the security log and the attempt
    /// limit per address. Pass the address of the client, not that of a proxy.
    pub fn through(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    fn system(&self, tenant: Id) -> Actor {
        self.acting(&Actor::system(tenant))
    }

    /// Returns the actor, with this request origin if they have none.
    fn acting(&self, actor: &Actor) -> Actor {
        match &self.origin {
            Some(origin) if actor.origin().is_none() => actor.clone().through(origin.clone()),
            _ => actor.clone(),
        }
    }

    /// Decides and commits, and retries on conflicts. Returns the result of the decision that was committed.
    async fn decide<T: Send>(
        &self,
        actor: &Actor,
        hints: &[Lookup],
        decide: impl Fn(&mut Draft<'_>) -> Result<T, Stop> + Send + Sync,
    ) -> Result<(T, Outcome), AuthError> {
        let mut answer = None;
        let mut kept = |draft: &mut Draft<'_>| {
            answer = Some(decide(draft)?);
            Ok(Vec::new())
        };
        let options = Options { tries: Some(TRIES), ..Options::default() };
        match draft::run(self.engine, actor, &options, hints, &mut kept).await {
            Ok(outcome) => Ok((answer.ok_or_else(busy)?, outcome)),
            Err(Error::Conflict { .. }) => Err(busy().into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs CPU-bound work on the policy's worker.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let done = Arc::new(Mutex::new(None));
        let place = Arc::clone(&done);
        let work = Box::new(move || {
            let made = work();
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        });
        self.policy.worker.run(work).await;
        let made = done.lock().unwrap_or_else(PoisonError::into_inner).take();
        made.unwrap_or_else(|| Err(busy().into()))
    }

    /// Builds the response for a user who has signed in.
    fn signed_in(
        &self,
        outcome: &Outcome,
        organization: &Arc<Image>,
        user: &Arc<Image>,
        session: &Arc<Image>,
        refresh_token: Secret,
    ) -> Result<SignedIn, AuthError> {
        let actor = self.acting(&Actor::signed_in(user.tenant, user.id.typed()).in_session(session.id.typed()));
        let authority = outcome.definitions.for_user(&actor, user, outcome.now);
        let access = Access::new(&actor, &authority, outcome.now);
        let (user, organization, session) = (access.mask(user), access.mask(organization), access.mask(session));
        Ok(SignedIn {
            user: Record::from_image(&user).map_err(Error::from)?,
            organization: Record::from_image(&organization).map_err(Error::from)?,
            session: Record::from_image(&session).map_err(Error::from)?,
            actor,
            refresh_token,
        })
    }
}

/// The error for exhausted retries and dropped work: nothing was written, and retrying is safe.
fn busy() -> Error {
    Error::Unavailable(StoreError::unavailable("too much is going on at once"))
}

/// Returns the user who acts in person; API keys and the system are refused.
fn person(actor: &Actor) -> Result<Id, AuthError> {
    actor.user().filter(|_| actor.limits().is_none()).map(Id::erase).ok_or(AuthError::NotSignedIn)
}

/// Returns `true` if the tenant is open.
fn is_open(draft: &Draft<'_>) -> bool {
    draft.cx.definitions.is_open()
}
