//! The deployment's template, against the code it deploys: the table is the one that the store declares, every variable is
//! one that is read, and the functions may not do more than they do.

use std::collections::{BTreeMap, BTreeSet};

use crm_lambda::server::VARIABLES;
use crm_store_dynamodb::{DynamoStore, local};
use dynoxide::Database;
use saphyr::{LoadableYamlNode as _, Yaml};
use tokio::net::TcpListener;

const TEMPLATE: &str = include_str!("../../template.yaml");
const WORKSPACE: &str = include_str!("../../Cargo.toml");
const PACKAGE: &str = include_str!("../Cargo.toml");

/// What a table is, as far as the store's code relies on it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    attributes: BTreeMap<String, String>,
    keys: BTreeMap<String, String>,
    /// Name, keys, projection.
    indexes: BTreeMap<String, (BTreeMap<String, String>, String)>,
    stream: String,
    expires: String,
    billing: String,
}

fn template() -> Yaml<'static> {
    Yaml::load_from_str(TEMPLATE).unwrap().remove(0)
}

fn text(node: &Yaml<'_>, key: &str) -> String {
    node[key].as_str().unwrap_or_else(|| panic!("no text {key} in {node:?}")).to_owned()
}

fn pairs(list: &Yaml<'_>, name: &str, value: &str) -> BTreeMap<String, String> {
    list.as_sequence().unwrap().iter().map(|one| (text(one, name), text(one, value))).collect()
}

fn of_template() -> Table {
    let template = template();
    let table = &template["Resources"]["Table"]["Properties"];
    let indexes = table["GlobalSecondaryIndexes"].as_sequence().unwrap().iter().map(|index| {
        let keys = pairs(&index["KeySchema"], "AttributeName", "KeyType");
        (text(index, "IndexName"), (keys, text(&index["Projection"], "ProjectionType")))
    });
    Table {
        attributes: pairs(&table["AttributeDefinitions"], "AttributeName", "AttributeType"),
        keys: pairs(&table["KeySchema"], "AttributeName", "KeyType"),
        indexes: indexes.collect(),
        stream: text(&table["StreamSpecification"], "StreamViewType"),
        expires: text(&table["TimeToLiveSpecification"], "AttributeName"),
        billing: text(table, "BillingMode"),
    }
}

/// What the store makes for itself.
async fn of_store() -> Table {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = Database::memory().unwrap();
    tokio::spawn(async move { dynoxide::server::serve_on(listener, database).await });
    let client = local::client(&endpoint);
    DynamoStore::new(client.clone(), "crm").create_table().await.unwrap();
    let described = client.describe_table().table_name("crm").send().await.unwrap();
    let table = described.table().unwrap();
    let keys = |schema: &[aws_sdk_dynamodb::types::KeySchemaElement]| {
        schema.iter().map(|key| (key.attribute_name().to_owned(), key.key_type().to_string())).collect()
    };
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        let projection = index.projection().unwrap().projection_type().unwrap().to_string();
        (index.index_name().unwrap().to_owned(), (keys(index.key_schema()), projection))
    });
    let expires = client.describe_time_to_live().table_name("crm").send().await.unwrap();
    Table {
        attributes: table
            .attribute_definitions()
            .iter()
            .map(|one| (one.attribute_name().to_owned(), one.attribute_type().to_string()))
            .collect(),
        keys: keys(table.key_schema()),
        indexes: indexes.collect(),
        stream: table.stream_specification().unwrap().stream_view_type().unwrap().to_string(),
        expires: expires.time_to_live_description().unwrap().attribute_name().unwrap().to_owned(),
        billing: table.billing_mode_summary().unwrap().billing_mode().unwrap().to_string(),
    }
}

#[tokio::test]
async fn the_table_is_the_one_that_the_store_declares() {
    let declared = of_store().await;
    assert_eq!(declared.indexes.len(), 10);
    assert_eq!(of_template(), declared);
}

