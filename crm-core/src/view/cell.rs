//! Texts in the cells of a table that a spreadsheet may open: what it would run begins with an apostrophe, and is read back
//! as it was.

/// A text as a cell. What a spreadsheet would run gets an apostrophe in front: what begins with `=`, `@`, a tab or the end
/// of a line, and what begins with a sign and is no number (`-5.25`) and no phone number (`+` and digits). So does what
/// would otherwise read back as something else: an apostrophe before such a text.
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

/// The text of a cell that [`protect`] has made, exactly as it was.
pub fn unprotect(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_protected(text)).unwrap_or(cell)
}

/// True for what gets an apostrophe in front: what would be run, behind any number of apostrophes.
fn is_protected(text: &str) -> bool {
    let plain = text.trim_start_matches('\'');
    let mut chars = plain.chars();
    match chars.next() {
        // The wide forms are what some spreadsheets take for the plain ones.
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
