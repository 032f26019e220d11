//! AWS: its configuration, secrets by ARN, email by SES, and the HTTPS client that fetches an external issuer's keys.

mod jwks;
mod mail;
pub mod secrets;

pub use jwks::HttpJwks;
pub use mail::SesMailer;

/// Region and credentials, as the AWS SDK finds them: in the environment, a profile, or the role of the machine.
pub(super) async fn config() -> aws_config::SdkConfig {
    // Boxed: it has twenty kilobytes of state, which every awaiting future would contain.
    Box::pin(aws_config::load_defaults(aws_config::BehaviorVersion::latest())).await
}
