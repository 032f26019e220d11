//! The past state of a record: the fold of its changes up to a time.

use std::{collections::BTreeMap, sync::Arc};

use super::Change;
use crate::{
    catalog,
    model::{
        schema::{Group, Image, Versions, common},
        value::{Id, Time, Value},
    },
};

/// Returns the record as of `at`, from its whole history in version order, or `None` before its creation (or before the
/// creation was known).
///
/// For each field, the highest version with `occurred_at ≤ at` counts, so that a later correction applies from its own
/// time on. With `known_at`, only changes recorded by then count. Derived and machine fields are missing, because they
/// are not in the log; `version` is the highest that counted. Fields that this program does not declare are left out.
/// O(changes).
pub fn as_of(tenant: Id, changes: &[Change], at: Time, known_at: Option<Time>) -> Option<Image> {
    let counts =
        |change: &&Change| change.occurred_at <= at && known_at.is_none_or(|known| change.recorded_at <= known);
    let first = changes.iter().find(|change| change.is_creation())?;
    if !counts(&first) {
        return None;
    }
    let decl = catalog::decl(first.record.kind);
    let mut image = Image::empty(decl, tenant, first.record.id);
    catalog::write_defaults(first.record.kind, &mut image.values);
    let mut properties: BTreeMap<String, Value> = BTreeMap::new();
    let mut versions = Versions::default();
    image.values[common::CREATED_AT] = Value::Time(first.occurred_at);
    image.values[common::CREATED_BY] = first.by.map_or(Value::Null, Value::from);
    for change in changes.iter().filter(counts) {
        for field in &change.fields {
            if let Some(key) = field.field.strip_prefix("properties.") {
                if field.new.is_null() {
                    properties.remove(key);
                } else {
                    properties.insert(key.to_owned(), field.new.clone());
                }
            } else if let Some(position) = decl.position(&field.field) {
                image.values[position] = match &field.new {
                    Value::Redacted => Value::Null,
                    value => value.clone(),
                };
            }
        }
        match change.group {
            Group::User => {
                versions.person = versions.person.max(change.version);
                image.values[common::UPDATED_AT] = Value::Time(change.recorded_at);
                image.values[common::UPDATED_BY] = change.by.map_or(Value::Null, Value::from);
            }
            Group::Machine => versions.machine = versions.machine.max(change.version),
        }
    }
    image.values[common::PROPERTIES] = Value::Map(Arc::new(properties));
    image.versions = versions;
    Some(image)
}
