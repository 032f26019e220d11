//! Runs the cases on a store, and reports the results.

use std::{fmt, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};

use super::{Case, Lab, cases};
use crate::model::store::Store;

/// A task of a race.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Creates stores of one kind for the suite.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Returns an empty store that shares nothing with any other: its own database, schema, table or file. The store
    /// must own all that has to live as long as it does. A panic here is reported as a failure of the case.
    async fn fresh(&self) -> Arc<dyn Store>;

    /// Returns when lists, the tenant's log, stage moves and the feed show everything committed to the store so far.
    /// The default implementation returns at once, for stores that never lag.
    async fn settle(&self, _store: &dyn Store) {}

    /// Runs a task of a race. By default, tasks alternate wherever they wait; spawn them on the runtime
    /// (`tokio::spawn`) to run them in parallel.
    fn spawn(&self, task: Task) -> Task {
        task
    }

    /// The number of cases that may run concurrently, each on its own store.
    fn concurrency(&self) -> usize {
        1
    }
}

/// A failed case.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The case.
    pub case: &'static Case,
    /// The expected and the actual result.
    pub message: String,
}

/// The results of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The cases that passed, in the suite's order.
    pub passed: Vec<&'static Case>,
    /// The cases that failed, in the suite's order.
    pub failed: Vec<Failed>,
}

impl Report {
    /// Asserts that at least one case ran and none failed.
    ///
    /// # Panics
    /// Panics with every failed case and its message.
    pub fn assert(&self) {
        assert!(!self.passed.is_empty() || !self.failed.is_empty(), "no case ran");
        assert!(self.failed.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cases passed, {} failed", self.passed.len(), self.failed.len())?;
        for Failed { case, message } in &self.failed {
            writeln!(f, "\n{} / {}: {}\n  {}", case.theme, case.name, case.about, message.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

/// Runs all cases.
pub async fn run(harness: &dyn Harness) -> Report {
    run_where(harness, |_| true).await
}

/// Runs the cases for which `wanted` returns `true`.
pub async fn run_where(harness: &dyn Harness, wanted: impl Fn(&Case) -> bool) -> Report {
    let chosen: Vec<&'static Case> = cases().filter(|case| wanted(case)).collect();
    let mut outcomes =
        stream::iter(chosen.iter().map(|&case| try_out(case, harness))).buffered(harness.concurrency().max(1));
    let mut report = Report::default();
    while let Some((case, outcome)) = outcomes.next().await {
        match outcome {
            Ok(()) => report.passed.push(case),
            Err(message) => report.failed.push(Failed { case, message }),
        }
    }
    report
}

async fn try_out(case: &'static Case, harness: &dyn Harness) -> (&'static Case, Result<(), String>) {
    let trial = async {
        let lab = Lab::new(harness).await;
        (case.run)(&lab).await
    };
    let outcome = match AssertUnwindSafe(trial).catch_unwind().await {
        Ok(outcome) => outcome.map_err(|failure| failure.to_string()),
        Err(panic) => Err(format!("panicked: {}", panic_text(panic.as_ref()))),
    };
    (case, outcome)
}

/// Returns the message of a panic.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("something that is no text")
}
