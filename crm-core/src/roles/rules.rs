//! The rules of roles.

use super::record::Role;
use crate::{
    catalog,
    rules::{Rules, Settle},
    schema::Record,
    value::Id,
};

impl Rules for Role {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if let Some(before) = before.filter(|before| before.is_builtin) {
            if before.key != after.key {
                cx.faults.push("key", "fixed", "of a built-in role cannot change");
            }
            if before.key == "admin" && (before.grants != after.grants || before.field_rules != after.field_rules) {
                cx.faults.push(
                    "grants",
                    "fixed",
                    "of the role `admin` cannot change: somebody must be able to do everything",
                );
            }
        }
        for (at, grant) in after.grants.iter().enumerate() {
            if let Some(condition) = &grant.condition {
                let decl = catalog::decl(grant.resource);
                let own_fields = OwnFields { definitions: cx.definitions, kind: grant.resource };
                let compiler = crate::filter::Compiler {
                    decl,
                    properties: &own_fields,
                    now: cx.occurred_at,
                    zone: cx.definitions.zone(),
                    default_country: cx.definitions.default_country(),
                };
                for (field, fault) in compiler.compile(condition).err().into_iter().flatten() {
                    cx.faults.add(format!("grants[{at}].condition.{field}"), fault);
                }
            }
        }
        for (at, rule) in after.field_rules.iter().enumerate() {
            let known = match rule.field.strip_prefix("properties.") {
                Some(key) => cx.definitions.property(rule.kind, key).is_some(),
                None => catalog::decl(rule.kind).field(&rule.field).is_some(),
            };
            if !known {
                let message = format!("`{}` has no field `{}`", rule.kind, rule.field);
                cx.faults.push(format!("field_rules[{at}].field"), "unknown_field", message);
            }
        }
        if let Some(before) = before {
            let mut open: Vec<Id> = after.inherits.clone();
            let mut seen: Vec<Id> = Vec::new();
            while let Some(id) = open.pop() {
                if id == before.id {
                    cx.faults.push("inherits", "cycle", "a role cannot inherit from itself, not even through others");
                    break;
                }
                if !seen.contains(&id) {
                    seen.push(id);
                    open.extend(cx.definitions.role(id).into_iter().flat_map(|role| role.inherits.iter().copied()));
                }
            }
        }
    }
}

struct OwnFields<'a> {
    definitions: &'a crate::definitions::Definitions,
    kind: crate::value::Kind,
}

impl crate::filter::PropertyTypes for OwnFields<'_> {
    fn property_type(&self, key: &str) -> Option<crate::schema::FieldType> {
        self.definitions.property(self.kind, key).map(|property| crate::properties::typing::property_type(property))
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}
