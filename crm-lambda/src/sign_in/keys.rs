//! The keys that sign access tokens, each of one fixed algorithm. The first signs; all of them verify, so that a new key
//! can be put first while tokens of the one before it live out their time.

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, JwkSet, KeyAlgorithm},
};

/// Bytes of an HS256 secret at least: as many as its hash has.
const MIN_SECRET: usize = 32;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short, or the same few characters over and over.
    #[error(
        "the secret of key `{0}` is too weak: it needs at least 256 random bits, such as `openssl rand -base64 48` gives"
    )]
    Weak(String),
    /// Not what it should be.
    #[error("key `{0}` is no RSA private key in PEM form")]
    Unreadable(String),
    /// There is none, or two have one name.
    #[error("there must be at least one key, each with a name of its own")]
    Names,
}

/// A key of one algorithm.
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
    /// An HS256 key of at least 256 bits, by the name (`kid`) that tokens carry.
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

    /// An RS256 key from its private key in PEM form: for deployments where others verify our tokens.
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

    /// The public half, of an RS256 key.
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

/// Keys in their order.
#[derive(Clone, Debug)]
pub struct KeyRing(Arc<[TokenKey]>);

impl KeyRing {
    /// The first key signs, all verify.
    ///
    /// # Errors
    /// [`KeyError::Names`] for none, or two of one name.
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

    /// What `/.well-known/jwks.json` shows: the public halves of RS256 keys, nothing of HS256 ones.
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
