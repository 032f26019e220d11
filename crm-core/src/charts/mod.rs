//! Charts as SVG: a score over time, time in stages, and a histogram before and after (feature `charts`).
//!
//! Each chart is a pure function: the same data give the same text on every machine. A chart has axes with units and
//! ticks at round values, and is well-defined for no data and for a single point. Its content is available to screen
//! readers in `title` and `desc`, and nothing is distinguished by colour alone. It contains its own colours, for light
//! and dark, and references no script, font or other file. Texts are escaped and characters that XML cannot represent
//! are dropped, so that stages can have any name.
//!
//! ```
//! use crm_core::{charts, value::Time};
//!
//! let day = |days| Time::EPOCH.plus_days(days);
//! let scores = [(day(0), 12_000), (day(7), 61_500), (day(20), 48_250)]; // thousandths of a point
//! let options = charts::SparklineOptions { threshold: Some(60_000), ..Default::default() };
//! assert!(charts::sparkline(&scores, &options).starts_with("<svg "));
//! ```
//!
//! Serve an SVG to browsers with `Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'`, which
//! permits all that a chart contains and nothing else.

// Pixels: casts lose less than a pixel.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]

mod histogram;
mod scale;
mod sparkline;
mod stages;
mod svg;
#[cfg(test)]
mod tests;

pub use histogram::{Bins, HistogramOptions, histogram};
pub use sparkline::{SparklineOptions, sparkline};
pub use stages::{StageBar, StageTimesOptions, stage_times};
