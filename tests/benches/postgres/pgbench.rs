//! The two statements of creating a lead as a pgbench script.
//!
//! Both are taken from the server's log of one real call, with the values of its parameters. The values that differ
//! between calls are generated in SQL: the ids of record and commit (ordered by time, like the store's), the time, and
//! the number in name and email address. Everything else (tenant, representative, pipeline, stage) is the same in every
//! call of the store as well.

use std::{env, io::Write as _, process::Command, time::Duration};

use crm_core::{leads::Lead, value::Id};
use sqlx::{PgConnection, postgres::PgPoolOptions};
use tempfile::NamedTempFile;
use tokio::time::sleep;

use crm_store_postgres::PostgresStore;

use crate::scene::{Server, Tenant, new_lead};

/// A number that occurs nowhere else in a call.
const NUMBER: u64 = 777_000_777;

/// An executed statement with its parameters as SQL literals.
struct Executed {
    sql: String,
    parameters: Vec<String>,
}

/// The text of the script.
pub(crate) struct Script(String);

/// Parses `$1 = 'it''s', $2 = NULL` into literals.
fn literals(mut text: &str) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(at) = text.find(" = ") {
        text = &text[at + 3..];
        let mut quoted = false;
        let end = text
            .char_indices()
            .find(|&(_, char)| {
                quoted ^= char == '\'';
                char == ',' && !quoted
            })
            .map_or(text.len(), |(end, _)| end);
        all.push(text[..end].to_owned());
        text = &text[end..];
    }
    all
}

/// The statements that a backend executed, from the server's log.
fn executed(log: &str, backend: i32) -> Vec<Executed> {
    let mark = format!("[{backend}] ");
    let mut all: Vec<Executed> = Vec::new();
    for line in log.lines().filter(|line| line.contains(&mark)) {
        if let Some((_, rest)) = line.split_once("LOG:  execute ") {
            let sql = rest.split_once(": ").map_or(rest, |(_, sql)| sql);
            all.push(Executed { sql: sql.to_owned(), parameters: Vec::new() });
        }
        let details = ["DETAIL:  parameters: ", "DETAIL:  Parameters: "];
        let parameters = details.iter().find_map(|detail| line.split_once(detail));
        if let (Some((_, parameters)), Some(last)) = (parameters, all.last_mut()) {
            last.parameters = literals(parameters);
        }
    }
    all
}

/// A literal as an expression that generates the values that differ between calls.
fn varied(literal: &str, replacements: &[(String, &str)], ty: Option<&str>) -> String {
    // pgbench treats a colon followed by a name as a variable, even in JSON.
    let mut text = literal.to_owned();
    for word in ["true", "false", "null"] {
        text = text.replace(&format!(":{word}"), &format!(": {word}"));
    }
    let fixed = text.clone();
    for (found, expression) in replacements {
        text = text.replace(found, &format!("' || {expression} || '"));
    }
    match ty {
        _ if text == fixed => text,
        Some(ty) => format!("({text})::{ty}"),
        None => format!("({text})"),
    }
}

/// Replaces parameters by values, the highest number first, because `$1` is a prefix of `$17`.
fn bound(sql: &str, values: &[String]) -> String {
    let numbered = values.iter().enumerate().rev();
    numbered.fold(sql.to_owned(), |sql, (at, value)| sql.replace(&format!("${}", at + 1), value))
}

