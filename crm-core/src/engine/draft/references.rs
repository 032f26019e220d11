//! Checks of references: a referenced record must exist, be active and be visible to the actor, and hierarchies must
//! have no cycle.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Draft, Stop, gate};
use crate::{
    engine::typing::property_type,
    model::{
        error::Faults,
        records::{
            team::{Team, TeamFields},
            user::UserFields,
        },
        schema::{FieldType, Image, common},
        value::{FaultCode, Id, Kind, Ref, Value},
    },
};

const MAX_HIERARCHY: usize = 20;

/// Checks every reference that a write adds. Records that have not been read are added to the missing lookups; the
/// caller stops for them.
pub(crate) fn check(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    faults: &mut Faults,
) -> Result<(), Stop> {
    for (field, target) in new_references(draft, before, after) {
        if field == "shared_with" && !matches!(target.kind, Kind::User | Kind::Team) {
            faults.push(field, FaultCode::WrongKind, "must refer to users or teams");
            continue;
        }
        if let Some(exists) = draft.cx.definitions.may_refer(target.kind, target.id) {
            // A definition created by this commit (such as the roles of a bootstrap) is in the draft but not cached
            // yet.
            if !exists && !draft.written().any(|made| made.reference() == target && !made.is_archived()) {
                missing(&field, target, faults);
            }
            continue;
        }
        let found = match draft.peek(target) {
            Ok(found) => found,
            Err(Stop::Need(lookups)) => {
                // Requested together with all others; the caller stops for them.
                draft.want_all(lookups);
                continue;
            }
            Err(refuse) => return Err(refuse),
        };
        let may_name = match &found {
            None => false,
            // An actor may assign a record to a user whom they cannot see; all other targets must be visible.
            Some(_) if target.kind == Kind::User => true,
            Some(image) => match gate::may_read(draft, image) {
                Ok(may) => may,
                Err(Stop::Need(lookups)) => {
                    draft.want_all(lookups);
                    continue;
                }
                Err(refuse) => return Err(refuse),
            },
        };
        match found.filter(|_| may_name) {
            None => missing(&field, target, faults),
            Some(image) if image.is_archived() => {
                faults.push(field, FaultCode::Archived, format!("refers to an archived {}", target.kind));
            }
            Some(image) if target.kind == Kind::User && image.at(UserFields::is_active) == &Value::Bool(false) => {
                faults.push(field, FaultCode::Inactive, "refers to an inactive user");
            }
            Some(_) => {}
        }
    }
    check_hierarchy(draft, before, after, faults)
}

fn missing(field: &str, target: Ref, faults: &mut Faults) {
    faults.push(field, FaultCode::NotFound, format!("{} not found", target.kind));
}

/// Returns every reference in `after` that was not in `before`, with the name of its field.
fn new_references(draft: &Draft<'_>, before: Option<&Image>, after: &Image) -> Vec<(String, Ref)> {
    let mut found = Vec::new();
    for (at, field) in after.decl.fields.iter().enumerate() {
        let value = &after.values[at];
        let old = before.map_or(&Value::Null, |before| &before.values[at]);
        if at == common::CREATED_BY || at == common::UPDATED_BY || value.is_null() || value == old {
            continue;
        }
        if at == common::PROPERTIES {
            for (key, value) in value.as_map().into_iter().flatten() {
                let ty = draft.cx.definitions.property(after.kind(), key).and_then(|property| property_type(property));
                let same = old.as_map().and_then(|map| map.get(key)) == Some(value);
                if let (Some(FieldType::Id(kind)), Some(id), false) = (ty, value.as_id(), same) {
                    found.push((format!("properties.{key}"), Ref::new(kind, id)));
                }
            }
            continue;
        }
        if field.marks.refers {
            for (place, item) in value.items().iter().enumerate().filter(|(_, item)| !old.items().contains(item)) {
                let Value::Json(json) = item else { continue };
                if let Some(Ok(target)) = json.get("ref").map(Ref::deserialize) {
                    found.push((format!("{}[{place}].ref", field.name), target));
                }
            }
            continue;
        }
        let of = |value: &Value| match (field.ty, value) {
            (FieldType::Id(kind) | FieldType::Ids(kind, _), Value::Id(id)) => Some(Ref::new(kind, *id)),
            (FieldType::Ref(_) | FieldType::Refs(..), Value::Ref(target)) => Some(*target),
            _ => None,
        };
        // References that use cases write (sources, conversions) were read by the use case.
        if field.section == crate::model::schema::Section::ReadOnly && at != common::ARCHIVED_AT {
            continue;
        }
        match value {
            Value::List(items) => {
                let new = items.iter().filter(|item| !old.items().contains(item)).filter_map(of);
                found.extend(new.map(|target| (field.name.to_owned(), target)));
            }
            single => found.extend(of(single).map(|target| (field.name.to_owned(), target))),
        }
    }
    found
}

