//! The board of a pipeline: its stages as columns, each with a list of records.

use crate::{
    deals::Deal,
    engine::{
        access::Access,
        collection::Collection,
        listing::{self, ListQuery},
        view::View,
    },
    leads::Lead,
    model::{
        access::Action,
        error::Error,
        filter::Filter,
        records::pipeline::{Pipeline, Stage},
        schema::{Image, Record, RecordKind},
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

/// The default sort field of the columns of a kind's board.
fn usual_sort(kind: Kind) -> &'static str {
    if kind == Kind::Lead { "created_at" } else { "close_date" }
}

/// Reads a page of each column and its count, all concurrently.
async fn columns<K: RecordKind, T>(
    collection: &Collection<'_, K>,
    pipeline: Id,
    query: &ListQuery,
    show: impl Fn(&std::sync::Arc<Image>, &Access<'_>) -> Result<T, Error>,
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
            query = query.sort(usual_sort(K::KIND));
        }
        let (access, show) = (&access, &show);
        async move {
            let plan = listing::plan(access, K::decl(), &query, Action::Read)?;
            let counting = listing::count(engine, actor.tenant(), &plan);
            let (page, count) = futures::future::try_join(collection.images(&query, Action::Read), counting).await?;
            let items = page.items.iter().map(|image| show(image, access)).collect::<Result<_, _>>()?;
            let filter = query.filter.unwrap_or_else(|| Filter::all([]));
            Ok(Column { stage: stage.clone(), count, items, filter, next_cursor: page.next_cursor })
        }
    });
    futures::future::try_join_all(reads).await
}

/// Returns the board of a pipeline: its stages as columns, in order, without retired ones.
pub(crate) async fn board<K: RecordKind>(
    collection: &Collection<'_, K>,
    pipeline: Id,
    query: &ListQuery,
) -> Result<Vec<Column<Record<K>>>, Error> {
    columns(collection, pipeline, query, |image, _| Ok(Record::from_image(image)?)).await
}

impl Collection<'_, Pipeline> {
    /// Returns the board of a pipeline of leads or deals, as views: for each stage the records that the query selects
    /// by filter, text and sort, up to its limit per column. Costs a read of the pipeline, then two concurrent reads
    /// per stage.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such pipeline (or its kind is unknown to this program), and as
    /// [`Collection::list`].
    pub async fn view_board(&self, id: Id, query: &ListQuery) -> Result<Vec<Column<View>>, Error> {
        let kind = self.get(id).await?.kind.record_kind().ok_or(Error::NotFound(Kind::Pipeline))?;
        let view = |image: &std::sync::Arc<Image>, access: &Access<'_>| Ok(View::new(image, access));
        if kind == Kind::Lead {
            columns(&Collection::<Lead>::new(self.engine, self.actor), id, query, view).await
        } else {
            columns(&Collection::<Deal>::new(self.engine, self.actor), id, query, view).await
        }
    }
}
