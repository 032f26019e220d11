//! The rules of roles.

use crate::{
    catalog,
    engine::{
        access::{
            RoleSet,
            escalation::{demand_no_more, hold_own_rights, raises},
        },
        draft::{Draft, Step, Stop},
        rules::{Rules, Settle},
    },
    model::{
        access::{FieldAccess, Permission},
        error::Error,
        records::role::{Role, RoleFields},
        schema::{Image, Record, RecordKind as _, Section},
        value::{FaultCode, Id, Kind},
    },
};

impl Rules for Role {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if before.is_none_or(|before| (&before.grants, &before.withheld) != (&after.grants, &after.withheld)) {
            // Grants of the program are not stored again. A withheld permission is restored by removing it from
            // `withheld`.
            let given = cx.definitions.given(after);
            after.grants.retain(|grant| !given.contains(grant));
            check_withheld(before, after, cx);
        }
        if let Some(before) = before.filter(|before| before.is_builtin) {
            if before.key != after.key {
                cx.faults.push("key", FaultCode::Fixed, "of a built-in role cannot be changed");
            }
            if before.key == "admin" {
                // It grants everything already; inheriting could only add field rules, which it must not have.
                let changed = [
                    ("grants", before.grants != after.grants),
                    ("withheld", before.withheld != after.withheld),
                    ("field_rules", before.field_rules != after.field_rules),
                    ("inherits", before.inherits != after.inherits),
                ];
                for (field, _) in changed.into_iter().filter(|(_, changed)| *changed) {
                    let message = "of the role `admin` cannot be changed";
                    cx.faults.push(field, FaultCode::Fixed, message);
                }
            }
        }
        for (at, grant) in after.grants.iter().enumerate() {
            let is_new = before.is_none_or(|before| !before.grants.contains(grant));
            if let Some(condition) = grant.condition.as_ref().filter(|_| is_new) {
                let decl = catalog::decl(grant.resource);
                let own_fields = OwnFields { definitions: cx.definitions, kind: grant.resource };
                let compiler = crate::model::filter::Compiler {
                    decl,
                    properties: &own_fields,
                    now: cx.occurred_at,
                    calendar: cx.definitions.calendar(),
                    // Compiled for a holder who is not known yet.
                    me: Some(Id::default()),
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
                cx.faults.push(format!("field_rules[{at}].field"), FaultCode::UnknownField, message);
            }
            let kept =
                catalog::decl(rule.kind).field(&rule.field).is_some_and(|field| field.section == Section::System);
            let defines = matches!(rule.kind, Kind::Organization | Kind::Pipeline | Kind::Property | Kind::Team);
            if (kept || defines) && rule.access == FieldAccess::Hidden {
                let message = if kept {
                    "cannot be hidden, because the record's id and history reveal it"
                } else {
                    "cannot be hidden, because it is used to display other records"
                };
                cx.faults.push(format!("field_rules[{at}].field"), FaultCode::NotHideable, message);
            }
        }
        if let Some(before) = before {
            let mut open: Vec<Id<Role>> = after.inherits.clone();
            let mut seen: Vec<Id<Role>> = Vec::new();
            while let Some(id) = open.pop() {
                if id == before.id {
                    cx.faults.push(
                        "inherits",
                        FaultCode::Cycle,
                        "a role cannot inherit from itself, directly or indirectly",
                    );
                    break;
                }
                if !seen.contains(&id) {
                    seen.push(id);
                    open.extend(cx.definitions.role(id).into_iter().flat_map(|role| role.inherits.iter().copied()));
                }
            }
        }
    }

    /// An actor who grants something in a role must hold it and be subject to at least the same field rules; and nobody
    /// may extend the grants of a role of their own.
    fn permit(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
        let fields = [RoleFields::grants, RoleFields::withheld, RoleFields::inherits, RoleFields::field_rules];
        let changed = |before: &Image| {
            fields.into_iter().any(|field| before.at(field) != after.at(field))
                || before.is_archived() != after.is_archived()
        };
        if !before.is_none_or(changed) {
            return Ok(());
        }
        let definitions = draft.cx.definitions;
        let role = Self::decode(&after.values)?;
        let inherited = definitions.role_set(&role.inherits);
        let rules = role.field_rules.iter().chain(inherited.rules());
        let unread = inherited.unread().chain(role.has_unread(after).then_some(after.id.typed()));
        let whole = RoleSet::new(definitions.granted_by(&role).chain(inherited.all()), rules).of(false, unread);
        demand_no_more(draft, &whole, &whole)?;
        if before.is_some() {
            // Without the limits of an API key, which stay the same.
            let mine = draft.cx.access.role_ids();
            let changed = Record::from_image(after)?;
            if raises(&definitions.role_set(mine), &definitions.role_set_with(mine, &changed)) {
                return Err(Error::OwnRights { field: "grants" }.into());
            }
        }
        hold_own_rights(draft, after)
    }

    fn follow(_: &mut Draft<'_>, _: Option<&Image>, after: &Image, _: Step) -> Result<(), Stop> {
        if after.is_archived() && after.at(RoleFields::key).as_text() == Some("admin") {
            let message = "the role `admin` cannot be archived";
            return Err(Error::invalid("archived_at", FaultCode::Fixed, message).into());
        }
        Ok(())
    }
}

/// Only a built-in role withholds permissions, and only those that the program gives it. An entry of a newer program
/// stays: removing it would grant a permission that this program does not know.
fn check_withheld(before: Option<&Record<Role>>, after: &Role, cx: &mut Settle<'_>) {
    let given = cx.definitions.given(after);
    for (at, text) in after.withheld.iter().enumerate() {
        if before.is_some_and(|before| before.withheld.contains(text)) {
            continue;
        }
        let field = format!("withheld[{at}]");
        match text.parse::<Permission>() {
            Err(message) => cx.faults.push(field, FaultCode::UnknownPermission, message),
            Ok(one) if given.iter().any(|grant| Permission::new(grant.resource, grant.action) == one) => {}
            Ok(one) => {
                let message = format!("`{one}` cannot be withheld: the built-in role does not grant it");
                cx.faults.push(field, FaultCode::NotGiven, message);
            }
        }
    }
    let unknown = before.iter().flat_map(|before| &before.withheld).filter(|text| text.parse::<Permission>().is_err());
    for text in unknown.filter(|text| !after.withheld.contains(text)) {
        let message = format!("must contain `{text}`, which was stored by a newer version of the program");
        cx.faults.push("withheld", FaultCode::UnknownPermission, message);
    }
}

struct OwnFields<'a> {
    definitions: &'a crate::engine::definitions::Definitions,
    kind: Kind,
}

impl crate::model::filter::PropertyTypes for OwnFields<'_> {
    fn property_type(&self, key: &str) -> Option<crate::model::schema::FieldType> {
        self.definitions.property(self.kind, key).and_then(|property| crate::engine::typing::property_type(property))
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}