/// Returns the parent of a record of a kind that forms a tree.
pub(crate) fn parent(image: &Image) -> Option<(&'static str, Ref)> {
    let at = image.decl.behavior.parent?;
    image.values[at].as_id().map(|id| (image.decl.fields[at].name, Ref::new(image.kind(), id)))
}

/// Returns the number of levels of a record and its known descendants: 1 without descendants. For teams, which are
/// definitions, all descendants are known. For other kinds they would have to be listed, and no rule may depend on a
/// list.
fn levels(draft: &Draft<'_>, record: Ref) -> usize {
    if record.kind != Kind::Team {
        return 1;
    }
    // Teams that this commit moves count at their new place.
    let moved: BTreeMap<Id<Team>, Option<Id<Team>>> = draft
        .written()
        .filter(|image| image.kind() == Kind::Team)
        .map(|image| (image.id.typed(), image.at(TeamFields::parent_id).as_id().map(Id::typed)))
        .collect();
    let mut level = vec![record.id.typed()];
    let mut levels = 0;
    while !level.is_empty() && levels <= MAX_HIERARCHY {
        levels += 1;
        let known = level.iter().flat_map(|&team| draft.cx.definitions.teams_below(team)).copied();
        let mut below: Vec<Id<Team>> = known.filter(|team| !moved.contains_key(team)).collect();
        below.extend(
            moved.iter().filter(|(_, parent)| parent.is_some_and(|p| level.contains(&p))).map(|(&team, _)| team),
        );
        level = below;
    }
    levels
}

/// A new parent must not be the record itself or a descendant. Every ancestor is guarded, so that two concurrent moves
/// that together form a cycle cannot both be stored.
fn check_hierarchy(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    faults: &mut Faults,
) -> Result<(), Stop> {
    let Some((field, first)) = parent(after) else { return Ok(()) };
    if before.and_then(parent).is_some_and(|(_, old)| old == first) {
        return Ok(());
    }
    let too_deep = |faults: &mut Faults| {
        faults.push(field, FaultCode::TooDeep, format!("a hierarchy may be at most {MAX_HIERARCHY} levels deep"));
    };
    let mut next = Some(first);
    let mut above = 0;
    while let Some(ancestor) = next {
        if ancestor == after.reference() {
            faults.push(field, FaultCode::Cycle, "must not be the record itself or one of its descendants");
            return Ok(());
        }
        above += 1;
        if above >= MAX_HIERARCHY {
            too_deep(faults);
            return Ok(());
        }
        let image = match draft.peek(ancestor) {
            Ok(Some(image)) => image,
            // A missing parent is reported by the reference check.
            Ok(None) => return Ok(()),
            Err(Stop::Need(lookups)) => {
                draft.want_all(lookups);
                return Ok(());
            }
            Err(refuse) => return Err(refuse),
        };
        draft.guard(&image);
        next = parent(&image).map(|(_, above)| above);
    }
    if above + levels(draft, after.reference()) > MAX_HIERARCHY {
        too_deep(faults);
    }
    Ok(())
}
