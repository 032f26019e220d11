//! Normalization of partial texts: a typed part of a phone number, domain or URL is converted to the form in which the
//! whole is stored, so that `contains` and `starts_with` find it. A part that cannot be converted is refused with a
//! reason rather than silently matching nothing.

use super::{Fault, FaultCode};

/// The position of a part within the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the beginning.
    Start,
    /// Anywhere.
    Within,
}

/// Normalizes a part of a phone number to digits as in E.164. A national prefix at the beginning is completed with the
/// organization's default country: `030` becomes `+4930` in Germany.
///
/// # Errors
/// `invalid_phone` if the part contains letters or no digits, or begins with a national prefix and there is no default
/// country.
pub fn part_of_phone(part: &str, place: Place, default_country: Option<&str>) -> Result<String, Fault> {
    let fault = |message: &str| Err(Fault::new(FaultCode::InvalidPhone, message));
    let part = part.trim();
    let international = part.starts_with(['+', '＋']);
    let part = if international { without_trunk_zero(part) } else { part.to_owned() };
    let mut digits = String::with_capacity(part.len());
    for c in part.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' | '＋' if digits.is_empty() => {}
            ' ' | '\u{a0}' | '(' | ')' | '/' | '.' | '-' | '‐' | '‑' | '–' => {}
            _ => return fault("must be part of a phone number, such as +49 30"),
        }
    }
    if digits.is_empty() && !international {
        return fault("must contain at least one digit");
    }
    if international {
        return Ok(format!("+{digits}"));
    }
    if place == Place::Within {
        // The trunk prefix of a national number is not part of the stored one.
        let bare = digits.trim_start_matches('0');
        return Ok(if bare.is_empty() { digits } else { bare.to_owned() });
    }
    if let Some(rest) = digits.strip_prefix("00") {
        return Ok(format!("+{rest}"));
    }
    let plan = default_country.and_then(|code| phonenumber::metadata::DATABASE.by_id(code));
    let Some(plan) = plan else {
        return fault("must start with + and the country code, because the organization has no default country");
    };
    let national = plan.national_prefix().and_then(|prefix| digits.strip_prefix(prefix)).unwrap_or(&digits);
    Ok(format!("+{}{national}", plan.country_code()))
}

/// Removes the trunk zero from a number written with its country code, as in "+49 (0)30". In Italy the zero is part of
/// the number.
pub(crate) fn without_trunk_zero(number: &str) -> String {
    if number.starts_with("+39") { number.to_owned() } else { number.replacen("(0)", "", 1) }
}

/// Normalizes a part of a domain: lower case, and without scheme and `www.` at the beginning.
///
/// # Errors
/// `invalid_domain` for non-ASCII letters, whose stored form (punycode) exists only for whole labels.
pub fn part_of_domain(part: &str, place: Place) -> Result<String, Fault> {
    let mut part = part.trim();
    if place == Place::Start {
        part = part.split_once("://").map_or(part, |(_, rest)| rest);
    }
    let part = part.split(['/', '?', '#', ':']).next().unwrap_or_default().to_ascii_lowercase();
    let part = if place == Place::Start { part.strip_prefix("www.").unwrap_or(&part) } else { &part };
    if !part.is_ascii() {
        return Err(Fault::new(
            FaultCode::InvalidDomain,
            "must be ASCII: part of an internationalized domain name cannot be matched",
        ));
    }
    Ok(part.to_owned())
}

/// Returns the forms that a part of a URL can have in the stored one; at least one must be present. At the beginning
/// and without a scheme, it may be the start of an https or an http URL; elsewhere, part of the host (lower case) or of
/// the rest (unchanged).
///
/// # Errors
/// `invalid_url` for non-ASCII letters, whose stored form depends on their position in the URL.
pub fn parts_of_url(part: &str, place: Place) -> Result<Vec<String>, Fault> {
    let part = part.trim();
    if !part.is_ascii() || part.contains(char::is_whitespace) {
        let message = "must be ASCII without spaces, like the stored URL (punycode and percent-encoding)";
        return Err(Fault::new(FaultCode::InvalidUrl, message));
    }
    // The host ends where the path, the query or the fragment begins.
    let lower = |part: &str, from: usize| {
        let end = part[from..].find(['/', '?', '#']).map_or(part.len(), |at| from + at);
        format!("{}{}", part[..end].to_ascii_lowercase(), &part[end..])
    };
    if let Some(at) = part.find("://") {
        return Ok(vec![lower(part, at + 3)]);
    }
    let schemes = ["https://", "http://"];
    let begun = part.to_ascii_lowercase();
    if place == Place::Start {
        // The part may be the beginning of the scheme itself.
        if schemes.iter().any(|scheme| scheme.starts_with(&begun)) {
            return Ok(vec![begun]);
        }
        return Ok(schemes.iter().map(|scheme| format!("{scheme}{}", lower(part, 0))).collect());
    }
    let mut forms = vec![part.to_owned()];
    for form in [lower(part, 0)] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    Ok(forms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_beginning_of_a_phone_number_is_completed() {
        let begins = |part, country| part_of_phone(part, Place::Start, country).map_err(|fault| fault.code);
        for (part, country, form) in [
            ("030", Some("DE"), "+4930"),
            ("(030) 90", Some("DE"), "+493090"),
            ("0", Some("DE"), "+49"),
            ("+49 (0)30", Some("DE"), "+4930"),
            ("+39 (0)6", Some("DE"), "+3906"),
            ("0049 30", None, "+4930"),
            ("+", None, "+"),
            ("617-555", Some("US"), "+1617555"),
            ("1 617", Some("US"), "+1617"),
            ("06", Some("IT"), "+3906"),
        ] {
            assert_eq!(begins(part, country).as_deref(), Ok(form), "{part}");
        }
        for (part, country) in [("030", None), ("ann", Some("DE")), ("", Some("DE")), ("-", Some("DE"))] {
            assert_eq!(begins(part, country), Err(FaultCode::InvalidPhone), "{part}");
        }
        let within = |part| part_of_phone(part, Place::Within, None).map_err(|fault| fault.code);
        assert_eq!(within("030 9018").as_deref(), Ok("309018"));
        assert_eq!(within("00").as_deref(), Ok("00"));
    }

    #[test]
    fn a_typed_part_of_an_address_is_in_the_stored_case() {
        assert_eq!(part_of_domain("https://WWW.Exam", Place::Start).as_deref(), Ok("exam"));
        assert_eq!(part_of_domain("Ample.", Place::Within).as_deref(), Ok("ample."));
        assert!(part_of_domain("müll", Place::Within).is_err());
        let url = |part, place| parts_of_url(part, place).unwrap().join(" ");
        assert_eq!(url("HTTPS://Example.com/Path", Place::Start), "https://example.com/Path");
        assert_eq!(url("Example.com/Path", Place::Start), "https://example.com/Path http://example.com/Path");
        assert_eq!(url("htt", Place::Start), "htt");
        assert_eq!(url("Example", Place::Within), "Example example");
        assert_eq!(url("/Path", Place::Within), "/Path");
        assert!(parts_of_url("/pfä", Place::Within).is_err());
    }
}
