//! The rules of pipelines and their stages.

use crate::{
    catalog,
    engine::{
        draft::{Draft, Step, Stop},
        rules::{ClaimsOf, Rules, Settle},
    },
    model::{
        error::Error,
        filter::Filter,
        records::pipeline::{Pipeline, PipelineFields, PipelineKind, StageKind},
        schema::{Image, MAX_TEXT, Record, one_line},
        value::{FaultCode, FieldValue as _, Kind, Ref, Value, fold, normalize_slug},
    },
};

impl PipelineKind {
    /// Returns the kind of the pipeline's records; `None` if this program does not know it.
    pub const fn record_kind(self) -> Option<Kind> {
        match self {
            PipelineKind::Lead => Some(Kind::Lead),
            PipelineKind::Deal => Some(Kind::Deal),
            PipelineKind::Unknown(_) => None,
        }
    }

    /// Returns the kind of pipelines for a kind of records; `None` if there is none.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Lead => Some(PipelineKind::Lead),
            Kind::Deal => Some(PipelineKind::Deal),
            _ => None,
        }
    }
}

impl Rules for Pipeline {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if before.is_some_and(|before| before.kind != after.kind) {
            cx.faults.push("kind", FaultCode::Fixed, "cannot be changed: create another pipeline");
        }
        for (at, stage) in after.stages.iter_mut().enumerate() {
            let field = |name: &str| format!("stages[{at}].{name}");
            if stage.id.is_nil() {
                stage.id = (cx.new_id)().typed();
            } else if before.is_none_or(|before| before.stage(stage.id).is_none())
                && cx.definitions.stage(stage.id).is_some()
            {
                // A stage is looked up by its id alone.
                cx.faults.push(
                    field("id"),
                    FaultCode::Duplicate,
                    "belongs to another pipeline: omit it for a new stage",
                );
            }
            match normalize_slug(&stage.key) {
                Ok(key) => stage.key = key,
                Err(fault) => cx.faults.add(field("key"), fault),
            }
            match one_line(&stage.name, MAX_TEXT) {
                Ok(name) => stage.name = name.to_owned(),
                Err(fault) => cx.faults.add(field("name"), fault),
            }
            if stage.name.is_empty() || stage.name.chars().count() > 255 {
                cx.faults.push(field("name"), FaultCode::Required, "must have 1 to 255 characters");
            }
            if stage.position == 0 {
                stage.position = i64::try_from(at).unwrap_or_default() + 1;
            }
            match stage.kind {
                StageKind::Won => stage.probability = 100,
                StageKind::Lost => stage.probability = 0,
                StageKind::Open | StageKind::Unknown(_) => {}
            }
            if !(0..=100).contains(&stage.probability) {
                cx.faults.push(field("probability"), FaultCode::TooLarge, "must be 0 to 100");
            }
            if stage.rotting_days.is_some_and(|days| days < 1) {
                cx.faults.push(field("rotting_days"), FaultCode::TooSmall, "must be at least 1");
            }
            let old = before.and_then(|before| before.stage(stage.id));
            if stage.retired && old.is_some_and(|old| !old.retired) && cx.action != "retire_stage" {
                let message = "cannot be set directly: use `retire_stage`, which moves the records of the stage";
                cx.faults.push(field("retired"), FaultCode::NeedsTarget, message);
            }
            if old.is_some_and(|old| old.kind != stage.kind) {
                cx.faults.push(
                    field("kind"),
                    FaultCode::Fixed,
                    "of a stage cannot be changed: retire the stage and add another",
                );
            }
        }
        check_stages(before, after, cx);
    }

    fn follow(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
        keep_default(draft, before, after, step)
    }

    const CLAIMS: Option<ClaimsOf<Self>> = Some(|pipeline, _| {
        let mut claims = vec![("name", format!("{} {}", pipeline.kind, fold(&pipeline.name)))];
        if pipeline.is_default {
            claims.push(("is_default", pipeline.kind.to_string()));
        }
        claims
    });
}

