//! The retry policy: the number of attempts and the delay between them.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use crm_core::store::StoreError;

use crate::error::{classify, forgotten, unavailable};

/// The retry policy for calls that fail temporarily (throttled, in conflict with another transaction, or with a lost
/// response). The store waits a random time up to `base × 2ⁿ`, and at most `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The total number of attempts, at least one.
    pub attempts: u32,
    /// The maximum delay before the second attempt.
    pub base: Duration,
    /// The maximum delay before any attempt.
    pub cap: Duration,
}

impl Default for Retry {
    /// Ten attempts within about four seconds.
    fn default() -> Self {
        Self { attempts: 10, base: Duration::from_millis(20), cap: Duration::from_secs(1) }
    }
}

impl Retry {
    /// Waits before the next attempt after `done` attempts. Returns `false` if no attempts are left.
    pub(crate) async fn wait(&self, done: u32) -> bool {
        if done >= self.attempts {
            return false;
        }
        tracing::debug!(attempt = done, "retrying after a temporary failure");
        let most = self.base.saturating_mul(1 << done.saturating_sub(1).min(16)).min(self.cap);
        tokio::time::sleep(most.mul_f64(jitter())).await;
        true
    }

    /// Executes a read, or an idempotent write, and retries it after temporary failures.
    pub(crate) async fn read<T, E, F>(&self, mut call: impl FnMut() -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut done = 0;
        loop {
            done += 1;
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) if classify(&error).is_passing() => {
                    if !self.wait(done).await {
                        return Err(unavailable(error));
                    }
                }
                Err(error) if error.code() == Some("TrimmedDataAccessException") => return Err(forgotten()),
                Err(error) => return Err(unavailable(error)),
            }
        }
    }
}

/// A random number from 0 to 1. The standard library's seed for hash maps is random enough to spread callers.
fn jitter() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / f64::from(u32::MAX)
}
