//! The variables that configure a deployment: the one table of them, what of it is set, and what is wrong with it.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

/// A variable of the environment that is read.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is not set.
    pub default: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// True where it holds a secret: it is never shown, and may be the ARN of a secret.
    pub secret: bool,
}

const fn plain(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, secret: false }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, secret: true }
}

/// Every variable that is read, in the order in which a person thinks of them. `docs/configuration.md` shows this table.
pub const VARIABLES: &[Variable] = &[
    secret(
        "CRM_STORE",
        "must be set; `memory` with `--demo`",
        "Where records are kept: `memory` (gone when the program ends), `postgres://user:password@host/database`, \
         `dynamodb://table`, or `dynamodb://host:port/table` for an emulator.",
    ),
    plain("CRM_STORE_CONNECTIONS", "10; 1 on Lambda", "Connections to PostgreSQL at most, 1 to 1000."),
    plain(
        "CRM_MIGRATE",
        "`false`; `true` with `--demo`",
        "`true` brings PostgreSQL's schema up to date, or makes DynamoDB's table, before the first request.",
    ),
    secret(
        "CRM_ENCRYPTION_KEYS",
        "none: secrets are stored as the store stores all",
        "Keys that password hashes and other secrets are encrypted with at rest: `name:key`, separated by commas, each \
         key 32 bytes as base64 or 64 hexadecimal digits. The first encrypts, all decrypt. A key alone is named `1`.",
    ),
    plain(
        "CRM_ENCRYPTION_TAKES_PLAIN",
        "`false`",
        "`true` reads secrets that were stored before there was an encryption key; each is encrypted with its record's \
         next write.",
    ),
    plain(
        "CRM_SIGN_IN",
        "`own`",
        "Who signs users in: `own` (passwords, second factor, sessions, API keys), or `outside` (an issuer such as \
         Cognito or Auth0).",
    ),
    secret(
        "CRM_SIGNING_KEYS",
        "must be set for `own`; made at random with `--demo`",
        "Keys that access tokens are signed with: `name:secret`, separated by commas. The first signs, all verify. A \
         secret is at least 32 random characters (HS256), or an RSA private key in PEM form (RS256; line ends may be \
         written `\\n`). A secret alone is named `1`.",
    ),
    plain("CRM_ISSUER", "`crm`", "Who signs access tokens, in `iss`: the API's own address as a rule."),
    plain("CRM_AUDIENCE", "as `CRM_ISSUER`", "For whom access tokens are, in `aud`."),
    plain("CRM_ACCESS_SECONDS", "900", "Seconds that an access token lives, 60 to 86400."),
    plain(
        "CRM_CHECK_SESSIONS",
        "`false`",
        "Who is deactivated, or signed out by somebody else, is so at the next request in any case. `true` asks the store with each \
         request, so that a session that its own user ended is over at once too, for one read a request; else it is over within 30 \
         seconds.",
    ),
    plain(
        "CRM_REGISTRATION",
        "`false`; `true` with `--demo`",
        "`true` lets anybody register an organization of their own at `POST /api/v1/auth/register`.",
    ),
    plain("CRM_HASHING_AT_ONCE", "cores", "Passwords hashed at once, 1 to 64; each takes 19 MiB."),
    plain("CRM_OUTSIDE_ISSUER", "must be set for `outside`", "The issuer whose tokens are believed, as in `iss`."),
    plain("CRM_OUTSIDE_AUDIENCE", "must be set for `outside`", "Their `aud`, or Cognito's `client_id`."),
    plain(
        "CRM_OUTSIDE_ORGANIZATION",
        "must be set for `outside`",
        "The slug of the organization whose users they are of, by `external_id`.",
    ),
    plain(
        "CRM_OUTSIDE_JWKS",
        "the issuer's `/.well-known/jwks.json`",
        "Where the issuer publishes its keys, with https (http for an address of this machine).",
    ),
    plain(
        "CRM_ALLOWED_ORIGINS",
        "none",
        "Origins of web pages that may call the API from a browser, such as `https://app.example.com`, separated by \
         commas.",
    ),
    plain(
        "CRM_TRUSTED_PROXIES",
        "0",
        "Proxies of one's own in front, 0 to 10: so many entries at the end of `X-Forwarded-For` are believed. API \
         Gateway is not counted.",
    ),
    plain(
        "CRM_REQUESTS_PER_MINUTE",
        "600",
        "Requests a minute of one user in this process, with as many at once; 0 for no limit.",
    ),
    plain(
        "CRM_SIGN_INS_PER_MINUTE",
        "60",
        "Requests a minute of one address in this process, to the routes that nobody has to be signed in for; 0 for no \
         limit.",
    ),
    plain(
        "CRM_MAX_CLOCK_SKEW",
        "60",
        "Seconds that the clock of another process may be ahead, 0 to 86400: a record written later is not written of.",
    ),
    plain("CRM_TIMEOUT_SECONDS", "25", "Seconds that a request may take, 1 to 28: API Gateway waits for 30."),
    plain(
        "CRM_METRICS",
        "`off`; `prometheus` with `--demo`",
        "Where figures on requests go: `off`, `prometheus` (`/metrics`), `emf` (the log, as CloudWatch reads it).",
    ),
    plain("CRM_DOCS", "`true`", "`true` serves `/docs` and `/openapi.json`."),
    plain(
        "CRM_LOG",
        "`info`; `warn` with `--demo`",
        "What is logged: `error`, `warn`, `info`, `debug`, `trace`, or by module, such as `info,sqlx=debug`.",
    ),
    plain("CRM_LOG_FORMAT", "`json`; `text` in crm-local", "How it is logged: `json` or `text`."),
    plain(
        "CRM_MAILER",
        "`none`; `console` with `--demo`",
        "Who carries invitations and letters to reset a password: `none`, `console` (shown on the terminal, in crm-local \
         only), `ses` (Amazon SES).",
    ),
    plain("CRM_MAIL_FROM", "must be set for `ses`", "The sender's address, verified with SES."),
    plain(
        "CRM_MAIL_LINK",
        "must be set for `ses`",
        "The page of one's own that lets a user set a password; `#invitation=…` or `#reset=…` with the ticket is \
         appended, and which organization signs in.",
    ),
];

