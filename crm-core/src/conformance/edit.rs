//! Builds one record's write, field by field: the after-image, the versions and the changes for the log.

use std::{borrow::Cow, sync::Arc};

use crate::{
    catalog,
    model::{
        change::{Change, FieldChange, Origin},
        schema::{FieldType, Group, Image, Section, common},
        store::{CommitId, Write},
        value::{Date, Id, Kind, Ref, Time, Value},
    },
};

/// A change of a record. Setting a field of a group increments the group's version once; [`Edit::next`] begins another
/// change of the same write.
#[derive(Clone, Debug)]
pub struct Edit {
    before: Option<Arc<Image>>,
    after: Image,
    at: Time,
    pending: Pending,
    done: Vec<Change>,
}

/// The change being built.
#[derive(Clone, Debug, Default)]
struct Pending {
    person: bool,
    machine: bool,
    fields: Vec<FieldChange>,
    announced: Vec<FieldChange>,
    occurred_at: Option<Time>,
    by: Option<Id>,
    action: Option<&'static str>,
    origin: Option<Origin>,
    with: Vec<Ref>,
    stage_move: Option<Id>,
}

impl Edit {
    /// Creates a new record with the kind's defaults, created by the system at this time.
    pub fn create(tenant: Id, record: Ref, at: Time) -> Self {
        let mut after = Image::empty(catalog::decl(record.kind), tenant, record.id);
        catalog::write_defaults(record.kind, &mut after.values);
        after.values[common::CREATED_AT] = Value::Time(at);
        let mut edit = Self { before: None, after, at, pending: Pending::default(), done: Vec::new() };
        edit.touch_person();
        edit
    }

    /// Creates a change of a record as it was read.
    pub fn of(before: &Arc<Image>, at: Time) -> Self {
        Self {
            before: Some(Arc::clone(before)),
            after: before.as_ref().clone(),
            at,
            pending: Pending::default(),
            done: Vec::new(),
        }
    }

    fn touch_person(&mut self) {
        if !self.pending.person {
            self.pending.person = true;
            self.after.versions.person += 1;
        }
        self.after.values[common::UPDATED_AT] = Value::Time(self.at);
        self.after.values[common::UPDATED_BY] = self.pending.by.map_or(Value::Null, Value::Id);
    }

    fn touch_machine(&mut self) {
        if !self.pending.machine {
            self.pending.machine = true;
            self.after.versions.machine += 1;
        }
    }

    /// Sets a field of any section. This writes its group, and the field is logged if its declaration says so.
    ///
    /// # Panics
    /// Panics if the kind has no such field, which is an error in the case.
    #[must_use]
    pub fn set(mut self, name: &str, value: Value) -> Self {
        let decl = self.after.decl;
        let position = decl.position(name);
        assert!(position.is_some(), "{} has no field `{name}`", decl.kind);
        let Some(position) = position else { return self };
        let field = &decl.fields[position];
        if field.section == Section::Machine {
            self.touch_machine();
        } else {
            self.touch_person();
        }
        let old = std::mem::replace(&mut self.after.values[position], value.clone());
        if field.is_logged() && position != common::PROPERTIES && old != value {
            let (old, new) = if field.marks.secret { (Value::Redacted, Value::Redacted) } else { (old, value) };
            // A field that is set twice in one change has the first old value and the last new one.
            match self.pending.fields.iter_mut().find(|change| change.field == field.name) {
                Some(change) => change.new = new,
                None => self.pending.fields.push(FieldChange { field: Cow::Borrowed(field.name), old, new }),
            }
        }
        self
    }

    /// Sets a custom property; [`Value::Null`] removes it.
    #[must_use]
    pub fn property(mut self, key: &str, value: Value) -> Self {
        self.touch_person();
        let mut map = self.after.values[common::PROPERTIES].as_map().cloned().unwrap_or_default();
        let old = if value.is_null() { map.remove(key) } else { map.insert(key.to_owned(), value.clone()) };
        self.after.values[common::PROPERTIES] = Value::Map(Arc::new(map));
        let field = Cow::Owned(format!("properties.{key}"));
        self.pending.fields.push(FieldChange { field, old: old.unwrap_or_default(), new: value });
        self
    }

    /// Sets a field of the machine group and announces it, so that it is logged.
    #[must_use]
    pub fn announce(self, name: &str, value: Value) -> Self {
        let old = self.after.get(name).clone();
        let mut edit = self.set(name, value.clone());
        edit.pending.announced.push(FieldChange { field: Cow::Owned(name.to_owned()), old, new: value });
        edit
    }

