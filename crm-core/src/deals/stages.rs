//! Moving deals through their stages.

use super::record::Deal;
use crate::{
    engine::{collection::Collection, draft::Pending, listing::ListQuery},
    model::{
        error::Error,
        records::pipeline::StageKind,
        schema::{Patch, Record},
        value::Id,
    },
    pipelines::{
        Column, board,
        moves::{self, StageRef},
    },
};

impl Collection<'_, Deal> {
    /// Moves a deal to a stage, by key (of its own pipeline) or id. Every gate of the stage applies.
    pub fn move_to(&self, id: Id, stage: impl Into<StageRef>) -> Pending<Record<Deal>> {
        moves::move_to(self, id, stage.into(), &Patch::new())
    }

    /// Moves a deal to a stage together with other changes, such as fields that the stage requires.
    pub fn move_with(&self, id: Id, stage: impl Into<StageRef>, patch: &Patch<Deal>) -> Pending<Record<Deal>> {
        moves::move_to(self, id, stage.into(), patch)
    }

    /// Moves a deal to its pipeline's won stage.
    pub fn win(&self, id: Id) -> Pending<Record<Deal>> {
        moves::move_to(self, id, StageKind::Won.into(), &Patch::new())
    }

    /// Moves a deal to its pipeline's lost stage, with the reason.
    pub fn lose(&self, id: Id, reason: &str) -> Pending<Record<Deal>> {
        moves::move_to(self, id, StageKind::Lost.into(), &Patch::new().close_reason(reason))
    }

    /// Returns the board of a deal pipeline: its stages as columns, each with the records that the query selects, up to
    /// its limit per column. Costs two concurrent reads per stage.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such deal pipeline.
    pub async fn board(&self, pipeline: Id, query: &ListQuery) -> Result<Vec<Column<Record<Deal>>>, Error> {
        board(self, pipeline, query).await
    }
}
