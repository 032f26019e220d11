//! Charts as SVG text: a score over time, the time in stages, a histogram before and after (feature `charts`).
//!
//! Each is a pure function of its data: the same data give the same text, on any machine. A chart has its axes, with
//! ticks at round values and their units; it is drawn sensibly of no data and of a single point; what it says stands
//! in its `title` and `desc` for who cannot see it; no two things in it differ by colour alone. It brings its colours
//! along, for light and for dark, and needs nothing from elsewhere: no script, no font, no other file. Texts are
//! escaped, and what XML cannot hold is left out of them, so that a stage may be called anything.
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
//! Served to a browser, an SVG should stand under `Content-Security-Policy: default-src 'none'; style-src
//! 'unsafe-inline'`, which lets in all that a chart has and nothing else.

// Pixels: what a cast loses is less than a pixel.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]

mod histogram;
mod record;
mod scale;
mod sparkline;
mod stages;
mod svg;
#[cfg(test)]
mod tests;

pub use histogram::{Bins, HistogramOptions, histogram};
pub use sparkline::{SparklineOptions, sparkline};
pub use stages::{StageBar, StageTimesOptions, stage_times};
