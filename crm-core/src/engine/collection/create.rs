//! Creating records: one, with a history, or many.

use std::sync::Arc;

use super::{Collection, named};
use crate::{
    engine::{
        definitions::Definitions,
        draft::{self, Pending, Step, Stop, fingerprint},
        rules,
    },
    model::{
        access::Actor,
        change::Origin,
        error::Error,
        schema::{Image, Patch, Record, RecordKind},
        store::record_items,
        value::{Id, Ref, Time, Value},
    },
};

impl<K: RecordKind> Collection<'_, K> {
    /// Creates a record. One read and one commit.
    pub fn create(&self, new: K::New) -> Pending<Record<K>> {
        self.create_from(new.into())
    }

    /// Creates a record from the fields that a patch sets. The other fields have their defaults.
    pub fn create_from(&self, patch: Patch<K>) -> Pending<Record<K>> {
        let sets = patch.into_sets();
        let mut hints = self.hints(&sets);
        hints.extend(self.likely_owner());
        Pending::new(self.engine, self.actor, "create", fingerprint(&named::<K>(&sets)), hints, move |draft, step| {
            let id = draft.new_id();
            draft.create(K::KIND, id, draft::Input::user(&sets), step).map(|record| vec![record])
        })
    }

    /// Creates a record with its history: each patch is a change with its own time, in order, all in one commit. The
    /// creation occurred at the first time. Requires the permission `backdate`.
    pub fn create_with_history(
        &self,
        new: K::New,
        created_at: Time,
        steps: Vec<(Time, Patch<K>)>,
    ) -> Pending<Record<K>> {
        let patch: Patch<K> = new.into();
        let sets = patch.into_sets();
        let mut hints = self.hints(&sets);
        hints.extend(steps.iter().flat_map(|(_, patch)| self.hints(patch.sets())));
        hints.extend(self.likely_owner());
        let steps: Arc<[(Time, Patch<K>)]> = steps.into();
        let asked = fingerprint(&(named::<K>(&sets), created_at, Arc::clone(&steps)));
        Pending::new(self.engine, self.actor, "create", asked, hints, move |draft, step| {
            let id = draft.new_id();
            with_history(draft, id, &sets, Some(created_at), &steps, step)
        })
    }

    /// Creates many records, each with its history, in one commit that is stored completely or not at all.
    /// [`Collection::create_many`] splits the records by the limits of a commit and returns a result for each.
    pub(crate) fn create_all(&self, many: &[NewWithHistory<K>]) -> Pending<Vec<Record<K>>> {
        let many: Arc<[NewWithHistory<K>]> = many.into();
        let mut hints = Vec::new();
        for new in many.iter() {
            hints.extend(self.hints(new.patch.sets()));
            hints.extend(new.steps.iter().flat_map(|(_, patch)| self.hints(patch.sets())));
        }
        hints.extend(self.likely_owner());
        let mut seen = std::collections::HashSet::new();
        hints.retain(|lookup| seen.insert(lookup.clone()));
        let asked = fingerprint(&many);
        Pending::new(self.engine, self.actor, "create", asked, hints, move |draft, step| {
            let mut made = Vec::with_capacity(many.len());
            let mut failed = None;
            for new in many.iter() {
                let id = draft.new_id();
                draft.through(new.origin_for(draft.cx.actor));
                match with_history(draft, id, new.patch.sets(), new.created_at, &new.steps, step) {
                    Ok(refs) => made.extend(refs),
                    Err(Stop::Need(lookups)) => draft.want_all(lookups),
                    Err(refuse) => failed = failed.or(Some(refuse)),
                }
            }
            draft.through(None);
            draft.stop_if_missing()?;
            failed.map_or(Ok(made), Err)
        })
    }

    /// Creates many records with their histories in as few commits as the limits allow, and returns a result for each,
    /// in order. If a commit fails, its records are retried individually, so that one invalid record does not affect
    /// the others. The log contains the origin of each ([`NewWithHistory::through`]).
    ///
    /// This is not one transaction: an interrupted call has created some records. With an `external_id` on each record,
    /// a second call returns [`Error::Duplicate`] for existing ones.
    pub async fn create_many(&self, many: Vec<NewWithHistory<K>>) -> Vec<Result<Record<K>, Error>> {
        let mut verdicts = Vec::with_capacity(many.len());
        // Used to count items. Without definitions, the claims of custom properties are not counted, and a batch may
        // have to be split.
        let definitions = match self.engine.cached_for(self.actor) {
            Some(cached) => cached,
            None => self.definitions().await.unwrap_or_default(),
        };
        let mut rest = many.as_slice();
        while !rest.is_empty() {
            let mut taken = 0;
            let mut items = 0;
            while taken < rest.len() {
                items += rest[taken].items(&definitions);
                if items > crate::model::store::MAX_COMMIT_ITEMS - 10 && taken > 0 {
                    break;
                }
                taken += 1;
            }
            let (batch, later) = rest.split_at(taken);
            match self.create_all(batch).await {
                Ok(saved) if saved.len() == batch.len() => verdicts.extend(saved.into_value().into_iter().map(Ok)),
                // No record is at fault, and a batch that may have been stored must not be created again.
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Damaged(_))) => {
                    verdicts.extend(batch.iter().map(|_| Err(error.clone())));
                }
                _ => {
                    for new in batch {
                        let one = self.create_all(std::slice::from_ref(new)).await;
                        verdicts.push(
                            one.and_then(|saved| saved.into_value().into_iter().next().ok_or(Error::NotFound(K::KIND))),
                        );
                    }
                }
            }
            rest = later;
        }
        verdicts
    }
}

