//! Pieces that cannot be committed as they are.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::{
    JobContext, JobHandler, Piece, Row, Verdict,
    lists::{self, List},
};
use crate::{
    engine::{
        crm::Crm,
        draft::{Draft, Input, Step, Stop},
        system::System,
    },
    leads::{LeadFields, NewLead},
    model::{
        error::Error,
        filter::Filter,
        records::job::JobStatus,
        schema::common,
        store::memory::MemoryStore,
        value::{Kind, Value},
    },
    testing::{CountedIds, Ready},
};

/// Sets the external id of each lead to the last word of its name, which some leads share, and creates a given number
/// of other leads.
struct Key;

#[async_trait]
impl JobHandler for Key {
    fn name(&self) -> &'static str {
        "acme.key"
    }

    fn begin(&self, _: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        Ok(args.clone())
    }

    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error> {
        let list = List { kind: Kind::Lead, filter: Filter::eq("source", "web"), sort: "created_at" };
        lists::next(cx, &[list], place).await
    }

    fn decide(&self, draft: &mut Draft<'_>, args: &Json, row: &Row) -> Result<Verdict, Stop> {
        let step = Step::new("key", None);
        let lead = draft.read(row.record)?;
        let name = lead.at(LeadFields::name).as_text().unwrap_or_default();
        let key = Value::text(name.rsplit(' ').next().unwrap_or_default());
        if lead.values[common::EXTERNAL_ID] == key {
            return Ok(Verdict::Unchanged);
        }
        draft.update(row.record, Input::user(&[(common::EXTERNAL_ID, key)]), step)?;
        for number in 0..args["others"].as_u64().unwrap_or_default() {
            let name = [(LeadFields::name as usize, Value::text(format!("Other {number}")))];
            let id = draft.new_id();
            draft.create(Kind::Lead, id, Input::user(&name), step)?;
        }
        Ok(Verdict::Changed)
    }
}

/// Runs a job over `leads` leads; every tenth gets the same key. Returns the number done, the number refused and the
/// first reason.
async fn keyed(leads: usize, others: u64) -> (i64, i64, String) {
    let store = MemoryStore::new();
    let ready = Ready::on(std::sync::Arc::new(store.clone())).await.unwrap();
    let crm = Crm::builder(store)
        .clock(ready.clock.clone())
        .ids(CountedIds::series(88))
        .system(System::new("acme").job(Key))
        .build();
    for number in 0..leads {
        let new = NewLead { name: format!("Lead {}", number % 10), source: Some("web".into()), ..NewLead::default() };
        crm.leads(&ready.admin).create(new).await.unwrap();
    }
    let jobs = crm.jobs(&ready.admin);
    let job = jobs.start("acme.key", json!({"others": others}), None).await.unwrap();
    let job = jobs.resume(job.id, crm.now().plus_days(1)).await.unwrap();
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.failure);
    let reason = job.held_back.first().map(|one| one.reason.clone()).unwrap_or_default();
    (job.done, job.held_back_count, reason)
}

#[test]
fn a_value_that_is_taken_refuses_its_row_alone() {
    futures::executor::block_on(async {
        let (done, refused, reason) = keyed(30, 0).await;
        assert_eq!((done, refused), (10, 20));
        assert!(reason.contains("external_id"), "{reason}");
    });
}

#[test]
fn a_piece_that_is_too_large_is_made_smaller_and_a_row_that_is_too_large_is_refused() {
    futures::executor::block_on(async {
        assert_eq!(keyed(10, 20).await, (10, 0, String::new()));
        let (done, refused, reason) = keyed(2, 60).await;
        assert_eq!((done, refused), (0, 2));
        assert!(reason.contains("items in one commit"), "{reason}");
    });
}
