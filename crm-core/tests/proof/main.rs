//! The use-case layer, attacked: each theme tries to get round what the crate promises. One binary, a file per theme.
#![allow(missing_docs)]

mod racing;
mod support;

mod bad_input;
mod faults;
mod fields;
mod gates;
mod history;
mod keys;
mod lists;
mod roles;
mod walls;
