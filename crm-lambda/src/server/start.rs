//! Startup: creates the CRM and the router's configuration from the settings, before the first request.

use std::{sync::Arc, time::Duration};

use crm_core::{
    Crm, Error,
    access::Actor,
    auth::{Mailer, NoMailer, Policy, Secret},
    store::StoreError,
    value::Id,
};

#[cfg(feature = "aws")]
use super::aws;
use super::{BlockingPool, ConsoleMailer, MailerSetting, Settings, SignInSetting, StoreSetting, stores::Opened};
use crate::{Config, Console, OwnSignIn, SetupToken, SignIn};

/// The timeout of the store's first response: Lambda gives a function ten seconds to initialize.
const PATIENCE: Duration = Duration::from_secs(8);

/// The reason why a deployment cannot start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not respond.
    #[error("the store {store} cannot be reached: {why}")]
    OutOfReach {
        /// The store, without its secrets.
        store: String,
        /// The error.
        why: String,
    },
    /// The store responds, but is not ready.
    #[error("the store {store} is not ready: {why}. Run `crm-local migrate`, or set CRM_MIGRATE=true")]
    NotReady {
        /// The store, without its secrets.
        store: String,
        /// The error.
        why: String,
    },
    /// There is no organization with the slug that is configured for the users of an external issuer.
    #[error("CRM_OUTSIDE_ORGANIZATION: organization `{0}` not found: create it first or correct the slug")]
    NoOrganization(String),
}

/// A started deployment.
#[derive(Debug)]
pub struct Started {
    /// The CRM.
    pub crm: Crm,
    /// The configuration of the router.
    pub config: Config,
    /// The store.
    pub store: Opened,
    /// The policy of the CRM's own sign-in.
    pub policy: Policy,
    /// The one-time token for the first organization, if the store has none and nobody may register.
    pub setup: Option<Secret>,
}

/// Opens the store, migrates it if configured, waits for a first response (which also establishes connections and their
/// encryption), and creates clients and keys.
///
/// # Errors
/// [`StartError`].
pub async fn start(settings: &Settings) -> Result<Started, StartError> {
    let store = open(&settings.store).await?;
    if settings.migrate {
        let done = migrate(&settings.store, &store).await?;
        tracing::info!(done, "migrated");
    }
    let crm =
        Crm::builder_shared(store.store(settings.sealing.as_ref())).max_clock_skew(settings.max_clock_skew).build();
    let (answered, mailer) = tokio::join!(first_answer(&settings.store, &crm), mailer(&settings.mailer));
    answered?;
    let policy = Policy { worker: Arc::new(BlockingPool::new(settings.hashing_at_once)), mailer, ..Policy::default() };
    let (sign_in, setup) = match &settings.sign_in {
        SignInSetting::Own { keys, issuer, audience, access_seconds, checks_sessions, registration, setup: offers } => {
            let is_empty = async || crm.tenants(None, 1).await.map(|tenants| tenants.is_empty());
            let is_new = *offers && is_empty().await.map_err(|error| not_ready(&settings.store, &error))?;
            let (token, secret) = SetupToken::generate().filter(|_| is_new).unzip();
            let own = OwnSignIn {
                setup: token,
                audience: audience.clone(),
                access_seconds: *access_seconds,
                checks_sessions: *checks_sessions,
                registration: *registration,
                ..OwnSignIn::new(keys.clone(), issuer, policy.clone())
            };
            (SignIn::Own(Box::new(own)), secret)
        }
        #[cfg(feature = "aws")]
        SignInSetting::Outside { issuer, audience, organization, jwks } => {
            (outside(&crm, &settings.store, (issuer, audience, organization, jwks)).await?, None)
        }
    };
    let config = Config {
        sign_in,
        trusted_proxies: settings.trusted_proxies,
        allowed_origins: settings.allowed_origins.clone(),
        requests_per_minute: settings.requests_per_minute,
        sign_ins_per_minute: settings.sign_ins_per_minute,
        timeout: settings.timeout,
        metrics: settings.metrics,
        docs: settings.docs,
        console: settings.console.then(Console::default),
        on_server_error: None,
    };
    Ok(Started { crm, config, store, policy, setup })
}

