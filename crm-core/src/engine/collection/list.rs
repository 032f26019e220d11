//! Lists: pages of records, now and as of a time, counts and exports.

use std::sync::Arc;

use super::{Collection, Projection};
use crate::{
    engine::{
        access::{Access, Authority},
        listing::{self, DEFAULT_LIMIT, ListPage, ListQuery, MAX_LIMIT, Moment},
        runtime::Engine,
        view::View,
    },
    model::{
        access::Action,
        error::Error,
        filter::Filter,
        schema::{Image, Record, RecordKind},
        store::{Epochs, Got, Position, Want},
        value::{FaultCode, Id, Time, Value},
    },
};

impl<K: RecordKind> Collection<'_, K> {
    /// Returns a page of records. One read of the store for a plain index; several if the lists of the actor's teams
    /// are merged.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without any grant (for associations: without one to read all kinds they may refer to; see
    /// `of` there), [`Error::Invalid`] for an invalid filter, sort, limit or cursor.
    pub async fn list(&self, query: &ListQuery) -> Result<ListPage<Record<K>>, Error> {
        self.page(query, Action::Read, None).await
    }

    /// Like [`Collection::list`], as views.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub async fn view_list(&self, query: &ListQuery) -> Result<ListPage<View>, Error> {
        self.page(query, Action::Read, None).await
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
        self.page(query, Action::Read, Some(Moment { at, known_at })).await
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
        self.page(query, Action::Read, Some(Moment { at, known_at })).await
    }

    /// Returns a page of the records that the actor may read and that a grant of `export` covers, as views. With
    /// `past`, as they were at a time, considering only changes recorded by another.
    ///
    /// # Errors
    /// As [`Collection::list`]; [`Error::Forbidden`] without any grant of `export`.
    pub async fn export(&self, query: &ListQuery, past: Option<(Time, Option<Time>)>) -> Result<ListPage<View>, Error> {
        let past = past.map(|(at, known_at)| Moment { at, known_at });
        self.page(query, Action::Export, past).await
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

    /// Returns a page of the records on which the actor may perform the action. With `past`, as they were.
    pub(crate) async fn page<T: Projection>(
        &self,
        query: &ListQuery,
        action: Action,
        past: Option<Moment>,
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
                    let (page, epochs) = planned.read(self.engine, limit, None).await?;
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
        Ok(self.planned(&definitions, query, action, past)?.read(self.engine, limit, known).await?.0)
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
                let reached = moment.reached(self.engine.clock.now());
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
    async fn read<T: Projection>(
        self,
        engine: &Engine,
        limit: usize,
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
        let items = items.iter().map(|image| T::project(image, &access)).collect::<Result<_, _>>()?;
        Ok((ListPage { items, next_cursor }, epochs))
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