/// The input for a record with its history.
#[derive(Debug, serde::Serialize)]
#[serde(bound(serialize = "K: RecordKind"))]
pub struct NewWithHistory<K> {
    patch: Patch<K>,
    created_at: Option<Time>,
    steps: Vec<(Time, Patch<K>)>,
    origin: Option<Origin>,
}

impl<K> Clone for NewWithHistory<K> {
    fn clone(&self) -> Self {
        Self {
            patch: self.patch.clone(),
            created_at: self.created_at,
            steps: self.steps.clone(),
            origin: self.origin.clone(),
        }
    }
}

impl<K: RecordKind> NewWithHistory<K> {
    /// Creates the input for a record that is created now.
    pub fn new(new: K::New) -> Self {
        Self { patch: new.into(), created_at: None, steps: Vec::new(), origin: None }
    }

    /// Sets the time of the creation.
    #[must_use]
    pub const fn created_at(mut self, time: Time) -> Self {
        self.created_at = Some(time);
        self
    }

    /// Adds a change at a later time.
    #[must_use]
    pub fn then(mut self, time: Time, patch: Patch<K>) -> Self {
        self.steps.push((time, patch));
        self
    }

    /// Sets the origin, such as a file and its row. Missing parts are taken from the actor's origin.
    #[must_use]
    pub fn through(mut self, origin: Origin) -> Self {
        self.origin = Some(origin.plain());
        self
    }

    /// Returns the origin for writes of an actor; `None` for the actor's own origin.
    fn origin_for(&self, actor: &Actor) -> Option<Arc<Origin>> {
        let own = self.origin.clone()?;
        Some(Arc::new(match actor.origin() {
            Some(origin) => own.or(origin),
            None => own,
        }))
    }

    /// Returns the approximate number of commit items for the record: its final state, its changes, its claims, and a
    /// guard for its parent.
    fn items(&self, definitions: &Definitions) -> usize {
        let mut image = Image::empty(K::decl(), Id::NIL, Id::NIL);
        K::write_defaults(&mut image.values);
        for (at, value) in
            std::iter::once(&self.patch).chain(self.steps.iter().map(|(_, patch)| patch)).flat_map(Patch::sets)
        {
            match (image.values.get_mut(*at), value) {
                // Keys that a later step does not set are kept.
                (Some(Value::Map(kept)), Value::Map(named)) => {
                    Arc::make_mut(kept).extend(named.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
                (Some(kept), value) => *kept = value.clone(),
                (None, _) => {}
            }
        }
        // Invalid values are refused later and do not affect the count.
        let claims = draft::claims(&image, definitions).map_or(0, |claims| claims.len());
        let claims = claims + rules::keys(K::KIND, Id::NIL, self.patch.sets()).len();
        record_items(None, &image) + 1 + self.steps.len() + claims + usize::from(draft::parent(&image).is_some())
    }
}

fn with_history<K: RecordKind>(
    draft: &mut draft::Draft<'_>,
    id: Id,
    sets: &[(usize, Value)],
    created_at: Option<Time>,
    steps: &[(Time, Patch<K>)],
    step: Step,
) -> Result<Vec<Ref>, Stop> {
    let at = |time: Option<Time>| Step { occurred_at: time.or(step.occurred_at), ..step };
    let record = draft.create(K::KIND, id, draft::Input::user(sets), at(created_at))?;
    for (time, patch) in steps {
        let own = Step { action: "update", ..at(Some(*time)) };
        draft.update(record, draft::Input::user(patch.sets()), own)?;
    }
    Ok(vec![record])
}