/// Opens a store, with a readable error if it is unreachable.
///
/// # Errors
/// [`StartError::OutOfReach`].
pub async fn open(setting: &StoreSetting) -> Result<Opened, StartError> {
    within(setting, Opened::open(setting)).await?.map_err(|error| out_of_reach(setting, &error))
}

/// Migrates a store, and returns a description of what was done.
///
/// # Errors
/// [`StartError::OutOfReach`].
pub async fn migrate(setting: &StoreSetting, store: &Opened) -> Result<String, StartError> {
    store.migrate().await.map_err(|error| out_of_reach(setting, &error))
}

async fn within<T>(setting: &StoreSetting, work: impl Future<Output = T>) -> Result<T, StartError> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| StartError::OutOfReach {
        store: setting.to_string(),
        why: format!("no answer in {} seconds", PATIENCE.as_secs()),
    })
}

/// Beginnings of the part of an AWS SDK error that repeats the error for developers of the SDK.
const FOR_PROGRAMMERS: [&str; 5] =
    [" (DispatchFailure(", " (ServiceError(", " (TimeoutError(", " (ConstructionFailure(", " (ResponseError("];

/// An error with its causes, in one line: the outermost error alone is rarely informative.
fn line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let mut text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(end) = FOR_PROGRAMMERS.iter().filter_map(|begin| text.find(begin)).min() {
            text.truncate(end);
        }
        if !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
        next = error.source();
    }
    told.join(": ")
}

fn out_of_reach(setting: &StoreSetting, error: &StoreError) -> StartError {
    StartError::OutOfReach { store: setting.to_string(), why: line(error) }
}

/// Reads a record that does not exist, so that no request has to wait for the one-time costs of the first response.
async fn first_answer(setting: &StoreSetting, crm: &Crm) -> Result<(), StartError> {
    let nobody = Actor::system(Id::NIL);
    match within(setting, crm.view_many(&nobody, &[])).await? {
        Ok(_) => Ok(()),
        Err(error) => Err(not_ready(setting, &error)),
    }
}

fn not_ready(setting: &StoreSetting, error: &Error) -> StartError {
    let (store, why) = (setting.to_string(), line(error));
    // PostgreSQL says `relation … does not exist`, DynamoDB `ResourceNotFoundException`.
    if why.contains("does not exist") || why.contains("ResourceNotFound") || why.contains("non-existent table") {
        StartError::NotReady { store, why }
    } else {
        StartError::OutOfReach { store, why }
    }
}

async fn mailer(setting: &MailerSetting) -> Arc<dyn Mailer> {
    match setting {
        MailerSetting::None => Arc::new(NoMailer),
        MailerSetting::Console { link } => Arc::new(ConsoleMailer { link: link.clone() }),
        #[cfg(feature = "aws")]
        MailerSetting::Ses { from, link } => {
            let config = aws::config().await;
            Arc::new(aws::SesMailer::new(aws_sdk_sesv2::Client::new(&config), from, link))
        }
    }
}

#[cfg(feature = "aws")]
async fn outside(
    crm: &Crm,
    store: &StoreSetting,
    (issuer, audience, organization, jwks): (&str, &str, &str, &str),
) -> Result<SignIn, StartError> {
    let tenant = crm.tenant_by_slug(organization).await.map_err(|error| match error {
        Error::NotFound(_) => StartError::NoOrganization(organization.to_owned()),
        other => not_ready(store, &other),
    })?;
    Ok(SignIn::Outside(Box::new(crate::OutsideIssuer::new(issuer, audience, tenant, aws::HttpJwks::new(jwks)))))
}
