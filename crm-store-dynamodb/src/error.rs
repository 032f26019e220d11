//! What DynamoDB's and the network's errors mean here: what to try again, how, and what to say in the end.

use std::error::Error;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};
use crm_core::store::StoreError;

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Too many requests just now; surely nothing was done.
    Throttled,
    /// The request was never sent; surely nothing was done.
    NotSent,
    /// The answer was lost: nobody knows what was done.
    Lost,
    /// The same transaction, by its token, is being carried out.
    InProgress,
    /// Another transaction holds one of the items; surely nothing was done.
    Busy,
    /// The token belongs to another transaction; surely nothing was done.
    TokenTaken,
    /// The items are larger than a transaction may have; surely nothing was done.
    TooLarge,
    /// It will not be done, however often it is asked.
    Refused,
}

impl Failure {
    /// Whether a read that failed so may be tried again.
    pub(crate) const fn is_passing(self) -> bool {
        !matches!(self, Failure::Refused | Failure::TooLarge)
    }
}

/// What a failed call means.
pub(crate) fn classify<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::DispatchFailure(failed) if failed.is_user() => Failure::Refused,
        SdkError::DispatchFailure(_) if was_never_sent(error) => Failure::NotSent,
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Failure::Lost,
        SdkError::ServiceError(failed) => {
            let status = failed.raw().status().as_u16();
            match failed.err().code().unwrap_or_default() {
                "ThrottlingException"
                | "ThrottlingError"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "LimitExceededException" => Failure::Throttled,
                "TransactionInProgressException" => Failure::InProgress,
                "TransactionConflictException" | "ReplicatedWriteConflictException" => Failure::Busy,
                "IdempotentParameterMismatchException" => Failure::TokenTaken,
                "ValidationException" if speaks_of_size(failed.err().message()) => Failure::TooLarge,
                _ if status >= 500 => Failure::Lost,
                _ => Failure::Refused,
            }
        }
        _ => Failure::Refused,
    }
}

fn speaks_of_size(message: Option<&str>) -> bool {
    message.is_some_and(|message| {
        let message = message.to_ascii_lowercase();
        message.contains("size") && message.contains("exceed")
    })
}

/// A refused connection is a request that nobody got.
fn was_never_sent(error: &(dyn Error + 'static)) -> bool {
    let is_refused = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    let mut next = error.source();
    while let Some(cause) = next {
        if is_refused(cause) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// The store is unavailable, for this reason: with all its causes, since the SDK's own errors say "service error" only.
pub(crate) fn unavailable(error: impl Error) -> StoreError {
    StoreError::unavailable(DisplayErrorContext(error).to_string())
}

/// The feed has forgotten what comes after a cursor.
pub(crate) fn forgotten() -> StoreError {
    StoreError::BadQuery("the cursor is older than what the stream keeps: read the history instead".to_owned())
}
