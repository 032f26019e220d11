//! Authentication of requests: access tokens, API keys, the host's middleware, or an external issuer.

mod caller;
mod keys;
mod outside;
mod token;

pub(crate) use caller::{Caller, Origined, SessionCaller, Slot, Stranger};
pub use keys::{KeyError, KeyRing, TokenKey};
pub use outside::{JwksError, JwksSource, OutsideIssuer, StaticJwks};
pub(crate) use token::{BelievedTokens, Claims};
