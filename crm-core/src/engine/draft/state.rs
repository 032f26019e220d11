//! The draft: the records that a decision has read, and its changes to them.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{
    Loaded, Lookup, Stop,
    claims::{ClaimBook, claims},
    gate,
    open::NO_STEP,
};
use crate::{
    catalog,
    engine::{
        access::Access,
        definitions::Definitions,
        rules::Validator,
        stages::{gates::Transition, place},
    },
    model::{
        access::{Action, Actor},
        change::{Change, FieldChange, Origin},
        error::{Error, Faults},
        ids::IdSource,
        records::pipeline::Stage,
        schema::{FieldType, Group, Image, Record, RecordKind, Section, common},
        store::{Commit, CommitId, Guard, KeyEntry, Want, Write},
        value::{FaultCode, Id, Kind, Ref, Time, Value},
    },
};

pub(crate) struct Context<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) actor: &'a Actor,
    pub(crate) access: Access<'a>,
    pub(crate) now: Time,
    pub(crate) ids: &'a dyn IdSource,
    pub(crate) validators: &'a [Arc<dyn Validator>],
    /// The maximum time by which stored times may be ahead of `now`, in microseconds.
    pub(crate) max_clock_skew: i64,
}

/// One step of a use case: its action in the log and the time at which it took effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: &'static str,
    /// When the step took effect; `None` for now.
    pub(crate) occurred_at: Option<Time>,
    /// The transition that the step may make into or out of a closed stage.
    pub(crate) transition: Transition,
}

impl Step {
    /// Creates a step without a special transition.
    pub(crate) const fn new(action: &'static str, occurred_at: Option<Time>) -> Self {
        Self { action, occurred_at, transition: Transition::Ordinary }
    }
}

/// A record with its changes in this draft.
#[derive(Clone)]
pub(super) struct Edit {
    pub(super) before: Option<Arc<Image>>,
    pub(super) after: Arc<Image>,
    pub(super) changes: Vec<Change>,
}

/// The records that a decision has read, and its changes to them.
pub struct Draft<'a> {
    pub(crate) cx: &'a Context<'a>,
    pub(super) loaded: &'a Loaded,
    pub(super) edits: BTreeMap<Ref, Edit>,
    pub(super) guards: BTreeMap<Ref, u64>,
    pub(super) missing: Vec<Lookup>,
    /// The origin of the next changes; `None` for the actor's own.
    pub(super) origin: Option<Arc<Origin>>,
    /// The step that [`Draft::of`] writes with.
    pub(crate) step: Step,
}

/// The effect of a commit's user-group changes on a record.
pub(crate) struct Moved {
    /// The record before; `None` for a new one.
    pub(crate) before: Option<Arc<Image>>,
    pub(crate) after: Arc<Image>,
    pub(crate) fields: Vec<Cow<'static, str>>,
    /// The stages that the record entered, each with the time.
    pub(crate) entered: Vec<(Time, Id<Stage>)>,
}

/// The values to set on a record: those of the user, to which field rules apply, and those of the use case, to which
/// they do not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Input<'a> {
    pub(crate) user: &'a [(usize, Value)],
    pub(crate) system: &'a [(usize, Value)],
    /// `true` if the record must have exactly these values: rules check it and fill in nothing (undo, rollback).
    pub(crate) verbatim: bool,
}

impl<'a> Input<'a> {
    pub(crate) const fn user(user: &'a [(usize, Value)]) -> Self {
        Self { user, system: &[], verbatim: false }
    }
    pub(crate) const fn both(user: &'a [(usize, Value)], system: &'a [(usize, Value)]) -> Self {
        Self { user, system, verbatim: false }
    }
    pub(crate) const fn system(system: &'a [(usize, Value)]) -> Self {
        Self { user: &[], system, verbatim: false }
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn new(cx: &'a Context<'a>, loaded: &'a Loaded) -> Self {
        Self {
            cx,
            loaded,
            edits: BTreeMap::new(),
            guards: BTreeMap::new(),
            missing: Vec::new(),
            origin: None,
            step: NO_STEP,
        }
    }

    /// Returns an empty draft over the same loaded records, to test a write.
    pub(crate) fn trial(&self) -> Draft<'a> {
        Draft::new(self.cx, self.loaded)
    }

    /// Adds a lookup to be read together with the next missing one.
    pub(crate) fn want(&mut self, lookup: impl Into<Lookup>) {
        let lookup = lookup.into();
        if !self.loaded.has(&lookup) && !self.missing.contains(&lookup) {
            self.missing.push(lookup);
        }
    }

    /// Adds the lookups for which another read stopped.
    pub(crate) fn want_all(&mut self, lookups: Vec<Lookup>) {
        for lookup in lookups {
            self.want(lookup);
        }
    }

