//! Password rules and password hashing.
//!
//! A password is normalized to NFKC, so that it is the same from every keyboard, and has 12 to 128 characters of any
//! kind. There are no rules of composition; common passwords are refused instead.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{AuthError, Secret, common, policy::Argon2Cost};
use crate::model::{
    error::Error,
    store::StoreError,
    value::{FaultCode, fold},
};

const MIN_CHARS: usize = 12;
const MAX_CHARS: usize = 128;
/// Longer input is not processed: it exceeds 128 characters in any form.
const MAX_BYTES: usize = 2048;
/// The minimum number of characters that are not part of the user's own names.
const MIN_OWN: usize = 6;

/// Returns the password in the form that is hashed; `None` if no valid password can have this form.
fn normal(password: &Secret) -> Option<Zeroizing<String>> {
    let text = password.expose();
    (text.len() <= MAX_BYTES).then(|| Zeroizing::new(text.nfkc().collect()))
}

/// Checks a new password against the rules. `own` are the names of the user and of the organization.
///
/// # Errors
/// [`Error::Invalid`] of the field `password`: `too_short`, `too_long`, `too_common`.
pub(super) fn check(password: &Secret, own: &[&str]) -> Result<(), Error> {
    let refuse = |code, message: String| Err(Error::invalid("password", code, message));
    let too_long = || refuse(FaultCode::TooLong, format!("must have at most {MAX_CHARS} characters"));
    let Some(text) = normal(password) else { return too_long() };
    let chars = text.chars().count();
    if chars < MIN_CHARS {
        return refuse(FaultCode::TooShort, format!("must have at least {MIN_CHARS} characters"));
    }
    if chars > MAX_CHARS {
        return too_long();
    }
    let plain = Zeroizing::new(fold(&text));
    if common::is_common(&plain) {
        return refuse(FaultCode::TooCommon, "is among the passwords that are tried first: choose another".to_owned());
    }
    if is_about(&plain, own) {
        return refuse(FaultCode::TooCommon, "must not be made of the user's or the organization's name".to_owned());
    }
    Ok(())
}

