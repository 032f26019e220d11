//! Sign-in: the kinds it keeps, and with the feature `auth` its use cases.

pub mod records;
#[cfg(feature = "auth")]
mod use_cases;

#[cfg(feature = "auth")]
pub use use_cases::*;
