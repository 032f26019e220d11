//! What the tests across the crates share: fresh stores of every kind, each on a database or table of its own, and what
//! a real lead is.

pub mod dynamodb;
pub mod harness;
pub mod leads;
pub mod postgres;
