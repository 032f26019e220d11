//! The environment variables of a deployment: the table of all variables, their values, and their faults.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

/// An environment variable of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// The default.
    pub default: &'static str,
    /// The description.
    pub meaning: &'static str,
    /// `true` if the value is a secret: it is never shown, and may be the ARN of a secret.
    pub secret: bool,
}

const fn plain(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, secret: false }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, secret: true }
}

/// Every variable, in the order of the documentation. `docs/configuration.md` shows this table.
pub const VARIABLES: &[Variable] = &[
    secret(
        "CRM_STORE",
        "`sqlite://crm.db`; required on Lambda",
        "The store: `sqlite://file`, `postgres://user:password@host/database`, `dynamodb://table`, \
         `dynamodb://host:port/table` for an emulator, or `memory` (data is lost when the program ends).",
    ),
    plain("CRM_STORE_CONNECTIONS", "10; 1 on Lambda", "Maximum number of connections to PostgreSQL, 1 to 1000."),
    plain(
        "CRM_MIGRATE",
        "`false`; `true` with `--demo`",
        "`true` migrates PostgreSQL's schema, or creates DynamoDB's table, before the first request.",
    ),
    secret(
        "CRM_ENCRYPTION_KEYS",
        "kept beside an SQLite file; else none: secrets are not encrypted by the CRM",
        "Keys that encrypt password hashes and other secrets at rest: `name:key`, separated by commas, each key 32 \
         bytes as base64 or 64 hexadecimal digits. The first encrypts, all decrypt. A key without a name is named \
         `1`.",
    ),
    plain(
        "CRM_ENCRYPTION_TAKES_PLAIN",
        "`false`",
        "`true` accepts secrets that were stored unencrypted, before an encryption key was set; each is encrypted on \
         the next write of its record.",
    ),
    plain(
        "CRM_SIGN_IN",
        "`own`",
        "How users sign in: `own` (passwords, second factor, sessions, API keys managed by the CRM), or `outside` \
         (an identity provider such as Cognito or Auth0).",
    ),
    secret(
        "CRM_SIGNING_KEYS",
        "kept beside an SQLite file; random with `--demo`; else required for `own`",
        "Keys that sign access tokens: `name:secret`, separated by commas. The first signs, all verify. A secret is \
         at least 32 random characters (HS256), or an RSA private key in PEM format (RS256; line ends may be written \
         `\\n`). A secret without a name is named `1`.",
    ),
    plain("CRM_ISSUER", "`crm`", "The `iss` of access tokens, usually the API's own address."),
    plain("CRM_AUDIENCE", "same as `CRM_ISSUER`", "The `aud` of access tokens."),
    plain("CRM_ACCESS_SECONDS", "900", "Lifetime of an access token in seconds, 60 to 86400."),
    plain(
        "CRM_CHECK_SESSIONS",
        "`false`",
        "`true` checks the session in the store on each request, at one read per request, so that a sign-out takes \
         effect immediately instead of within 30 seconds. Deactivating a user, or ending a session as another user, \
         always takes effect on the next request.",
    ),
    plain(
        "CRM_REGISTRATION",
        "`false`; `true` with `--demo`",
        "`true` lets anyone register an organization at `POST /api/v1/auth/register`. Otherwise crm-local prints a link \
         with which the first organization of an empty store is created, once.",
    ),
    plain(
        "CRM_HASHING_AT_ONCE",
        "number of cores",
        "Maximum number of concurrent password hashes, 1 to 64; each uses 19 MiB.",
    ),
    plain("CRM_OUTSIDE_ISSUER", "required for `outside`", "The `iss` of the identity provider's tokens."),
    plain("CRM_OUTSIDE_AUDIENCE", "required for `outside`", "The `aud` of its tokens, or Cognito's `client_id`."),
    plain(
        "CRM_OUTSIDE_ORGANIZATION",
        "required for `outside`",
        "The slug of the organization whose users sign in; the `sub` of a token is the `external_id` of a user.",
    ),
    plain(
        "CRM_OUTSIDE_JWKS",
        "the issuer's `/.well-known/jwks.json`",
        "URL of the identity provider's keys, with https (http only for localhost).",
    ),
    plain(
        "CRM_ALLOWED_ORIGINS",
        "none",
        "Origins of web pages that may call the API from a browser (CORS), such as `https://app.example.com`, \
         separated by commas.",
    ),
    plain(
        "CRM_TRUSTED_PROXIES",
        "0",
        "Number of trusted proxies in front of the API, 0 to 10: this many entries at the end of `X-Forwarded-For` \
         are trusted. API Gateway is not counted.",
    ),
    plain(
        "CRM_REQUESTS_PER_MINUTE",
        "600",
        "Requests per minute and user in this process, also the burst size; 0 for no limit.",
    ),
    plain(
        "CRM_SIGN_INS_PER_MINUTE",
        "60",
        "Requests per minute and address in this process to routes that require no authentication; 0 for no limit.",
    ),
    plain(
        "CRM_MAX_CLOCK_SKEW",
        "60",
        "Seconds that the clock of another process may be ahead, 0 to 86400: a record written with a later time \
         cannot be changed.",
    ),
    plain("CRM_TIMEOUT_SECONDS", "25", "Request timeout in seconds, 1 to 28: API Gateway waits for 30."),
    plain(
        "CRM_METRICS",
        "`off`; `prometheus` with `--demo`",
        "Where request metrics are published: `off`, `prometheus` (`/metrics`), `emf` (the log, in the CloudWatch \
         embedded metric format).",
    ),
    plain("CRM_DOCS", "`true`", "`true` serves `/docs` and `/openapi.json`."),
    plain("CRM_CONSOLE", "`true`", "`true` serves the web console at `/console/`."),
    plain(
        "CRM_LOG",
        "`info`; `warn` with `--demo`",
        "Log level: `error`, `warn`, `info`, `debug`, `trace`, or by module, such as `info,sqlx=debug`.",
    ),
    plain("CRM_LOG_FORMAT", "`json`; `text` in crm-local", "Log format: `json` or `text`."),
    plain(
        "CRM_MAILER",
        "`none`; `console` with `--demo`",
        "How invitation and password reset emails are sent: `none`, `console` (printed on the terminal, in crm-local \
         only), `ses` (Amazon SES).",
    ),
    plain("CRM_MAIL_FROM", "required for `ses`", "The sender's address, verified with SES."),
    plain(
        "CRM_MAIL_LINK",
        "required for `ses`",
        "URL of the page on which users set a password, such as that of the console; `#invitation=…` or `#reset=…` \
         with the token, and the organization, are appended.",
    ),
];