/// Waits until the log, which another process writes, contains a call of the backend, and returns the call's
/// statements: the commit of the record and the read before it.
async fn last_call(connection: &mut PgConnection, backend: i32, record: Id<Lead>) -> (Executed, Executed) {
    let record = record.to_string();
    for _ in 0..100 {
        let log: String = sqlx::query_scalar("select pg_read_file(pg_current_logfile())")
            .fetch_one(&mut *connection)
            .await
            .expect("the server collects its log (logging_collector=on)");
        let mut all = executed(&log, backend);
        let holds = |one: &Executed| one.parameters.iter().any(|literal| literal.contains(&record));
        if let Some(at) = all.iter().position(holds) {
            let commit = all.remove(at);
            let read = all.remove(at - 1);
            assert!(commit.sql.contains("crm.write_lead_v1"), "a lead is created by one commit, not {}", commit.sql);
            return (read, commit);
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the log does not show how the lead was created");
}

/// A UUID of version 7 in SQL: 12 digits of milliseconds, 3 of the microseconds within, the rest random.
const UUID: &str = "(lpad(to_hex(t.micros / 1000), 12, '0') || '7' || lpad(to_hex(t.micros % 1000), 3, '0') || '8' || \
                    substr(md5(random()::text), 1, 15))::uuid::text";

impl Script {
    /// Creates one lead and converts the executed statements to a script.
    ///
    /// # Panics
    /// If creating a lead is not one read and one commit.
    pub(crate) async fn of_one_call(server: &Server, tenant: &Tenant) -> Self {
        let logged = server.options().options([("log_statement", "all"), ("log_parameter_max_length", "-1")]);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(logged).await.expect("the server answers");
        let crm = tenant.crm.on(PostgresStore::from_pool(pool.clone()));
        // The first call of a CRM also reads the definitions.
        crm.leads(&tenant.rep).create(new_lead(1)).await.expect("a lead");
        let lead = crm.leads(&tenant.rep).create(new_lead(NUMBER)).await.expect("a lead").into_value();
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&pool).await.expect("a backend");
        pool.close().await;

        let mut connection = server.connection().await;
        let (read, commit) = last_call(&mut connection, backend, lead.id).await;
        let prepare = format!("prepare crm_commit as {}", commit.sql);
        sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut connection).await.expect("the commit's statement");
        let types: Vec<String> = sqlx::query_scalar(
            "select unnest(parameter_types)::text from pg_prepared_statements where name = 'crm_commit'",
        )
        .fetch_all(&mut connection)
        .await
        .expect("the types of the commit's parameters");
        assert_eq!(types.len(), commit.parameters.len(), "each parameter of the commit has a type");

        // A number unique to the call: concurrent calls run in different processes.
        let number = "pg_backend_pid() || '0' || (extract(epoch from clock_timestamp()) * 1000000)::bigint";
        let number_there = vec![(NUMBER.to_string(), number)];
        let read_values: Vec<String> = read.parameters.iter().map(|one| varied(one, &number_there, None)).collect();
        let changes = commit.parameters.iter().find_map(|one| one.split_once("\"c\":\""));
        let commit_id = changes.and_then(|(_, rest)| rest.get(..36)).expect("a change names its commit");
        let replacements = vec![
            (NUMBER.to_string(), "x.number"),
            (lead.id.to_string(), "x.record"),
            (commit_id.to_owned(), "x.commit"),
            (lead.created_at.to_string(), "x.at::text"),
            (lead.created_at.micros().to_string(), "x.micros"),
        ];
        let values: Vec<String> = commit
            .parameters
            .iter()
            .zip(&types)
            .map(|(literal, ty)| varied(literal, &replacements, Some(ty)))
            .collect();
        let text = format!(
            "{};\n{} from (select t.at, t.micros, {UUID} as record, {UUID} as commit, {number} as number from (select at, \
             (extract(epoch from at) * 1000000)::bigint as micros from clock_timestamp() as at offset 0) t offset 0) \
             x;\n",
            bound(&read.sql, &read_values),
            bound(&commit.sql, &values),
        );
        if env::var_os("CRM_BENCH_SHOW").is_some() {
            eprintln!("{text}");
        }
        Self(text)
    }

    /// Runs the script on several connections for a time. Returns the number of transactions, in total and per second.
    ///
    /// # Panics
    /// If pgbench is not installed, or a transaction fails.
    pub(crate) fn run(&self, server: &Server, connections: u32, time: Duration) -> (i64, f64) {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(self.0.as_bytes()).expect("the script is written");
        let mut command = Command::new("pgbench");
        server.address(&mut command);
        let output = command
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &connections.to_string(), "-T"])
            .arg(time.as_secs().to_string())
            .arg("-f")
            .arg(file.path())
            .output()
            .expect("pgbench is in the PATH");
        let report = String::from_utf8_lossy(&output.stdout);
        let figure = |name: &str| {
            let rest = report.split_once(name).map(|(_, rest)| rest);
            let number = rest.and_then(|rest| rest.split([' ', '\n', '/']).next()?.parse::<f64>().ok());
            let fault = String::from_utf8_lossy(&output.stderr);
            number.unwrap_or_else(|| panic!("pgbench does not say `{name}`:\n{report}{fault}"))
        };
        assert!(output.status.success(), "pgbench failed:\n{}", String::from_utf8_lossy(&output.stderr));
        #[allow(clippy::cast_possible_truncation)] // a count
        let transactions = figure("number of transactions actually processed: ") as i64;
        (transactions, figure("tps = "))
    }
}
