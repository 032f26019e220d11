//! The rules of recommendations: pure functions of the records that were read.

use std::sync::Arc;

use super::{MOST_OF_A_KIND, NextStep, QUIET_DAYS, Recommendation, is_before};
use crate::{
    deals::DealFields,
    engine::{
        definitions::Definitions,
        stages::gates::{self, Transition},
    },
    interactions::InteractionFields,
    leads::LeadFields,
    model::{
        error::Faults,
        records::pipeline::{Stage, StageKind},
        schema::{Image, common},
        value::{FaultCode, Kind, Time, Value},
    },
    scoring::{Fact, On, WhatIf},
    tasks::TaskFields,
};

const DAY: i64 = 86_400_000_000;

/// The information on a record, as its reader may see it.
pub(super) struct Situation<'a> {
    pub(super) record: &'a Image,
    /// Interactions that took place, by time; `None` if the reader may not see them.
    pub(super) held: Option<&'a [(Time, Arc<Image>)]>,
    /// Planned interactions without an outcome.
    pub(super) planned: &'a [Arc<Image>],
    /// Open tasks, by due date; `None` if the reader may not see them.
    pub(super) tasks: Option<&'a [Arc<Image>]>,
    /// The outlook of the score; `None` without a model, or if the reader may not see scores.
    pub(super) prospect: Option<Prospect>,
    pub(super) definitions: &'a Definitions,
    pub(super) now: Time,
    /// Returns `true` if the reader may see a field of the record.
    pub(super) sees: &'a dyn Fn(&str) -> bool,
}

/// The outlook of a score.
pub(super) struct Prospect {
    pub(super) gains: Vec<WhatIf>,
    /// When a hot record ceases to be hot, if soon.
    pub(super) cools_at: Option<Time>,
}

/// Returns the recommendations.
pub(super) fn advise(situation: &Situation<'_>) -> Vec<Recommendation> {
    let mut all = situation.left_open();
    if situation.is_live() {
        all.extend(situation.owner());
        all.extend(situation.contact());
        all.extend(situation.stage());
        all.extend(situation.close_date());
        all.extend(situation.plan());
        all.extend(situation.score());
    }
    all.sort_by(|a, b| (a.step, b.gain).cmp(&(b.step, a.gain)));
    all
}

fn because(step: NextStep, reason: impl Into<String>, facts: Vec<Fact>) -> Recommendation {
    Recommendation { step, reason: reason.into(), gain: None, rule: None, facts }
}

/// Adds a rule of the model, and the points it would yield, to a recommendation.
fn by(gain: &WhatIf, recommendation: Recommendation) -> Recommendation {
    Recommendation { gain: Some(gain.points), rule: Some(Arc::clone(&gain.rule)), ..recommendation }
}

