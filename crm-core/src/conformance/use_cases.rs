//! What a store must bear of the use cases above it. Cases that need a whole `Crm` on the store under test belong
//! here: they get the store from [`Lab::store`](super::Lab::store) and make their own actors.

use super::Case;

/// The cases of this theme.
pub(super) const CASES: &[Case] = &[];
