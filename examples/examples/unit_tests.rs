//! Testing your own code that uses the CRM: one test on the memory store, three on a mock.
//!
//! `call_answered` below is such code: a telephone system reports that a lead answered a call. `cargo run -p examples
//! --example unit_tests` runs it once; `cargo test -p examples --example unit_tests` runs the tests. They need no
//! server and take microseconds.
//!
//! - [`MemoryStore`](crm_core::MemoryStore) is a complete store: use it if the behavior of the store does not matter.
//! - `MockStore` (feature `mock`) returns the results that a test sets: use it for results that a real store rarely
//!   returns.

use crm_core::{Crm, Error, access::Actor, leads::Lead, store::CommitId, testing::Ready, value::Id};

/// The next step of the telephone system.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// None: the call was recorded.
    Done,
    /// None: a call does not move this lead. Contains the CRM's reason.
    Leave(String),
    /// Report the call again in a minute: nothing was stored.
    TellAgain,
    /// Check before reporting again: this commit may have been stored.
    Look(CommitId),
}

/// Handles an answered call: a new lead becomes contacted.
async fn call_answered(crm: &Crm, actor: &Actor, lead: Id<Lead>) -> Next {
    match crm.leads(actor).move_to(lead, "contacted").await {
        Ok(_) => Next::Done,
        // The core has already retried; the lead is being changed by others.
        Err(Error::Conflict { .. } | Error::Unavailable(_)) => Next::TellAgain,
        Err(Error::OutcomeUnknown { commit }) => Next::Look(commit),
        Err(refused) => Next::Leave(refused.to_string()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Ready { crm, rep, lead, .. } = Ready::in_memory().await?;
    println!("{} is {}", lead.name, lead.status);
    let next = call_answered(&crm, &rep, lead.id).await;
    println!("the call is answered: {next:?}");
    println!("{} is {}", lead.name, crm.leads(&rep).get(lead.id).await?.status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crm_core::{
        MemoryStore,
        store::{Commit, History, MockStore, Records, StoreError},
    };
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_new_lead_that_answers_is_contacted() {
        let Ready { crm, rep, lead, .. } = Ready::in_memory().await.unwrap();

        assert_eq!(call_answered(&crm, &rep, lead.id).await, Next::Done);

        let leads = crm.leads(&rep);
        assert_eq!(leads.get(lead.id).await.unwrap().status, "contacted");
        let actions: Vec<_> = leads.history(lead.id).await.unwrap().into_iter().map(|change| change.action).collect();
        assert_eq!(actions, ["create", "move_stage"]);
        assert!(matches!(call_answered(&crm, &rep, Id::NIL).await, Next::Leave(_)), "there is no such lead");
    }

    /// A tenant with sample data, and a CRM on a mock that reads that data and answers commits as the test sets.
    async fn on_a_mock(
        times: usize,
        answer: impl Fn(&Commit) -> Result<(), StoreError> + Send + 'static,
    ) -> (Crm, Actor, Id<Lead>) {
        let memory = MemoryStore::new();
        let Ready { rep, lead, clock, .. } = Ready::on(Arc::new(memory.clone())).await.unwrap();
        let mut store = MockStore::new();
        // The memory store never waits, so its futures are ready immediately.
        let reads = memory.clone();
        store.expect_get().returning(move |tenant, wants| reads.get(tenant, wants).now_or_never().unwrap());
        let reads = memory.clone();
        store.expect_definitions().returning(move |tenant| reads.definitions(tenant).now_or_never().unwrap());
        store.expect_history().returning(move |query| memory.history(query).now_or_never().unwrap());
        store.expect_commit().times(times).returning(answer);
        (Crm::builder(store).clock(clock).build(), rep, lead.id)
    }

    #[tokio::test]
    async fn a_lead_that_others_keep_changing_is_tried_four_times_and_then_later() {
        let (crm, rep, lead) = on_a_mock(4, |commit| {
            let write = &commit.writes[0];
            Err(StoreError::Conflict { record: write.record(), current: Some(write.after.versions) })
        })
        .await;

        assert_eq!(call_answered(&crm, &rep, lead).await, Next::TellAgain);
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_told_again() {
        let (crm, rep, lead) = on_a_mock(1, |_| Err(StoreError::unavailable("no route to host"))).await;

        assert_eq!(call_answered(&crm, &rep, lead).await, Next::TellAgain);
    }

    #[tokio::test]
    async fn an_answer_that_is_lost_names_the_commit_to_look_for() {
        // The core sends the same commit three times, then searches the log, which does not contain it.
        let (crm, rep, lead) = on_a_mock(3, |_| Err(StoreError::outcome_unknown("connection reset"))).await;

        let Next::Look(commit) = call_answered(&crm, &rep, lead).await else { panic!("nobody can know") };
        let history = crm.leads(&rep).history(lead).await.unwrap();
        assert!(history.iter().all(|change| change.commit != commit), "it was not stored");
    }
}
