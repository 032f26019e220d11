//! API keys, with which programs authenticate. A key acts for its user and has those of the user's permissions that it
//! names. It is shown once, can expire, is rotated with an overlap, and is revoked immediately.

use std::{sync::Arc, time::Duration};

use super::{
    Auth, AuthError, Secret, log,
    throttle::micros,
    token::{Seal, Token, Use},
};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::{
        access::Access,
        draft::{Draft, Input, Outcome, Step, Stop},
    },
    model::{
        access::{Action, Actor, Permission},
        change::Origin,
        error::{Error, Faults},
        records::api_key::{ApiKey, ApiKeyFields},
        schema::{Image, Record},
        value::{FaultCode, FieldValue, Id, Kind, Ref, Time, Value},
    },
};

/// The resolution of a key's last use, in microseconds: an hour.
const USE_STEP: i64 = 3_600_000_000;
/// The longest overlap in which two secrets of one key are valid.
const MAX_OVERLAP: Duration = Duration::from_hours(30 * 24);

/// An API key to create.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// The purpose of the key.
    pub name: String,
    /// The permissions of the key, such as `lead.read`. Each must be one of its user's.
    pub permissions: Vec<Permission>,
    /// When the key expires; `None` if it is valid until it is revoked.
    pub expires_at: Option<Time>,
}

