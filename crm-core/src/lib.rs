//! An embeddable CRM: leads, contacts, companies, deals, pipelines, permissions, and the history of every field, behind
//! storage traits.
//!
//! The entry point is [`Crm`]. Every use case takes an [`access::Actor`]. Every write is recorded as a change, so
//! that any record can be read as of any time. Records are kept in a [`store::Store`]:
//! [`MemoryStore`], or one of the crates `crm-store-postgres` and `crm-store-dynamodb`.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod access;
pub mod ambient;
pub mod api_keys;
pub mod associations;
pub mod audit;
#[cfg(feature = "auth")]
pub mod auth;
pub mod catalog;
pub mod change;
#[cfg(feature = "charts")]
pub mod charts;
pub mod collection;
pub mod companies;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contacts;
pub mod credentials;
mod crm;
pub mod deals;
pub mod definitions;
pub mod draft;
mod engine;
pub mod error;
pub mod filter;
pub mod followers;
pub mod interactions;
pub mod jobs;
mod kind_table;
pub mod kinds;
pub mod leads;
pub mod listing;
pub mod notes;
pub mod organizations;
pub mod pipelines;
#[cfg(feature = "predictive")]
pub mod predict;
pub mod properties;
pub mod rates;
pub mod recommendations;
pub mod reports;
pub mod rescorings;
pub mod roles;
pub mod rules;
pub mod schema;
pub mod scoring;
mod search;
pub mod security_events;
pub mod sessions;
pub mod store;
pub mod system;
mod systems;
pub mod tasks;
pub mod teams;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttles;
pub mod timeline;
pub mod totals;
mod undoable;
pub mod users;
pub mod value;
pub mod view;
pub mod worker;

pub use crm::{Builder, Crm};
pub use error::Error;
pub use store::MemoryStore;
