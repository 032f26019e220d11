//! What the tests across the crates share: fresh stores of every kind, each on a database or table of its own.

pub mod dynamodb;
pub mod harness;
pub mod postgres;
