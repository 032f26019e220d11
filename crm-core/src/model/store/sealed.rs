//! Encryption of secrets at rest: a store over another store that encrypts fields declared `secret` when writing and
//! decrypts them when reading. Without the deployment's key, a reader of the database, a backup or a stream obtains no
//! password hash, no second-factor secret, and no key for forging cursors or tokens.
//!
//! AES-256-GCM-SIV with a key provided by the deployment, bound to tenant, record and field: a value copied elsewhere
//! cannot be decrypted. The nonce is constant, which this cipher is designed to tolerate: it reveals only whether two
//! values of the same field of the same record are equal. Secrets are in no index, filter, claim or change, so the rest
//! of a store is unaffected.

use std::{collections::HashMap, fmt, sync::Arc};

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Answer, Commit, Counts, Definitions, DelegateFeed, DelegateHistory, Epochs, Got, Layer, Page, Query, Records,
    Store, StoreError, Want, Write,
};
use crate::model::{
    schema::{Image, KindDecl},
    value::{Id, Value},
};

/// The prefix of an encrypted text.
const MARK: &str = "sealed:";
/// The maximum number of characters in a key id.
const MAX_KEY_ID: usize = 32;

/// The deployment's keys. New values are encrypted with the first key, and stored ones are decrypted with the key whose
/// id they name. To rotate keys, put the new key first, keep the old one, and remove it once every record has been
/// written again.
#[derive(Clone)]
pub struct SealingKeys {
    first: String,
    ciphers: Arc<HashMap<String, Aes256GcmSiv>>,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys").field("first", &self.first).finish_non_exhaustive()
    }
}

/// The reason keys were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// The id is empty, longer than 32 characters, or contains characters other than letters, digits, `-` and `_`.
    #[error("the id of a key must have 1 to 32 letters, digits, `-` and `_`")]
    Id,
    /// All bytes of the key are equal.
    #[error("a key must be 32 random bytes")]
    Weak,
    /// Two keys have the same id.
    #[error("two keys have the same id")]
    Twice,
}

impl SealingKeys {
    /// Creates a set with one key: its id, which is stored with each value, and 32 random bytes.
    ///
    /// # Errors
    /// [`BadKeys`] if the id or the key is invalid.
    pub fn new(id: &str, key: &[u8; 32]) -> Result<Self, BadKeys> {
        Self { first: id.to_owned(), ciphers: Arc::default() }.and(id, key)
    }

    /// Adds an older key for decryption.
    ///
    /// # Errors
    /// [`BadKeys`] if the id or the key is invalid or the id is already used.
    pub fn and(mut self, id: &str, key: &[u8; 32]) -> Result<Self, BadKeys> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > MAX_KEY_ID || !id.chars().all(good) {
            return Err(BadKeys::Id);
        }
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(BadKeys::Weak);
        }
        let mut ciphers = self.ciphers.as_ref().clone();
        if ciphers.insert(id.to_owned(), Aes256GcmSiv::new(key.into())).is_some() {
            return Err(BadKeys::Twice);
        }
        self.ciphers = Arc::new(ciphers);
        Ok(self)
    }

    fn seal(&self, place: &[u8], plain: &str) -> Result<Value, StoreError> {
        let payload = Payload { msg: plain.as_bytes(), aad: place };
        let sealed = self.ciphers.get(&self.first).and_then(|key| key.encrypt(&Nonce::default(), payload).ok());
        // Never store the plain text instead.
        let sealed = sealed.ok_or_else(|| StoreError::unavailable("a secret could not be encrypted"))?;
        Ok(Value::text(format!("{MARK}{}:{}", self.first, URL_SAFE_NO_PAD.encode(sealed))))
    }

    fn open(&self, place: &[u8], sealed: &str) -> Option<Value> {
        let (id, body) = sealed.strip_prefix(MARK)?.split_once(':')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let payload = Payload { msg: &body, aad: place };
        let plain = self.ciphers.get(id)?.decrypt(&Nonce::default(), payload).ok()?;
        String::from_utf8(plain).ok().map(Value::text)
    }
}

