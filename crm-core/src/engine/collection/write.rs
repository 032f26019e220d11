//! Changing records: update, upsert, archive, restore, undo and roll back.

use std::sync::Arc;

use super::{Collection, Key, key_by, named, named_fields};
use crate::{
    engine::draft::{self, Lookup, Pending, Stop, fingerprint},
    model::{
        error::Error,
        schema::{Patch, Record, RecordKind, common},
        store::CommitId,
        value::{FaultCode, Id, Value},
    },
};

/// The number of records that a bulk update changes in one commit. With a change, claims and list elements each, they
/// stay within the limits of a commit.
const UPDATES_PER_COMMIT: usize = 25;

impl<K: RecordKind> Collection<'_, K> {
    /// Updates the record that has a unique value, or creates one: `upsert("external_id", "42", new)`, `upsert("email",
    /// "ada@example.com", new)`, `upsert("properties.vat", "DE1", new)`. A created record gets the value; `new` may
    /// omit it and must not contradict it. [`Saved::created`](crate::engine::draft::Saved) is `true` if a record was created.
    /// One read and one commit; retried if the record is created concurrently.
    ///
    /// An upsert never removes a restriction: if a record says that a person wants no email, `false` changes nothing.
    ///
    /// Awaiting it returns the errors of [`Collection::find`] and [`Collection::create`]; a value held by a record that
    /// the actor may not see is [`Error::Duplicate`].
    pub fn upsert(&self, field: &str, value: &str, new: K::New) -> Pending<Record<K>> {
        self.upsert_from(field, value, new.into())
    }

    /// Like [`Collection::upsert`], with the fields that a patch sets.
    pub fn upsert_from(&self, field: &str, value: &str, patch: Patch<K>) -> Pending<Record<K>> {
        let sets = patch.into_sets();
        let mut hints = self.hints(&sets);
        hints.extend(self.likely_claim(field, value));
        hints.extend(self.likely_owner());
        let (field, value): (Arc<str>, Arc<str>) = (field.into(), value.into());
        let asked = fingerprint(&(Arc::clone(&field), Arc::clone(&value), named::<K>(&sets)));
        Pending::new(self.engine, self.actor, "upsert", asked, hints, move |draft, step| {
            let Key { claim, place } = key_by::<K>(&draft.cx.access, draft.cx.definitions, &field, &value)?;
            let at = place.0;
            let record = if let Some(found) = draft.peek_claimed(&claim)? {
                let record = found.reference();
                let current = match draft.read(record) {
                    Err(Stop::Refuse(Error::NotFound(kind))) => {
                        return Err(Error::Duplicate { kind, field: field.to_string() }.into());
                    }
                    other => other?,
                };
                let mut sets = sets.to_vec();
                sets.retain(|(at, value)| !current.is_widened_by(*at, value));
                draft.update(record, draft::Input::user(&sets), step)?;
                record
            } else {
                let id = draft.new_id();
                draft.create(K::KIND, id, draft::Input::user(&with_key(&sets, place)), step)?
            };
            let kept = match draft.answer(record) {
                Some(image) => draft::claims(&image, draft.cx.definitions)?.contains(&claim),
                None => false,
            };
            if !kept {
                let name = if at == common::PROPERTIES { field.as_ref() } else { K::decl().fields[at].name };
                let message = "must be omitted or equal the value by which the record is looked up";
                return Err(Error::invalid(name, FaultCode::ContradictsKey, message).into());
            }
            Ok(vec![record])
        })
        .retry_on_duplicate()
    }

    /// Updates a record. One read and one commit; retried up to three times on a concurrent change.
    pub fn update(&self, id: Id<K>, patch: Patch<K>) -> Pending<Record<K>> {
        self.change(id, "update", patch)
    }

    /// Updates many records in as few commits as the limits allow, and returns a result for each, in order. If a commit
    /// fails, its records are retried individually, so that one invalid change does not affect the others. This is not
    /// one transaction.
    pub async fn update_many(&self, many: Vec<(Id<K>, Patch<K>)>) -> Vec<Result<Record<K>, Error>> {
        let mut verdicts = Vec::with_capacity(many.len());
        for batch in many.chunks(UPDATES_PER_COMMIT) {
            match self.update_all(batch).await {
                Ok(saved) if saved.len() == batch.len() => verdicts.extend(saved.into_value().into_iter().map(Ok)),
                // As in [`Collection::create_many`]: no record is at fault, and a batch that may have been stored must
                // not be written again.
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Damaged(_))) => {
                    verdicts.extend(batch.iter().map(|_| Err(error.clone())));
                }
                _ => {
                    for (id, patch) in batch {
                        verdicts.push(self.update(*id, patch.clone()).await.map(draft::Saved::into_value));
                    }
                }
            }
        }
        verdicts
    }

    fn update_all(&self, many: &[(Id<K>, Patch<K>)]) -> Pending<Vec<Record<K>>> {
        let many: Arc<[(Id<K>, Patch<K>)]> = many.into();
        let mut hints: Vec<Lookup> = Vec::new();
        for (id, patch) in many.iter() {
            hints.push(Self::reference(*id).into());
            hints.extend(self.hints(patch.sets()));
        }
        let asked = fingerprint(&many);
        Pending::new(self.engine, self.actor, "update", asked, hints, move |draft, step| {
            for (id, patch) in many.iter() {
                draft.update(Self::reference(*id), draft::Input::user(patch.sets()), step)?;
            }
            Ok(many.iter().map(|(id, _)| Self::reference(*id)).collect())
        })
    }

    /// Updates one record under another action name.
    pub(crate) fn change(&self, id: Id<K>, action: &'static str, patch: Patch<K>) -> Pending<Record<K>> {
        let record = Self::reference(id);
        let sets = patch.into_sets();
        let mut hints = self.hints(&sets);
        hints.push(record.into());
        let fields = named_fields::<K>(&sets);
        let asked = fingerprint(&(id, named::<K>(&sets)));
        Pending::new(self.engine, self.actor, action, asked, hints, move |draft, step| {
            draft.update(record, draft::Input::user(&sets), step)?;
            Ok(vec![record])
        })
        .on(record, fields)
    }

    /// Archives a record: it is removed from lists and frees its unique values. References to it stay valid.
    pub fn archive(&self, id: Id<K>) -> Pending<Record<K>> {
        let record = Self::reference(id);
        Pending::new(self.engine, self.actor, "archive", fingerprint(&id), vec![record.into()], move |draft, step| {
            draft.archive(record, step)?;
            Ok(vec![record])
        })
        .on(record, vec!["archived_at".to_owned()])
    }

    /// Restores an archived record and claims its unique values again. If one is taken, the patch can set another in
    /// the same commit.
    pub fn restore(&self, id: Id<K>, patch: Patch<K>) -> Pending<Record<K>> {
        let record = Self::reference(id);
        let sets = patch.into_sets();
        let mut hints = self.hints(&sets);
        hints.push(record.into());
        let asked = fingerprint(&(id, named::<K>(&sets)));
        Pending::new(self.engine, self.actor, "restore", asked, hints, move |draft, step| {
            draft.restore(record, &sets, step)?;
            Ok(vec![record])
        })
        .on(record, vec!["archived_at".to_owned()])
    }

    /// Undoes the changes of a commit to a record, and to the other records of the same step. An ordinary write:
    /// permissions and gates apply.
    ///
    /// Undo works by value: a field that still has the value that the commit wrote is restored. A field that already
    /// has its previous value is left unchanged. A field with any other value is a conflict that names the field. Lists
    /// are reverted element by element and custom properties by key, so changes can be undone in any order. Undoing a
    /// creation archives the record, provided every field has the value it was created with, also if later changes were
    /// undone.
    ///
    /// Awaiting it returns [`Error::Undo`] if the change cannot be undone, and the errors of [`Collection::update`].
    pub fn undo(&self, id: Id<K>, commit: CommitId) -> Pending<Record<K>> {
        let record = Self::reference(id);
        let hints = vec![record.into(), Lookup::History(record)];
        Pending::new(self.engine, self.actor, "undo", fingerprint(&(id, commit)), hints, move |draft, step| {
            draft::undo(draft, record, commit, step)?;
            Ok(vec![record])
        })
        .on(record, Vec::new())
    }

    /// Restores every user-written field to its value at a version. An ordinary write: gates and permissions apply.
    pub fn roll_back(&self, id: Id<K>, version: u64) -> Pending<Record<K>> {
        let record = Self::reference(id);
        let hints = vec![record.into(), Lookup::History(record)];
        Pending::new(self.engine, self.actor, "roll_back", fingerprint(&(id, version)), hints, move |draft, step| {
            draft::roll_back(draft, record, version, step)?;
            Ok(vec![record])
        })
        .on(record, Vec::new())
    }
}

/// Returns the values to set, with the key added if it is not set.
fn with_key(sets: &[(usize, Value)], (at, key): (usize, Value)) -> Vec<(usize, Value)> {
    let mut all = sets.to_vec();
    match (all.iter_mut().find(|(set, _)| *set == at), key) {
        (Some((_, Value::Map(given))), Value::Map(key)) => {
            let given = Arc::make_mut(given);
            for (name, value) in key.iter() {
                given.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        (Some(_), _) => {}
        (None, key) => all.push((at, key)),
    }
    all
}
