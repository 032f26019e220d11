//! The draft: the records that a decision has read, and its changes to them.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{
    Loaded, Lookup, Stop,
    claims::{ClaimBook, claims},
    gate,
    open::NO_STEP,
};
use crate::model::value::FaultCode;
use crate::{
    catalog,
    engine::{
        access::Access,
        definitions::Definitions,
        rules::{self, Settle, Validator},
        stages::{gates::Passage, place},
    },
    model::{
        access::{Action, Actor, Permission},
        ambient::IdSource,
        change::{Change, FieldChange, Origin},
        error::{Error, Faults},
        schema::{FieldType, Group, Image, Record, RecordKind, Section, common},
        store::{Commit, Guard, KeyEntry, Want, Write},
        value::{Id, Kind, Ref, Time, Value, stored},
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
    pub(crate) passage: Passage,
}

impl Step {
    /// Creates a step without a special transition.
    pub(crate) const fn new(action: &'static str, occurred_at: Option<Time>) -> Self {
        Self { action, occurred_at, passage: Passage::Ordinary }
    }
}

/// A record with its changes in this draft.
#[derive(Clone)]
struct Edit {
    before: Option<Arc<Image>>,
    after: Arc<Image>,
    changes: Vec<Change>,
}

/// The records that a decision has read, and its changes to them.
pub struct Draft<'a> {
    pub(crate) cx: &'a Context<'a>,
    loaded: &'a Loaded,
    edits: BTreeMap<Ref, Edit>,
    guards: BTreeMap<Ref, u64>,
    missing: Vec<Lookup>,
    /// The origin of the next changes; `None` for the actor's own.
    origin: Option<Arc<Origin>>,
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
    pub(crate) entered: Vec<(Time, Id)>,
}

/// The values to set on a record: those of the user, to which field rules apply, and those of the use case, to which
/// they do not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sets<'a> {
    pub(crate) asked: &'a [(usize, Value)],
    pub(crate) own: &'a [(usize, Value)],
    /// `true` if the record must have exactly these values: rules check it and fill in nothing (undo, rollback).
    pub(crate) exactly: bool,
}

