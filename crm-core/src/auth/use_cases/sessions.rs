//! Sessions: families of refresh tokens that replace one another. The use of a token whose successor is already in use
//! means that one of the two was stolen: the family ends.
//!
//! A session is over if it is archived, it has expired, or its user's credential has a later generation. Incrementing
//! the generation ends all sessions of a user in one write and without a list.

use std::sync::Arc;

use super::{
    Auth, AuthError, Policy, Secret, SignedIn, log,
    throttle::micros,
    token::{Seal, Token, Use},
};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::{
        access::Access,
        collection::Collection,
        draft::{self, Draft, Input, Lookup, Step, Stop},
        listing::{ListPage, ListQuery, MAX_LIMIT},
    },
    model::{
        access::{Action, Actor},
        error::Error,
        filter::Filter,
        records::{
            credential::CredentialFields,
            session::{Session, SessionFields},
            user::User,
        },
        schema::{Image, Record, RecordKind},
        value::{FieldValue, Id, Kind, Ref, Value},
    },
};

/// Begins a session of a user, in the generation of the user's credential.
pub(super) fn begin(
    draft: &mut Draft<'_>,
    policy: &Policy,
    credential: &Image,
    (id, secret): (Id, &[u8; 32]),
    second_factor: bool,
) -> Result<(Arc<Image>, Secret), Stop> {
    let seal = Seal::of(draft.cx.definitions)?;
    begin_sealed(draft, &seal, policy, credential, (id, secret), second_factor)
}

/// Like [`begin`], if the same commit creates the organization.
pub(super) fn begin_sealed(
    draft: &mut Draft<'_>,
    seal: &Seal,
    policy: &Policy,
    credential: &Image,
    (id, secret): (Id, &[u8; 32]),
    second_factor: bool,
) -> Result<(Arc<Image>, Secret), Stop> {
    let token = Token::new(Use::Refresh, seal, credential.tenant, credential.id, id, secret);
    let origin = draft.cx.actor.origin().cloned();
    let address = origin.as_ref().and_then(|origin| origin.address.clone());
    let user_agent = origin.as_ref().and_then(|origin| origin.user_agent.clone());
    let expires_at = draft.cx.now.plus_micros(micros(policy.session_lifetime));
    let own = [
        (SessionFields::user_id as usize, Value::Id(credential.id)),
        (SessionFields::address as usize, address.into_value()),
        (SessionFields::user_agent as usize, user_agent.into_value()),
        (SessionFields::second_factor as usize, Value::Bool(second_factor)),
        (SessionFields::generation as usize, credential.at(CredentialFields::session_generation).clone()),
        (SessionFields::expires_at as usize, Value::Time(expires_at)),
        (SessionFields::token_hash as usize, token.hash()),
        (SessionFields::rotated_at as usize, Value::Time(draft.cx.now)),
    ];
    let record = draft.create(Kind::Session, id, Input::system(&own), Step::new("sign_in", None))?;
    let image = draft.peek(record)?.ok_or(Stop::not_found(Kind::Session))?;
    Ok((image, token.into_text()))
}

fn end(draft: &mut Draft<'_>, session: &Arc<Image>, action: &'static str) -> Result<(), Stop> {
    draft.archive_checked(session, Step::new(action, None))
}

/// A live session with its user, or the error.
type Live = Result<(Arc<Image>, Arc<Image>), AuthError>;

/// Returns the session of a user if it is live. Reads three records.
fn live(draft: &mut Draft<'_>, session: Id, user: Id) -> Result<Live, Stop> {
    let refs = [Ref::new(Kind::Session, session), Ref::new(Kind::User, user), Ref::new(Kind::Credential, user)];
    for record in refs {
        draft.want(record);
    }
    draft.stop_if_missing()?;
    let [session, user, credential] = [draft.peek(refs[0])?, draft.peek(refs[1])?, draft.peek(refs[2])?];
    let (Some(session), Some(user), Some(credential)) = (session, user, credential) else {
        return Ok(Err(AuthError::InvalidToken));
    };
    let of_user = session.at(SessionFields::user_id) == &Value::Id(user.id);
    let same_generation = session.at(SessionFields::generation) == credential.at(CredentialFields::session_generation);
    if !of_user || !same_generation || session.is_archived() || !super::may_act(&user) || !super::is_open(draft) {
        return Ok(Err(AuthError::InvalidToken));
    }
    if session.at(SessionFields::expires_at).as_time().is_none_or(|expires| expires <= draft.cx.now) {
        return Ok(Err(AuthError::Expired));
    }
    Ok(Ok((session, user)))
}

