//! Full-text search: the words of a record, and search terms. Both are computed here only, so that every store returns
//! the same results.
//!
//! `search_text` contains one line per word: `\n` word `\t` comma-separated names of the fields that contain it. A term
//! matches the beginning of a word (the text contains `\n` + term); all terms must match, in any order and any field.
//! An actor who may not see a field does not find its words, since each line names the fields.
//!
//! Words are runs of plain letters. In addition, an email address is also indexed as a whole; a name with an apostrophe
//! also in joined form (`o'brien` is `obrien`, `o` and `brien`); Han, Kana, Hangul and Thai as pairs of letters; a
//! phone number as its digits in reverse order after `#`, so that a suffix of it is a prefix of the word.

use std::borrow::Cow;

use crate::model::{
    filter::{Compare, Path, Predicate, Test},
    schema::{FieldType, Image, KindDecl, common},
    value::{Fault, FaultCode, Value, parts, plain},
};

/// The maximum number of words from a record's short fields, and from its long texts.
const MAX_WORDS: usize = 64;
/// The maximum number of characters in a word, and in a term, so that a term remains a prefix.
const MAX_WORD: usize = 100;
/// The maximum size of a search text in bytes.
const MAX_BYTES: usize = 4096;
/// The maximum number of characters in a query.
const MAX_ASKED: usize = 200;
/// The maximum number of words in a query, and of the terms they expand to.
const MAX_ASKED_WORDS: usize = 8;
const MAX_TERMS: usize = 32;
/// The minimum number of digits for which a number may be the end of a phone number.
const MIN_PHONE_DIGITS: usize = 3;

pub(crate) fn text_of(image: &Image) -> String {
    let mut words: Vec<(String, Vec<&'static str>)> = Vec::new();
    for long in [false, true] {
        let mut room = MAX_WORDS;
        for (at, field) in image.decl.fields.iter().enumerate() {
            if !field.marks.searchable || field.is_long() != long {
                continue;
            }
            for text in texts(image, at) {
                for word in words_of(field.ty, &text) {
                    match words.iter_mut().find(|(known, _)| *known == word) {
                        Some((_, fields)) if fields.contains(&field.name) => {}
                        Some((_, fields)) => fields.push(field.name),
                        None if room > 0 => {
                            room -= 1;
                            words.push((word, vec![field.name]));
                        }
                        None => break,
                    }
                }
            }
        }
    }
    let mut text = String::new();
    for (word, fields) in words {
        let line = format!("\n{word}\t{}", fields.join(","));
        if text.len() + line.len() > MAX_BYTES {
            break;
        }
        text.push_str(&line);
    }
    text
}

/// Returns the texts of a field; for the first of several member fields, those of all members.
fn texts(image: &Image, at: usize) -> Vec<Cow<'_, str>> {
    if let Some((all, member)) = image.decl.members_of(at) {
        let of = |item: &Value| match item {
            Value::Json(json) => Some(Cow::Owned(json.get(member)?.as_str()?.to_owned())),
            _ => None,
        };
        return image.values[all].items().iter().filter_map(of).collect();
    }
    image.values[at].as_text().map(Cow::Borrowed).into_iter().collect()
}

fn words_of(ty: FieldType, text: &str) -> Vec<String> {
    if ty == FieldType::Phone {
        return vec![reversed(text)];
    }
    let mut words = Vec::new();
    // A long text can be 64 KB. Text far beyond the maximum number of words is not examined.
    for chunk in plain(text).split(' ').take(8 * MAX_WORDS) {
        if let Some(address) = address(chunk) {
            words.push(cut(address));
        }
        parts_of(chunk, &mut words, true);
    }
    words
}

/// Returns the whole email address in a chunk, without surrounding brackets and punctuation.
fn address(chunk: &str) -> Option<&str> {
    let bare = chunk.trim_matches(|c: char| !c.is_alphanumeric());
    bare.find('@').map(|_| bare)
}

