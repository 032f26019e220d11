//! Collections: the use cases of every kind, such as create, get, find, list, update, archive, restore, history, as-of
//! and undo. Use cases of a single kind are in the module of that kind.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    catalog,
    engine::{
        access::{Access, Authority, Explanation},
        definitions::Definitions,
        draft::{self, Lookup, Outcome, Pending, Step, Stop, fingerprint},
        listing::{self, DEFAULT_LIMIT, ListPage, ListQuery, MAX_LIMIT, Moment},
        rules,
        runtime::Engine,
        undoable::{ViewedChange, viewed_changes},
        view::View,
    },
    model::{
        access::{Action, Actor, Permission},
        change::{self, Change, Origin, StageInterval, StageTime},
        error::Error,
        filter::Filter,
        schema::{FieldType, Image, Named, Patch, Record, RecordKind, Section, Visibility, common},
        store::{Claim, Epochs, Got, HistoryPosition, HistoryQuery, Position, Want, record_items},
        value::{FaultCode, Id, Kind, Ref, Time, Value},
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

/// The number of records that a bulk update changes in one commit. With a change, claims and list elements each, they
/// stay within the limits of a commit.
const UPDATES_PER_COMMIT: usize = 25;

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
    use crate::model::schema::FieldType;
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

    pub(crate) fn reference(id: Id) -> Ref {
        Ref::new(K::KIND, id)
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

    /// Returns the actor's user for a kind with an owner, to be read in the first round trip: the creator often becomes
    /// the owner.
    fn likely_owner(&self) -> Option<Lookup> {
        let owned = K::decl().own.first().is_some_and(|&own| K::decl().fields[own].ty == FieldType::Id(Kind::User));
        self.actor.user().filter(|_| owned && K::KIND != Kind::User).map(|user| Ref::new(Kind::User, user).into())
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

    /// Returns the record with this id, archived or not. One round trip (two if it is visible only through a linked
    /// record).
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, the actor may not see it, or it belongs to another tenant.
    pub async fn get(&self, id: Id) -> Result<Record<K>, Error> {
        let image = self.image(id).await?;
        Ok(Record::from_image(&image)?)
    }

    /// Returns the erased record with this id as the actor sees it.
    pub(crate) async fn image(&self, id: Id) -> Result<Arc<Image>, Error> {
        let record = Self::reference(id);
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        self.first(&outcome)
    }

    fn first(&self, outcome: &Outcome) -> Result<Arc<Image>, Error> {
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        outcome.images.first().map(|image| access.mask(image)).ok_or(Error::NotFound(K::KIND))
    }

    /// Returns the active record that has a unique value: `find("external_id", "42")`, `find("email",
    /// "ada@example.com")`, `find("properties.vat", "DE1")`. One strongly consistent call of the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no record that the actor may see has it, [`Error::Invalid`] for a field that is not
    /// unique.
    pub async fn find(&self, field: &str, value: &str) -> Result<Record<K>, Error> {
        let outcome = self.found(field, value).await?;
        Ok(Record::from_image(self.first(&outcome)?.as_ref())?)
    }

    /// Returns the record that has a unique value, with the outcome of the read.
    pub(crate) async fn found(&self, field: &str, value: &str) -> Result<Outcome, Error> {
        let hints: Vec<Lookup> = self.likely_claim(field, value).into_iter().collect();
        draft::decide_only(self.engine, self.actor, &hints, &|draft| {
            let claim = key_by::<K>(&draft.cx.access, draft.cx.definitions, field, value)?.claim;
            let found = draft.peek_claimed(&claim)?.ok_or(Stop::not_found(K::KIND))?;
            draft.read(found.reference())?;
            Ok(vec![found.reference()])
        })
        .await
    }

    /// Returns the claim of a unique value by the cached definitions, to be read in the first round trip. It is
    /// computed again under the current definitions.
    fn likely_claim(&self, field: &str, value: &str) -> Option<Lookup> {
        let cached = self.engine.cached_for(self.actor).unwrap_or_default();
        let access = Access::new(self.actor, &cached, self.engine.clock.now());
        key_by::<K>(&access, &cached, field, value).ok().map(|key| Lookup::Want(Want::Claimed(key.claim)))
    }

    pub(crate) async fn definitions(&self) -> Result<Authority, Error> {
        self.engine.authority(self.actor).await
    }

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
    pub fn update(&self, id: Id, patch: Patch<K>) -> Pending<Record<K>> {
        self.change(id, "update", patch)
    }

    /// Updates many records in as few commits as the limits allow, and returns a result for each, in order. If a commit
    /// fails, its records are retried individually, so that one invalid change does not affect the others. This is not
    /// one transaction.
    pub async fn update_many(&self, many: Vec<(Id, Patch<K>)>) -> Vec<Result<Record<K>, Error>> {
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

    fn update_all(&self, many: &[(Id, Patch<K>)]) -> Pending<Vec<Record<K>>> {
        let many: Arc<[(Id, Patch<K>)]> = many.into();
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
    pub(crate) fn change(&self, id: Id, action: &'static str, patch: Patch<K>) -> Pending<Record<K>> {
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
    pub fn archive(&self, id: Id) -> Pending<Record<K>> {
        let record = Self::reference(id);
        Pending::new(self.engine, self.actor, "archive", fingerprint(&id), vec![record.into()], move |draft, step| {
            draft.archive(record, step)?;
            Ok(vec![record])
        })
        .on(record, vec!["archived_at".to_owned()])
    }

    /// Restores an archived record and claims its unique values again. If one is taken, the patch can set another in
    /// the same commit.
    pub fn restore(&self, id: Id, patch: Patch<K>) -> Pending<Record<K>> {
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
    pub fn undo(&self, id: Id, commit: Id) -> Pending<Record<K>> {
        let record = Self::reference(id);
        let hints = vec![record.into(), Lookup::History(record)];
        Pending::new(self.engine, self.actor, "undo", fingerprint(&(id, commit)), hints, move |draft, step| {
            draft::undo(draft, record, commit, step)?;
            Ok(vec![record])
        })
        .on(record, Vec::new())
    }

    /// Restores every user-written field to its value at a version. An ordinary write: gates and permissions apply.
    pub fn roll_back(&self, id: Id, version: u64) -> Pending<Record<K>> {
        let record = Self::reference(id);
        let hints = vec![record.into(), Lookup::History(record)];
        Pending::new(self.engine, self.actor, "roll_back", fingerprint(&(id, version)), hints, move |draft, step| {
            draft::roll_back(draft, record, version, step)?;
            Ok(vec![record])
        })
        .on(record, Vec::new())
    }

    /// Returns a page of records. One read of the store for a plain index; several if the lists of the actor's teams
    /// are merged.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without any grant (for associations: without one to read all kinds they may refer to; see
    /// `of` there), [`Error::Invalid`] for an invalid filter, sort, limit or cursor.
    pub async fn list(&self, query: &ListQuery) -> Result<ListPage<Record<K>>, Error> {
        let page = self.images(query, Action::Read).await?;
        let items = page.items.iter().map(|image| Record::from_image(image)).collect::<Result<_, _>>()?;
        Ok(ListPage { items, next_cursor: page.next_cursor })
    }

    pub(crate) async fn images(&self, query: &ListQuery, action: Action) -> Result<ListPage<Arc<Image>>, Error> {
        self.pages(query, action, None, |image, access| access.mask(image)).await
    }

    pub(crate) async fn views_of(&self, query: &ListQuery, action: Action) -> Result<ListPage<View>, Error> {
        self.pages(query, action, None, View::new).await
    }

    async fn pages<T>(
        &self,
        query: &ListQuery,
        action: Action,
        past: Option<Moment>,
        show: fn(&Arc<Image>, &Access<'_>) -> T,
    ) -> Result<ListPage<T>, Error> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", FaultCode::TooLarge, format!("must be 1 to {MAX_LIMIT}")));
        }
        let mut seen = None;
        // If definitions and rights are cached, the page is read together with the epochs, which show whether they are
        // current.
        if let Some(cached) = self.engine.cached_for(self.actor) {
            match self.planned(&cached, query, action, past) {
                Ok(planned) => {
                    let (page, epochs) = planned.read(self.engine, limit, show, None).await?;
                    if cached.holds_under(epochs) {
                        return Ok(page);
                    }
                    seen = Some(epochs);
                }
                // A query refused under outdated rights may be allowed under the current ones.
                Err(refused) => {
                    let epochs = self.engine.store.get(self.actor.tenant(), &[]).await?.epochs;
                    if cached.holds_under(epochs) {
                        return Err(refused);
                    }
                    seen = Some(epochs);
                }
            }
        }
        let definitions = match seen {
            Some(epochs) => self.engine.authority_under(self.actor, epochs).await?,
            None => self.definitions().await?,
        };
        let known = Some(definitions.epochs());
        Ok(self.planned(&definitions, query, action, past)?.read(self.engine, limit, show, known).await?.0)
    }

    fn planned<'d>(
        &'d self,
        definitions: &'d Authority,
        query: &ListQuery,
        action: Action,
        past: Option<Moment>,
    ) -> Result<Planned<'d>, Error> {
        let access = Access::new(self.actor, definitions, self.engine.clock.now());
        let plan = match past {
            None => Way::Now(listing::plan(&access, K::decl(), query, action)?),
            Some(moment) => {
                let now = self.engine.clock.now();
                let known_at = moment.known_at.map(|known| reached(known, now));
                let reached = Moment { at: reached(moment.at, now), known_at };
                Way::Then(listing::plan_past(&access, K::decl(), query, action, moment.at, reached)?)
            }
        };
        let mut signature = listing::signature(K::decl(), query);
        if let Some(moment) = past {
            signature.push_str(&moment.signature());
        }
        let after = match &query.cursor {
            Some(cursor) => Some(listing::open(definitions, self.actor, &signature, cursor)?),
            None => None,
        };
        Ok(Planned { access, plan, signature, after, whole: action == Action::Export })
    }

    /// Calls a function for every record of a list, page by page. Reads the whole list.
    ///
    /// # Errors
    /// As [`Collection::list`], and errors of the function.
    pub async fn for_each(
        &self,
        query: ListQuery,
        mut each: impl FnMut(Record<K>) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let mut query = query.limit(MAX_LIMIT);
        loop {
            let page = self.list(&query).await?;
            page.items.into_iter().try_for_each(&mut each)?;
            match page.next_cursor {
                Some(cursor) => query = query.cursor(cursor),
                None => return Ok(()),
            }
        }
    }

    /// Returns the number of records that match a filter and that the actor may see.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub async fn count(&self, filter: Filter) -> Result<u64, Error> {
        self.count_of(&ListQuery::new().filter(filter)).await
    }

    /// Returns the number of records in all pages of a list that the actor may see. Ignores cursor and limit.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub async fn count_of(&self, query: &ListQuery) -> Result<u64, Error> {
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, self.engine.clock.now());
        listing::demand_ends(&access, K::decl())?;
        let plan = listing::plan(&access, K::decl(), query, Action::Read)?;
        listing::count(self.engine, self.actor.tenant(), &plan).await
    }

    /// Returns the whole history of a record, in order. Visibility follows the record's current state and the actor's
    /// current field rules.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn history(&self, id: Id) -> Result<Vec<Change>, Error> {
        let (history, outcome) = self.whole_history(id).await?;
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        Ok(history.iter().map(|change| access.mask_change(change.clone())).collect())
    }

    /// Returns a page of a record's history, latest first; `field` restricts it to the changes of one field. Strongly
    /// consistent.
    ///
    /// # Errors
    /// As [`Collection::get`]; [`Error::Invalid`] for a field that the actor may not see.
    pub async fn history_page(
        &self,
        id: Id,
        field: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<Change>, Error> {
        let (definitions, page) = self.changes_page(id, field, cursor, limit).await?;
        let access = Access::new(self.actor, &definitions, self.engine.clock.now());
        let items = page.items.into_iter().map(|change| access.mask_change(change)).collect();
        Ok(ListPage { items, next_cursor: page.next_cursor })
    }

    /// Like [`Collection::history_page`], and also returns for each change whether the actor can undo it. Also reads
    /// everything that undoing its changes would read; with `field`, the whole history.
    ///
    /// # Errors
    /// As [`Collection::history_page`].
    pub async fn view_history_page(
        &self,
        id: Id,
        field: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<ViewedChange>, Error> {
        let (_, page) = self.changes_page(id, field, cursor, limit).await?;
        // A filtered page lacks the other changes of the same commits, so the whole history is read.
        let known = match field {
            Some(_) => draft::read_history(self.engine, self.actor.tenant(), Self::reference(id)).await?,
            None => Vec::new(),
        };
        let items = viewed_changes(self.engine, self.actor, page.items, &known).await?;
        Ok(ListPage { items, next_cursor: page.next_cursor })
    }

    /// Returns a page of the record's changes, unmasked, with the authority under which to mask them.
    async fn changes_page(
        &self,
        id: Id,
        field: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Authority, ListPage<Change>), Error> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", FaultCode::TooLarge, format!("must be 1 to {MAX_LIMIT}")));
        }
        self.get(id).await?;
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, self.engine.clock.now());
        if let Some(name) = field {
            access.resolve(K::decl(), name).map_err(|fault| Error::invalid("field", fault.code, fault.message))?;
        }
        let signature = format!("history {} {id} {field:?}", K::KIND);
        let after: Option<HistoryPosition> = match cursor {
            Some(cursor) => Some(listing::open(&definitions, self.actor, &signature, cursor)?),
            None => None,
        };
        let query = HistoryQuery {
            tenant: self.actor.tenant(),
            record: Self::reference(id),
            field: field.map(str::to_owned),
            descending: true,
            after,
            limit,
        };
        let page = self.engine.store.history(&query).await?;
        let last = page.changes.last().map(HistoryPosition::of).filter(|_| page.more);
        let next_cursor = last.map(|at| listing::seal(&definitions, self.actor, &signature, &at));
        Ok((definitions, ListPage { items: page.changes, next_cursor }))
    }

    pub(crate) async fn whole_history(&self, id: Id) -> Result<(Arc<Vec<Change>>, Outcome), Error> {
        let record = Self::reference(id);
        let found = std::sync::Mutex::new(None);
        let hints = [record.into(), Lookup::History(record)];
        let outcome = draft::decide_only(self.engine, self.actor, &hints, &|draft| {
            draft.want(Lookup::History(record));
            draft.read(record)?;
            let history = draft.history(record)?;
            *found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(history);
            Ok(vec![record])
        })
        .await?;
        let history = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).unwrap_or_default();
        Ok((history, outcome))
    }

    /// Returns the record as of a time: for each field, the highest version that had taken effect by then. `None`
    /// before its creation. Permissions follow the record's current state.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn as_of(&self, id: Id, at: Time) -> Result<Option<Record<K>>, Error> {
        self.as_of_known(id, at, None).await
    }

    /// Like [`Collection::as_of`], considering only changes recorded by `known_at`.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn as_of_known(&self, id: Id, at: Time, known_at: Option<Time>) -> Result<Option<Record<K>>, Error> {
        let (history, outcome) = self.whole_history(id).await?;
        let (at, known_at) = (reached(at, outcome.now), known_at.map(|known| reached(known, outcome.now)));
        let then =
            crate::engine::history::as_it_was(self.actor.tenant(), &history, at, known_at, &outcome.definitions)?;
        let Some(image) = then else { return Ok(None) };
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        Ok(Some(Record::from_image(&access.mask(&Arc::new(image)))?))
    }

    /// Returns a page of the records that existed at a time, each as [`Collection::as_of`] returns it, without long
    /// texts as in any list. Filter and text search apply to the records as they were; times relative to now in the
    /// filter are relative to that time. Records that were archived then are omitted; records archived later are
    /// included. The only sort is `created_at`, ascending or descending, because it never changes.
    ///
    /// Permissions are those of today: the actor sees the past of the records that they may list now, without the
    /// fields that are hidden from them now.
    ///
    /// Costs the reads of a list, of active and of archived records by creation time, and one read of the log for each
    /// record that was changed since (for leads that were ever scored: for each), eight concurrently. The store
    /// evaluates the filter on user-written fields for all other records. A call examines at most 500 records and may
    /// return a short page with a cursor.
    ///
    /// # Errors
    /// As [`Collection::list`]; [`Error::Invalid`] for another sort, for archived records, and for a filter on a
    /// computed field that is not in the log (a score).
    pub async fn list_as_of(&self, query: &ListQuery, at: Time) -> Result<ListPage<Record<K>>, Error> {
        self.list_as_of_known(query, at, None).await
    }

    /// Like [`Collection::list_as_of`], considering only changes recorded by `known_at`.
    ///
    /// # Errors
    /// As [`Collection::list_as_of`].
    pub async fn list_as_of_known(
        &self,
        query: &ListQuery,
        at: Time,
        known_at: Option<Time>,
    ) -> Result<ListPage<Record<K>>, Error> {
        let past = Some(Moment { at, known_at });
        let page = self.pages(query, Action::Read, past, |image, access| access.mask(image)).await?;
        let items = page.items.iter().map(|image| Record::from_image(image)).collect::<Result<_, _>>()?;
        Ok(ListPage { items, next_cursor: page.next_cursor })
    }

    /// Returns when the record entered and left each stage, in order.
    ///
    /// # Errors
    /// As [`Collection::get`]; empty if the stage is hidden from the actor.
    pub async fn stage_intervals(&self, id: Id) -> Result<Vec<StageInterval>, Error> {
        Ok(change::stage_intervals(&self.history(id).await?))
    }

    /// Returns how long the record was in each stage: the latest stay and the total, up to now for the current stage.
    ///
    /// # Errors
    /// As [`Collection::stage_intervals`].
    pub async fn stage_times(&self, id: Id) -> Result<Vec<StageTime>, Error> {
        Ok(change::stage_times(&self.stage_intervals(id).await?, self.engine.clock.now()))
    }

    /// Returns the grant that allows the actor an action on a record, or the reason why none does. The record must be
    /// readable.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn explain(&self, id: Id, action: Action) -> Result<Explanation, Error> {
        let record = Self::reference(id);
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        let image = outcome.images.first().ok_or(Error::NotFound(K::KIND))?;
        let explanation = access.explain(action, image);
        let visibility = K::decl().behavior.visibility;
        let by_ends = matches!(visibility, Visibility::ByEnds(..)) && !self.actor.is_system();
        if action == Action::Read && (!explanation.allowed || by_ends) {
            // The record was read, so a rule other than a grant on the record makes it visible.
            let reason = match visibility {
                _ if image.private_to().is_some() => "it is private, and the actor's own or to audit",
                Visibility::ByEnds(..) => "the actor may read both its ends",
                Visibility::BySelf => "everybody may read who they are themselves",
                Visibility::ByUser(_) => "it is the actor's own",
                Visibility::ByGrant | Visibility::ByLinks(_) => "it is linked to a record that the actor may read",
            };
            return Ok(Explanation { allowed: true, grant: None, reason: reason.to_owned(), ..explanation });
        }
        Ok(explanation)
    }

    /// Returns whether any grant gives the actor this permission on this kind.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn may(&self, action: Action) -> Result<bool, Error> {
        let definitions = self.definitions().await?;
        Ok(Access::new(self.actor, &definitions, self.engine.clock.now()).has(Permission::new(K::KIND, action)))
    }
}

