//! The rules of scoring models: their definition is valid, and at most one per kind is active.

use super::{compiled, record::ScoringModel};
use crate::{
    engine::rules::{ClaimsOf, Rules, Settle},
    model::{error::FieldFault, schema::Record, value::FaultCode},
};

/// The maximum number of characters of a key: a score names it together with a version in 64 characters.
const MAX_KEY: usize = 40;

impl Rules for ScoringModel {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if let Some(before) = before {
            for (field, changed) in [("key", before.key != after.key), ("kind", before.kind != after.kind)] {
                if changed {
                    cx.faults.push(
                        field,
                        FaultCode::Fixed,
                        "cannot be changed, because scores refer to it: create another model",
                    );
                }
            }
        } else if cx.definitions.of::<Self>().any(|other| other.key == after.key && other.archived_at.is_some()) {
            // Old scores still name it.
            cx.faults.push(
                "key",
                FaultCode::Archived,
                "is used by an archived model: restore that model or choose another key",
            );
        }
        if after.key.chars().count() > MAX_KEY {
            cx.faults.push("key", FaultCode::TooLong, format!("must have at most {MAX_KEY} characters"));
        }
        // A definition that became invalid (a property was archived) is a fault only when it is changed or activated.
        let as_before = before
            .is_some_and(|before| before.definition == after.definition && (before.is_active || !after.is_active));
        if !as_before
            && let (Some(kind), Some(definition)) = (after.kind, &after.definition)
            && let Err(faults) = compiled::compile(definition, kind, cx.definitions, cx.occurred_at)
        {
            for FieldFault { field, fault } in faults.all() {
                // The kind is a field of the record; everything else belongs to the definition.
                let place = if field == "kind" { field.clone() } else { format!("definition.{field}") };
                cx.faults.add(place, fault.clone());
            }
        }
    }

    const CLAIMS: Option<ClaimsOf<Self>> = Some(|model, _| {
        let active = model.kind.filter(|_| model.is_active).map(|kind| ("is_active", kind.to_string()));
        std::iter::once(("key", model.key.clone())).chain(active).collect()
    });
}
