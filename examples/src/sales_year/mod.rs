//! A sales team's year: read (or generated), imported with its history, and reported on.
//!
//! Everything uses the public use cases, and each module shows one task of an embedder:
//!
//! - [`rows`]: the year as plain rows; [`reading`] reads them from CSV files, [`generating`] generates them from a seed
//! - [`stores`]: opening a store from a text such as `postgres://…`
//! - [`setup`]: organization, pipeline, custom properties and teams, created once and found again by later runs
//! - [`importing`]: companies, users and 8,800 deals with their history, resumable at any time
//! - [`reporting`]: the metrics, read back from the store; [`json`] and [`tables`] show them

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

/// The reason why the program failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The data is unusable: a file is missing or has other column names.
    #[error("{0}")]
    Data(String),
    /// The text does not name a store.
    #[error("{0}")]
    Usage(String),
    /// A use case failed. Stored records remain; run the program again to continue.
    #[error("{0}")]
    Crm(#[from] Error),
    /// The store could not be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The report could not be written.
    #[error("the report cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// A task of the import was aborted.
    #[error("an import task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Imports a year (or continues an earlier run) and reports on it.
///
/// # Errors
/// [`Failure`]. Rejected rows are not errors; they are listed in [`Import::faults`].
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
