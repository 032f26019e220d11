//! Text keys: folding of text so that sorting and searching agree on every store, independent of collations.
//!
//! There are two foldings. [`fold`] keeps diacritics (`Müller` is not `Muller`) and is used to claim unique values.
//! [`plain`] reduces text to the letters of a plain keyboard and is used for search and sort keys.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// The maximum number of characters in a sort key.
pub const SORT_KEY_CHARS: usize = 120;

/// Returns compatibility-normalized (NFKC), case-folded text with single spaces: "ﬁrst  ÉTÉ" → "first été".
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return ascii(text);
    }
    let folded: String = text.nfkc().default_case_fold().nfkc().collect();
    spaced(folded.split_whitespace())
}

/// Returns case-folded text in plain letters with single spaces: without diacritics, width variants, ligatures and
/// typographic marks. "Ｍüller  O’Brien – Łódź" → "muller o'brien - lodz".
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
    // Recompose Hangul syllables and marked Kana.
    let plain: String = plain.nfc().collect();
    spaced(plain.split_whitespace())
}

/// ASCII is already normalized; folding is lower-casing.
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

/// Returns `true` for marks on letters that are also written without them: marks on Latin, Greek and Cyrillic letters,
/// and Hebrew and Arabic vowels. Marks of other scripts are letters of their own.
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

/// Returns the plain letters for a character without a decomposition.
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

/// Returns the sort key of a text: plain letters, cut to [`SORT_KEY_CHARS`] characters. `ä` sorts as `a`.
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
