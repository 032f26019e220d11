//! Where a record stands in its pipeline: the part of a lead's and a deal's rules that is one and the same.

use super::record::{PipelineKind, Stage};
use crate::{definitions::Definitions, value::Id};

/// Fills in the pipeline and stage of a record that names none: the default pipeline, and its first stage. A record
/// that names a stage alone gets that stage's pipeline.
pub(crate) fn fill(kind: PipelineKind, pipeline: &mut Option<Id>, stage: &mut Option<Id>, definitions: &Definitions) {
    if pipeline.is_none() {
        *pipeline = match stage.and_then(|id| definitions.stage(id)) {
            Some((of_stage, _)) => Some(of_stage.id),
            None => definitions.default_pipeline(kind).map(|pipeline| pipeline.id),
        };
    }
    if stage.is_none() {
        *stage = pipeline.and_then(|id| definitions.pipeline(id)?.first_stage().map(|stage| stage.id));
    }
}

/// The stage a record is in.
pub(crate) fn stage(definitions: &Definitions, stage: Option<Id>) -> Option<&Stage> {
    stage.and_then(|id| definitions.stage(id)).map(|(_, stage)| stage)
}
