//! Sealed cursors: a position encrypted and bound to the query, the tenant and the actor. A cursor shows nothing of
//! the record it stands on (which the actor need not be able to see), and one of another list is refused.

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    engine::definitions::Definitions,
    model::{access::Actor, error::Error},
};

/// A cursor longer than this is none of ours.
const MAX_CURSOR: usize = 4096;

fn cipher(definitions: &Definitions) -> Aes256GcmSiv {
    let key = definitions.organization().and_then(|organization| organization.seal_key.clone()).unwrap_or_default();
    Aes256GcmSiv::new(&Sha256::digest(key.as_bytes()))
}

/// What a cursor is bound to.
fn binding(actor: &Actor, query: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(actor.tenant().bytes());
    hash.update(actor.user().map(crate::model::value::Id::bytes).unwrap_or_default());
    hash.update(query.as_bytes());
    hash.finalize().to_vec()
}

/// Seals a position.
///
/// A nonce that never changes is safe here: this cipher only shows, where it repeats, that two cursors are equal.
pub(crate) fn seal<T: Serialize>(definitions: &Definitions, actor: &Actor, query: &str, position: &T) -> String {
    let plain = serde_json::to_vec(position).unwrap_or_default();
    let aad = binding(actor, query);
    let sealed = cipher(definitions).encrypt(&Nonce::default(), Payload { msg: &plain, aad: &aad }).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(sealed)
}

/// Opens a sealed position.
///
/// # Errors
/// [`Error::Invalid`] for one of another query, tenant or actor, and for one that was forged.
pub(crate) fn open<T: DeserializeOwned>(
    definitions: &Definitions,
    actor: &Actor,
    query: &str,
    cursor: &str,
) -> Result<T, Error> {
    let bad = || Error::invalid("cursor", "bad_cursor", "is not a cursor of this list: start again without one");
    if cursor.len() > MAX_CURSOR {
        return Err(bad());
    }
    let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    let aad = binding(actor, query);
    let plain =
        cipher(definitions).decrypt(&Nonce::default(), Payload { msg: &sealed, aad: &aad }).map_err(|_| bad())?;
    serde_json::from_slice(&plain).map_err(|_| bad())
}
