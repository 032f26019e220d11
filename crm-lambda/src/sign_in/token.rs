//! Access tokens: their claims and verification (RFC 9068, RFC 8725).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crm_core::{
    access::Actor,
    sessions::Session,
    users::User,
    value::{Id, Time},
};
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::KeyRing;
use crate::{config::OwnSignIn, problem::Problem};

/// The `typ` of access tokens. It distinguishes them from other tokens signed with the same keys.
const TYPE: &str = "at+jwt";
/// The maximum size of a token in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// The tolerated clock difference in seconds.
const LEEWAY: i64 = 30;
/// The number of cached tokens at which the cache is cleared.
const MAX_REMEMBERED: usize = 10_000;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The issuer.
    pub(crate) iss: String,
    /// The audience.
    pub(crate) aud: String,
    /// The user.
    pub(crate) sub: Id<User>,
    /// The tenant.
    pub(crate) org: Id,
    /// The session.
    pub(crate) sid: Id<Session>,
    /// The time of issue, in seconds.
    pub(crate) iat: i64,
    /// The expiry, in seconds.
    pub(crate) exp: i64,
}

fn invalid() -> Problem {
    Problem::unauthorized("invalid_token", "the access token is invalid: sign in again")
}

impl Claims {
    /// Returns the token, signed with the first key of the ring.
    pub(crate) fn sign(&self, keys: &KeyRing) -> Result<String, Problem> {
        let key = keys.signing();
        let mut header = Header::new(key.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, self, &key.encoding).map_err(|_| Problem::internal())
    }

    /// Verifies a token and returns its claims. It must be signed by one of the ring's keys with that key's own
    /// algorithm, and its type, issuer, audience and times must be valid.
    ///
    /// # Errors
    /// 401 with the code `token_expired` if the token has expired, else `invalid_token`.
    pub(crate) fn verify(
        token: &str,
        keys: &KeyRing,
        issuer: &str,
        audience: &str,
        now: Time,
    ) -> Result<Self, Problem> {
        if token.len() > MAX_TOKEN {
            return Err(invalid());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let typed = header
            .typ
            .as_deref()
            .is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE) || typ.eq_ignore_ascii_case("application/at+jwt"));
        let key = header.kid.as_deref().and_then(|kid| keys.by_name(kid)).filter(|_| typed).ok_or_else(invalid)?;
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is checked against the injected clock, which tests set.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).map_err(|_| invalid())?.claims;
        in_time(claims.iat, claims.exp, now)?;
        Ok(claims)
    }
}

/// Checks that a token issued at `iat` and expiring at `exp` is valid now.
fn in_time(iat: i64, exp: i64, now: Time) -> Result<(), Problem> {
    let seconds = now.micros() / 1_000_000;
    if iat > seconds + LEEWAY {
        return Err(invalid());
    }
    if exp <= seconds {
        return Err(Problem::unauthorized("token_expired", "the access token has expired: refresh it"));
    }
    Ok(())
}

/// A verified token.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedToken {
    /// The user of the token, in its session.
    pub(crate) actor: Actor,
    iat: i64,
    exp: i64,
}

/// A cache of verified tokens, which saves verifying a signature at every request. Claims depend only on the token and
/// the process's own keys, which do not change. Expiry is checked at every request, and sessions are checked elsewhere.
/// Keyed by a hash of the whole token, which is a secret.
#[derive(Default)]
pub(crate) struct VerifiedTokenCache(Mutex<HashMap<[u8; 32], VerifiedToken>>);

impl VerifiedTokenCache {
    /// As [`Claims::verify`].
    pub(crate) fn verify(&self, token: &str, own: &OwnSignIn, now: Time) -> Result<VerifiedToken, Problem> {
        if token.len() > MAX_TOKEN {
            return Err(invalid());
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if let Some(known) = known {
            in_time(known.iat, known.exp, now)?;
            return Ok(known);
        }
        let claims = Claims::verify(token, &own.keys, &own.issuer, &own.audience, now)?;
        let Claims { sub, org, sid, iat, exp, .. } = claims;
        let actor = Actor::signed_in(org, sub).in_session(sid);
        let verified = VerifiedToken { actor, iat, exp };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        all.insert(hash, verified.clone());
        Ok(verified)
    }
}