    /// Stops if a requested lookup has not been read.
    pub(crate) fn stop_if_missing(&mut self) -> Result<(), Stop> {
        if self.missing.is_empty() { Ok(()) } else { Err(Stop::Need(std::mem::take(&mut self.missing))) }
    }

    /// Returns the record as it is in this draft, regardless of the actor's permissions; `None` if it does not exist.
    pub(crate) fn peek(&mut self, record: Ref) -> Result<Option<Arc<Image>>, Stop> {
        if let Some(edit) = self.edits.get(&record) {
            return Ok(Some(Arc::clone(&edit.after)));
        }
        self.loaded_or_need(Lookup::from(record))
    }

    /// Returns the record that holds a claim, regardless of the actor's permissions.
    pub(crate) fn peek_claimed(&mut self, claim: &crate::model::store::Claim) -> Result<Option<Arc<Image>>, Stop> {
        self.loaded_or_need(Lookup::Want(Want::Claimed(claim.clone())))
    }

    fn loaded_or_need(&mut self, lookup: Lookup) -> Result<Option<Arc<Image>>, Stop> {
        if let Some(found) = self.loaded.record(&lookup) {
            return Ok(found.cloned());
        }
        self.want(lookup);
        Err(Stop::Need(std::mem::take(&mut self.missing)))
    }

    /// Returns the complete history of a record, regardless of the actor's permissions.
    pub(crate) fn history(&mut self, record: Ref) -> Result<Arc<Vec<Change>>, Stop> {
        if let Some(history) = self.loaded.history(record) {
            return Ok(history);
        }
        self.want(Lookup::History(record));
        Err(Stop::Need(std::mem::take(&mut self.missing)))
    }

    /// Returns the record if the actor may read it.
    pub(crate) fn read(&mut self, record: Ref) -> Result<Arc<Image>, Stop> {
        let image = self.peek(record)?.ok_or(Stop::not_found(record.kind))?;
        if gate::may_read(self, &image)? { Ok(image) } else { Err(Stop::not_found(record.kind)) }
    }

    /// Returns the typed record if the actor may read it.
    pub(crate) fn record<K: RecordKind>(&mut self, id: Id<K>) -> Result<Record<K>, Stop> {
        Ok(Record::from_image(self.read(Ref::new(K::KIND, id))?.as_ref())?)
    }

    pub(crate) fn new_id(&self) -> Id {
        self.cx.ids.id(self.cx.now)
    }

    /// Sets the origin of the following changes; `None` restores the actor's own origin.
    pub(crate) fn through(&mut self, origin: Option<Arc<Origin>>) {
        self.origin = origin;
    }

    /// Makes the commit fail if a record that was read has changed since.
    pub(crate) fn guard(&mut self, image: &Image) {
        // A write of the user group in this commit already depends on its version. A write of the machine group does
        // not.
        if self.edits.get(&image.reference()).is_none_or(|edit| edit.changes.is_empty()) {
            self.guards.insert(image.reference(), image.versions.person);
        }
    }

    pub(crate) fn create(&mut self, kind: Kind, id: Id, input: Input<'_>, step: Step) -> Result<Ref, Stop> {
        let record = Ref::new(kind, id);
        let decl = catalog::decl(kind);
        let mut image = Image::empty(decl, self.cx.actor.tenant(), id);
        catalog::write_defaults(kind, &mut image.values);
        self.write(None, image, input, step)?;
        Ok(record)
    }

    /// Updates a record. Requires the permission to update it.
    pub(crate) fn update(&mut self, record: Ref, input: Input<'_>, step: Step) -> Result<(), Stop> {
        let before = self.read(record)?;
        if before.is_archived() {
            return Err(
                Error::invalid("archived_at", FaultCode::Archived, "the record is archived: restore it first").into()
            );
        }
        gate::demand(self, Action::Update, &before)?;
        let after = before.as_ref().clone();
        self.write(Some(&before), after, input, step)
    }

    /// Updates a record on behalf of a rule. The actor's permissions are not checked.
    pub(crate) fn update_for_rule(&mut self, record: Ref, own: &[(usize, Value)], step: Step) -> Result<(), Stop> {
        let before = self.peek(record)?.ok_or(Stop::not_found(record.kind))?;
        let after = before.as_ref().clone();
        self.write(Some(&before), after, Input::system(own), step)
    }

