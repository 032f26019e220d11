//! Sweeps: of a tenant in which 2 of 100 leads changed, in a small tenant and in a large one. What is due decides what a
//! sweep costs, not what there is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crm_core::{
    collection::NewWithHistory,
    leads::{Lead, LeadPatch},
    scoring::ScoringModel,
    value::Id,
};

use crate::scene::{Server, Tenant, new_lead};

/// Leads of both tenants, and one of how many changes.
const SMALL: usize = 10_000;
const LARGE: usize = 100_000;
const ONE_OF: usize = 50;
/// Records created, or changed, in one call.
const BATCH: usize = 1_000;

/// Measures both tenants.
pub(crate) async fn run(server: &Server) {
    let small = sweep(server, SMALL).await;
    let large = sweep(server, LARGE).await;
    println!("postgres.sweep.of_{SMALL}_leads_millis_per_due {:.3}", small * 1e3);
    println!("postgres.sweep.of_{LARGE}_leads_millis_per_due {:.3}", large * 1e3);
    println!("postgres.sweep.ratio {:.2}", large / small);
}

/// Seconds of a sweep for each lead that is due.
#[allow(clippy::disallowed_methods)] // a stopwatch
async fn sweep(server: &Server, leads: usize) -> f64 {
    let tenant = Tenant::on(Arc::new(server.store(4).await)).await;
    let (crm, admin) = (&tenant.crm, &tenant.admin);
    crm.scoring_models(admin).create(ScoringModel::starter()).await.expect("the starter is valid");
    // A model that is new looks at all there is, once.
    crm.score_sweeper().sweep(admin.tenant(), Duration::MAX).await.expect("the server answers");
    let mut ids: Vec<Id<Lead>> = Vec::with_capacity(leads);
    for batch in (0..leads).step_by(BATCH) {
        let many = (batch..leads.min(batch + BATCH))
            .map(|number| NewWithHistory::<Lead>::new(new_lead(u64::try_from(number).expect("small"))));
        for made in crm.leads(admin).create_many(many.collect()).await {
            ids.push(made.expect("it is valid").id);
        }
    }
    server.run("vacuum analyze crm.lead").await;
    server.run("vacuum analyze crm.rescoring").await;
    let idle = Instant::now();
    let swept = crm.score_sweeper().sweep(admin.tenant(), Duration::MAX).await.expect("the server answers");
    assert_eq!(swept.due, 0, "new leads are scored with their creation");
    println!("postgres.sweep.of_{leads}_leads_with_nothing_due_millis {:.3}", idle.elapsed().as_secs_f64() * 1e3);
    let changed: Vec<Id<Lead>> = ids.iter().copied().step_by(ONE_OF).collect();
    for batch in changed.chunks(BATCH) {
        let many = batch.iter().map(|id| (*id, LeadPatch::new().source("referral"))).collect();
        for done in crm.leads(admin).update_many(many).await {
            done.expect("it is valid");
        }
    }
    let start = Instant::now();
    let swept = crm.score_sweeper().sweep(admin.tenant(), Duration::MAX).await.expect("the server answers");
    let seconds = start.elapsed().as_secs_f64();
    let due = u64::try_from(changed.len()).expect("small");
    assert_eq!((swept.due, swept.scored, swept.written), (due, due, due), "what changed is scored, and nothing else");
    seconds / f64::from(u32::try_from(due).expect("small"))
}
