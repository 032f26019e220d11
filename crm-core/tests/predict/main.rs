//! Predictive scoring on real leads and customers, compared with the results of scikit-learn on the same rows, and on
//! invalid input. The data sets are not part of the repository and may not be copied into it (`data.rs` describes what
//! happens without them).

mod bad_input;
mod data;
mod promises;
mod quality;
mod warnings;
