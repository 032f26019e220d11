//! The life of one lead: created, moved through its stages, converted and won; then its history, and its state at an
//! earlier time.
//!
//! `cargo run -p crm-core --example lead_story` runs in memory and needs no installation. To use another store, change
//! the line that creates it: `PostgresStore::connect("postgres://…").await?` or `DynamoStore::new(client, "crm")`.

use crm_core::{
    Crm, MemoryStore,
    change::stage_times,
    deals::NewDeal,
    leads::{ConvertLead, NewLead},
    organizations::NewOrganization,
    testing::TestClock,
    users::NewUser,
    value::{Currency, Money},
};

fn main() -> Result<(), crm_core::Error> {
    futures::executor::block_on(story())
}

async fn story() -> Result<(), crm_core::Error> {
    let clock = TestClock::at("2026-03-02T09:00:00Z"); // a Monday
    let crm = Crm::builder(MemoryStore::new()).clock(clock.clone()).build();
    let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await?;
    let role = crm.roles(&admin).find("key", "sales_rep").await?;
    let grace = NewUser {
        first_name: Some("Grace".into()),
        external_id: Some("grace".into()),
        role_ids: vec![role.id],
        ..Default::default()
    };
    crm.users(&admin).create(grace).await?;
    let rep = crm.actor_by_external_id(admin.tenant(), "grace").await?;

    let leads = crm.leads(&rep);
    let new = NewLead { name: "Ada Lovelace".into(), company_name: Some("Engines Ltd".into()), ..Default::default() };
    let lead = leads.create(new).await?;
    clock.advance_days(2);
    leads.move_to(lead.id, "contacted").await?;
    clock.advance_days(5);
    leads.move_to(lead.id, "qualified").await?;
    clock.advance_days(1);
    let deal =
        NewDeal { title: "Ten engines".into(), value: Some(Money::new(50_000, Currency::EUR)), ..Default::default() };
    let converted = leads.convert(lead.id, ConvertLead { open_deal: Some(deal.into()), ..Default::default() }).await?;
    clock.advance_days(6);
    let deal = converted.deal.as_ref().expect("one was asked for");
    let won = crm.deals(&rep).win(deal.id).await?;
    println!("{} is {} at {}\n", won.title, won.status, won.value.expect("it has one"));

    for change in leads.history(lead.id).await? {
        println!("{} {}", change.occurred_at, change.action);
        for field in change.fields {
            println!("    {}: {} → {}", field.field, field.old.to_json(), field.new.to_json());
        }
    }
    println!();
    let pipeline = crm.pipelines(&rep).get(lead.pipeline_id.expect("every lead has one")).await?;
    for time in stage_times(&leads.stage_intervals(lead.id).await?, clock.now()) {
        let stage = pipeline.stage(time.stage_id).map_or("?", |stage| stage.name.as_str());
        println!("{stage:12} {:3} days", time.total_micros / 86_400_000_000);
    }
    let monday = "2026-03-09T09:00:00Z".parse().expect("a time");
    let then = leads.as_of(lead.id, monday).await?.expect("it was there");
    println!("\nlast Monday {} was {}", then.name, then.status);
    Ok(())
}
