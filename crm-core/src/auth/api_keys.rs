//! API keys: what a program signs in with. A key acts for its user and may do what its user may, and of that only what
//! its permissions name; it is shown once, expires, is rotated with an overlap, and is revoked at once.

use std::{sync::Arc, time::Duration};

use super::{
    Auth, AuthError, Secret, log,
    throttle::micros,
    token::{Seal, Token, Use},
};
use crate::{
    access::{Access, Action, Actor, Permission},
    api_keys::record::{ApiKey, ApiKeyFields},
    change::Origin,
    draft::{Draft, Outcome, Sets, Step, Stop},
    error::{Error, Faults},
    schema::{Image, Record},
    security_events::record::SecurityEventType,
    value::{FieldValue, Id, Kind, Ref, Time, Value},
};

/// How exactly a key's last use is known, in microseconds: an hour.
const USE_STEP: i64 = 3_600_000_000;
/// How long two secrets of one key may both be good.
const MAX_OVERLAP: Duration = Duration::from_hours(30 * 24);

/// An API key to be made.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it may do, such as `lead.read`: of what the user who makes it may.
    pub permissions: Vec<Permission>,
    /// When it ends; `None` for one that ends only when it is revoked.
    pub expires_at: Option<Time>,
}

impl Auth<'_> {
    /// Makes an API key for the user who acts. Needs the permission `api_key.create`, and every permission that the key
    /// is to have. Answers its record and its secret, which is shown once.
    ///
    /// # Errors
    /// [`Error::Forbidden`] names the permission that the actor has not; [`Error::Invalid`] without a name or a
    /// permission, or for a time that is over.
    pub async fn create_key(&self, actor: &Actor, new: &NewKey) -> Result<(Record<ApiKey>, Secret), AuthError> {
        let user = actor.user().ok_or(AuthError::NotSignedIn)?;
        let secret = self.engine.secret()?;
        let actor = self.acting(actor);
        let decide = |draft: &mut Draft<'_>| {
            let mut faults = Faults::new();
            if new.permissions.is_empty() {
                faults.push("permissions", "required", "is needed: a key may do only what it names");
            }
            if new.expires_at.is_some_and(|expires| expires <= draft.cx.now) {
                faults.push("expires_at", "too_small", "must be in the future");
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
            let record = draft.create(Kind::ApiKey, id, Sets::both(&asked, &own), step)?;
            let image = draft.peek(record)?.ok_or(Stop::not_found(Kind::ApiKey))?;
            log::add(draft, SecurityEventType::ApiKeyCreated, Some(user), Some(&shown(&image)))?;
            Ok((image, token.into_text()))
        };
        let ((image, secret), outcome) = self.decide(&actor, &[], decide).await?;
        Ok((seen(&actor, &outcome, &image)?, secret))
    }

    /// Gives a key of the user who acts a new secret, shown once. The one before is good for the overlap, at most 30
    /// days; the one before that no more. Nobody rotates another's key, whose secret would let them act as the other,
    /// and no key one that may do more than itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] for another's key; [`Error::Forbidden`] names the permission that the actor has not.
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        id: Id,
        overlap: Duration,
    ) -> Result<(Record<ApiKey>, Secret), AuthError> {
        let user = actor.user().ok_or(AuthError::NotSignedIn)?;
        if overlap > MAX_OVERLAP {
            return Err(Error::invalid("overlap", "too_large", "must be at most 30 days").into());
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
                return Err(Error::invalid("archived_at", "archived", "the key is revoked: make another").into());
            }
            let seal = Seal::of(draft.cx.definitions)?;
            let token = Token::new(Use::Key, &seal, draft.cx.actor.tenant(), user, id, &secret);
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

    /// Revokes a key at once and for good: one's own, or, with the permission `api_key.archive`, another's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_key(&self, actor: &Actor, id: Id) -> Result<(), AuthError> {
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

    /// The actor of an API key: its user, limited to what the key names. Rights are looked up at each use case, as
    /// [`Actor::signed_in`] says, and the key with them: one that is narrowed, rotated or revoked is so at the next use
    /// case. A key that was seen before costs no read here; another one does. Once an hour the key's last use is noted.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], [`AuthError::Expired`].
    pub async fn authenticate_key(&self, key: &Secret) -> Result<Actor, AuthError> {
        let token = Token::read(Use::Key, key)?;
        let hash = token.hash_text();
        let actor = Actor::signed_in(token.tenant, token.user).by_key(token.record, &hash);
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
            // A key is good whether or not its use can be noted.
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

/// A key of the user's own.
fn own_key(draft: &mut Draft<'_>, key: Ref, user: Id) -> Result<Arc<Image>, Stop> {
    let image = draft.peek(key)?.filter(|image| image.at(ApiKeyFields::user_id) == &Value::Id(user));
    image.ok_or(Stop::not_found(Kind::ApiKey))
}

/// How the security log names a key.
fn shown(key: &Image) -> String {
    let text = |field: ApiKeyFields| key.at(field).as_text().unwrap_or_default().to_owned();
    format!("{} ({})", text(ApiKeyFields::name), text(ApiKeyFields::prefix))
}

fn seen(actor: &Actor, outcome: &Outcome, image: &Arc<Image>) -> Result<Record<ApiKey>, AuthError> {
    let access = Access::new(actor, &outcome.definitions, outcome.now);
    Ok(Record::from_image(&access.mask(image)).map_err(Error::from)?)
}
