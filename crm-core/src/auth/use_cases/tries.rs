//! Password verification. An attempt is counted, then checked, and the commit that it allows verifies that the password
//! is still the user's.

use std::sync::Arc;

use super::{
    Auth, AuthError, Secret, log, password,
    throttle::{self, Counter, Verdict},
    token::Seal,
};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::draft::{Draft, Lookup, Step, Stop},
    model::{
        access::Actor,
        error::Error,
        records::{credential::CredentialFields, user::UserFields},
        schema::Image,
        store::{Claim, Want},
        value::{Id, Kind, Ref, Value},
    },
};

/// The user whose password is tried.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// The user of a typed name; `None` if no user can have it.
    Named(Option<Claim>),
    /// A known user.
    User(Id),
}

/// A counted attempt.
pub(super) struct Tried {
    /// The user, if they exist.
    pub(super) user: Option<Arc<Image>>,
    /// Their credential, if it exists.
    pub(super) credential: Option<Arc<Image>>,
    /// The counters of the attempt, that of the name first.
    pub(super) counters: Vec<Counter>,
}

/// A correct password.
pub(super) struct Proof {
    /// The hash it was verified against.
    pub(super) stored: String,
    /// A new hash, if the cost of the stored one is too low.
    pub(super) renewed: Option<String>,
}

impl Auth<'_> {
    /// Counts an attempt, and reads its user.
    ///
    /// # Errors
    /// [`AuthError::Locked`].
    pub(super) async fn count_try(&self, actor: &Actor, who: &Who, counters: &[Counter]) -> Result<Tried, AuthError> {
        let mut hints: Vec<Lookup> = counters.iter().map(|counter| counter.record.into()).collect();
        match who {
            Who::Named(claim) => hints.extend(claim.clone().map(|claim| Lookup::Want(Want::Claimed(claim)))),
            Who::User(id) => hints.extend([Kind::User, Kind::Credential].map(|kind| Ref::new(kind, *id).into())),
        }
        let per_name = self.policy.per_name;
        let decide = |draft: &mut Draft<'_>| {
            let user = match who {
                Who::Named(Some(claim)) => draft.peek_claimed(claim)?,
                Who::Named(None) => None,
                Who::User(id) => draft.peek(Ref::new(Kind::User, *id))?,
            };
            let mut counters = counters.to_vec();
            if let (true, Some(user)) = (counters.is_empty(), &user) {
                // Confirming a password has the same limit as signing in.
                let name = user.at(UserFields::email).as_text().map_or_else(|| user.id.to_string(), str::to_owned);
                counters.push(Counter::name(&Seal::of(draft.cx.definitions)?, &name, per_name));
            }
            // If the user does not exist, the same amount is read: a record with an unused id.
            let nobody = counters.first().map_or(Id::NIL, |counter| counter.record.id);
            let id = user.as_ref().map_or(nobody, |user| user.id);
            let credential = draft.peek(Ref::new(Kind::Credential, id))?;
            let verdict = throttle::count(draft, &counters)?;
            if let Verdict::Locked { just_now: true, .. } = verdict {
                log::add(draft, SecurityEventType::LockedOut, user.as_ref().map(|user| user.id), None)?;
            }
            Ok((Tried { user, credential, counters }, verdict))
        };
        let ((tried, verdict), _) = self.decide(actor, &hints, decide).await?;
        match verdict {
            Verdict::Counted => Ok(tried),
            Verdict::Locked { until, .. } => Err(AuthError::Locked { until }),
        }
    }

    /// Verifies a password against a credential. The work is the same if there is no credential.
    pub(super) async fn prove(
        &self,
        password: &Secret,
        credential: Option<&Image>,
    ) -> Result<Option<Proof>, AuthError> {
        let stored = credential
            .and_then(|credential| credential.at(CredentialFields::password_hash).as_text())
            .map(str::to_owned);
        let (cost, password, salt) = (self.policy.argon2, password.clone(), self.engine.secret()?);
        self.work(move || {
            let right = password::verify(cost, &password, stored.as_deref())?;
            let Some(stored) = stored.filter(|_| right) else { return Ok(None) };
            let outdated = password::is_outdated(cost, &stored);
            let renewed = outdated.then(|| password::hash(cost, &password, &salt)).transpose()?;
            Ok(Some(Proof { stored, renewed }))
        })
        .await
    }

    /// Returns the hash of a new password.
    pub(super) async fn hashed(&self, password: &Secret) -> Result<String, AuthError> {
        let (cost, password, salt) = (self.policy.argon2, password.clone(), self.engine.secret()?);
        self.work(move || password::hash(cost, &password, &salt)).await
    }

    /// Verifies the password of the current user and decides on their credential, under the same version of it. A wrong
    /// password is counted and logged.
    ///
    /// # Errors
    /// [`AuthError::NotSignedIn`], [`AuthError::InvalidCredentials`], [`AuthError::Locked`], and those of the decision.
    pub(super) async fn as_oneself<T: Send>(
        &self,
        actor: &Actor,
        password: &Secret,
        decide: impl Fn(&mut Draft<'_>, &Image) -> Result<Result<T, AuthError>, Stop> + Send + Sync,
    ) -> Result<T, AuthError> {
        let user = super::person(actor)?;
        let actor = self.acting(actor);
        let tried = self.count_try(&actor, &Who::User(user), &[]).await?;
        let known = tried.user.filter(|user| super::may_act(user));
        let proof = self.prove(password, tried.credential.as_deref().filter(|_| known.is_some())).await?;
        let credential = Ref::new(Kind::Credential, user);
        let mut hints: Vec<Lookup> = tried.counters.iter().map(|counter| counter.record.into()).collect();
        hints.push(credential.into());
        let decide = |draft: &mut Draft<'_>| {
            let image = draft.peek(credential)?;
            let proved = image.zip(proof.as_ref());
            let Some((image, _)) = proved.filter(|(image, proof)| proof.is_of(image)) else {
                let detail = Some("asked for the password again");
                log::add(draft, SecurityEventType::SignInFailed, Some(user), detail)?;
                return Ok(Err(AuthError::InvalidCredentials));
            };
            let made = decide(draft, &image)?;
            if made.is_ok() {
                for counter in &tried.counters {
                    throttle::clear(draft, counter)?;
                }
            }
            Ok(made)
        };
        self.decide(&actor, &hints, decide).await?.0
    }
}

impl Proof {
    /// Returns `true` if the credential still has the password that was verified.
    pub(super) fn is_of(&self, credential: &Image) -> bool {
        credential.at(CredentialFields::password_hash).as_text() == Some(self.stored.as_str())
    }
}

/// Writes to a credential.
pub(super) fn set(
    draft: &mut Draft<'_>,
    user: Id,
    action: &'static str,
    own: &[(CredentialFields, Value)],
) -> Result<(), Stop> {
    let own: Vec<(usize, Value)> = own.iter().map(|(field, value)| (*field as usize, value.clone())).collect();
    draft.update_for_rule(Ref::new(Kind::Credential, user), &own, Step::new(action, None))
}

/// Returns the user's own words, which a password may not consist of.
pub(super) fn own_words(draft: &Draft<'_>, user: &Image) -> Vec<String> {
    let organization = draft.cx.definitions.organization();
    let of_organization = organization.into_iter().flat_map(|org| [Some(org.name.clone()), org.slug.clone()]);
    let of_user = [UserFields::email, UserFields::name].map(|field| user.at(field).as_text().map(str::to_owned));
    of_organization.chain(of_user).flatten().collect()
}

/// Checks a new password against the rules.
pub(super) fn check_new(password: &Secret, words: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    password::check(password, &words)
}
