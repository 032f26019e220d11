//! The cost of the SQLite store: creating leads compared with SQLite itself storing the same rows, in one task and in
//! many; batches, reads, and pages of few and of many leads.
//!
//! `cargo bench -p tests --bench sqlite -- [create|batch|get|pages] [--seconds 5]`. Files are in the directory for
//! temporary files (`TMPDIR`), which must be on the disk to be measured. The pages need 3 GB there.

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crm_core::{
    Crm,
    access::Actor,
    collection::NewWithHistory,
    filter::Filter,
    leads::Lead,
    listing::ListQuery,
    organizations::NewOrganization,
    teams::{NewTeam, Team},
    testing::user,
    users::User,
    value::Id,
};
use crm_store_sqlite::SqliteStore;
use rusqlite::{Connection, params_from_iter, types::Value as Sql};
use tests::{leads::new_lead, sqlite::Sqlite};
use tokio::task::JoinSet;

/// The number of times that what is compared is run, alternately.
const ROUNDS: usize = 5;

/// A tenant in a file of its own, with the system clock and random ids.
struct Tenant {
    store: SqliteStore,
    crm: Crm,
    admin: Actor,
    team: Id<Team>,
    rep: Actor,
}

impl Tenant {
    async fn on(path: &Path) -> Self {
        let store = SqliteStore::open(path).expect("a file");
        let crm = Crm::new(store.clone());
        let new = NewOrganization { name: "Acme".into(), ..Default::default() };
        let admin = crm.bootstrap(new).await.expect("a tenant");
        tests::leads::define_properties(&crm, &admin).await.expect("two properties");
        let new = NewTeam { name: "North".into(), ..Default::default() };
        let team = crm.teams(&admin).create(new).await.expect("a team").id;
        let rep = user(&crm, &admin, "Rob", "sales_rep", team).await.expect("a representative").id;
        let rep = crm.actor(admin.tenant(), rep).await.expect("an actor");
        Self { store, crm, admin, team, rep }
    }
}

/// The rows of one lead, to be stored again for other leads by SQLite alone.
struct Rows {
    db: Connection,
    lead: Id<Lead>,
    /// The statement and values of each row.
    statements: Vec<(String, Vec<Sql>)>,
    next: u64,
}

