//! Detects common passwords of twelve characters and more: a list of words, and passwords that follow a pattern (one
//! character, a few characters repeated, a run of the alphabet or of a keyboard).
//!
//! The list is short on purpose. Nearly all of the most common passwords in published breaches are shorter than twelve
//! characters; the longer ones are words of this list with digits, or follow a pattern.

use std::collections::BTreeSet;

/// Words and phrases. A password that adds only digits and signs at its ends counts as the word itself.
const COMMON: &str = "\
    password passw0rd p@ssword p@ssw0rd pa55word passwort motdepasse contrasena contraseña wachtwoord parola senha \
    mypassword thepassword newpassword yourpassword passwordpassword changeme changemenow changemeplease letmein \
    letmeinnow letmeinplease welcome welcomehome welcometo administrator superadministrator adminadmin \
    adminpassword rootpassword userpassword testpassword temppassword temporary defaultpassword secretpassword \
    supersecret topsecret verysecret mysecretpassword correcthorsebatterystaple horsebatterystaple iloveyou \
    iloveyousomuch iloveyouforever iloveyoubaby iloveme loveyouforever sunshine princess football baseball \
    basketball superman batman spiderman starwars pokemon dragon monkey master shadow michael jennifer charlie \
    liverpool liverpoolfc manchester manchesterunited chelsea arsenal barcelona realmadrid juventus chocolate \
    butterfly computer internet whatever trustno1 trustnoone nothing freedom jesuschrist jesus godisgood godislove \
    blessed summer winter spring autumn january february september october november december monday friday company \
    business customer salesforce crmpassword loginlogin logmein access accessgranted opensesame abracadabra qwerty \
    qwertyqwerty qwertz azerty asdfgh zxcvbn qazwsx qazwsxedc qazwsxedcrfv 1q2w3e4r5t6y 1qaz2wsx3edc q1w2e3r4t5y6 \
    zaq12wsx zaq1xsw2cde3 1qazxsw23edc a1b2c3d4e5f6 abc123abc123 abcd1234abcd 1a2b3c4d5e6f qwe123qwe123 \
    asd123asd123 test testtest testtesttest hello helloworld hellohello goodmorning thankyou nevergiveup fuckyou \
    fuckyoufuckyou ihateyou unbelievable unknown anonymous samsung minecraft playstation nintendo facebook google \
    linkedin microsoft windows unitedstates";

/// Sequences of the keyboard and the alphabet.
const RUNS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1234567890qwertyuiop",
    "1234567890qwertzuiop",
];

/// With this many different signs, a password is not a decorated word.
const MANY_SIGNS: usize = 5;

/// Returns `true` if a folded password of twelve characters or more is a common one.
pub(super) fn is_common(plain: &str) -> bool {
    let bare: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let signs: BTreeSet<char> = plain.chars().filter(|c| !c.is_alphanumeric()).collect();
    if signs.len() >= MANY_SIGNS {
        return has_period(plain);
    }
    if bare.chars().count() < 4 || has_period(&bare) || is_run(&bare) {
        return true;
    }
    let word = bare.trim_matches(|c: char| c.is_ascii_digit());
    let signed: String = plain.trim_matches(|c: char| !c.is_alphanumeric() || c.is_ascii_digit()).to_owned();
    let known = |text: &str| is_listed(text) || is_run(text) && text.chars().count() >= 4;
    let begins_known = || {
        // The rest after a known word must be more than a run or a few characters.
        let known = COMMON.split(' ').filter_map(|common| bare.strip_prefix(common).map(|rest| (common, rest)));
        known.into_iter().any(|(common, rest)| common.len() >= 6 && (rest.chars().count() < 4 || is_run(rest)))
    };
    is_listed(&bare) || known(word) || known(&signed) || begins_known()
}

fn is_listed(text: &str) -> bool {
    COMMON.split(' ').any(|common| common == text)
}

/// Returns `true` for up to four characters repeated: "aaaaaaaaaaaa", "abcabcabcabc".
fn has_period(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=4).any(|period| chars.len() > 2 * period && chars.iter().zip(&chars[period..]).all(|(a, b)| a == b))
}

/// Returns `true` for a part of a run, forwards or backwards.
fn is_run(text: &str) -> bool {
    let back: String = text.chars().rev().collect();
    !text.is_empty() && RUNS.iter().any(|run| run.contains(text) || run.contains(&back))
}
