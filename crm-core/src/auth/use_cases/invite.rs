//! Invitations: creates users by the same rules as any other, with a token that lets them set their first password.

use super::{Auth, AuthError, Mail, log, passwords::issue_token};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::{
        access::Access,
        draft::{self, Draft, Input, Step, Stop},
    },
    model::{
        access::{Action, Actor},
        error::Error,
        records::{
            credential::{CredentialFields, TicketPurpose},
            user::{NewUser, User},
        },
        schema::{Image, Patch, Record},
        value::{FaultCode, Id, Kind, Ref},
    },
};

impl Auth<'_> {
    /// Creates a user, as `crm.users(&actor).create(…)` does, and sends them an email with a token to set their first
    /// password. One commit.
    ///
    /// # Errors
    /// Those of creating a user; [`Error::Invalid`] without an email address; [`AuthError::Mail`] if the user was
    /// created and the email could not be sent: then call [`Auth::invite_again`].
    pub async fn invite(&self, actor: &Actor, new: NewUser) -> Result<Record<User>, AuthError> {
        if new.email.as_deref().is_none_or(|email| email.trim().is_empty()) {
            return Err(
                Error::invalid("email", FaultCode::Required, "is required: the invitation is sent to it").into()
            );
        }
        let patch: Patch<User> = new.into();
        let secret = self.engine.secret()?;
        // Created once, so that hints read for this id stay valid when the decision is repeated.
        let id = self.engine.ids.id(self.engine.clock.now());
        let mut hints = crate::engine::collection::hints_of::<User>(patch.sets());
        hints.push(Ref::new(Kind::Credential, id).into());
        let actor = self.acting(actor);
        let decide = |draft: &mut Draft<'_>| {
            let record = draft.create(Kind::User, id, Input::user(patch.sets()), Step::new("invite", None))?;
            let user = draft.peek(record)?.ok_or(Stop::not_found(Kind::User))?;
            let letter = self.ticket(draft, &user, &secret)?;
            Ok((user, letter))
        };
        let ((user, letter), outcome) = self.decide(&actor, &hints, decide).await?;
        self.policy.mailer.send(Mail::Invitation(letter)).await?;
        let user = Access::new(&actor, &outcome.definitions, outcome.now).mask(&user);
        Ok(Record::from_image(&user).map_err(Error::from)?)
    }

    /// Sends another invitation to a user who has never set a password; the previous one becomes invalid. Requires the
    /// permission `user.update` on them. A user who was created without an invitation receives their first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a user who has a password; [`AuthError::Mail`].
    pub async fn invite_again(&self, actor: &Actor, user: Id<User>) -> Result<(), AuthError> {
        let record = Ref::new(Kind::User, user);
        let hints = [record.into(), Ref::new(Kind::Credential, user).into()];
        let secret = self.engine.secret()?;
        let decide = |draft: &mut Draft<'_>| {
            let image = draft.read(record)?;
            draft::demand(draft, Action::Update, &image)?;
            if has_password(draft, &image)? {
                let message = "already has a password: the user can request a password reset";
                return Err(Error::invalid("user", FaultCode::HasPassword, message).into());
            }
            self.ticket(draft, &image, &secret)
        };
        let (letter, _) = self.decide(&self.acting(actor), &hints, decide).await?;
        Ok(self.policy.mailer.send(Mail::Invitation(letter)).await?)
    }

    fn ticket(&self, draft: &mut Draft<'_>, user: &Image, secret: &[u8; 32]) -> Result<super::Email, Stop> {
        log::add(draft, SecurityEventType::PasswordResetAsked, Some(user.id), Some("invitation"))?;
        issue_token(draft, user, TicketPurpose::Invitation, self.policy.invitation_lifetime, secret)
    }
}

/// Returns `true` if a user has a password.
///
/// # Errors
/// [`Error::Invalid`] if they may not act: nobody is given access to their account.
pub(super) fn has_password(draft: &mut Draft<'_>, user: &Image) -> Result<bool, Stop> {
    if !super::may_act(user) {
        return Err(Error::invalid("user", FaultCode::Inactive, "must be an active user").into());
    }
    let credential = draft.peek(Ref::new(Kind::Credential, user.id))?;
    Ok(credential.is_some_and(|credential| !credential.at(CredentialFields::password_hash).is_null()))
}
