//! Consequences: changes of other records that follow from a change, one by one, each an ordinary change by the system.
//!
//! - A new probability of a stage: the open deals in the stage that had the old probability get the new one
//!   (`follow_stage`). A deal with a different probability keeps it.
//! - The archiving of a lead, contact, company or deal: its open tasks are archived too if everything that they are
//!   linked to is archived (`follow_archived`), and restored together with the record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sums::linking;
use crate::{
    deals::{Deal, DealFields},
    engine::{
        draft::{Answer, Draft, Pending, Step, Stop, fingerprint},
        listing::{self, ListQuery},
        runtime::Engine,
    },
    model::{
        access::{Action, Actor},
        change::Change,
        error::Error,
        filter::Filter,
        records::pipeline::{Stage, StageKind},
        schema::{Group, Image, KindDecl, RecordKind as _, common},
        store::{Page, Position},
        value::{FieldValue as _, Id, Kind, Ref, Time, Value},
    },
    reports::Reader,
    tasks::{Task, TaskFields},
};

/// The number of records read together.
const PAGE: usize = 100;
/// The action that archives tasks together with the records they are linked to.
const FOLLOW_ARCHIVED: &str = "follow_archived";

/// A change with consequences, and how far they have been processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Consequence {
    #[serde(rename = "w")]
    what: What,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum What {
    /// The probability of a stage has changed from this value.
    #[serde(rename = "s")]
    Restaged { stage: Id<Stage>, was: i64 },
    /// A record was archived.
    #[serde(rename = "a")]
    Archived(Ref),
    /// A record that was archived at this time was restored.
    #[serde(rename = "r")]
    Restored(Ref, Time),
}

impl Consequence {
    /// Returns the consequences of a change.
    pub(super) fn of(change: &Change) -> Vec<Self> {
        let with = |what| Self { what, after: None };
        match change.record.kind {
            Kind::Pipeline => restaged(change).into_iter().map(with).collect(),
            Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal => {
                let what = change.field("archived_at").map(|field| match field.old {
                    Value::Time(since) => What::Restored(change.record, since),
                    _ => What::Archived(change.record),
                });
                what.into_iter().map(with).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the next records that may be affected.
    pub(super) async fn page(&self, reader: &Reader<'_>) -> Result<Page, Error> {
        let (decl, query): (&'static KindDecl, ListQuery) = match self.what {
            What::Restaged { stage, was } => {
                let filter = Filter::eq("stage_id", stage.to_string()).and(Filter::eq("probability", was));
                (Deal::decl(), ListQuery::new().filter(filter).sort("close_date"))
            }
            What::Archived(record) => {
                (Task::decl(), linking(record).filter(Filter::eq("is_open", true)).sort("due_at"))
            }
            // Latest first: tasks that were archived earlier were not archived with the record.
            What::Restored(record, _) => (Task::decl(), linking(record).archived().descending()),
        };
        let plan = listing::plan(reader.access, decl, &query, Action::Read)?;
        let mut page =
            listing::walk_page(reader.engine, reader.actor.tenant(), &plan, self.after.clone(), PAGE).await?;
        if let What::Restored(_, since) = self.what {
            let all = page.items.len();
            page.items.retain(|task| task.values[common::ARCHIVED_AT].as_time() >= Some(since));
            page.next = page.next.filter(|_| page.items.len() == all);
        }
        Ok(page)
    }

    /// Applies the consequence to one of them, if it is still affected.
    pub(super) async fn follow(&self, engine: &Arc<Engine>, actor: &Actor, record: Ref) -> Result<(), Error> {
        let what = self.what;
        let action = if matches!(what, What::Restaged { .. }) { "follow_stage" } else { FOLLOW_ARCHIVED };
        let asked = fingerprint(&(record, action));
        let pending: Pending<Followed> =
            Pending::new(engine, actor, action, asked, vec![record.into()], move |draft, step| {
                let Some(found) = draft.peek(record)? else { return Ok(Vec::new()) };
                match what {
                    What::Restaged { stage, was } => follow_stage(draft, &found, (stage, was), step)?,
                    What::Archived(_) => go_with(draft, &found, step)?,
                    What::Restored(of, _) => come_back(draft, &found, of, step)?,
                }
                Ok(vec![record])
            });
        pending.await.map(|_| ())
    }
}

/// The open stages of a pipeline whose probability a change has changed.
fn restaged(change: &Change) -> Vec<What> {
    let Some(stages) = change.field("stages") else { return Vec::new() };
    let read = |value: &Value| Vec::<Stage>::from_value(value).unwrap_or_default();
    let (old, new) = (read(&stages.old), read(&stages.new));
    let moved = new.iter().filter(|stage| stage.kind == StageKind::Open).filter_map(|stage| {
        let was = old.iter().find(|old| old.id == stage.id)?.probability;
        (was != stage.probability).then_some(What::Restaged { stage: stage.id, was })
    });
    moved.collect()
}

/// Gives a deal the current probability of its stage, if it is still in the stage with the old probability.
fn follow_stage(draft: &mut Draft<'_>, deal: &Image, (stage, was): (Id<Stage>, i64), step: Step) -> Result<(), Stop> {
    let at = |field: DealFields| &deal.values[field as usize];
    let is_due = !deal.is_archived()
        && at(DealFields::stage_id).as_id() == Some(stage.erase())
        && *at(DealFields::probability) == Value::Int(was);
    let Some((_, stage)) = draft.cx.definitions.stage(stage).filter(|_| is_due) else { return Ok(()) };
    let own = [(DealFields::probability as usize, Value::Int(stage.probability))];
    draft.update_for_rule(deal.reference(), &own, step)
}

/// Archives an open task if everything that it is linked to is archived.
fn go_with(draft: &mut Draft<'_>, task: &Arc<Image>, step: Step) -> Result<(), Stop> {
    if task.is_archived() || task.values[TaskFields::is_open as usize] != Value::Bool(true) {
        return Ok(());
    }
    for link in links(task) {
        if draft.peek(link)?.is_some_and(|linked| !linked.is_archived()) {
            return Ok(());
        }
    }
    draft.archive_checked(task, step)
}

/// Restores a task that was archived together with a restored record, if the task still exists.
fn come_back(draft: &mut Draft<'_>, task: &Image, of: Ref, step: Step) -> Result<(), Stop> {
    let is_there = draft.peek(of)?.is_some_and(|record| !record.is_archived());
    if !task.is_archived() || !is_there {
        return Ok(());
    }
    let history = draft.history(task.reference())?;
    let last = history.iter().rfind(|change| change.group == Group::User);
    if last.is_none_or(|change| &*change.action != FOLLOW_ARCHIVED) {
        return Ok(());
    }
    draft.update_for_rule(task.reference(), &[(common::ARCHIVED_AT, Value::Null)], step)
}

fn links(task: &Image) -> Vec<Ref> {
    let links = task.values[TaskFields::links as usize].items().iter();
    links.filter_map(|link| Ref::from_value(link).ok()).collect()
}

/// The empty result of a consequence.
struct Followed;

impl Answer for Followed {
    fn build(_: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(Self)
    }
}
