//! An embeddable CRM: leads, contacts, companies, deals, pipelines, permissions, and the history of every field, behind
//! storage traits.
//!
//! The entry point is [`Crm`]. Every use case takes an [`access::Actor`]. Every write is recorded as a change, so
//! that any record can be read as of any time. Records are kept in a [`store::Store`]:
//! [`MemoryStore`], or one of the crates `crm-store-sqlite`, `crm-store-postgres` and `crm-store-dynamodb`.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod associations;
pub mod audit;
pub mod auth;
pub mod catalog;
#[cfg(feature = "charts")]
pub mod charts;
pub mod companies;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contacts;
mod crm;
pub mod deals;
mod engine;
pub mod interactions;
mod kind_table;
pub mod leads;
mod model;
pub mod notes;
pub mod organizations;
pub mod pipelines;
#[cfg(feature = "predictive")]
pub mod predict;
pub mod products;
pub mod properties;
pub mod rates;
pub mod recommendations;
pub mod reports;
pub mod roles;
pub mod scoring;
mod systems;
pub mod tasks;
pub mod teams;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timeline;
pub mod totals;
pub mod users;

/// Who may do what: permissions and grants as data, the actor, and the decision.
pub mod access {
    pub use crate::{engine::access::*, model::access::*};
}

pub use auth::records::{api_keys, credentials, security_events, sessions, throttles};
pub use crm::Builder;
pub use engine::{
    collection, crm::Crm, definitions, draft, followers, jobs, kinds, listing, rules, system, view, worker,
};
pub use model::{
    change, clock,
    error::{self, Error},
    filter, ids, schema,
    store::{self, MemoryStore},
    value,
};
pub use scoring::rescorings;
