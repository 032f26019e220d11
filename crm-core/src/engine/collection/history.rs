//! The history of a record, the record as of a time, and the stages it was in.

use std::sync::Arc;

use super::{Collection, Projection};
use crate::{
    engine::{
        access::{Access, Authority},
        draft::{self, Lookup, Outcome},
        history::as_it_was,
        listing::{self, ListPage, MAX_LIMIT, Moment},
        undoable::{ViewedChange, viewed_changes},
        view::View,
    },
    model::{
        change::{self, Change, StageInterval, StageTime},
        error::Error,
        schema::{Record, RecordKind},
        store::{HistoryPosition, HistoryQuery},
        value::{FaultCode, Id, Time},
    },
};

impl<K: RecordKind> Collection<'_, K> {
    /// Returns the whole history of a record, in order. Visibility follows the record's current state and the actor's
    /// current field rules.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn history(&self, id: Id<K>) -> Result<Vec<Change>, Error> {
        let (history, outcome) = self.whole_history(id).await?;
        let access = outcome.access(self.actor);
        Ok(history.iter().map(|change| access.mask_change(change.clone())).collect())
    }

    /// Returns a page of a record's history, latest first; `field` restricts it to the changes of one field. Strongly
    /// consistent.
    ///
    /// # Errors
    /// As [`Collection::get`]; [`Error::Invalid`] for a field that the actor may not see.
    pub async fn history_page(
        &self,
        id: Id<K>,
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
        id: Id<K>,
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

    /// Returns the record as of a time: for each field, the highest version that had taken effect by then. `None`
    /// before its creation. Permissions follow the record's current state.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn as_of(&self, id: Id<K>, at: Time) -> Result<Option<Record<K>>, Error> {
        self.then(id, Moment { at, known_at: None }).await
    }

    /// Like [`Collection::as_of`], considering only changes recorded by `known_at`.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn as_of_known(&self, id: Id<K>, at: Time, known_at: Option<Time>) -> Result<Option<Record<K>>, Error> {
        self.then(id, Moment { at, known_at }).await
    }

    /// Like [`Collection::as_of_known`], as a view.
    ///
    /// # Errors
    /// As [`Collection::as_of_known`].
    pub async fn view_as_of(&self, id: Id<K>, at: Time, known_at: Option<Time>) -> Result<Option<View>, Error> {
        self.then(id, Moment { at, known_at }).await
    }

    async fn then<T: Projection>(&self, id: Id<K>, moment: Moment) -> Result<Option<T>, Error> {
        let (history, outcome) = self.whole_history(id).await?;
        let Moment { at, known_at } = moment.reached(outcome.now);
        let image = as_it_was(self.actor.tenant(), &history, at, known_at, &outcome.definitions)?;
        let access = outcome.access(self.actor);
        image.map(|image| T::project(&Arc::new(image), &access)).transpose()
    }

    /// Returns when the record entered and left each stage, in order.
    ///
    /// # Errors
    /// As [`Collection::get`]; empty if the stage is hidden from the actor.
    pub async fn stage_intervals(&self, id: Id<K>) -> Result<Vec<StageInterval>, Error> {
        Ok(change::stage_intervals(&self.history(id).await?))
    }

    /// Returns how long the record was in each stage: the latest stay and the total, up to now for the current stage.
    ///
    /// # Errors
    /// As [`Collection::stage_intervals`].
    pub async fn stage_times(&self, id: Id<K>) -> Result<Vec<StageTime>, Error> {
        Ok(change::stage_times(&self.stage_intervals(id).await?, self.engine.clock.now()))
    }

    /// Returns a page of the record's changes, unmasked, with the authority under which to mask them.
    async fn changes_page(
        &self,
        id: Id<K>,
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

    pub(crate) async fn whole_history(&self, id: Id<K>) -> Result<(Arc<Vec<Change>>, Outcome), Error> {
        let record = Self::reference(id);
        let mut found = Arc::default();
        let hints = [record.into(), Lookup::History(record)];
        let outcome = draft::decide_only(self.engine, self.actor, &hints, &mut |draft| {
            draft.want(Lookup::History(record));
            draft.read(record)?;
            found = draft.history(record)?;
            Ok(vec![record])
        })
        .await?;
        Ok((found, outcome))
    }
}
