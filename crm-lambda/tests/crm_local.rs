//! The local server as built: its output, its refusals, its shutdown.

use std::{
    fs::Permissions,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

const CRM_LOCAL: &str = env!("CARGO_BIN_EXE_crm-local");
const SECRET: &str = "CRM_SIGNING_KEYS=a:bm8gc2VjcmV0IGluIGEgbG9nLCBuZXZlciwgbm90IG9uY2UsIGF0IGFsbA";

/// Runs it to its end with these arguments and variables, in an empty directory.
fn run(arguments: &[&str], variables: &[&str]) -> Output {
    run_in(tempfile::tempdir().unwrap().path(), arguments, variables)
}

fn run_in(directory: &Path, arguments: &[&str], variables: &[&str]) -> Output {
    let pairs = variables.iter().map(|pair| pair.split_once('=').unwrap());
    let mut command = Command::new(CRM_LOCAL);
    command.env_clear().envs(pairs).args(arguments).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

/// Returns its error message: one line, with exit code 2.
fn refusal(arguments: &[&str], variables: &[&str]) -> String {
    refusal_in(tempfile::tempdir().unwrap().path(), arguments, variables)
}

fn refusal_in(directory: &Path, arguments: &[&str], variables: &[&str]) -> String {
    let output = run_in(directory, arguments, variables);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(output.stdout.is_empty());
    told
}

struct Server {
    child: Child,
    said: String,
}

impl Server {
    /// Starts it on a free port and waits until its output has this text.
    fn start(directory: &Path, arguments: &[&str], until: &str) -> Self {
        let mut child = Command::new(CRM_LOCAL)
            .env_clear()
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !said.contains(until) {
            assert_ne!(out.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        // Emails follow on the same output, which must be drained.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Self { child, said }
    }

    fn url(&self) -> &str {
        self.said.split_whitespace().find(|word| word.starts_with("http://")).unwrap()
    }

    /// Posts JSON, or gets with a token, and returns the status and the answer.
    fn call(&self, path: &str, body: Option<&serde_json::Value>, token: &str) -> (String, serde_json::Value) {
        let url = format!("{}/api/v1/{path}", self.url());
        let authorization = format!("Authorization: Bearer {token}");
        let mut curl = Command::new("curl");
        curl.args(["-s", "-w", "\n%{http_code}", &url]);
        match body {
            Some(body) => curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]),
            None => curl.args(["-H", &authorization]),
        };
        let out = String::from_utf8(curl.output().expect("curl is needed here").stdout).unwrap();
        let (body, status) = out.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str(body).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the demo in memory.
fn demo() -> Server {
    Server::start(&std::env::temp_dir(), &["--demo", "--store", "memory"], "TOKEN=")
}

#[test]
fn the_first_start_needs_no_setting_and_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[], "/docs");
    assert!(server.said.contains("sqlite://crm.db, keys: crm.db.keys"), "{}", server.said);
    for file in ["crm.db", "crm.db.keys"] {
        let mode = std::fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let setup = server.said.split_whitespace().find_map(|word| Some(word.split_once("/console/#/setup/")?.1));
    let setup = &setup.unwrap().to_owned();

    // Only the holder of the link creates the organization, once.
    let body = |slug: &str, token: Option<&str>| {
        serde_json::json!({
            "organization": {"name": slug, "slug": slug}, "user": {"email": "ada@acme.example"},
            "password": "a heron by the lake", "setup_token": token,
        })
    };
    for token in [None, Some(""), Some("wrong"), Some(&setup[1..])] {
        let (status, answer) = server.call("auth/register", Some(&body("thief", token)), "");
        // As where registration is closed, so that nobody learns that the server is unclaimed.
        assert_eq!((status.as_str(), &answer["code"]), ("404", &"unknown_route".into()));
    }
    // A refused registration does not use the link up.
    assert_eq!(server.call("auth/register", Some(&body("not a slug!", Some(setup))), "").0, "422");
    let mut both = std::thread::scope(|scope| {
        let [one, two] = ["acme", "other"].map(|slug| {
            let (server, body) = (&server, body(slug, Some(setup)));
            scope.spawn(move || server.call("auth/register", Some(&body), ""))
        });
        [one.join().unwrap(), two.join().unwrap()]
    });
    both.sort_by(|one, two| one.0.cmp(&two.0));
    assert_eq!(both.each_ref().map(|(status, _)| status.as_str()), ["201", "404"]);
    let token = both[0].1["data"]["access_token"].as_str().unwrap().to_owned();

    // While it runs, nobody else writes the file, and it can be copied and checked.
    let path = directory.path();
    let told = refusal_in(path, &["--listen", "127.0.0.1:0"], &[]);
    assert!(told.contains(&format!("{}", server.child.id())), "{told}");
    assert_eq!(run_in(path, &["backup", "copy.db"], &[]).status.code(), Some(0));
    assert!(refusal_in(path, &["backup", "copy.db"], &[]).contains("exists"));
    let verified = run_in(path, &["verify", "--store", "sqlite://copy.db"], &[]);
    assert!(String::from_utf8(verified.stdout).unwrap().contains("no damage"));

    // Killed and started again, it has the organization, knows the token, and offers no setup.
    drop(server);
    let server = Server::start(path, &[], "/docs");
    assert!(!server.said.contains("setup"), "{}", server.said);
    assert_eq!(server.call("me", None, &token).0, "200");
    assert_eq!(server.call("auth/register", Some(&body("late", Some(setup))), "").0, "404");
    drop(server);
    assert!(refusal_in(path, &["--demo"], &[]).contains("holds another organization"));
}

#[test]
fn a_migrated_file_has_its_keys_and_another_organization_named_demo_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run_in(directory.path(), &["migrate"], &[]).status.code(), Some(0));
    let server = Server::start(directory.path(), &[], "/docs");
    let setup = server.said.split_whitespace().find_map(|word| Some(word.split_once("/console/#/setup/")?.1));
    let body = serde_json::json!({
        "organization": {"name": "Demo Ltd", "slug": "demo"}, "user": {"email": "ada@acme.example"},
        "password": "a heron by the lake", "setup_token": setup,
    });
    assert_eq!(server.call("auth/register", Some(&body), "").0, "201");
    drop(server);
    assert!(refusal_in(directory.path(), &["--demo"], &[]).contains("holds another organization"));
}

#[test]
fn the_demo_is_kept_and_served_again() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(directory.path(), &["--demo"], "TOKEN=");
    let lead = |server: &Server| {
        server
            .said
            .split_whitespace()
            .find_map(|w| w.strip_suffix("/history"))
            .map(|url| url.rsplit('/').next().unwrap().to_owned())
    };
    let made = lead(&first);
    assert!(made.is_some());
    drop(first);
    let again = Server::start(directory.path(), &["--demo"], "TOKEN=");
    assert_eq!(lead(&again), made);
}