impl Situation<'_> {
    /// Returns `true` if the record is not archived, merged, won or lost.
    fn is_live(&self) -> bool {
        let record = self.record;
        let is_over = self.current_stage().is_some_and(|stage| !stage.kind.is_open());
        !record.is_archived() && record.values[common::MERGED_INTO].is_null() && !is_over
    }

    /// Recommends to complete overdue tasks, and to record the outcome of planned interactions.
    fn left_open(&self) -> Vec<Recommendation> {
        let overdue =
            self.tasks.unwrap_or_default().iter().filter(|task| is_before(task, TaskFields::due_at, self.now));
        let overdue = overdue.take(MOST_OF_A_KIND).map(|task| {
            let due_at = task.at(TaskFields::due_at).as_time();
            let days = due_at.map_or(0, |due| self.now.since(due) / DAY);
            let reason = match days {
                0 => "a task is overdue".to_owned(),
                days => format!("a task is overdue by {}", counted(days)),
            };
            because(NextStep::DoTask, reason, vec![Fact::Task { id: task.id.typed(), due_at }])
        });
        let past = self.planned.iter().filter(|planned| is_before(planned, InteractionFields::scheduled_at, self.now));
        let past = past.take(MOST_OF_A_KIND).map(|planned| {
            let kind = planned.at(InteractionFields::r#type).as_text().unwrap_or("interaction");
            because(
                NextStep::RecordOutcome,
                format!("the planned {kind} has no recorded outcome"),
                vec![interaction(planned, planned.at(InteractionFields::scheduled_at).as_time().unwrap_or(self.now))],
            )
        });
        overdue.chain(past).collect()
    }

    fn owner(&self) -> Option<Recommendation> {
        let unassigned = (self.sees)("owner_id") && self.record.at(LeadFields::owner_id).is_null();
        unassigned.then(|| because(NextStep::Assign, "there is no owner", vec![self.field("owner_id")]))
    }

    /// Recommends to answer, to meet for the first time, or to follow up.
    fn contact(&self) -> Option<Recommendation> {
        let held = self.held?;
        if let Some((at, last)) = held.last()
            && last.at(InteractionFields::direction).as_text() == Some("inbound")
            && last.at(InteractionFields::r#type).as_text() != Some("website")
        {
            let kind = last.at(InteractionFields::r#type).as_text().unwrap_or("interaction");
            let reason = format!("the latest event is their {kind}, {}", since(self.now, *at));
            return Some(because(NextStep::Reply, reason, vec![interaction(last, *at)]));
        }
        if self.wants_no_contact() || self.is_planned() {
            return None;
        }
        let Some((at, last)) = held.last() else {
            let created = self.record.values[common::CREATED_AT].as_time()?;
            let reason = format!("there has been no contact since it was created, {}", since(self.now, created));
            return Some(because(NextStep::FirstContact, reason, vec![self.field("created_at")]));
        };
        let quiet = self.now.since(*at) / DAY;
        (quiet >= QUIET_DAYS).then(|| {
            let reason = format!("there has been no activity for {}", counted(quiet));
            because(NextStep::FollowUp, reason, vec![interaction(last, *at)])
        })
    }

    /// Recommends to fulfil the requirements of the current stage and the next.
    fn stage(&self) -> Vec<Recommendation> {
        if !(self.sees)("stage_id") {
            return Vec::new();
        }
        let Some(stage) = self.current_stage() else { return Vec::new() };
        let mut all = Vec::new();
        let entered = self.record.at(DealFields::stage_entered_at).as_time();
        if let (Some(limit), Some(entered)) = (stage.rotting_days, entered) {
            let days = self.now.since(entered) / DAY;
            if days >= limit {
                let reason =
                    format!("it has been in `{}` for {}; the limit is {}", stage.key, counted(days), counted(limit));
                all.push(because(NextStep::MoveOn, reason, vec![Fact::Stage { id: stage.id, at: entered }]));
            }
        }
        let Some(next) = self.next_stage(stage) else { return all };
        if next.kind == StageKind::Won && self.record.kind() == Kind::Lead {
            let reason = format!("`{}` is the last stage before conversion", stage.key);
            let at = entered.unwrap_or(self.now);
            all.push(because(NextStep::Convert, reason, vec![Fact::Stage { id: stage.id, at }]));
        }
        let missing: Vec<&str> = self.missing_for(next).into_iter().filter(|field| (self.sees)(field)).collect();
        if !missing.is_empty() {
            let reason = format!("the next stage, `{}`, requires {}", next.key, missing.join(", "));
            let facts = missing.iter().map(|field| self.field(field)).collect();
            all.push(because(NextStep::FillIn, reason, facts));
        }
        all
    }

    fn close_date(&self) -> Option<Recommendation> {
        let today = self.now.date_in(self.definitions.zone());
        let Value::Date(expected) = self.record.at(DealFields::expected_close_date) else { return None };
        (*expected < today && (self.sees)("expected_close_date")).then(|| {
            let reason = format!("it was expected to close on {expected}");
            because(NextStep::UpdateCloseDate, reason, vec![self.field("expected_close_date")])
        })
    }

    fn plan(&self) -> Option<Recommendation> {
        self.tasks?;
        self.held?;
        (!self.is_planned())
            .then(|| because(NextStep::Plan, "there is no open task and no planned interaction", Vec::new()))
    }

    /// Recommends actions for which the scoring model would give points.
    fn score(&self) -> Vec<Recommendation> {
        let Some(prospect) = &self.prospect else { return Vec::new() };
        let mut all = Vec::new();
        let may_contact = !self.wants_no_contact();
        if let Some(at) = prospect.cools_at.filter(|_| may_contact) {
            let days = at.since(self.now) / DAY;
            let reason = format!("without activity it is no longer hot within {}", counted(days));
            all.push(because(NextStep::KeepWarm, reason, Vec::new()));
        }
        let events = prospect.gains.iter().filter(|gain| gain.unknown.is_empty() && may_contact);
        all.extend(events.take(MOST_OF_A_KIND).map(|gain| {
            let reason = format!("`{}` would add {} points", gain.rule, points(gain.points));
            by(gain, because(NextStep::Engage, reason, Vec::new()))
        }));
        let facts = prospect
            .gains
            .iter()
            .filter(|gain| !gain.unknown.is_empty() && gain.unknown.iter().all(|field| (self.sees)(field)));
        all.extend(facts.take(MOST_OF_A_KIND).map(|gain| {
            let names: Vec<&str> = gain.unknown.iter().map(AsRef::as_ref).collect();
            let reason = format!(
                "{} is missing: `{}` adds {} points if it matches",
                names.join(", "),
                gain.rule,
                points(gain.points)
            );
            let facts = names.iter().map(|field| self.field(field)).collect();
            by(gain, because(NextStep::FindOut, reason, facts))
        }));
        all
    }

    fn field(&self, name: &str) -> Fact {
        Fact::Field { on: On::Record, field: name.into(), value: self.record.named(name).clone() }
    }

    /// Returns `true` if the record is neither to be mailed nor called, or if the reader may not see whether, so that
    /// nothing reveals it.
    fn wants_no_contact(&self) -> bool {
        let opted = ["do_not_email", "do_not_call"].iter().filter(|field| self.record.decl.field(field).is_some());
        if opted.clone().any(|field| !(self.sees)(field)) {
            return true;
        }
        ["do_not_email", "do_not_call"].iter().all(|field| *self.record.get(field) == Value::Bool(true))
    }

    /// Returns `true` if there is an open task or an interaction planned for the future.
    fn is_planned(&self) -> bool {
        self.tasks.is_some_and(|tasks| !tasks.is_empty())
            || self.planned.iter().any(|planned| !is_before(planned, InteractionFields::scheduled_at, self.now))
    }

    fn current_stage(&self) -> Option<&Stage> {
        let id = self.record.at(DealFields::stage_id).as_id()?;
        self.definitions.stage(id.typed()).map(|(_, stage)| stage)
    }

    /// Returns the next stage of the pipeline, if it can be entered from this one.
    fn next_stage(&self, from: &Stage) -> Option<&Stage> {
        let (pipeline, _) = self.definitions.stage(from.id)?;
        let after = pipeline.stages.iter().filter(|stage| {
            let open_to = stage.allowed_from.is_empty() || stage.allowed_from.contains(&from.key);
            let enters = matches!(stage.kind, StageKind::Open | StageKind::Won);
            stage.position > from.position && !stage.retired && enters && open_to
        });
        after.min_by_key(|stage| stage.position)
    }

    /// Returns the missing fields that a stage requires, according to its gates.
    fn missing_for<'b>(&self, stage: &'b Stage) -> Vec<&'b str> {
        let mut there = self.record.clone();
        if let Some(at) = there.decl.position("stage_id") {
            there.values[at] = Value::from(stage.id);
        }
        let mut faults = Faults::new();
        gates::check(Some(self.record), &there, Transition::Ordinary, self.definitions, self.now, &mut faults);
        let is_missing = |field: &&String| {
            faults.all().iter().any(|fault| fault.field == **field && fault.fault.code == FaultCode::RequiredByStage)
        };
        stage.required_fields.iter().filter(is_missing).map(String::as_str).collect()
    }
}

fn interaction(image: &Image, at: Time) -> Fact {
    Fact::Interaction { id: image.id.typed(), at }
}

/// Returns `1 day`, `5 days`.
fn counted(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// Returns the time elapsed, as text.
fn since(now: Time, then: Time) -> String {
    match now.since(then) / DAY {
        0 => "today".to_owned(),
        days => format!("{} ago", counted(days)),
    }
}

/// Formats thousandths of a point as points.
fn points(thousandths: i64) -> String {
    let (whole, part) = (thousandths / 1_000, thousandths % 1_000);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:03}").trim_end_matches('0').to_owned() }
}
