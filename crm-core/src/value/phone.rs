//! Phone numbers: E.164, by the public numbering plans (the metadata of libphonenumber).
//!
//! The library decides what a number is. It compiles the patterns of the plans as it needs them, keeps a hundred of them
//! behind one lock, and takes the patterns of every country of a calling code to find whose number it is: tens to
//! hundreds of microseconds where leads come from several countries. A number that is in E.164 already, as programs and
//! most forms send it, needs none of this where no plan of its calling code would take a national prefix off it.

use std::{str::FromStr, sync::OnceLock};

use phonenumber::metadata::DATABASE;
use regex::{Regex, RegexBuilder};

use super::Fault;

/// Patterns of the plans that the library may keep; it compiles others anew.
const KEPT_PATTERNS: usize = 500;

/// A phone number in E.164 ("+4930123456"). Numbers without a country code need the organization's default country
/// (two letters of ISO 3166). A number in E.164 that is valid by its country's plan stays as it is. Costs below a
/// microsecond for a number in E.164, written with single spaces or hyphens or without; more for others.
///
/// # Errors
/// `invalid_phone`.
pub fn normalize_phone(text: &str, default_country: Option<&str>) -> Result<String, Fault> {
    let text = text.trim();
    plain(text).map_or_else(|| by_plans(text, default_country), Ok)
}

/// The number in E.164, where it is written so and no plan would change it; `None` where the plans have to be asked.
fn plain(text: &str) -> Option<String> {
    let mut e164 = String::with_capacity(16);
    let mut is_digit = true; // a separator stands between two digits
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'+' if at == 0 => is_digit = false,
            b'0'..=b'9' if at > 0 => is_digit = true,
            b' ' | b'-' if at > 1 && is_digit => {
                is_digit = false;
                continue;
            }
            _ => return None,
        }
        e164.push(char::from(byte));
    }
    let digits = e164.get(1..)?;
    if !is_digit || !(7..=15).contains(&digits.len()) {
        return None;
    }
    let (code, national) = (1..=3).find_map(|length| {
        let (code, national) = digits.split_at(length);
        Some((prefixes(code.parse().ok()?)?, national))
    })?;
    // A number that begins with nought has its noughts counted: rare, and for the library.
    (!national.starts_with('0') && code.iter().all(|prefix| !prefix.takes(national))).then_some(e164)
}

/// What a plan may take off the beginning of a national number.
enum Prefix {
    Digits(String),
    Pattern(Regex),
}

impl Prefix {
    fn takes(&self, national: &str) -> bool {
        match self {
            Self::Digits(digits) => national.starts_with(digits.as_str()),
            // An empty match takes nothing.
            Self::Pattern(pattern) => pattern.find(national).is_some_and(|found| !found.is_empty()),
        }
    }
}

/// The prefixes of all plans of a calling code; `None` where there is no such code. Made at the first number of it.
fn prefixes(code: u16) -> Option<&'static [Prefix]> {
    const NONE: OnceLock<Option<Vec<Prefix>>> = OnceLock::new();
    static ALL: [OnceLock<Option<Vec<Prefix>>>; 1000] = [NONE; 1000];
    let made = ALL.get(usize::from(code))?.get_or_init(|| {
        let mut prefixes = Vec::new();
        let (mut digits, mut patterns) = (Vec::new(), Vec::new());
        for plan in DATABASE.by_code(&code)? {
            digits.extend(plan.national_prefix());
            patterns.extend(plan.national_prefix_for_parsing().map(|pattern| pattern.as_str()));
        }
        digits.sort_unstable();
        digits.dedup();
        patterns.sort_unstable();
        patterns.dedup();
        prefixes.extend(digits.into_iter().map(|digits| Prefix::Digits(digits.to_owned())));
        for pattern in patterns {
            // The library has compiled it with the same option; one that could not be would leave the code to it.
            let pattern = RegexBuilder::new(&format!("^(?:{pattern})")).ignore_whitespace(true).build().ok()?;
            prefixes.push(Prefix::Pattern(pattern));
        }
        Some(prefixes)
    });
    made.as_deref()
}

/// The number as the library reads it.
fn by_plans(text: &str, default_country: Option<&str>) -> Result<String, Fault> {
    static CACHE: OnceLock<()> = OnceLock::new();
    CACHE.get_or_init(|| {
        if let Ok(mut cache) = DATABASE.cache().lock() {
            cache.set_capacity(KEPT_PATTERNS);
        }
    });
    let fault = || {
        Fault::new(
            "invalid_phone",
            "must be a phone number with its country code such as +49 30 123456, or a national number where the \
             organization has a default country",
        )
    };
    if text.len() > 40 {
        return Err(fault());
    }
    // A number that names its country is none of the default one's: the library would take that one's trunk prefix off
    // it (of Paris's +33 1 the 1, in the United States).
    let national = !text.starts_with(['+', '＋']);
    let country = default_country.filter(|_| national).and_then(|code| phonenumber::country::Id::from_str(code).ok());
    let number = phonenumber::parse(country, text).map_err(|_| fault())?;
    if !phonenumber::is_viable(text) || number.national().value() == 0 {
        return Err(fault());
    }
    let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
    let digits = e164.strip_prefix('+').unwrap_or(&e164);
    if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) { Ok(e164) } else { Err(fault()) }
}
