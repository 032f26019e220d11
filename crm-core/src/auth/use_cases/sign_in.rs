//! Signing in with a password and, if enabled, a second factor.

use std::sync::Arc;

use super::{
    Auth, AuthError, Secret, SignedIn, log, second_factor, sessions,
    throttle::{self, Counter},
    token::Seal,
    tries::{self, Proof, Tried, Who},
};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::draft::{Draft, Lookup, Stop, claim_of_value},
    model::{
        records::{credential::CredentialFields, organization::OrganizationFields, user::UserFields},
        schema::Image,
        store::{Claim, Got, Want},
        value::{Id, Kind, Ref, Value, fold, normalize_email},
    },
};

/// The limit of checks of a password whose hash is renewed in the meantime.
const LOOKS: usize = 3;

/// The credentials of a sign-in.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// The organization's slug.
    pub organization: String,
    /// The user's email address.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// The code of the second factor, or a recovery code, if the user has one.
    pub code: Option<Secret>,
}

/// The outcome of a sign-in.
enum Verdict {
    In {
        user: Arc<Image>,
        session: Arc<Image>,
        token: Secret,
    },
    Refused(AuthError),
    /// The password has another hash in the meantime: check it again.
    Changed(Option<Arc<Image>>),
}

impl Auth<'_> {
    /// Signs a user in. Four reads and two commits: the attempt is counted before the password is checked.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`] for any invalid part, [`AuthError::CodeRequired`] if the password is correct
    /// and a second factor is enabled, [`AuthError::Locked`].
    pub async fn sign_in(&self, with: &SignIn) -> Result<SignedIn, AuthError> {
        let Some(organization) = self.organization_by_slug(&with.organization).await? else {
            self.prove(&with.password, None).await?;
            return Err(AuthError::InvalidCredentials);
        };
        let tenant = organization.tenant;
        let system = self.system(tenant);
        let seal = Seal::new(organization.at(OrganizationFields::seal_key).as_text())?;
        let (name, claim) = named(tenant, &with.email);
        let mut counters = vec![Counter::name(&seal, &name, self.policy.per_name)];
        if let Some(address) = system.origin().and_then(|origin| origin.address.as_deref()) {
            counters.push(Counter::address(&seal, "address", address, self.policy.per_address));
        }
        let Tried { user, mut credential, counters } =
            self.count_try(&system, &Who::Named(claim.clone()), &counters).await?;

        let session = self.engine.ids.id(self.engine.clock.now());
        let secret = self.engine.secret()?;
        let mut hints: Vec<Lookup> = counters.iter().map(|counter| counter.record.into()).collect();
        if let Some(user) = &user {
            hints.extend([Kind::User, Kind::Credential].map(|kind| Ref::new(kind, user.id).into()));
        }
        for _ in 0..LOOKS {
            let proof = self.prove(&with.password, credential.as_deref()).await?;
            let decide = |draft: &mut Draft<'_>| {
                let known = user.as_ref().map(|user| user.id).zip(proof.as_ref());
                let Some((user, proof)) = known else {
                    let detail = claim.is_some().then_some(name.as_str());
                    log::add(draft, SecurityEventType::SignInFailed, user.as_ref().map(|user| user.id), detail)?;
                    return Ok(Verdict::Refused(AuthError::InvalidCredentials));
                };
                self.enter(draft, user, proof, with.code.as_ref(), (session, &secret), &counters)
            };
            let (verdict, outcome) = self.decide(&system, &hints, decide).await?;
            match verdict {
                Verdict::In { user, session, token } => {
                    return self.signed_in(&outcome, &organization, &user, &session, token);
                }
                Verdict::Refused(error) => return Err(error),
                Verdict::Changed(image) => credential = image,
            }
        }
        Err(AuthError::InvalidCredentials)
    }

    /// Decides a sign-in with a correct password.
    fn enter(
        &self,
        draft: &mut Draft<'_>,
        id: Id,
        proof: &Proof,
        code: Option<&Secret>,
        session: (Id, &[u8; 32]),
        counters: &[Counter],
    ) -> Result<Verdict, Stop> {
        let refuse = |draft: &mut Draft<'_>, why: &str| {
            log::add(draft, SecurityEventType::SignInFailed, Some(id), Some(why))?;
            Ok(Verdict::Refused(AuthError::InvalidCredentials))
        };
        let user = draft.peek(Ref::new(Kind::User, id))?.ok_or(Stop::not_found(Kind::User))?;
        if !super::is_open(draft) {
            return refuse(draft, "the organization is not active");
        }
        if !super::may_act(&user) {
            return refuse(draft, "the user is not active");
        }
        let credential = draft.peek(Ref::new(Kind::Credential, id))?;
        let Some(credential) = credential.filter(|credential| proof.is_of(credential)) else {
            return Ok(Verdict::Changed(draft.peek(Ref::new(Kind::Credential, id))?));
        };
        let has_second_factor = !credential.at(CredentialFields::totp_since).is_null();
        if has_second_factor {
            let Some(code) = code else { return Ok(Verdict::Refused(AuthError::CodeRequired)) };
            if !second_factor::take_code(draft, &credential, code)? {
                return refuse(draft, "the code of the second factor is wrong");
            }
        }
        if let Some(renewed) = &proof.renewed {
            let own = [(CredentialFields::password_hash, Value::text(renewed.as_str()))];
            tries::set(draft, id, "renew_hash", &own)?;
        }
        for (at, counter) in counters.iter().enumerate() {
            if at == 0 { throttle::clear(draft, counter)? } else { throttle::forgive(draft, counter)? }
        }
        draft.compute(user.reference(), &[(UserFields::last_login_at as usize, Value::Time(draft.cx.now))])?;
        let (session, token) = sessions::begin(draft, self.policy, &credential, session, has_second_factor)?;
        log::add(draft, SecurityEventType::SignedIn, Some(id), None)?;
        let user = draft.peek(user.reference())?.ok_or(Stop::not_found(Kind::User))?;
        Ok(Verdict::In { user, session, token })
    }

    /// Returns the live organization of a slug.
    pub(super) async fn organization_by_slug(&self, slug: &str) -> Result<Option<Arc<Image>>, AuthError> {
        let claim = Claim::new(Id::NIL, Kind::Organization, "slug", &fold(slug.trim()));
        let answer =
            self.engine.store.get(Id::NIL, &[Want::Claimed(claim)]).await.map_err(crate::model::error::Error::from)?;
        Ok(match answer.got.into_iter().next() {
            Some(Got::Record(organization)) => organization,
            _ => None,
        })
    }
}

/// Returns the name under which attempts are counted, and the claim that finds its user. Text that is not an email
/// address may be a password typed into the wrong field, so only addresses are logged.
pub(super) fn named(tenant: Id, email: &str) -> (String, Option<Claim>) {
    match normalize_email(&email.chars().take(320).collect::<String>()) {
        Ok(email) => {
            let claim = claim_of_value(tenant, Kind::User, "email", &Value::text(email.as_str()));
            (email, claim)
        }
        Err(_) => ("no address".to_owned(), None),
    }
}