    /// Writes computed fields of a record. No permissions or gates are checked and nothing is logged. The user group is
    /// neither changed nor depended on. Returns an error for fields of the user group. A commit that computes a record
    /// and also guards its user group is refused.
    pub(crate) fn compute(&mut self, record: Ref, values: &[(usize, Value)]) -> Result<(), Stop> {
        let before = self.peek(record)?.ok_or(Stop::not_found(record.kind))?;
        let mut after = before.as_ref().clone();
        let mut faults = Faults::new();
        for (at, value) in values {
            match after.decl.fields.get(*at) {
                Some(field) if field.section == Section::Machine => {
                    match field.ty.normalize_made(value.clone(), self.cx.definitions.default_country()) {
                        Ok(normal) => after.values[*at] = or_nothing(field.ty, normal),
                        Err(fault) => faults.add(field.name, fault),
                    }
                }
                _ => faults.push(at.to_string(), FaultCode::NotComputed, "is not a computed field"),
            }
        }
        faults.into_result()?;
        if after.values == before.values {
            return Ok(());
        }
        // For a record that is new in this draft, the machine group is written with it, as its first values.
        let is_new = self.edits.get(&record).is_some_and(|edit| edit.before.is_none());
        let stored = match self.edits.get(&record) {
            Some(edit) => edit.before.as_ref().map(|before| before.versions.machine),
            None => Some(before.versions.machine),
        };
        if !is_new && stored == Some(before.versions.machine) {
            after.versions.machine += 1;
        }
        let after = Arc::new(after);
        let edit = self.edits.entry(record).or_insert_with(|| Edit {
            before: Some(before),
            after: Arc::clone(&after),
            changes: Vec::new(),
        });
        edit.after = after;
        Ok(())
    }

    /// Like [`Draft::compute`], and logs one change of the machine group if `action`, called with the record before and
    /// after, returns an action and fields.
    pub(crate) fn announce(
        &mut self,
        record: Ref,
        values: &[(usize, Value)],
        action: impl FnOnce(&Image, &Image) -> Option<(&'static str, Vec<FieldChange>)>,
    ) -> Result<(), Stop> {
        let before = self.peek(record)?.ok_or(Stop::not_found(record.kind))?;
        self.compute(record, values)?;
        let after = self.edits.get(&record).map_or(&before, |edit| &edit.after);
        let Some((action, fields)) = action(&before, after) else { return Ok(()) };
        let recorded_at = self.not_before(&before);
        let edit = self.edits.entry(record).or_insert_with(|| Edit {
            before: Some(Arc::clone(&before)),
            after: Arc::clone(&before),
            changes: Vec::new(),
        });
        let base = edit.before.as_ref().map_or(0, |stored| stored.versions.machine);
        // A logged change has its own version, also for a record that is new in this draft.
        if edit.after.versions.machine == base {
            Arc::make_mut(&mut edit.after).versions.machine += 1;
        }
        edit.changes.push(Change {
            record,
            group: Group::Machine,
            version: edit.after.versions.machine,
            commit: Id::NIL,
            recorded_at,
            occurred_at: recorded_at,
            by: None,
            action: Cow::Borrowed(action),
            origin: None,
            fields,
            with: Vec::new(),
            cause: None,
            stage_move: None,
        });
        Ok(())
    }

    /// Returns the time at which a change of a record is recorded: now, or the time of the record's last change if
    /// another process' clock is ahead. The times of a group's changes therefore never decrease in the log. The time of
    /// the last logged change of the machine group is in a separate field.
    pub(crate) fn not_before(&self, before: &Image) -> Time {
        let times = [Some(common::UPDATED_AT), before.decl.behavior.announced_at].into_iter().flatten();
        times.filter_map(|at| before.values[at].as_time()).fold(self.cx.now, Time::max)
    }

    pub(crate) fn is_new(&self, id: Id) -> bool {
        self.edits.iter().any(|(record, edit)| record.id == id && edit.before.is_none())
    }

    /// Writes an internal record that belongs to another record and has the same id. It is created if it does not
    /// exist, and never logged.
    pub(crate) fn keep(&mut self, record: Ref, values: &[(usize, Value)]) -> Result<(), Stop> {
        // If the other record is new, this one cannot exist yet, and its id differs each time the decision is made.
        let beside_new = self.is_new(record.id) && !self.edits.contains_key(&record);
        if beside_new || self.peek(record)?.is_none() {
            let mut image = Image::empty(catalog::decl(record.kind), self.cx.actor.tenant(), record.id);
            catalog::write_defaults(record.kind, &mut image.values);
            for at in [common::CREATED_AT, common::UPDATED_AT] {
                image.values[at] = Value::Time(self.cx.now);
            }
            image.versions.person = 1;
            self.edits.insert(record, Edit { before: None, after: Arc::new(image), changes: Vec::new() });
        }
        self.compute(record, values)
    }

    /// Returns the records changed so far by changes of the user group.
    pub(crate) fn moved(&self) -> Vec<Moved> {
        let by_people = |edit: &&Edit| edit.changes.iter().any(|change| change.group == Group::User);
        let moved = |edit: &Edit| Moved {
            before: edit.before.clone(),
            after: Arc::clone(&edit.after),
            fields: edit.changes.iter().flat_map(|change| change.fields.iter().map(|f| f.field.clone())).collect(),
            entered: edit
                .changes
                .iter()
                .filter_map(|change| Some((change.occurred_at, change.field(place::STAGE)?.new.as_id()?.typed())))
                .collect(),
        };
        self.edits.values().filter(by_people).map(moved).collect()
    }

    /// Archives a record: it is removed from lists and frees its unique values. References to it stay valid.
    pub(crate) fn archive(&mut self, record: Ref, step: Step) -> Result<(), Stop> {
        let before = self.read(record)?;
        gate::demand(self, Action::Archive, &before)?;
        self.archive_checked(&before, step)
    }

    /// Archives a record. The caller has checked the permission.
    pub(crate) fn archive_checked(&mut self, before: &Arc<Image>, step: Step) -> Result<(), Stop> {
        if before.is_archived() {
            return Ok(());
        }
        let at = step.occurred_at.unwrap_or(self.cx.now);
        let after = before.as_ref().clone();
        let own = [(common::ARCHIVED_AT, Value::Time(at))];
        self.write(Some(before), after, Input::system(&own), step)
    }

    /// Restores an archived record. `asked` can set new values for its unique fields.
    pub(crate) fn restore(&mut self, record: Ref, asked: &[(usize, Value)], step: Step) -> Result<(), Stop> {
        let before = self.read(record)?;
        gate::demand(self, Action::Archive, &before)?;
        if !asked.is_empty() {
            gate::demand(self, Action::Update, &before)?;
        }
        let after = before.as_ref().clone();
        let own = [(common::ARCHIVED_AT, Value::Null)];
        self.write(Some(&before), after, Input::both(asked, &own), step)
    }

    /// Runs a part of a decision. If it stops, its changes to the draft are reverted.
    pub(crate) fn attempt<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        let before = (self.edits.clone(), self.guards.clone(), self.origin.clone());
        let decided = part(self);
        if decided.is_err() {
            (self.edits, self.guards, self.origin) = before;
        }
        decided
    }