impl Rows {
    /// Creates a lead in a new file and takes its rows: the record, its change, its claims and its index entries.
    async fn new(path: &Path) -> Self {
        let tenant = Tenant::on(path).await;
        let lead = tenant.crm.leads(&tenant.rep).create(new_lead(0)).await.expect("a lead").id;
        drop(tenant);
        let db = Connection::open(path).expect("it is closed");
        db.execute_batch(
            "pragma synchronous = full; pragma cache_size = -65536; pragma secure_delete = on; pragma wal_autocheckpoint = 4000",
        )
        .expect("settings");
        let names = |sql: &str, of: &str| -> Vec<String> {
            let mut statement = db.prepare(sql).expect("a statement");
            let names = statement.query_map([of], |row| row.get(0)).expect("names");
            names.collect::<Result<_, _>>().expect("names")
        };
        let mut rows = Vec::new();
        for table in names("select name from sqlite_schema where type = ?", "table") {
            let columns = names("select name from pragma_table_info(?) where not (name = 'n' and pk)", &table);
            let list = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
            let of_lead = columns.iter().map(|column| format!("\"{column}\" = ?1")).collect::<Vec<_>>().join(" or ");
            let marks = vec!["?"; columns.len()].join(", ");
            let mut statement =
                db.prepare(&format!("select {list} from \"{table}\" where {of_lead}")).expect("a statement");
            let found = statement
                .query_map([lead.bytes()], |row| {
                    (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Sql>, _>>()
                })
                .expect("rows");
            for values in found {
                rows.push((format!("insert into \"{table}\" ({list}) values ({marks})"), values.expect("a row")));
            }
        }
        assert!(rows.len() >= 2, "a lead has a record and a change");
        Self { db, lead, statements: rows, next: 1 }
    }

    /// Stores the rows under new ids, which ascend as those of the core do, a transaction per lead. Returns how many per
    /// second.
    #[allow(clippy::disallowed_methods)] // measures time
    fn store(&mut self, time: Duration) -> f64 {
        let (start, mut stored) = (Instant::now(), 0_u32);
        while start.elapsed() < time {
            self.next += 1;
            let millis = 1_900_000_000_000 + self.next;
            let id = Id::<Lead>::from_parts(millis, [7; 10]).bytes().to_vec();
            self.db.prepare_cached("begin immediate").expect("begin").execute([]).expect("begin");
            for (sql, values) in &self.statements {
                let values = values.iter().map(|value| match value {
                    Sql::Blob(bytes) if bytes[..] == self.lead.bytes() => Sql::Blob(id.clone()),
                    // Unique texts: those of claims.
                    Sql::Text(text) if sql.contains("into \"claim\"") && text.contains("lead0") => {
                        Sql::Text(text.replace("lead0", &format!("lead{}", self.next)))
                    }
                    other => other.clone(),
                });
                let mut statement = self.db.prepare_cached(sql).expect("a statement");
                statement.execute(params_from_iter(values)).expect("a row");
            }
            self.db.prepare_cached("commit").expect("commit").execute([]).expect("commit");
            stored += 1;
        }
        f64::from(stored) / start.elapsed().as_secs_f64()
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn per_second(count: usize, start: Instant) -> f64 {
    f64::from(u32::try_from(count).expect("a few millions")) / start.elapsed().as_secs_f64()
}

/// Creates leads in several tasks until the time is up. Returns how many per second.
#[allow(clippy::disallowed_methods)] // measures time
async fn create(tenant: &Tenant, tasks: usize, time: Duration, next: &Arc<AtomicUsize>) -> f64 {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let (crm, rep, next) = (tenant.crm.clone(), tenant.rep.clone(), Arc::clone(next));
        running.spawn(async move {
            let leads = crm.leads(&rep);
            let mut created = 0;
            while start.elapsed() < time {
                leads.create(new_lead(next.fetch_add(1, Ordering::Relaxed))).await.expect("a lead");
                created += 1;
            }
            created
        });
    }
    let created: usize = running.join_all().await.into_iter().sum();
    per_second(created, start)
}

async fn creating(files: &Sqlite, time: Duration) {
    let tenant = Tenant::on(&files.path()).await;
    let mut rows = Rows::new(&files.path()).await;
    let next = Arc::new(AtomicUsize::new(1));
    create(&tenant, 1, Duration::from_secs(1), &next).await;
    rows.store(Duration::from_secs(1));
    let (mut theirs, mut ours, mut ratios, mut many) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (alone, store) = (rows.store(time), create(&tenant, 1, time, &next).await);
        theirs.push(alone);
        ours.push(store);
        ratios.push(store / alone);
        many.push(create(&tenant, 64, time, &next).await);
    }
    println!("sqlite.create.rows_alone_per_second {:.0}", median(theirs));
    println!("sqlite.create.c1_per_second {:.0}", median(ours));
    println!("sqlite.create.c1_ratio {:.2}", median(ratios));
    println!("sqlite.create.c64_per_second {:.0}", median(many));
}

#[allow(clippy::disallowed_methods)] // measures time
async fn batches(files: &Sqlite) {
    let tenant = Tenant::on(&files.path()).await;
    let leads = tenant.crm.leads(&tenant.rep);
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let start = Instant::now();
        for batch in 0..20 {
            let first = (round * 20 + batch) * 500;
            let new = (first..first + 500).map(|number| NewWithHistory::new(new_lead(number))).collect();
            for created in leads.create_many(new).await {
                created.expect("a lead");
            }
        }
        rates.push(per_second(10_000, start));
    }
    println!("sqlite.create_many_per_second {:.0}", median(rates));
}

#[allow(clippy::disallowed_methods)] // measures time
async fn getting(files: &Sqlite) {
    const LEADS: usize = 20_000;
    let tenant = Tenant::on(&files.path()).await;
    let leads = tenant.crm.leads(&tenant.rep);
    let mut ids = Vec::new();
    for created in leads.create_many((0..LEADS).map(|number| NewWithHistory::new(new_lead(number))).collect()).await {
        ids.push(created.expect("a lead").id);
    }
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for number in 0..LEADS {
            leads.get(ids[number * 7919 % LEADS]).await.expect("it is there");
        }
        rates.push(per_second(LEADS, start));
    }
    println!("sqlite.get_per_second {:.0}", median(rates));
}

/// A tenant with leads of many owners.
struct Paged {
    tenant: Tenant,
    owners: Vec<Id<User>>,
}

