//! Phone numbers in E.164, validated against the public numbering plans (the metadata of libphonenumber).
//!
//! The library decides whether a text is a number. It compiles the patterns of the plans on demand, caches a bounded
//! number of them behind one lock, and tries the patterns of every country of a calling code: several microseconds or
//! more. A number that is already in E.164, as most programs and forms send it, skips the library if no plan of its
//! calling code would remove a national prefix from it.

use std::{str::FromStr, sync::OnceLock};

use phonenumber::metadata::{DATABASE, Database};
use regex::{Regex, RegexBuilder};

use super::{Fault, FaultCode};

/// The size of the library's pattern cache.
const KEPT_PATTERNS: usize = 500;
const SEPARATORS: [u8; 5] = *b" -.()";
/// The maximum number of characters in a typed number.
const MAX_TYPED: usize = 40;

/// Normalizes a phone number to E.164 ("+4930123456"). Numbers without a country code need the organization's default
/// country (two letters of ISO 3166). Takes less than a microsecond for a number with a country code, and several
/// microseconds for others.
///
/// # Errors
/// `invalid_phone`.
pub fn normalize_phone(text: &str, default_country: Option<&str>) -> Result<String, Fault> {
    let text = text.trim();
    let Some(number) = International::read(text).or_else(|| International::of_country(text, default_country)) else {
        return by_plans(text, default_country);
    };
    let with_code = text.starts_with('+');
    if with_code && number.is_plain() {
        return Ok(number.e164);
    }
    // Without separators: the library mistakes the first one for the end of the country code.
    let made = by_plans(if with_code { &number.e164 } else { text }, default_country)?;
    // The library also removes the prefix from a number that begins with the same digits (+7 800, toll-free in Russia).
    // According to libphonenumber it stays if the number is valid and the remainder is not.
    let left = made.get(number.code_end..).unwrap_or_default();
    let is_cut = made != number.e164 && number.plans_know(number.national()) && !number.plans_know(left);
    Ok(if is_cut { number.e164 } else { made })
}

/// A number with its country code, written as digits and separators.
struct International {
    e164: String,
    code: u16,
    /// The end of the country code in `e164`.
    code_end: usize,
}

impl International {
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').filter(|digits| digits.starts_with(|first| matches!(first, '1'..='9')))?;
        let mut e164 = String::with_capacity(16);
        e164.push('+');
        for byte in digits.bytes() {
            match byte {
                b'0'..=b'9' if e164.len() < 16 => e164.push(char::from(byte)),
                _ if SEPARATORS.contains(&byte) => {}
                _ => return None,
            }
        }
        if e164.len() < 8 || text.len() > MAX_TYPED || !text.ends_with(|last: char| last.is_ascii_digit()) {
            return None;
        }
        (2..=4)
            .find_map(|code_end| {
                let code = e164[1..code_end].parse().ok()?;
                prefixes(code).map(|_| (code, code_end))
            })
            .map(|(code, code_end)| Self { e164, code, code_end })
    }

    /// Reads a number as dialled within the default country, without its trunk prefix.
    fn of_country(text: &str, default_country: Option<&str>) -> Option<Self> {
        let plan = plans().by_id(default_country?)?;
        if text.len() > MAX_TYPED || !text.bytes().all(|byte| byte.is_ascii_digit() || SEPARATORS.contains(&byte)) {
            return None;
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let is_known = |national: &str| plan.descriptors().general().is_match(national);
        let stripped = plan.national_prefix().and_then(|prefix| digits.strip_prefix(prefix));
        let national = stripped.filter(|stripped| is_known(stripped) || !is_known(&digits)).unwrap_or(&digits);
        let e164 = format!("+{}{national}", plan.country_code());
        let code_end = e164.len() - national.len();
        Some(Self { e164, code: plan.country_code(), code_end })
    }

    fn national(&self) -> &str {
        &self.e164[self.code_end..]
    }

    /// Returns `true` if no plan of the calling code removes anything from the number. Leading zeros need counting,
    /// which is left to the library.
    fn is_plain(&self) -> bool {
        let national = self.national();
        let keep = |prefixes: &[Prefix]| !prefixes.iter().any(|prefix| prefix.takes(national));
        !national.starts_with('0') && prefixes(self.code).is_some_and(keep)
    }

    /// Returns `true` if these digits are a valid number in a plan of the calling code.
    fn plans_know(&self, national: &str) -> bool {
        let plans = plans().by_code(&self.code).unwrap_or_default();
        plans.iter().any(|plan| plan.descriptors().general().is_match(national))
    }
}

