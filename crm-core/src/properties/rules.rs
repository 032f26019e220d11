//! The rules of custom property definitions.

use super::{
    record::{Property, PropertyType},
    typing::{check_property, property_type},
};
use crate::{
    rules::{ClaimsOf, Rules, Settle},
    schema::{MAX_TEXT, Record, one_line},
    value::{Kind, Value},
};

/// The kinds that have custom properties.
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
                // Making a property unique later is a claiming job over all its values.
                ("unique", !before.unique && after.unique),
            ];
            for (field, changed) in fixed {
                if changed {
                    cx.faults.push(field, "fixed", "cannot change: archive the property and add another");
                }
            }
        }
        let reused = |kind: Kind| {
            let archived = cx.definitions.properties(kind).iter().filter(|other| other.archived_at.is_some());
            archived.into_iter().any(|other| other.key == after.key)
        };
        if before.is_none() && after.kind.is_some_and(reused) {
            // Records still hold its values, of its type, claimed or not as it was.
            cx.faults.push("key", "archived", "is the key of an archived property: restore that one, or take another");
        }
        if after.kind.is_some_and(|kind| !KINDS.contains(&kind)) {
            cx.faults.push("kind", "unknown_choice", "has no custom properties");
        }
        let is_select = matches!(after.r#type, PropertyType::Select | PropertyType::MultiSelect);
        if is_select && after.options.is_empty() {
            cx.faults.push("options", "required", "a select needs at least one option");
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
                cx.faults.push(format!("options[{at}].value"), "required", "must have 1 to 255 characters");
            }
        }
        let mut values: Vec<&str> = after.options.iter().map(|option| option.value.as_str()).collect();
        values.sort_unstable();
        if values.windows(2).any(|pair| pair[0] == pair[1]) {
            cx.faults.push("options", "duplicate", "must differ in their values");
        }
        if let Some(rules) = after.rules.clone() {
            if rules.min.zip(rules.max).is_some_and(|(min, max)| min > max) {
                cx.faults.push("rules.min", "too_large", "must not be more than rules.max");
            }
            // What a newer program set stays, though this one cannot tell whether it is right.
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
            cx.faults.push("unique", "wrong_type", "a list cannot be unique");
        }
    }

    const CLAIMS: Option<ClaimsOf<Self>> =
        Some(|property, _| property.kind.iter().map(|kind| ("key", format!("{kind} {}", property.key))).collect());
}
