//! Sealed cursors: positions that are encrypted and bound to the query, the tenant and the actor. A cursor reveals
//! nothing about the record at its position, which the actor may not be able to see, and a cursor of another list is
//! refused.

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    engine::definitions::Definitions,
    model::{access::Actor, error::Error, value::FaultCode},
};

/// The maximum length of a cursor. Longer ones were not created here.
const MAX_CURSOR: usize = 4096;

fn cipher(definitions: &Definitions) -> Aes256GcmSiv {
    let key = definitions.organization().and_then(|organization| organization.seal_key.clone()).unwrap_or_default();
    Aes256GcmSiv::new(&Sha256::digest(key.as_bytes()))
}

/// Returns the data to which a cursor is bound.
fn binding(actor: &Actor, query: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(actor.tenant().bytes());
    hash.update(actor.user().map(crate::model::value::Id::bytes).unwrap_or_default());
    hash.update(query.as_bytes());
    hash.finalize().to_vec()
}

/// Seals a position.
///
/// A constant nonce is safe here: with this cipher, a repeated nonce reveals only that two cursors are equal.
pub(crate) fn seal<T: Serialize>(definitions: &Definitions, actor: &Actor, query: &str, position: &T) -> String {
    let plain = serde_json::to_vec(position).unwrap_or_default();
    let aad = binding(actor, query);
    let sealed = cipher(definitions).encrypt(&Nonce::default(), Payload { msg: &plain, aad: &aad }).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(sealed)
}

/// Opens a sealed position.
///
/// # Errors
/// [`Error::Invalid`] for a cursor of another query, tenant or actor, and for a forged one.
pub(crate) fn open<T: DeserializeOwned>(
    definitions: &Definitions,
    actor: &Actor,
    query: &str,
    cursor: &str,
) -> Result<T, Error> {
    let bad =
        || Error::invalid("cursor", FaultCode::BadCursor, "is not a cursor of this list: start again without one");
    if cursor.len() > MAX_CURSOR {
        return Err(bad());
    }
    let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    let aad = binding(actor, query);
    let plain =
        cipher(definitions).decrypt(&Nonce::default(), Payload { msg: &sealed, aad: &aad }).map_err(|_| bad())?;
    serde_json::from_slice(&plain).map_err(|_| bad())
}