#[test]
fn every_variable_of_the_functions_is_one_that_is_read() {
    let template = template();
    let set = template["Globals"]["Function"]["Environment"]["Variables"].as_mapping().unwrap().keys();
    let set: BTreeSet<&str> = set.map(|key| key.as_str().unwrap()).collect();
    let known: BTreeSet<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert!(set.contains("CRM_STORE") && set.contains("CRM_SIGNING_KEYS"));
    assert_eq!(set.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// Everything that is written in the template, apart from its comments.
fn scalars<'a>(node: &'a Yaml<'_>, found: &mut Vec<&'a str>) {
    match node {
        Yaml::Tagged(_, inner) => scalars(inner, found),
        Yaml::Sequence(all) => all.iter().for_each(|one| scalars(one, found)),
        Yaml::Mapping(all) => all.iter().for_each(|(key, value)| {
            scalars(key, found);
            scalars(value, found);
        }),
        other => found.extend(other.as_str()),
    }
}

#[test]
fn the_functions_may_do_what_they_do_and_no_more() {
    let template = template();
    for function in ["Function", "Worker"] {
        let Yaml::Tagged(_, role) = &template["Resources"][function]["Properties"]["Role"] else {
            panic!("{function}")
        };
        assert_eq!(role.as_str(), Some("Role.Arn"));
    }
    let mut written = Vec::new();
    scalars(&template["Resources"]["Role"]["Properties"]["Policies"], &mut written);
    let actions: BTreeSet<&str> = written.iter().copied().filter(|text| is_action(text)).collect();
    let expected = BTreeSet::from([
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeStream",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "ses:SendEmail",
    ]);
    assert_eq!(actions, expected);
    assert!(!written.contains(&"*"), "a policy for every resource");
}

fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        service.chars().all(|c| c.is_ascii_lowercase())
            && action.starts_with(|c: char| c.is_ascii_uppercase() || c == '*')
            && text != "ses:FromAddress"
    })
}

/// A profile as cargo's `--config` says it: one line for each setting, the workspace's `release` below what is given.
fn settings(profile: &toml::Table, prefix: &str) -> BTreeSet<String> {
    let all = profile.iter().flat_map(|(key, value)| match value {
        toml::Value::Table(inner) => settings(inner, &format!("{prefix}.{key}")),
        toml::Value::String(text) => BTreeSet::from([format!("{prefix}.{key}='{text}'")]),
        other => BTreeSet::from([format!("{prefix}.{key}={other}")]),
    });
    all.collect()
}

#[test]
fn sam_builds_what_the_profile_says() {
    let workspace: toml::Table = toml::from_str(WORKSPACE).unwrap();
    let package: toml::Table = toml::from_str(PACKAGE).unwrap();
    let build = &package["package"]["metadata"]["lambda"]["build"];
    let of = |name: &str| workspace["profile"][name].as_table().unwrap().clone();
    let mut profile = of("dist");
    assert_eq!(profile.remove("inherits"), Some("release".into()));
    profile.extend(of("release-lambda"));
    assert_eq!(profile.remove("inherits"), Some("dist".into()));
    let asked = build["config"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    assert_eq!(settings(&profile, "profile.release"), asked);
    assert_eq!(build["no_default_features"].as_bool(), Some(true));
    // The panic strategy has to be said in the profile itself, or cargo-lambda chooses another.
    assert_eq!(workspace["profile"]["release"]["panic"].as_str(), Some("unwind"));

    // Of these properties SAM knows one; it says nothing of others, and does nothing with them.
    let template = template();
    // Where they are the same for both functions it builds once.
    for name in ["Function", "Worker"] {
        let function = &template["Resources"][name];
        assert!(function["Properties"].as_mapping_get("CodeUri").is_none(), "{name} has code of its own");
        assert_eq!(text(&function["Metadata"], "BuildMethod"), "rust-cargolambda");
        let known = function["Metadata"]["BuildProperties"].as_mapping().unwrap();
        assert_eq!(
            known.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>(),
            [(Some("Binary"), Some("bootstrap"))]
        );
    }
}

#[test]
fn the_worker_is_called_each_minute_for_longer_than_a_round_takes() {
    let template = template();
    let worker = &template["Resources"]["Worker"]["Properties"];
    let minute = &worker["Events"]["Minute"]["Properties"];
    assert_eq!(
        (text(minute, "Schedule"), text(minute, "Input")),
        ("rate(1 minute)".into(), r#"{"crm": "work"}"#.into())
    );
    assert!(worker["Timeout"].as_integer().unwrap() > 60);
    assert!(!TEMPLATE.contains("upkeep"));
}
