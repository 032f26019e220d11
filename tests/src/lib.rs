//! Shared by the tests of all crates: new stores of every kind, each on its own database or table, and realistic leads.

pub mod dynamodb;
pub mod harness;
pub mod leads;
pub mod postgres;
pub mod sqlite;
pub mod support;
