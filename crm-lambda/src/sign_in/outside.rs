//! Sign-in by an external issuer (Cognito, Auth0 and others): its RS256 tokens are verified by its published keys, and
//! their subject is a user's `external_id`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use crm_core::{
    Crm,
    access::Actor,
    value::{Id, Time},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, JwkSet},
};
use serde_json::{Map, Value as Json};

use super::token::MAX_TOKEN;
use crate::problem::Problem;

/// The reason why an issuer's keys could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the issuer's keys cannot be read: {0}")]
pub struct JwksError(pub String);

/// A source of an issuer's public keys.
#[async_trait]
pub trait JwksSource: Send + Sync {
    /// Returns the current keys. Called every ten minutes and, at most once a minute, if a token names an unknown key.
    ///
    /// # Errors
    /// [`JwksError`].
    async fn keys(&self) -> Result<JwkSet, JwksError>;
}

/// A fixed set of keys.
#[derive(Clone, Debug)]
pub struct StaticJwks(pub JwkSet);

#[async_trait]
impl JwksSource for StaticJwks {
    async fn keys(&self) -> Result<JwkSet, JwksError> {
        Ok(self.0.clone())
    }
}

/// The minimum time in microseconds between two requests to the issuer.
const REFRESH: i64 = 60_000_000;
/// The maximum age in microseconds of keys before they are fetched again, even if no unknown key is named: after that a
/// key revoked by the issuer no longer verifies tokens.
const FRESH: i64 = 10 * 60_000_000;
/// The maximum age in microseconds of keys while the issuer is unreachable.
const MAX_AGE_UNREACHABLE: i64 = 60 * 60_000_000;

/// The cached keys of an issuer.
#[derive(Default)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    read_at: Option<Time>,
    asked_at: Option<Time>,
}

impl Known {
    /// Returns a key that was fetched less than `within` microseconds ago.
    fn key(&self, kid: &str, now: Time, within: i64) -> Option<DecodingKey> {
        let age = now.since(self.read_at?);
        self.keys.get(kid).filter(|_| (0..within).contains(&age)).cloned()
    }
}

/// A trusted issuer.
#[derive(Clone)]
pub struct OutsideIssuer {
    issuer: String,
    audience: String,
    tenant: Id,
    source: Arc<dyn JwksSource>,
    known: Arc<Mutex<Known>>,
}

impl std::fmt::Debug for OutsideIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutsideIssuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl OutsideIssuer {
    /// Trusts tokens of this issuer for this audience (`aud`, or Cognito's `client_id`). They identify users of this
    /// tenant by their `external_id`.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        tenant: Id,
        source: impl JwksSource + 'static,
    ) -> Self {
        let (issuer, audience) = (issuer.into(), audience.into());
        Self { issuer, audience, tenant, source: Arc::new(source), known: Arc::default() }
    }

    async fn key(&self, kid: &str, now: Time) -> Result<Option<DecodingKey>, Problem> {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(key) = known.key(kid, now, FRESH) {
                return Ok(Some(key));
            }
            if known.asked_at.is_some_and(|last| now.micros() - last.micros() < REFRESH) {
                return Ok(known.key(kid, now, MAX_AGE_UNREACHABLE));
            }
            // Prevents concurrent requests to the issuer.
            known.asked_at = Some(now);
        }
        let set = match self.source.keys().await {
            Ok(set) => set,
            Err(error) => {
                tracing::warn!(%error, issuer = self.issuer, "cannot read the issuer's keys");
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(key) = known.key(kid, now, MAX_AGE_UNREACHABLE) {
                    return Ok(Some(key));
                }
                known.asked_at = None;
                let detail = "the issuer's keys cannot be fetched";
                return Err(Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail));
            }
        };
        let read = set.keys.iter().filter_map(|jwk| {
            // Only RSA keys: never a symmetric key.
            let rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
            let key = DecodingKey::from_jwk(jwk).ok().filter(|_| rsa)?;
            Some((jwk.common.key_id.clone()?, key))
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys = read.collect();
        known.read_at = Some(now);
        Ok(known.keys.get(kid).cloned())
    }

    /// Returns the actor of a token. One round trip to the store.
    pub(super) async fn actor(&self, crm: &Crm, token: &str) -> Result<Actor, Problem> {
        let invalid = || Problem::unauthorized("invalid_token", "the token is not accepted");
        let now = crm.now();
        if token.len() > MAX_TOKEN {
            return Err(invalid());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let kid = header.kid.ok_or_else(invalid)?;
        let key = self.key(&kid, now).await?.ok_or_else(invalid)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_exp = false;
        // Cognito's access tokens have `client_id` in place of `aud`: both are checked below.
        validation.validate_aud = false;
        let claims: Map<String, Json> = jsonwebtoken::decode(token, &key, &validation).map_err(|_| invalid())?.claims;
        let meant = match claims.get("aud").or_else(|| claims.get("client_id")) {
            Some(Json::String(audience)) => *audience == self.audience,
            Some(Json::Array(all)) => all.iter().any(|audience| audience == self.audience.as_str()),
            _ => false,
        };
        let seconds = now.micros() / 1_000_000;
        let early = claims.get("nbf").and_then(Json::as_i64).is_some_and(|from| from > seconds + 30);
        let until = claims.get("exp").and_then(Json::as_i64).ok_or_else(invalid)?;
        let subject = claims.get("sub").and_then(Json::as_str).ok_or_else(invalid)?;
        if !meant || early {
            return Err(invalid());
        }
        if until <= seconds {
            return Err(Problem::unauthorized("token_expired", "the token has expired"));
        }
        crm.actor_by_external_id(self.tenant, subject).await.map_err(|error| match error {
            crm_core::Error::NotFound(_) => invalid(),
            other => other.into(),
        })
    }
}
