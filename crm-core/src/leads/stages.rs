//! Moving leads through their stages.

use super::record::Lead;
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

impl Collection<'_, Lead> {
    /// Moves a lead to a stage, by key (of its own pipeline) or id. Every gate of the stage applies.
    pub fn move_to(&self, id: Id, stage: impl Into<StageRef>) -> Pending<Record<Lead>> {
        moves::move_to(self, id, stage.into(), &Patch::new())
    }

    /// Moves a lead to a stage together with other changes, such as fields that the stage requires.
    pub fn move_with(&self, id: Id, stage: impl Into<StageRef>, patch: &Patch<Lead>) -> Pending<Record<Lead>> {
        moves::move_to(self, id, stage.into(), patch)
    }

    /// Moves a lead to its pipeline's lost stage, with the reason.
    pub fn disqualify(&self, id: Id, reason: &str) -> Pending<Record<Lead>> {
        moves::move_to(self, id, StageKind::Lost.into(), &Patch::new().unqualified_reason(reason))
    }

    /// Returns the board of a lead pipeline: its stages as columns, each with the records that the query selects, up to
    /// its limit per column. Costs two concurrent reads per stage.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such lead pipeline.
    pub async fn board(&self, pipeline: Id, query: &ListQuery) -> Result<Vec<Column<Record<Lead>>>, Error> {
        board(self, pipeline, query).await
    }
}