/// A store that encrypts secrets and delegates to another store.
///
/// ```
/// # use crm_core::{Crm, MemoryStore, store::sealed::{SealedStore, SealingKeys}};
/// # let key_bytes: [u8; 32] = std::array::from_fn(|at| at as u8);
/// let keys = SealingKeys::new("2026-01", &key_bytes)?;
/// let crm = Crm::new(SealedStore::new(MemoryStore::new(), keys));
/// # Ok::<(), crm_core::store::sealed::BadKeys>(())
/// ```
#[derive(Clone)]
pub struct SealedStore {
    inner: Arc<dyn Store>,
    keys: SealingKeys,
    takes_plain: bool,
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl SealedStore {
    /// Creates an encrypting store over a store.
    pub fn new(inner: impl Store + 'static, keys: SealingKeys) -> Self {
        Self::shared(Arc::new(inner), keys)
    }

    /// Creates an encrypting store over a shared store.
    pub fn shared(inner: Arc<dyn Store>, keys: SealingKeys) -> Self {
        Self { inner, keys, takes_plain: false }
    }

    /// Accepts plain-text secrets stored before encryption was enabled; each is encrypted at the next write of its
    /// record. Otherwise they are refused, so that write access to the database does not allow planting a secret.
    #[must_use]
    pub const fn takes_plain(mut self) -> Self {
        self.takes_plain = true;
        self
    }

    fn sealed(&self, image: &Arc<Image>) -> Result<Arc<Image>, StoreError> {
        each_secret(image, |place, text| self.keys.seal(place, text))
    }

    fn opened_page(&self, mut page: Page) -> Result<Page, StoreError> {
        for image in &mut page.items {
            *image = self.opened(image)?;
        }
        Ok(page)
    }

    fn opened(&self, image: &Arc<Image>) -> Result<Arc<Image>, StoreError> {
        each_secret(image, |place, text| match self.keys.open(place, text) {
            Some(plain) => Ok(plain),
            None if self.takes_plain && !text.starts_with(MARK) => Ok(Value::text(text)),
            // The message does not identify the value: it does not belong in a log.
            None => Err(StoreError::corrupt(
                "a secret cannot be decrypted: it was encrypted with another key or for another record",
            )),
        })
    }
}

/// Returns the positions of the secrets of a kind.
fn secrets(decl: &'static KindDecl) -> impl Iterator<Item = usize> {
    decl.fields.iter().enumerate().filter(|(_, field)| field.marks.secret).map(|(at, _)| at)
}

/// Returns the image with every text in a secret field replaced.
fn each_secret(
    image: &Arc<Image>,
    replace: impl Fn(&[u8], &str) -> Result<Value, StoreError>,
) -> Result<Arc<Image>, StoreError> {
    let mut changed: Option<Image> = None;
    for at in secrets(image.decl) {
        let place = || [image.tenant.bytes().as_slice(), &image.id.bytes(), place_name(image, at).as_bytes()].concat();
        let value = match &image.values[at] {
            Value::Text(text) => replace(&place(), text)?,
            Value::List(items) if !items.is_empty() => {
                let place = place();
                let each = items.iter().map(|item| match item {
                    Value::Text(text) => replace(&place, text),
                    other => Ok(other.clone()),
                });
                Value::List(each.collect::<Result<_, _>>()?)
            }
            _ => continue,
        };
        changed.get_or_insert_with(|| image.as_ref().clone()).values[at] = value;
    }
    Ok(changed.map_or_else(|| Arc::clone(image), Arc::new))
}

fn place_name(image: &Image, at: usize) -> String {
    format!("{}.{}", image.kind(), image.decl.fields[at].name)
}

#[async_trait]
impl Records for SealedStore {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        let mut answer = self.inner.get(tenant, wants).await?;
        for got in &mut answer.got {
            if let Got::Record(Some(image)) = got {
                *image = self.opened(image)?;
            }
        }
        Ok(answer)
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        let mut definitions = self.inner.definitions(tenant).await?;
        for image in &mut definitions.images {
            *image = self.opened(image)?;
        }
        Ok(definitions)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.opened_page(self.inner.list(query).await?)
    }

    async fn list_with_epochs(&self, query: &Query) -> Result<(Page, Epochs), StoreError> {
        let (page, epochs) = self.inner.list_with_epochs(query).await?;
        Ok((self.opened_page(page)?, epochs))
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        if !commit.writes.iter().any(|write| secrets(write.after.decl).next().is_some()) {
            return self.inner.commit(commit).await;
        }
        let mut sealed = commit.clone();
        for write in &mut sealed.writes {
            *write = Write {
                before: write.before.as_ref().map(|before| self.sealed(before)).transpose()?,
                after: self.sealed(&write.after)?,
                changes: std::mem::take(&mut write.changes),
            };
        }
        self.inner.commit(&sealed).await
    }
}

impl Layer for SealedStore {
    fn inner(&self) -> &dyn Store {
        self.inner.as_ref()
    }
}

// Secrets are in no change.
impl DelegateHistory for SealedStore {}
impl DelegateFeed for SealedStore {}

impl Store for SealedStore {
    fn counts(&self) -> Option<&dyn Counts> {
        self.inner.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog, model::schema::FieldType};

    #[test]
    fn every_secret_is_a_text_or_a_list_of_texts() {
        let all = catalog::all().flat_map(|decl| secrets(decl).map(move |at| decl.fields[at]));
        let mut found = 0;
        for field in all {
            assert!(matches!(field.ty, FieldType::Text(_) | FieldType::Texts(..)), "{}", field.name);
            found += 1;
        }
        assert!(found >= 9, "{found}");
    }

    #[test]
    fn keys_are_held_to_what_they_must_be() {
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(SealingKeys::new("a", &[1; 32]).unwrap_err(), BadKeys::Weak);
        assert_eq!(SealingKeys::new("a:b", &key).unwrap_err(), BadKeys::Id);
        assert_eq!(SealingKeys::new("", &key).unwrap_err(), BadKeys::Id);
        assert_eq!(SealingKeys::new("a", &key).unwrap().and("a", &key).unwrap_err(), BadKeys::Twice);
        assert!(!format!("{:?}", SealingKeys::new("a", &key).unwrap()).contains("Aes"));
    }
}