/// Ends every session of a user except one. Has no effect for a user who never had a password.
pub(super) fn end_all_but(
    draft: &mut Draft<'_>,
    user: Id,
    kept: Option<Id<Session>>,
    action: &'static str,
) -> Result<(), Stop> {
    let credential = Ref::new(Kind::Credential, user);
    let Some(image) = draft.peek(credential)? else { return Ok(()) };
    let kept = match kept {
        Some(id) => live(draft, id.erase(), user)?.ok(),
        None => None,
    };
    let (at, generation) = crate::auth::records::credentials::next_generation(&image)?;
    draft.update_for_rule(credential, &[(at, generation.clone())], Step::new(action, None))?;
    if let Some((session, _)) = kept {
        let own = [(SessionFields::generation as usize, generation)];
        draft.update_for_rule(session.reference(), &own, Step::new(action, None))?;
    }
    Ok(())
}

impl Auth<'_> {
    /// Refreshes a session: exchanges its refresh token for the next one. Within the policy's grace period, the same
    /// token returns the same successor, so that a lost response or concurrent requests do not sign the user out.
    /// Later, its use ends the session and is recorded in the security log. One read and one commit.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], [`AuthError::Expired`].
    pub async fn refresh(&self, token: &Secret) -> Result<SignedIn, AuthError> {
        let token = Token::read(Use::Refresh, token)?;
        let (session, user, organization) = (
            Ref::new(Kind::Session, token.record),
            Ref::new(Kind::User, token.user),
            Ref::new(Kind::Organization, token.tenant),
        );
        let credential = Ref::new(Kind::Credential, token.user);
        let hints = [session, user, credential, organization].map(Lookup::from);
        let decide = |draft: &mut Draft<'_>| {
            let organization = draft.peek(organization)?;
            let Some(organization) = organization.filter(|_| super::is_open(draft)) else {
                return Ok(Err(AuthError::InvalidToken));
            };
            let seal = Seal::of(draft.cx.definitions)?;
            if !token.is_of(&seal) {
                return Ok(Err(AuthError::InvalidToken));
            }
            let (image, user) = match live(draft, session.id, user.id)? {
                Ok(live) => live,
                Err(error) => return Ok(Err(error)),
            };
            let successor = token.successor(&seal);
            if token.is_held(image.at(SessionFields::token_hash)) {
                let values = [
                    (SessionFields::token_hash as usize, successor.hash()),
                    (SessionFields::previous_hash as usize, token.hash()),
                    (SessionFields::rotated_at as usize, Value::Time(draft.cx.now)),
                ];
                draft.compute(session, &values)?;
            } else {
                let rotated = image.at(SessionFields::rotated_at).as_time();
                let since = rotated.map_or(i64::MAX, |rotated| draft.cx.now.since(rotated));
                let in_grace = since <= micros(self.policy.refresh_grace);
                if !(in_grace && token.is_held(image.at(SessionFields::previous_hash))) {
                    // A token of this session that was replaced before: two parties have it.
                    end(draft, &image, "revoke")?;
                    log::add(draft, SecurityEventType::TokenReused, Some(user.id), None)?;
                    return Ok(Err(AuthError::InvalidToken));
                }
            }
            let image = draft.peek(session)?.ok_or(Stop::not_found(Kind::Session))?;
            Ok(Ok((organization, user, image, successor.into_text())))
        };
        let (verdict, outcome) = self.decide(&self.system(token.tenant), &hints, decide).await?;
        let (organization, user, session, successor) = verdict?;
        self.signed_in(&outcome, &organization, &user, &session, successor)
    }

    /// Returns whether a session is valid and its user may act: for deployments that check on each request; otherwise
    /// an access token is valid until it expires. One round trip.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn session_is_live(&self, tenant: Id, session: Id<Session>, user: Id<User>) -> Result<bool, AuthError> {
        let hints = [Ref::new(Kind::Session, session), Ref::new(Kind::User, user), Ref::new(Kind::Credential, user)];
        let decide = |draft: &mut Draft<'_>| Ok(live(draft, session.erase(), user.erase())?.is_ok());
        Ok(self.decide(&self.system(tenant), &hints.map(Lookup::from), decide).await?.0)
    }

    /// Ends the session of a refresh token, whether or not the token was replaced since. Ending an ended session has no
    /// effect.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`] if it is not a token of the organization.
    pub async fn sign_out(&self, token: &Secret) -> Result<(), AuthError> {
        let token = Token::read(Use::Refresh, token)?;
        let session = Ref::new(Kind::Session, token.record);
        let decide = |draft: &mut Draft<'_>| {
            if draft.cx.definitions.organization().is_none() || !token.is_of(&Seal::of(draft.cx.definitions)?) {
                return Ok(Err(AuthError::InvalidToken));
            }
            if let Some(image) = draft.peek(session)?.filter(|image| !image.is_archived()) {
                end(draft, &image, "sign_out")?;
                log::add(draft, SecurityEventType::SignedOut, Some(token.user), None)?;
            }
            Ok(Ok(()))
        };
        self.decide(&self.system(token.tenant), &[session.into()], decide).await?.0
    }

    /// Ends all sessions of the current user, including this one.
    ///
    /// # Errors
    /// [`AuthError::NotSignedIn`] for an API key.
    pub async fn sign_out_everywhere(&self, actor: &Actor) -> Result<(), AuthError> {
        let user = super::person(actor)?;
        let hints = [Ref::new(Kind::Credential, user).into()];
        let decide = |draft: &mut Draft<'_>| sign_out_of_all(draft, user);
        self.decide(&self.acting(actor), &hints, decide).await?;
        Ok(())
    }

    /// Ends all sessions of a user. Requires the permission `user.update` on them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn sign_out_user(&self, actor: &Actor, user: Id<User>) -> Result<(), AuthError> {
        let record = Ref::new(Kind::User, user);
        let hints = [record.into(), Ref::new(Kind::Credential, user).into()];
        let decide = |draft: &mut Draft<'_>| {
            let image = draft.read(record)?;
            draft::demand(draft, Action::Update, &image)?;
            sign_out_of_all(draft, user.erase())
        };
        self.decide(&self.acting(actor), &hints, decide).await?;
        Ok(())
    }

    /// Returns the sessions of the current user, latest first; at most 200.
    ///
    /// # Errors
    /// [`AuthError::NotSignedIn`] for an API key.
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<Record<Session>>, AuthError> {
        let user = super::person(actor)?;
        let system = self.system(actor.tenant());
        let decide = |draft: &mut Draft<'_>| draft.peek(Ref::new(Kind::Credential, user));
        let (credential, outcome) = self.decide(actor, &[Ref::new(Kind::Credential, user).into()], decide).await?;
        let Some(credential) = credential else { return Ok(Vec::new()) };
        let generation = i64::from_value(credential.at(CredentialFields::session_generation)).map_err(Error::from)?;
        let good = Filter::eq("user_id", user.to_string()).and(Filter::eq("generation", generation));
        let query = ListQuery::new().filter(good).sort("created_at").descending().limit(MAX_LIMIT);
        let page: ListPage<Arc<Image>> =
            Collection::<Session>::new(self.engine, &system).page(&query, Action::Read, None).await?;
        let access = Access::new(actor, &outcome.definitions, outcome.now);
        let live = page.items.iter().filter(|image| image.at(SessionFields::expires_at).as_time() > Some(outcome.now));
        Ok(live.map(|image| Record::from_image(&access.mask(image))).collect::<Result<_, _>>().map_err(Error::from)?)
    }

    /// Ends a session of the current user, or, with the permission `session.archive`, of another user.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn end_session(&self, actor: &Actor, id: Id<Session>) -> Result<(), AuthError> {
        let session = Ref::new(Session::KIND, id);
        let own = super::person(actor).ok();
        let decide = |draft: &mut Draft<'_>| {
            let image = draft.peek(session)?.ok_or(Stop::not_found(Kind::Session))?;
            let user = image.at(SessionFields::user_id).as_id();
            if (user.is_none() || user != own) && !draft.cx.access.allows(Action::Archive, &image) {
                return Err(Stop::not_found(Kind::Session));
            }
            if !image.is_archived() {
                end(draft, &image, "end_session")?;
                log::add(draft, SecurityEventType::SignedOut, user, None)?;
            }
            Ok(())
        };
        self.decide(&self.acting(actor), &[session.into()], decide).await?;
        Ok(())
    }
}

fn sign_out_of_all(draft: &mut Draft<'_>, user: Id) -> Result<(), Stop> {
    end_all_but(draft, user, None, "sign_out")?;
    log::add(draft, SecurityEventType::SignedOut, Some(user), Some("everywhere"))
}
