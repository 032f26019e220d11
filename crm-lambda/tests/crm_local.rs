//! The local server as built: its output, its refusals, its shutdown.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

const CRM_LOCAL: &str = env!("CARGO_BIN_EXE_crm-local");
const SECRET: &str = "CRM_SIGNING_KEYS=a:bm8gc2VjcmV0IGluIGEgbG9nLCBuZXZlciwgbm90IG9uY2UsIGF0IGFsbA";

/// Runs it to its end with these arguments and variables.
fn run(arguments: &[&str], variables: &[&str]) -> Output {
    let pairs = variables.iter().map(|pair| pair.split_once('=').unwrap());
    Command::new(CRM_LOCAL).env_clear().envs(pairs).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Returns its error message: one line, with exit code 2.
fn refusal(arguments: &[&str], variables: &[&str]) -> String {
    let output = run(arguments, variables);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(output.stdout.is_empty());
    told
}

struct Demo {
    child: Child,
    said: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the demo on a free port and waits until its start-up output is complete.
fn demo() -> Demo {
    let mut child = Command::new(CRM_LOCAL)
        .env_clear()
        .args(["--demo", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !said.contains("TOKEN=") {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "it ended: {said}");
    }
    // Emails follow on the same output, which must be drained.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    Demo { child, said }
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
        (&[], &[SECRET], "CRM_STORE: is not set"),
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