impl<K: RecordKind> Collection<'_, K> {
    /// Like [`Collection::get`], as a view.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn view(&self, id: Id) -> Result<View, Error> {
        let record = Self::reference(id);
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        self.first_view(&outcome)
    }

    /// Like [`Collection::find`], as a view.
    ///
    /// # Errors
    /// As [`Collection::find`].
    pub async fn view_by(&self, field: &str, value: &str) -> Result<View, Error> {
        self.first_view(&self.found(field, value).await?)
    }

    fn first_view(&self, outcome: &Outcome) -> Result<View, Error> {
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        outcome.images.first().map(|image| View::new(image, &access)).ok_or(Error::NotFound(K::KIND))
    }

    /// Like [`Collection::list`], as views.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub async fn view_list(&self, query: &ListQuery) -> Result<ListPage<View>, Error> {
        self.views_of(query, Action::Read).await
    }

    /// Returns a page of the records that the actor may read and that a grant of `export` covers, as views. With
    /// `past`, as they were at a time, considering only changes recorded by another.
    ///
    /// # Errors
    /// As [`Collection::list`]; [`Error::Forbidden`] without any grant of `export`.
    pub async fn export(&self, query: &ListQuery, past: Option<(Time, Option<Time>)>) -> Result<ListPage<View>, Error> {
        let past = past.map(|(at, known_at)| Moment { at, known_at });
        self.pages(query, Action::Export, past, View::new).await
    }

    /// Returns the names of the fields visible to the actor, in declared order, without hidden, secret and internal
    /// fields. One read of the epoch.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn shown_fields(&self) -> Result<Vec<&'static str>, Error> {
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, self.engine.clock.now());
        Ok(crate::engine::view::shown(K::decl(), &access))
    }

    /// Like [`Collection::as_of_known`], as a view.
    ///
    /// # Errors
    /// As [`Collection::as_of_known`].
    pub async fn view_as_of(&self, id: Id, at: Time, known_at: Option<Time>) -> Result<Option<View>, Error> {
        let (history, outcome) = self.whole_history(id).await?;
        let (at, known_at) = (reached(at, outcome.now), known_at.map(|known| reached(known, outcome.now)));
        let then =
            crate::engine::history::as_it_was(self.actor.tenant(), &history, at, known_at, &outcome.definitions)?;
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        Ok(then.map(|image| View::new(&Arc::new(image), &access)))
    }

    /// Like [`Collection::list_as_of_known`], as views.
    ///
    /// # Errors
    /// As [`Collection::list_as_of`].
    pub async fn view_list_as_of(
        &self,
        query: &ListQuery,
        at: Time,
        known_at: Option<Time>,
    ) -> Result<ListPage<View>, Error> {
        self.pages(query, Action::Read, Some(Moment { at, known_at }), View::new).await
    }
}

