//! The second factor of a user: enrollment, confirmation, removal, and codes that are accepted once.

use super::{Auth, AuthError, Secret, log, sessions, totp, tries};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::draft::{Draft, Stop},
    model::{
        access::Actor,
        error::Error,
        records::{credential::CredentialFields, user::UserFields},
        schema::Image,
        value::{FaultCode, FieldValue, Kind, Ref, Value},
    },
};

/// The secret to set up an authenticator with. Shown once.
#[derive(Clone, Debug)]
pub struct SecondFactor {
    /// The secret in base 32, for manual entry.
    pub secret: Secret,
    /// The secret as a link (`otpauth://totp/…`), for a QR code.
    pub url: Secret,
}

/// Accepts a time-based or recovery code of a credential. Returns `false` if it is wrong or was used before.
pub(super) fn take_code(draft: &mut Draft<'_>, credential: &Image, code: &Secret) -> Result<bool, Stop> {
    if let Some(digits) = totp::digits(code.expose()) {
        let secret = credential.at(CredentialFields::totp_secret).as_text().unwrap_or_default();
        let last = Option::<i64>::from_value(credential.at(CredentialFields::totp_step))?;
        let Some(step) = totp::accepted_step(secret, &digits, draft.cx.now, last) else { return Ok(false) };
        draft.compute(credential.reference(), &[(CredentialFields::totp_step as usize, Value::Int(step))])?;
        return Ok(true);
    }
    let hash = totp::recovery_hash(code.expose());
    let codes = credential.at(CredentialFields::recovery_codes).items();
    let is_this = |stored: &Value| stored.as_text().is_some_and(|stored| super::secret::same(stored, &hash));
    if !codes.iter().any(is_this) {
        return Ok(false);
    }
    let left = Value::list(codes.iter().filter(|stored| !is_this(stored)).cloned());
    tries::set(draft, credential.id, "use_recovery_code", &[(CredentialFields::recovery_codes, left)])?;
    log::add(draft, SecurityEventType::RecoveryCodeUsed, Some(credential.id), None)?;
    Ok(true)
}

impl Auth<'_> {
    /// Gives the current user a secret for an authenticator. The second factor is not required until a code of it has
    /// been confirmed; beginning again discards the previous secret.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a second factor is enabled already; [`AuthError::InvalidCredentials`] for a wrong
    /// password, [`AuthError::Locked`], [`AuthError::NotSignedIn`].
    pub async fn begin_second_factor(&self, actor: &Actor, password: &Secret) -> Result<SecondFactor, AuthError> {
        let secret = totp::secret(&self.engine.secret()?);
        let decide = |draft: &mut Draft<'_>, credential: &Image| {
            if !credential.at(CredentialFields::totp_since).is_null() {
                let message = "a second factor already exists: remove it first";
                return Err(Error::invalid("second_factor", FaultCode::Exists, message).into());
            }
            let own = [(CredentialFields::totp_secret, Value::text(secret.expose()))];
            tries::set(draft, credential.id, "begin_second_factor", &own)?;
            let user = draft.peek(Ref::new(Kind::User, credential.id))?.ok_or(Stop::not_found(Kind::User))?;
            let account = [UserFields::email, UserFields::name].into_iter().find_map(|field| user.at(field).as_text());
            Ok(Ok(account.unwrap_or_default().to_owned()))
        };
        let account = self.as_oneself(actor, password, decide).await?;
        Ok(SecondFactor { url: totp::url(&self.policy.issuer, &account, &secret), secret })
    }

    /// Enables the second factor, given a code of the new secret: every later sign-in requires a code. Returns ten
    /// recovery codes, which are shown once and can each replace a code once. All other sessions of the user end.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`] for a wrong code; [`Error::Invalid`] if no enrollment was begun.
    pub async fn confirm_second_factor(&self, actor: &Actor, code: &Secret) -> Result<Vec<Secret>, AuthError> {
        let user = super::person(actor)?;
        let credential = Ref::new(Kind::Credential, user);
        let mut codes = Vec::with_capacity(totp::RECOVERY_CODES);
        for _ in 0..totp::RECOVERY_CODES {
            codes.push(totp::recovery_code(&self.engine.secret()?));
        }
        let decide = |draft: &mut Draft<'_>| {
            let begun = draft.peek(credential)?.filter(|image| {
                !image.at(CredentialFields::totp_secret).is_null() && image.at(CredentialFields::totp_since).is_null()
            });
            let Some(image) = begun else {
                return Err(Error::invalid("second_factor", FaultCode::NotBegun, "must be started first").into());
            };
            if totp::digits(code.expose()).is_none() || !take_code(draft, &image, code)? {
                return Ok(Err(AuthError::InvalidCredentials));
            }
            let hashes = codes.iter().map(|code| Value::text(totp::recovery_hash(code.expose())));
            let own = [
                (CredentialFields::totp_since, Value::Time(draft.cx.now)),
                (CredentialFields::recovery_codes, Value::list(hashes)),
            ];
            tries::set(draft, user, "confirm_second_factor", &own)?;
            sessions::end_all_but(draft, user, actor.session(), "confirm_second_factor")?;
            log::add(draft, SecurityEventType::SecondFactorSet, Some(user), None)?;
            Ok(Ok(()))
        };
        self.decide(&self.acting(actor), &[credential.into()], decide).await?.0?;
        Ok(codes)
    }

    /// Disables the second factor, given the password and a code (or a recovery code). All other sessions of the user
    /// end.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::Locked`], [`AuthError::NotSignedIn`]; [`Error::Invalid`] if no
    /// second factor is enabled.
    pub async fn remove_second_factor(&self, actor: &Actor, password: &Secret, code: &Secret) -> Result<(), AuthError> {
        let session = actor.session();
        let decide = |draft: &mut Draft<'_>, credential: &Image| {
            let user = credential.id;
            if credential.at(CredentialFields::totp_since).is_null() {
                return Err(Error::invalid("second_factor", FaultCode::None, "is not enabled").into());
            }
            if !take_code(draft, credential, code)? {
                let detail = Some("the code of the second factor is wrong");
                log::add(draft, SecurityEventType::SignInFailed, Some(user), detail)?;
                return Ok(Err(AuthError::InvalidCredentials));
            }
            let own = [
                (CredentialFields::totp_secret, Value::Null),
                (CredentialFields::totp_since, Value::Null),
                (CredentialFields::recovery_codes, Value::list([])),
            ];
            tries::set(draft, user, "remove_second_factor", &own)?;
            sessions::end_all_but(draft, user, session, "remove_second_factor")?;
            log::add(draft, SecurityEventType::SecondFactorRemoved, Some(user), None)?;
            Ok(Ok(()))
        };
        self.as_oneself(actor, password, decide).await
    }
}
