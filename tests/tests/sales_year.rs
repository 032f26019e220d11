//! A real year of a sales team, imported and reported on: the numbers must equal the reference on every store.

use std::{path::PathBuf, sync::Arc};

use crm_core::{Crm, MemoryStore, store::Store};
use crm_store_dynamodb::{DynamoStore, local};
use examples::sales_year::{
    self,
    importing::{Import, Pace},
    json, reading,
    reporting::YearReport,
    rows::Year,
    tables,
};
use serde_json::Value;

/// The tolerated difference of two numbers.
const TOLERANCE: f64 = 1e-6;

/// The folder of the data set, if available. Without it a test prints a message and passes, unless `CRM_REQUIRE_DATA`
/// is set: then it fails.
fn data() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CRM_TEST_DATA").map_or_else(beside, PathBuf::from).join("maven");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("CRM_REQUIRE_DATA").is_some_and(|value| value != "0" && !value.is_empty());
    assert!(!required, "{} is missing, and CRM_REQUIRE_DATA is set", folder.display());
    println!("skipped: there is no {}", folder.display());
    None
}

async fn bring_in(store: Arc<dyn Store>, year: &Year) -> (Import, YearReport) {
    let crm = Crm::shared(store);
    sales_year::run(&crm, "sales-year", year, Pace::default(), &()).await.expect("the year comes in")
}

/// Every difference between the expected and the actual value, by path.
fn differences(expected: &Value, found: &Value, path: &str, all: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                differences(value, found.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"), all);
            }
            let extra = found.keys().filter(|key| !expected.contains_key(*key));
            all.extend(extra.map(|key| format!("{path}.{key} was not expected")));
        }
        (Value::Array(expected), Value::Array(found)) => {
            if expected.len() != found.len() {
                all.push(format!("{path} has {} elements, not {}", found.len(), expected.len()));
            }
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                differences(expected, found, &format!("{path}[{at}]"), all);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            if (a - b).abs() > TOLERANCE {
                all.push(format!("{path} is {b}, not {a}"));
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => all.push(format!("{path} is {found}, not {expected}")),
    }
}

