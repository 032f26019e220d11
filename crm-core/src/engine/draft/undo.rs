//! Undo: reverts a commit by an ordinary write. Permissions and gates apply.
//!
//! Undo works by value, regardless of later writes: a field is restored if it still has the value that the commit
//! wrote, is left unchanged if it already has its previous value, and is a conflict if it has any other value. Lists
//! and custom properties are reverted element by element ([`super::take_back`]), so changes can be undone in any order.

use std::{collections::BTreeMap, sync::Arc};

use super::{Draft, Lookup, Step, Stop, gate, state::Input, take_back::TakeBack};
use crate::{
    catalog,
    engine::stages::gates::Transition,
    model::{
        access::Action,
        change::Change,
        error::{ChangedSince, Error, UndoRefusal},
        records::pipeline::PipelineKind,
        schema::{Group, Image, Section, common},
        store::CommitId,
        value::{FaultCode, Kind, Ref, Value},
    },
};

/// Undoes the changes of a commit to a record and to the other records of the same step.
///
/// Undoing a creation archives the record, provided every field has the value it was created with.
pub(crate) fn undo(draft: &mut Draft<'_>, record: Ref, commit: CommitId, step: Step) -> Result<Vec<Ref>, Stop> {
    draft.want(Lookup::History(record));
    draft.read(record)?;
    let history = draft.history(record)?;
    let mine = of_commit(&history, commit);
    if mine.is_empty() {
        return Err(refused(record, UndoRefusal::NoSuchChange));
    }
    undo_changes(draft, record, mine, step)
}

/// Like [`undo`], given all changes that one commit made to the record, in version order.
pub(crate) fn undo_changes(
    draft: &mut Draft<'_>,
    record: Ref,
    mine: Vec<Change>,
    step: Step,
) -> Result<Vec<Ref>, Stop> {
    let Some(commit) = mine.first().map(|change| change.commit) else {
        return Err(refused(record, UndoRefusal::NoSuchChange));
    };
    let mut others: Vec<Ref> = mine.iter().flat_map(|change| change.with.iter().copied()).collect();
    others.retain(|other| *other != record);
    draft.want(record);
    for &other in &others {
        draft.want(other);
        draft.want(Lookup::History(other));
    }
    draft.stop_if_missing()?;
    let mut steps: BTreeMap<Ref, Vec<Change>> = BTreeMap::from([(record, mine)]);
    for other in others {
        let theirs = of_commit(&draft.history(other)?, commit);
        if !theirs.is_empty() {
            steps.insert(other, theirs);
        }
    }
    let mut undone = false;
    for (&other, changes) in &steps {
        undone |= undo_one(draft, other, changes, step)?;
    }
    if !undone {
        return Err(refused(record, UndoRefusal::AlreadyUndone));
    }
    draft.tie();
    Ok(steps.into_keys().collect())
}

/// Checks whether [`undo_changes`] would succeed, according to the records and their histories. Writes nothing. A
/// unique value that was taken in the meantime is detected only by the commit.
pub(crate) fn try_undo(draft: &mut Draft<'_>, record: Ref, mine: Vec<Change>) -> Result<(), Stop> {
    let mut trial = draft.trial();
    undo_changes(&mut trial, record, mine, Step::new("undo", None)).map(drop)
}

fn of_commit(history: &[Change], commit: CommitId) -> Vec<Change> {
    history.iter().filter(|change| change.commit == commit && change.group == Group::User).cloned().collect()
}

fn refused(record: Ref, why: UndoRefusal) -> Stop {
    Error::Undo { record, why }.into()
}

