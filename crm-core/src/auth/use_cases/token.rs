//! Tokens of sessions, API keys, and reset and invitation emails. The text of a token contains tenant, user and record,
//! so that it is found by one strongly consistent read, and 256 random bits; the store holds its SHA-256.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{AuthError, Secret, secret::same};
use crate::{
    engine::definitions::Definitions,
    model::{
        error::Error,
        store::StoreError,
        value::{Id, Value},
    },
};

/// The purpose of a token. A token is invalid for any other purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Refreshes a session.
    Refresh,
    /// Authenticates a program.
    Key,
    /// Sets a password.
    Ticket,
}

impl Use {
    /// The prefix of the text, by which users, log filters and secret scanners recognize it.
    const fn prefix(self) -> &'static str {
        match self {
            Use::Refresh => "crm_refresh_",
            Use::Key => "crm_key_",
            Use::Ticket => "crm_ticket_",
        }
    }
}

const ID: usize = 16;
const SECRET: usize = 32;
const TAG: usize = 16;
const LEN: usize = 3 * ID + SECRET + TAG;

/// A token parsed from its text, not yet verified.
pub(super) struct Token {
    pub(super) tenant: Id,
    pub(super) user: Id,
    pub(super) record: Id,
    usage: Use,
    text: Secret,
    signed: [u8; LEN - TAG],
    tag: [u8; TAG],
}

impl Token {
    /// Creates a token, signed by its organization.
    pub(super) fn new(usage: Use, seal: &Seal, tenant: Id, user: Id, record: Id, secret: &[u8; SECRET]) -> Self {
        let mut signed = [0; LEN - TAG];
        signed[..ID].copy_from_slice(&tenant.bytes());
        signed[ID..2 * ID].copy_from_slice(&user.bytes());
        signed[2 * ID..3 * ID].copy_from_slice(&record.bytes());
        signed[3 * ID..].copy_from_slice(secret);
        let tag = seal.tag(usage, &signed);
        let mut all = [0; LEN];
        all[..LEN - TAG].copy_from_slice(&signed);
        all[LEN - TAG..].copy_from_slice(&tag);
        let text = format!("{}{}", usage.prefix(), URL_SAFE_NO_PAD.encode(all)).into();
        Self { tenant, user, record, usage, text, signed, tag }
    }

    /// Parses a text.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`] if it is not a token of this purpose.
    pub(super) fn read(usage: Use, text: &Secret) -> Result<Self, AuthError> {
        let body = text.expose().strip_prefix(usage.prefix()).ok_or(AuthError::InvalidToken)?;
        let mut all = [0; LEN];
        match URL_SAFE_NO_PAD.decode_slice(body, &mut all) {
            Ok(LEN) => {}
            _ => return Err(AuthError::InvalidToken),
        }
        let mut signed = [0; LEN - TAG];
        signed.copy_from_slice(&all[..LEN - TAG]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&all[LEN - TAG..]);
        let id = |at: usize| {
            let mut bytes = [0; ID];
            bytes.copy_from_slice(&signed[at * ID..(at + 1) * ID]);
            Id::from_uuid(uuid::Uuid::from_bytes(bytes))
        };
        Ok(Self { tenant: id(0), user: id(1), record: id(2), usage, text: text.clone(), signed, tag })
    }

    /// Returns `true` if the organization issued the token, which therefore is not a guess. It may be invalid
    /// nevertheless.
    pub(super) fn is_of(&self, seal: &Seal) -> bool {
        use subtle::ConstantTimeEq;
        self.tag.ct_eq(&seal.tag(self.usage, &self.signed)).into()
    }

    /// Returns the token that succeeds this one. It is deterministic, so that it can be returned twice without storing
    /// a secret.
    pub(super) fn successor(&self, seal: &Seal) -> Self {
        let secret = seal.derive("refresh successor", &self.signed);
        Self::new(self.usage, seal, self.tenant, self.user, self.record, &secret)
    }

    /// Returns the hash that the store holds.
    pub(super) fn hash(&self) -> Value {
        Value::text(self.hash_text())
    }

    /// As [`Token::hash`], as text.
    pub(super) fn hash_text(&self) -> String {
        hash(self.text.expose())
    }

    /// Returns the hash that the store holds for a token that is valid only together with another value: a reset or
    /// invitation token with the address it was sent to.
    pub(super) fn hash_with(&self, bound: &str) -> Value {
        Value::text(hash(&format!("{} {bound}", self.text.expose())))
    }

    /// Returns `true` if this is the stored token.
    pub(super) fn is_held(&self, stored: &Value) -> bool {
        are_same(stored, &self.hash())
    }

    /// Returns `true` if this is the token stored together with another value.
    pub(super) fn is_held_with(&self, stored: &Value, bound: &str) -> bool {
        are_same(stored, &self.hash_with(bound))
    }

    /// Returns the text to hand out.
    pub(super) fn into_text(self) -> Secret {
        self.text
    }

    /// Returns the start of the text: enough to distinguish tokens and too little to guess the rest.
    pub(super) fn shown(&self) -> String {
        // The ids come first and are not secret; the end of the record's id varies most.
        let id = self.record.to_string();
        format!("{}{}", self.usage.prefix(), &id[id.len() - 8..])
    }
}

fn are_same(stored: &Value, hash: &Value) -> bool {
    stored.as_text().zip(hash.as_text()).is_some_and(|(stored, hash)| same(stored, hash))
}

/// SHA-256 in hexadecimal. A plain hash suffices for 256 (for recovery codes 80) random bits.
pub(super) fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The keys derived from an organization's `seal_key`, one for each purpose.
pub(super) struct Seal(Vec<u8>);

impl Seal {
    /// Creates the keys from an organization's `seal_key`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is missing.
    pub(super) fn new(seal_key: Option<&str>) -> Result<Self, Error> {
        let key = seal_key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Error::Damaged(StoreError::corrupt("the organization has no seal_key")))?;
        Ok(Self(key.as_bytes().to_vec()))
    }

    /// Creates the keys of the organization of the definitions.
    ///
    /// # Errors
    /// As [`Seal::new`].
    pub(super) fn of(definitions: &Definitions) -> Result<Self, Error> {
        Self::new(definitions.organization().and_then(|organization| organization.seal_key.as_deref()))
    }

    /// Derives 32 bytes from a purpose and a message.
    pub(super) fn derive(&self, purpose: &str, message: &[u8]) -> [u8; SECRET] {
        let key = mac(&self.0, purpose.as_bytes());
        mac(&key, message)
    }

    fn tag(&self, usage: Use, signed: &[u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&self.derive(usage.prefix(), signed)[..TAG]);
        tag
    }
}

/// HMAC-SHA256.
fn mac(key: &[u8], message: &[u8]) -> [u8; SECRET] {
    // HMAC accepts keys of any length, so this cannot fail; if it did, no token would be valid.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; SECRET] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}
