//! A year of a sales team: read (or made up), brought in with its history, and reported on.
//!
//! Everything goes through the public use cases, so that each room shows one thing an embedder does:
//!
//! - [`rows`]: the year as plain rows; [`reading`] gets them from CSV files, [`generating`] from a seed
//! - [`stores`]: a store from a text such as `postgres://…`
//! - [`setup`]: organization, pipeline, custom properties and teams, each found again when run again
//! - [`importing`]: companies, users and 8,800 deals with their history, resumable at any moment
//! - [`reporting`]: the figures, read back from the store; [`json`] and [`tables`] show them

pub mod generating;
pub mod importing;
pub mod json;
pub mod reading;
pub mod reporting;
pub mod rows;
pub mod setup;
pub mod stores;
pub mod tables;

use crm_core::{Crm, Error, store::StoreError};

use importing::{Import, Pace, Progress};
use reporting::YearReport;
use rows::Year;

/// Why the program stopped.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The data cannot be used at all: a file is missing, or has other headings.
    #[error("{0}")]
    Data(String),
    /// No store could be made of the text.
    #[error("{0}")]
    Usage(String),
    /// A use case failed. What was stored stays; run it again to go on.
    #[error("{0}")]
    Crm(#[from] Error),
    /// The store could not be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The report could not be written.
    #[error("the report cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// A task of the import ended before its time.
    #[error("an import task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Brings a year in (or goes on where an earlier run was stopped) and reports on it.
///
/// # Errors
/// [`Failure`]. A row that is refused is no failure: it is in [`Import::faults`].
pub async fn run(
    crm: &Crm,
    slug: &str,
    year: &Year,
    tempo: Pace,
    progress: &dyn Progress,
) -> Result<(Import, YearReport), Failure> {
    let place = setup::set_up(crm, slug, year).await?;
    progress.step(1);
    let import = importing::import(crm, &place, year, tempo, progress).await?;
    let report = reporting::read(crm, &place).await?;
    Ok((import, report))
}