/// Returns the time to look back at. Now or later means the latest state, whose changes may be slightly in the future
/// if another process' clock is ahead.
fn reached(at: Time, now: Time) -> Time {
    if at >= now { Time::MAX } else { at }
}

/// How a page is read: current records, or records as of a time.
enum Way {
    Now(listing::Plan),
    Then(listing::PastPlan),
}

struct Planned<'a> {
    access: Access<'a>,
    plan: Way,
    /// The query to which cursors are bound.
    signature: String,
    after: Option<Position>,
    /// `true` if long texts, which lists omit, are read too.
    whole: bool,
}

impl Planned<'_> {
    /// Reads the page, and the epochs if they are not known.
    async fn read<T>(
        self,
        engine: &Engine,
        limit: usize,
        show: fn(&Arc<Image>, &Access<'_>) -> T,
        epochs: Option<Epochs>,
    ) -> Result<(ListPage<T>, Epochs), Error> {
        let Self { access, plan, signature, after, whole } = self;
        let (actor, definitions) = (access.actor(), access.definitions());
        let (page, epochs) = match &plan {
            Way::Now(plan) if listing::demand_ends(&access, plan.decl).is_err() => {
                listing::walk_with_seen_ends(engine, actor, plan, after, limit, epochs).await?
            }
            Way::Now(plan) => listing::walk_page_under(engine, actor.tenant(), plan, after, limit, epochs).await?,
            Way::Then(plan) => listing::walk_past(engine, &access, plan, after, limit, epochs).await?,
        };
        let next_cursor = page.next.map(|at| listing::seal(definitions, actor, &signature, &at));
        let items = if whole { with_texts(engine, actor.tenant(), page.items).await? } else { page.items };
        Ok((ListPage { items: items.iter().map(|image| show(image, &access)).collect(), next_cursor }, epochs))
    }
}

