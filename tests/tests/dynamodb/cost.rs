//! Prints and checks the cost of operations in capacity units. The table in docs/dynamodb.md is this test's output.

use std::sync::{Arc, Mutex};

use crm_core::{
    schema::Image,
    store::{Claim, Feed, History, HistoryQuery, Records},
    value::{Date, Id, Kind, Money, Value},
};
use crm_store_dynamodb::{Consumed, DynamoStore};
use tests::dynamodb::fresh;

use crate::hand::{at, compute, create, get, id, image, key_entry, query, set, take, update};

/// A store that records its consumption.
async fn metered() -> (DynamoStore, Arc<Mutex<Vec<Consumed>>>) {
    let meter: Arc<Mutex<Vec<Consumed>>> = Arc::default();
    let heard = Arc::clone(&meter);
    (fresh().await.on_consumed(move |consumed| heard.lock().unwrap().push(consumed)), meter)
}

/// Returns the consumption since the last call.
fn spent(meter: &Mutex<Vec<Consumed>>) -> f64 {
    meter.lock().unwrap().drain(..).map(|consumed| consumed.units).sum()
}

/// A lead as the use case would create it from name, company, phone, source, owner and team.
fn lead(tenant: Id, number: i64, owner: Id, team: Id) -> Image {
    let name = format!("Ada Lovelace {number}");
    let fields = [
        ("name", Value::text(name.as_str())),
        ("first_name", Value::text("Ada")),
        ("last_name", Value::text(format!("Lovelace {number}"))),
        ("phone", Value::text("+41446681800")),
        ("company_name", Value::text("Analytical Engines Ltd")),
        ("source", Value::text("web")),
        ("created_by", Value::Id(owner)),
        ("updated_by", Value::Id(owner)),
        ("owner_id", Value::Id(owner)),
        ("team_id", Value::Id(team)),
        ("pipeline_id", Value::Id(id())),
        ("stage_id", Value::Id(id())),
        ("status", Value::text("new")),
        ("stage_kind", Value::text("open")),
        ("stage_entered_at", Value::Time(at(number))),
        ("search_text", Value::text(format!("{}\nanalytical engines ltd", name.to_lowercase()))),
        ("score", Value::Int(0)),
    ];
    image(Kind::Lead, tenant, number, &fields)
}

fn deal(tenant: Id, owner: Id, team: Id) -> Image {
    let fields = [
        ("title", Value::text("Analytical Engine, 40 columns")),
        ("value", Value::Money("120000 USD".parse::<Money>().unwrap())),
        ("weighted_value", Value::Money("12000 USD".parse::<Money>().unwrap())),
        ("probability", Value::Int(10)),
        ("expected_close_date", Value::Date(Date::of(at(8_000_000)))),
        ("close_date", Value::Date(Date::of(at(8_000_000)))),
        ("owner_id", Value::Id(owner)),
        ("team_id", Value::Id(team)),
        ("company_id", Value::Id(id())),
        ("pipeline_id", Value::Id(id())),
        ("stage_id", Value::Id(id())),
        ("stage_kind", Value::text("open")),
        ("stage_entered_at", Value::Time(at(1))),
        ("created_by", Value::Id(owner)),
        ("updated_by", Value::Id(owner)),
        ("search_text", Value::text("analytical engine, 40 columns")),
    ];
    image(Kind::Deal, tenant, 1, &fields)
}

