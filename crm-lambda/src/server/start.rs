//! From a configuration to the CRM and the router's own configuration: everything that is made once, before the first
//! request.

use std::{sync::Arc, time::Duration};

use crm_core::{
    Crm, Error,
    access::Actor,
    auth::{Mailer, NoMailer, Policy},
    store::StoreError,
    value::Id,
};

use super::{
    BlockingPool, ConsoleMailer, HttpJwks, MailerSetting, Program, SesMailer, Settings, SignInSetting, StoreSetting,
    aws_config, stores::Opened,
};
use crate::{Config, OutsideIssuer, OwnSignIn, SignIn};

/// How long a store may take to answer for the first time: Lambda gives a function ten seconds to begin.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why a deployment cannot start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not answer.
    #[error("the store {store} cannot be reached: {why}")]
    OutOfReach {
        /// Which, without its secrets.
        store: String,
        /// What it says.
        why: String,
    },
    /// The store answers, and is not what it should be.
    #[error("the store {store} is not ready: {why}. Run `crm-local migrate`, or set CRM_MIGRATE=true")]
    NotReady {
        /// Which, without its secrets.
        store: String,
        /// What it says.
        why: String,
    },
    /// There is no organization of the slug that an outside issuer's users are said to be of.
    #[error("CRM_OUTSIDE_ORGANIZATION: organization `{0}` not found: create it first or correct the slug")]
    NoOrganization(String),
}

/// What has been made.
#[derive(Debug)]
pub struct Started {
    /// The CRM.
    pub crm: Crm,
    /// How it is served.
    pub config: Config,
    /// Its store.
    pub store: Opened,
    /// How it signs in, where it does so itself.
    pub policy: Policy,
}

/// Opens the store, migrates it where that was asked for, asks it for a first answer (which also makes connections and
/// their encryption), and makes clients and keys.
///
/// # Errors
/// [`StartError`].
pub async fn start(settings: &Settings, program: Program) -> Result<Started, StartError> {
    let store = open(&settings.store, settings.connections, program).await?;
    if settings.migrate {
        let done = migrate(&settings.store, &store).await?;
        tracing::info!(done, "migrated");
    }
    let crm =
        Crm::builder_shared(store.store(settings.sealing.as_ref())).max_clock_skew(settings.max_clock_skew).build();
    let (answered, mailer) = tokio::join!(first_answer(&settings.store, &crm), mailer(&settings.mailer));
    answered?;
    let policy = Policy { worker: Arc::new(BlockingPool::new(settings.hashing_at_once)), mailer, ..Policy::default() };
    let config = Config {
        sign_in: sign_in(&crm, &settings.sign_in, &settings.store, &policy).await?,
        trusted_proxies: settings.trusted_proxies,
        allowed_origins: settings.allowed_origins.clone(),
        requests_per_minute: settings.requests_per_minute,
        sign_ins_per_minute: settings.sign_ins_per_minute,
        timeout: settings.timeout,
        metrics: settings.metrics,
        docs: settings.docs,
        on_server_error: None,
    };
    Ok(Started { crm, config, store, policy })
}

/// Opens a store, and says in words where it cannot be reached.
///
/// # Errors
/// [`StartError::OutOfReach`].
pub async fn open(setting: &StoreSetting, connections: u32, program: Program) -> Result<Opened, StartError> {
    within(setting, Opened::open(setting, connections, program)).await?.map_err(|error| out_of_reach(setting, &error))
}

/// Brings a store up to date, and says in words what was done.
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

/// How the AWS SDK begins to tell an error once more, for those who mend the SDK.
const FOR_PROGRAMMERS: [&str; 5] =
    [" (DispatchFailure(", " (ServiceError(", " (TimeoutError(", " (ConstructionFailure(", " (ResponseError("];

/// An error with what caused it, in one line: the outer one alone rarely tells.
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

/// Reads what is not there: whatever the answer costs for the first time is paid before a request waits for it.
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
        MailerSetting::Ses { from, link } => {
            let config = aws_config().await;
            Arc::new(SesMailer::new(aws_sdk_sesv2::Client::new(&config), from, link))
        }
    }
}

async fn sign_in(
    crm: &Crm,
    setting: &SignInSetting,
    store: &StoreSetting,
    policy: &Policy,
) -> Result<SignIn, StartError> {
    match setting {
        SignInSetting::Own { keys, issuer, audience, access_seconds, checks_sessions, registration } => {
            Ok(SignIn::Own(Box::new(OwnSignIn {
                audience: audience.clone(),
                access_seconds: *access_seconds,
                checks_sessions: *checks_sessions,
                registration: *registration,
                ..OwnSignIn::new(keys.clone(), issuer, policy.clone())
            })))
        }
        SignInSetting::Outside { issuer, audience, organization, jwks } => {
            let tenant = crm.tenant_by_slug(organization).await.map_err(|error| match error {
                Error::NotFound(_) => StartError::NoOrganization(organization.clone()),
                other => not_ready(store, &other),
            })?;
            Ok(SignIn::Outside(Box::new(OutsideIssuer::new(issuer, audience, tenant, HttpJwks::new(jwks)))))
        }
    }
}
