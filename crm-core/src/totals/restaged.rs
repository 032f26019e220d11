//! What a new probability of a stage moves: the open deals in it that had the old one. A deal to which somebody gave a
//! probability of its own keeps it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    access::Action,
    change::FieldChange,
    deals::{Deal, DealFields},
    draft::{Answer, Pending, asked_for},
    error::Error,
    filter::Filter,
    listing::{self, ListQuery},
    pipelines::record::{Stage, StageKind},
    reports::Reader,
    schema::{Image, RecordKind as _},
    store::{Page, Position},
    value::{FieldValue as _, Id, Ref, Value},
};

/// Deals that are walked together.
const PAGE: usize = 100;

/// A stage with another probability, and how far its deals have been walked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restaged {
    #[serde(rename = "s")]
    stage: Id,
    /// The probability that it had.
    #[serde(rename = "p")]
    was: i64,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Position>,
}

impl Restaged {
    /// The open stages of a pipeline to which a change of its stages gave another probability.
    pub(super) fn of(stages: &FieldChange) -> Vec<Self> {
        let read = |value: &Value| Vec::<Stage>::from_value(value).unwrap_or_default();
        let (old, new) = (read(&stages.old), read(&stages.new));
        let moved = new.iter().filter(|stage| stage.kind == StageKind::Open).filter_map(|stage| {
            let was = old.iter().find(|old| old.id == stage.id)?.probability;
            (was != stage.probability).then_some(Self { stage: stage.id, was, after: None })
        });
        moved.collect()
    }

    /// The next deals in the stage with the probability that it had.
    pub(super) async fn page(&self, reader: &Reader<'_>) -> Result<Page, Error> {
        let filter = Filter::eq("stage_id", self.stage.to_string()).and(Filter::eq("probability", self.was));
        let query = ListQuery::new().filter(filter).sort("close_date");
        let plan = listing::plan(reader.access, Deal::decl(), &query, Action::Read)?;
        listing::walk_page(reader.engine, reader.actor.tenant(), &plan, self.after.clone(), PAGE).await
    }

    /// Gives a deal the probability that its stage has by now, where it is still in it with the old one.
    pub(super) async fn follow(&self, reader: &Reader<'_>, deal: Ref) -> Result<(), Error> {
        let (stage, was) = (self.stage, self.was);
        let asked = asked_for(&(deal, stage, was));
        let pending: Pending<Followed> =
            Pending::new(reader.engine, reader.actor, "follow_stage", asked, vec![deal.into()], move |draft, step| {
                let Some(found) = draft.peek(deal)? else { return Ok(Vec::new()) };
                let at = |field: DealFields| &found.values[field as usize];
                let is_due = !found.is_archived()
                    && at(DealFields::stage_id).as_id() == Some(stage)
                    && *at(DealFields::probability) == Value::Int(was);
                if let Some((_, stage)) = draft.cx.definitions.stage(stage).filter(|_| is_due) {
                    let own = [(DealFields::probability as usize, Value::Int(stage.probability))];
                    draft.update_for_rule(deal, &own, step)?;
                }
                Ok(vec![deal])
            });
        pending.await.map(|_| ())
    }
}

/// The answer: that it is done.
struct Followed;

impl Answer for Followed {
    fn build(_: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(Self)
    }
}
