//! Text keys: how text is folded so that sorting and searching agree on every store, whatever its collation.
//!
//! There are two foldings. [`fold`] tells texts apart as people who write carefully do (`Müller` is not `Muller`): unique
//! values are claimed by it. [`plain`] is what search and sort keys are made by: the letters that one would type on any
//! keyboard.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// A sort key is cut to so many characters.
pub const SORT_KEY_CHARS: usize = 120;

/// Compatibility-normalised (NFKC), case-folded text with single spaces: "ﬁrst  ÉTÉ" → "first été".
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return ascii(text);
    }
    let folded: String = text.nfkc().default_case_fold().nfkc().collect();
    spaced(folded.split_whitespace())
}

/// Case-folded text in plain letters with single spaces: without diacritics, width, ligatures and typographic marks.
/// "Ｍüller  O’Brien – Łódź" → "muller o'brien - lodz".
pub fn plain(text: &str) -> String {
    if text.is_ascii() {
        return ascii(text);
    }
    let bare = text.nfkd().default_case_fold().nfkd().filter(|c| !is_mark(*c));
    let mut plain = String::with_capacity(text.len());
    for c in bare {
        match letters(c) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(c),
        }
    }
    // Together again what belongs together: syllables of Hangul, Kana with its marks.
    let plain: String = plain.nfc().collect();
    spaced(plain.split_whitespace())
}

/// ASCII is its own normal form and folds to lower case.
fn ascii(text: &str) -> String {
    let mut folded = spaced(text.split_whitespace());
    folded.make_ascii_lowercase();
    folded
}

fn spaced<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut spaced = String::new();
    for word in words {
        if !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push_str(word);
    }
    spaced
}

/// Marks upon letters that are written without them too: of Latin, Greek and Cyrillic letters, of Hebrew and Arabic
/// vowels. The marks of other scripts are letters of their own.
const fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{487}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'
            | '\u{5c2}'
            | '\u{5c4}'
            | '\u{5c5}'
            | '\u{610}'..='\u{61a}'
            | '\u{640}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fe20}'..='\u{fe2f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{ad}'
    )
}

/// The plain letters of what has no decomposition.
const fn letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ł' | 'ƚ' => "l",
        'ø' => "o",
        'đ' | 'ð' | 'ɖ' => "d",
        'ħ' => "h",
        'ı' | 'ɨ' => "i",
        'ȷ' | 'ɉ' => "j",
        'ŧ' => "t",
        'ƀ' => "b",
        'ǥ' => "g",
        'ʉ' => "u",
        'ƶ' => "z",
        'ĸ' => "k",
        'ŋ' => "ng",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ə' => "e",
        '‘' | '’' | '‚' | '‛' | '′' | 'ʼ' | 'ʻ' | 'ʹ' | 'ʾ' | 'ʿ' | '`' | '´' | '‹' | '›' | '＇' => {
            "'"
        }
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => "\"",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '⁃' => "-",
        _ => return None,
    })
}

/// The key a text is sorted by: plain letters, cut to [`SORT_KEY_CHARS`] characters. `ä` stands at `a`.
pub fn sort_key(text: &str) -> String {
    let mut key = plain(text);
    if let Some((end, _)) = key.char_indices().nth(SORT_KEY_CHARS) {
        key.truncate(end);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_letters_are_what_any_keyboard_has() {
        for (text, folded) in [
            ("Ｍüller  GmbH", "muller gmbh"),
            ("Mu\u{308}ller", "muller"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ﬁrst Łódź Đorđe Søren Þór Æsir Œuvre", "first lodz dorde soren thor aesir oeuvre"),
            ("O’Brien O`Brien", "o'brien o'brien"),
            ("„a“ – b\u{2011}c", "\"a\" - b-c"),
            ("İstanbul ISPARTA ılık", "istanbul isparta ilik"),
            ("ΆΛΦΑ άλφας", "αλφα αλφασ"),
            ("Ёлка", "елка"),
            ("がぎ 한국 日本", "がぎ 한국 日本"),
            ("भारत", "भारत"),
            ("zero\u{200b}width", "zerowidth"),
            ("½", "1⁄2"),
        ] {
            assert_eq!(plain(text), folded, "{text}");
            assert_eq!(plain(&plain(text)), plain(text), "{text}");
        }
        let mut names = ["Zack", "Álvaro", "Brenda", "alva", "Ötzi", "Pia", "Otto"];
        names.sort_by_key(|name| sort_key(name));
        assert_eq!(names, ["alva", "Álvaro", "Brenda", "Otto", "Ötzi", "Pia", "Zack"]);
    }

    #[test]
    fn white_space_is_the_same_in_every_text() {
        for space in ['\u{b}', '\u{c}', '\t', '\n', '\r', '\u{85}', '\u{a0}', '\u{2003}', '\u{2028}', '\u{3000}'] {
            for letter in ["a", "é"] {
                assert_eq!(fold(&format!(" {letter}{space}{space}B{space}")), format!("{letter} b"), "{space:?}");
            }
            assert_eq!(plain(&format!("é{space}B")), "e b", "{space:?}");
        }
    }
}