impl Paged {
    /// Fills a file with copies of one created lead, each a second after the previous, with owners in no particular
    /// order.
    async fn new(path: &Path, leads: usize, owners: usize) -> Self {
        let tenant = Tenant::on(path).await;
        let mut ids = Vec::new();
        for number in 0..owners {
            let name = format!("User{number}");
            ids.push(user(&tenant.crm, &tenant.admin, &name, "sales_rep", tenant.team).await.expect("a user").id);
        }
        let lead = tenant.crm.leads(&tenant.rep).create(new_lead(0)).await.expect("a lead").id;
        drop(tenant.store);
        let (admin, rep, team) = (tenant.admin, tenant.rep, tenant.team);
        drop(tenant.crm);

        let mut db = Connection::open(path).expect("it is closed");
        db.execute_batch("pragma synchronous = off; pragma cache_size = -1000000").expect("settings");
        let columns: Vec<String> = db
            .prepare("select name from pragma_table_info('lead') where name <> 'n'")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .expect("the columns");
        let list: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let values = columns.iter().map(|column| match column.as_str() {
            "id" => "?1".to_owned(),
            "owner_id" => "?2".to_owned(),
            "name" => "'Lead ' || ?3".to_owned(),
            "email" => "'lead' || ?3 || '@example.com'".to_owned(),
            "search_text" => "replace(search_text, 'lead 0', 'lead ' || ?3)".to_owned(),
            "created_at" | "updated_at" | "stage_entered_at" => format!("\"{column}\" + ?3 * 1000000"),
            _ => format!("\"{column}\""),
        });
        let sql = format!(
            "insert into lead ({}) select {} from lead where n = ?4",
            list.join(", "),
            values.collect::<Vec<_>>().join(", ")
        );
        let copied: i64 =
            db.query_row("select n from lead where id = ?", [lead.bytes()], |row| row.get(0)).expect("the lead");
        let transaction = db.transaction().expect("a transaction");
        for number in 1..=leads {
            let id = Id::<Lead>::from_parts(1_900_000_000_000 + number as u64 * 1_000, [7; 10]);
            // A multiplier without a common divisor distributes the owners evenly and in no particular order.
            let owner = ids[(number * 7919 + number / owners) % owners];
            let values = (id.bytes(), owner.bytes(), i64::try_from(number).expect("small"), copied);
            transaction.prepare_cached(&sql).and_then(|mut statement| statement.execute(values)).expect("a lead");
        }
        transaction.commit().expect("they are stored");
        drop(db);
        let store = SqliteStore::open(path).expect("it is closed");
        Self { tenant: Tenant { crm: Crm::new(store.clone()), store, admin, team, rep }, owners: ids }
    }

    /// The average seconds per page of 50, over pages of owners in no particular order.
    #[allow(clippy::disallowed_methods)] // measures time
    async fn page_seconds(&self, round: usize) -> f64 {
        const PAGES: usize = 500;
        let leads = self.tenant.crm.leads(&self.tenant.admin);
        let start = Instant::now();
        for page in 0..PAGES {
            let owner = self.owners[(page + round * PAGES) * 7919 % self.owners.len()];
            let query = ListQuery::new().filter(Filter::eq("owner_id", owner.to_string())).limit(50);
            let found = leads.list(&query).await.expect("a page");
            assert_eq!(found.items.len(), 50, "every owner has a full page");
        }
        1.0 / per_second(PAGES, start)
    }
}

async fn paging(files: &Sqlite) {
    let small = Paged::new(&files.path(), 1_000, 10).await;
    let large = Paged::new(&files.path(), 1_000_000, 1_000).await;
    let (mut of_small, mut of_large, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    small.page_seconds(0).await;
    large.page_seconds(0).await;
    for round in 1..=ROUNDS {
        let (small, large) = (small.page_seconds(round).await, large.page_seconds(round).await);
        of_small.push(small);
        of_large.push(large);
        ratios.push(large / small);
    }
    println!("sqlite.page.of_1k_millis {:.3}", median(of_small) * 1e3);
    println!("sqlite.page.of_1m_millis {:.3}", median(of_large) * 1e3);
    println!("sqlite.page.random_owner_ratio {:.2}", median(ratios));
}

#[tokio::main]
async fn main() {
    // Cargo passes `--bench`, and other flags if a filter is given.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let seconds = arguments.iter().position(|argument| argument == "--seconds").map_or(5, |at| {
        arguments.get(at + 1).and_then(|seconds| seconds.parse().ok()).expect("--seconds and a whole number")
    });
    let asked = arguments.first().filter(|argument| !argument.starts_with('-'));
    let runs = |part: &str| asked.is_none_or(|asked| asked == part);
    let files = Sqlite::default();
    if runs("create") {
        creating(&files, Duration::from_secs(seconds)).await;
    }
    if runs("batch") {
        batches(&files).await;
    }
    if runs("get") {
        getting(&files).await;
    }
    if runs("pages") {
        paging(&files).await;
    }
}
