//! Text keys: how text is folded so that sorting and searching agree on every store, whatever its collation.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// A sort key is cut to so many characters.
pub const SORT_KEY_CHARS: usize = 120;

/// Compatibility-normalised (NFKC), case-folded text with single spaces: "ﬁrst  ÉTÉ" → "first été".
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        // The common case: ASCII is its own NFKC form and folds to lower case.
        let mut folded = String::with_capacity(text.len());
        for word in text.split_ascii_whitespace() {
            if !folded.is_empty() {
                folded.push(' ');
            }
            folded.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        }
        return folded;
    }
    let folded: String = text.nfkc().default_case_fold().nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The key a text is sorted by: folded and cut to [`SORT_KEY_CHARS`] characters.
pub fn sort_key(text: &str) -> String {
    let mut key = fold(text);
    if let Some((end, _)) = key.char_indices().nth(SORT_KEY_CHARS) {
        key.truncate(end);
    }
    key
}

/// The key that text is searched in: the folded parts, one line each, cut to `max` characters. Parts never run into
/// one another, since a folded text holds no line break.
pub fn search_key<'a>(parts: impl Iterator<Item = &'a str>, max: usize) -> String {
    let mut key = String::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if !key.is_empty() {
            key.push('\n');
        }
        key.push_str(&fold(part));
    }
    if key.len() > max
        && let Some((end, _)) = key.char_indices().nth(max)
    {
        key.truncate(end);
    }
    key
}
