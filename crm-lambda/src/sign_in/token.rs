//! Access tokens: what they say, and when they are believed (RFC 9068, RFC 8725).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crm_core::{
    access::Actor,
    value::{Id, Time},
};
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::KeyRing;
use crate::{config::OwnSignIn, problem::Problem};

/// The media type of our tokens: nothing else that our keys may have signed is one.
const TYPE: &str = "at+jwt";
/// Bytes of a token at most.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// Seconds by which clocks may differ.
const LEEWAY: i64 = 30;
/// Tokens remembered, before all are forgotten and looked at anew.
const MAX_REMEMBERED: usize = 10_000;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Who signed it.
    pub(crate) iss: String,
    /// For whom.
    pub(crate) aud: String,
    /// Which user.
    pub(crate) sub: Id,
    /// Which tenant.
    pub(crate) org: Id,
    /// Which session.
    pub(crate) sid: Id,
    /// When it was signed, in seconds.
    pub(crate) iat: i64,
    /// When it ends, in seconds.
    pub(crate) exp: i64,
}

fn invalid() -> Problem {
    Problem::unauthorized("invalid_token", "the access token is none of ours: sign in again")
}

impl Claims {
    /// The token, signed with the ring's first key.
    pub(crate) fn sign(&self, keys: &KeyRing) -> Result<String, Problem> {
        let key = keys.signing();
        let mut header = Header::new(key.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, self, &key.encoding).map_err(|_| Problem::internal())
    }

    /// What a token says, where it is to be believed: signed by one of our keys with that key's own algorithm, of our
    /// type, by and for us, and in time.
    ///
    /// # Errors
    /// 401 with the code `token_expired` for what was good once, else `invalid_token`.
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
        // Time is the clock's, which tests set.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).map_err(|_| invalid())?.claims;
        in_time(claims.iat, claims.exp, now)?;
        Ok(claims)
    }
}

/// Nothing where a token that was signed then, and ends then, is good now.
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

/// What a token was found to say.
#[derive(Clone, Debug)]
pub(crate) struct Believed {
    /// Whom it speaks for, in its session.
    pub(crate) actor: Actor,
    iat: i64,
    exp: i64,
}

/// Tokens whose signature was good, so that it is not computed anew at every request. What they say depends on nothing but
/// themselves and the process's own keys, which stay; when they end is asked each time, and whether their session lives
/// stands elsewhere. Kept by a hash of the whole token, which is a secret.
#[derive(Default)]
pub(crate) struct BelievedTokens(Mutex<HashMap<[u8; 32], Believed>>);

impl BelievedTokens {
    /// As [`Claims::verify`].
    pub(crate) fn verify(&self, token: &str, own: &OwnSignIn, now: Time) -> Result<Believed, Problem> {
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
        let believed = Believed { actor, iat, exp };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        all.insert(hash, believed.clone());
        Ok(believed)
    }
}
