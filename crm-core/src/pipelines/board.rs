//! The board of a pipeline: its stages as columns, each a list of its own.

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
        value::{Id, Kind},
    },
};

/// One column of a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Column<T> {
    /// The stage.
    pub stage: Stage,
    /// How many records are in it, of those that the actor may see and the board's filter lets through.
    pub count: u64,
    /// The first of them.
    pub items: Vec<T>,
    /// What the column lists: the board's filter and the stage.
    pub filter: Filter,
    /// Where to go on in this column: a cursor of the list of this filter, with the text and the sort of the board.
    pub next_cursor: Option<String>,
}

/// The field by which the columns of a kind's board are sorted where nothing else is asked.
fn usual_sort(kind: Kind) -> &'static str {
    if kind == Kind::Lead { "created_at" } else { "close_date" }
}

/// A page of each column and its count, all read at once.
async fn columns<K: RecordKind, T>(
    collection: &Collection<'_, K>,
    pipeline: Id,
    query: &ListQuery,
    show: impl Fn(&std::sync::Arc<Image>, &Access<'_>) -> Result<T, Error>,
) -> Result<Vec<Column<T>>, Error> {
    if query.cursor.is_some() {
        let message = "a board takes no cursor: use the cursor of a column with the list of the kind";
        return Err(Error::invalid("cursor", "bad_cursor", message));
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

/// The board of a pipeline: its stages as columns, in order, retired ones left out.
pub(crate) async fn board<K: RecordKind>(
    collection: &Collection<'_, K>,
    pipeline: Id,
    query: &ListQuery,
) -> Result<Vec<Column<Record<K>>>, Error> {
    columns(collection, pipeline, query, |image, _| Ok(Record::from_image(image)?)).await
}

impl Collection<'_, Pipeline> {
    /// The board of a pipeline of leads or deals, as views: of each stage the records that the query asks for, by its
    /// filter, text and sort, its limit for each column. After the pipeline itself, all columns and their counts are read
    /// at once: two reads a stage.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such pipeline (or one of a kind that this program does not know), and as [`Collection::list`].
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
