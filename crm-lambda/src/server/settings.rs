//! The configuration of a deployment, read from the environment only. All faults are reported at once.

use std::{fmt, num::NonZeroU32, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crm_core::store::sealed::SealingKeys;
use zeroize::Zeroizing;

use super::environment::{Environment, Fault, Faults, Program};
use crate::{KeyError, KeyRing, Metrics, TokenKey};

/// Sets where crm-local keeps records unless it is told otherwise.
fn default_store(environment: &mut Environment) {
    if cfg!(feature = "sqlite") {
        environment.preset("CRM_STORE", "sqlite://crm.db");
    }
}

/// The configuration of a deployment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store.
    pub store: StoreSetting,
    /// `true` if the store is migrated before the first request.
    pub migrate: bool,
    /// The keys that encrypt secrets at rest, and whether secrets stored unencrypted earlier are read.
    pub sealing: Option<(SealingKeys, bool)>,
    /// How users sign in.
    pub sign_in: SignInSetting,
    /// The maximum number of passwords hashed concurrently.
    pub hashing_at_once: usize,
    /// The origins of web pages that may call the API.
    pub allowed_origins: Vec<String>,
    /// The number of trusted proxies in front of the server.
    pub trusted_proxies: usize,
    /// The maximum number of requests per minute of one user.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The maximum number of unauthenticated requests per minute of one address.
    pub sign_ins_per_minute: Option<NonZeroU32>,
    /// The timeout of a request.
    pub timeout: Duration,
    /// The maximum difference by which other processes' clocks may be ahead of this one.
    pub max_clock_skew: Duration,
    /// How metrics are exported.
    pub metrics: Metrics,
    /// `true` if `/docs` is served.
    pub docs: bool,
    /// `true` if the web console is served.
    pub console: bool,
    /// The log filter, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// The log format.
    pub log_format: LogFormat,
    /// How emails are sent.
    pub mailer: MailerSetting,
}

/// The store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreSetting {
    /// In memory, in this process.
    Memory,
    /// A file of SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf),
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres {
        /// The URL.
        url: crm_core::auth::Secret,
        /// The maximum number of connections.
        connections: u32,
        /// `true` to test a connection before it is used: a Lambda function that was frozen resumes with dead ones.
        test_connections: bool,
    },
    /// `DynamoDB`: the table, and the endpoint if it is not AWS.
    #[cfg(feature = "aws")]
    Dynamo {
        /// The endpoint, for example `http://127.0.0.1:8000`.
        endpoint: Option<String>,
        /// The name of the table.
        table: String,
    },
}

impl fmt::Debug for StoreSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for StoreSetting {
    /// For people: without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres { url, .. } => {
                // The part after the last @ of the authority, without parameters: they may contain a password too.
                let rest = url.expose().split_once("://").map_or("", |(_, rest)| rest);
                let place = rest.split(['?', '#']).next().unwrap_or_default();
                write!(f, "postgres://{}", place.rsplit('@').next().unwrap_or_default())
            }
            #[cfg(feature = "aws")]
            Self::Dynamo { endpoint: None, table } => write!(f, "dynamodb://{table}"),
            #[cfg(feature = "aws")]
            Self::Dynamo { endpoint: Some(endpoint), table } => {
                write!(f, "dynamodb://{}/{table}", endpoint.trim_start_matches("http://"))
            }
        }
    }
}

/// How users sign in.
#[derive(Clone, Debug)]
pub enum SignInSetting {
    /// By the CRM itself.
    Own {
        /// The keys that sign access tokens.
        keys: KeyRing,
        /// The `iss` claim.
        issuer: String,
        /// The `aud` claim.
        audience: String,
        /// The lifetime of an access token in seconds.
        access_seconds: i64,
        /// `true` if each request checks that its session is live.
        checks_sessions: bool,
        /// `true` if anyone may register an organization.
        registration: bool,
        /// `true` to let the holder of a one-time token register the first organization of an empty store.
        setup: bool,
    },
    /// By an external issuer.
    #[cfg(feature = "aws")]
    Outside {
        /// The `iss` claim.
        issuer: String,
        /// The `aud` or `client_id` claim.
        audience: String,
        /// The slug of the organization.
        organization: String,
        /// The URL of the issuer's keys.
        jwks: String,
    },
}