/// Undoes the changes of one commit to one record. Returns `false` if nothing is left to undo.
fn undo_one(draft: &mut Draft<'_>, record: Ref, mine: &[Change], step: Step) -> Result<bool, Stop> {
    let current = draft.read(record)?;
    // The old and new value of each field over the whole commit.
    let mut made: BTreeMap<&str, (&Value, &Value)> = BTreeMap::new();
    for field in mine.iter().flat_map(|change| &change.fields) {
        made.entry(&field.field).or_insert((&field.old, &field.new)).1 = &field.new;
    }
    if mine.iter().any(Change::is_creation) {
        if current.is_archived() {
            return Ok(false);
        }
        let changed = changed_since_creation(&current, &made);
        if !changed.is_empty() {
            return Err(conflict(draft, record, changed));
        }
        // The creator may undo the creation; archiving records created by others requires a separate permission.
        let mine = draft.cx.actor.user().is_some_and(|user| current.values[common::CREATED_BY] == Value::from(user));
        gate::demand(draft, if mine { Action::Update } else { Action::Archive }, &current)?;
        return draft.archive_checked(&current, step).map(|()| true);
    }
    let mut back: BTreeMap<String, Value> = BTreeMap::new();
    let mut changed = Vec::new();
    for (name, (old, new)) in made {
        let is_field = name.starts_with("properties.") || current.decl.position(name).is_some();
        if !is_field || is_kept_by_rule(&current, name) {
            continue;
        }
        // Undoing a conversion never removes a restriction, such as that a person wants no email.
        let restricts = current.decl.field(name).is_some_and(|field| field.marks.restricts);
        if restricts
            && step.transition == Transition::Unconvert
            && PipelineKind::Lead.record_kind() != Some(record.kind)
        {
            continue;
        }
        if matches!((old, new), (Value::Redacted, _) | (_, Value::Redacted)) {
            back.insert(name.to_owned(), Value::Redacted);
            continue;
        }
        let now = current.named(name);
        match TakeBack::of(old, new, now) {
            TakeBack::Done => {}
            TakeBack::To(value) => drop(back.insert(name.to_owned(), value)),
            TakeBack::Conflict => {
                changed.push(ChangedSince { field: name.to_owned(), left: new.clone(), current: now.clone() });
            }
        }
    }
    if !changed.is_empty() {
        return Err(conflict(draft, record, changed));
    }
    if back.is_empty() {
        return Ok(false);
    }
    put_back(draft, &current, back, step).map(|()| true)
}

/// Returns the fields that no longer have the value they were created with.
fn changed_since_creation(current: &Image, made: &BTreeMap<&str, (&Value, &Value)>) -> Vec<ChangedSince> {
    let mut defaults = Image::empty(current.decl, current.tenant, current.id);
    catalog::write_defaults(current.kind(), &mut defaults.values);
    let mut names: Vec<String> = Vec::new();
    for (at, field) in current.decl.fields.iter().enumerate() {
        if field.is_logged() && at != common::ARCHIVED_AT && at != common::PROPERTIES {
            names.push(field.name.to_owned());
        }
    }
    let properties = current.values[common::PROPERTIES].as_map().into_iter().flatten();
    names.extend(properties.map(|(key, _)| format!("properties.{key}")));
    names.extend(made.keys().filter(|name| name.starts_with("properties.")).map(|&name| name.to_owned()));
    names.sort_unstable();
    names.dedup();
    let mut changed = Vec::new();
    for field in names {
        let now = current.named(&field);
        // A creation logs the fields it sets. All other fields, including those added to the kind later, were empty.
        let (left, is_as_left) = match made.get(field.as_str()) {
            Some((_, left)) => (*left, TakeBack::same(left, now) || **left == Value::Redacted),
            None => (&Value::Null, TakeBack::same(&Value::Null, now) || defaults.named(&field) == now),
        };
        if !is_as_left && !is_kept_by_rule(current, &field) {
            changed.push(ChangedSince { field, left: left.clone(), current: now.clone() });
        }
    }
    changed
}

/// `admin_ids` follows from the users and is maintained by their rule.
fn is_kept_by_rule(image: &Image, name: &str) -> bool {
    image.kind() == Kind::Organization && name == "admin_ids"
}