    /// Links the records written so far as one step, which is undone as a whole.
    pub(crate) fn tie(&mut self) {
        let all: Vec<Ref> = self.edits.keys().copied().collect();
        for (record, edit) in &mut self.edits {
            if let Some(change) = edit.changes.last_mut() {
                change.with = all.iter().copied().filter(|other| other != record).collect();
            }
        }
    }

    /// Returns the current image of a record in this draft, for the result.
    pub(crate) fn answer(&self, record: Ref) -> Option<Arc<Image>> {
        self.edits
            .get(&record)
            .map(|edit| Arc::clone(&edit.after))
            .or_else(|| self.loaded.record(&record.into()).flatten().cloned())
    }

    pub(crate) fn written(&self) -> impl Iterator<Item = &Image> {
        self.edits.values().map(|edit| edit.after.as_ref())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Builds the commit.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the commit exceeds the limits.
    pub(crate) fn into_commit(self, id: CommitId, key: Option<KeyEntry>) -> Result<Commit, Error> {
        if let Some(record) = self.guards.keys().find(|record| self.edits.contains_key(record)) {
            // A commit names a record once: either as written in one of its groups or as guarded.
            let message = format!("{record} cannot be computed and guarded in the same commit");
            return Err(Error::invalid("machine", FaultCode::Guarded, message));
        }
        let mut book = ClaimBook::default();
        let mut writes = Vec::with_capacity(self.edits.len());
        for (record, edit) in self.edits {
            let held = match &edit.before {
                Some(before) => claims(before, self.cx.definitions)?,
                None => Vec::new(),
            };
            book.record(record, held, claims(&edit.after, self.cx.definitions)?)?;
            let mut changes = edit.changes;
            for change in &mut changes {
                change.commit = id;
            }
            writes.push(Write { before: edit.before, after: edit.after, changes });
        }
        let guards = self.guards.into_iter().map(|(record, version)| Guard { record, version }).collect();
        let mut commit = Commit {
            id,
            tenant: self.cx.actor.tenant(),
            at: self.cx.now,
            writes,
            guards,
            claims: book.operations(),
            key,
        };
        commit.sort();
        commit.check_budget()?;
        Ok(commit)
    }
}

/// Replaces `Null` by the empty value of the type: an empty list or `false`.
pub(super) fn or_nothing(ty: FieldType, value: Value) -> Value {
    match value {
        Value::Null if ty.is_list() => Value::List([].into()),
        Value::Null if ty == FieldType::Bool => Value::Bool(false),
        value => value,
    }
}
