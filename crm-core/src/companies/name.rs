//! Company names as a conversion compares them: without case, diacritics and punctuation, and with the legal form
//! separate. `Same GmbH` and `SAME G.m.b.H.` are one company, `Same` may be the same one, and `Same AG` is another.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::model::value::fold;

/// The maximum number of characters of a key; longer keys are cut.
const MAX_KEY: usize = 200;
/// The number of companies with the same key that can be found by it.
const PLACES: usize = 3;

/// The places of a key: each company with this name claims one. No key contains a `#`.
pub(crate) fn places(key: &str) -> [String; PLACES] {
    std::array::from_fn(|place| if place == 0 { key.to_owned() } else { format!("{key}#{place}") })
}

/// Spellings of legal forms, each with the form it stands for. They come last in a name, in some languages first.
const LEGAL_FORMS: &[(&str, &[&str])] = &[
    ("ab", &["ab", "aktiebolag"]),
    ("ag", &["ag", "aktiengesellschaft"]),
    ("as", &["as", "a s", "asa", "aps"]),
    ("bv", &["bv", "besloten vennootschap"]),
    ("co", &["co", "company"]),
    ("corp", &["corp", "corporation"]),
    ("doo", &["doo"]),
    ("ek", &["ek", "eingetragener kaufmann"]),
    ("eg", &["eg"]),
    ("ev", &["ev"]),
    ("gbr", &["gbr"]),
    ("gmbh", &["gmbh", "gesmbh", "mbh", "gesellschaft mit beschrankter haftung"]),
    ("gk", &["合同会社"]),
    ("inc", &["inc", "incorporated"]),
    ("jsc", &["jsc", "pjsc", "oao", "zao", "pao", "оао", "зао", "пао"]),
    ("kft", &["kft"]),
    ("kg", &["kg", "kommanditgesellschaft"]),
    ("kgaa", &["kgaa"]),
    ("kk", &["kk", "kabushiki kaisha", "株式会社"]),
    ("llc", &["llc", "ooo", "ооо"]),
    ("llp", &["llp"]),
    ("lp", &["lp"]),
    ("ltd", &["ltd", "limited", "有限公司", "有限会社"]),
    ("nv", &["nv"]),
    ("ohg", &["ohg"]),
    ("oy", &["oy", "oyj"]),
    ("plc", &["plc"]),
    ("pte", &["pte"]),
    ("pty", &["pty", "proprietary"]),
    ("pvt", &["pvt", "private"]),
    ("sa", &["sa", "sociedad anonima", "societe anonyme"]),
    ("sarl", &["sarl", "sa rl", "eurl"]),
    ("sas", &["sas", "sasu"]),
    ("sdn bhd", &["sdn bhd"]),
    ("se", &["se"]),
    ("sl", &["sl", "slu"]),
    ("spa", &["spa"]),
    ("srl", &["srl"]),
    ("sro", &["sro"]),
    ("spzoo", &["spzoo", "sp zoo", "sp z oo", "spolka z oo"]),
    ("ug", &["ug haftungsbeschrankt", "ug"]),
    ("uab", &["uab"]),
    ("vof", &["vof"]),
];

/// The keys by which a company is found from its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameKeys {
    /// The name with its legal form, if any.
    pub(crate) whole: String,
    /// The name without its legal form; `None` if it has none.
    pub(crate) stem: Option<String>,
}

impl NameKeys {
    /// Computes the keys of a name.
    pub(crate) fn of(name: &str) -> Self {
        let plain = plain(name);
        if plain.is_empty() {
            return Self { whole: cut(fold(name)), stem: None };
        }
        let mut words: Vec<&str> = plain.split(' ').collect();
        let mut forms: Vec<&str> = Vec::new();
        while let Some((form, length)) = form_at(&words, |words, form| words.ends_with(form)) {
            words.truncate(words.len() - length);
            forms.push(form);
        }
        while let Some((form, length)) = form_at(&words, |words, form| words.starts_with(form)) {
            words.drain(..length);
            forms.push(form);
        }
        if words.len() > 1 && words[0] == "the" {
            words.remove(0);
        }
        let stem = cut(words.join(" "));
        if forms.is_empty() {
            return Self { whole: stem, stem: None };
        }
        forms.sort_unstable();
        forms.dedup();
        Self { whole: format!("{stem} | {}", forms.join(" ")), stem: Some(stem) }
    }

