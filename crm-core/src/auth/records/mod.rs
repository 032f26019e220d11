//! The kinds that sign-in keeps. They are there without the feature `auth` too, since stores derive their tables from all kinds.

pub mod api_keys;
pub mod credentials;
pub mod security_events;
pub mod sessions;
pub mod throttles;
