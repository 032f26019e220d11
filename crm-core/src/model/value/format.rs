//! Formats of text: validation and normal form of email addresses, domains, URLs and slugs.

use super::{Fault, FaultCode};

/// Normalizes an email address (RFC 5321): trimmed and lower-cased as a whole, as no mail provider in use distinguishes
/// case.
///
/// # Errors
/// `invalid_email`.
pub fn normalize_email(text: &str) -> Result<String, Fault> {
    let lower = text.trim().to_lowercase();
    let options = email_address::Options::default().without_display_text().without_domain_literal().with_required_tld();
    match email_address::EmailAddress::parse_with_options(&lower, options) {
        Ok(_) => Ok(lower),
        Err(_) => Err(Fault::new(FaultCode::InvalidEmail, "must be an email address such as ada@example.com")),
    }
}

/// Normalizes a domain name: lower case, without scheme, path, trailing dot and `www.`, in ASCII (punycode) form.
///
/// # Errors
/// `invalid_domain`.
pub fn normalize_domain(text: &str) -> Result<String, Fault> {
    let fault = || Fault::new(FaultCode::InvalidDomain, "must be a domain name such as example.com");
    let text = text.trim();
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default().trim_end_matches('.');
    let ascii = idna::domain_to_ascii_strict(host).map_err(|_| fault())?;
    let bare = ascii.strip_prefix("www.").unwrap_or(&ascii);
    if bare.contains('.') && bare.len() <= 253 { Ok(bare.to_owned()) } else { Err(fault()) }
}

/// Normalizes an http or https URL. A text without a scheme becomes an https URL.
///
/// # Errors
/// `invalid_url`.
pub fn normalize_url(text: &str) -> Result<String, Fault> {
    let fault = || Fault::new(FaultCode::InvalidUrl, "must be an http or https URL such as https://example.com/page");
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = url::Url::parse(&full).map_err(|_| fault())?;
    if matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| host.contains('.') || host == "localhost")
    {
        Ok(url.to_string())
    } else {
        Err(fault())
    }
}

/// Normalizes a slug or key: lower-case letters, digits, `-` and `_`, beginning with a letter or digit, at most 63
/// characters.
///
/// # Errors
/// `invalid_key`.
pub fn normalize_slug(text: &str) -> Result<String, Fault> {
    let lower = text.trim().to_ascii_lowercase();
    let fine = (1..=63).contains(&lower.len())
        && lower.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && lower.as_bytes()[0].is_ascii_alphanumeric();
    if fine {
        Ok(lower)
    } else {
        Err(Fault::new(
            FaultCode::InvalidKey,
            "must be 1 to 63 letters, digits, '-' or '_', starting with a letter or digit",
        ))
    }
}
