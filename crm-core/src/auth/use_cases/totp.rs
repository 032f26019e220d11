//! Codes of the second factor: time-based codes (RFC 6238: SHA-1, 6 digits, 30 seconds, one step either way) and
//! recovery codes.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{Secret, secret::same, token::hash};
use crate::model::value::Time;

/// The length of a time step.
const STEP_SECONDS: i64 = 30;
const DIGITS: u32 = 6;
/// The length of a secret: the output length of SHA-1, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
pub(super) const RECOVERY_CODES: usize = 10;
/// The length of a recovery code: 80 bits, too many for brute force, so that a plain hash of it suffices.
const RECOVERY_BYTES: usize = 10;

/// Returns a new secret in base 32, from random bytes.
pub(super) fn secret(random: &[u8; 32]) -> Secret {
    data_encoding::BASE32_NOPAD.encode(&random[..SECRET_BYTES]).into()
}

/// Returns the link that an authenticator reads from a QR code.
pub(super) fn url(issuer: &str, account: &str, secret: &Secret) -> Secret {
    let (issuer, account) = (percent(issuer), percent(account));
    let secret = secret.expose();
    format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
        .into()
}

/// Percent-encodes all but unreserved characters: authenticators read `+` literally.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns the step of a code: the current one, the previous or the next, if it is later than the last accepted one.
pub(super) fn accepted_step(secret: &str, code: &str, now: Time, last: Option<i64>) -> Option<i64> {
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let step = now.micros().div_euclid(1_000_000 * STEP_SECONDS);
    let mut found = None;
    // All three steps are compared, so that the duration does not reveal which one matched.
    for step in [step - 1, step, step + 1] {
        if same(&code_of(&key, step, DIGITS), code) && last.is_none_or(|last| step > last) {
            found = found.or(Some(step));
        }
    }
    found
}

/// HOTP (RFC 4226) of a counter.
fn code_of(key: &[u8], step: i64, digits: u32) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return String::new() };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[hash.len() - 1] & 0xF);
    let number = u32::from_be_bytes([hash[at] & 0x7F, hash[at + 1], hash[at + 2], hash[at + 3]]);
    format!("{:0width$}", number % 10_u32.pow(digits), width = digits as usize)
}

/// Returns a recovery code from random bytes: sixteen letters and digits in groups of four.
pub(super) fn recovery_code(random: &[u8; 32]) -> Secret {
    let text = data_encoding::BASE32_NOPAD.encode(&random[..RECOVERY_BYTES]).to_lowercase();
    let groups: Vec<&str> = [0, 4, 8, 12].map(|at| &text[at..at + 4]).into();
    groups.join("-").into()
}

/// Returns the hash of a recovery code as typed: in capitals, with spaces, without hyphens.
pub(super) fn recovery_hash(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    hash(&format!("recovery {}", plain.to_ascii_lowercase()))
}

/// Returns the digits of a time-based code as typed ("123 456"); `None` if it can only be a recovery code.
pub(super) fn digits(code: &str) -> Option<String> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).take(32).collect();
    (plain.len() == DIGITS as usize && plain.bytes().all(|byte| byte.is_ascii_digit())).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let key = b"12345678901234567890";
        for (seconds, code) in
            [(59, "94287082"), (1_111_111_109, "07081804"), (1_234_567_890, "89005924"), (20_000_000_000, "65353130")]
        {
            assert_eq!(code_of(key, seconds / STEP_SECONDS, 8), code);
        }
    }

    #[test]
    fn one_step_either_way_is_taken_and_none_twice() {
        let secret = data_encoding::BASE32_NOPAD.encode(b"12345678901234567890");
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000).unwrap();
        // Step 1 (seconds 30 to 59) has the code 287082.
        let code = "287082";
        for (seconds, taken) in [(0, true), (29, true), (30, true), (59, true), (60, true), (89, true), (90, false)] {
            assert_eq!(accepted_step(&secret, code, at(seconds), None), taken.then_some(1), "{seconds}");
        }
        assert_eq!(accepted_step(&secret, code, at(59), Some(0)), Some(1));
        assert_eq!(accepted_step(&secret, code, at(59), Some(1)), None);
        assert_eq!(accepted_step(&secret, code, at(59), Some(2)), None);
        assert_eq!(accepted_step(&secret, "287083", at(59), None), None);
        assert_eq!(accepted_step("not base 32", code, at(59), None), None);
    }

    #[test]
    fn a_link_is_safe_to_scan() {
        let link = url("Müller & Co", "ada+crm@engines.example", &"ABC".into());
        assert_eq!(
            link.expose(),
            "otpauth://totp/M%C3%BCller%20%26%20Co:ada%2Bcrm@engines.example?secret=ABC&issuer=M%C3%BCller%20%26%20Co\
             &algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn recovery_codes_may_be_typed_in_many_ways() {
        let code = recovery_code(&[0xA5; 32]);
        assert_eq!(code.expose().len(), 19);
        let sloppy = code.expose().to_uppercase().replace('-', " ");
        assert_eq!(recovery_hash(code.expose()), recovery_hash(&sloppy));
        assert_eq!(digits("123 456").as_deref(), Some("123456"));
        assert_eq!(digits(code.expose()), None);
    }
}
