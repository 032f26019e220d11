//! Access tokens: what they say, and when they are believed (RFC 9068, RFC 8725).

use crm_core::value::{Id, Time};
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};

use super::KeyRing;
use crate::problem::Problem;

/// The media type of our tokens: nothing else that our keys may have signed is one.
const TYPE: &str = "at+jwt";
/// Bytes of a token at most.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// Seconds by which clocks may differ.
const LEEWAY: i64 = 30;

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
    /// The user's roles.
    pub(crate) roles: Vec<Id>,
    /// The user's teams.
    pub(crate) teams: Vec<Id>,
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
        let seconds = now.micros() / 1_000_000;
        if claims.iat > seconds + LEEWAY {
            return Err(invalid());
        }
        if claims.exp <= seconds {
            return Err(Problem::unauthorized("token_expired", "the access token has expired: refresh it"));
        }
        Ok(claims)
    }
}