impl Auth<'_> {
    /// Creates an API key for the current user. Requires the permission `api_key.create` and every permission given to
    /// the key. Returns the key's record and its secret, which is shown once.
    ///
    /// # Errors
    /// [`Error::Forbidden`] names the missing permission; [`Error::Invalid`] without a name or a permission, or for an
    /// expiry in the past.
    pub async fn create_key(&self, actor: &Actor, new: &NewKey) -> Result<(Record<ApiKey>, Secret), AuthError> {
        let user = actor.user().map(Id::erase).ok_or(AuthError::NotSignedIn)?;
        let secret = self.engine.secret()?;
        let actor = self.acting(actor);
        let decide = |draft: &mut Draft<'_>| {
            let mut faults = Faults::new();
            if new.permissions.is_empty() {
                faults.push(
                    "permissions",
                    FaultCode::Required,
                    "is required: a key has only the permissions that it names",
                );
            }
            if new.expires_at.is_some_and(|expires| expires <= draft.cx.now) {
                faults.push("expires_at", FaultCode::TooSmall, "must be in the future");
            }
            faults.into_result()?;
            draft.cx.access.demand(Permission::new(Kind::ApiKey, Action::Create))?;
            for permission in &new.permissions {
                draft.cx.access.demand(*permission)?;
            }
            let id = draft.new_id();
            let seal = Seal::of(draft.cx.definitions)?;
            let token = Token::new(Use::Key, &seal, draft.cx.actor.tenant(), user, id, &secret);
            let asked = [(ApiKeyFields::name as usize, Value::text(new.name.as_str()))];
            let permissions = new.permissions.iter().map(|permission| Value::text(permission.to_string()));
            let own = [
                (ApiKeyFields::user_id as usize, Value::Id(user)),
                (ApiKeyFields::permissions as usize, Value::list(permissions)),
                (ApiKeyFields::prefix as usize, Value::text(token.shown())),
                (ApiKeyFields::secret_hash as usize, token.hash()),
                (ApiKeyFields::expires_at as usize, new.expires_at.into_value()),
            ];
            let step = Step::new("create_key", None);
            let record = draft.create(Kind::ApiKey, id, Input::both(&asked, &own), step)?;
            let image = draft.peek(record)?.ok_or(Stop::not_found(Kind::ApiKey))?;
            log::add(draft, SecurityEventType::ApiKeyCreated, Some(user), Some(&shown(&image)))?;
            Ok((image, token.into_text()))
        };
        let ((image, secret), outcome) = self.decide(&actor, &[], decide).await?;
        Ok((seen(&actor, &outcome, &image)?, secret))
    }

    /// Replaces the secret of a key of the current user. Returns the new one, which is shown once. The previous secret
    /// stays valid for the overlap, at most 30 days; older ones become invalid. A user cannot rotate the key of another
    /// user, because its secret would let them act as that user, and a key cannot rotate a key with more permissions.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the key of another user; [`Error::Forbidden`] names the missing permission.
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        id: Id<ApiKey>,
        overlap: Duration,
    ) -> Result<(Record<ApiKey>, Secret), AuthError> {
        let user = actor.user().map(Id::erase).ok_or(AuthError::NotSignedIn)?;
        if overlap > MAX_OVERLAP {
            return Err(Error::invalid("overlap", FaultCode::TooLarge, "must be at most 30 days").into());
        }
        let secret = self.engine.secret()?;
        let actor = self.acting(actor);
        let record = Ref::new(Kind::ApiKey, id);
        let decide = |draft: &mut Draft<'_>| {
            let image = own_key(draft, record, user)?;
            let key = Record::<ApiKey>::from_image(&image)?;
            if draft.cx.actor.limits().is_some() {
                draft.cx.access.demand(Permission::new(Kind::ApiKey, Action::Update))?;
                for permission in key.permissions.iter().filter_map(|text| text.parse::<Permission>().ok()) {
                    draft.cx.access.demand(permission)?;
                }
            }
            if image.is_archived() {
                return Err(
                    Error::invalid("archived_at", FaultCode::Archived, "the key is revoked: create a new one").into()
                );
            }
            let seal = Seal::of(draft.cx.definitions)?;
            let token = Token::new(Use::Key, &seal, draft.cx.actor.tenant(), user, id.erase(), &secret);
            let own = [
                (ApiKeyFields::secret_hash as usize, token.hash()),
                (ApiKeyFields::previous_hash as usize, image.at(ApiKeyFields::secret_hash).clone()),
                (ApiKeyFields::previous_until as usize, Value::Time(draft.cx.now.plus_micros(micros(overlap)))),
            ];
            draft.update_for_rule(record, &own, Step::new("rotate_key", None))?;
            log::add(draft, SecurityEventType::ApiKeyRotated, Some(user), Some(&shown(&image)))?;
            let image = draft.peek(record)?.ok_or(Stop::not_found(Kind::ApiKey))?;
            Ok((image, token.into_text()))
        };
        let ((image, secret), outcome) = self.decide(&actor, &[record.into()], decide).await?;
        Ok((seen(&actor, &outcome, &image)?, secret))
    }

    /// Revokes a key immediately and permanently: a key of the current user or, with the permission `api_key.archive`,
    /// of another user.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_key(&self, actor: &Actor, id: Id<ApiKey>) -> Result<(), AuthError> {
        let record = Ref::new(Kind::ApiKey, id);
        let own = super::person(actor).ok();
        let decide = |draft: &mut Draft<'_>| {
            let image = draft.peek(record)?.ok_or(Stop::not_found(Kind::ApiKey))?;
            let user = image.at(ApiKeyFields::user_id).as_id();
            if (user.is_none() || user != own) && !draft.cx.access.allows(Action::Archive, &image) {
                return Err(Stop::not_found(Kind::ApiKey));
            }
            if !image.is_archived() {
                draft.archive_checked(&image, Step::new("revoke_key", None))?;
                log::add(draft, SecurityEventType::ApiKeyRevoked, user, Some(&shown(&image)))?;
            }
            Ok(())
        };
        self.decide(&self.acting(actor), &[record.into()], decide).await?;
        Ok(())
    }

    /// Returns the actor of an API key: its user, limited to the permissions of the key. Permissions are looked up on
    /// each use case, as described for [`Actor::signed_in`], and so is the key: narrowing, rotating or revoking it
    /// takes effect on the next use case. A key that was seen before requires no read here, any other key one. The
    /// key's last use is recorded once an hour.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], [`AuthError::Expired`].
    pub async fn authenticate_key(&self, key: &Secret) -> Result<Actor, AuthError> {
        let token = Token::read(Use::Key, key)?;
        let hash = token.hash_text();
        let actor = Actor::signed_in(token.tenant, token.user.typed()).by_key(token.record.typed(), &hash);
        let now = self.engine.clock.now();
        let unknown = |error| match error {
            Error::Unauthenticated => AuthError::InvalidToken,
            other => other.into(),
        };
        let known = self.engine.cached_rights(&actor, now).filter(|rights| rights.hold(&hash, now));
        let is_known = known.is_some();
        let rights = match known {
            Some(rights) => rights,
            None => self.engine.read_rights(&actor, &[], None).await.map_err(unknown)?.2,
        };
        if !rights.hold(&hash, now) {
            return Err(AuthError::InvalidToken);
        }
        if rights.have_ended(now) {
            return Err(AuthError::Expired);
        }
        if !is_known {
            self.engine.authority(&actor).await.map_err(unknown)?;
        }
        if rights.last_used_at.is_none_or(|last| now.since(last) >= USE_STEP) {
            let hour = now.plus_micros(-now.micros().rem_euclid(USE_STEP));
            let values = [(ApiKeyFields::last_used_at as usize, Value::Time(hour))];
            let record = Ref::new(Kind::ApiKey, token.record);
            // A failure to record the use does not invalidate the key.
            let system = self.system(token.tenant);
            let _ = self.decide(&system, &[record.into()], |draft| draft.compute(record, &values)).await;
            let rights = self.engine.cached_rights(&actor, now).unwrap_or_else(|| Arc::clone(&rights));
            self.engine.keep_rights(&actor, rights.used_at(hour));
        }
        let origin = self.origin.clone().unwrap_or_default();
        let origin = Origin { through: Some("api_key".to_owned()), detail: Some(token.record.to_string()), ..origin };
        Ok(actor.through(origin).limited_to(rights.limits().iter().copied()))
    }
}

/// Returns the image of a key of the user.
fn own_key(draft: &mut Draft<'_>, key: Ref, user: Id) -> Result<Arc<Image>, Stop> {
    let image = draft.peek(key)?.filter(|image| image.at(ApiKeyFields::user_id) == &Value::Id(user));
    image.ok_or(Stop::not_found(Kind::ApiKey))
}

/// Returns the description of a key in the security log.
fn shown(key: &Image) -> String {
    let text = |field: ApiKeyFields| key.at(field).as_text().unwrap_or_default().to_owned();
    format!("{} ({})", text(ApiKeyFields::name), text(ApiKeyFields::prefix))
}

fn seen(actor: &Actor, outcome: &Outcome, image: &Arc<Image>) -> Result<Record<ApiKey>, AuthError> {
    let access = Access::new(actor, &outcome.definitions, outcome.now);
    Ok(Record::from_image(&access.mask(image)).map_err(Error::from)?)
}
