//! The use-case layer, attacked: each theme tries to get round what the crate promises. One binary, a file per theme.
// A test tells one story from top to bottom, and takes results whole.
#![allow(missing_docs, clippy::too_many_lines, clippy::needless_pass_by_value, clippy::format_push_string)]

mod auth_support;
mod racing;
mod support;

mod associations;
mod auth;
mod auth_keys;
mod bad_input;
mod built_in;
mod closings;
mod convert;
mod decide;
mod faults;
mod fields;
mod followers;
mod funnel;
mod gates;
mod history;
mod jobs;
mod keys;
mod kinds;
mod lists;
mod me;
mod nouns;
mod past;
mod properties;
mod recommendations;
mod reports;
mod rights;
mod roles;
mod scoring;
mod sweeps;
mod systems;
mod timelines;
mod tomorrow;
mod totals;
mod undo;
mod walls;
mod words;
