//! Training a predictive model on a CSV file: reading it, and telling what was found.

pub mod json;
pub mod made_up;
pub mod reading;
pub mod tables;