#[test]
fn keys_that_others_can_read_or_that_are_gone_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(Server::start(directory.path(), &[], "/docs"));
    let keys = directory.path().join("crm.db.keys");
    let text = std::fs::read_to_string(&keys).unwrap();
    let refusal = || refusal_in(directory.path(), &["--listen", "127.0.0.1:0"], &[]);
    let secrets: Vec<&str> = text.lines().filter_map(|line| line.split_once("=local:")).map(|(_, key)| key).collect();
    assert_eq!(secrets.len(), 2);

    std::fs::set_permissions(&keys, Permissions::from_mode(0o644)).unwrap();
    let told = refusal();
    assert!(told.contains("chmod 600") && secrets.iter().all(|key| !told.contains(key)), "{told}");
    std::fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&keys, text.lines().filter(|line| !line.starts_with("CRM_ENC")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    assert!(refusal().contains("no line CRM_ENCRYPTION_KEYS"));
    std::fs::remove_file(&keys).unwrap();
    assert!(refusal().contains("exists without its keys"));
    // With its write-ahead log, SQLite would restore the pages of the overwritten file.
    std::fs::remove_file(directory.path().join("crm.db-wal")).unwrap();
    std::fs::write(directory.path().join("crm.db"), "no database, but long enough to be none").unwrap();
    let told = refusal_in(
        directory.path(),
        &["--listen", "127.0.0.1:0"],
        &[SECRET, "CRM_ENCRYPTION_KEYS=bm8gc2VjcmV0IGluIGEgbG9nLCBuZXZlciEhISEhISE="],
    );
    assert!(told.contains("crm.db"), "{told}");
}

