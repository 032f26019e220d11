//! The position of a record in its pipeline: the rules that leads and deals share.

use crate::{
    engine::definitions::Definitions,
    model::{
        records::pipeline::{Pipeline, PipelineKind, Stage, StageKind},
        value::Id,
    },
};

/// The field of the pipeline, for every kind that has pipelines.
pub(crate) const PIPELINE: &str = "pipeline_id";
/// The field of the stage.
pub(crate) const STAGE: &str = "stage_id";
/// The field of the time of entry into the stage.
pub(crate) const ENTERED_AT: &str = "stage_entered_at";

/// Keeps the explanation of a closed stage (reason, note) on a move between stages of the same kind, and clears it on
/// any other move out of a closed stage, because it does not apply to the next stage and a required one must be given
/// again. A value in the input is kept, unless it is the unchanged old value in a move to an open stage.
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

/// Fills in a missing pipeline and stage: the default pipeline, and its first stage. A record with a stage only gets
/// the pipeline of that stage.
pub(crate) fn fill(
    kind: PipelineKind,
    pipeline: &mut Option<Id<Pipeline>>,
    stage: &mut Option<Id<Stage>>,
    definitions: &Definitions,
) {
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

pub(crate) fn stage(definitions: &Definitions, stage: Option<Id<Stage>>) -> Option<&Stage> {
    stage.and_then(|id| definitions.stage(id)).map(|(_, stage)| stage)
}
