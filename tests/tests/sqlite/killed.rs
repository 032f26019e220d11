//! A process with the store in it and sixteen writers, killed at random times: nothing acknowledged is lost, and no
//! commit is stored by half.
//!
//! Four kills; `CRM_KILLS=30 cargo test -p tests --all-features --test sqlite killed -- --nocapture` makes more and
//! prints what was found.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use crm_core::{
    store::Feed as _,
    value::{Id, Kind, Ref},
};
use crm_store_sqlite::SqliteStore;
use tests::sqlite::Sqlite;

use crate::support::{id, stored};

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_torn() {
    let kills: u32 = std::env::var("CRM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    // The pairs and their last acknowledged versions.
    let mut acknowledged: BTreeMap<(Id, Id), u64> = BTreeMap::new();
    for kill in 1..=kills {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sqlite_writers"))
            .args([path.as_os_str(), tenant.to_string().as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let told = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
        // Half of the kills come while it opens the file.
        let most = if fastrand::bool() { 100 } else { 700 };
        std::thread::sleep(Duration::from_millis(fastrand::u64(..most)));
        assert!(child.try_wait().expect("it can be asked").is_none(), "it ended by itself");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        for line in told.join().expect("it reads") {
            // The last line may be cut short.
            let [first, second, version] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let (Ok(first), Ok(second), Ok(version)) = (first.parse(), second.parse(), version.parse()) else {
                continue;
            };
            acknowledged.insert((first, second), version);
        }
        let store = SqliteStore::open(&path).expect("it is whole and free");
        let records = store.verify().expect("it is whole");
        assert_eq!(records % 2, 0, "records are created in pairs");
        for (&(first, second), &version) in &acknowledged {
            let of = async |id| {
                stored(&store, tenant, Ref::new(Kind::Lead, id)).await.map_or(0, |lead| lead.versions.person)
            };
            assert!(of(first).await >= version && of(second).await == 1, "{first} or {second} was lost");
        }
        let mut changes: BTreeMap<Id, u64> = BTreeMap::new();
        for (_, change) in store.feed(None, usize::MAX).await.expect("the feed").changes {
            *changes.entry(change.record.id).or_default() += 1;
        }
        assert_eq!(changes.len() as u64, records, "each record has a history");
        for (id, count) in changes {
            let version = stored(&store, tenant, Ref::new(Kind::Lead, id)).await.map(|lead| lead.versions.person);
            assert_eq!(version, Some(count), "the history of {id} has as many changes as the record");
        }
        println!("kill {kill}: {} pairs acknowledged, {records} records stored", acknowledged.len());
    }
    assert!(!acknowledged.is_empty(), "it was killed before it stored anything");
}
