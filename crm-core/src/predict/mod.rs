//! Predictive scoring: trains a model from past outcomes, which predicts the probability of an outcome and explains it.
//!
//! The module is pure computation. It knows no records, stores, actors or clock, and its only randomness comes from a
//! seed. Build a [`Table`] of outcomes and call [`train`]. The result is a [`Model`], a plain value that can be stored,
//! compared and evaluated, and a [`Report`] on its quality on held-out rows, on columns with suspected target leakage
//! ([`Leak`]) and on changes over time ([`Drift`]).
//!
//! Every score is a sum of contributions in a documented order, and the same rows give the same bits on every
//! processor: exp and ln are libm's, and sums have a fixed order. A model that is no better than the base rate reports
//! so and predicts the base rate.
//!
//! ```
//! use crm_core::predict::{Cell, Kind, Options, TableBuilder, train};
//!
//! let mut builder = TableBuilder::new([("visits", Kind::Number), ("source", Kind::Category)])?;
//! for row in 0..400_u32 {
//!     let source = ["web", "fair", "referral"][row as usize % 3];
//!     let visits = f64::from(row * 7919 % 20);
//!     builder.push(&[Cell::Number(visits), Cell::Text(source)], visits + f64::from(row % 3) * 4.0 > 14.0)?;
//! }
//! let trained = train(&builder.build(), &Options::default())?;
//! assert!(trained.model.is_confident());
//! let prediction = trained.model.predict(&[Cell::Number(18.0), Cell::Text("referral")])?;
//! let sum = prediction.contributions.iter().fold(prediction.base, |sum, one| sum + one.log_odds);
//! assert_eq!(sum, prediction.log_odds);
//! assert!(prediction.probability > 0.9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod additive;
mod drift;
mod inputs;
mod leakage;
mod logistic;
mod metrics;
mod model;
mod newton;
mod options;
mod pairs;
mod random;
mod select;
mod split;
mod table;
mod terms;
mod train;

pub use drift::{ColumnDrift, Drift};
pub use inputs::{Coding, Input};
pub use leakage::{Leak, LeakReason, Suspicion};
pub use metrics::{CalibrationBin, Difference, Interval, Metrics, difference};
pub use model::{
    Comparison, Contribution, FORMAT, Model, ModelError, Parts, Prediction, Prepared, Strength, Term, Weight,
    WeightChange,
};
pub use options::{Learner, Minimum, Options, TrainError, Verdict};
pub use pairs::Side;
pub use select::{Excluded, Exclusion};
pub use split::Split;
pub use table::{AfterOutcome, Categories, Cell, Column, Kind, Order, Table, TableBuilder, TableError, Values};
pub use train::{Evaluation, HeldBack, Report, Trained, train};