    /// The name without its legal form.
    pub(crate) fn stem(&self) -> &str {
        self.stem.as_deref().unwrap_or(&self.whole)
    }

    /// `true` if one name begins with all words of the other: "Acme" and "Acme Europe Ltd".
    pub(crate) fn resembles(&self, other: &Self) -> bool {
        let (a, b) = (self.stem(), other.stem());
        let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

/// Returns the legal form that `is_there` finds in `words`, and its number of words, provided that other words remain.
fn form_at(words: &[&str], is_there: impl Fn(&[&str], &[&str]) -> bool) -> Option<(&'static str, usize)> {
    let all = LEGAL_FORMS.iter().flat_map(|(form, spellings)| spellings.iter().map(move |spelling| (*form, *spelling)));
    let fitting = all.filter_map(|(form, spelling)| {
        let spelt: Vec<&str> = spelling.split(' ').collect();
        (spelt.len() < words.len() && is_there(words, &spelt)).then_some((form, spelt.len()))
    });
    // The longest match: "UG (haftungsbeschränkt)" before "UG".
    fitting.max_by_key(|(_, length)| *length)
}

/// Folded words with single spaces, without diacritics, punctuation and conjunctions.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut name = fold(name);
    // These are written without a space before or after the name.
    for form in ["株式会社", "有限会社", "合同会社", "有限公司"] {
        if name.contains(form) {
            name = name.replace(form, &format!(" {form} "));
        }
    }
    for c in name.nfd().filter(|c| !is_combining_mark(*c)) {
        match c {
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'ı' => plain.push('i'),
            // Ignored within a word: "G.m.b.H.", "O’Brien".
            '.' | '\'' | '’' | '‘' | '`' | '´' | '"' | '“' | '”' | '„' => {}
            c if c.is_alphanumeric() => plain.push(c),
            _ => plain.push(' '),
        }
    }
    let words = || plain.split_whitespace();
    let said: Vec<&str> = words().filter(|word| !matches!(*word, "and" | "und" | "et")).collect();
    if said.is_empty() { words().collect::<Vec<_>>().join(" ") } else { said.join(" ") }
}

fn cut(mut key: String) -> String {
    if let Some((end, _)) = key.char_indices().nth(MAX_KEY) {
        key.truncate(end);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_whatever_their_spelling_and_differ_by_their_legal_form() {
        let whole = |name: &str| NameKeys::of(name).whole;
        for (one, other) in [
            ("Same GmbH", "SAME  G.m.b.H."),
            ("Müller & Söhne GmbH & Co. KG", "muller und sohne gmbh & co kg"),
            ("O’Brien Limited", "O'Brien, Ltd."),
            ("The Widget Company", "widget co."),
            ("Crème Brûlée S.A.R.L.", "creme brulee sarl"),
            ("株式会社 トヨタ", "トヨタ 株式会社"),
            ("株式会社山田", "山田 株式会社"),
            ("Gamma S.à r.l.", "Gamma Sarl"),
            ("Ef A/S", "Ef AS"),
            ("Beta Spółka z o.o.", "Beta Sp. z o.o."),
        ] {
            assert_eq!(whole(one), whole(other), "{one} and {other}");
        }
        assert_ne!(whole("Same GmbH"), whole("Same AG"));
        assert_ne!(whole("Same GmbH"), whole("Same"));
        assert_eq!(NameKeys::of("Same GmbH").stem(), NameKeys::of("same").stem());
        assert_eq!(whole("Company"), "company", "a form alone is a name");
        assert_eq!(whole("!!!"), "!!!");
        assert!(NameKeys::of("Acme").resembles(&NameKeys::of("Acme Europe Ltd")));
        assert!(!NameKeys::of("Acme").resembles(&NameKeys::of("Acmeo Ltd")));
    }
}