    /// Sets when the change occurred, if it differs from when it is recorded.
    #[must_use]
    pub fn occurred(mut self, at: Time) -> Self {
        self.pending.occurred_at = Some(at);
        if self.before.is_none() && self.done.is_empty() {
            self.after.values[common::CREATED_AT] = Value::Time(at);
        }
        self
    }

    /// Sets the user who made the change.
    #[must_use]
    pub fn by(mut self, user: Id) -> Self {
        self.pending.by = Some(user);
        if self.before.is_none() && self.done.is_empty() {
            self.after.values[common::CREATED_BY] = Value::Id(user);
        }
        self.touch_person();
        self
    }

    /// Sets the action, if it is not `create` or `update`.
    #[must_use]
    pub fn action(mut self, action: &'static str) -> Self {
        self.pending.action = Some(action);
        self
    }

    /// Sets the origin.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.pending.origin = Some(origin);
        self
    }

    /// Sets the other records of the same step.
    #[must_use]
    pub fn with(mut self, others: impl IntoIterator<Item = Ref>) -> Self {
        self.pending.with.extend(others);
        self
    }

    /// Moves the record to a stage of a pipeline.
    #[must_use]
    pub fn stage(self, pipeline: Id, stage: Id) -> Self {
        let mut edit = self.set("pipeline_id", Value::Id(pipeline)).set("stage_id", Value::Id(stage));
        edit.pending.stage_move = Some(pipeline);
        edit
    }

    /// Archives the record.
    #[must_use]
    pub fn archive(self) -> Self {
        let at = Value::Time(self.at);
        self.set("archived_at", at).action("archive")
    }

    /// Restores an archived record.
    #[must_use]
    pub fn restore(self) -> Self {
        self.set("archived_at", Value::Null).action("restore")
    }

    /// Ends this change and begins another of the same write, recorded at this time.
    #[must_use]
    pub fn next(mut self, at: Time) -> Self {
        self.finish();
        self.at = at;
        self
    }

    /// Returns the after-image.
    pub fn after(&self) -> Arc<Image> {
        Arc::new(self.after.clone())
    }

    /// Returns the reference to the record.
    pub fn record(&self) -> Ref {
        self.after.reference()
    }

    fn finish(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let creates = self.before.is_none() && self.done.is_empty();
        let change = |group: Group, version: u64, fields: Vec<FieldChange>| Change {
            record: self.after.reference(),
            group,
            version,
            commit: Id::NIL,
            recorded_at: self.at,
            occurred_at: pending.occurred_at.unwrap_or(self.at),
            by: pending.by.map(Id::typed),
            action: Cow::Borrowed(pending.action.unwrap_or(if creates { "create" } else { "update" })),
            origin: pending.origin.clone().map(Arc::new),
            fields,
            with: pending.with.clone(),
            cause: None,
            stage_move: if group == Group::User { pending.stage_move.map(Id::typed) } else { None },
        };
        let person = pending.person.then(|| change(Group::User, self.after.versions.person, pending.fields.clone()));
        let machine = (!pending.announced.is_empty())
            .then(|| change(Group::Machine, self.after.versions.machine, pending.announced.clone()));
        self.done.extend(person);
        self.done.extend(machine);
    }

    /// Returns the write, with its changes under a commit.
    pub fn into_write(mut self, commit: CommitId) -> Write {
        self.finish();
        for change in &mut self.done {
            change.commit = commit;
        }
        Write { before: self.before, after: Arc::new(self.after), changes: self.done }
    }
}

/// Returns a new record of a kind with the fields that its declaration requires, and defaults for all others.
pub(super) fn sample(tenant: Id, record: Ref, at: Time) -> Edit {
    let mut edit = Edit::create(tenant, record, at);
    for field in catalog::decl(record.kind).fields.iter().filter(|field| field.marks.required) {
        let value = match field.ty {
            FieldType::Text(_) | FieldType::LongText => Value::text(format!("{} {}", record.kind, record.id)),
            FieldType::Key => Value::text(record.id.to_string()),
            FieldType::Choice(names) => names.first().map_or(Value::Null, |name| Value::text(*name)),
            FieldType::Currency => Value::text("EUR"),
            FieldType::Date => Value::Date(Date::of(at)),
            FieldType::Time => Value::Time(at),
            FieldType::Decimal => Value::Decimal(1.into()),
            FieldType::Int(least, _) => Value::Int(least),
            // References and composite values are skipped: stores accept them as missing too.
            _ => continue,
        };
        edit = edit.set(field.name, value);
    }
    // Active, so that every lookup of users finds the user.
    if record.kind == Kind::User { edit.set("is_active", Value::Bool(true)) } else { edit }
}
