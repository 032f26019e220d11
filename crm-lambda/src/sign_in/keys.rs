//! The keys of access tokens, each of one fixed algorithm. The first key signs and all verify, so that a new key can be
//! put first while tokens of the previous one expire.

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, JwkSet, KeyAlgorithm},
};

/// The minimum length of an HS256 secret in bytes: the length of its hash.
const MIN_SECRET: usize = 32;

/// The reason why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is too short, or repeats a few characters.
    #[error(
        "the secret of key `{0}` is too weak: it must have at least 256 random bits, for example from `openssl rand -base64 48`"
    )]
    Weak(String),
    /// The key cannot be parsed.
    #[error("key `{0}` is not an RSA private key in PEM format")]
    Unreadable(String),
    /// There are no keys, or two have the same name.
    #[error("there must be at least one key, and key names must be unique")]
    Names,
}

/// A key with its algorithm.
#[derive(Clone)]
pub struct TokenKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: EncodingKey,
    pub(crate) decoding: DecodingKey,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl TokenKey {
    /// Creates an HS256 key of at least 256 bits; `kid` is its name in tokens.
    ///
    /// # Errors
    /// [`KeyError::Weak`].
    pub fn hs256(kid: impl Into<String>, secret: &[u8]) -> Result<Self, KeyError> {
        let kid = kid.into();
        let mut seen: Vec<u8> = secret.to_vec();
        seen.sort_unstable();
        seen.dedup();
        if secret.len() < MIN_SECRET || seen.len() < 8 {
            return Err(KeyError::Weak(kid));
        }
        let (encoding, decoding) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Ok(Self { kid, algorithm: Algorithm::HS256, encoding, decoding })
    }

    /// Creates an RS256 key from its private key in PEM format, for deployments whose tokens are verified by others.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`].
    pub fn rs256(kid: impl Into<String>, private_pem: &[u8]) -> Result<Self, KeyError> {
        let kid = kid.into();
        let unreadable = || KeyError::Unreadable(kid.clone());
        let encoding = EncodingKey::from_rsa_pem(private_pem).map_err(|_| unreadable())?;
        let jwk = Jwk::from_encoding_key(&encoding, Algorithm::RS256).map_err(|_| unreadable())?;
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| unreadable())?;
        Ok(Self { kid, algorithm: Algorithm::RS256, encoding, decoding })
    }

    /// The public key; `None` for HS256.
    fn public(&self) -> Option<Jwk> {
        if self.algorithm != Algorithm::RS256 {
            return None;
        }
        let mut jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm).ok()?;
        jwk.common.key_id = Some(self.kid.clone());
        jwk.common.key_algorithm = Some(KeyAlgorithm::RS256);
        jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
        Some(jwk)
    }
}

/// An ordered list of keys.
#[derive(Clone, Debug)]
pub struct KeyRing(Arc<[TokenKey]>);

impl KeyRing {
    /// Creates a ring. The first key signs, all verify.
    ///
    /// # Errors
    /// [`KeyError::Names`] if there are no keys or two have the same name.
    pub fn new(keys: Vec<TokenKey>) -> Result<Self, KeyError> {
        let mut names: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if keys.is_empty() || names.len() != keys.len() || names.contains(&"") {
            return Err(KeyError::Names);
        }
        Ok(Self(keys.into()))
    }

    pub(crate) fn signing(&self) -> &TokenKey {
        &self.0[0]
    }

    pub(crate) fn by_name(&self, kid: &str) -> Option<&TokenKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// The content of `/.well-known/jwks.json`: the public keys of RS256; HS256 has none.
    pub(crate) fn public(&self) -> JwkSet {
        JwkSet { keys: self.0.iter().filter_map(TokenKey::public).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_and_equal_names_are_refused() {
        for weak in [&b"short"[..], &[7; 64], b"abcabcabcabcabcabcabcabcabcabcabcabcabcabcabc"] {
            assert_eq!(TokenKey::hs256("k", weak).unwrap_err(), KeyError::Weak("k".into()));
        }
        let strong: Vec<u8> = (0..48).collect();
        let key = TokenKey::hs256("k", &strong).unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(KeyRing::new(vec![key.clone(), key]).unwrap_err(), KeyError::Names);
        assert_eq!(KeyRing::new(Vec::new()).unwrap_err(), KeyError::Names);
    }
}
