//! The public keys of an external issuer, fetched over HTTPS with the client of the AWS SDK: no redirects, limited
//! size, limited time.

use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::HttpConnector;
use http_body_util::{BodyExt as _, Limited};
use jsonwebtoken::jwk::JwkSet;

use crate::{JwksError, JwksSource};

/// The timeout of a fetch.
const PATIENCE: Duration = Duration::from_secs(5);
/// The maximum size of the response in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Keys published at a URL.
#[derive(Debug)]
pub struct HttpJwks {
    url: String,
    connector: Connector,
}

impl HttpJwks {
    /// Creates a source that fetches from `url`. Nothing is requested yet.
    pub fn new(url: impl Into<String>) -> Self {
        let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
        Self { url: url.into(), connector }
    }

    async fn fetch(&self) -> Result<JwkSet, JwksError> {
        let failed = |what: &str| JwksError(format!("{}: {what}", self.url));
        let request = axum::http::Request::get(&self.url)
            .header("accept", "application/json")
            .body(aws_smithy_types::body::SdkBody::empty())
            .map_err(|_| failed("is no address"))?;
        let request = request.try_into().map_err(|_| failed("is no address"))?;
        let answer = self.connector.call(request).await.map_err(|error| {
            use std::error::Error as _;
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            failed(&format!("cannot be reached ({error} {why})"))
        })?;
        if answer.status().as_u16() != 200 {
            return Err(failed(&format!("answers with status {}", answer.status().as_u16())));
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let bytes = body.map_err(|_| failed("was interrupted or the response is too large"))?.to_bytes();
        serde_json::from_slice(&bytes).map_err(|_| failed("did not return a JSON Web Key Set"))
    }
}

#[async_trait]
impl JwksSource for HttpJwks {
    async fn keys(&self) -> Result<JwkSet, JwksError> {
        let fetched = tokio::time::timeout(PATIENCE, self.fetch()).await;
        fetched.unwrap_or_else(|_| Err(JwksError(format!("{}: took too long", self.url))))
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};

    use super::*;

    async fn serve() -> String {
        let keys = r#"{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}"#;
        let redirect = (StatusCode::FOUND, [("location", "/keys")], "");
        let app = Router::new()
            .route("/keys", get(move || async move { keys }))
            .route("/redirect", get(move || async move { redirect.into_response() }))
            .route("/huge", get(|| async { vec![b' '; MAX_ANSWER + 1] }))
            .route("/never", get(std::future::pending::<&'static str>))
            .route("/page", get(|| async { "<html>" }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn keys_are_read_and_nothing_else_is_followed() {
        let base = serve().await;
        let set = HttpJwks::new(format!("{base}/keys")).keys().await.unwrap();
        assert_eq!(set.keys[0].common.key_id.as_deref(), Some("a"));
        for (path, told) in
            [("redirect", "status 302"), ("huge", "too large"), ("page", "JSON Web Key Set"), ("none", "status 404")]
        {
            let error = HttpJwks::new(format!("{base}/{path}")).keys().await.unwrap_err();
            assert!(error.to_string().contains(told), "{path}: {error}");
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let error = HttpJwks::new(format!("http://{closed}/keys")).keys().await.unwrap_err();
        assert!(error.to_string().contains("cannot be reached"), "{error}");
    }

    #[tokio::test]
    async fn an_issuer_that_never_answers_is_given_up() {
        let base = serve().await;
        // Paused time advances to the next timer once all tasks are idle.
        tokio::time::pause();
        let error = HttpJwks::new(format!("{base}/never")).keys().await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