fn plans() -> &'static Database {
    static PLANS: OnceLock<&Database> = OnceLock::new();
    PLANS.get_or_init(|| {
        if let Ok(mut cache) = DATABASE.cache().lock() {
            cache.set_capacity(KEPT_PATTERNS);
        }
        &DATABASE
    })
}

/// A prefix that a plan may remove from a national number.
enum Prefix {
    Digits(String),
    Pattern(Regex),
}

impl Prefix {
    fn takes(&self, national: &str) -> bool {
        match self {
            Self::Digits(digits) => national.starts_with(digits.as_str()),
            // An empty match removes nothing.
            Self::Pattern(pattern) => pattern.find(national).is_some_and(|found| !found.is_empty()),
        }
    }
}

/// Returns the prefixes of all plans of a calling code, or `None` if the code does not exist. Built on first use of the
/// code.
fn prefixes(code: u16) -> Option<&'static [Prefix]> {
    static ALL: [OnceLock<Option<Vec<Prefix>>>; 1000] = [const { OnceLock::new() }; 1000];
    let made = ALL.get(usize::from(code))?.get_or_init(|| {
        let mut prefixes = Vec::new();
        let (mut digits, mut patterns) = (Vec::new(), Vec::new());
        for plan in plans().by_code(&code)? {
            digits.extend(plan.national_prefix());
            if let Some(pattern) = plan.national_prefix_for_parsing() {
                patterns.push(pattern.as_str());
            }
        }
        digits.sort_unstable();
        digits.dedup();
        patterns.sort_unstable();
        patterns.dedup();
        prefixes.extend(digits.into_iter().map(|digits| Prefix::Digits(digits.to_owned())));
        for pattern in patterns {
            // The library compiles the pattern with the same option. If it fails here, the code is left to the library.
            let pattern = RegexBuilder::new(&format!("^(?:{pattern})")).ignore_whitespace(true).build().ok()?;
            prefixes.push(Prefix::Pattern(pattern));
        }
        Some(prefixes)
    });
    made.as_deref()
}