/// The log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// How emails are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailerSetting {
    /// Not at all.
    None,
    /// To the terminal, with a link if a page is configured.
    Console {
        /// The page that accepts the token.
        link: Option<String>,
    },
    /// Through Amazon SES.
    #[cfg(feature = "aws")]
    Ses {
        /// The sender's address.
        from: String,
        /// The page that accepts the token.
        link: String,
    },
}

impl Settings {
    /// Reads the configuration. Secrets given as an ARN must have been fetched before.
    ///
    /// # Errors
    /// All faults.
    pub fn read(environment: &Environment, program: Program) -> Result<Self, Faults> {
        let mut environment = environment.clone();
        if program != Program::Lambda {
            default_store(&mut environment);
        }
        if program == Program::Demo {
            environment.preset("CRM_MIGRATE", "true");
            environment.preset("CRM_REGISTRATION", "true");
            environment.preset("CRM_MAILER", "console");
            environment.preset("CRM_METRICS", "prometheus");
            environment.preset("CRM_LOG", "warn");
            if let Some(key) = random_key::<48>() {
                environment.preset("CRM_SIGNING_KEYS", format!("demo:{}", *key));
            }
        }
        let mut reader = Reader::new(&environment, program);
        let settings = reader.settings();
        match settings {
            Some(settings) if reader.faults.is_empty() => Ok(settings),
            _ => Err(Faults(reader.faults)),
        }
    }

    /// Reads only the settings of the store of crm-local.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn read_store(environment: &Environment) -> Result<StoreSetting, Faults> {
        let mut environment = environment.clone();
        default_store(&mut environment);
        let mut reader = Reader::new(&environment, Program::Local);
        match reader.store() {
            Some(store) if reader.faults.is_empty() => Ok(store),
            _ => Err(Faults(reader.faults)),
        }
    }
}

/// Returns random bytes as base64; `None` if the system has no source of randomness.
pub(super) fn random_key<const BYTES: usize>() -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; BYTES]);
    getrandom::fill(bytes.as_mut()).ok()?;
    Some(Zeroizing::new(STANDARD.encode(bytes.as_ref())))
}

