//! The rules of custom property definitions.

use crate::{
    engine::{
        definitions::Definitions,
        draft::{Draft, Step, Stop},
        rules::{ClaimsOf, Rules, Settle},
        typing::{check_property, property_type},
    },
    model::{
        error::Faults,
        records::{
            pipeline::PipelineKind,
            property::{Property, PropertyType},
        },
        schema::{Image, MAX_TEXT, Record, RecordKind as _, one_line},
        value::{FaultCode, Kind, Value},
    },
};

/// The kinds that can have custom properties.
const KINDS: [Kind; 9] = [
    Kind::Organization,
    Kind::User,
    Kind::Company,
    Kind::Contact,
    Kind::Lead,
    Kind::Deal,
    Kind::Task,
    Kind::Interaction,
    Kind::Note,
];

impl Rules for Property {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if let Some(before) = before {
            let fixed = [
                ("kind", before.kind != after.kind),
                ("key", before.key != after.key),
                ("type", before.r#type != after.r#type),
                // Making a property unique later would require a job that claims all its values.
                ("unique", !before.unique && after.unique),
            ];
            for (field, changed) in fixed {
                if changed {
                    cx.faults.push(
                        field,
                        FaultCode::Fixed,
                        "cannot be changed: archive the property and create another",
                    );
                }
            }
        }
        let reused = |kind: Kind| {
            let archived = cx.definitions.properties(kind).iter().filter(|other| other.archived_at.is_some());
            archived.into_iter().any(|other| other.key == after.key)
        };
        if before.is_none() && after.kind.is_some_and(reused) {
            // Records still hold values of its type, claimed or not.
            cx.faults.push(
                "key",
                FaultCode::Archived,
                "is used by an archived property: restore that property or choose another key",
            );
        }
        if after.kind.is_some_and(|kind| !KINDS.contains(&kind)) {
            cx.faults.push("kind", FaultCode::UnknownChoice, "does not support custom properties");
        }
        let is_select = matches!(after.r#type, PropertyType::Select | PropertyType::MultiSelect);
        if is_select && after.options.is_empty() {
            cx.faults.push("options", FaultCode::Required, "must contain at least one option");
        }
        for (at, option) in after.options.iter_mut().enumerate() {
            match one_line(&option.value, MAX_TEXT) {
                Ok(value) => option.value = value.to_owned(),
                Err(fault) => cx.faults.add(format!("options[{at}].value"), fault),
            }
            match one_line(&option.label, MAX_TEXT) {
                Ok(label) => option.label = label.to_owned(),
                Err(fault) => cx.faults.add(format!("options[{at}].label"), fault),
            }
            if option.value.is_empty() || option.value.chars().count() > 255 {
                cx.faults.push(format!("options[{at}].value"), FaultCode::Required, "must have 1 to 255 characters");
            }
        }
        let mut values: Vec<&str> = after.options.iter().map(|option| option.value.as_str()).collect();
        values.sort_unstable();
        if values.windows(2).any(|pair| pair[0] == pair[1]) {
            cx.faults.push("options", FaultCode::Duplicate, "must have unique values");
        }
        if let Some(rules) = after.rules.clone() {
            if rules.min.zip(rules.max).is_some_and(|(min, max)| min > max) {
                cx.faults.push("rules.min", FaultCode::TooLarge, "must not be greater than rules.max");
            }
            // A default that a newer program set is kept, although this program cannot check it.
            let was = before.and_then(|before| Some(&before.rules.as_ref()?.default));
            let is_unknown = property_type(after).is_none() || matches!(rules.default, Value::Opaque(_));
            let stays = rules.default.is_null() || is_unknown && was == Some(&rules.default);
            if !stays
                && let Err(fault) = check_property(after, rules.default.clone(), None, cx.definitions.default_country())
            {
                cx.faults.add("rules.default", fault);
            }
        }
        if after.unique && property_type(after).is_some_and(|ty| ty.is_list()) {
            cx.faults.push("unique", FaultCode::WrongType, "is not supported for lists");
        }
    }

    fn follow(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, _: Step) -> Result<(), Stop> {
        let is_archived = after.is_archived() && !before.is_some_and(Image::is_archived);
        if is_archived { keep_asked_for(draft.cx.definitions, after) } else { Ok(()) }
    }

    const CLAIMS: Option<ClaimsOf<Self>> =
        Some(|property, _| property.kind.iter().map(|kind| ("key", format!("{kind} {}", property.key))).collect());
}

/// A property that a stage requires cannot be removed: without it no record could enter the stage.
fn keep_asked_for(definitions: &Definitions, after: &Image) -> Result<(), Stop> {
    let property = Property::decode(&after.values)?;
    let name = format!("properties.{}", property.key);
    let mut faults = Faults::new();
    for kind in [PipelineKind::Lead, PipelineKind::Deal] {
        if property.kind != kind.record_kind() {
            continue;
        }
        for pipeline in definitions.pipelines(kind) {
            for stage in pipeline.stages.iter().filter(|stage| !stage.retired) {
                let required = stage.required_fields.contains(&name);
                if !required && !stage.gate.as_ref().is_some_and(|gate| gate.names(&name)) {
                    continue;
                }
                let how = if required { "requires it" } else { "has a gate on it" };
                let message = format!(
                    "the stage `{}` of the pipeline `{}` {how}: update the stage first",
                    stage.key, pipeline.name
                );
                faults.push("archived_at", FaultCode::InUse, message);
            }
        }
    }
    faults.into_result()?;
    Ok(())
}
