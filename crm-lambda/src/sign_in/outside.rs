//! Sign-in by an outside issuer (Cognito, Auth0 and the like): its RS256 tokens are verified by its published keys, and
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

/// Why an issuer's keys could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the issuer's keys cannot be read: {0}")]
pub struct JwksError(pub String);

/// Where an issuer's public keys come from.
#[async_trait]
pub trait JwksSource: Send + Sync {
    /// The keys as they are now. Asked for every ten minutes, and (at most once a minute) where a token names an unknown key.
    ///
    /// # Errors
    /// [`JwksError`].
    async fn keys(&self) -> Result<JwkSet, JwksError>;
}

/// Keys that never change.
#[derive(Clone, Debug)]
pub struct StaticJwks(pub JwkSet);

#[async_trait]
impl JwksSource for StaticJwks {
    async fn keys(&self) -> Result<JwkSet, JwksError> {
        Ok(self.0.clone())
    }
}

/// Microseconds between two looks at an issuer's keys.
const REFRESH: i64 = 60_000_000;
/// Microseconds after which keys are looked at again, whether or not an unknown one is named: a key that the issuer has
/// withdrawn verifies nothing after that.
const FRESH: i64 = 10 * 60_000_000;
/// Microseconds for which keys are believed while the issuer is out of reach.
const BELIEVED: i64 = 60 * 60_000_000;

/// What is known of an issuer's keys.
#[derive(Default)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    read_at: Option<Time>,
    asked_at: Option<Time>,
}

impl Known {
    /// A key that was read no longer ago than so many microseconds.
    fn key(&self, kid: &str, now: Time, within: i64) -> Option<DecodingKey> {
        let age = now.since(self.read_at?);
        self.keys.get(kid).filter(|_| (0..within).contains(&age)).cloned()
    }
}

/// An issuer whose tokens are believed.
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
    /// Tokens of this issuer for this audience (`aud`, or Cognito's `client_id`) are of users of this tenant, by their
    /// `external_id`.
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
                return Ok(known.key(kid, now, BELIEVED));
            }
            // Whoever comes next does not ask as well.
            known.asked_at = Some(now);
        }
        let set = match self.source.keys().await {
            Ok(set) => set,
            Err(error) => {
                tracing::warn!(%error, issuer = self.issuer, "cannot read the issuer's keys");
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(key) = known.key(kid, now, BELIEVED) {
                    return Ok(Some(key));
                }
                known.asked_at = None;
                let detail = "the issuer's keys are out of reach";
                return Err(Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail));
            }
        };
        let read = set.keys.iter().filter_map(|jwk| {
            // Only what RS256 verifies with: never a symmetric key.
            let rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
            let key = DecodingKey::from_jwk(jwk).ok().filter(|_| rsa)?;
            Some((jwk.common.key_id.clone()?, key))
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys = read.collect();
        known.read_at = Some(now);
        Ok(known.keys.get(kid).cloned())
    }

    /// The actor that a token speaks for. One round trip to the store.
    pub(super) async fn actor(&self, crm: &Crm, token: &str) -> Result<Actor, Problem> {
        let invalid = || Problem::unauthorized("invalid_token", "the token is not one that is taken here");
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
        // An access token of Cognito has `client_id` in place of `aud`: both are looked at below.
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
