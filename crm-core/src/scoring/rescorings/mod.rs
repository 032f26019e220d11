//! The rescore queue: dirty marks of records whose score is due. They are a kind of their own, so that a sweep finds
//! them by an index and reads nothing else.

mod record;
mod rules;

pub use record::*;