struct Reader<'a> {
    environment: &'a Environment,
    program: Program,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn new(environment: &'a Environment, program: Program) -> Self {
        #[cfg_attr(feature = "aws", expect(unused_mut, reason = "ARNs have been replaced by their secrets"))]
        let mut reader = Self { environment, program, faults: Vec::new() };
        #[cfg(not(feature = "aws"))]
        for (variable, _) in environment.arns() {
            let _: Option<()> = reader.not_built(variable, "aws");
        }
        reader
    }

    /// Returns `None` only if a fault was recorded; a fault may also be recorded when it returns settings.
    fn settings(&mut self) -> Option<Settings> {
        let on_lambda = self.program == Program::Lambda;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let store = self.store();
        let sign_in = self.sign_in();
        let mailer = self.mailer();
        let sealing = self.sealing();
        let log = self.log();
        Some(Settings {
            migrate: self.flag("CRM_MIGRATE", false),
            hashing_at_once: self.number("CRM_HASHING_AT_ONCE", cores.min(64), 1, 64),
            allowed_origins: self.origins(),
            trusted_proxies: self.number("CRM_TRUSTED_PROXIES", 0, 0, 10),
            requests_per_minute: NonZeroU32::new(self.number("CRM_REQUESTS_PER_MINUTE", 600, 0, 1_000_000)),
            sign_ins_per_minute: NonZeroU32::new(self.number("CRM_SIGN_INS_PER_MINUTE", 60, 0, 1_000_000)),
            timeout: Duration::from_secs(self.number("CRM_TIMEOUT_SECONDS", 25, 1, 28)),
            max_clock_skew: Duration::from_secs(self.number("CRM_MAX_CLOCK_SKEW", 60, 0, 86_400)),
            metrics: self.choice(
                "CRM_METRICS",
                Metrics::Off,
                &[("off", Metrics::Off), ("prometheus", Metrics::Prometheus), ("emf", Metrics::Emf)],
            ),
            docs: self.flag("CRM_DOCS", true),
            console: self.flag("CRM_CONSOLE", true),
            log_format: self.choice(
                "CRM_LOG_FORMAT",
                if on_lambda { LogFormat::Json } else { LogFormat::Text },
                &[("json", LogFormat::Json), ("text", LogFormat::Text)],
            ),
            store: store?,
            sealing,
            sign_in: sign_in?,
            log: log?,
            mailer: mailer?,
        })
    }

    fn fault(&mut self, variable: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault::new(variable, problem, remedy));
    }

    /// Records that a setting needs a feature of this crate that was not built.
    #[cfg(not(all(feature = "aws", feature = "postgres", feature = "sqlite")))]
    fn not_built<T>(&mut self, variable: &str, feature: &str) -> Option<T> {
        let problem = format!("needs the feature `{feature}`, which this program was built without");
        self.fault(variable, problem, format!("build it with `--features {feature}`"));
        None
    }

    fn needed(&mut self, name: &'static str, remedy: &str) -> Option<String> {
        let value = self.environment.get(name).map(str::to_owned);
        if value.is_none() {
            self.fault(name, "is not set", remedy);
        }
        value
    }

    fn choice<T: Copy>(&mut self, name: &'static str, default: T, choices: &[(&str, T)]) -> T {
        let Some(value) = self.environment.get(name) else { return default };
        if let Some((_, chosen)) = choices.iter().find(|(choice, _)| *choice == value) {
            return *chosen;
        }
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        let problem = format!("{value:?} is not a valid value");
        self.fault(name, problem, format!("set one of {}", names.join(", ")));
        default
    }

    fn flag(&mut self, name: &'static str, default: bool) -> bool {
        self.choice(name, default, &[("true", true), ("false", false)])
    }

    fn number<T>(&mut self, name: &'static str, default: T, least: T, most: T) -> T
    where
        T: Copy + PartialOrd + fmt::Display + std::str::FromStr,
    {
        let Some(value) = self.environment.get(name) else { return default };
        match value.parse() {
            Ok(number) if number >= least && number <= most => number,
            _ => {
                let problem = format!("{value:?} is not a valid number");
                self.fault(name, problem, format!("set a whole number from {least} to {most}"));
                default
            }
        }
    }

    fn store(&mut self) -> Option<StoreSetting> {
        const NAME: &str = "CRM_STORE";
        const SQLITE: &str = "sqlite://";
        const REMEDY: &str = "set sqlite://file, postgres://user:password@host/database, dynamodb://table or memory (see \
             docs/configuration.md)";
        let value = self.needed(NAME, REMEDY)?;
        if value == "memory" {
            return Some(StoreSetting::Memory);
        }
        if value.starts_with("postgres://") || value.starts_with("postgresql://") {
            #[cfg(feature = "postgres")]
            return Some(self.postgres(value));
            #[cfg(not(feature = "postgres"))]
            return self.not_built(NAME, "postgres");
        }
        if value.len() > SQLITE.len() && value.starts_with(SQLITE) {
            if self.program == Program::Lambda {
                self.fault(NAME, "is a file, which a Lambda function cannot share", "set PostgreSQL or DynamoDB");
                return None;
            }
            #[cfg(feature = "sqlite")]
            return Some(StoreSetting::Sqlite(value[SQLITE.len()..].into()));
            #[cfg(not(feature = "sqlite"))]
            return self.not_built(NAME, "sqlite");
        }
        if let Some(table) = value.strip_prefix("dynamodb://") {
            return self.dynamo(NAME, table);
        }
        // The invalid value may contain a password.
        self.fault(NAME, "is not a valid store", REMEDY);
        None
    }

    #[cfg(feature = "postgres")]
    fn postgres(&mut self, url: String) -> StoreSetting {
        let on_lambda = self.program == Program::Lambda;
        let connections = self.number("CRM_STORE_CONNECTIONS", if on_lambda { 1 } else { 10 }, 1, 1000);
        StoreSetting::Postgres { url: url.into(), connections, test_connections: on_lambda }
    }

    #[cfg(not(feature = "aws"))]
    fn dynamo(&mut self, name: &str, _: &str) -> Option<StoreSetting> {
        self.not_built(name, "aws")
    }

    #[cfg(feature = "aws")]
    fn dynamo(&mut self, name: &str, rest: &str) -> Option<StoreSetting> {
        let (endpoint, table) = match rest.split_once('/') {
            Some((host, table)) => (Some(format!("http://{host}")), table),
            None => (None, rest),
        };
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !(3..=255).contains(&table.len()) || !table.chars().all(good) || endpoint.as_deref() == Some("http://") {
            let remedy = "set dynamodb://table or dynamodb://host:port/table; a table name has 3 to 255 letters, \
                          digits, _, . and -";
            self.fault(name, "does not name a valid table", remedy);
            return None;
        }
        Some(StoreSetting::Dynamo { endpoint, table: table.to_owned() })
    }

    /// Returns `None` if there are no keys or if a fault was recorded.
    fn sealing(&mut self) -> Option<(SealingKeys, bool)> {
        const NAME: &str = "CRM_ENCRYPTION_KEYS";
        const REMEDY: &str = "set name:key, with a key from `openssl rand -hex 32`";
        let takes_plain = self.flag("CRM_ENCRYPTION_TAKES_PLAIN", false);
        let value = self.environment.get(NAME)?;
        let mut keys: Option<SealingKeys> = None;
        for (name, text) in named(value) {
            let Some(key) = key_bytes(text) else {
                self.fault(NAME, format!("key `{name}` is not 32 bytes in base64 or hexadecimal digits"), REMEDY);
                return None;
            };
            let made = match keys.take() {
                None => SealingKeys::new(name, &key),
                Some(first) => first.and(name, &key),
            };
            match made {
                Ok(made) => keys = Some(made),
                Err(bad) => {
                    self.fault(NAME, bad.to_string(), REMEDY);
                    return None;
                }
            }
        }
        if keys.is_none() {
            self.fault(NAME, "contains no key", REMEDY);
        }
        keys.map(|keys| (keys, takes_plain))
    }

    fn sign_in(&mut self) -> Option<SignInSetting> {
        if self.choice("CRM_SIGN_IN", true, &[("own", true), ("outside", false)]) { self.own() } else { self.outside() }
    }

    fn own(&mut self) -> Option<SignInSetting> {
        let issuer = self.environment.get("CRM_ISSUER").unwrap_or("crm").to_owned();
        let audience = self.environment.get("CRM_AUDIENCE").unwrap_or(&issuer).to_owned();
        let access_seconds = self.number("CRM_ACCESS_SECONDS", 900, 60, 86_400);
        let checks_sessions = self.flag("CRM_CHECK_SESSIONS", false);
        let registration = self.flag("CRM_REGISTRATION", false);
        let keys = self.keys()?;
        let setup = self.program == Program::Local && !registration;
        Some(SignInSetting::Own { keys, issuer, audience, access_seconds, checks_sessions, registration, setup })
    }

    fn keys(&mut self) -> Option<KeyRing> {
        const NAME: &str = "CRM_SIGNING_KEYS";
        const REMEDY: &str = "set name:secret, with a secret from `openssl rand -base64 48`";
        let value = self.needed(NAME, REMEDY)?;
        let mut keys = Vec::new();
        for (name, text) in named(&value) {
            let made = if text.starts_with("-----BEGIN") {
                TokenKey::rs256(name, Zeroizing::new(text.replace("\\n", "\n")).as_bytes())
            } else {
                TokenKey::hs256(name, text.as_bytes())
            };
            match made {
                Ok(key) => keys.push(key),
                Err(KeyError::Weak(name)) => {
                    let problem =
                        format!("the secret of key `{name}` is too weak: at least 256 random bits are required");
                    self.fault(NAME, problem, REMEDY);
                }
                Err(error) => self.fault(NAME, error.to_string(), REMEDY),
            }
        }
        if self.faults.iter().any(|fault| fault.variable == NAME) {
            return None;
        }
        match KeyRing::new(keys) {
            Ok(ring) => Some(ring),
            Err(error) => {
                self.fault(NAME, error.to_string(), REMEDY);
                None
            }
        }
    }

    #[cfg(not(feature = "aws"))]
    fn outside(&mut self) -> Option<SignInSetting> {
        self.not_built("CRM_SIGN_IN", "aws")
    }

    #[cfg(feature = "aws")]
    fn outside(&mut self) -> Option<SignInSetting> {
        if self.program == Program::Demo {
            self.fault("CRM_SIGN_IN", "`outside` cannot be used with --demo", "remove it, or run without --demo");
        }
        let issuer = self.needed("CRM_OUTSIDE_ISSUER", "set the `iss` of the issuer's tokens");
        let audience =
            self.needed("CRM_OUTSIDE_AUDIENCE", "set the `aud` (Cognito: `client_id`) of the issuer's tokens");
        let organization = self.needed("CRM_OUTSIDE_ORGANIZATION", "set the slug of the organization");
        let given = self.environment.get("CRM_OUTSIDE_JWKS").map(str::to_owned);
        let usual = issuer.as_ref().map(|issuer| format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')));
        let jwks = given.or(usual)?;
        if !is_safe_url(&jwks) {
            self.fault(
                "CRM_OUTSIDE_JWKS",
                "is not an https URL",
                "set an https:// URL; keys fetched without TLS cannot be trusted",
            );
        }
        Some(SignInSetting::Outside { issuer: issuer?, audience: audience?, organization: organization?, jwks })
    }

    fn origins(&mut self) -> Vec<String> {
        const NAME: &str = "CRM_ALLOWED_ORIGINS";
        let all: Vec<String> = list(self.environment.get(NAME).unwrap_or_default()).map(str::to_owned).collect();
        for origin in &all {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
            if !host.is_some_and(|host| !host.is_empty() && host.chars().all(good)) {
                let problem = format!("{origin:?} is not an origin");
                self.fault(NAME, problem, "set scheme, host and optional port, such as https://app.example.com");
            }
        }
        all
    }

    fn log(&mut self) -> Option<String> {
        let filter = self.environment.get("CRM_LOG").unwrap_or("info").to_owned();
        if tracing_subscriber::EnvFilter::try_new(&filter).is_err() {
            let problem = format!("{filter:?} is not a valid filter");
            self.fault("CRM_LOG", problem, "set error, warn, info, debug, trace or module=level");
            return None;
        }
        Some(filter)
    }

    fn mailer(&mut self) -> Option<MailerSetting> {
        let which = self.choice("CRM_MAILER", 0, &[("none", 0), ("console", 1), ("ses", 2)]);
        let link = self.environment.get("CRM_MAIL_LINK").map(str::to_owned);
        if link.as_deref().is_some_and(|link| !is_safe_url(link) || link.contains('#')) {
            let remedy = "set an https:// URL without #; the token is appended as its fragment";
            self.fault("CRM_MAIL_LINK", "is not a valid URL for reset links", remedy);
        }
        match which {
            0 => Some(MailerSetting::None),
            1 => {
                if self.program == Program::Lambda {
                    let problem = "`console` would write reset tokens into the log";
                    self.fault("CRM_MAILER", problem, "set ses or none");
                }
                Some(MailerSetting::Console { link })
            }
            #[cfg(not(feature = "aws"))]
            _ => self.not_built("CRM_MAILER", "aws"),
            #[cfg(feature = "aws")]
            _ => {
                let from = self.needed("CRM_MAIL_FROM", "write an address that SES has verified");
                if link.is_none() {
                    self.fault("CRM_MAIL_LINK", "is not set", "set the URL of the page on which users set a password");
                }
                if from.as_deref().is_some_and(|from| !from.contains('@')) {
                    self.fault("CRM_MAIL_FROM", "is not an email address", "write an address that SES has verified");
                }
                Some(MailerSetting::Ses { from: from?, link: link? })
            }
        }
    }
}

/// Splits `name:value` pairs separated by commas; a value without a name is named `1`.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    list(text).map(|entry| match entry.split_once(':') {
        // An RSA key without a name begins with its PEM label, which may be followed by headers with colons.
        Some((name, value)) if !name.starts_with("-----BEGIN") => (name.trim(), value.trim()),
        _ => ("1", entry),
    })
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn key_bytes(text: &str) -> Option<[u8; 32]> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let mut key = [0; 32];
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        return Some(key);
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// `true` for https, and for http to the local machine.
fn is_safe_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<axum::http::Uri>() else { return false };
    let local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => local,
        _ => false,
    }
}

