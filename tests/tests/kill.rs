//! An import that is killed thirty times at random times and restarted each time: no record is lost or duplicated, and
//! the result is that of an uninterrupted import.
//!
//! The import runs as a separate process (`importer`); the database is in other processes (PostgreSQL), in this one
//! (the emulator), or in the process that is killed (SQLite). Half of the kills come after a random number of records, half after
//! a random time, which also hits start and set-up. The times come from a seed that is printed; `CRM_SEED` sets it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crm_core::{
    Crm,
    access::Actor,
    collection::Collection,
    listing::ListQuery,
    schema::RecordKind,
    store::{LogPosition, LogQuery, Store},
    value::{Id, Kind, Time},
};
use examples::sales_year::{self, generating, json, setup, stores};
use fastrand::Rng;

/// The number of kills.
const KILLS: usize = 30;
/// The number of deals of the generated year, and its seed.
const DEALS: usize = 900;
const YEAR: u64 = 11;
const SLUG: &str = "killed";

/// An import process, killed on drop.
struct Importer {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Importer {
    fn start(store: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_importer"))
            .args([store, SLUG, &YEAR.to_string(), &DEALS.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the program runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// Reads until this number of records is stored. Returns `true` if the import ended before.
    fn wait_for(&mut self, records: u64) -> bool {
        let mut stored = 0;
        while stored < records {
            match self.lines.next() {
                Some(Ok(line)) if line.contains("finished") => return true,
                Some(Ok(line)) => {
                    stored += line.split_once("stored ").and_then(|(_, n)| n.trim().parse::<u64>().ok()).unwrap_or(0);
                }
                // Not killed by the test.
                other => panic!("the import failed by itself: {other:?}"),
            }
        }
        false
    }

    /// Waits for the end, which must be a success.
    fn finish(mut self) {
        assert!(self.wait_for(u64::MAX));
        assert!(self.child.wait().expect("it ends").success(), "the import failed");
    }

    /// Sends SIGKILL. Returns `true` if it was still running.
    fn kill(mut self) -> bool {
        let running = self.child.try_wait().expect("it can be asked").is_none();
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        running
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state that must not depend on how often an import was killed.
#[derive(Debug, PartialEq)]
struct End {
    report: serde_json::Value,
    /// Kind and external id (or name) of every record, with its version and the number of its changes.
    records: BTreeMap<(Kind, String), (u64, usize)>,
    /// The number of changes of the whole tenant, by kind and action.
    changes: BTreeMap<(Kind, String), usize>,
}

async fn end(store: Arc<dyn Store>) -> End {
    let crm = Crm::shared(Arc::clone(&store));
    let tenant = crm.tenant_by_slug(SLUG).await.expect("the organization is there");
    let year = generating::generate(YEAR, DEALS);
    let place = setup::set_up(&crm, SLUG, &year).await.expect("all is there");
    let report = json::report(&sales_year::reporting::read(&crm, &place).await.expect("a report"));
    let (mut changes, mut of_record) = (BTreeMap::new(), BTreeMap::new());
    let mut query = LogQuery { tenant, from: Time::MIN, until: Time::MAX, descending: false, after: None, limit: 500 };
    loop {
        let page = store.log(&query).await.expect("the log");
        for change in &page.changes {
            *changes.entry((change.record.kind, change.action.to_string())).or_insert(0) += 1;
            *of_record.entry(change.record.id).or_insert(0) += 1;
        }
        query.after = page.changes.last().map(|change| LogPosition {
            time: change.recorded_at,
            record: change.record,
            group: change.group,
            version: change.version,
        });
        if !page.more {
            break;
        }
    }
    let actor = Actor::system(tenant);
    let mut records = BTreeMap::new();
    all(crm.pipelines(&actor), |pipeline| pipeline.name.clone(), &of_record, &mut records).await;
    all(crm.properties(&actor), |property| property.key.clone(), &of_record, &mut records).await;
    all(crm.teams(&actor), |team| team.name.clone(), &of_record, &mut records).await;
    all(crm.roles(&actor), |role| role.key.clone(), &of_record, &mut records).await;
    all(crm.users(&actor), |user| user.name.clone(), &of_record, &mut records).await;
    all(crm.companies(&actor), |company| company.name.clone(), &of_record, &mut records).await;
    all(crm.deals(&actor), |deal| format!("{} {}", deal.title, deal.status), &of_record, &mut records).await;
    End { report, records, changes }
}

/// Every record of a kind.
async fn all<K: RecordKind>(
    collection: Collection<'_, K>,
    name: impl Fn(&crm_core::schema::Record<K>) -> String + Send + Sync,
    changes: &BTreeMap<Id, usize>,
    into: &mut BTreeMap<(Kind, String), (u64, usize)>,
) {
    collection
        .for_each(ListQuery::new(), |record| {
            let called = format!("{} {}", record.external_id.as_deref().unwrap_or_default(), name(&record));
            let found = (record.version, changes.get(&record.id.erase()).copied().unwrap_or(0));
            assert!(into.insert((K::KIND, called.clone()), found).is_none(), "{} {called} is there twice", K::KIND);
            Ok(())
        })
        .await
        .expect("a list");
}

fn seed() -> u64 {
    let set = std::env::var("CRM_SEED").ok().and_then(|seed| seed.parse().ok());
    set.unwrap_or_else(|| fastrand::u64(..1_000_000))
}

/// Kills imports into new stores until there were thirty kills. The result in each store is that of an uninterrupted
/// import.
async fn killed_imports_end_like_any_other<F: Future<Output = String>>(fresh: impl Fn() -> F) {
    let seed = seed();
    println!("CRM_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let undisturbed = fresh().await;
    #[allow(clippy::disallowed_methods)] // kills are spread over the duration of an import
    let started = Instant::now();
    Importer::start(&undisturbed).finish();
    let took = started.elapsed();
    let expected = end(stores::open(&undisturbed).await.expect("the store answers")).await;
    let deals = expected.records.keys().filter(|(kind, _)| *kind == Kind::Deal).count();
    assert_eq!(deals, DEALS);
    println!("an import of {} records takes {took:?}", expected.records.len());

    let mut kills = 0;
    while kills < KILLS {
        let store = fresh().await;
        let mut running = true;
        while running && kills < KILLS {
            let mut importer = Importer::start(&store);
            let moment = if rng.bool() {
                let records = rng.u64(1..=(DEALS / KILLS) as u64 * 2);
                running = !importer.wait_for(records);
                // Some time after that record.
                let then = Duration::from_micros(rng.u64(..20_000));
                std::thread::sleep(then);
                format!("{records} records and {then:?}")
            } else {
                let time = took.mul_f64(rng.f64() / 8.0);
                std::thread::sleep(time);
                format!("{time:?}")
            };
            if importer.kill() && running {
                kills += 1;
                println!("kill {kills} after {moment}");
            } else {
                running = false;
            }
        }
        Importer::start(&store).finish();
        let found = end(stores::open(&store).await.expect("the store answers")).await;
        assert_eq!(found.records, expected.records, "records differ, CRM_SEED={seed}");
        assert_eq!(found.changes, expected.changes, "changes differ, CRM_SEED={seed}");
        assert_eq!(found.report, expected.report, "the report differs, CRM_SEED={seed}");
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_imports_end_like_any_other_on_postgres() {
    killed_imports_end_like_any_other(|| async {
        use sqlx::ConnectOptions as _;
        tests::postgres::database().await.options().to_url_lossy().to_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_imports_end_like_any_other_on_dynamodb() {
    killed_imports_end_like_any_other(|| async {
        let address = tests::dynamodb::endpoint().trim_start_matches("http://");
        format!("dynamodb://{address}/{}", tests::dynamodb::table_without_stream().await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_imports_end_like_any_other_on_sqlite() {
    let files = tests::sqlite::Sqlite::default();
    killed_imports_end_like_any_other(|| async { format!("sqlite://{}", files.path().display()) }).await;
}
