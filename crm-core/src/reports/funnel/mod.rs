//! The funnel report: how leads and deals moved through the stages of a pipeline in a period, by the change log.
//!
//! [`course`] derives each record's stays from its stage moves, [`fold`] aggregates them, and [`survival`] estimates
//! the duration of stays if some have not ended. The result is defined in [`figures`].

mod course;
mod figures;
mod fold;
mod query;
mod survival;

use std::collections::{BTreeSet, HashMap};

use super::{Reader, Reports, groups, valued};
use crate::{
    deals::{Deal, DealFields},
    engine::{access::Access, definitions::Definitions, listing::ListQuery},
    leads::{Lead, LeadFields},
    model::{
        access::Action,
        error::Error,
        filter::Filter,
        records::pipeline::{Pipeline, PipelineKind, Stage},
        schema::{Image, Record, common},
        value::{Currency, Id, Kind, Money, Time, Value},
    },
};
use course::{Move, Stay};
pub use figures::{Ending, FunnelReport, Outcomes, Reason, StageFunnel, StageTransition, TimeToWin, Velocity};
use fold::{Closing, Fold};
pub use query::{FunnelQuery, Moment};
pub use survival::TimeInStage;

/// The fields of a lead or deal that this report uses, as the actor may see them.
#[derive(Clone, Debug)]
struct Row {
    id: Id,
    pipeline: Option<Id<Pipeline>>,
    stage: Option<Id<Stage>>,
    created_at: Option<Time>,
    value: Option<Money>,
    reason: Option<String>,
}

/// The positions of the fields that this report uses.
#[derive(Clone, Copy, Debug)]
struct Places {
    pipeline: usize,
    stage: usize,
    /// The value, if the kind has such a field and the actor may see it.
    value: Option<usize>,
    /// The reason of the result and its name, if the actor may see it.
    reason: Option<(usize, &'static str)>,
}

impl Places {
    fn of(access: &Access<'_>, kind: PipelineKind) -> Self {
        let seen = |name: &str| kind.record_kind().is_some_and(|kind| groups::seen(access, kind, name).is_ok());
        match kind {
            PipelineKind::Lead => Self {
                pipeline: LeadFields::pipeline_id as usize,
                stage: LeadFields::stage_id as usize,
                value: None,
                reason: seen("unqualified_reason")
                    .then_some((LeadFields::unqualified_reason as usize, "unqualified_reason")),
            },
            PipelineKind::Deal | PipelineKind::Unknown(_) => Self {
                pipeline: DealFields::pipeline_id as usize,
                stage: DealFields::stage_id as usize,
                value: seen("value").then_some(DealFields::value as usize),
                reason: seen("close_reason").then_some((DealFields::close_reason as usize, "close_reason")),
            },
        }
    }

    fn row(&self, image: &Image) -> Row {
        let at = |place: usize| &image.values[place];
        Row {
            id: image.id,
            pipeline: at(self.pipeline).as_id().map(Id::typed),
            stage: at(self.stage).as_id().map(Id::typed),
            created_at: at(common::CREATED_AT).as_time(),
            value: self.value.and_then(|place| if let Value::Money(money) = at(place) { Some(*money) } else { None }),
            reason: self.reason.and_then(|(place, _)| at(place).as_text()).map(str::to_owned),
        }
    }
}

impl Reports<'_> {
    /// Returns the funnel report of a pipeline: how leads or deals moved through its stages in a period.
    ///
    /// It includes records that a grant of `lead.report` or `deal.report` covers as they are now, that are not
    /// archived, that match the filter as they are now, and that were ever in the pipeline. A record that has moved to
    /// another pipeline since is included; its move is an exit. Stages and times come only from the change log, by
    /// `occurred_at`.
    ///
    /// Costs one read for each 1,000 records of the kind and for each 1,000 stage moves of the pipeline before the end
    /// of the follow-up (of all pipelines of the kind, if records moved to other pipelines or back), and one for each
    /// foreign currency of the closed deals.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, [`Error::Forbidden`] without any grant of the kind's `report`,
    /// [`Error::Invalid`] with every fault of the filter (`unknown_field` for a hidden field) and for a period that
    /// ends before it starts (`bad_period`), [`Error::TooLarge`] for more than 10,000 reasons or 28 digits in a sum.
    pub async fn funnel(&self, query: &FunnelQuery) -> Result<FunnelReport, Error> {
        let now = self.engine.clock.now();
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, now);
        let reader = Reader { engine: self.engine, actor: self.actor, access: &access };
        let pipeline = pipeline_of(&access, query.pipeline)?;
        let period = query.period(definitions.zone(), now)?;
        let places = Places::of(&access, pipeline.kind);
        let rows = rows(&reader, pipeline.kind, query.filter.as_ref(), &places).await?;
        let mut courses = courses(&reader, pipeline, &definitions, &rows, &places, period.followed).await?;
        let mut fold = Fold::new(pipeline, period);
        let mut closings: Vec<(&Row, Closing)> = Vec::new();
        for row in &rows {
            let Some(stays) = courses.remove(&row.id) else { continue };
            if let Some(closing) = fold.add(&stays, row.stage, row.reason.as_deref(), row.created_at) {
                closings.push((row, closing));
            }
        }
        let currencies: BTreeSet<Currency> =
            closings.iter().filter_map(|(row, _)| row.value).map(|value| value.currency).collect();
        let mut rates = reader.rates(&currencies).await?;
        for (row, closing) in closings {
            let day = closing.at.date_in(definitions.zone());
            let value = valued(row.value, day, &mut rates);
            fold.close(closing, value)?;
        }
        let (used, missing) = rates.notes()?;
        fold.finish(places.reason.is_some(), definitions.base_currency(), used, missing)
    }
}