// What only AWS and PostgreSQL need is tested too.
#[cfg(all(test, feature = "aws", feature = "postgres", feature = "sqlite"))]
mod tests {
    use super::*;

    const SECRET: &str = "Zm9ydHkgZWlnaHQgYnl0ZXMgb2YgcmFuZG9tbmVzcywgbW9yZSBvciBsZXNz";

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let mut set = Environment::default();
        for (name, value) in pairs {
            set.set(name, *value).unwrap();
        }
        set
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Faults> {
        Settings::read(&environment(pairs), Program::Local)
    }

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        read(pairs).unwrap_err().0.into_iter().map(|fault| fault.variable).collect()
    }

    #[test]
    fn nothing_set_refuses_to_start_and_the_demo_starts() {
        assert_eq!(faults(&[]), ["CRM_SIGNING_KEYS"]);
        let on_lambda = |store: &str| {
            let set = environment(&[("CRM_STORE", store), ("CRM_SIGNING_KEYS", SECRET)]);
            Settings::read(&set, Program::Lambda).unwrap_err().to_string()
        };
        assert!(on_lambda("").contains("CRM_STORE: is not set"));
        assert!(on_lambda("sqlite://crm.db").contains("CRM_STORE: is a file"));
        let demo = Settings::read(&Environment::default(), Program::Demo).unwrap();
        assert_eq!(demo.store, StoreSetting::Sqlite("crm.db".into()));
        assert_eq!(demo.mailer, MailerSetting::Console { link: None });
        assert!(matches!(demo.sign_in, SignInSetting::Own { registration: true, .. }));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let told = read(&[
            ("CRM_STORE", "mysql://root:hunter2@db/crm"),
            ("CRM_SIGNING_KEYS", "old:hunter2"),
            ("CRM_ENCRYPTION_KEYS", "k:hunter2"),
            ("CRM_TIMEOUT_SECONDS", "900"),
            ("CRM_METRICS", "statsd"),
            ("CRM_ALLOWED_ORIGINS", "*, https://app.example.com/path"),
            ("CRM_MAILER", "ses"),
            ("CRM_CHECK_SESSIONS", "yes"),
            ("CRM_LOG", "info,=,"),
        ])
        .unwrap_err();
        let names: Vec<&str> = told.0.iter().map(|fault| fault.variable.as_str()).collect();
        for name in [
            "CRM_STORE",
            "CRM_SIGNING_KEYS",
            "CRM_ENCRYPTION_KEYS",
            "CRM_TIMEOUT_SECONDS",
            "CRM_METRICS",
            "CRM_ALLOWED_ORIGINS",
            "CRM_MAIL_FROM",
            "CRM_MAIL_LINK",
            "CRM_CHECK_SESSIONS",
            "CRM_LOG",
        ] {
            assert!(names.contains(&name), "{name} of {names:?}");
        }
        assert!(!told.to_string().contains("hunter2"), "{told}");
        assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        assert_eq!(told.to_string().lines().count(), told.0.len());
    }

    #[test]
    fn no_secret_is_shown() {
        let url = format!("postgres://crm:{SECRET}@db.example.com/crm?password={SECRET}");
        let settings = read(&[
            ("CRM_STORE", &url),
            ("CRM_SIGNING_KEYS", &format!("a:{SECRET}")),
            ("CRM_ENCRYPTION_KEYS", &"0123456789abcdef".repeat(4)),
        ])
        .unwrap();
        let shown = format!("{settings:?} {settings:#?} {}", settings.store);
        assert!(!shown.contains(SECRET) && !shown.contains("0123456789abcdef"), "{shown}");
        assert_eq!(settings.store.to_string(), "postgres://db.example.com/crm");
    }

    #[test]
    fn keys_have_names_and_the_first_signs() {
        let two = format!("2026-11:{SECRET}, 2026-05:{SECRET}x");
        let settings = read(&[("CRM_STORE", "memory"), ("CRM_SIGNING_KEYS", &two)]).unwrap();
        let SignInSetting::Own { keys, .. } = settings.sign_in else { panic!() };
        assert_eq!(keys.signing().kid, "2026-11");
        assert!(keys.by_name("2026-05").is_some());
        let settings = read(&[("CRM_STORE", "memory"), ("CRM_SIGNING_KEYS", SECRET)]).unwrap();
        let SignInSetting::Own { keys, .. } = settings.sign_in else { panic!() };
        assert_eq!(keys.signing().kid, "1");
        let same = format!("a:{SECRET},a:{SECRET}");
        assert_eq!(faults(&[("CRM_STORE", "memory"), ("CRM_SIGNING_KEYS", &same)]), ["CRM_SIGNING_KEYS"]);
        assert_eq!(faults(&[("CRM_STORE", "memory"), ("CRM_SIGNING_KEYS", ",")]), ["CRM_SIGNING_KEYS"]);
    }

    #[test]
    fn stores_are_named_by_address() {
        let store = |text: &str| Settings::read_store(&environment(&[("CRM_STORE", text)]));
        assert_eq!(
            store("dynamodb://127.0.0.1:8000/crm").unwrap(),
            StoreSetting::Dynamo { endpoint: Some("http://127.0.0.1:8000".into()), table: "crm".into() }
        );
        assert_eq!(
            store("dynamodb://crm-production").unwrap(),
            StoreSetting::Dynamo { endpoint: None, table: "crm-production".into() }
        );
        assert_eq!(store("").unwrap(), StoreSetting::Sqlite("crm.db".into()));
        assert_eq!(store("sqlite:///data/crm.db").unwrap(), StoreSetting::Sqlite("/data/crm.db".into()));
        for bad in ["sqlite://", "dynamodb://", "dynamodb:///crm", "dynamodb://a b c", "/tmp/db", "memory://"] {
            assert!(store(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_outside_issuer_needs_an_address_that_nobody_can_speak_for() {
        let base = [
            ("CRM_STORE", "memory"),
            ("CRM_SIGN_IN", "outside"),
            ("CRM_OUTSIDE_ISSUER", "https://issuer.example/"),
            ("CRM_OUTSIDE_AUDIENCE", "crm"),
            ("CRM_OUTSIDE_ORGANIZATION", "acme"),
        ];
        let SignInSetting::Outside { jwks, .. } = read(&base).unwrap().sign_in else { panic!() };
        assert_eq!(jwks, "https://issuer.example/.well-known/jwks.json");
        for (url, good) in [
            ("http://127.0.0.1:9/keys", true),
            ("http://issuer.example/keys", false),
            ("http://127.0.0.1.evil.example/keys", false),
            ("http://127.0.0.1@evil.example/keys", false),
            ("file:///keys", false),
        ] {
            let mut pairs = base.to_vec();
            pairs.push(("CRM_OUTSIDE_JWKS", url));
            assert_eq!(read(&pairs).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn tickets_never_go_into_the_log_of_a_function() {
        let key = format!("a:{SECRET}");
        let pairs = [("CRM_STORE", "memory"), ("CRM_SIGNING_KEYS", key.as_str()), ("CRM_MAILER", "console")];
        let told = Settings::read(&environment(&pairs), Program::Lambda).unwrap_err();
        assert_eq!(told.0[0].variable, "CRM_MAILER");
    }
}
