//! Predictive scoring on real leads and customers, held against what scikit-learn reaches on the same rows, and its answers
//! to bad input. The data lie beside the project and may not be copied into it (`data.rs` says what happens without).

mod bad_input;
mod data;
mod promises;
mod quality;
mod warnings;
