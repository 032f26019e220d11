//! The common part of the programs `crm-local` and `bootstrap`, the Lambda function: their configuration from the
//! environment, and the CRM that it describes.
//!
//! [`Environment`] is read once, `aws::secrets` fetches secrets given as an ARN, [`Settings`] reports all faults at once,
//! and [`start()`] creates what the router needs.

#[cfg(feature = "aws")]
pub mod aws;
pub mod background;
mod environment;
#[cfg(feature = "local")]
pub mod http;
#[cfg(feature = "sqlite")]
pub mod key_file;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod logs;
mod mail;
mod password_hasher;
mod settings;
pub mod start;
pub mod stores;

pub use environment::{Environment, Fault, Faults, Program, VARIABLES, Variable};
pub use mail::ConsoleMailer;
pub use password_hasher::BlockingPool;
pub use settings::{LogFormat, MailerSetting, Settings, SignInSetting, StoreSetting};
pub use start::{StartError, Started, start};
