//! What both programs share, `crm-local` and the Lambda function `bootstrap`: their configuration from the environment,
//! and the CRM that it describes.
//!
//! [`Environment`] is read once, [`secrets`] fetches what an ARN names, [`Settings`] tells every fault at once, and
//! [`start()`] makes of it what the router needs.

pub mod background;
mod environment;
#[cfg(feature = "local")]
pub mod http;
mod jwks;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod logs;
mod mail;
pub mod secrets;
mod settings;
pub mod start;
pub mod stores;
mod worker;

pub use environment::{Environment, Fault, Faults, Program, VARIABLES, Variable};
pub use jwks::HttpJwks;
pub use mail::{ConsoleMailer, SesMailer};
pub use settings::{LogFormat, MailerSetting, Settings, SignInSetting, StoreSetting};
pub use start::{StartError, Started, start};
pub use worker::BlockingPool;

/// Region and credentials, as the AWS SDK finds them: the environment, a profile, the machine's own role.
async fn aws_config() -> aws_config::SdkConfig {
    // Boxed: it is twenty kilobytes of state, and whoever waits for it would carry them.
    Box::pin(aws_config::load_defaults(aws_config::BehaviorVersion::latest())).await
}