#[tokio::test]
async fn what_operations_cost() {
    let (store, meter) = metered().await;
    let (tenant, owner, team) = (id(), id(), id());
    let mut table: Vec<(&str, f64, f64)> = Vec::new();

    let bare = lead(tenant, 1, owner, team);
    store.commit(&create([bare.clone()])).await.unwrap();
    table.push(("create a lead", spent(&meter), 13.0));

    let mut with_email = lead(tenant, 2, owner, team);
    set(&mut with_email, "email", Value::text("ada.lovelace@analytical.example"));
    store.commit(&create([with_email])).await.unwrap();
    table.push(("create a lead that has an e-mail address", spent(&meter), 14.0));

    let mut keyed = lead(tenant, 3, owner, team);
    set(&mut keyed, "external_id", Value::text("crm-4711"));
    set(&mut keyed, "email", Value::text("ada.lovelace@analytical.example"));
    let mut commit = create([keyed.clone()]);
    commit.claims.push(take(Claim::new(tenant, Kind::Lead, "external_id", "crm-4711"), keyed.reference()));
    commit.key = Some(key_entry("0190c0de-0000-7000-8000-000000000000", &commit, at(86_400)));
    store.commit(&commit).await.unwrap();
    table.push(("create a lead with e-mail, external id and idempotency key", spent(&meter), 19.0));

    let deal = deal(tenant, owner, team);
    store.commit(&create([deal.clone()])).await.unwrap();
    table.push(("create a deal", spent(&meter), 13.0));

    let mut to_a_contact = self::deal(tenant, owner, team);
    to_a_contact.id = id();
    set(&mut to_a_contact, "primary_contact_id", Value::Id(id()));
    store.commit(&create([to_a_contact])).await.unwrap();
    table.push(("create a deal that names a contact", spent(&meter), 14.0));

    let stored = get(&store, &deal).await.unwrap();
    let _ = spent(&meter);
    let moved = update(&stored, 50, |deal| {
        set(deal, "stage_id", Value::Id(id()));
        set(deal, "stage_entered_at", Value::Time(at(50)));
        set(deal, "probability", Value::Int(40));
    });
    store.commit(&moved).await.unwrap();
    table.push(("move a deal to another open stage", spent(&meter), 13.0));

    let won = update(&moved.writes[0].after, 60, |deal| {
        set(deal, "stage_id", Value::Id(id()));
        set(deal, "stage_kind", Value::text("won"));
        set(deal, "actual_close_date", Value::Date(Date::of(at(60))));
        set(deal, "close_date", Value::Date(Date::of(at(60))));
    });
    store.commit(&won).await.unwrap();
    table.push(("win a deal", spent(&meter), 16.0));

    let renamed = update(&Arc::new(bare.clone()), 70, |lead| set(lead, "job_title", Value::text("Countess")));
    store.commit(&renamed).await.unwrap();
    table.push(("edit a lead's job title", spent(&meter), 12.0));

    let moved = update(&renamed.writes[0].after, 80, |lead| {
        set(lead, "stage_id", Value::Id(id()));
        set(lead, "status", Value::text("contacted"));
        set(lead, "stage_entered_at", Value::Time(at(80)));
    });
    store.commit(&moved).await.unwrap();
    table.push(("move a lead to another stage", spent(&meter), 14.0));

    let rated = compute(&moved.writes[0].after, |lead| set(lead, "score", Value::Int(42)));
    store.commit(&rated).await.unwrap();
    table.push(("rescore a lead (not logged)", spent(&meter), 12.0));

    let link = [("links", Value::list([Value::Ref(bare.reference())])), ("content", Value::text("She called."))];
    store.commit(&create([image(Kind::Note, tenant, 5, &link)])).await.unwrap();
    table.push(("write a note on a lead", spent(&meter), 14.0));

    let fields = [("of", Value::text("lead")), ("due_at", Value::Time(at(90)))];
    let mark = Arc::new(image(Kind::Rescoring, tenant, 6, &fields));
    let mut marked = create([mark.as_ref().clone()]);
    marked.writes[0].changes.clear();
    store.commit(&marked).await.unwrap();
    // One of them is for the index of due records of all tenants, and two below.
    table.push(("mark a record as due (not logged)", spent(&meter), 5.0));
    let again = compute(&mark, |mark| set(mark, "due_at", Value::Time(at(95))));
    store.commit(&again).await.unwrap();
    table.push(("the same again at another time", spent(&meter), 7.0));
    assert_eq!(store.due(mark.decl, at(94), None, 1, 100).await.unwrap(), []);
    table.push(("what is due of all tenants, where nothing is", spent(&meter), 4.0));

    get(&store, &bare).await.unwrap();
    // The record, its missing long text, and the epochs.
    table.push(("read one lead, strongly, with the epoch", spent(&meter), 3.0));

    for batch in 0..10 {
        store.commit(&create((0..10).map(|n| lead(tenant, 100 + batch * 10 + n, owner, team)))).await.unwrap();
    }
    let _ = spent(&meter);
    let mut by_owner = query(Kind::Lead, tenant, "owner_id -> created_at", vec![Value::Id(owner)]);
    by_owner.limit = 50;
    let page = store.list(&by_owner).await.unwrap();
    assert_eq!(page.items.len(), 50);
    table.push(("a page of 50 leads of an owner", spent(&meter), 7.0));

    let source = bare.decl.position("source").unwrap();
    let ty = bare.decl.fields[source].ty;
    by_owner.filter = crm_core::filter::Predicate::field_eq(source, ty, Value::text("web"));
    let page = store.list(&by_owner).await.unwrap();
    assert_eq!(page.items.len(), 50);
    table.push(("the same with a filter that all of them pass", spent(&meter), 14.0));

    let history =
        HistoryQuery { tenant, record: deal.reference(), field: None, descending: false, after: None, limit: 50 };
    assert_eq!(store.history(&history).await.unwrap().changes.len(), 3);
    table.push(("the history of a deal of three changes, strongly", spent(&meter), 1.0));

    // Starts on a new line after the test runner's output.
    println!("\n{:<60} {:>6} {:>6}", "operation", "units", "at most");
    for (operation, units, most) in &table {
        println!("{operation:<60} {units:>6} {most:>6}");
    }
    for (operation, units, most) in table {
        assert!(units > 0.0 && units <= most, "{operation}: {units} units");
    }
}