/// Returns the pipeline, after verifying the permission and the fields that the stage history requires.
fn pipeline_of<'a>(access: &Access<'a>, id: Id<Pipeline>) -> Result<&'a Record<Pipeline>, Error> {
    let found = access.definitions().pipeline(id).filter(|pipeline| pipeline.kind.record_kind().is_some());
    let kind = found.and_then(|pipeline| pipeline.kind.record_kind()).unwrap_or(Kind::Deal);
    super::demand(access, kind)?;
    found.ok_or(Error::NotFound(Kind::Pipeline))
}

/// Returns the live records of a kind that the actor may see in reports and that match a filter, in the order of their
/// creation.
async fn rows(
    reader: &Reader<'_>,
    kind: PipelineKind,
    filter: Option<&Filter>,
    places: &Places,
) -> Result<Vec<Row>, Error> {
    let mut query = ListQuery::new();
    if let Some(filter) = filter {
        query = query.filter(filter.clone());
    }
    let mut rows = Vec::new();
    let each = |image: std::sync::Arc<Image>| {
        rows.push(places.row(&image));
        Ok(())
    };
    match kind {
        PipelineKind::Lead => reader.walk::<Lead>(&query, Action::Report, each).await?,
        PipelineKind::Deal | PipelineKind::Unknown(_) => reader.walk::<Deal>(&query, Action::Report, each).await?,
    }
    Ok(rows)
}

/// Returns the stays of the rows in the stages of a pipeline, before the end of the follow-up. Rows without stays are
/// omitted.
async fn courses(
    reader: &Reader<'_>,
    pipeline: &Record<Pipeline>,
    definitions: &Definitions,
    rows: &[Row],
    places: &Places,
    followed: Time,
) -> Result<HashMap<Id, Vec<Stay>>, Error> {
    let kind = pipeline.kind.record_kind();
    let now_in: HashMap<Id, Option<Id<Pipeline>>> = rows.iter().map(|row| (row.id, row.pipeline)).collect();
    let mut moves: HashMap<Id, Vec<Move>> = HashMap::new();
    let reason = places.reason.map(|(_, name)| name);
    let mut collect = |change: &crate::model::change::Change| {
        if Some(change.record.kind) == kind
            && now_in.contains_key(&change.record.id)
            && let Some(one) = Move::of(change, reason)
        {
            moves.entry(change.record.id).or_default().push(one);
        }
    };
    reader.moves(pipeline.id, followed, &mut collect).await?;
    // The log stores an exit from the pipeline as a move within the target pipeline. In the usual case, in which no
    // record left or returned, the pipeline's own moves suffice.
    let strays =
        |(id, own): (&Id, &Vec<Move>)| now_in.get(id).copied().flatten() != Some(pipeline.id) || course::has_gap(own);
    if moves.iter().any(strays) {
        let mut collect = |change: &crate::model::change::Change| {
            if let Some(list) = moves.get_mut(&change.record.id).filter(|_| Some(change.record.kind) == kind) {
                list.extend(Move::of(change, reason));
            }
        };
        for other in definitions.all_pipelines(pipeline.kind).filter(|other| other.id != pipeline.id) {
            reader.moves(other.id, followed, &mut collect).await?;
        }
    }
    Ok(moves.into_iter().map(|(id, moves)| (id, course::stays(pipeline.id, moves))).collect())
}
