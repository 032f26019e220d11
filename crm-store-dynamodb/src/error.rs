//! Classification of DynamoDB and network errors: which to retry, how, and what to report in the end.

use std::error::Error;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};
use crm_core::store::StoreError;

/// The meaning of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request was throttled; nothing was written.
    Throttled,
    /// The request was never sent; nothing was written.
    NotSent,
    /// The response was lost; the outcome is unknown.
    Lost,
    /// A transaction with the same token is in progress.
    InProgress,
    /// Another transaction holds one of the items; nothing was written.
    Busy,
    /// The token belongs to another transaction; nothing was written.
    TokenTaken,
    /// The items exceed the size limit of a transaction; nothing was written.
    TooLarge,
    /// The request is permanently rejected.
    Refused,
}

impl Failure {
    /// Returns `true` if a read that failed with this may be retried.
    pub(crate) const fn is_passing(self) -> bool {
        !matches!(self, Failure::Refused | Failure::TooLarge)
    }
}

/// Classifies a failed call.
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

/// If the connection is refused, the request was never sent.
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

/// Returns an unavailable error with all causes, because the SDK's own errors display only "service error".
pub(crate) fn unavailable(error: impl Error) -> StoreError {
    StoreError::unavailable(DisplayErrorContext(error).to_string())
}

/// The changes after a cursor are no longer in the stream.
pub(crate) fn forgotten() -> StoreError {
    StoreError::BadQuery("the cursor has expired: the stream no longer contains it; read the log instead".to_owned())
}
