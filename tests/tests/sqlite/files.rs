//! What is refused when a file is opened, and what a damaged one does.

use std::{fs, path::Path, process::Command};

use crm_core::{
    store::{KeyEntry, Records, StoreError, Want},
    value::{Kind, Value},
};
use crm_store_sqlite::SqliteStore;
use tests::sqlite::{Sqlite, quick};

use crate::{
    read, run,
    support::{at, commit, create, id, image, lead, set, stored},
};

fn refused(path: &Path) -> StoreError {
    SqliteStore::open(path).expect_err("it is refused")
}

fn assert_corrupt(error: &StoreError, told: &str) {
    assert!(matches!(error, StoreError::Corrupt(_)) && error.to_string().contains(told), "{error}");
}

#[tokio::test]
async fn what_was_stored_is_there_when_the_file_is_opened_again() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = SqliteStore::open(&path).unwrap();
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada.clone())])).await.unwrap();
    drop(store);
    let names: Vec<String> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| name.ends_with("-wal")), "the log is moved into the file at the end: {names:?}");
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(stored(&store, tenant, record).await.unwrap().values, ada.values);
    assert_eq!(store.verify().unwrap(), 1);
}

#[cfg(unix)]
#[test]
fn others_cannot_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Sqlite::default();
    let path = files.path();
    let store = SqliteStore::open(&path).unwrap();
    store.backup(path.with_extension("copy")).unwrap();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has the mode {mode:o}", entry.path());
    }
}

#[test]
fn a_second_store_on_a_file_is_told_who_has_it() {
    let files = Sqlite::default();
    let path = files.path();
    let store = SqliteStore::open(&path).unwrap();
    let error = refused(&path);
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    let host = String::from_utf8(Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
    let told = format!("is in use by process {} on {}", std::process::id(), host.trim());
    assert!(error.to_string().contains(&told), "{error}");
    // The same file under another name.
    #[cfg(unix)]
    {
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(refused(&link).to_string().contains(&told));
    }
    let clone = store.clone();
    drop(store);
    assert!(refused(&path).to_string().contains(&told), "a clone still has it");
    drop(clone);
    SqliteStore::open(&path).expect("it is free");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let files = Sqlite::default();
    let path = files.path();
    let text = b"Dear diary, today I learned what a file format is.\n".repeat(100);
    fs::write(&path, &text).unwrap();
    assert_corrupt(&refused(&path), "not a database");
    assert_eq!(fs::read(&path).unwrap(), text);
    let directory = refused(path.parent().unwrap());
    assert!(matches!(directory, StoreError::Unavailable(_)), "{directory}");
    let missing = refused(&path.join("missing.db"));
    assert!(matches!(missing, StoreError::Unavailable(_)), "{missing}");
}

#[test]
fn a_database_of_another_application_is_refused_and_left_alone() {
    let files = Sqlite::default();
    for sql in ["create table recipe (name)", "pragma application_id = 7; create table recipe (name)"] {
        let path = files.path();
        run(&path, sql);
        let before = fs::read(&path).unwrap();
        assert_corrupt(&refused(&path), "another application");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_file_of_a_newer_format_is_refused_and_left_alone() {
    let files = Sqlite::default();
    let path = files.path();
    drop(SqliteStore::open(&path).unwrap());
    let next = read::<i64>(&path, "pragma user_version") + 1;
    run(&path, &format!("pragma user_version = {next}"));
    let before = fs::read(&path).unwrap();
    assert_corrupt(&refused(&path), "newer program");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_page_is_corrupt_and_nothing_is_written_from_then_on() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = SqliteStore::open_with(&path, &quick()).unwrap();
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    drop(store);
    let page: u64 = read(&path, "select rootpage from sqlite_schema where name = 'lead: id'");
    let mut bytes = fs::read(&path).unwrap();
    let start = usize::try_from((page - 1) * 4096).unwrap();
    bytes[start..start + 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let store = SqliteStore::open_with(&path, &quick()).unwrap();
    let company = image(Kind::Company, tenant);
    store.commit(&commit(tenant, [create(company.clone())])).await.expect("another page");
    let is_corrupt =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Corrupt(_))), "{result:?}");
    is_corrupt(store.get(tenant, &[Want::Record(record)]).await.map(drop));
    is_corrupt(store.commit(&commit(tenant, [create(lead(tenant, "Bob"))])).await);
    is_corrupt(store.commit(&commit(tenant, [create(image(Kind::Company, tenant))])).await);
    is_corrupt(store.verify().map(drop));
    // What is not damaged can still be read.
    assert!(stored(&store, tenant, company.reference()).await.is_some());
}

#[tokio::test]
async fn damage_is_found_by_verifying() {
    let (files, tenant) = (Sqlite::default(), id());
    // One page of an index, an entry of a list-valued index too few and too many, a sort key, a value.
    let damages = [
        "delete from task_links",
        "insert into task_links select tenant_id, 'deal:x', sort, id, n from task_links",
        "update company set name_key = 'x'",
        "update task set created_at = 'yesterday'",
        "update change set fields = '{'",
    ];
    let path = files.path();
    let store = SqliteStore::open_with(&path, &quick()).unwrap();
    let mut task = image(Kind::Task, tenant);
    set(&mut task, "title", Value::text("Call"));
    let link = Value::Ref(task.reference());
    set(&mut task, "links", Value::list([link]));
    let mut company = image(Kind::Company, tenant);
    set(&mut company, "name", Value::text("Engines"));
    store.commit(&commit(tenant, [task, company].map(create))).await.unwrap();
    assert_eq!(store.verify().unwrap(), 2);
    drop(store);
    let whole = fs::read(&path).unwrap();
    for damage in damages {
        fs::write(&path, &whole).unwrap();
        run(&path, damage);
        let store = SqliteStore::open_with(&path, &quick()).unwrap();
        match store.verify() {
            Err(StoreError::Corrupt(_)) => {}
            other => panic!("{damage}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_deleted_and_purged() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = SqliteStore::open_with(&path, &quick()).unwrap();
    let mut throttle = image(Kind::Throttle, tenant);
    set(&mut throttle, "expires_at", Value::Time(at(60)));
    let record = throttle.reference();
    let mut first = commit(tenant, [create(throttle)]);
    first.key = Some(KeyEntry {
        key: "a very peculiar key".to_owned(),
        fingerprint: "f".to_owned(),
        commit: first.id,
        records: Vec::new(),
        expires_at: at(61),
    });
    store.commit(&first).await.unwrap();
    assert_eq!(store.forget_expired(at(59), 10).await.unwrap(), 0);
    assert_eq!(store.forget_expired(at(60), 10).await.unwrap(), 1);
    assert_eq!(stored(&store, tenant, record).await, None);
    assert_eq!(store.forget_expired(at(99), 0).await.unwrap(), 0);
    assert_eq!(store.forget_expired(at(99), 10).await.unwrap(), 1);
    assert_eq!(store.forget_expired(at(99), 10).await.unwrap(), 0);
    store.purge().await.unwrap();
    for name in [path.clone(), path.with_extension("db-wal")] {
        let bytes = fs::read(&name).unwrap();
        assert!(!bytes.windows(19).any(|part| part == b"a very peculiar key"), "it is still in {}", name.display());
    }
    assert_eq!(store.verify().unwrap(), 0);
}
