//! Incremental replay of a record's history: the same fold as [`as_of`](crate::model::change::as_of), so that states at many times
//! cost one pass over the changes.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use crate::{
    catalog,
    engine::{definitions::Definitions, rules},
    model::{
        change::Change,
        schema::{Group, Image, common},
        value::{Id, Time, Value, WrongType},
    },
};

pub(crate) struct Replay {
    /// The remaining changes, next one last, each with the time from which it counts.
    ahead: Vec<(Time, Change)>,
    image: Option<Arc<Image>>,
    tenant: Id,
    /// The version that last set each field: a later correction of an earlier time stays.
    given_by: Vec<u64>,
    properties: BTreeMap<String, (u64, Value)>,
}

impl Replay {
    /// Creates a replay positioned before the creation. `from` returns the time from which a change counts, or `None`
    /// if it never does. It must not decrease between changes that move a stage.
    pub(crate) fn new(tenant: Id, changes: Vec<Change>, from: impl Fn(&Change) -> Option<Time>) -> Self {
        let mut ahead: Vec<(Time, Change)> =
            changes.into_iter().filter_map(|change| Some((from(&change)?, change))).collect();
        // Changes that count from the same time apply in version order, the creation first.
        ahead.sort_by_key(|(at, change)| Reverse((*at, !change.is_creation(), change.version)));
        Self { ahead, image: None, tenant, given_by: Vec::new(), properties: BTreeMap::new() }
    }

    /// Returns the record at a time, which must not be before the previous one; `None` before its creation. Derived
    /// fields use the current definitions.
    ///
    /// # Errors
    /// [`WrongType`] if a value in the log does not match the declaration.
    pub(crate) fn at(&mut self, moment: Time, definitions: &Definitions) -> Result<Option<&Arc<Image>>, WrongType> {
        while let Some((_, change)) = self.ahead.pop_if(|(at, _)| *at <= moment) {
            self.apply(&change, definitions)?;
        }
        Ok(self.image.as_ref())
    }

    fn apply(&mut self, change: &Change, definitions: &Definitions) -> Result<(), WrongType> {
        let mut image = match self.image.take() {
            Some(image) => Arc::unwrap_or_clone(image),
            None if change.is_creation() => {
                let decl = catalog::decl(change.record.kind);
                let mut image = Image::empty(decl, self.tenant, change.record.id);
                catalog::write_defaults(change.record.kind, &mut image.values);
                image.values[common::CREATED_AT] = Value::Time(change.occurred_at);
                image.values[common::CREATED_BY] = change.by.map_or(Value::Null, Value::from);
                self.given_by = vec![0; decl.fields.len()];
                image
            }
            None => return Ok(()),
        };
        for field in &change.fields {
            if let Some(key) = field.field.strip_prefix("properties.") {
                let given = self.properties.entry(key.to_owned()).or_default();
                if given.0 <= change.version {
                    *given = (change.version, field.new.clone());
                }
            } else if let Some(position) = image.decl.position(&field.field)
                && self.given_by[position] <= change.version
            {
                self.given_by[position] = change.version;
                image.values[position] = match &field.new {
                    Value::Redacted => Value::Null,
                    value => value.clone(),
                };
            }
        }
        if change.fields.iter().any(|field| field.field.starts_with("properties.")) || change.is_creation() {
            let filled = self.properties.iter().filter(|(_, (_, value))| !value.is_null());
            let filled = filled.map(|(key, (_, value))| (key.clone(), value.clone())).collect();
            image.values[common::PROPERTIES] = Value::Map(Arc::new(filled));
        }
        match change.group {
            Group::User => {
                image.versions.person = image.versions.person.max(change.version);
                if image.versions.person == change.version {
                    image.values[common::UPDATED_AT] = Value::Time(change.recorded_at);
                    image.values[common::UPDATED_BY] = change.by.map_or(Value::Null, Value::from);
                }
                let touched = |name: &str| change.field(name).is_some();
                let stamp = rules::Stamp { changed: &touched, occurred_at: change.occurred_at, by: change.by };
                rules::derive(&mut image, Some(&stamp), definitions)?;
            }
            Group::Machine => image.versions.machine = image.versions.machine.max(change.version),
        }
        self.image = Some(Arc::new(image));
        Ok(())
    }
}
