//! Jobs: long work, done piece by piece, that tells how far it is and goes on where it was interrupted.

pub mod record;
mod rules;
mod run;

pub use record::*;
