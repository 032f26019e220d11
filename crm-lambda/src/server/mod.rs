//! The common part of the programs `crm-local` and `bootstrap`, the Lambda function: their configuration from the
//! environment, and the CRM that it describes.
//!
//! [`Environment`] is read once, [`secrets`] fetches secrets given as an ARN, [`Settings`] reports all faults at once,
//! and [`start()`] creates what the router needs.

pub mod background;
mod environment;
#[cfg(feature = "local")]
pub mod http;
mod jwks;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod logs;
mod mail;
mod password_hasher;
pub mod secrets;
mod settings;
pub mod start;
pub mod stores;

pub use environment::{Environment, Fault, Faults, Program, VARIABLES, Variable};
pub use jwks::HttpJwks;
pub use mail::{ConsoleMailer, SesMailer};
pub use password_hasher::BlockingPool;
pub use settings::{LogFormat, MailerSetting, Settings, SignInSetting, StoreSetting};
pub use start::{StartError, Started, start};

/// Region and credentials, as the AWS SDK finds them: in the environment, a profile, or the role of the machine.
async fn aws_config() -> aws_config::SdkConfig {
    // Boxed: it has twenty kilobytes of state, which every awaiting future would contain.
    Box::pin(aws_config::load_defaults(aws_config::BehaviorVersion::latest())).await
}
