//! Leads: those who may become customers.

pub mod convert;
pub mod record;
mod rules;
mod stages;

pub use convert::{Converted, ConvertLead, Target};
pub use record::*;
