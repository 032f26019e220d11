//! Setting a password: changed by its user, or set by the holder of a reset or invitation token.

use super::{
    Auth, AuthError, Email, Mail, Secret, log, sessions,
    sign_in::named,
    throttle::{self, Counter, Verdict, micros},
    token::{Seal, Token, Use},
    tries,
};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::draft::{Draft, Input, Lookup, Step, Stop},
    model::{
        access::Actor,
        error::Error,
        records::{
            credential::{CredentialFields, TicketPurpose},
            organization::OrganizationFields,
            session::Session,
            user::UserFields,
        },
        schema::Image,
        store::Want,
        value::{FaultCode, FieldValue, Id, Kind, Ref, Time, Value},
    },
};

/// Writes a new reset or invitation token to a user's credential, which is created if it does not exist. The previous
/// token becomes invalid.
pub(super) fn issue_token(
    draft: &mut Draft<'_>,
    user: &Image,
    purpose: TicketPurpose,
    lifetime: std::time::Duration,
    secret: &[u8; 32],
) -> Result<Email, Stop> {
    let seal = Seal::of(draft.cx.definitions)?;
    let token = Token::new(Use::Ticket, &seal, user.tenant, user.id, user.id, secret);
    let expires_at = draft.cx.now.plus_micros(micros(lifetime));
    let to = user.at(UserFields::email).as_text();
    let to = to.ok_or_else(|| Error::invalid("email", FaultCode::Required, "is required: the email is sent to it"))?;
    let own = [
        (CredentialFields::user_id, Value::Id(user.id)),
        (CredentialFields::ticket_hash, token.hash_with(to)),
        (CredentialFields::ticket_purpose, purpose.into_value()),
        (CredentialFields::ticket_expires_at, Value::Time(expires_at)),
    ];
    let credential = Ref::new(Kind::Credential, user.id);
    if draft.peek(credential)?.is_some() {
        tries::set(draft, user.id, "issue_token", &own)?;
    } else {
        let own = own.map(|(field, value)| (field as usize, value));
        draft.create(Kind::Credential, user.id, Input::system(&own), Step::new("issue_token", None))?;
    }
    let text = |field: UserFields| user.at(field).as_text().map(str::to_owned);
    let organization = draft.cx.definitions.organization();
    Ok(Email {
        to: to.to_owned(),
        name: text(UserFields::name).unwrap_or_default(),
        organization: organization.map(|organization| organization.name.clone()).unwrap_or_default(),
        slug: organization.and_then(|organization| organization.slug.clone()),
        locale: text(UserFields::locale).or_else(|| organization.and_then(|organization| organization.locale.clone())),
        ticket: token.into_text(),
        expires_at,
    })
}

/// Writes a new password. Every other session ends, and an outstanding reset or invitation token becomes invalid.
fn set_hash(
    draft: &mut Draft<'_>,
    user: Id,
    hash: &str,
    kept: Option<Id<Session>>,
    action: &'static str,
) -> Result<(), Stop> {
    let own = [
        (CredentialFields::password_hash, Value::text(hash)),
        (CredentialFields::password_set_at, Value::Time(draft.cx.now)),
        (CredentialFields::ticket_hash, Value::Null),
        (CredentialFields::ticket_expires_at, Value::Null),
    ];
    tries::set(draft, user, action, &own)?;
    sessions::end_all_but(draft, user, kept, action)?;
    log::add(draft, SecurityEventType::PasswordSet, Some(user), Some(action))
}

/// Returns the user and the credential of a valid reset or invitation token, or the reason why it is invalid.
fn token_holder(
    draft: &mut Draft<'_>,
    token: &Token,
    purpose: TicketPurpose,
) -> Result<Result<std::sync::Arc<Image>, AuthError>, Stop> {
    let refs = [Kind::User, Kind::Credential].map(|kind| Ref::new(kind, token.user));
    for record in refs {
        draft.want(record);
    }
    draft.stop_if_missing()?;
    let [user, credential] = [draft.peek(refs[0])?, draft.peek(refs[1])?];
    let (Some(user), Some(credential)) = (user, credential) else { return Ok(Err(AuthError::InvalidToken)) };
    // The token is bound to the email address: access to the user's former mailbox gives no access to the account.
    let to = user.at(UserFields::email).as_text();
    let of_this = to.is_some_and(|to| token.is_held_with(credential.at(CredentialFields::ticket_hash), to));
    let same_purpose = TicketPurpose::from_value(credential.at(CredentialFields::ticket_purpose))? == purpose;
    if !of_this || !same_purpose || !super::may_act(&user) || !super::is_open(draft) {
        return Ok(Err(AuthError::InvalidToken));
    }
    let expires: Option<Time> = credential.at(CredentialFields::ticket_expires_at).as_time();
    if expires.is_none_or(|expires| expires <= draft.cx.now) {
        return Ok(Err(AuthError::Expired));
    }
    Ok(Ok(user))
}