/// Returns the error, naming only fields that the actor may see.
fn conflict(draft: &Draft<'_>, record: Ref, mut fields: Vec<ChangedSince>) -> Stop {
    fields.retain(|field| !draft.cx.access.is_hidden(record.kind, &field.field));
    let decl = catalog::decl(record.kind);
    for changed in &mut fields {
        if decl.field(&changed.field).is_some_and(|field| field.marks.secret) {
            (changed.left, changed.current) = (Value::Redacted, Value::Redacted);
        }
    }
    refused(record, UndoRefusal::ChangedSince(fields))
}

/// Restores every field of the user group to its value at a version.
pub(crate) fn roll_back(draft: &mut Draft<'_>, record: Ref, version: u64, step: Step) -> Result<(), Stop> {
    draft.want(Lookup::History(record));
    let current = draft.read(record)?;
    let history = draft.history(record)?;
    if version == 0 || version > current.versions.person {
        let message = format!("must be 1 to {}", current.versions.person);
        return Err(Error::invalid("version", FaultCode::TooLarge, message).into());
    }
    let mut back: BTreeMap<String, Value> = BTreeMap::new();
    for change in history.iter().filter(|change| change.group == Group::User && change.version > version) {
        for field in &change.fields {
            back.entry(field.field.to_string()).or_insert_with(|| field.old.clone());
        }
    }
    back.retain(|name, value| {
        !is_kept_by_rule(&current, name)
            && (matches!(value, Value::Redacted) || !TakeBack::same(current.named(name), value))
    });
    put_back(draft, &current, back, step)
}

/// Sets fields to previous values: those that users write as user input, so that field rules apply, the others as input
/// of the use case.
fn put_back(
    draft: &mut Draft<'_>,
    current: &Arc<Image>,
    back: BTreeMap<String, Value>,
    step: Step,
) -> Result<(), Stop> {
    let record = current.reference();
    let mut asked: Vec<(usize, Value)> = Vec::new();
    let mut own: Vec<(usize, Value)> = Vec::new();
    let mut properties: BTreeMap<String, Value> = BTreeMap::new();
    let mut archived_properties: BTreeMap<String, Value> = BTreeMap::new();
    let is_hidden = |name: &str| draft.cx.access.is_hidden(record.kind, name);
    for (name, value) in back {
        let position = current.decl.position(&name);
        let of_person = position.is_none_or(|at| current.decl.fields[at].section == Section::User);
        if of_person && is_hidden(&name) {
            return Err(refused(record, UndoRefusal::NotVisible));
        }
        if matches!(value, Value::Redacted) {
            return Err(refused(record, UndoRefusal::Forgotten((!is_hidden(&name)).then_some(name))));
        }
        if let Some(key) = name.strip_prefix("properties.") {
            // The value of a property that was archived since is restored unchanged; it cannot be set otherwise.
            let live = draft.cx.definitions.property(current.kind(), key).is_some();
            let map = if live { &mut properties } else { &mut archived_properties };
            map.insert(key.to_owned(), value);
        } else if let Some(at) = position {
            if of_person { asked.push((at, value)) } else { own.push((at, value)) }
        }
    }
    if !properties.is_empty() {
        asked.push((common::PROPERTIES, Value::Map(Arc::new(properties))));
    }
    if !archived_properties.is_empty() {
        own.push((common::PROPERTIES, Value::Map(Arc::new(archived_properties))));
    }
    let archiving = own.iter().find(|(at, _)| *at == common::ARCHIVED_AT).map(|(_, value)| value.is_null());
    if archiving.is_some() {
        gate::demand(draft, Action::Archive, current)?;
    }
    if archiving.is_none() || asked.len() + own.len() > 1 {
        gate::demand(draft, Action::Update, current)?;
    }
    let nothing = asked.is_empty() && own.is_empty();
    if current.is_archived() && archiving != Some(true) && !nothing {
        return Err(
            Error::invalid("archived_at", FaultCode::Archived, "the record is archived: restore it first").into()
        );
    }
    let after = current.as_ref().clone();
    draft.write(Some(current), after, Input { user: &asked, system: &own, verbatim: true }, step)
}
