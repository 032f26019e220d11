//! The write path: the one place where users' and use cases' values become a change of a record, past every gate.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{
    Draft, Input, Step, Stop, gate,
    state::{Edit, or_nothing},
};
use crate::{
    engine::{
        rules::{self, Settle},
        stages::place,
    },
    model::{
        access::{Action, Permission},
        change::{Change, FieldChange},
        error::{Error, Faults},
        schema::{Group, Image, Section, common},
        value::{FaultCode, Id, Time, Value, stored},
    },
};

impl Draft<'_> {
    /// Writes a record. All changes of the user group go through this function.
    pub(crate) fn write(
        &mut self,
        before: Option<&Arc<Image>>,
        mut after: Image,
        input: Input<'_>,
        step: Step,
    ) -> Result<(), Stop> {
        let record = after.reference();
        let mut faults = Faults::new();
        gate::check_field_rules(self, &after, input.user, &mut faults)?;
        self.place(&mut after, input.user, (false, input.verbatim), &mut faults);
        self.place(&mut after, input.system, (true, input.verbatim), &mut faults);
        let recorded_at = before.map_or(self.cx.now, |before| self.not_before(before));
        if recorded_at > self.cx.now.plus_micros(self.cx.max_clock_skew) {
            return Err(Error::ClockSkew { record, written_at: recorded_at, now: self.cx.now }.into());
        }
        let occurred_at = step.occurred_at.unwrap_or(recorded_at);
        if before.is_none() {
            after.values[common::CREATED_AT] = Value::Time(occurred_at);
            after.values[common::CREATED_BY] = self.cx.actor.user().map_or(Value::Null, Value::from);
            gate::refuse_plain_creation(&after, step, &mut faults);
            gate::own_what_one_creates(self, &mut after);
            gate::fill_defaults(self.cx.definitions, &mut after);
        }
        let named = |at: usize| input.verbatim || input.user.iter().chain(input.system).any(|(set, _)| *set == at);
        {
            let ids = self.cx.ids;
            let now = self.cx.now;
            let new_id = move || ids.id(now);
            let mut settle = Settle {
                definitions: self.cx.definitions,
                occurred_at,
                user: self.cx.actor.user(),
                action: step.action,
                new_id: &new_id,
                named: &named,
                verbatim: input.verbatim,
                faults: &mut faults,
            };
            rules::settle(before.map(Arc::as_ref), &mut after, &mut settle)?;
        }
        gate::follow_owner(self, before.map(Arc::as_ref), &mut after, &named)?;
        if let Some(before) = before.filter(|_| !input.verbatim) {
            keep_unknown(before, &mut after);
        }
        let fields = diff(before.map(Arc::as_ref), &after);
        let changed = |name: &str| fields.iter().any(|field| field.field == name);
        let stamp = rules::Stamp { changed: &changed, occurred_at, by: self.cx.actor.user() };
        rules::derive(&mut after, Some(&stamp), self.cx.definitions)?;
        rules::complete(self, before.map(Arc::as_ref), &mut after, &mut faults)?;
        gate::check_record(self, before.map(Arc::as_ref), &after, &mut faults);
        super::references::check(self, before.map(Arc::as_ref), &after, &mut faults)?;
        self.stop_if_missing()?;
        if before.is_some() && fields.is_empty() {
            self.cx.access.mask_faults(record.kind, faults).into_result()?;
            return Ok(());
        }
        self.check_times(before.map(Arc::as_ref), &after, step, occurred_at, recorded_at, &changed, &mut faults)?;
        crate::engine::stages::gates::check(
            before.map(Arc::as_ref),
            &after,
            step.transition,
            self.cx.definitions,
            self.cx.now,
            &mut faults,
        );
        for validator in self.cx.validators {
            validator.check(before.map(Arc::as_ref), &after, &mut faults);
        }
        if before.is_none() {
            // A missing permission to create the record is reported before its other faults.
            gate::demand_creation(self, &after)?;
        }
        self.cx.access.mask_faults(record.kind, faults).into_result()?;
        if !self.cx.actor.is_system() {
            rules::permit(self, before.map(Arc::as_ref), &after)?;
        }
        after.values[common::UPDATED_AT] = Value::Time(recorded_at);
        after.values[common::UPDATED_BY] = self.cx.actor.user().map_or(Value::Null, Value::from);
        after.versions.person += 1;
        let stage_move = changed(place::STAGE).then(|| after.get(place::PIPELINE).as_id().map(Id::typed)).flatten();
        let change = Change {
            record,
            group: Group::User,
            version: after.versions.person,
            commit: Id::NIL,
            recorded_at,
            occurred_at,
            by: self.cx.actor.user(),
            action: Cow::Borrowed(step.action),
            origin: self.origin.as_ref().or(self.cx.actor.origin()).cloned(),
            fields,
            cause: None,
            with: Vec::new(),
            stage_move,
        };
        let after = Arc::new(after);
        let edit = self.edits.entry(record).or_insert_with(|| Edit {
            before: before.cloned(),
            after: Arc::clone(&after),
            changes: Vec::new(),
        });
        edit.after = Arc::clone(&after);
        edit.changes.push(change);
        self.guards.remove(&record);
        rules::follow(self, before.map(Arc::as_ref), &after, step)
    }

    /// Sets fields to values in normal form. A value that equals the current one is never a fault, even if the
    /// definition of the field has changed since, because forms send back the values they read. Neither is a value from
    /// the log (`exactly`).
    fn place(
        &self,
        after: &mut Image,
        sets: &[(usize, Value)],
        (by_use_case, verbatim): (bool, bool),
        faults: &mut Faults,
    ) {
        let country = self.cx.definitions.default_country();
        for (at, value) in sets {
            let Some(field) = after.decl.fields.get(*at) else {
                faults.push(at.to_string(), FaultCode::UnknownField, format!("`{}` has no such field", after.kind()));
                continue;
            };
            if *value == after.values[*at] {
                continue;
            }
            if !by_use_case && field.section != Section::User {
                faults.push(field.name, FaultCode::ReadOnly, "is read-only");
                continue;
            }
            if matches!(value, Value::NotLoaded | Value::Redacted) {
                continue;
            }
            if *at == common::PROPERTIES {
                gate::place_properties(self.cx.definitions, after, value, (by_use_case, verbatim), country, faults);
                continue;
            }
            let normal = field.ty.normalize(value.clone(), country).and_then(|normal| {
                let is_new = !by_use_case && after.values[*at] != normal;
                if is_new { field.ty.within_bounds(normal) } else { Ok(normal) }
            });
            let normal = match normal {
                Ok(normal) => normal,
                Err(_) if verbatim => value.clone(),
                Err(fault) => {
                    faults.add(field.name, fault);
                    continue;
                }
            };
            let wrong = if field.is_structured() && !verbatim {
                rules::faults(after.kind(), *at, &after.values[*at], &normal)
            } else {
                Vec::new()
            };
            if wrong.is_empty() {
                after.values[*at] = or_nothing(field.ty, normal);
            }
            for (place, fault) in wrong {
                faults.add(stored::place(field.name, &place), fault);
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn check_times(
        &self,
        before: Option<&Image>,
        after: &Image,
        step: Step,
        occurred_at: Time,
        recorded_at: Time,
        changed: &dyn Fn(&str) -> bool,
        faults: &mut Faults,
    ) -> Result<(), Stop> {
        if step.occurred_at.is_none() {
            return Ok(());
        }
        if occurred_at != recorded_at && !self.cx.access.allows(Action::Backdate, before.unwrap_or(after)) {
            return Err(Error::forbidden(Permission::new(after.kind(), Action::Backdate)).into());
        }
        if occurred_at > recorded_at {
            faults.push("occurred_at", FaultCode::TooLarge, "must not be in the future");
        }
        if let Some(before) = before {
            if before.values[common::CREATED_AT].as_time().is_some_and(|created| occurred_at < created) {
                faults.push("occurred_at", FaultCode::TooSmall, "must not be before the record was created");
            }
            let entered = before.get(place::ENTERED_AT).as_time();
            if changed(place::STAGE) && entered.is_some_and(|entered| occurred_at < entered) {
                faults.push("occurred_at", FaultCode::TooSmall, "must not be before the current stage was entered");
            }
        }
        Ok(())
    }
}

/// Keeps unknown content that a newer program stored in written values: unknown keys of structures and of list elements
/// that remain, and elements that cannot be read.
fn keep_unknown(before: &Image, after: &mut Image) {
    for (at, field) in after.decl.fields.iter().enumerate() {
        let may_have = field.is_structured() || field.ty.is_list();
        if may_have && before.values[at] != after.values[at] {
            let given = std::mem::take(&mut after.values[at]);
            after.values[at] = rules::keep(before.kind(), at, &before.values[at], given);
        }
    }
}

/// Returns every logged field that differs, in declared order; properties by key, secrets without values. For a new
/// record: every field that is set.
pub(crate) fn diff(before: Option<&Image>, after: &Image) -> Vec<FieldChange> {
    let mut changes = Vec::with_capacity(if before.is_none() { 8 } else { 0 });
    for (at, field) in after.decl.fields.iter().enumerate() {
        if !field.is_logged() {
            continue;
        }
        let old = before.map_or(&Value::Null, |before| &before.values[at]);
        let new = &after.values[at];
        if at == common::PROPERTIES {
            diff_properties(old, new, &mut changes);
            continue;
        }
        let nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        if old == new || matches!(new, Value::NotLoaded) || (nothing(old) && nothing(new)) {
            continue;
        }
        let (old, new) =
            if field.marks.secret { (Value::Redacted, Value::Redacted) } else { (old.clone(), new.clone()) };
        changes.push(FieldChange { field: Cow::Borrowed(field.name), old, new });
    }
    changes
}

fn diff_properties(old: &Value, new: &Value, changes: &mut Vec<FieldChange>) {
    let empty = BTreeMap::new();
    let (old, new) = (old.as_map().unwrap_or(&empty), new.as_map().unwrap_or(&empty));
    let mut keys: Vec<&String> = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).collect();
    keys.sort_unstable();
    for key in keys {
        let before = old.get(key).unwrap_or(&Value::Null);
        let after = new.get(key).unwrap_or(&Value::Null);
        if before != after {
            let field = Cow::Owned(format!("properties.{key}"));
            changes.push(FieldChange { field, old: before.clone(), new: after.clone() });
        }
    }
}
