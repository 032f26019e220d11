//! Authentication of requests: access tokens, API keys, the host's middleware, or an external issuer.

mod caller;
mod keys;
mod outside;
mod setup;
mod token;

pub(crate) use caller::{Caller, RequestOrigin, SessionCaller, Slot, Unauthenticated};
pub use keys::{KeyError, KeyRing, TokenKey};
pub use outside::{JwksError, JwksSource, OutsideIssuer, StaticJwks};
pub use setup::SetupToken;
pub(crate) use token::{Claims, VerifiedTokenCache};
