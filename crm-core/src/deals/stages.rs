//! Moving deals through their stages.

use super::record::Deal;
use crate::{
    engine::{collection::Collection, draft::Pending},
    model::{
        records::pipeline::StageKind,
        schema::{Patch, Record},
        value::Id,
    },
    pipelines::Staged,
};

impl Staged for Deal {
    const BOARD_SORT: &'static str = "close_date";
}

impl Collection<'_, Deal> {
    /// Moves a deal to its pipeline's won stage.
    pub fn win(&self, id: Id<Deal>) -> Pending<Record<Deal>> {
        self.move_to(id, StageKind::Won)
    }

    /// Moves a deal to its pipeline's lost stage, with the reason.
    pub fn lose(&self, id: Id<Deal>, reason: &str) -> Pending<Record<Deal>> {
        self.move_with(id, StageKind::Lost, &Patch::new().close_reason(reason))
    }
}