/// Write units and read units.
type Units = (f64, f64);

/// Returns the consumption of the last use case's commit and of its reads.
fn split(meter: &Mutex<Vec<Consumed>>) -> Units {
    let consumed: Vec<Consumed> = meter.lock().unwrap().drain(..).collect();
    let of = |is_commit: bool| {
        consumed
            .iter()
            .filter(|one| (one.operation == "commit") == is_commit)
            .map(|one| one.units)
            .fold(0.0, std::ops::Add::add)
    };
    (of(true), of(false))
}

#[tokio::test]
async fn what_use_cases_cost() {
    use crm_core::{deals::NewDeal, leads::NewLead, testing::Ready};
    let (store, meter) = metered().await;
    let Ready { crm, rep, .. } = Ready::on(Arc::new(store)).await.unwrap();
    let mut table: Vec<(&str, Units, Units)> = Vec::new();
    let _ = split(&meter);

    let bare = NewLead { name: "Grace Hopper".into(), ..Default::default() };
    let lead = crm.leads(&rep).create(bare.clone()).await.unwrap().into_value();
    table.push(("create a lead", split(&meter), (13.0, 2.0)));

    let keyed = NewLead { email: Some("grace@navy.example".into()), external_id: Some("crm-4711".into()), ..bare };
    crm.leads(&rep).create(keyed).idempotency_key("0190c0de-0000-7000-8000-000000000000").await.unwrap();
    table.push(("create one with e-mail, external id and idempotency key", split(&meter), (19.0, 3.0)));

    crm.leads(&rep).get(lead.id).await.unwrap();
    table.push(("read a lead", split(&meter), (0.0, 3.0)));

    crm.leads(&rep).move_to(lead.id, "contacted").await.unwrap();
    table.push(("move a lead", split(&meter), (14.0, 3.0)));

    let new = NewDeal {
        title: "Compiler".into(),
        value: Some("120000 USD".parse().unwrap()),
        expected_close_date: Some(Date::of(at(8_000_000))),
        ..Default::default()
    };
    let deal = crm.deals(&rep).create(new).await.unwrap().into_value();
    table.push(("create a deal", split(&meter), (12.0, 2.0)));
    crm.deals(&rep).move_to(deal.id, "proposal").await.unwrap();
    table.push(("move a deal", split(&meter), (13.0, 3.0)));
    crm.deals(&rep).win(deal.id).await.unwrap();
    table.push(("win a deal", split(&meter), (16.0, 3.0)));

    println!("\n{:<60} {:>6} {:>6}", "use case", "write", "read");
    for (operation, (written, read), _) in &table {
        println!("{operation:<60} {written:>6} {read:>6}");
    }
    for (operation, (written, read), (most_written, most_read)) in table {
        assert!(written <= most_written && read <= most_read, "{operation}: {written} write, {read} read units");
    }
}
