//! The gates that every write passes, of whatever kind: permissions, field rules, what must be filled, custom properties. What
//! holds of one kind alone stands in its rules.

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
        value::{Id, Kind, Ref, Value},
    },
};

/// Whether the actor may read a record: by a grant, or as its kind declares. A private one is its author's alone, and an
/// auditor's.
pub(crate) fn may_read(draft: &mut Draft<'_>, image: &Image) -> Result<bool, Stop> {
    let access = &draft.cx.access;
    if draft.cx.actor.is_system() {
        return Ok(true);
    }
    // What follows may let an actor see what no grant covers; limits hold for that too.
    if !access.is_within_limits(Permission::new(image.kind(), Action::Read)) {
        return Ok(false);
    }
    let me = draft.cx.actor.user();
    if let Some(author) = image.private_to() {
        return Ok(me.is_some_and(|me| author == &Value::Id(me)) || access.allows(Action::ReadPrivate, image));
    }
    let is_theirs = match image.decl.behavior.visibility {
        Visibility::BySelf => Some(image.id) == me,
        Visibility::ByUser(user) => me.is_some() && image.values[user].as_id() == me,
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

/// By hand one could make a session that nobody began, or an entry of the security log of what never happened.
pub(crate) fn refuse_plain_creation(after: &Image, step: Step, faults: &mut Faults) {
    if after.decl.behavior.made_by_use_cases && matches!(step.action, "create" | "upsert") {
        faults.push("", "not_created", "cannot be created by itself: use cases of its own make it");
    }
}

/// Nothing where the actor may create the record, or a use case makes it that has asked what it had to.
pub(crate) fn demand_creation(draft: &Draft<'_>, image: &Image) -> Result<(), Stop> {
    if image.decl.behavior.made_by_use_cases { Ok(()) } else { demand(draft, Action::Create, image) }
}

/// Whether the actor may read a record for what it is, not for what it is linked to: by a grant on it, or, of one that ties
/// two records, by grants on both. A grant on its kind says nothing of what it ties.
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

/// Nothing where the actor may do this to the record.
pub(crate) fn demand(draft: &Draft<'_>, action: Action, image: &Image) -> Result<(), Stop> {
    if draft.cx.access.allows(action, image) { Ok(()) } else { Err(draft.cx.access.refusal(action, image).into()) }
}

/// A field that the actor may not see does not exist; one that the actor may only read is refused, unless its value is
/// the one that is there.
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
            // The same words as of a property that there is none of.
            let what = if name.starts_with("properties.") { "custom property" } else { "field" };
            let plain = name.strip_prefix("properties.").unwrap_or(name);
            faults.push(name, "unknown_field", format!("`{kind}` has no {what} `{plain}`"));
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

/// Whether the value of a property, as it is given, is the one that is there. One that cannot be read is shown as null.
fn is_same(held: &Value, given: &Value) -> bool {
    match given {
        Value::Null if matches!(held, Value::Opaque(_)) => true,
        Value::Json(json) if !matches!(held, Value::Json(_)) => **json == held.to_json(),
        given => held == given,
    }
}

/// Who may create only what is theirs, owns what they create without an owner: the only owner that can be meant.
pub(crate) fn own_what_one_creates(draft: &Draft<'_>, after: &mut Image) {
    let permission = Permission::new(after.kind(), Action::Create);
    if after.decl.behavior.creator_owns
        && draft.cx.access.widest(permission).is_some_and(|scope| scope < Scope::All)
        && let (Some(user), Some(&field)) = (draft.cx.actor.user(), after.decl.own.first())
        && after.values[field].is_null()
    {
        after.values[field] = Value::Id(user);
    }
}

/// The positions of the one user and the one team that a record of this kind belongs to, where it has both.
fn belonging(decl: &KindDecl) -> Option<(usize, usize)> {
    let (&own, &team) = (decl.own.first()?, decl.team.first()?);
    let fits = decl.fields[own].ty == FieldType::Id(Kind::User) && decl.fields[team].ty == FieldType::Id(Kind::Team);
    fits.then_some((own, team))
}

/// A record belongs to the team of whoever it is given to: the first team of a new owner takes the place of none and of
/// the former owner's first. A team that was chosen, now or before, stays; and so it does where nobody owns the record.
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

/// The teams of a user, the first one first; none where the user has not been read yet and is now wanted.
fn teams_of(draft: &mut Draft<'_>, user: Id) -> Result<Vec<Id>, Stop> {
    if Some(user) == draft.cx.actor.user() {
        return Ok(draft.cx.access.own_teams().to_vec());
    }
    match draft.peek(Ref::new(Kind::User, user)) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(user)) => Ok(user.at(UserFields::team_ids).items().iter().filter_map(Value::as_id).collect()),
        // Wanted with all else that is; the caller stops for them together.
        Err(Stop::Need(lookups)) => {
            draft.want_all(lookups);
            Ok(Vec::new())
        }
        Err(refuse) => Err(refuse),
    }
}

