//! Secrets given as an ARN, fetched from AWS Secrets Manager or the Parameter Store of Systems Manager.
//!
//! - `arn:aws:secretsmanager:region:account:secret:name` is the text of the secret; with `:key` appended, the text
//!   under that key of a secret that is a JSON object.
//! - `arn:aws:ssm:region:account:parameter/name` is the text of the parameter, decrypted.

use std::fmt;

use aws_config::{Region, SdkConfig};

use crate::server::{Environment, Fault, Faults};

/// The resource of an ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Secret { region: String, id: String, key: Option<String> },
    Parameter { region: String, name: String },
}

impl Named {
    /// Ignores the partition: `aws`, `aws-cn`, `aws-us-gov`.
    fn of(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "secretsmanager", region, _, "secret", name, rest @ ..] if !name.is_empty() => {
                let key = match rest {
                    [] | [""] => None,
                    [key] => Some((*key).to_owned()),
                    _ => return None,
                };
                Some(Self::Secret { region: (*region).to_owned(), id: parts[..7].join(":"), key })
            }
            ["arn", _, "ssm", region, _, path] => {
                path.strip_prefix("parameter/").filter(|name| !name.is_empty())?;
                Some(Self::Parameter { region: (*region).to_owned(), name: arn.to_owned() })
            }
            _ => None,
        }
    }
}

/// Replaces each ARN by the text of its secret. Sends no request to AWS if no ARN is set.
///
/// # Errors
/// All secrets that could not be fetched.
pub async fn fetch(environment: &mut Environment) -> Result<(), Faults> {
    let arns = environment.arns();
    if arns.is_empty() {
        return Ok(());
    }
    let config = super::config().await;
    fetch_with(&config, environment, arns).await
}

async fn fetch_with(
    config: &SdkConfig,
    environment: &mut Environment,
    arns: Vec<(&'static str, String)>,
) -> Result<(), Faults> {
    // Concurrently: each is a round trip that a cold start waits for.
    let fetched = arns.into_iter().map(|(variable, arn)| {
        let config = config.clone();
        let task = tokio::spawn(async move { one(&config, &arn).await });
        (variable, task)
    });
    let mut faults = Vec::new();
    for (variable, task) in fetched.collect::<Vec<_>>() {
        let text = task.await.unwrap_or_else(|error| Err(Refused::new("fetching failed", &error)));
        match text {
            Ok(text) => faults.extend(environment.set(variable, text).err()),
            Err(Refused { problem, remedy }) => faults.push(Fault::new(variable, problem, remedy)),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

struct Refused {
    problem: String,
    remedy: &'static str,
}

impl Refused {
    fn new(what: &str, error: &impl fmt::Display) -> Self {
        let remedy = "check the ARN and the permission to read it";
        Self { problem: format!("{what}: {error}"), remedy }
    }
}

async fn one(config: &SdkConfig, arn: &str) -> Result<String, Refused> {
    let wrong = |problem: &str| Refused {
        problem: problem.to_owned(),
        remedy: "set the ARN of a Secrets Manager secret or a Systems Manager parameter",
    };
    match Named::of(arn).ok_or_else(|| wrong("is not the ARN of a secret or parameter"))? {
        Named::Secret { region, id, key } => {
            let own = aws_sdk_secretsmanager::config::Builder::from(config).region(Region::new(region)).build();
            let client = aws_sdk_secretsmanager::Client::from_conf(own);
            let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
                let error = aws_sdk_secretsmanager::error::DisplayErrorContext(error);
                Refused::new("the secret cannot be read", &error)
            })?;
            let text = answer.secret_string().ok_or_else(|| wrong("is not a text secret"))?;
            match key {
                None => Ok(text.to_owned()),
                Some(key) => member(text, &key).ok_or_else(|| wrong("the secret has no text under that key")),
            }
        }
        Named::Parameter { region, name } => {
            let own = aws_sdk_ssm::config::Builder::from(config).region(Region::new(region)).build();
            let client = aws_sdk_ssm::Client::from_conf(own);
            let answer = client.get_parameter().name(name).with_decryption(true).send().await.map_err(|error| {
                let error = aws_sdk_ssm::error::DisplayErrorContext(error);
                Refused::new("the parameter cannot be read", &error)
            })?;
            let text = answer.parameter().and_then(|parameter| parameter.value());
            text.map(str::to_owned).ok_or_else(|| wrong("is not a text parameter"))
        }
    }
}

fn member(text: &str, key: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(text).ok()?;
    object.get(key)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_secrets_keys_of_secrets_and_parameters() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:crm/signing-AbCdEf";
        let region = || "eu-west-1".to_owned();
        let plain = Named::Secret { region: region(), id: secret.into(), key: None };
        assert_eq!(Named::of(secret), Some(plain));
        let keyed = Named::Secret { region: region(), id: secret.into(), key: Some("url".into()) };
        assert_eq!(Named::of(&format!("{secret}:url")), Some(keyed));
        let parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/crm/store";
        assert_eq!(Named::of(parameter), Some(Named::Parameter { region: region(), name: parameter.into() }));
        for bad in [
            "arn:aws:s3:::bucket",
            "arn:aws:secretsmanager:eu-west-1:1:secret:",
            "arn:aws:secretsmanager:eu-west-1:1:secret:a:b:c:d",
            "arn:aws:ssm:eu-west-1:1:document/x",
            "arn:",
        ] {
            assert_eq!(Named::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_of_a_json_secret_is_its_text() {
        assert_eq!(member(r#"{"url":"postgres://x","port":5432}"#, "url").as_deref(), Some("postgres://x"));
        assert_eq!(member(r#"{"url":"postgres://x","port":5432}"#, "port"), None);
        assert_eq!(member("no json", "url"), None);
    }
}