/// Which program reads its configuration: some defaults, and what is allowed, depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `crm-local`.
    Local,
    /// `crm-local --demo`.
    Demo,
    /// `bootstrap`, on AWS Lambda.
    Lambda,
}

/// Something is wrong with a variable. Never tells the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}: {remedy}")]
pub struct Fault {
    /// Which.
    pub variable: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fault {
    pub(crate) fn new(variable: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { variable: variable.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// Everything that is wrong, told at once: one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{fault}")?;
        }
        Ok(())
    }
}

/// What is set of the variables, read once. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// What is set in this process' environment.
    ///
    /// # Errors
    /// A variable that begins with `CRM_` and is none, so that a slip of the pen is no silent default; text that is no
    /// UTF-8.
    pub fn of_process() -> Result<Self, Faults> {
        let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let others = ["CRM_TEST_", "CRM_BENCH_"]; // of this project's own tests and benchmarks
        let ours =
            all.filter(|(name, _)| name.starts_with("CRM_") && !others.iter().any(|prefix| name.starts_with(prefix)));
        let mut set = Self::default();
        let mut faults = Vec::new();
        for (name, value) in ours {
            match value.into_string() {
                Ok(value) => faults.extend(set.set(&name, value).err()),
                Err(_) => faults.push(Fault::new(&name, "is not UTF-8", "write it as UTF-8")),
            }
        }
        if faults.is_empty() { Ok(set) } else { Err(Faults(faults)) }
    }

    /// Sets a variable, as a flag of the command line does. An empty value is none.
    ///
    /// # Errors
    /// [`Fault`] where there is no such variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), Fault> {
        if !VARIABLES.iter().any(|variable| variable.name == name) {
            return Err(Fault::new(name, "there is no such variable", nearest(name)));
        }
        let value = Zeroizing::new(value.into());
        let value = Zeroizing::new(value.trim().to_owned());
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// Sets a variable that is not set.
    pub(crate) fn preset(&mut self, name: &str, value: impl Into<String>) {
        if self.get(name).is_none() {
            self.0.insert(name.to_owned(), Zeroizing::new(value.into()));
        }
    }

    /// Forgets a variable.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What a variable says, where it is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(VARIABLES.iter().any(|variable| variable.name == name), "{name} is not in the table");
        self.0.get(name).map(|value| value.as_str())
    }

    /// The secrets that are named by an ARN: variable and ARN.
    pub(crate) fn arns(&self) -> Vec<(&'static str, String)> {
        let secrets = VARIABLES.iter().filter(|variable| variable.secret);
        let named = secrets.filter_map(|variable| Some((variable.name, self.get(variable.name)?)));
        named.filter(|(_, value)| value.starts_with("arn:")).map(|(name, value)| (name, value.to_owned())).collect()
    }
}

/// The variables whose names are likest to one that is none.
fn nearest(name: &str) -> String {
    let distance = |one: &str, other: &str| {
        let other: Vec<char> = other.chars().collect();
        let mut row: Vec<usize> = (0..=other.len()).collect();
        for (i, a) in one.chars().enumerate() {
            let mut corner = row[0];
            row[0] = i + 1;
            for (j, b) in other.iter().enumerate() {
                let left = row[j].min(row[j + 1]) + 1;
                let next = left.min(corner + usize::from(a != *b));
                corner = std::mem::replace(&mut row[j + 1], next);
            }
        }
        row[other.len()]
    };
    let best = VARIABLES.iter().map(|variable| (distance(name, variable.name), variable.name)).min();
    match best {
        Some((steps, like)) if steps <= 4 => format!("did you mean {like}?"),
        _ => "remove it; docs/configuration.md has them all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let fault = Environment::default().set("CRM_SINGING_KEYS", "x").unwrap_err();
        assert_eq!(fault.to_string(), "CRM_SINGING_KEYS: there is no such variable: did you mean CRM_SIGNING_KEYS?");
        let fault = Environment::default().set("CRM_NOTHING_LIKE_THAT", "x").unwrap_err();
        assert!(fault.remedy.starts_with("remove it"), "{fault}");
    }

    #[test]
    fn values_are_never_shown() {
        let mut set = Environment::default();
        set.set("CRM_SIGNING_KEYS", "hunter2-hunter2").unwrap();
        assert_eq!(format!("{set:?}"), r#"{"CRM_SIGNING_KEYS"}"#);
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let document = include_str!("../../../docs/configuration.md");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `CRM_")).collect();
        let expected: Vec<String> = VARIABLES
            .iter()
            .map(|variable| {
                let mark = if variable.secret { " Secret." } else { "" };
                format!("| `{}` | {} | {}{mark} |", variable.name, variable.default, variable.meaning)
            })
            .collect();
        assert_eq!(rows, expected, "docs/configuration.md must hold:\n{}", expected.join("\n"));
    }
}
