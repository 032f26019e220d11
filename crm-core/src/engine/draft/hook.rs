//! What takes part in a commit besides the use case that decides it.

use super::{Draft, Lookup, Stop};
use crate::engine::definitions::Definitions;

/// Takes part in every commit: sees what was decided, and may write more or refuse, in the same commit. It is not asked where
/// nothing was written; it is where nothing is stored in the end (a dry run).
pub trait CommitHook: Send + Sync {
    /// What [`CommitHook::after`] is likely to look at, by what the decision surely reads: read along, in the one round
    /// trip. What it needs and did not name here costs a round trip more.
    fn also_read(&self, _definitions: &Definitions, _reads: &[Lookup]) -> Vec<Lookup> {
        Vec::new()
    }

    /// Called once the decision is made, with the draft as it left it. Called again whenever it is decided again, so it
    /// does nothing but read and write the draft.
    ///
    /// # Errors
    /// [`Stop`] of what it reads, to be passed on; an error to refuse the commit.
    fn after(&self, draft: &mut Draft<'_>) -> Result<(), Stop>;
}
