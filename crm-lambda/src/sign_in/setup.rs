//! The one-time token with which whoever started a server creates the first organization, so that nobody else can claim
//! it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use crm_core::{Crm, auth::Secret};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, MutexGuard};

use crate::problem::Problem;

/// A one-time token: its holder may register the first organization of an empty store, although registration is closed.
/// It is valid in this process only and not stored.
#[derive(Debug)]
pub struct SetupToken {
    /// SHA-256 of the token. Comparing hashes reveals nothing about the token by its duration.
    hash: [u8; 32],
    is_used: Mutex<bool>,
}

impl SetupToken {
    /// Creates a token of 256 random bits; `None` if the system has no source of randomness.
    pub fn generate() -> Option<(Self, Secret)> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).ok()?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        Some((Self { hash: Sha256::digest(&text).into(), is_used: Mutex::new(false) }, text.into()))
    }

    /// Reserves the registration for the holder of the token, until the result is dropped. The caller sets it to `true`
    /// after the registration, so that of two requests at once only one succeeds.
    ///
    /// # Errors
    /// 404, as if registration were closed, if the token is wrong or used, or if the store has an organization.
    pub(crate) async fn reserve(&self, crm: &Crm, given: Option<&Secret>) -> Result<MutexGuard<'_, bool>, Problem> {
        let closed = Problem::unknown_route;
        let hash: [u8; 32] = given.map(|given| Sha256::digest(given.expose()).into()).ok_or_else(closed)?;
        if hash != self.hash {
            return Err(closed());
        }
        let is_used = self.is_used.lock().await;
        if *is_used || !crm.tenants(None, 1).await?.is_empty() {
            return Err(closed());
        }
        Ok(is_used)
    }
}
