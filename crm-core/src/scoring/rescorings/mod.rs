//! What is due to be scored again: a kind of its own, so that a sweep finds it by an index and reads nothing else.

mod record;
mod rules;

pub use record::{Reached, Rescoring, RescoringFields};