impl<'a> Sets<'a> {
    pub(crate) const fn asked(asked: &'a [(usize, Value)]) -> Self {
        Self { asked, own: &[], exactly: false }
    }
    pub(crate) const fn both(asked: &'a [(usize, Value)], own: &'a [(usize, Value)]) -> Self {
        Self { asked, own, exactly: false }
    }
    pub(crate) const fn own(own: &'a [(usize, Value)]) -> Self {
        Self { asked: &[], own, exactly: false }
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
    pub(crate) fn record<K: RecordKind>(&mut self, id: Id) -> Result<Record<K>, Stop> {
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

    pub(crate) fn create(&mut self, kind: Kind, id: Id, sets: Sets<'_>, step: Step) -> Result<Ref, Stop> {
        let record = Ref::new(kind, id);
        let decl = catalog::decl(kind);
        let mut image = Image::empty(decl, self.cx.actor.tenant(), id);
        catalog::write_defaults(kind, &mut image.values);
        self.write(None, image, sets, step)?;
        Ok(record)
    }

    /// Updates a record. Requires the permission to update it.
    pub(crate) fn update(&mut self, record: Ref, sets: Sets<'_>, step: Step) -> Result<(), Stop> {
        let before = self.read(record)?;
        if before.is_archived() {
            return Err(
                Error::invalid("archived_at", FaultCode::Archived, "the record is archived: restore it first").into()
            );
        }
        gate::demand(self, Action::Update, &before)?;
        let after = before.as_ref().clone();
        self.write(Some(&before), after, sets, step)
    }

    /// Updates a record on behalf of a rule. The actor's permissions are not checked.
    pub(crate) fn update_for_rule(&mut self, record: Ref, own: &[(usize, Value)], step: Step) -> Result<(), Stop> {
        let before = self.peek(record)?.ok_or(Stop::not_found(record.kind))?;
        let after = before.as_ref().clone();
        self.write(Some(&before), after, Sets::own(own), step)
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
        let by_people = |edit: &&Edit| edit.changes.iter().any(|change| change.group == Group::Person);
        let moved = |edit: &Edit| Moved {
            before: edit.before.clone(),
            after: Arc::clone(&edit.after),
            fields: edit.changes.iter().flat_map(|change| change.fields.iter().map(|f| f.field.clone())).collect(),
            entered: edit
                .changes
                .iter()
                .filter_map(|change| Some((change.occurred_at, change.field(place::STAGE)?.new.as_id()?)))
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
        self.write(Some(before), after, Sets::own(&own), step)
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
        self.write(Some(&before), after, Sets::both(asked, &own), step)
    }

    /// Writes a record. All changes of the user group go through this function.
    pub(crate) fn write(
        &mut self,
        before: Option<&Arc<Image>>,
        mut after: Image,
        sets: Sets<'_>,
        step: Step,
    ) -> Result<(), Stop> {
        let record = after.reference();
        let mut faults = Faults::new();
        gate::check_field_rules(self, &after, sets.asked, &mut faults)?;
        self.place(&mut after, sets.asked, (false, sets.exactly), &mut faults);
        self.place(&mut after, sets.own, (true, sets.exactly), &mut faults);
        let recorded_at = before.map_or(self.cx.now, |before| self.not_before(before));
        if recorded_at > self.cx.now.plus_micros(self.cx.max_clock_skew) {
            return Err(Error::ClockSkew { record, written_at: recorded_at, now: self.cx.now }.into());
        }
        let occurred_at = step.occurred_at.unwrap_or(recorded_at);
        if before.is_none() {
            after.values[common::CREATED_AT] = Value::Time(occurred_at);
            after.values[common::CREATED_BY] = self.cx.actor.user().map_or(Value::Null, Value::Id);
            gate::refuse_plain_creation(&after, step, &mut faults);
            gate::own_what_one_creates(self, &mut after);
            gate::fill_defaults(self.cx.definitions, &mut after);
        }
        let named = |at: usize| sets.exactly || sets.asked.iter().chain(sets.own).any(|(set, _)| *set == at);
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
                exactly: sets.exactly,
                faults: &mut faults,
            };
            rules::settle(before.map(Arc::as_ref), &mut after, &mut settle)?;
        }
        gate::follow_owner(self, before.map(Arc::as_ref), &mut after, &named)?;
        if let Some(before) = before.filter(|_| !sets.exactly) {
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
            step.passage,
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
        after.values[common::UPDATED_BY] = self.cx.actor.user().map_or(Value::Null, Value::Id);
        after.versions.person += 1;
        let stage_move = changed(place::STAGE).then(|| after.get(place::PIPELINE).as_id()).flatten();
        let change = Change {
            record,
            group: Group::Person,
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
        (by_use_case, exactly): (bool, bool),
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
            if !by_use_case && field.section != Section::Person {
                faults.push(field.name, FaultCode::ReadOnly, "is read-only");
                continue;
            }
            if matches!(value, Value::NotLoaded | Value::Redacted) {
                continue;
            }
            if *at == common::PROPERTIES {
                gate::place_properties(self.cx.definitions, after, value, (by_use_case, exactly), country, faults);
                continue;
            }
            let normal = field.ty.normalize(value.clone(), country).and_then(|normal| {
                let is_new = !by_use_case && after.values[*at] != normal;
                if is_new { field.ty.within_bounds(normal) } else { Ok(normal) }
            });
            let normal = match normal {
                Ok(normal) => normal,
                Err(_) if exactly => value.clone(),
                Err(fault) => {
                    faults.add(field.name, fault);
                    continue;
                }
            };
            let wrong = if field.is_structured() && !exactly {
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
    pub(crate) fn into_commit(self, id: Id, key: Option<KeyEntry>) -> Result<Commit, Error> {
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

/// Replaces `Null` by the empty value of the type: an empty list or `false`.
fn or_nothing(ty: FieldType, value: Value) -> Value {
    match value {
        Value::Null if ty.is_list() => Value::List([].into()),
        Value::Null if ty == FieldType::Bool => Value::Bool(false),
        value => value,
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
