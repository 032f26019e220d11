//! Commit hooks: code of a system that takes part in commits decided by use cases.

use super::{Draft, Lookup, Stop};
use crate::engine::definitions::Definitions;

/// Takes part in every commit: it sees the decided changes and may add writes or refuse, in the same commit. It is not
/// called if nothing is written. It is called for a dry run.
pub trait CommitHook: Send + Sync {
    /// Returns the lookups that [`CommitHook::after`] is likely to need, given those of the decision. They are read in
    /// the same round trip. A lookup not named here costs an additional round trip.
    fn also_read(&self, _definitions: &Definitions, _reads: &[Lookup]) -> Vec<Lookup> {
        Vec::new()
    }

    /// Called after the decision, with the resulting draft. It is called again each time the decision is made again, so
    /// it must only read and write the draft.
    ///
    /// # Errors
    /// The [`Stop`] of a read, passed on, or an error that refuses the commit.
    fn after(&self, draft: &mut Draft<'_>) -> Result<(), Stop>;
}