/// Returns `true` if too little is left once the user's own names are removed.
fn is_about(plain: &str, own: &[&str]) -> bool {
    let letters = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    let mut words: Vec<String> = Vec::new();
    for text in own {
        let text = fold(text);
        words.extend(text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        words.push(letters(&text));
    }
    words.retain(|word| word.chars().count() >= 3);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut left = Zeroizing::new(letters(plain));
    let whole = left.len();
    for word in &words {
        left = Zeroizing::new(left.replace(word.as_str(), ""));
    }
    left.len() < whole && left.chars().count() < MIN_OWN
}

fn hasher(cost: Argon2Cost) -> Result<Argon2<'static>, AuthError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
        .map_err(|_| Error::invalid("argon2", FaultCode::Invalid, "must be valid argon2id parameters"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Returns the hash of a password in PHC format.
///
/// # Errors
/// [`AuthError::Crm`] for parameters that argon2id does not accept, or if memory is insufficient.
pub(super) fn hash(cost: Argon2Cost, password: &Secret, salt: &[u8; 32]) -> Result<String, AuthError> {
    let text = normal(password).unwrap_or_default();
    let hashed = hasher(cost)?.hash_password_with_salt(text.as_bytes(), &salt[..16]);
    let hashed = hashed.map_err(|_| Error::Unavailable(StoreError::unavailable("no hash could be made")))?;
    Ok(hashed.to_string())
}

/// Returns `true` if a password matches a stored hash. Without a hash, the same work is done, so that an unknown name
/// takes as long as a wrong password.
///
/// # Errors
/// As [`hash`].
pub(super) fn verify(cost: Argon2Cost, password: &Secret, stored: Option<&str>) -> Result<bool, AuthError> {
    const NOBODY: [u8; 32] = *b"a fixed salt for nobody at all..";
    let stored = stored.and_then(|stored| PasswordHash::new(stored).ok());
    let Some((stored, text)) = stored.zip(normal(password)) else {
        hash(cost, password, &NOBODY)?;
        return Ok(false);
    };
    Ok(hasher(cost)?.verify_password(text.as_bytes(), &stored).is_ok())
}

/// Returns `true` if a hash has a lower cost than the policy in any parameter.
pub(super) fn is_outdated(cost: Argon2Cost, stored: &str) -> bool {
    let parsed = PasswordHash::new(stored).ok();
    let params = parsed.as_ref().and_then(|hash| Params::try_from(hash).ok());
    params.is_none_or(|params| {
        params.m_cost() < cost.memory_kib || params.t_cost() < cost.passes || params.p_cost() < cost.lanes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 32, passes: 1, lanes: 1 };

    fn code(password: &str) -> String {
        match check(&password.into(), &["ada.lovelace@engines.example", "Ada Lovelace", "Engines Ltd"]) {
            Ok(()) => "good".to_owned(),
            Err(Error::Invalid(faults)) => faults.all()[0].fault.code.to_string(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn length_is_counted_in_characters_of_the_normal_form() {
        assert_eq!(code("kurzer Satz"), "too_short");
        assert_eq!(code("zwölf Zeiche"), "good");
        assert_eq!(code(&"äöü€𝄞-字+漢.".repeat(12)), "good");
        assert_eq!(code(&format!("{}x", "zq7äöüßk".repeat(16))), "too_long");
        assert_eq!(code(&"x".repeat(1_000_000)), "too_long");
        // Twelve characters written as six ligatures, which NFKC decomposes.
        assert_eq!(code("ﬁﬁﬂﬂﬁﬂ"), "good");
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for common in
            ["password1234", "Password1234!", "qwertyuiop12", "aaaaaaaaaaaaaa", "abcabcabcabc", "123456789012345"]
        {
            assert_eq!(code(common), "too_common", "{common}");
        }
        for own in ["adalovelace1", "Lovelace-Ada-1815", "engines ltd 1", "ada.lovelace@engines.example"] {
            assert_eq!(code(own), "too_common", "{own}");
        }
        for signs in ["!!!!@@@@####", "!?!?!?!?!?!?", "!!!password!!!", "-.,+-.,+-.,+-.,+"] {
            assert_eq!(code(signs), "too_common", "{signs}");
        }
        for good in ["§$%&/()=?*+~", "correct horse battery", "lovelace wrote the first program", "thirteen-1234-chars"]
        {
            assert_eq!(code(good), "good", "{good}");
        }
    }

    #[test]
    fn a_hash_is_of_one_password_in_every_spelling() {
        let composed: Secret = "pass\u{e9} compos\u{e9}".into();
        let decomposed: Secret = "passe\u{301} compose\u{301}".into();
        let stored = hash(CHEAP, &composed, &[1; 32]).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=32,t=1,p=1$"), "{stored}");
        assert!(verify(CHEAP, &decomposed, Some(&stored)).unwrap());
        assert!(!verify(CHEAP, &"pass\u{e8} compos\u{e9}".into(), Some(&stored)).unwrap());
        assert!(!verify(CHEAP, &composed, None).unwrap());
        assert!(!verify(CHEAP, &composed, Some("no hash")).unwrap());
    }

    #[test]
    fn a_hash_that_cost_less_is_outdated() {
        let stored = hash(CHEAP, &"some password".into(), &[1; 32]).unwrap();
        assert!(!is_outdated(CHEAP, &stored));
        assert!(is_outdated(Argon2Cost { passes: 2, ..CHEAP }, &stored));
        assert!(is_outdated(Argon2Cost { memory_kib: 64, ..CHEAP }, &stored));
        assert!(!is_outdated(Argon2Cost { memory_kib: 16, ..CHEAP }, &stored));
        // A hash whose cost differs from the policy's is verified at its own cost.
        assert!(verify(Argon2Cost { passes: 2, ..CHEAP }, &"some password".into(), Some(&stored)).unwrap());
    }
}
