//! Moving a record to another stage, and the use cases of pipelines themselves.

use std::sync::Arc;

use super::record::{Pipeline, PipelineFields, StageKind};
use crate::{
    collection::{Collection, hints_of, named, named_fields},
    deals::record::{Deal, DealFields},
    definitions::Definitions,
    draft::{Draft, Pending, Sets, Step, Stop, asked_for},
    error::Error,
    filter::Filter,
    leads::record::Lead,
    schema::{Patch, Record, RecordKind},
    value::{FieldValue, Id, Kind, Ref, Value},
    walk::{Moved, Walk},
};

/// A stage, by its id, by its key within the record's own pipeline, or by what it means there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub enum StageRef {
    /// By id; it may be another pipeline's, to which the record then moves.
    Id(Id),
    /// By key.
    Key(String),
    /// The first of this kind.
    First(StageKind),
}

impl From<Id> for StageRef {
    fn from(id: Id) -> Self {
        StageRef::Id(id)
    }
}

impl From<&str> for StageRef {
    fn from(key: &str) -> Self {
        StageRef::Key(key.to_owned())
    }
}

impl From<String> for StageRef {
    fn from(key: String) -> Self {
        StageRef::Key(key)
    }
}

impl From<StageKind> for StageRef {
    fn from(kind: StageKind) -> Self {
        StageRef::First(kind)
    }
}

impl StageRef {
    /// The pipeline and stage meant, for a record of a pipeline.
    pub(crate) fn resolve(&self, definitions: &Definitions, pipeline: Option<Id>) -> Result<(Id, Id), Error> {
        let own = pipeline.and_then(|id| definitions.pipeline(id));
        let found = match self {
            StageRef::Id(id) => definitions.stage(*id).map(|(pipeline, stage)| (pipeline.id, stage.id)),
            StageRef::Key(key) => own.and_then(|own| Some((own.id, own.stage_by_key(key)?.id))),
            StageRef::First(kind) => own.and_then(|own| Some((own.id, own.first_of(*kind)?.id))),
        };
        found.ok_or_else(|| {
            let keys: Vec<&str> =
                own.iter().flat_map(|own| own.stages.iter().map(|stage| stage.key.as_str())).collect();
            let message = format!("must be a stage of the record's pipeline: {}", keys.join(", "));
            Error::invalid("stage_id", "stage_of_other_pipeline", message)
        })
    }
}

/// A move of a record to a stage, with changes made in the same step. All gates hold.
pub(crate) fn move_to<K: RecordKind>(
    collection: &Collection<'_, K>,
    id: Id,
    stage: StageRef,
    patch: &Patch<K>,
) -> Pending<Record<K>> {
    let record = Ref::new(K::KIND, id);
    let sets: Arc<[(usize, Value)]> = patch.sets().into();
    let mut hints = hints_of::<K>(&sets);
    hints.push(record.into());
    let mut fields = named_fields::<K>(&sets);
    fields.push("stage_id".to_owned());
    let asked = asked_for(&(id, stage.clone(), named::<K>(&sets)));
    Pending::new(
        collection.engine,
        collection.actor,
        "move_stage",
        asked,
        hints,
        move |draft: &mut Draft<'_>, step: Step| {
            let image = draft.read(record)?;
            let (pipeline, stage) = stage.resolve(draft.cx.definitions, image.at(DealFields::pipeline_id).as_id())?;
            let at = |name: &str| image.decl.position(name).ok_or(Stop::not_found(record.kind));
            let mut all = sets.to_vec();
            all.push((at("stage_id")?, Value::Id(stage)));
            if image.at(DealFields::pipeline_id).as_id() != Some(pipeline) {
                all.push((at("pipeline_id")?, Value::Id(pipeline)));
            }
            draft.update(record, Sets::asked(&all), step)?;
            Ok(vec![record])
        },
    )
    .on(record, fields)
}

impl Collection<'_, Pipeline> {
    /// Retires a stage: nothing enters it any more, and its records move to another stage, one by one, through that
    /// stage's gates. What has left the stage meanwhile stays where it is. Resumable: called again, it goes on. Answers
    /// how many records it moved, and which ones a gate held back.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a stage that is not there, or a target that is retired or the stage itself.
    pub async fn retire_stage(&self, id: Id, key: &str, target: &str) -> Result<Moved, Error> {
        let record = Ref::new(Kind::Pipeline, id);
        let (from, to) = (key.to_owned(), target.to_owned());
        let asked = asked_for(&(id, from.clone(), to.clone()));
        let pending: Pending<Record<Pipeline>> = Pending::new(
            self.engine,
            self.actor,
            "retire_stage",
            asked,
            vec![record.into()],
            move |draft: &mut Draft<'_>, step: Step| {
                close_stage(draft, id, &from, &to, step)?;
                Ok(vec![record])
            },
        );
        let pipeline = pending.await?.into_value();
        let stage = |key: &str| pipeline.stage_by_key(key).map(|stage| stage.id).ok_or(Error::NotFound(Kind::Pipeline));
        let mut walk = Walk::whole();
        self.empty_stage(id, stage(key)?, stage(target)?, &mut walk).await?;
        Ok(walk.moved)
    }

    /// Moves what stands in a stage to another.
    pub(crate) async fn empty_stage(&self, pipeline: Id, from: Id, to: Id, walk: &mut Walk) -> Result<(), Error> {
        let kind = self.get(pipeline).await?.kind.record_kind().ok_or(Error::NotFound(Kind::Pipeline))?;
        let filter = || Filter::eq("stage_id", from.to_string());
        loop {
            if kind == Kind::Lead {
                let leads = Collection::<Lead>::new(self.engine, self.actor);
                let change = |id| move_to(&leads, id, StageRef::Id(to), &Patch::new());
                walk.list(0, &leads, filter(), "created_at", change).await?;
            } else {
                let deals = Collection::<Deal>::new(self.engine, self.actor);
                let change = |id| move_to(&deals, id, StageRef::Id(to), &Patch::new());
                walk.list(0, &deals, filter(), "close_date", change).await?;
            }
            if !walk.passes_again() {
                return Ok(());
            }
        }
    }
}

/// Lets nothing enter a stage any more; answers the ids of the stage and of the one its records are to go to.
pub(crate) fn close_stage(draft: &mut Draft<'_>, id: Id, from: &str, to: &str, step: Step) -> Result<(Id, Id), Stop> {
    let mut pipeline = draft.record::<Pipeline>(id)?.body().clone();
    let target = pipeline.stage_by_key(to).filter(|target| !target.retired && from != to).map(|target| target.id);
    let Some(target) = target else {
        let message = "must be another stage of the pipeline that is not retired";
        return Err(Error::invalid("target", "unknown_stage", message).into());
    };
    let Some(stage) = pipeline.stages.iter_mut().find(|stage| stage.key == from) else {
        return Err(Error::invalid("stage", "unknown_stage", "is no stage of the pipeline").into());
    };
    stage.retired = true;
    let closed = stage.id;
    let sets = [(PipelineFields::stages as usize, pipeline.stages.into_value())];
    draft.update(Ref::new(Kind::Pipeline, id), Sets::asked(&sets), step)?;
    Ok((closed, target))
}