/// Checks the conditions between the stages of a pipeline.
fn check_stages(before: Option<&Record<Pipeline>>, after: &Pipeline, cx: &mut Settle<'_>) {
    let mut keys: Vec<&str> = after.stages.iter().map(|stage| stage.key.as_str()).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        cx.faults.push("stages", FaultCode::Duplicate, "must have unique keys");
    }
    let mut ids: Vec<_> = after.stages.iter().map(|stage| stage.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        cx.faults.push("stages", FaultCode::Duplicate, "must have unique ids");
    }
    if !after.stages.is_empty() && after.first_stage().is_none() {
        cx.faults.push("stages", FaultCode::Required, "must contain an open stage for new records");
    }
    for old in before.into_iter().flat_map(|before| before.stages.iter()) {
        if after.stage(old.id).is_none() {
            let message = format!("must contain the stage `{}`: retire a stage instead of removing it", old.key);
            cx.faults.push("stages", FaultCode::Fixed, message);
        }
    }
    let decl = after.kind.record_kind().map(catalog::decl);
    for (at, stage) in after.stages.iter().enumerate() {
        for key in &stage.allowed_from {
            if !keys.contains(&key.as_str()) {
                let message = format!("`{key}` is not a stage of this pipeline");
                cx.faults.push(format!("stages[{at}].allowed_from"), FaultCode::UnknownStage, message);
            }
        }
        // No record can enter a retired stage, and fields it required may no longer exist.
        let Some(decl) = decl.filter(|_| !stage.retired) else { continue };
        let old = before.and_then(|before| before.stage(stage.id));
        for name in &stage.required_fields {
            // A newer program may require fields that this one does not know: no record can then enter through this
            // one.
            let asked = old.is_some_and(|old| old.required_fields.contains(name));
            let known = match name.strip_prefix("properties.") {
                Some(key) => cx.definitions.property(decl.kind, key).is_some(),
                None => decl.field(name).map_or(asked, |field| !field.marks.secret),
            };
            if !known {
                let message = format!("`{}` has no field `{name}`", decl.kind);
                cx.faults.push(format!("stages[{at}].required_fields"), FaultCode::UnknownField, message);
            }
        }
        let held = |gate: &Filter| gate.is_unknown() && old.is_some_and(|old| old.gate.as_ref() == Some(gate));
        if let Some(gate) = stage.gate.as_ref().filter(|gate| !held(gate)) {
            for (field, fault) in crate::engine::stages::gates::compile_gate(decl, gate, cx.definitions, cx.occurred_at)
                .err()
                .into_iter()
                .flatten()
            {
                cx.faults.add(format!("stages[{at}].gate.{field}"), fault);
            }
        }
    }
}

/// Exactly one pipeline of a kind is the default: a new default replaces the old one in the same commit.
fn keep_default(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
    let is_default = |image: &Image| !image.is_archived() && image.at(PipelineFields::is_default) == &Value::Bool(true);
    let kind = |image: &Image| image.at(PipelineFields::kind).clone();
    let (was, is) = (before.is_some_and(is_default), is_default(after));
    if was && !is && !draft.written().any(|other| is_default(other) && kind(other) == kind(after)) {
        return Err(Error::invalid(
            "is_default",
            FaultCode::NeedsAnother,
            "set another pipeline as the default instead",
        )
        .into());
    }
    if was || !is {
        return Ok(());
    }
    let all = PipelineKind::from_value(&kind(after))?;
    let old: Vec<Ref> = draft
        .cx
        .definitions
        .pipelines(all)
        .iter()
        .filter(|pipeline| pipeline.is_default && pipeline.id.erase() != after.id)
        .map(|pipeline| Ref::new(Kind::Pipeline, pipeline.id))
        .collect();
    let at = PipelineFields::is_default as usize;
    for pipeline in old {
        draft.update_for_rule(pipeline, &[(at, Value::Bool(false))], Step::new(step.action, None))?;
    }
    Ok(())
}
