//! An embeddable CRM: leads, contacts, companies, deals, pipelines, permissions, and the history of every field, behind
//! storage traits.
pub mod access;
pub mod ambient;
pub mod associations;
pub mod catalog;
pub mod change;
pub mod companies;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contacts;
pub mod deals;
pub mod definitions;
pub mod collection;
mod draft;
mod engine;
pub mod error;
pub mod filter;
pub mod interactions;
pub mod leads;
pub mod notes;
pub mod listing;
pub mod organizations;
pub mod pipelines;
pub mod properties;
pub mod rates;
pub mod roles;
pub mod rules;
pub mod schema;
pub mod store;
pub mod tasks;
pub mod teams;
pub mod users;
pub mod value;
