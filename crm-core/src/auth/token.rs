//! Tokens: what a session, an API key or a letter is recognised by. The text of one carries tenant, user and record, so
//! that it is found by one strongly consistent read, and 256 bits that nobody can guess; the store holds its SHA-256.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{AuthError, Secret, secret::same};
use crate::{
    definitions::Definitions,
    error::Error,
    store::StoreError,
    value::{Id, Value},
};

/// What a token is for. One of another use is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// To go on with a session.
    Refresh,
    /// To sign in as a program.
    Key,
    /// To set a password.
    Ticket,
}

impl Use {
    /// How the text begins, so that a person, a log filter or a secret scanner knows one when they see it.
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

/// A token as it was read from its text; nothing says yet that it is good.
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
    /// A token, signed by its organization.
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

    /// Reads a text.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`] for one that is no token of this use.
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

    /// True for one that the organization itself has made: no guess, whether or not it is still good.
    pub(super) fn is_of(&self, seal: &Seal) -> bool {
        use subtle::ConstantTimeEq;
        self.tag.ct_eq(&seal.tag(self.usage, &self.signed)).into()
    }

    /// The token that comes after this one: always the same, so that nothing secret need be kept to give it twice.
    pub(super) fn successor(&self, seal: &Seal) -> Self {
        let secret = seal.derive("refresh successor", &self.signed);
        Self::new(self.usage, seal, self.tenant, self.user, self.record, &secret)
    }

    /// What the store holds of it.
    pub(super) fn hash(&self) -> Value {
        Value::text(self.hash_text())
    }

    /// As [`Token::hash`], as a text.
    pub(super) fn hash_text(&self) -> String {
        hash(self.text.expose())
    }

    /// What the store holds of it, where it is good only together with something else: of a ticket, with the address
    /// it was sent to.
    pub(super) fn hash_with(&self, bound: &str) -> Value {
        Value::text(hash(&format!("{} {bound}", self.text.expose())))
    }

    /// True where this is what the store holds.
    pub(super) fn is_held(&self, stored: &Value) -> bool {
        are_same(stored, &self.hash())
    }

    /// True where this is what the store holds, together with something else.
    pub(super) fn is_held_with(&self, stored: &Value, bound: &str) -> bool {
        are_same(stored, &self.hash_with(bound))
    }

    /// The text to hand out.
    pub(super) fn into_text(self) -> Secret {
        self.text
    }

    /// How the text begins: enough to tell one from another, and not enough to guess the rest.
    pub(super) fn shown(&self) -> String {
        // The ids stand first and are no secret; of the record's, the end differs most.
        let id = self.record.to_string();
        format!("{}{}", self.usage.prefix(), &id[id.len() - 8..])
    }
}

fn are_same(stored: &Value, hash: &Value) -> bool {
    stored.as_text().zip(hash.as_text()).is_some_and(|(stored, hash)| same(stored, hash))
}

/// SHA-256 in hexadecimal: of 256 (or, of recovery codes, 80) random bits, which no one can try out.
pub(super) fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The keys that an organization's `seal_key` gives, each of its own purpose.
pub(super) struct Seal(Vec<u8>);

impl Seal {
    /// Of an organization's `seal_key`.
    ///
    /// # Errors
    /// [`Error::Damaged`] where there is none.
    pub(super) fn new(seal_key: Option<&str>) -> Result<Self, Error> {
        let key = seal_key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Error::Damaged(StoreError::corrupt("the organization has no seal_key")))?;
        Ok(Self(key.as_bytes().to_vec()))
    }

    /// Of the organization that the definitions are of.
    ///
    /// # Errors
    /// As [`Seal::new`].
    pub(super) fn of(definitions: &Definitions) -> Result<Self, Error> {
        Self::new(definitions.organization().and_then(|organization| organization.seal_key.as_deref()))
    }

    /// Thirty-two bytes for a purpose and a message.
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
    // A key of any length will do, so that this cannot fail; if it did, nothing would be recognised.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; SECRET] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}
