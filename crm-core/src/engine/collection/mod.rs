//! Collections: the use cases of every kind, such as create, get, find, list, update, archive, restore, history, as-of
//! and undo. Use cases of a single kind are in the module of that kind.

mod create;
mod history;
mod list;
mod read;
mod write;

use std::{marker::PhantomData, sync::Arc};

pub use create::NewWithHistory;
pub(crate) use read::Projection;

use crate::{
    catalog,
    engine::{
        access::{Access, Authority},
        definitions::Definitions,
        draft::{self, Lookup},
        rules,
        runtime::Engine,
    },
    model::{
        access::Actor,
        error::Error,
        schema::{FieldType, Named, RecordKind, Section, common},
        store::{Claim, Want},
        value::{Fault, FaultCode, Id, Kind, Ref, Value},
    },
};

/// The records of one kind, with the permissions of one actor.
#[derive(Clone)]
pub struct Collection<'a, K> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) actor: &'a Actor,
    kind: PhantomData<fn() -> K>,
}

impl<K> std::fmt::Debug for Collection<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collection").field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// Returns the values to set, serialized by field name.
pub(crate) fn named<K: RecordKind>(sets: &Arc<[(usize, Value)]>) -> Named {
    Named(K::decl(), Arc::clone(sets))
}

/// Returns the names of the fields that a patch sets; custom properties by key.
pub(crate) fn named_fields<K: RecordKind>(sets: &[(usize, Value)]) -> Vec<String> {
    let mut names = Vec::with_capacity(sets.len());
    for (at, value) in sets {
        match (K::decl().fields.get(*at), value.as_map()) {
            (Some(_), Some(map)) if *at == common::PROPERTIES => {
                names.extend(map.keys().map(|key| format!("properties.{key}")));
            }
            (Some(field), _) => names.push(field.name.to_owned()),
            _ => {}
        }
    }
    names
}

/// Returns the records that the values refer to. A write reads them in its first round trip.
pub(crate) fn hints_of<K: RecordKind>(sets: &[(usize, Value)]) -> Vec<Lookup> {
    let mut hints: Vec<Lookup> = Vec::new();
    for (at, value) in sets {
        let Some(field) = K::decl().fields.get(*at) else { continue };
        let items = match value {
            Value::List(items) => items.as_ref(),
            single => std::slice::from_ref(single),
        };
        for item in items.iter().take(100) {
            let target = match (field.ty, item) {
                (FieldType::Id(kind) | FieldType::Ids(kind, _), Value::Id(id)) => Ref::new(kind, *id),
                (FieldType::Ref(_) | FieldType::Refs(..), Value::Ref(target)) => *target,
                _ => continue,
            };
            // Definitions are read with their epoch, from the cache.
            if !catalog::decl(target.kind).is_definition {
                hints.push(target.into());
            }
        }
    }
    hints
}

impl<'a, K: RecordKind> Collection<'a, K> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor, kind: PhantomData }
    }

    pub(crate) fn reference(id: Id<K>) -> Ref {
        Ref::new(K::KIND, id)
    }

    pub(crate) async fn definitions(&self) -> Result<Authority, Error> {
        self.engine.authority(self.actor).await
    }

    /// Returns the lookups that a write of these values needs or is likely to need, to be read in the first round trip.
    fn hints(&self, sets: &[(usize, Value)]) -> Vec<Lookup> {
        let mut hints = hints_of::<K>(sets);
        let keys = rules::keys(K::KIND, self.actor.tenant(), sets);
        hints.extend(keys.into_iter().map(|key| Lookup::Want(Want::Claimed(key))));
        // The actor who creates or hands over an owned record is often its owner.
        let owned = K::decl().own.first().filter(|&&own| K::decl().fields[own].ty == FieldType::Id(Kind::User));
        if let Some(own) = owned.filter(|_| K::KIND != Kind::User)
            && sets.iter().any(|(at, _)| at == own)
        {
            hints.extend(self.likely_owner());
        }
        hints
    }

    /// Returns the actor's user for a kind with an owner, to be read in the first round trip: the creator often becomes
    /// the owner.
    fn likely_owner(&self) -> Option<Lookup> {
        let owned = K::decl().own.first().is_some_and(|&own| K::decl().fields[own].ty == FieldType::Id(Kind::User));
        self.actor.user().filter(|_| owned && K::KIND != Kind::User).map(|user| Ref::new(Kind::User, user).into())
    }

    /// Returns the claim of a unique value by the cached definitions, to be read in the first round trip. It is
    /// computed again under the current definitions.
    fn likely_claim(&self, field: &str, value: &str) -> Option<Lookup> {
        let cached = self.engine.cached_for(self.actor).unwrap_or_default();
        let access = Access::new(self.actor, &cached, self.engine.clock.now());
        key_by::<K>(&access, &cached, field, value).ok().map(|key| Lookup::Want(Want::Claimed(key.claim)))
    }
}

pub(crate) struct Key {
    /// The claim for the value.
    pub(crate) claim: Claim,
    /// The field and value to set on a new record.
    place: (usize, Value),
}

/// Resolves a unique value of a kind, if the actor may see the field: of a unique field, a unique custom property, or a
/// field derived from a list of unique values.
///
/// # Errors
/// [`Error::Invalid`] for a field that is not unique or is hidden, and for an invalid value.
pub(crate) fn key_by<K: RecordKind>(
    access: &Access<'_>,
    definitions: &Definitions,
    field: &str,
    value: &str,
) -> Result<Key, Error> {
    let unknown = || {
        let shown: String = field.chars().take(64).collect();
        Error::invalid(shown, FaultCode::NotUnique, format!("is not a unique field of `{}`", K::KIND))
    };
    if access.is_hidden(K::KIND, field) {
        return Err(unknown());
    }
    let country = definitions.default_country();
    let bad = |fault: Fault| Error::invalid(field, fault.code, fault.message);
    let (normal, place) = if let Some(key) = field.strip_prefix("properties.") {
        let property = definitions.property(K::KIND, key).filter(|property| property.unique).ok_or_else(unknown)?;
        let ty = crate::engine::typing::written_type(property).map_err(bad)?;
        let typed = ty.read_json(&serde_json::Value::String(value.to_owned())).or_else(|fault| {
            serde_json::from_str(value).map_err(|_| fault.clone()).and_then(|json| ty.read_json(&json))
        });
        let normal = typed.and_then(|typed| ty.normalize(typed, country)).map_err(bad)?;
        let map = std::iter::once((key.to_owned(), normal.clone())).collect();
        (normal, (common::PROPERTIES, Value::Map(Arc::new(map))))
    } else {
        let at = K::decl().position(field).ok_or_else(unknown)?;
        let found = &K::decl().fields[at];
        let normal = || found.ty.normalize(Value::text(value), country).map_err(bad);
        if found.marks.unique && found.section == Section::User {
            let normal = normal()?;
            (normal.clone(), (at, normal))
        } else {
            rules::place_key(K::KIND, field, "", definitions).ok_or_else(unknown)?;
            let normal = normal()?;
            let text = normal.as_text().unwrap_or_default();
            let place = rules::place_key(K::KIND, field, text, definitions).ok_or_else(unknown)?;
            if access.is_hidden(K::KIND, K::decl().fields[place.0].name) {
                return Err(unknown());
            }
            (normal, place)
        }
    };
    let claim = draft::claim_of_value(access.actor().tenant(), K::KIND, field, &normal).ok_or_else(unknown)?;
    Ok(Key { claim, place })
}