/// What every record must fulfil: required fields and custom properties are filled.
pub(crate) fn check_record(draft: &Draft<'_>, before: Option<&Image>, after: &Image, faults: &mut Faults) {
    for (field, value) in after.decl.fields.iter().zip(&after.values) {
        let missing = match value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        let already = faults.all().iter().any(|fault| fault.field == field.name);
        if field.marks.required && missing && field.section == Section::Person && !already {
            faults.push(field.name, "required", "is required");
        }
    }
    let empty = BTreeMap::new();
    let values = after.values[common::PROPERTIES].as_map().unwrap_or(&empty);
    for property in draft.cx.definitions.properties(after.kind()) {
        let was = before.and_then(|before| before.values[common::PROPERTIES].as_map()?.get(&property.key));
        // A record from before the property was required may stay as it is, but may not lose a value it has.
        let can_be_written = property.archived_at.is_none() && property_type(property).is_some();
        let demanded = property.required && can_be_written && (before.is_none() || was.is_some());
        if demanded && !values.contains_key(&property.key) {
            faults.push(format!("properties.{}", property.key), "required", "is required");
        }
    }
}

/// Gives a new record the defaults of the custom properties that it was created without.
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
            // Checked again: the options may have changed since the default was set.
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

/// Merges custom properties into a record: each key is typed and checked by its definition; null removes it. What is
/// there already stays, though its option or the whole property was removed since, and what the log holds is as it was.
pub(crate) fn place_properties(
    definitions: &Definitions,
    after: &mut Image,
    value: &Value,
    (by_use_case, exactly): (bool, bool),
    country: Option<&str>,
    faults: &mut Faults,
) {
    let Value::Map(given) = value else {
        if !value.is_null() {
            faults.push("properties", "wrong_type", "must be an object of custom properties");
        }
        return;
    };
    let mut all = map_of(&after.values[common::PROPERTIES]);
    for (key, value) in given.iter() {
        let field = format!("properties.{key}");
        let held = all.get(key);
        // A key that nobody ever defined stays unknown, also where nothing is to be set.
        if held.is_some_and(|held| is_same(held, value)) {
            continue;
        }
        let is_archived = || definitions.properties(after.kind()).iter().any(|property| property.key == *key);
        let Some(property) = definitions.property(after.kind(), key) else {
            if by_use_case || exactly || (is_archived() && is_same(&Value::Null, value)) {
                // A value of a property that has been archived since: history may bring it back.
                if value.is_null() {
                    all.remove(key)
                } else {
                    all.insert(key.clone(), value.clone())
                };
            } else {
                let shown: String = key.chars().take(80).collect();
                let message = format!("`{}` has no custom property `{shown}`", after.kind());
                faults.push(format!("properties.{shown}"), "unknown_field", message);
            }
            continue;
        };
        // From outside a property comes as JSON: only its definition tells of which type it is to be.
        let typed = match value {
            Value::Json(json) => written_type(property).and_then(|ty| ty.read_json(json)),
            typed => Ok(typed.clone()),
        };
        let checked = match typed {
            Ok(typed) if exactly => Ok(typed),
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
