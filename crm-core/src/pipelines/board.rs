//! The board of a pipeline: its stages as columns, each with a list of records.

use super::moves::Staged;
use crate::{
    deals::Deal,
    engine::{
        access::Access,
        collection::{Collection, Projection},
        listing::{self, ListPage, ListQuery},
        view::View,
    },
    leads::Lead,
    model::{
        access::Action,
        error::Error,
        filter::Filter,
        records::pipeline::{Pipeline, Stage},
        schema::Record,
        value::{FaultCode, Id, Kind},
    },
};

/// A column of a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Column<T> {
    /// The stage.
    pub stage: Stage,
    /// The number of records in the stage that match the board's filter and that the actor may see.
    pub count: u64,
    /// The first of these records.
    pub items: Vec<T>,
    /// The filter of the column: the board's filter and the stage.
    pub filter: Filter,
    /// Where to continue in this column: a cursor of a list with this filter, and the text and the sort of the board.
    pub next_cursor: Option<String>,
}

/// Returns the board of a pipeline: its stages as columns, in order, without retired ones. Reads a page of each column
/// and its count, all concurrently.
pub(super) async fn board<K: Staged, T: Projection>(
    collection: &Collection<'_, K>,
    pipeline: Id<Pipeline>,
    query: &ListQuery,
) -> Result<Vec<Column<T>>, Error> {
    if query.cursor.is_some() {
        let message = "a board takes no cursor: use the cursor of a column with the list of the kind";
        return Err(Error::invalid("cursor", FaultCode::BadCursor, message));
    }
    let (engine, actor) = (collection.engine, collection.actor);
    let definitions = collection.definitions().await?;
    let pipeline = definitions.pipeline(pipeline).filter(|pipeline| pipeline.kind.record_kind() == Some(K::KIND));
    let pipeline = pipeline.ok_or(Error::NotFound(Kind::Pipeline))?;
    let mut stages: Vec<&Stage> = pipeline.stages.iter().filter(|stage| !stage.retired).collect();
    stages.sort_by_key(|stage| stage.position);
    let access = Access::new(actor, &definitions, engine.clock.now());
    let reads = stages.into_iter().map(|stage| {
        let mut query = query.clone().filter(Filter::eq("stage_id", stage.id.to_string()));
        if query.sort.is_none() {
            query = query.sort(K::BOARD_SORT);
        }
        let access = &access;
        async move {
            let plan = listing::plan(access, K::decl(), &query, Action::Read)?;
            let counting = listing::count(engine, actor.tenant(), &plan);
            let (page, count) =
                futures::future::try_join(collection.page(&query, Action::Read, None), counting).await?;
            let ListPage { items, next_cursor } = page;
            let filter = query.filter.unwrap_or_else(|| Filter::all([]));
            Ok(Column { stage: stage.clone(), count, items, filter, next_cursor })
        }
    });
    futures::future::try_join_all(reads).await
}

impl<K: Staged> Collection<'_, K> {
    /// Returns the board of a pipeline of this kind: its stages as columns, each with the records that the query selects,
    /// up to its limit per column. Costs two concurrent reads per stage.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such pipeline of this kind, and as [`Collection::list`].
    pub async fn board(&self, pipeline: Id<Pipeline>, query: &ListQuery) -> Result<Vec<Column<Record<K>>>, Error> {
        board(self, pipeline, query).await
    }
}

impl Collection<'_, Pipeline> {
    /// Returns the board of a pipeline of leads or deals, as views: for each stage the records that the query selects
    /// by filter, text and sort, up to its limit per column. Costs a read of the pipeline, then two concurrent reads
    /// per stage.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such pipeline (or its kind is unknown to this program), and as
    /// [`Collection::list`].
    pub async fn view_board(&self, id: Id<Pipeline>, query: &ListQuery) -> Result<Vec<Column<View>>, Error> {
        let kind = self.get(id).await?.kind.record_kind().ok_or(Error::NotFound(Kind::Pipeline))?;
        if kind == Kind::Lead {
            board(&Collection::<Lead>::new(self.engine, self.actor), id, query).await
        } else {
            board(&Collection::<Deal>::new(self.engine, self.actor), id, query).await
        }
    }
}
