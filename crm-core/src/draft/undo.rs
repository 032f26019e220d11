//! Undo: the way back of a commit, as an ordinary write. Permissions and gates apply.

use std::{collections::BTreeMap, sync::Arc};

use super::{Draft, Step, Stop, gate, sheet::Sets};
use crate::{
    access::Action,
    change::Change,
    error::Error,
    schema::{Group, Image, common},
    value::{Id, Kind, Ref, Value},
};

/// Undoes what a commit did to a record and to the records of the same step.
///
/// A field that somebody changed since is a conflict that names it. Undoing a creation archives the record, and only
/// while it is at the version that the commit left.
pub(crate) fn undo(draft: &mut Draft<'_>, record: Ref, commit: Id, step: Step) -> Result<Vec<Ref>, Stop> {
    draft.want(super::Lookup::History(record));
    draft.read(record)?;
    let history = draft.history(record)?;
    let of_commit = |history: &[Change]| -> Vec<Change> {
        history.iter().filter(|change| change.commit == commit && change.group == Group::Person).cloned().collect()
    };
    let mine = of_commit(&history);
    if mine.is_empty() {
        return Err(Error::invalid("commit", "not_found", "this commit did not change this record").into());
    }
    let mut records = vec![record];
    records.extend(mine.iter().flat_map(|change| change.with.iter().copied()));
    records.sort_unstable();
    records.dedup();
    for &other in &records {
        draft.want(other);
        draft.want(super::Lookup::History(other));
    }
    draft.stop_if_missing()?;
    for &other in &records {
        let history = draft.history(other)?;
        let mine = of_commit(&history);
        if !mine.is_empty() {
            undo_one(draft, other, &mine, &history, step)?;
        }
    }
    draft.tie();
    Ok(records)
}

fn undo_one(draft: &mut Draft<'_>, record: Ref, mine: &[Change], history: &[Change], step: Step) -> Result<(), Stop> {
    let current = draft.read(record)?;
    let last = mine.iter().map(|change| change.version).max().unwrap_or_default();
    let later: Vec<&Change> =
        history.iter().filter(|change| change.group == Group::Person && change.version > last).collect();
    let conflict =
        |fields: Vec<String>| -> Stop { Error::Conflict { record, current: Some(current.versions), fields }.into() };
    if mine.iter().any(Change::is_creation) {
        if !later.is_empty() {
            let mut fields: Vec<String> =
                later.iter().flat_map(|change| change.fields.iter().map(|field| field.field.to_string())).collect();
            fields.sort_unstable();
            fields.dedup();
            return Err(conflict(fields));
        }
        // Whoever made it may take it back; to archive what others made is a permission of its own.
        let mine = draft.cx.actor.user().is_some_and(|user| current.get("created_by") == &Value::Id(user));
        gate::demand(draft, if mine { Action::Update } else { Action::Archive }, &current)?;
        return draft.archive_checked(&current, step);
    }
    // The first old value of each field that the commit touched.
    let mut back: BTreeMap<String, Value> = BTreeMap::new();
    for change in mine {
        for field in &change.fields {
            back.entry(field.field.to_string()).or_insert_with(|| field.old.clone());
        }
    }
    let touched: Vec<String> =
        back.keys().filter(|name| later.iter().any(|change| change.field(name).is_some())).cloned().collect();
    if !touched.is_empty() {
        return Err(conflict(touched));
    }
    put_back(draft, &current, back, step)
}

/// Brings every field of a person back to what it was at a version.
pub(crate) fn roll_back(draft: &mut Draft<'_>, record: Ref, version: u64, step: Step) -> Result<(), Stop> {
    draft.want(super::Lookup::History(record));
    let current = draft.read(record)?;
    let history = draft.history(record)?;
    if version == 0 || version > current.versions.person {
        let message = format!("must be 1 to {}", current.versions.person);
        return Err(Error::invalid("version", "too_large", message).into());
    }
    let mut back: BTreeMap<String, Value> = BTreeMap::new();
    for change in history.iter().filter(|change| change.group == Group::Person && change.version > version) {
        for field in &change.fields {
            back.entry(field.field.to_string()).or_insert_with(|| field.old.clone());
        }
    }
    put_back(draft, &current, back, step)
}

/// Sets fields to old values: what people write as asked, so that field rules hold, the rest as the use case's own.
fn put_back(
    draft: &mut Draft<'_>,
    current: &Arc<Image>,
    back: BTreeMap<String, Value>,
    step: Step,
) -> Result<(), Stop> {
    let mut asked: Vec<(usize, Value)> = Vec::new();
    let mut own: Vec<(usize, Value)> = Vec::new();
    let mut properties: BTreeMap<String, Value> = BTreeMap::new();
    let mut archived_properties: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in back {
        // Who is an administrator follows from the users, and is kept by the rule that follows them.
        if current.kind() == Kind::Organization && name == "admin_ids" {
            continue;
        }
        if matches!(value, Value::Redacted) {
            return Err(Error::invalid(name, "forgotten", "cannot be brought back: the log does not hold it").into());
        }
        if let Some(key) = name.strip_prefix("properties.") {
            // A property that has been archived since is brought back as it was; nobody can set it otherwise.
            let live = draft.cx.definitions.property(current.kind(), key).is_some();
            let map = if live { &mut properties } else { &mut archived_properties };
            map.insert(key.to_owned(), value);
        } else if let Some(at) = current.decl.position(&name) {
            let of_person = current.decl.fields[at].section == crate::schema::Section::Person;
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
        return Err(Error::invalid("archived_at", "archived", "the record is archived: restore it first").into());
    }
    let after = current.as_ref().clone();
    draft.write(Some(current), after, Sets { asked: &asked, own: &own, exactly: true }, step)
}
