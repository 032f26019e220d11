//! The records that the engine itself reads: definitions, users and what they sign in with, rates and jobs. Their rules and use
//! cases stand in the folder of each, beside those of all other kinds.

pub mod api_key;
pub mod credential;
pub mod job;
pub mod organization;
pub mod pipeline;
pub mod property;
pub mod rate;
pub mod role;
pub mod session;
pub mod team;
pub mod user;
