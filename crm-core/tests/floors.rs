//! What the sources promise: the direction of the floors (the model imports nothing of the engine or of systems, the engine
//! nothing of systems), and ids of the kind that their fields declare.
#![allow(missing_docs)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules at the crate's root that every floor may name: the table of kinds and what its macros generate.
const WIRING: [&str; 2] = ["catalog", "kind_table"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules right below the crate's root that paths in a text name: `crate::a::b` and `use crate::{a::b, c::{d, e}}`.
fn named(text: &str) -> Vec<&str> {
    let ident = |text: &str| text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    let mut found = Vec::new();
    for (at, path) in text.match_indices("crate::") {
        let rest = &text[at + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(&rest[..ident(rest)]);
            continue;
        };
        let (mut depth, mut starts) = (1, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => starts = true,
                c if starts && depth == 1 && c.is_alphabetic() => {
                    found.push(&group[at..at + ident(&group[at..])]);
                    starts = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// What a file says outside comments and unit tests, which may use everything.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn arrows_between_floors_go_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut seen, mut wrong) = (0, Vec::new());
    for (floor, below) in [("model", &["model"][..]), ("engine", &["model", "engine"])] {
        let mut files = Vec::new();
        sources(&root.join(floor), &mut files);
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let text = code(file);
            let names = named(&text);
            seen += names.len();
            let up = names.into_iter().filter(|name| !below.contains(name) && !WIRING.contains(name));
            wrong.extend(up.map(|name| format!("{} names crate::{name}", file.strip_prefix(&root).unwrap().display())));
            // A chain of `super` is not followed, so none may leave the floor.
            let depth = file.strip_prefix(&root).unwrap().components().count();
            assert!(!text.contains(&"super::".repeat(depth)), "{} leaves its floor by super", file.display());
        }
    }
    assert!(seen > 200, "the paths were not read: {seen}");
    assert!(wrong.is_empty(), "arrows that go up:\n{}", wrong.join("\n"));
}

#[test]
fn paths_are_read_from_groups_too() {
    assert_eq!(named("use crate::{a::{b, c::d}, e, f::{self, g}};\nlet x = crate::h::i();"), ["a", "e", "f", "h"]);
}

#[test]
fn ids_are_of_the_kind_that_their_fields_declare() {
    let (mut files, mut seen) = (Vec::new(), 0);
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    for file in &files {
        // A declaration may be wrapped.
        let text = code(file).split_whitespace().collect::<Vec<_>>().join(" ");
        let kind = |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
        for middle in ["> = FieldType::Id(Kind::", "> = Ids(Kind::"] {
            for (at, _) in text.match_indices(middle) {
                let (ty, declared) = (text[..at].rsplit('<').next().unwrap_or_default(), &text[at + middle.len()..]);
                assert_eq!(kind(ty), kind(declared), "{}: {ty}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "the fields were not read: {seen}");
}