/// Adds the words of a chunk without white space. With `all`, also adds the parts joined by an apostrophe, and the last
/// letter of a run that is indexed in pairs, so that every letter begins a word.
fn parts_of(chunk: &str, words: &mut Vec<String>, all: bool) {
    let joined = |text: &str| text.split('\'').filter(|part| !part.is_empty()).count() > 1;
    for word in chunk.split(|c: char| !c.is_alphanumeric() && c != '\'' && !is_joining_mark(c)) {
        let word = word.trim_matches('\'');
        if joined(word) {
            run(&word.replace('\'', ""), words, all);
        }
        if all || !joined(word) {
            for part in word.split('\'').filter(|part| !part.is_empty()) {
                run(part, words, all);
            }
        }
    }
}

/// Returns `true` for vowel signs written beside their letters, which Rust does not consider alphanumeric.
fn is_joining_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// Adds a run of letters as one word, or as pairs for scripts without spaces.
fn run(text: &str, words: &mut Vec<String>, all: bool) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let paired = is_unspaced(first);
        let end = rest.find(|c: char| is_unspaced(c) != paired).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        if !paired {
            words.push(cut(part));
            continue;
        }
        let letters: Vec<char> = part.chars().collect();
        words.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>()));
        if (all || letters.len() == 1)
            && let Some(last) = letters.last()
        {
            words.push(last.to_string());
        }
    }
}

/// Returns `true` for scripts without spaces between words: Thai, Lao, Khmer, Kana, Han, Hangul.
const fn is_unspaced(c: char) -> bool {
    matches!(
        c,
        '\u{e00}'..='\u{eff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3100}'..='\u{312f}'
            | '\u{31f0}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7af}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

fn cut(word: &str) -> String {
    word.chars().take(MAX_WORD).collect()
}

/// Returns the digits of a phone number in reverse order after `#`.
fn reversed(number: &str) -> String {
    std::iter::once('#').chain(number.chars().rev().filter(char::is_ascii_digit)).collect()
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// The alternatives, at least one of which must match with all its terms.
    ways: Vec<Vec<Term>>,
}

/// Prefixes of words, at least one of which must occur.
type Term = Vec<String>;

impl Asked {
    /// Parses a query; returns `None` if the text is blank.
    ///
    /// # Errors
    /// `too_long` for more than 200 characters or 8 words, `nul` for the character NUL.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Fault> {
        if text.contains('\0') {
            return Err(Fault::new(FaultCode::Nul, "must not contain NUL characters"));
        }
        if text.chars().count() > MAX_ASKED {
            return Err(Fault::new(FaultCode::TooLong, format!("must have at most {MAX_ASKED} characters"))
                .with("max", MAX_ASKED));
        }
        let text = plain(text);
        if text.is_empty() {
            return Ok(None);
        }
        let mut terms: Vec<Term> = Vec::new();
        for (at, chunk) in text.split(' ').enumerate() {
            if at == MAX_ASKED_WORDS {
                return Err(Fault::new(FaultCode::TooLong, format!("must have at most {MAX_ASKED_WORDS} words"))
                    .with("max", MAX_ASKED_WORDS));
            }
            // A domain alone (`@example.com`) is not the beginning of an address.
            if let Some(address) = address(chunk).filter(|_| !chunk.starts_with('@')) {
                terms.push(vec![cut(address)]);
                continue;
            }
            let mut words = Vec::new();
            parts_of(chunk, &mut words, false);
            if let ([word], Some(phone)) = (words.as_slice(), phone(chunk)) {
                terms.push(vec![word.clone(), phone]);
            } else {
                terms.extend(words.into_iter().map(|word| vec![word]));
            }
        }
        if terms.len() > MAX_TERMS {
            return Err(Fault::new(FaultCode::TooLong, format!("must have at most {MAX_ASKED_WORDS} words"))
                .with("max", MAX_ASKED_WORDS));
        }
        let whole = phone(&text).filter(|_| terms.len() > 1).map(|phone| vec![vec![phone]]);
        // Punctuation alone is not part of any word and matches nothing.
        let ways = (!terms.is_empty()).then_some(terms);
        Ok(Some(Self { ways: ways.into_iter().chain(whole).collect() }))
    }

    /// Returns the query as a predicate that every store supports.
    pub(crate) fn predicate(&self) -> Predicate {
        let contained = |begin: &String| {
            Predicate::Test(Test {
                path: Path { field: common::SEARCH_TEXT, property: None },
                ty: FieldType::Folded,
                list: false,
                compare: Compare::Contains,
                operands: vec![Value::text(format!("\n{begin}"))],
            })
        };
        let one = |mut parts: Vec<Predicate>, join: fn(Vec<Predicate>) -> Predicate| {
            if parts.len() == 1 { parts.remove(0) } else { join(parts) }
        };
        let term = |term: &Term| one(term.iter().map(contained).collect(), Predicate::Any);
        let way = |terms: &Vec<Term>| one(terms.iter().map(term).collect(), Predicate::All);
        one(self.ways.iter().map(way).collect(), Predicate::Any)
    }

    /// Returns `true` if the query matches a record in the visible fields.
    pub(crate) fn holds(&self, image: &Image, is_visible: impl Fn(&str) -> bool) -> bool {
        let text = image.values[common::SEARCH_TEXT].as_text().unwrap_or_default();
        let visible: Vec<&str> = text
            .split('\n')
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, fields)| fields.split(',').any(&is_visible))
            .map(|(word, _)| word)
            .collect();
        let there = |begin: &String| visible.iter().any(|word| word.starts_with(begin.as_str()));
        self.ways.iter().any(|terms| terms.iter().all(|term| term.iter().any(there)))
    }
}

