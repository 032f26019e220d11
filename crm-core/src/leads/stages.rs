//! Moving leads through their stages.

use super::record::Lead;
use crate::{
    engine::{collection::Collection, draft::Pending},
    model::{
        records::pipeline::StageKind,
        schema::{Patch, Record},
        value::Id,
    },
    pipelines::Staged,
};

impl Staged for Lead {
    const BOARD_SORT: &'static str = "created_at";
}

impl Collection<'_, Lead> {
    /// Moves a lead to its pipeline's lost stage, with the reason.
    pub fn disqualify(&self, id: Id<Lead>, reason: &str) -> Pending<Record<Lead>> {
        self.move_with(id, StageKind::Lost, &Patch::new().unqualified_reason(reason))
    }
}
