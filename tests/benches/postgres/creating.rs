//! Creating leads through the use case, compared with pgbench running the same two statements.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crm_core::Crm;
use futures::future::join_all;
use tokio::task::JoinSet;

use crate::{
    median,
    pgbench::Script,
    scene::{Server, Tenant, new_lead},
};

/// The number of times both are run, alternately.
const PAIRS: usize = 5;

/// Measures with one connection and with sixteen.
pub(crate) async fn run(server: &Server, time: Duration) {
    let tenant = Tenant::on(Arc::new(server.store(1).await)).await;
    let script = Script::of_one_call(server, &tenant).await;
    let next = Arc::new(AtomicU64::new(2));
    for connections in [1, 16] {
        let crm = tenant.crm.on(server.store(connections).await);
        // Establishes every connection and prepares both statements.
        let leads = crm.leads(&tenant.rep);
        join_all((0..connections * 2).map(|_| async {
            leads.create(new_lead(next.fetch_add(1, Ordering::Relaxed))).await.expect("a lead");
        }))
        .await;
        script.run(server, connections, Duration::from_secs(1));

        let (mut theirs, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let before = stored(server).await;
            let (transactions, by_pgbench) = script.run(server, connections, time);
            let between = stored(server).await;
            assert_eq!(between.0 - before.0, transactions, "pgbench stores one lead in each transaction");
            assert_eq!((between.1 - before.1) % transactions, 0, "and as many changes in each");
            let (created, by_store) = create(&crm, &tenant, connections, time, &next).await;
            let after = stored(server).await;
            assert_eq!(after.0 - between.0, created, "the store stores what it says");
            assert_eq!(
                (after.1 - between.1) / created,
                (between.1 - before.1) / transactions,
                "pgbench logs as many changes as the store"
            );
            theirs.push(by_pgbench);
            ours.push(by_store);
            ratios.push(by_store / by_pgbench);
        }
        println!("postgres.create.c{connections}_pgbench_per_second {:.0}", median(theirs));
        println!("postgres.create.c{connections}_per_second {:.0}", median(ours));
        println!("postgres.create.c{connections}_ratio {:.2}", median(ratios));
    }
}

/// The number of stored leads and changes.
pub(crate) async fn stored(server: &Server) -> (i64, i64) {
    sqlx::query_as("select (select count(*) from crm.lead), (select count(*) from crm.change)")
        .fetch_one(&mut server.connection().await)
        .await
        .expect("counts")
}

/// Runs several tasks, each creating leads until the time is up. Returns the number of leads, in total and per second.
#[allow(clippy::disallowed_methods)] // measures time
async fn create(crm: &Crm, tenant: &Tenant, tasks: u32, time: Duration, next: &Arc<AtomicU64>) -> (i64, f64) {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let (crm, rep, next) = (crm.clone(), tenant.rep.clone(), Arc::clone(next));
        running.spawn(async move {
            let leads = crm.leads(&rep);
            let mut created = 0_u32;
            while start.elapsed() < time {
                leads.create(new_lead(next.fetch_add(1, Ordering::Relaxed))).await.expect("a lead");
                created += 1;
            }
            created
        });
    }
    let created: u32 = running.join_all().await.into_iter().sum();
    (created.into(), f64::from(created) / start.elapsed().as_secs_f64())
}