/// Returns the prefix of the word for phone numbers that end in these digits, without trunk prefix.
fn phone(text: &str) -> Option<String> {
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '(' | ')' | '/' | '.' | '-');
    let whole = if text.starts_with('+') { parts::without_trunk_zero(text) } else { text.to_owned() };
    let text = whole.as_str();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    (text.chars().all(is_of_number) && digits.len() >= MIN_PHONE_DIGITS).then(|| reversed(digits))
}

/// Returns the fields of a kind that are searched.
pub(crate) fn fields(decl: &KindDecl) -> impl Iterator<Item = &'static str> {
    decl.fields.iter().filter(|field| field.marks.searchable).map(|field| field.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(ty: FieldType, text: &str) -> String {
        words_of(ty, text).join(" ")
    }

    #[test]
    fn words_are_what_one_looks_for() {
        let text = FieldType::Text(255);
        assert_eq!(words(text, "Müller & Söhne (GmbH)"), "muller sohne gmbh");
        assert_eq!(words(text, "Pat O’Brien's"), "pat obriens o brien s");
        assert_eq!(words(FieldType::Email, "ann.lee@home.example"), "ann.lee@home.example ann lee home example");
        assert_eq!(words(text, "mail to <ann@home.example>,"), "mail to ann@home.example ann home example");
        assert_eq!(words(FieldType::Phone, "+4930901820"), "#0281090394");
        assert_eq!(words(text, "日本語abc"), "日本 本語 語 abc");
        assert_eq!(words(text, "한국"), "한국 국");
        assert_eq!(words(text, "ERP-00042"), "erp 00042");
        assert_eq!(words(text, "!!! – '"), "");
    }

    #[test]
    fn what_is_asked_for_is_bounded() {
        assert_eq!(Asked::parse("  ").unwrap(), None);
        assert_eq!(Asked::parse("a b c d e f g h i").unwrap_err().code, "too_long");
        assert_eq!(Asked::parse(&"a".repeat(201)).unwrap_err().code, "too_long");
        assert_eq!(Asked::parse("a\0").unwrap_err().code, "nul");
        assert!(Asked::parse("!!").unwrap().unwrap().predicate().is_never());
    }
}
