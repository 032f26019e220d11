//! Delivery of email through Amazon SES.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sesv2::{
    Client,
    error::DisplayErrorContext,
    types::{Body, Content, Destination, EmailContent, Message},
};
use crm_core::auth::{Email, Mail, MailError, Mailer};

use crate::server::mail::{letter, link_to, plain};

/// The minimum duration of a delivery, whether or not an email is sent: longer than SES usually takes, so that the
/// duration does not reveal whether one was sent.
const PACE: Duration = Duration::from_millis(600);
/// Sends emails with Amazon SES, as plain text.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: Client,
    from: String,
    link: String,
}

impl SesMailer {
    /// Creates a mailer with a sender address `from` and links to the page `link`.
    pub fn new(client: Client, from: impl Into<String>, link: impl Into<String>) -> Self {
        Self { client, from: from.into(), link: link.into() }
    }

    fn words(&self, mail: &Mail) -> (String, String) {
        let Email { name, organization, expires_at, .. } = letter(mail);
        let (name, organization, link) = (plain(name), plain(organization), link_to(&self.link, mail));
        let (subject, why, else_) = match mail {
            Mail::Invitation(_) => (
                format!("You are invited to {organization}"),
                format!("You have been invited to {organization}. Set your password here:"),
                "If you did not expect this invitation, you can ignore this email.",
            ),
            Mail::PasswordReset(_) => (
                format!("Reset your password for {organization}"),
                format!("A password reset was requested for your account at {organization}. Set a new password here:"),
                "If you did not request this, you can ignore this email. Your password will not change.",
            ),
        };
        let body = format!(
            "Hello {name},\n\n{why}\n\n{link}\n\nThe link can be used once and expires at {expires_at}.\n\n{else_}\n"
        );
        (subject, body)
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), MailError> {
        let (subject, body) = self.words(mail);
        let content = |text: String| Content::builder().data(text).charset("UTF-8").build();
        let unfit = |_| MailError("the email could not be created".to_owned());
        let message = Message::builder()
            .subject(content(subject).map_err(unfit)?)
            .body(Body::builder().text(content(body).map_err(unfit)?).build())
            .build();
        self.client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(&letter(mail).to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await
            .map_err(|error| {
                // SES errors contain addresses, never the text of the email.
                tracing::warn!(error = %DisplayErrorContext(&error), "SES did not accept the email");
                MailError("the mail service did not accept the email".to_owned())
            })?;
        Ok(())
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let (sent, ()) = tokio::join!(self.hand_over(&mail), self.pretend());
        sent
    }

    async fn pretend(&self) {
        tokio::time::sleep(PACE).await;
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::server::mail::tests::mail;

    fn ses(status: u16, body: &'static str) -> (SesMailer, StaticReplayClient) {
        let answer = axum::http::Response::builder().status(status).body(SdkBody::from(body)).unwrap();
        let request = axum::http::Request::builder().uri("https://ses").body(SdkBody::empty()).unwrap();
        let replay = StaticReplayClient::new(vec![ReplayEvent::new(request, answer)]);
        let config = aws_sdk_sesv2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled())
            .http_client(replay.clone())
            .build();
        (SesMailer::new(Client::from_conf(config), "crm@example.com", "https://app.example.com/sign-in"), replay)
    }

    #[tokio::test(start_paused = true)]
    async fn ses_gets_a_letter_and_pretending_takes_as_long() {
        let (mailer, replay) = ses(200, r#"{"MessageId":"1"}"#);
        let begun = tokio::time::Instant::now();
        mailer.send(mail()).await.unwrap();
        let sending = begun.elapsed();
        mailer.pretend().await;
        assert_eq!(begun.elapsed(), sending * 2);
        let sent = replay.actual_requests().next().unwrap();
        let body: serde_json::Value = serde_json::from_slice(sent.body().bytes().unwrap()).unwrap();
        assert_eq!(body["Destination"]["ToAddresses"], serde_json::json!(["ada@example.com"]));
        let text = body["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
        assert!(text.contains("https://app.example.com/sign-in#reset=tick%26et&organization=acme"), "{text}");
        assert!(!body["Content"]["Simple"]["Subject"]["Data"].as_str().unwrap().contains(['\r', '\n', '\u{1b}']));
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_that_ses_refuses_is_told_without_its_ticket() {
        let (mailer, _) = ses(400, r#"{"message":"Email address is not verified"}"#);
        let error = mailer.send(mail()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("tick"), "{error:?}");
    }
}
