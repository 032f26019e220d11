//! The files as a whole: complete, small, and free of what the policy forbids.

use std::{collections::BTreeSet, fs, io::Write as _, path::Path};

use crm_console::{Page, SignIn, asset, assets, hash, index, policy};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// The limit of all files together, compressed one by one, in bytes.
const BUDGET: usize = 60_000;

/// The modules of `scripts/vendor-console`.
const VENDOR: [(&str, &str); 3] = [
    ("vendor/hooks.js", "5c65ab263688d0805862fd0807c779af02c2799c44fda0873dfcb870d0da70a0"),
    ("vendor/htm.js", "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4"),
    ("vendor/preact.js", "225d7a773766e6fb2cfcc45274fe41d2059f5782f3f2c4569aa5132a2d3a2902"),
];

fn text(path: &str) -> &'static str {
    &asset(path).expect("an asset").text
}

fn own_scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_own = |path: &str| Path::new(path).extension().is_some_and(|it| it == "js") && !path.starts_with("vendor/");
    assets().iter().filter(move |file| is_own(file.path)).map(|file| (file.path, &*file.text))
}

/// The string literals that follow a word.
fn strings_after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).filter_map(move |(at, _)| text[at + word.len()..].split('"').next())
}

#[test]
fn every_file_of_the_directory_is_an_asset() {
    fn walk(directory: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).expect("below").to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("web"), BTreeSet::new());
    walk(&root, &root, &mut found);
    assert!(found.remove("index.html"), "the index");
    assert_eq!(found, assets().iter().map(|file| file.path.to_owned()).collect());
}

#[test]
fn every_import_resolves_to_a_name_that_is_exported() {
    for (path, source) in own_scripts() {
        for statement in source.lines().filter(|line| line.starts_with("import ") || line.contains("} from \"")) {
            let from = strings_after(statement, "from \"").next().expect("a source");
            let mut whole: Vec<&str> = path.split('/').collect();
            whole.pop();
            for part in from.split('/') {
                match part {
                    "." => {}
                    ".." => drop(whole.pop()),
                    name => whole.push(name),
                }
            }
            let target = whole.join("/");
            assert!(asset(&target).is_some(), "{path} imports {from}");
            let names = statement.split(['{', '}']).nth(1).unwrap_or_default();
            for name in names.split(',').map(str::trim).filter(|_| !target.starts_with("vendor/")) {
                let is_exported = |line: &str| {
                    ["const", "function", "async function", "class"]
                        .iter()
                        .filter_map(|word| line.strip_prefix(&format!("export {word} ")))
                        .any(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next() == Some(name))
                        || (line.starts_with("export {") && line.split([' ', ',']).any(|word| word == name))
                };
                assert!(text(&target).lines().any(is_exported), "{path} imports {name} from {target}");
            }
        }
    }
}

#[test]
fn no_file_has_what_the_policy_forbids() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "dangerouslySetInnerHTML",
        "eval(",
        "new Function",
        "javascript:",
        "setAttribute(\"style\"",
        " style=\"",
        "srcdoc",
    ];
    for (path, source) in own_scripts() {
        for word in forbidden {
            assert!(!source.contains(word), "{path} contains {word}");
        }
        let host = strings_after(source, "://").next();
        assert_eq!(host, None, "{path} names a host");
    }
    let page = index(&Page::default());
    let is_inline = |tag: &str| tag.starts_with("script") && !tag.contains(" src=");
    assert!(!page.split('<').any(is_inline) && !page.contains(" on"), "inline code in the index");
}

#[test]
fn all_files_fit_the_budget() {
    let size = |bytes: &[u8]| {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(bytes).expect("memory");
        out.finish().expect("memory").len()
    };
    let page = index(&Page::default());
    let sum = assets()
        .iter()
        .filter(|file| file.path != "vendor/LICENSES")
        .map(|file| size(file.text.as_bytes()))
        .sum::<usize>();
    let whole = sum + size(page.as_bytes());
    assert!(whole <= BUDGET, "{whole} bytes compressed, {BUDGET} allowed");
    println!("{whole} bytes compressed");
}

#[test]
fn third_party_modules_are_those_of_the_script() {
    for (path, expected) in VENDOR {
        let digest = Sha256::digest(text(path));
        let hex = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|two| u8::from_str_radix(two, 16).ok());
        let expected: Vec<u8> = expected.as_bytes().chunks(2).filter_map(hex).collect();
        assert_eq!(digest[..], expected, "{path}: run scripts/vendor-console, review, and change the hash here");
    }
}

#[test]
fn every_phrase_has_a_translation() {
    let table = text("lib/i18n.js");
    // Phrases that are the same in both languages.
    let same = ["Board", "Board: {kind}", "Code", "Filter", "Link", "Pipeline", "Score", ""];
    for (path, source) in own_scripts().filter(|(path, _)| *path != "lib/i18n.js") {
        for phrase in
            strings_after(source, " t(\"").chain(strings_after(source, "{t(\"")).chain(strings_after(source, "(t(\""))
        {
            let is_there = table.contains(&format!("\n\"{phrase}\": \"")) || same.contains(&phrase);
            assert!(is_there, "{path}: no translation of {phrase:?}");
        }
    }
}

#[test]
fn the_index_takes_settings_as_text() {
    let page = Page {
        title: "</title><script>alert(1)</script>",
        api: "\"><script src=x>",
        accent: Some("#102030"),
        sign_in: SignIn::Token("../token?a=1&b=2"),
    };
    let html = index(&page);
    assert!(!html.contains("<script>") && !html.contains("<script src=x"), "{html}");
    assert!(html.contains("content=\"#102030\"") && html.contains("content=\"token\""), "{html}");
    assert!(html.contains("content=\"../token?a=1&#38;b=2\""), "{html}");
    assert!(index(&Page { sign_in: SignIn::Host, ..Page::default() }).contains("content=\"host\""));
    assert_eq!(hash().len(), 16);
}

#[test]
fn an_ancestor_cannot_add_a_directive() {
    let told = policy(&["https://app.example.com", "https://x.example; script-src *", "'unsafe-inline'", "*"]);
    assert!(told.ends_with("frame-ancestors https://app.example.com"), "{told}");
    assert!(!told.contains("unsafe") && policy(&["'self'; x"]).ends_with("'none'"));
}
