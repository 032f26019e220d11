//! Records of kinds with stages: moves between stages.

use std::sync::Arc;

use crate::{
    deals::DealFields,
    engine::{
        collection::{Collection, hints_of, named, named_fields},
        definitions::Definitions,
        draft::{Draft, Input, Pending, Step, Stop, fingerprint},
    },
    model::{
        error::Error,
        records::pipeline::{Pipeline, Stage, StageKind},
        schema::{Patch, Record, RecordKind},
        value::{FaultCode, Id, Ref, Value},
    },
};

/// A stage, by id, by key within the record's pipeline, or by kind.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub enum StageRef {
    /// By id. A stage of another pipeline also moves the record to that pipeline.
    Id(Id<Stage>),
    /// By key.
    Key(String),
    /// The first stage of this kind.
    First(StageKind),
}

impl From<Id<Stage>> for StageRef {
    fn from(id: Id<Stage>) -> Self {
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
    /// Returns the pipeline and the stage, for a record of a pipeline.
    pub(crate) fn resolve(
        &self,
        definitions: &Definitions,
        pipeline: Option<Id<Pipeline>>,
    ) -> Result<(Id<Pipeline>, Id<Stage>), Error> {
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
            Error::invalid("stage_id", FaultCode::StageOfOtherPipeline, message)
        })
    }
}

/// A kind whose records move through the stages of a pipeline.
pub trait Staged: RecordKind {
    /// The field by which the columns of a board are sorted unless the query names another.
    const BOARD_SORT: &'static str;
}

impl<K: Staged> Collection<'_, K> {
    /// Moves a record to a stage, by key (of its own pipeline) or id. Every gate of the stage applies.
    pub fn move_to(&self, id: Id<K>, stage: impl Into<StageRef>) -> Pending<Record<K>> {
        self.move_with(id, stage, &Patch::new())
    }

    /// Moves a record to a stage together with other changes, such as fields that the stage requires.
    pub fn move_with(&self, id: Id<K>, stage: impl Into<StageRef>, patch: &Patch<K>) -> Pending<Record<K>> {
        let record = Ref::new(K::KIND, id);
        let stage = stage.into();
        let sets: Arc<[(usize, Value)]> = patch.sets().into();
        let mut hints = hints_of::<K>(&sets);
        hints.push(record.into());
        let mut fields = named_fields::<K>(&sets);
        fields.push("stage_id".to_owned());
        let asked = fingerprint(&(id, stage.clone(), named::<K>(&sets)));
        Pending::new(self.engine, self.actor, "move_stage", asked, hints, move |draft, step| {
            move_in(draft, record, &stage, sets.to_vec(), step)?;
            Ok(vec![record])
        })
        .on(record, fields)
    }
}

/// Moves a record to a stage, with further changes in the same step.
pub(super) fn move_in(
    draft: &mut Draft<'_>,
    record: Ref,
    stage: &StageRef,
    mut sets: Vec<(usize, Value)>,
    step: Step,
) -> Result<(), Stop> {
    let image = draft.read(record)?;
    let (pipeline, stage) =
        stage.resolve(draft.cx.definitions, image.at(DealFields::pipeline_id).as_id().map(Id::typed))?;
    let at = |name: &str| image.decl.position(name).ok_or(Stop::not_found(record.kind));
    sets.push((at("stage_id")?, Value::from(stage)));
    if image.at(DealFields::pipeline_id).as_id() != Some(pipeline.erase()) {
        sets.push((at("pipeline_id")?, Value::from(pipeline)));
    }
    draft.update(record, Input::user(&sets), step)
}
