//! Pages of 50 leads by owner, from a tenant with 1,000 leads and from one with 1,000,000.

use std::{sync::Arc, time::Instant};

use crm_core::{filter::Filter, listing::ListQuery, testing::user, users::User, value::Id};
use futures::{StreamExt as _, stream};

use crate::{
    median,
    scene::{Server, Tenant, new_lead},
};

/// The number of alternations between the two tenants, and of pages in each.
const ROUNDS: usize = 5;
const PAGES: usize = 500;

/// A tenant with leads of many owners.
struct Paged {
    tenant: Tenant,
    owners: Vec<Id<User>>,
}

/// Measures both tenants alternately.
pub(crate) async fn run(server: &Server) {
    let small = Paged::new(server, 1_000, 10).await;
    let large = Paged::new(server, 1_000_000, 1_000).await;
    server.run("vacuum analyze crm.lead").await;
    server.run("checkpoint").await;
    let (mut of_small, mut of_large, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    small.page_seconds(0).await;
    large.page_seconds(0).await;
    for round in 1..=ROUNDS {
        let (small, large) = (small.page_seconds(round).await, large.page_seconds(round).await);
        of_small.push(small);
        of_large.push(large);
        ratios.push(large / small);
    }
    println!("postgres.page.of_1k_millis {:.3}", median(of_small) * 1e3);
    println!("postgres.page.of_1m_millis {:.3}", median(of_large) * 1e3);
    println!("postgres.page.random_owner_ratio {:.2}", median(ratios));
}

impl Paged {
    /// Creates a tenant whose leads are copies of one created lead, each a second after the previous, with owners in no
    /// particular order.
    async fn new(server: &Server, leads: usize, owners: usize) -> Self {
        let tenant = Tenant::on(Arc::new(server.store(16).await)).await;
        let owners: Vec<Id<User>> = stream::iter(0..owners)
            .map(|number| {
                let tenant = &tenant;
                async move {
                    let name = format!("User{number}");
                    user(&tenant.crm, &tenant.admin, &name, "sales_rep", tenant.team).await.expect("a user").id
                }
            })
            .buffered(16)
            .collect()
            .await;
        let lead = tenant.crm.leads(&tenant.rep).create(new_lead(0)).await.expect("a lead").id;
        let columns: Vec<String> = sqlx::query_scalar(
            "select attname::text from pg_attribute where attrelid = 'crm.lead'::regclass and attnum > 0 and not \
             attisdropped and attgenerated = '' and attidentity = '' order by attnum",
        )
        .fetch_all(&mut server.connection().await)
        .await
        .expect("the columns");
        let list: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let values: Vec<String> = columns
            .iter()
            .map(|column| match column.as_str() {
                "id" => "overlay(md5(random()::text) placing lpad(to_hex((extract(epoch from l.created_at) * \
                         1000)::bigint + n * 1000), 12, '0') || '7' from 1)::uuid"
                    .to_owned(),
                // A multiplier without a common divisor distributes the owners evenly and in no particular order.
                "owner_id" => format!("o.ids[1 + (n::bigint * 7919 + n / {0}) % {0}]", owners.len()),
                "created_at" | "updated_at" | "stage_entered_at" => format!("l.{column} + n * interval '1 second'"),
                "name" => "'Lead ' || n".to_owned(),
                "email" => "'lead' || n || '@example.com'".to_owned(),
                "search_text" => "replace(l.search_text, 'lead 0', 'lead ' || n)".to_owned(),
                _ => format!("l.\"{column}\""),
            })
            .collect();
        let ids: Vec<String> = owners.iter().map(|owner| format!("'{owner}'")).collect();
        server
            .run(&format!(
                // Bulk loading skips the checks of references and does not wait for the disk.
                "set session_replication_role = replica; set synchronous_commit = off; insert into crm.lead ({}) select {} \
                 from crm.lead l, (select array[{}]::uuid[] as ids) o, generate_series(1, {leads}) n where l.id = '{lead}'",
                list.join(", "),
                values.join(", "),
                ids.join(", "),
            ))
            .await;
        Self { tenant, owners }
    }

    /// The average seconds per page, over pages of owners in no particular order.
    #[allow(clippy::disallowed_methods)] // measures time
    async fn page_seconds(&self, round: usize) -> f64 {
        let leads = self.tenant.crm.leads(&self.tenant.admin);
        let start = Instant::now();
        for page in 0..PAGES {
            let owner = self.owners[(page + round * PAGES) * 7919 % self.owners.len()];
            let query = ListQuery::new().filter(Filter::eq("owner_id", owner.to_string())).limit(50);
            let found = leads.list(&query).await.expect("a page");
            assert_eq!(found.items.len(), 50, "every owner has a full page");
        }
        #[allow(clippy::cast_precision_loss)] // few
        let seconds = start.elapsed().as_secs_f64() / PAGES as f64;
        seconds
    }
}