#[test]
fn the_demo_says_how_to_begin_and_ends_when_told() {
    let mut demo = demo();
    let line = demo.said.lines().find(|line| line.contains("TOKEN=")).unwrap();
    let answer = Command::new("bash").args(["-c", line]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("bash and curl are needed here");
    assert!(!answer["data"].as_array().unwrap().is_empty(), "{answer}");

    let docs = demo.said.split_whitespace().find(|word| word.ends_with("/docs")).unwrap();
    let get = |url: &str| Command::new("curl").args(["-s", "-w", "%{http_code}", url]).output().unwrap().stdout;
    assert!(get(docs).ends_with(b"200"));
    assert!(get(&docs.replace("/docs", "/metrics")).ends_with(b"200"));

    let pid = demo.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    let mut told = String::new();
    demo.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told.trim(), "crm-local: finishing open requests; repeat to stop immediately");
}

#[test]
fn the_demo_keeps_its_totals() {
    let demo = demo();
    let token =
        demo.said.lines().find_map(|line| line.split(" && ").next().filter(|line| line.contains("TOKEN="))).unwrap();
    let lead = demo.said.split_whitespace().find_map(|word| word.strip_suffix("/history")).unwrap();
    let script = format!("{token} && curl -s {lead} -H \"Authorization: Bearer $TOKEN\"");
    for _ in 0..100 {
        let answer = Command::new("bash").args(["-c", &script]).output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("bash and curl are needed here");
        // Only the background worker writes it.
        if answer["data"]["last_activity_at"].is_string() {
            return;
        }
        assert!(answer["data"]["id"].is_string(), "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("a lead with calls has no last activity");
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = refusal(&["--demo", "--listen", &address], &[]);
    assert!(told.contains(&address) && told.contains("in use"), "{told}");
}

#[test]
fn a_store_out_of_reach_is_told_without_its_password() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("CRM_STORE=postgres://crm:hunter2@{closed}/crm");
    let told = refusal(&["--listen", "127.0.0.1:0"], &[&url, SECRET]);
    assert!(told.contains("cannot be reached") && told.contains(&closed.to_string()), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let told = refusal(&["--demo", "--listen", "127.0.0.1:0", "--store", &format!("dynamodb://{closed}/crm")], &[]);
    assert!(told.contains("cannot be reached") && told.len() < 300, "{told}");
    let told = refusal(&["migrate"], &[&url]);
    assert!(told.contains("cannot be reached"), "{told}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_told() {
    for (arguments, variables, expected) in [
        (&["--store", "memory"][..], &[][..], "CRM_SIGNING_KEYS: is not set"),
        (&["--store", "memory"], &["CRM_SIGNING_KEYS=hunter2"], "too weak"),
        (&["--store", "mysql://root:hunter2@db"], &[SECRET], "CRM_STORE: is not a valid store"),
        (&["--demo"], &["CRM_SINGING_KEYS=x"], "did you mean CRM_SIGNING_KEYS?"),
        (&["--demo"], &["CRM_SIGN_IN=outside"], "CRM_SIGN_IN"),
    ] {
        let output = run(arguments, variables);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.lines().all(|line| line.starts_with("crm-local: ")), "{told}");
    }
    assert_eq!(run(&["--nonsense"], &[]).status.code(), Some(2));
    assert_eq!(run(&["--listen", "nowhere"], &[]).status.code(), Some(2));
}
