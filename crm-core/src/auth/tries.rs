//! Trying a password: counted, then looked at, then found still to be the user's when what it allows is committed.

use std::sync::Arc;

use super::{
    Auth, AuthError, Secret, log, password,
    throttle::{self, Counter, Verdict},
    token::Seal,
};
use crate::{
    access::Actor,
    credentials::record::CredentialFields,
    draft::{Draft, Lookup, Step, Stop},
    error::Error,
    schema::Image,
    security_events::record::SecurityEventType,
    store::{Claim, Want},
    users::record::UserFields,
    value::{Id, Kind, Ref, Value},
};

/// Whose password is tried.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// The user of a name that was typed; `None` where it can be nobody's.
    Named(Option<Claim>),
    /// A user who is known.
    User(Id),
}

/// A try that was counted.
pub(super) struct Tried {
    /// The user, where there is one.
    pub(super) user: Option<Arc<Image>>,
    /// Their credential, where there is one.
    pub(super) credential: Option<Arc<Image>>,
    /// What it was counted on, the name first.
    pub(super) counters: Vec<Counter>,
}

/// A password that is right.
pub(super) struct Proof {
    /// The hash that it is the password of.
    pub(super) stored: String,
    /// A new hash, where the stored one cost too little.
    pub(super) renewed: Option<String>,
}

impl Auth<'_> {
    /// Counts a try, and reads whose it is.
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
                // Who is asked for the password again has no more tries than who signs in.
                let name = user.at(UserFields::email).as_text().map_or_else(|| user.id.to_string(), str::to_owned);
                counters.push(Counter::name(&Seal::of(draft.cx.definitions)?, &name, per_name));
            }
            // Where there is no user, as much is read: the record of an id that none has.
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

    /// Whether a password is that of a credential. As much work whether there is one or not.
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

    /// The hash of a new password.
    pub(super) async fn hashed(&self, password: &Secret) -> Result<String, AuthError> {
        let (cost, password, salt) = (self.policy.argon2, password.clone(), self.engine.secret()?);
        self.work(move || password::hash(cost, &password, &salt)).await
    }

    /// Has the user who acts prove that it is they, and then decides something on their credential, under the same
    /// version of it. A wrong password is counted and logged.
    ///
    /// # Errors
    /// [`AuthError::NotSignedIn`], [`AuthError::InvalidCredentials`], [`AuthError::Locked`], and what is decided.
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
    /// True while the credential has the password that was proved.
    pub(super) fn is_of(&self, credential: &Image) -> bool {
        credential.at(CredentialFields::password_hash).as_text() == Some(self.stored.as_str())
    }
}

/// Writes on a credential what a use case of sign-in decides.
pub(super) fn set(
    draft: &mut Draft<'_>,
    user: Id,
    action: &'static str,
    own: &[(CredentialFields, Value)],
) -> Result<(), Stop> {
    let own: Vec<(usize, Value)> = own.iter().map(|(field, value)| (*field as usize, value.clone())).collect();
    draft.update_for_rule(Ref::new(Kind::Credential, user), &own, Step::new(action, None))
}

/// The tenant's own words that a password may not be made of.
pub(super) fn own_words(draft: &Draft<'_>, user: &Image) -> Vec<String> {
    let organization = draft.cx.definitions.organization();
    let of_organization = organization.into_iter().flat_map(|org| [Some(org.name.clone()), org.slug.clone()]);
    let of_user = [UserFields::email, UserFields::name].map(|field| user.at(field).as_text().map(str::to_owned));
    of_organization.chain(of_user).flatten().collect()
}

/// Holds a new password to the rules.
pub(super) fn check_new(password: &Secret, words: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    password::check(password, &words)
}