/// Imports the year into a store: the numbers equal the reference, and a second import changes nothing.
async fn figures_are_the_references(store: Arc<dyn Store>) {
    let Some(folder) = data() else { return };
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("the reference");
    let Value::Object(mut expected) = serde_json::from_str(&text).expect("JSON") else { panic!("an object") };
    expected.retain(|key, _| !["definitions", "discount", "backtest"].contains(&key.as_str()));
    assert!(expected.len() > 15, "the reference has lost its keys");
    let year = reading::read(&folder).expect("the files are there");
    let (import, report) = bring_in(Arc::clone(&store), &year).await;
    assert_eq!(import.faults, []);
    assert_eq!((import.created, import.already), (85 + 6 + 35 + 8800, 0));
    let found = json::report(&report);
    let mut all = Vec::new();
    differences(&Value::Object(expected), &found, "", &mut all);
    assert!(all.is_empty(), "{}", all.join("\n"));

    let (again, report) = bring_in(store, &year).await;
    assert_eq!((again.created, again.already), (0, 85 + 6 + 35 + 8800));
    assert_eq!(json::report(&report), found);
    let shown = tables::report(&report);
    for part in ["Darcel Schlecht", "2017-Q3", "10\u{202f}005\u{202f}534", "63.2 %", "45751 USD a day"] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_references_in_memory() {
    figures_are_the_references(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_references_on_postgres() {
    figures_are_the_references(Arc::new(tests::postgres::store().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_references_on_sqlite() {
    let files = tests::sqlite::Sqlite::default();
    figures_are_the_references(Arc::new(files.store())).await;
    drop(files);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_references_on_dynamodb() {
    let client = local::client(tests::dynamodb::endpoint());
    let table = tests::dynamodb::table_without_stream().await;
    figures_are_the_references(Arc::new(DynamoStore::new(client, table))).await;
}

/// An invalid row is reported by line and column, and the others are imported.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_row_stops_no_other() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    file("products.csv", "product,series,sales_price\nAnvil,A,100\nTongs,T,free\n");
    file("sales_teams.csv", "sales_agent,manager,regional_office\nAda Berg,Max Roe,North\nAda Berg,Eva Roe,South\n");
    // A byte order mark, and columns in another order.
    file(
        "accounts.csv",
        "\u{feff}sector,account,year_established,revenue,employees,office_location,subsidiary_of\n\
         retail,Acme,1999,12.5,40,Chile,\n\
         retail,Beta,1999,12.5,-3,Chile,Nobody\n\
         retail,Gamma,1999,12.5,-3,Chile,Acme\n",
    );
    file(
        "sales_pipeline.csv",
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n\
         A,Ada Berg,Anvil,Acme,Won,2017-01-01,2017-02-01,90\n\
         B,Ada Berg,Anvil,Acme,Won,2017-01-01,2017-13-01,90\n\
         C,Ada Berg,Anvil,Acme,Won,2017-02-01,2017-01-01,90\n\
         D,Ada Berg,Anvil,Acme,Sold,,,\n\
         E,Eve,Anvil,Acme,Prospecting,,,\n\
         F,Ada Berg,Tongs,Acme,Prospecting,,,\n\
         A,Ada Berg,Anvil,Acme,Prospecting,,,\n\
         G,Ada Berg,Anvil\n\
         H,Ada Berg,Anvil,Gamma,Prospecting,,,\n\
         I,Ada Berg,Anvil,Acme,Won,2017-01-01,2017-02-01,-90\n\
         J,Ada Berg,Anvil,,Engaging,2017-01-01,,\n",
    );
    let year = reading::read(folder.path()).expect("the files are there");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (import, report) = bring_in(Arc::clone(&store), &year).await;
    let mut faults: Vec<String> = import.faults.iter().map(ToString::to_string).collect();
    faults.sort();
    let told = |start: &str| {
        let found = faults.iter().filter(|fault| fault.starts_with(start)).count();
        assert_eq!(found, 1, "`{start}` is not told once in\n{}", faults.join("\n"));
    };
    told("products.csv:3:3 (sales_price): `free`");
    told("sales_teams.csv:3:1 (sales_agent): `Ada Berg` is there twice");
    told("accounts.csv:3:7 (subsidiary_of): `Nobody`");
    told("accounts.csv:4:5 (employees): ");
    told("sales_pipeline.csv:3:7 (close_date): `2017-13-01`");
    told("sales_pipeline.csv:4:7 (close_date): 2017-01-01 is before");
    told("sales_pipeline.csv:5:5 (deal_stage): `Sold`");
    told("sales_pipeline.csv:6:2 (sales_agent): `Eve`");
    told("sales_pipeline.csv:7:3 (product): `Tongs`");
    told("sales_pipeline.csv:8:1 (opportunity_id): `A`");
    told("sales_pipeline.csv:9: has 3 cells");
    told("sales_pipeline.csv:10:4 (account): `Gamma`");
    told("sales_pipeline.csv:11:8 (close_value): ");
    assert_eq!(faults.len(), 13);
    assert_eq!((report.sales.overall.deals, report.accounts), (2, 1));
    // Every imported change names the row it came from.
    let told = Crm::shared(store).feed(None, 10_000).await.expect("a feed").changes;
    let mut rows: Vec<String> = told
        .iter()
        .filter_map(|(_, change)| change.origin.as_ref())
        .filter(|origin| origin.through.as_deref() == Some("import"))
        .filter_map(|origin| origin.detail.clone())
        .collect();
    rows.sort();
    let expected = ["accounts.csv:2", "sales_pipeline.csv:12", "sales_pipeline.csv:2", "sales_pipeline.csv:2"];
    let people = ["sales_teams.csv:2", "sales_teams.csv:2"];
    assert_eq!(rows, [&expected[..], &people[..]].concat());
}
