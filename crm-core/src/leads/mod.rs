//! Leads: those who may become customers.

pub mod convert;
pub mod record;
mod rules;
mod stages;

pub use convert::{ConvertLead, Converted, Target};
pub use record::*;
