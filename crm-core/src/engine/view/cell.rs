//! Escaping of texts in cells of tables opened in a spreadsheet: a text that the spreadsheet would evaluate is prefixed
//! with an apostrophe, which is removed on reading.

/// Escapes a text for a cell. A text that a spreadsheet would evaluate is prefixed with an apostrophe: one that begins
/// with `=`, `@`, a tab or a line break, or with a sign unless it is a number (`-5.25`) or a phone number (`+` and
/// digits). So is a text that consists of apostrophes followed by such a text, so that it is read back unchanged.
///
/// ```
/// use crm_core::view::{protect, unprotect};
/// assert_eq!(protect("=1+1"), "'=1+1");
/// assert_eq!(protect("+4930901820"), "+4930901820");
/// assert_eq!(unprotect(&protect("'=1")), "'=1");
/// ```
pub fn protect(text: &str) -> String {
    if is_protected(text) { format!("'{text}") } else { text.to_owned() }
}

/// Reverses [`protect`] exactly.
pub fn unprotect(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_protected(text)).unwrap_or(cell)
}

/// Returns `true` for texts to prefix: those that would be evaluated, after any number of apostrophes.
fn is_protected(text: &str) -> bool {
    let plain = text.trim_start_matches('\'');
    let mut chars = plain.chars();
    match chars.next() {
        // Some spreadsheets treat the full-width forms like the plain ones.
        Some('=' | '@' | '\t' | '\r' | '\n' | '＝' | '＠' | '＋' | '－') => true,
        Some('+') => !is_digits(chars.as_str()) && !is_number(chars.as_str()),
        Some('-') => !is_number(chars.as_str()),
        _ => false,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    is_digits(whole) && part.is_none_or(is_digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_run_is_protected_and_nothing_else() {
        for run in ["=1", "@A1", "+A1", "-A1", "-1+2", "+49 30", "+", "-", "-.5", "\tx", "\rx", "\nx", "＝1", "-5e3"] {
            assert_eq!(protect(run), format!("'{run}"));
        }
        for plain in ["", "Ada", "'Ada", "''", "+4930901820", "-5", "-5.25", "+1.5", "1-2", "O'Brien", " =1"] {
            assert_eq!(protect(plain), plain);
        }
        assert_eq!(protect("'=1"), "''=1");
    }

    proptest! {
        #[test]
        fn a_cell_reads_back_as_it_was(text in "['=+@\\-\t\r\n0-9.aé＝ ]{0,8}|\\PC{0,12}") {
            let cell = protect(&text);
            prop_assert_eq!(unprotect(&cell), text.as_str());
            prop_assert!(!cell.starts_with(['=', '@', '\t', '\r', '\n']));
        }
    }
}
