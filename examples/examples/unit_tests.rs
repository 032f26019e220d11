//! How to test code of one's own that uses the CRM: one test on the memory store, three on a mock.
//!
//! `call_answered` below is such code: a telephone system tells that a lead picked up. `cargo run -p examples --example
//! unit_tests` runs it once; `cargo test -p examples --example unit_tests` runs the tests. No server, microseconds.
//!
//! - [`MemoryStore`](crm_core::MemoryStore) is a whole store: use it wherever it does not matter what the store does.
//! - `MockStore` (feature `mock`) does what the test says: use it for what a real store does once in a million calls.

use crm_core::{Crm, Error, access::Actor, testing::Ready, value::Id};

/// What the telephone system is to do next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: it is noted.
    Done,
    /// Nothing: the lead is not one that a call moves on. What the CRM said.
    Leave(String),
    /// Tell again in a minute: surely nothing was stored.
    TellAgain,
    /// Look before telling again: this commit may have been stored.
    Look(Id),
}

/// A lead has answered a call: a new one is then contacted.
async fn call_answered(crm: &Crm, actor: &Actor, lead: Id) -> Next {
    match crm.leads(actor).move_to(lead, "contacted").await {
        Ok(_) => Next::Done,
        // The core has decided anew a few times already: the lead is much in demand just now.
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

    /// A ready tenant, and a CRM on a mock that reads what is in it and answers commits as the test says.
    async fn on_a_mock(
        times: usize,
        answer: impl Fn(&Commit) -> Result<(), StoreError> + Send + 'static,
    ) -> (Crm, Actor, Id) {
        let memory = MemoryStore::new();
        let Ready { rep, lead, clock, .. } = Ready::on(Arc::new(memory.clone())).await.unwrap();
        let mut store = MockStore::new();
        // The memory store never waits, so its futures are done at once.
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
        // The core sends the same commit three times and then looks into the log, where it is not.
        let (crm, rep, lead) = on_a_mock(3, |_| Err(StoreError::outcome_unknown("connection reset"))).await;

        let Next::Look(commit) = call_answered(&crm, &rep, lead).await else { panic!("nobody can know") };
        let history = crm.leads(&rep).history(lead).await.unwrap();
        assert!(history.iter().all(|change| change.commit != commit), "it was not stored");
    }
}
