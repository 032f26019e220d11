//! Predictive scoring: a model learned from outcomes, which says how likely a row is to come true and why.
//!
//! A room of its own that computes and knows nothing else: no records, no stores, no actors, no clock and no chance but
//! from a seed. Whoever has outcomes makes a [`Table`] of them and calls [`train`]; what comes back is a [`Model`], a plain
//! value that can be kept, compared and asked, and a [`Report`] of how good it is on rows that it has not seen, which
//! columns seem to know the outcome beforehand ([`Leak`]), and what has moved over time ([`Drift`]).
//!
//! Every score is a sum of contributions in a stated order, and the same rows give the same bits on every processor: exp
//! and ln are libm's, sums run in a fixed order. A model that is no better than the base rate says so and answers the base
//! rate.
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