fn by_plans(text: &str, default_country: Option<&str>) -> Result<String, Fault> {
    let fault = || {
        Fault::new(
            FaultCode::InvalidPhone,
            "must be a phone number with its country code such as +49 30 123456, or a national number where the \
             organization has a default country",
        )
    };
    if text.len() > MAX_TYPED {
        return Err(fault());
    }
    // A number with a country code ignores the default country: the library would remove the trunk prefix of the
    // default country (the 1 of +33 1, Paris, in the United States).
    let national = !text.starts_with(['+', '＋']);
    let country = default_country.filter(|_| national).and_then(|code| phonenumber::country::Id::from_str(code).ok());
    let number = phonenumber::parse_with(plans(), country, text).map_err(|_| fault())?;
    if !phonenumber::is_viable(text) || number.national().value() == 0 {
        return Err(fault());
    }
    let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
    let digits = e164.strip_prefix('+').unwrap_or(&e164);
    if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) { Ok(e164) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_with_its_country_code_is_the_same_wherever_one_is() {
        // Paris, Moscow and Budapest: these numbers begin with the trunk prefix of another country.
        for phone in ["+33199001234", "+74951234567", "+36612345678", "+493023125000", "+16175550142"] {
            for country in [None, Some("US"), Some("DE"), Some("FR"), Some("RU"), Some("HU")] {
                assert_eq!(normalize_phone(phone, country).as_deref(), Ok(phone), "{country:?}");
            }
        }
        assert_eq!(normalize_phone("(617) 555-0142", Some("US")).as_deref(), Ok("+16175550142"));
        assert_eq!(normalize_phone("1 617 555 0142", Some("US")).as_deref(), Ok("+16175550142"));
        assert_eq!(normalize_phone("030 23125 000", Some("DE")).as_deref(), Ok("+493023125000"));
        assert!(normalize_phone("030 23125 000", None).is_err());
    }

    /// Returns the number if it is accepted as written, without the library.
    fn plain(text: &str) -> Option<String> {
        International::read(text).filter(International::is_plain).map(|number| number.e164)
    }

    #[test]
    fn what_is_no_number_with_its_code_is_for_the_plans() {
        for text in ["", "+", "+49", "+49 30", "4930123456", "+ 4930123456", "+4930123456-", "+4930123456 ext. 7"] {
            assert_eq!(plain(text), None, "{text}");
        }
        for text in ["+4903023125000", "+390612345678", "+999123456789", "+0493023125000", "+49301234567890123"] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(plain("+49 (30) 23125-000").as_deref(), Some("+493023125000"));
        assert_eq!(
            normalize_phone("+49 030 23125000", None).as_deref(),
            Ok("+493023125000"),
            "the trunk's nought goes"
        );
        assert_eq!(normalize_phone("+49 (0)30 23125000", None).as_deref(), Ok("+493023125000"));
        assert_eq!(normalize_phone("+39 06 12345678", None).as_deref(), Ok("+390612345678"), "and stays in Italy");
        assert!(normalize_phone("+999123456789", None).is_err());
    }

    #[test]
    fn every_example_of_the_plans_stays_as_it_is() {
        for number in examples().into_iter().filter(|number| number.len() >= 8) {
            assert_eq!(normalize_phone(&number, None).as_deref(), Ok(number.as_str()));
            assert_eq!(normalize_phone(&number, Some("US")).as_deref(), Ok(number.as_str()));
        }
    }

    #[test]
    fn digits_like_a_trunk_prefix_are_not_cut_off() {
        // The results of libphonenumber 9.0 for toll-free numbers of Russia, Belarus and Lithuania, whose trunk prefix
        // is 8.
        for (text, country, number) in [
            ("+7 (800) 123-45-67", None, "+78001234567"),
            ("8 800 123 45 67", Some("RU"), "+78001234567"),
            ("800 123 45 67", Some("RU"), "+78001234567"),
            ("8 (495) 123-45-67", Some("RU"), "+74951234567"),
            ("+375 801 123 4567", None, "+3758011234567"),
            ("+375 8 029 1234567", None, "+375291234567"),
            ("+370 800 12345", None, "+37080012345"),
            ("8 800 12345", Some("LT"), "+37080012345"),
        ] {
            assert_eq!(normalize_phone(text, country).as_deref(), Ok(number), "{text}");
        }
    }

    fn examples() -> Vec<String> {
        let mut all = Vec::new();
        for plan in plans().iter() {
            let kinds = plan.descriptors();
            let kinds = [
                Some(kinds.general()),
                kinds.fixed_line(),
                kinds.mobile(),
                kinds.toll_free(),
                kinds.premium_rate(),
                kinds.shared_cost(),
                kinds.voip(),
                kinds.uan(),
            ];
            let examples = kinds.into_iter().flatten().filter_map(phonenumber::metadata::Descriptor::example);
            all.extend(examples.map(|example| format!("+{}{example}", plan.country_code())));
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn a_plain_number_is_what_the_plans_make_of_it(
            example in prop::sample::select(examples()),
            cut in 0_usize..4,
            more in "[0-9]{0,4}",
            swapped in (2_usize..12, 0_u8..10),
            separators in prop::collection::vec((2_usize..14, prop::sample::select(vec![' ', '-', '.', '(', ')'])), 0..5),
        ) {
            // A variation of an existing number: shorter, longer, with another digit, with separators.
            let mut text: Vec<char> = example.chars().take(example.len() - cut).chain(more.chars()).collect();
            if let Some(digit) = text.get_mut(swapped.0) {
                *digit = char::from(b'0' + swapped.1);
            }
            for (at, separator) in separators {
                if at < text.len() {
                    text.insert(at, separator);
                }
            }
            let text: String = text.into_iter().collect();
            if let Some(number) = plain(&text) {
                prop_assert_eq!(by_plans(&number, None), Ok(number.clone()));
                // The library refuses some texts with separators, and never returns another number.
                let made = by_plans(&text, None);
                prop_assert!(made.is_err() || made.as_ref() == Ok(&number), "{}: {:?}", text, made);
            }
        }

        #[test]
        fn any_digits_are_what_the_plans_make_of_them(text in "\\+[1-9][0-9]{4,15}", country in "[A-Z]{2}") {
            if let Some(number) = plain(&text) {
                prop_assert_eq!(by_plans(&text, Some(&country)), Ok(number));
            }
        }
    }
}
