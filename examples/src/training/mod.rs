//! Trains a predictive model on a CSV file: reading the file and reporting the result.

pub mod json;
pub mod made_up;
pub mod reading;
pub mod tables;
