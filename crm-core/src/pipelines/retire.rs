//! Retiring a stage: no record can enter it any more, and a job moves its records to another stage.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::moves::{StageRef, move_in};
use crate::{
    engine::{
        collection::Collection,
        draft::{Draft, Input, Step, Stop},
        jobs::{
            JobContext, JobHandler, Piece, Row, Verdict,
            lists::{self, List, still_fits},
        },
    },
    model::{
        error::Error,
        filter::Filter,
        records::{
            job::{Job, Moved, read, written},
            pipeline::{Pipeline, PipelineFields, Stage},
        },
        schema::Record,
        value::{FaultCode, FieldValue, Id, Kind, Ref},
    },
};

/// The type of the job.
const NAME: &str = "retire_stage";

/// The arguments of the caller: stages by key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    pipeline_id: Id<Pipeline>,
    stage: String,
    target: String,
}

/// The stored arguments.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    /// The pipeline of the stage to retire.
    #[serde(rename = "pipeline_id")]
    pipeline: Id<Pipeline>,
    /// The stage to retire.
    #[serde(rename = "stage_id")]
    from: Id<Stage>,
    /// The stage to move to.
    #[serde(rename = "to_stage_id")]
    to: Id<Stage>,
}

impl Args {
    fn filter(&self) -> Filter {
        Filter::eq("stage_id", self.from.to_string())
    }
}

impl Collection<'_, Job> {
    /// Retires a stage immediately and starts a job that moves its records to another stage, in one commit. The records
    /// pass the gates of that stage; records that have left the retired stage meanwhile are not moved.
    ///
    /// With a `key`, a second call with the same key returns the job of the first call, for 24 hours.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown stage, or a target that is retired or the stage itself; for the key as
    /// [`Collection::start`].
    pub async fn retire_stage(
        &self,
        pipeline: Id<Pipeline>,
        stage: &str,
        target: &str,
        key: Option<&str>,
    ) -> Result<Record<Job>, Error> {
        let asked = Asked { pipeline_id: pipeline, stage: stage.to_owned(), target: target.to_owned() };
        self.start(NAME, written(&asked)?, key).await
    }
}

impl Collection<'_, Pipeline> {
    /// Retires a stage: no record can enter it any more, and its records move to another stage, through its gates.
    /// Records that have left the retired stage meanwhile are not moved. Returns the number of moved records and the
    /// records that a gate refused. Runs the job [`Collection::<Job>::retire_stage`] to its end.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown stage, or a target that is retired or the stage itself, and if the job fails;
    /// as [`Collection::resume`].
    pub async fn retire_stage(&self, id: Id<Pipeline>, key: &str, target: &str) -> Result<Moved, Error> {
        let jobs = Collection::<Job>::new(self.engine, self.actor);
        jobs.complete(jobs.retire_stage(id, key, target, None).await?).await
    }
}

pub(super) struct Retire;

#[async_trait]
impl JobHandler for Retire {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self, args: &Json) -> Vec<Ref> {
        read(args).map_or_else(|_| Vec::new(), |asked: Asked| vec![Ref::new(Kind::Pipeline, asked.pipeline_id)])
    }

    fn begin(&self, draft: &mut Draft<'_>, args: &Json) -> Result<Json, Stop> {
        let asked: Asked = read(args)?;
        let (from, to) = close_stage(draft, &asked)?;
        Ok(written(&Args { pipeline: asked.pipeline_id, from, to })?)
    }

    fn understands(&self, args: &Json, place: Option<&Json>) -> bool {
        read::<Args>(args).is_ok() && lists::is_place(place)
    }

    async fn next(&self, cx: &JobContext<'_>, place: Option<&Json>) -> Result<Piece, Error> {
        let args: Args = read(cx.args())?;
        let pipeline = cx.crm().collection::<Pipeline>(cx.actor()).get(args.pipeline).await?;
        let kind = pipeline.kind.record_kind().ok_or(Error::NotFound(Kind::Pipeline))?;
        let sort = if kind == Kind::Deal { "close_date" } else { "created_at" };
        lists::next(cx, &[List { kind, filter: args.filter(), sort }], place).await
    }

    fn decide(&self, draft: &mut Draft<'_>, args: &Json, row: &Row) -> Result<Verdict, Stop> {
        let args: Args = read(args)?;
        if !still_fits(draft, row.record, &args.filter())? {
            return Ok(Verdict::Unchanged);
        }
        let to = StageRef::Id(args.to);
        move_in(draft, row.record, &to, Vec::new(), Step::new("move_stage", None))?;
        Ok(Verdict::Changed)
    }
}

/// Retires a stage. Returns its id and that of the target stage.
fn close_stage(draft: &mut Draft<'_>, asked: &Asked) -> Result<(Id<Stage>, Id<Stage>), Stop> {
    let Asked { pipeline_id, stage: from, target: to } = asked;
    let mut pipeline = draft.record::<Pipeline>(*pipeline_id)?.body().clone();
    let target = pipeline.stage_by_key(to).filter(|target| !target.retired && from != to).map(|target| target.id);
    let Some(target) = target else {
        let message = "must be a different stage of the pipeline that is not retired";
        return Err(Error::invalid("target", FaultCode::UnknownStage, message).into());
    };
    let Some(stage) = pipeline.stages.iter_mut().find(|stage| stage.key == *from) else {
        return Err(Error::invalid("stage", FaultCode::UnknownStage, "is not a stage of the pipeline").into());
    };
    stage.retired = true;
    let closed = stage.id;
    let sets = [(PipelineFields::stages as usize, pipeline.stages.into_value())];
    draft.update(Ref::new(Kind::Pipeline, *pipeline_id), Input::user(&sets), Step::new("retire_stage", None))?;
    Ok((closed, target))
}