impl Auth<'_> {
    /// Changes the password of the current user. All their other sessions end.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`] for a wrong current password, [`AuthError::Locked`],
    /// [`AuthError::NotSignedIn`] for an API key; [`Error::Invalid`] for a new password that violates the rules.
    pub async fn set_password(&self, actor: &Actor, current: &Secret, new: &Secret) -> Result<(), AuthError> {
        let user = super::person(actor)?;
        let record = Ref::new(Kind::User, user);
        let words = |draft: &mut Draft<'_>| {
            let user = draft.peek(record)?.ok_or(Stop::not_found(Kind::User))?;
            Ok(tries::own_words(draft, &user))
        };
        let (words, _) = self.decide(&self.acting(actor), &[record.into()], words).await?;
        tries::check_new(new, &words)?;
        let hash = self.hashed(new).await?;
        let session = actor.session();
        let decide = |draft: &mut Draft<'_>, _: &Image| {
            set_hash(draft, user, &hash, session, "change_password")?;
            Ok(Ok(()))
        };
        self.as_oneself(actor, current, decide).await
    }

    /// Sends the user of an email address a token to set a new password. The response is the same whether or not the
    /// user exists and whether or not the email could be sent; the amount of work is about the same. Beyond the limit,
    /// no email is sent.
    ///
    /// # Errors
    /// Those of the store, and [`AuthError::Locked`] for too many requests from one address.
    pub async fn forgot_password(&self, organization: &str, email: &str) -> Result<(), AuthError> {
        let Some(organization) = self.organization_by_slug(organization).await? else {
            self.policy.mailer.pretend().await;
            return Ok(());
        };
        let tenant = organization.tenant;
        let system = self.system(tenant);
        let seal = Seal::new(organization.at(OrganizationFields::seal_key).as_text())?;
        let (name, claim) = named(tenant, email);
        let by_name = [Counter::new(&seal, "reset name", &name, self.policy.resets_per_name)];
        let address = system.origin().and_then(|origin| origin.address.as_deref());
        let by_address =
            address.map(|address| Counter::address(&seal, "reset address", address, self.policy.per_address));
        let secret = self.engine.secret()?;
        let mut hints: Vec<Lookup> = by_name.iter().chain(&by_address).map(|counter| counter.record.into()).collect();
        hints.extend(claim.clone().map(|claim| Lookup::Want(Want::Claimed(claim))));
        let decide = |draft: &mut Draft<'_>| {
            let user = match &claim {
                Some(claim) => draft.peek_claimed(claim)?,
                None => None,
            };
            let nobody = by_name[0].record.id;
            draft.peek(Ref::new(Kind::Credential, user.as_ref().map_or(nobody, |user| user.id)))?;
            if let Some(counter) = by_address
                && let Verdict::Locked { until, .. } = throttle::count(draft, &[counter])?
            {
                return Ok(Err(AuthError::Locked { until }));
            }
            // The limit per name is not reported: it depends on the requests of others and says nothing about the user.
            if let Verdict::Locked { .. } = throttle::count(draft, &by_name)? {
                return Ok(Ok(None));
            }
            let known = user.filter(|user| super::may_act(user) && super::is_open(draft));
            let id = known.as_ref().map(|user| user.id);
            let detail = claim.is_some().then_some(name.as_str());
            log::add(draft, SecurityEventType::PasswordResetAsked, id, detail)?;
            let lifetime = self.policy.reset_lifetime;
            let letter = |user| issue_token(draft, user, TicketPurpose::PasswordReset, lifetime, &secret);
            Ok(Ok(known.as_deref().map(letter).transpose()?))
        };
        match self.decide(&system, &hints, decide).await?.0? {
            // Reporting a failure to send would reveal that the user exists. The mailer knows of the failure.
            Some(letter) => drop(self.policy.mailer.send(Mail::PasswordReset(letter)).await),
            None => self.policy.mailer.pretend().await,
        }
        Ok(())
    }

    /// Sets a new password with the token of an email, once. All sessions of the user end. The user is not signed in,
    /// and a second factor remains.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], [`AuthError::Expired`]; [`Error::Invalid`] for a password that violates the rules,
    /// in which case the token stays valid.
    pub async fn reset_password(&self, ticket: &Secret, new: &Secret) -> Result<(), AuthError> {
        self.redeem(ticket, TicketPurpose::PasswordReset, "reset_password", new).await
    }

    /// Sets the first password of an invited user with the token of the email, once. The user is not signed in.
    ///
    /// # Errors
    /// As [`Auth::reset_password`].
    pub async fn accept_invitation(&self, ticket: &Secret, new: &Secret) -> Result<(), AuthError> {
        self.redeem(ticket, TicketPurpose::Invitation, "accept_invitation", new).await
    }

    async fn redeem(
        &self,
        ticket: &Secret,
        purpose: TicketPurpose,
        action: &'static str,
        new: &Secret,
    ) -> Result<(), AuthError> {
        let token = Token::read(Use::Ticket, ticket)?;
        let system = self.system(token.tenant);
        let hints = [Kind::User, Kind::Credential].map(|kind| Ref::new(kind, token.user).into());
        // Validated first, so that no password is hashed without a valid token.
        let look = |draft: &mut Draft<'_>| match token_holder(draft, &token, purpose)? {
            Ok(user) => Ok(Ok(tries::own_words(draft, &user))),
            Err(error) => Ok(Err(error)),
        };
        let words = self.decide(&system, &hints, look).await?.0?;
        tries::check_new(new, &words)?;
        let hash = self.hashed(new).await?;
        let per_name = self.policy.per_name;
        let decide = |draft: &mut Draft<'_>| {
            let user = match token_holder(draft, &token, purpose)? {
                Ok(user) => user,
                Err(error) => return Ok(Err(error)),
            };
            set_hash(draft, user.id, &hash, None, action)?;
            // Access to the mailbox proves the user, so failed attempts under the name are cleared.
            if let Some(email) = user.at(UserFields::email).as_text() {
                let counter = Counter::name(&Seal::of(draft.cx.definitions)?, email, per_name);
                throttle::clear(draft, &counter)?;
            }
            Ok(Ok(()))
        };
        self.decide(&system, &hints, decide).await?.0
    }
}