/// The program that reads the configuration. Some defaults and restrictions depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `crm-local`.
    Local,
    /// `crm-local --demo`.
    Demo,
    /// `bootstrap`, on AWS Lambda.
    Lambda,
}

/// A fault of a variable. It never contains the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}: {remedy}")]
pub struct Fault {
    /// The name of the variable.
    pub variable: String,
    /// The problem.
    pub problem: String,
    /// The remedy.
    pub remedy: String,
}

impl Fault {
    pub(crate) fn new(variable: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { variable: variable.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// All faults of a configuration, one per line.
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

/// The values of the variables, read once. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// An unknown variable that begins with `CRM_`, so that a misspelt name does not silently select a default; a value
    /// that is not UTF-8.
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

    /// Sets a variable, as a command-line flag does. An empty value unsets it.
    ///
    /// # Errors
    /// [`Fault`] if the variable does not exist.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), Fault> {
        if !VARIABLES.iter().any(|variable| variable.name == name) {
            return Err(Fault::new(name, "unknown variable", nearest(name)));
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

    /// Sets a variable that is not set yet.
    pub(crate) fn preset(&mut self, name: &str, value: impl Into<String>) {
        if self.get(name).is_none() {
            self.0.insert(name.to_owned(), Zeroizing::new(value.into()));
        }
    }

    /// Removes a variable.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The value of a variable, if set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(VARIABLES.iter().any(|variable| variable.name == name), "{name} is not in the table");
        self.0.get(name).map(|value| value.as_str())
    }

    /// The secrets given as an ARN: variable and ARN.
    pub(crate) fn arns(&self) -> Vec<(&'static str, String)> {
        let secrets = VARIABLES.iter().filter(|variable| variable.secret);
        let named = secrets.filter_map(|variable| Some((variable.name, self.get(variable.name)?)));
        named.filter(|(_, value)| value.starts_with("arn:")).map(|(name, value)| (name, value.to_owned())).collect()
    }
}

/// The known variables with the names most similar to an unknown one.
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
        _ => "remove it; see docs/configuration.md for all variables".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let fault = Environment::default().set("CRM_SINGING_KEYS", "x").unwrap_err();
        assert_eq!(fault.to_string(), "CRM_SINGING_KEYS: unknown variable: did you mean CRM_SIGNING_KEYS?");
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
