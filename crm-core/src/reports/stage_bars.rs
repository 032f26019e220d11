//! The bars of one record: its times in stages, with the names of the stages.

use crate::{
    charts::StageBar,
    engine::collection::Collection,
    model::{change, error::Error, schema::RecordKind, value::Id},
};

impl<K: RecordKind> Collection<'_, K> {
    /// Returns the time that a record spent in each stage, in the order of their first entry, as bars for
    /// [`stage_times`](crate::charts::stage_times). The times are those of [`Collection::stage_times`], with the names of the
    /// stages.
    ///
    /// # Errors
    /// As [`Collection::stage_intervals`]; returns no bars if the stage is hidden from the actor.
    pub async fn stage_bars(&self, id: Id<K>) -> Result<Vec<StageBar>, Error> {
        let intervals = self.stage_intervals(id).await?;
        let definitions = self.definitions().await?;
        let times = change::stage_times(&intervals, self.engine.clock.now());
        Ok(StageBar::of_record(&times, |stage| {
            definitions.stage(stage).map_or_else(|| stage.to_string(), |(_, stage)| stage.name.clone())
        }))
    }
}
