//! The gates that apply to writes of every kind: permissions, field rules, required fields and custom properties.
//! Conditions of a single kind are part of its rules.

use std::{collections::BTreeMap, sync::Arc};

use super::{Draft, Step, Stop};
use crate::{
    engine::{
        definitions::Definitions,
        typing::{check_property, map_of, property_type, written_type},
    },
    model::{
        access::{Action, Permission, Scope},
        error::{Error, Faults},
        records::{property::Property, user::UserFields},
        schema::{FieldType, Image, KindDecl, Record, Section, Visibility, common},
        value::{FaultCode, Id, Kind, Ref, Value},
    },
};

/// Returns `true` if the actor may read a record: by a grant, or by the visibility that its kind declares. A private
/// record is visible only to its author and to auditors.
pub(crate) fn may_read(draft: &mut Draft<'_>, image: &Image) -> Result<bool, Stop> {
    let access = &draft.cx.access;
    if draft.cx.actor.is_system() {
        return Ok(true);
    }
    // The following rules can make a record visible without a grant; limits apply to them too.
    if !access.is_within_limits(Permission::new(image.kind(), Action::Read)) {
        return Ok(false);
    }
    let me = draft.cx.actor.user();
    if let Some(author) = image.private_to() {
        return Ok(me.is_some_and(|me| author == &Value::from(me)) || access.allows(Action::ReadPrivate, image));
    }
    let is_theirs = match image.decl.behavior.visibility {
        Visibility::BySelf => me.is_some_and(|me| image.id == me.erase()),
        Visibility::ByUser(user) => me.is_some_and(|me| image.values[user] == Value::from(me)),
        _ => false,
    };
    if is_theirs || may_read_itself(draft, image)? {
        return Ok(true);
    }
    let Visibility::ByLinks(links) = image.decl.behavior.visibility else { return Ok(false) };
    let links: Vec<Ref> = image.references_at(links).collect();
    for link in &links {
        draft.want(*link);
    }
    draft.stop_if_missing()?;
    for link in links {
        if let Some(target) = draft.peek(link)?
            && may_read_itself(draft, &target)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A plain creation could forge a session or an entry of the security log.
pub(crate) fn refuse_plain_creation(after: &Image, step: Step, faults: &mut Faults) {
    if after.decl.behavior.made_by_use_cases && matches!(step.action, "create" | "upsert") {
        faults.push("", FaultCode::NotCreated, "cannot be created by itself: use cases of its own make it");
    }
}

/// Checks the permission to create a record. Kinds whose records are created by use cases are exempt: the use case has
/// checked the permissions.
pub(crate) fn demand_creation(draft: &Draft<'_>, image: &Image) -> Result<(), Stop> {
    if image.decl.behavior.made_by_use_cases { Ok(()) } else { demand(draft, Action::Create, image) }
}

/// Returns `true` if the actor may read a record independently of its links: by a grant on it, or, for a record that
/// connects two others, by grants on both. A grant on its own kind does not cover the connected records.
fn may_read_itself(draft: &mut Draft<'_>, image: &Image) -> Result<bool, Stop> {
    let Some(ends) = image.ends() else { return Ok(draft.cx.access.allows(Action::Read, image)) };
    for end in ends.into_iter().flatten() {
        draft.want(end);
    }
    draft.stop_if_missing()?;
    for end in ends {
        let end = end.map(|end| draft.peek(end)).transpose()?.flatten();
        if !end.is_some_and(|end| draft.cx.access.allows(Action::Read, &end)) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn demand(draft: &Draft<'_>, action: Action, image: &Image) -> Result<(), Stop> {
    if draft.cx.access.allows(action, image) { Ok(()) } else { Err(draft.cx.access.refusal(action, image).into()) }
}

/// Applies field rules to user input: a hidden field is reported as unknown; a read-only field is refused unless its
/// value is unchanged.
pub(crate) fn check_field_rules(
    draft: &Draft<'_>,
    current: &Image,
    asked: &[(usize, Value)],
    faults: &mut Faults,
) -> Result<(), Stop> {
    let (kind, decl) = (current.kind(), current.decl);
    let access = &draft.cx.access;
    let mut check = |name: &str, unchanged: bool| -> Result<(), Stop> {
        if access.is_hidden(kind, name) {
            // The same message as for a property that does not exist.
            let what = if name.starts_with("properties.") { "custom property" } else { "field" };
            let plain = name.strip_prefix("properties.").unwrap_or(name);
            faults.push(name, FaultCode::UnknownField, format!("`{kind}` has no {what} `{plain}`"));
        } else if access.is_read_only(kind, name) && !unchanged {
            let permission = Permission::new(kind, Action::Update);
            return Err(Error::Forbidden { permission, field: Some(name.to_owned()), scope: None }.into());
        }
        Ok(())
    };
    for (at, value) in asked {
        let Some(field) = decl.fields.get(*at) else { continue };
        let there = &current.values[*at];
        let map = value.as_map().filter(|_| *at == common::PROPERTIES);
        let held = |key: &str| there.as_map().and_then(|map| map.get(key)).unwrap_or(&Value::Null);
        let same = |(key, value): (&String, &Value)| is_same(held(key), value);
        check(field.name, map.map_or(value == there, |map| map.iter().all(same)))?;
        for (key, value) in map.into_iter().flatten() {
            check(&format!("properties.{key}"), is_same(held(key), value))?;
        }
    }
    Ok(())
}

/// Returns `true` if a given property value equals the current one. A value that cannot be read is presented as null.
fn is_same(held: &Value, given: &Value) -> bool {
    match given {
        Value::Null if matches!(held, Value::Opaque(_)) => true,
        Value::Json(json) if !matches!(held, Value::Json(_)) => **json == held.to_json(),
        given => held == given,
    }
}

/// Sets the owner of a new record to its creator if none is given and the creator may create only own records.
pub(crate) fn own_what_one_creates(draft: &Draft<'_>, after: &mut Image) {
    let permission = Permission::new(after.kind(), Action::Create);
    if after.decl.behavior.creator_owns
        && draft.cx.access.widest(permission).is_some_and(|scope| scope < Scope::All)
        && let (Some(user), Some(&field)) = (draft.cx.actor.user(), after.decl.own.first())
        && after.values[field].is_null()
    {
        after.values[field] = Value::from(user);
    }
}

/// Returns the positions of the owner and team fields of a kind that has exactly these two.
fn belonging(decl: &KindDecl) -> Option<(usize, usize)> {
    let (&own, &team) = (decl.own.first()?, decl.team.first()?);
    let fits = decl.fields[own].ty == FieldType::Id(Kind::User) && decl.fields[team].ty == FieldType::Id(Kind::Team);
    fits.then_some((own, team))
}

/// Sets the team of a record to the first team of its new owner, if it has no team or the first team of the former
/// owner. A team that was chosen explicitly, now or earlier, is kept; so is the team of a record without an owner.
pub(crate) fn follow_owner(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &mut Image,
    named: &dyn Fn(usize) -> bool,
) -> Result<(), Stop> {
    let Some((own, team)) = belonging(after.decl) else { return Ok(()) };
    let former = before.and_then(|before| before.values[own].as_id());
    let Some(owner) = after.values[own].as_id().filter(|&owner| Some(owner) != former) else { return Ok(()) };
    let has_team = !after.values[team].is_null();
    if named(team) && (has_team || before.is_some()) || has_team && former.is_none() {
        return Ok(());
    }
    let of_former = match former.filter(|_| has_team) {
        Some(former) => teams_of(draft, former)?,
        None => Vec::new(),
    };
    let of_owner = teams_of(draft, owner)?;
    let live = |team: &&Id| draft.cx.definitions.may_refer(Kind::Team, **team) == Some(true);
    let (was, is) = (of_former.iter().find(live), of_owner.iter().find(live));
    let current = after.values[team].as_id();
    if !has_team || current == of_former.first().copied() || current == was.copied() {
        after.values[team] = is.map_or(Value::Null, |&team| Value::Id(team));
    }
    Ok(())
}

/// Returns the teams of a user, primary team first. Returns none if the user has not been read yet, and requests the
/// user.
fn teams_of(draft: &mut Draft<'_>, user: Id) -> Result<Vec<Id>, Stop> {
    if Some(user) == draft.cx.actor.user().map(Id::erase) {
        return Ok(draft.cx.access.own_teams().iter().map(|team| team.erase()).collect());
    }
    match draft.peek(Ref::new(Kind::User, user)) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(user)) => Ok(user.at(UserFields::team_ids).items().iter().filter_map(Value::as_id).collect()),
        // Requested together with all others; the caller stops for them.
        Err(Stop::Need(lookups)) => {
            draft.want_all(lookups);
            Ok(Vec::new())
        }
        Err(refuse) => Err(refuse),
    }
}

/// Checks that required fields and custom properties are set.
pub(crate) fn check_record(draft: &Draft<'_>, before: Option<&Image>, after: &Image, faults: &mut Faults) {
    for (field, value) in after.decl.fields.iter().zip(&after.values) {
        let missing = match value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        let already = faults.all().iter().any(|fault| fault.field == field.name);
        if field.marks.required && missing && field.section == Section::User && !already {
            faults.push(field.name, FaultCode::Required, "is required");
        }
    }
    let empty = BTreeMap::new();
    let values = after.values[common::PROPERTIES].as_map().unwrap_or(&empty);
    for property in draft.cx.definitions.properties(after.kind()) {
        let was = before.and_then(|before| before.values[common::PROPERTIES].as_map()?.get(&property.key));
        // A record created before the property became required may stay without a value, but a value cannot be removed.
        let can_be_written = property.archived_at.is_none() && property_type(property).is_some();
        let demanded = property.required && can_be_written && (before.is_none() || was.is_some());
        if demanded && !values.contains_key(&property.key) {
            faults.push(format!("properties.{}", property.key), FaultCode::Required, "is required");
        }
    }
}

/// Sets the defaults of the custom properties that are missing from a new record.
pub(crate) fn fill_defaults(definitions: &Definitions, after: &mut Image) {
    let missing = |property: &&Record<Property>| {
        let given = after.values[common::PROPERTIES].as_map();
        property.archived_at.is_none() && given.is_none_or(|given| !given.contains_key(&property.key))
    };
    let defaults: Vec<(String, Value)> = definitions
        .properties(after.kind())
        .iter()
        .filter(missing)
        .filter_map(|property| {
            let value = property.rules.as_ref()?.default.clone();
            // Checked again, because the options may have changed since the default was set.
            let value = check_property(property, value, None, definitions.default_country()).ok()?;
            (!value.is_null()).then(|| (property.key.clone(), value))
        })
        .collect();
    if !defaults.is_empty() {
        let mut all = map_of(&after.values[common::PROPERTIES]);
        all.extend(defaults);
        after.values[common::PROPERTIES] = Value::Map(Arc::new(all));
    }
}

/// Merges custom properties into a record. Each value is parsed and checked by the property's definition; null removes
/// it. Existing values are kept even if their option or the property was removed since, and values from the log are set
/// unchanged.
pub(crate) fn place_properties(
    definitions: &Definitions,
    after: &mut Image,
    value: &Value,
    (by_use_case, verbatim): (bool, bool),
    country: Option<&str>,
    faults: &mut Faults,
) {
    let Value::Map(given) = value else {
        if !value.is_null() {
            faults.push("properties", FaultCode::WrongType, "must be an object of custom properties");
        }
        return;
    };
    let mut all = map_of(&after.values[common::PROPERTIES]);
    for (key, value) in given.iter() {
        let field = format!("properties.{key}");
        let held = all.get(key);
        // An undefined key is reported as unknown even if the value is null.
        if held.is_some_and(|held| is_same(held, value)) {
            continue;
        }
        let is_archived = || definitions.properties(after.kind()).iter().any(|property| property.key == *key);
        let Some(property) = definitions.property(after.kind(), key) else {
            if by_use_case || verbatim || (is_archived() && is_same(&Value::Null, value)) {
                // The value of a property that was archived since: it may be restored from history.
                if value.is_null() {
                    all.remove(key)
                } else {
                    all.insert(key.clone(), value.clone())
                };
            } else {
                let shown: String = key.chars().take(80).collect();
                let message = format!("`{}` has no custom property `{shown}`", after.kind());
                faults.push(format!("properties.{shown}"), FaultCode::UnknownField, message);
            }
            continue;
        };
        // Input contains properties as JSON; the type is known only from the definition.
        let typed = match value {
            Value::Json(json) => written_type(property).and_then(|ty| ty.read_json(json)),
            typed => Ok(typed.clone()),
        };
        let checked = match typed {
            Ok(typed) if verbatim => Ok(typed),
            typed => typed.and_then(|typed| check_property(property, typed, held, country)),
        };
        match checked {
            Ok(Value::Null) => {
                all.remove(key);
            }
            Ok(normal) => {
                all.insert(key.clone(), normal);
            }
            Err(fault) => faults.add(field, fault),
        }
    }
    match FieldType::Properties.normalize(Value::Map(Arc::new(all)), None) {
        Ok(all) => after.values[common::PROPERTIES] = all,
        Err(fault) => faults.add("properties", fault),
    }
}
