//! A store for `crm-core` on PostgreSQL.
pub mod ddl;
mod layout;
