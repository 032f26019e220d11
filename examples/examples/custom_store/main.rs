//! A custom store on the embedded engine redb, verified by the public conformance suite.
//!
//! `cargo run -p examples --example custom_store` runs every case of the suite on it, each on its own file, and prints
//! a table. The implementation is in `store.rs` (the traits), `commit.rs` (writing) and `tables.rs` (keys and rows). It
//! refers to no kind of record by name: everything comes from the declarations in `crm_core::catalog`, so a new field,
//! index or kind requires no change here.

mod commit;
mod failure;
mod store;
mod tables;

use std::{collections::BTreeMap, io::Error, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use comfy_table::Table;
use crm_core::{
    conformance::{self, Harness, Report, Task},
    store::Store,
};

use store::RedbStore;

/// Creates the stores for the suite, each in an anonymous file that is deleted when it is closed.
struct Files;

#[async_trait]
impl Harness for Files {
    async fn fresh(&self) -> Arc<dyn Store> {
        let file = tempfile::tempfile().expect("a temporary file");
        Arc::new(RedbStore::open(file).expect("an empty file becomes a store"))
    }

    fn spawn(&self, task: Task) -> Task {
        Box::pin(async { tokio::spawn(task).await.expect("a task of a race panicked") })
    }

    /// Commits wait for the disk; other cases run in the meantime.
    fn concurrency(&self) -> usize {
        8
    }
}

/// The number of passed and failed cases by theme.
fn table(report: &Report) -> Table {
    let mut themes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in &report.passed {
        themes.entry(case.theme).or_default().0 += 1;
    }
    for failed in &report.failed {
        themes.entry(failed.case.theme).or_default().1 += 1;
    }
    let mut table = Table::new();
    table.set_header(["theme", "passed", "failed"]);
    for (theme, (passed, failed)) in themes {
        table.add_row([theme.to_owned(), passed.to_string(), failed.to_string()]);
    }
    table.add_row(["all".to_owned(), report.passed.len().to_string(), report.failed.len().to_string()]);
    table
}

#[tokio::main]
async fn main() -> Result<ExitCode, Error> {
    println!("the conformance suite on a store over redb\n");
    let report = conformance::run(&Files).await;
    println!("{}", table(&report));
    if report.failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{report}");
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use crm_core::{Crm, leads::LeadPatch, testing::Ready};
    use tempfile::NamedTempFile;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_conformance_suite() {
        conformance::run(&Files).await.assert();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn agrees_with_the_memory_store_over_random_operations() {
        for seed in 1..=6 {
            if let Err(disagreement) = conformance::model::check(&Files, seed, 60).await {
                panic!("{disagreement}");
            }
        }
    }

    #[tokio::test]
    async fn keeps_everything_when_it_is_closed_and_opened_again() {
        let file = NamedTempFile::new().expect("a temporary file");
        let open = || Arc::new(RedbStore::open(file.reopen().expect("the file")).expect("a store"));
        let ready = Ready::on(open()).await.expect("a tenant with a lead");
        let Ready { crm, clock, rep, lead, .. } = ready;
        crm.leads(&rep).move_to(lead.id, "contacted").await.expect("an allowed move");
        drop(crm); // and with it the only handle to the file

        let crm = Crm::builder_shared(open()).clock(clock).build();
        let leads = crm.leads(&rep);
        assert_eq!(leads.get(lead.id).await.expect("it is there").status, "contacted");
        assert_eq!(leads.history(lead.id).await.expect("its log").len(), 2);
        let renamed = leads.update(lead.id, LeadPatch::new().name("Ada King")).await.expect("it goes on");
        assert_eq!(renamed.version, 3);
    }
}
