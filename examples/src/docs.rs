//! Compiles and runs the Rust code in the Markdown documents as documentation tests, and verifies the copy of an
//! example in the README.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/GUIDE.md")]
struct Guide;

#[cfg(doctest)]
#[doc = include_str!("../../docs/WRITING_A_STORE.md")]
struct WritingAStore;

#[cfg(doctest)]
#[doc = include_str!("../../docs/ARCHITECTURE.md")]
struct Architecture;

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_shows_the_lead_story_as_it_is() {
        let story = include_str!("../../crm-core/examples/lead_story.rs");
        let code = &story[story.find("use crm_core").expect("it uses the core")..];
        let readme = include_str!("../../README.md");
        assert!(
            readme.contains(&format!("```rust\n{code}```\n")),
            "README.md's program is not that of crm-core/examples/lead_story.rs: copy it there again"
        );
    }
}
