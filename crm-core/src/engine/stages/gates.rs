//! The gates of stages: the conditions for a record to enter a stage. The draft checks them for every write that
//! changes a stage, so that no writer can bypass them.

use crate::{
    engine::{
        definitions::Definitions,
        stages::place::{PIPELINE, STAGE},
        typing::property_type,
    },
    model::{
        error::Faults,
        filter::{Compiler, Filter, Predicate, PropertyTypes},
        records::pipeline::{PipelineKind, Stage, StageKind},
        schema::{FieldType, Image, KindDecl},
        value::{Fault, FaultCode, Kind, Time, Value},
    },
};

/// All properties of a kind, none hidden: gates see the complete record, regardless of the actor.
struct Whole<'a> {
    definitions: &'a Definitions,
    kind: Kind,
}

impl PropertyTypes for Whole<'_> {
    fn property_type(&self, key: &str) -> Option<FieldType> {
        self.definitions.property(self.kind, key).and_then(|property| property_type(property))
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}

/// Compiles the gate of a stage.
///
/// # Errors
/// Every fault, by field.
pub(crate) fn compile_gate(
    decl: &KindDecl,
    gate: &Filter,
    definitions: &Definitions,
    now: Time,
) -> Result<Predicate, Vec<(String, Fault)>> {
    let properties = Whole { definitions, kind: decl.kind };
    let compiler = Compiler {
        decl,
        properties: &properties,
        now,
        calendar: definitions.calendar(),
        me: None,
        default_country: definitions.default_country(),
    };
    compiler.compile(gate)
}

/// Use cases that may move a record into or out of a closed stage when others may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// Any other write.
    Ordinary,
    /// The conversion of a lead: the only way into a won stage of leads.
    Convert,
    /// The undo of a conversion: the only way out.
    Unconvert,
}

/// Checks every gate of a move: the stage belongs to the pipeline and is not retired, the move is allowed, required
/// fields are filled, the gate's condition holds, and leads are converted only by conversion.
pub(crate) fn check(
    before: Option<&Image>,
    after: &Image,
    transition: Transition,
    definitions: &Definitions,
    now: Time,
    faults: &mut Faults,
) {
    let Some(kind) = PipelineKind::of(after.kind()) else { return };
    let (old, new) = (before.map(|image| image.get(STAGE)), after.get(STAGE));
    let same_pipeline = before.is_none_or(|image| image.get(PIPELINE) == after.get(PIPELINE));
    if old == Some(new) && same_pipeline {
        return;
    }
    let pipeline = after.get(PIPELINE).as_id().and_then(|id| definitions.pipeline(id.typed()));
    let Some(pipeline) = pipeline.filter(|pipeline| pipeline.kind == kind) else {
        let message = format!("must be a pipeline for {}", after.kind().plural());
        faults.push("pipeline_id", FaultCode::UnknownPipeline, message);
        return;
    };
    if pipeline.archived_at.is_some() && !(before.is_some() && same_pipeline) {
        faults.push("pipeline_id", FaultCode::Archived, "is archived and accepts no new records");
    }
    let Some(stage) = new.as_id().and_then(|id| pipeline.stage(id.typed())) else {
        let keys: Vec<&str> =
            pipeline.stages.iter().filter(|stage| !stage.retired).map(|stage| stage.key.as_str()).collect();
        let message = format!("must be a stage of the pipeline `{}`: {}", pipeline.name, keys.join(", "));
        faults.push("stage_id", FaultCode::StageOfOtherPipeline, message);
        return;
    };
    if stage.retired {
        faults.push(
            "stage_id",
            FaultCode::Retired,
            format!("the stage `{}` is retired and accepts no records", stage.key),
        );
    }
    let from = old.and_then(Value::as_id).and_then(|id| pipeline.stage(id.typed()));
    // The old stage may belong to another pipeline; a stage of unknown kind cannot be left either.
    let left = old.and_then(Value::as_id).and_then(|id| definitions.stage(id.typed())).map(|(_, stage)| stage);
    for unknown in [Some(stage), left].into_iter().flatten() {
        if let StageKind::Unknown(kind) = unknown.kind {
            let message = format!(
                "the stage `{}` is of the kind `{}`, which requires a newer version of the program",
                unknown.key,
                kind.as_str()
            );
            faults.push("stage_id", FaultCode::UnknownStageKind, message);
        }
    }
    // An undo may return to any stage, regardless of its `allowed_from`.
    if transition != Transition::Unconvert {
        check_move(from, stage, faults);
    }
    check_lead(before, kind, stage, transition, definitions, faults);
    for name in &stage.required_fields {
        if is_empty(after, name) {
            faults.push(
                name.as_str(),
                FaultCode::RequiredByStage,
                format!("is required to enter the stage `{}`", stage.key),
            );
        }
    }
    if let Some(gate) = &stage.gate {
        let passes = compile_gate(after.decl, gate, definitions, now).is_ok_and(|gate| gate.holds(after));
        if !passes {
            faults.push(
                "stage_id",
                FaultCode::Gate,
                format!("the record does not meet the entry condition of the stage `{}`", stage.key),
            );
        }
    }
}

fn check_move(from: Option<&Stage>, to: &Stage, faults: &mut Faults) {
    if to.allowed_from.is_empty() || from.is_some_and(|from| to.allowed_from.contains(&from.key)) {
        return;
    }
    let from = from.map_or("outside", |from| from.key.as_str());
    let message =
        format!("the stage `{}` can only be entered from {}, not from {from}", to.key, to.allowed_from.join(", "));
    faults.push("stage_id", FaultCode::MoveNotAllowed, message);
}

/// A lead enters a won stage only by conversion and leaves it only by the undo.
fn check_lead(
    before: Option<&Image>,
    kind: PipelineKind,
    to: &Stage,
    transition: Transition,
    definitions: &Definitions,
    faults: &mut Faults,
) {
    if kind != PipelineKind::Lead {
        return;
    }
    let was = before.and_then(|image| image.get(STAGE).as_id()).and_then(|id| definitions.stage(id.typed()));
    if to.kind == StageKind::Won && transition != Transition::Convert {
        faults.push("stage_id", FaultCode::ConvertOnly, "a lead cannot be moved to this stage: convert it instead");
    }
    if was.is_some_and(|(_, stage)| stage.kind == StageKind::Won) && transition != Transition::Unconvert {
        faults.push(
            "stage_id",
            FaultCode::Converted,
            "a converted lead cannot be moved: revert the conversion instead",
        );
    }
}

fn is_empty(image: &Image, name: &str) -> bool {
    match image.named(name) {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Bool(flag) => !flag,
        _ => false,
    }
}
