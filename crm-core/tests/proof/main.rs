//! The use-case layer, attacked: each theme tries to get round what the crate promises. One binary, a file per theme.
#![allow(missing_docs)]

mod support;

mod bad_input;
mod gates;
mod roles;
mod walls;
