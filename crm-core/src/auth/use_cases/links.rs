//! Invitations and password resets that an administrator hands over, for deployments that send no email.

use super::{Auth, AuthError, Email, invite::has_password, log, passwords::issue_token, person};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::{
        access::escalation::{demand_no_more, hold_own_rights},
        draft::{self, Draft, Stop},
    },
    model::{
        access::{Action, Actor, Permission, Scope},
        error::Error,
        records::{
            credential::TicketPurpose,
            role::Role,
            user::{User, UserFields},
        },
        schema::Image,
        value::{FaultCode, Id, Kind, Ref, Value},
    },
};

impl Auth<'_> {
    /// Creates an invitation token for a user who has never set a password, and returns it in place of sending it. Any
    /// previous token of the user becomes invalid. One commit.
    ///
    /// Whoever holds the token can act as the user. It therefore requires the permission `user.update` on them, and
    /// every permission of theirs on all records: a user with more rights than the actor is refused.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for the actor themselves, an inactive user, one without an email address,
    /// or one who has a password; [`AuthError::NotSignedIn`] for an API key.
    pub async fn invitation_link(&self, actor: &Actor, user: Id<User>) -> Result<Email, AuthError> {
        self.hand_out(actor, user, TicketPurpose::Invitation).await
    }

    /// Creates a token with which a user sets a new password, and returns it in place of sending it. The second factor
    /// remains, and sessions end when the password is set. Otherwise as [`Auth::invitation_link`].
    ///
    /// # Errors
    /// As [`Auth::invitation_link`], except that the user must have a password.
    pub async fn reset_link(&self, actor: &Actor, user: Id<User>) -> Result<Email, AuthError> {
        self.hand_out(actor, user, TicketPurpose::PasswordReset).await
    }

    async fn hand_out(&self, actor: &Actor, user: Id<User>, purpose: TicketPurpose) -> Result<Email, AuthError> {
        let me = person(actor)?;
        let [record, mine, credential] =
            [Ref::new(Kind::User, user), Ref::new(Kind::User, me), Ref::new(Kind::Credential, user)];
        let secret = self.engine.secret()?;
        let invites = purpose == TicketPurpose::Invitation;
        let decide = |draft: &mut Draft<'_>| {
            let image = draft.read(record)?;
            draft::demand(draft, Action::Update, &image)?;
            if me == user.erase() {
                // A stolen session must not become a new password: changing one's own requires the current one.
                return Err(Error::invalid("user", FaultCode::Same, "must be another user").into());
            }
            let has_password = has_password(draft, &image)?;
            demand_all_of(draft, &image)?;
            // Decided again if the rights of either change at the same time.
            hold_own_rights(draft, &image)?;
            draft.guard(&image);
            if invites && has_password {
                let message = "already has a password: create a password reset instead";
                return Err(Error::invalid("user", FaultCode::HasPassword, message).into());
            }
            if !invites && !has_password {
                let message = "has no password yet: create an invitation instead";
                return Err(Error::invalid("user", FaultCode::Required, message).into());
            }
            let (lifetime, detail) = if invites {
                (self.policy.invitation_lifetime, "invitation link")
            } else {
                (self.policy.reset_lifetime, "reset link")
            };
            log::add(draft, SecurityEventType::PasswordResetAsked, Some(user.erase()), Some(detail))?;
            issue_token(draft, &image, purpose, lifetime, &secret)
        };
        let hints = [record.into(), mine.into(), credential.into()];
        Ok(self.decide(&self.acting(actor), &hints, decide).await?.0)
    }
}

/// Checks that the actor has all permissions of a user, on all records: the records that narrower scopes cover differ
/// between users who hold the same roles.
fn demand_all_of(draft: &Draft<'_>, user: &Image) -> Result<(), Stop> {
    let roles: Vec<Id<Role>> =
        user.at(UserFields::role_ids).items().iter().filter_map(Value::as_id).map(Id::typed).collect();
    let theirs = draft.cx.definitions.role_set(&roles);
    demand_no_more(draft, &theirs, &theirs)?;
    let own = draft.cx.access.roles();
    for grant in theirs.all() {
        let permission = Permission::new(grant.resource, grant.action);
        if !own.grants(permission).iter().any(|own| own.scope == Scope::All && own.condition.is_none()) {
            return Err(Error::forbidden(permission).into());
        }
    }
    Ok(())
}
