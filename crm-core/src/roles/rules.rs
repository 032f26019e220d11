//! The rules of roles.

use super::record::Role;
use crate::{
    access::{FieldAccess, Permission},
    catalog,
    rules::{Rules, Settle},
    schema::{Record, Section},
    value::{Id, Kind},
};

impl Rules for Role {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if before.is_none_or(|before| (&before.grants, &before.withheld) != (&after.grants, &after.withheld)) {
            // What the program gives anyway is not stored besides. To give back what is withheld is to withhold it no more.
            let given = after.built_in_grants();
            after.grants.retain(|grant| !given.contains(grant));
            check_withheld(before, after, cx);
        }
        if let Some(before) = before.filter(|before| before.is_builtin) {
            if before.key != after.key {
                cx.faults.push("key", "fixed", "of a built-in role cannot change");
            }
            if before.key == "admin" {
                // It grants everything already: what it could inherit is what it must not have, a field rule.
                let changed = [
                    ("grants", before.grants != after.grants),
                    ("withheld", before.withheld != after.withheld),
                    ("field_rules", before.field_rules != after.field_rules),
                    ("inherits", before.inherits != after.inherits),
                ];
                for (field, _) in changed.into_iter().filter(|(_, changed)| *changed) {
                    let message = "of the role `admin` cannot change: somebody must be able to see and do everything";
                    cx.faults.push(field, "fixed", message);
                }
            }
        }
        for (at, grant) in after.grants.iter().enumerate() {
            let is_new = before.is_none_or(|before| !before.grants.contains(grant));
            if let Some(condition) = grant.condition.as_ref().filter(|_| is_new) {
                let decl = catalog::decl(grant.resource);
                let own_fields = OwnFields { definitions: cx.definitions, kind: grant.resource };
                let compiler = crate::filter::Compiler {
                    decl,
                    properties: &own_fields,
                    now: cx.occurred_at,
                    calendar: cx.definitions.calendar(),
                    // Whoever holds the role.
                    me: Some(Id::NIL),
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
            if !known && before.is_none_or(|before| !before.field_rules.contains(rule)) {
                let message = format!("`{}` has no field `{}`", rule.kind, rule.field);
                cx.faults.push(format!("field_rules[{at}].field"), "unknown_field", message);
            }
            let kept =
                catalog::decl(rule.kind).field(&rule.field).is_some_and(|field| field.section == Section::System);
            let defines = matches!(rule.kind, Kind::Organization | Kind::Pipeline | Kind::Property | Kind::Team);
            if (kept || defines) && rule.access == FieldAccess::Hidden {
                let message = if kept {
                    "cannot be hidden: a record's id and its history tell it"
                } else {
                    "cannot be hidden: it is what records of other kinds are shown by"
                };
                cx.faults.push(format!("field_rules[{at}].field"), "not_hideable", message);
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

/// Only a built-in role withholds anything, and of what the program gives it. An entry that a newer program stored stays:
/// to take it off would give what this program cannot name.
fn check_withheld(before: Option<&Record<Role>>, after: &Role, cx: &mut Settle<'_>) {
    let given = after.built_in_grants();
    for (at, text) in after.withheld.iter().enumerate() {
        if before.is_some_and(|before| before.withheld.contains(text)) {
            continue;
        }
        let field = format!("withheld[{at}]");
        match text.parse::<Permission>() {
            Err(message) => cx.faults.push(field, "unknown_permission", message),
            Ok(one) if given.iter().any(|grant| Permission::new(grant.resource, grant.action) == one) => {}
            Ok(one) => {
                let message = format!("`{one}` cannot be withheld: the program does not give it to this role");
                cx.faults.push(field, "not_given", message);
            }
        }
    }
    let unknown = before.iter().flat_map(|before| &before.withheld).filter(|text| text.parse::<Permission>().is_err());
    for text in unknown.filter(|text| !after.withheld.contains(text)) {
        let message = format!("must keep `{text}`, which a newer version of the program stored");
        cx.faults.push("withheld", "unknown_permission", message);
    }
}

struct OwnFields<'a> {
    definitions: &'a crate::definitions::Definitions,
    kind: Kind,
}

impl crate::filter::PropertyTypes for OwnFields<'_> {
    fn property_type(&self, key: &str) -> Option<crate::schema::FieldType> {
        self.definitions
            .property(self.kind, key)
            .and_then(|property| crate::properties::typing::property_type(property))
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}