/// Adds the long texts that lists omit. One read for all records. A text that was written in the meantime has its new
/// value.
async fn with_texts(engine: &Engine, tenant: Id, mut items: Vec<Arc<Image>>) -> Result<Vec<Arc<Image>>, Error> {
    let is_left_out = |image: &Arc<Image>| image.values.contains(&Value::NotLoaded);
    let wants = items.iter().filter(|image| is_left_out(image)).map(|image| Want::Record(image.reference()));
    let wants: Vec<Want> = wants.collect();
    if wants.is_empty() {
        return Ok(items);
    }
    let got = engine.store.get(tenant, &wants).await?.got;
    for (image, got) in items.iter_mut().filter(|image| is_left_out(image)).zip(got) {
        let Got::Record(Some(read)) = got else { continue };
        for (value, text) in Arc::make_mut(image).values.iter_mut().zip(&read.values) {
            if *value == Value::NotLoaded {
                value.clone_from(text);
            }
        }
    }
    Ok(items)
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
    let bad = |fault: crate::model::value::Fault| Error::invalid(field, fault.code, fault.message);
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
            crate::engine::rules::place_key(K::KIND, field, "", definitions).ok_or_else(unknown)?;
            let normal = normal()?;
            let text = normal.as_text().unwrap_or_default();
            let place = crate::engine::rules::place_key(K::KIND, field, text, definitions).ok_or_else(unknown)?;
            if access.is_hidden(K::KIND, K::decl().fields[place.0].name) {
                return Err(unknown());
            }
            (normal, place)
        }
    };
    let claim = draft::claim_of_value(access.actor().tenant(), K::KIND, field, &normal).ok_or_else(unknown)?;
    Ok(Key { claim, place })
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
