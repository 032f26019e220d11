//! Where a record stands in its pipeline: the part of a lead's and a deal's rules that is one and the same.

use crate::{
    engine::definitions::Definitions,
    model::{
        records::pipeline::{PipelineKind, Stage, StageKind},
        value::Id,
    },
};

/// The field of the pipeline that a record is in, of every kind that goes through one.
pub(crate) const PIPELINE: &str = "pipeline_id";
/// The field of the stage.
pub(crate) const STAGE: &str = "stage_id";
/// The field of the time at which it entered the stage.
pub(crate) const ENTERED_AT: &str = "stage_entered_at";

/// What explains why a record is in a closed stage (a reason, a note) is kept while it moves among stages of the same
/// kind, and goes with any other move out of a closed stage: it says nothing of the next one, and what that asks for is
/// asked again. What the input names stays, except where it is only sent back with a move to an open stage.
pub(crate) fn keep_explanation<T: PartialEq>(
    moved: (Option<StageKind>, StageKind),
    was: Option<&Option<T>>,
    explanation: &mut Option<T>,
    named: bool,
) {
    let (Some(from), to) = moved else { return };
    if from.is_open() || from == to {
        return;
    }
    let sent_back = to.is_open() && was == Some(&*explanation);
    if !named || sent_back {
        *explanation = None;
    }
}

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
