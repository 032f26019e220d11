//! Recommendations: the next steps for a lead, contact, company or deal, with reasons. They cover what is pending (a
//! task, a reply, a stale stage) and what would raise the score. They are computed from the record, its tasks, its
//! interactions and the active scoring model each time they are requested; nothing is stored and nothing is guessed.
//!
//! `advise` contains the rules, one pure function of the data that this module reads.

mod advise;

use std::sync::Arc;

use serde::Serialize;

use crate::{
    engine::{draft::read_record, listing::ListQuery, runtime::Engine},
    interactions::Interaction,
    model::{
        access::{Action, Actor, Permission},
        error::Error,
        filter::Filter,
        schema::{Image, RecordKind as _, TypedField},
        value::{FaultCode, Kind, Ref, Time, choices},
    },
    scoring::{self, Compiled, Fact, KINDS, Models as _, Needs, Reader},
    tasks::Task,
};

use advise::{Prospect, Situation};

/// The number of days without an interaction after which a follow-up is recommended.
pub const QUIET_DAYS: i64 = 14;
/// The number of days ahead in which a record that would cease to be hot is reported.
pub const KEEP_WARM_DAYS: i64 = 14;
/// The maximum number of recommendations of one kind: tasks, behaviors, unknown facts.
pub const MOST_OF_A_KIND: usize = 3;
/// The maximum number of open tasks, and of planned interactions, that are considered.
const MOST_OPEN: usize = 100;

choices! {
    /// Next step, in order of urgency.
    pub enum NextStep {
        /// Assign an owner.
        Assign = "assign",
        /// Reply: they wrote or called last.
        Reply = "reply",
        /// Do an overdue task.
        DoTask = "do_task",
        /// Record the outcome of a planned interaction.
        RecordOutcome = "record_outcome",
        /// Make first contact.
        FirstContact = "first_contact",
        /// Move on or give up: the record has exceeded the time limit of its stage.
        MoveOn = "move_on",
        /// Set a new expected close date: it has passed.
        UpdateCloseDate = "update_close_date",
        /// Follow up: nothing has happened for some time.
        FollowUp = "follow_up",
        /// Act before the record ceases to be hot.
        KeepWarm = "keep_warm",
        /// Convert the lead: no open stage remains.
        Convert = "convert",
        /// Fill in the fields that the next stage requires.
        FillIn = "fill_in",
        /// Plan something: there is no open task and no planned interaction.
        Plan = "plan",
        /// Prompt a behavior for which the scoring model gives points.
        Engage = "engage",
        /// Find out a fact that the scoring model uses.
        FindOut = "find_out",
    }
}

/// A recommended next step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// Next step.
    pub step: NextStep,
    /// Reason, as a sentence.
    pub reason: String,
    /// The increase of the record's score in thousandths of a point, if known; for an unknown fact the maximum
    /// increase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<i64>,
    /// The rule of the scoring model, if the recommendation is based on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// The facts behind the recommendation; a missing field has the value `null`.
    pub facts: Vec<Fact>,
}

/// Recommendations, with the permissions of an actor.
#[derive(Clone)]
pub struct Recommendations<'a> {
    engine: &'a Arc<Engine>,
    actor: &'a Actor,
}

impl std::fmt::Debug for Recommendations<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recommendations").finish_non_exhaustive()
    }
}

impl<'a> Recommendations<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }

    /// Returns the next steps for a record: the most urgent first, among equally urgent ones those that raise the score
    /// most. For a record that is won, lost or archived, only open items are returned. Recommendations based on a field
    /// that the actor may not see are omitted; the score is used if the actor may see it and a model is active.
    ///
    /// Costs a read of the record and up to three sequential round trips (related records, interactions and history, as
    /// far as the model reads them); open tasks and planned interactions are read concurrently.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the actor may not see the record; [`Error::Invalid`] for a kind that is not scored.
    pub async fn of(&self, record: Ref) -> Result<Vec<Recommendation>, Error> {
        if !KINDS.contains(&record.kind) {
            return Err(Error::invalid("kind", FaultCode::UnknownChoice, "must be lead, contact, company or deal"));
        }
        let (image, outcome) = read_record(self.engine, self.actor, record).await?;
        let (definitions, now) = (&outcome.definitions, outcome.now);
        let access = outcome.access(self.actor);
        let roles = access.roles();
        let sees = |kind: Kind, fields: &[&str]| {
            access.is_within_limits(Permission::new(kind, Action::Read))
                && fields.iter().all(|field| !roles.is_hidden(kind, field))
        };
        // A model that is no longer valid is ignored here; requesting the score reports its faults.
        let compile = |at: Time| -> Option<Compiled> {
            let model = definitions.active_model(record.kind)?;
            scoring::compile(model.definition.as_ref()?, record.kind, definitions, at).ok()
        };
        let compiled = compile(now).filter(|_| !roles.is_hidden(record.kind, "score"));
        let sees_interactions =
            sees(Kind::Interaction, &["type", "direction", "completed_at", "scheduled_at", "links"]);
        let sees_tasks = sees(Kind::Task, &["due_at", "is_open", "links"]);
        let mut needs = compiled.as_ref().map_or_else(Needs::default, |compiled| compiled.needs.clone());
        needs.interactions |= sees_interactions;
        let reader = Reader { engine: self.engine, tenant: self.actor.tenant(), definitions };
        let facts = async {
            let facts = reader.related(vec![Arc::clone(&image)], &needs).await?.pop();
            reader.happened(facts.ok_or(Error::NotFound(record.kind))?, &needs, now).await
        };
        let open = || ListQuery::new().filter(Filter::eq("is_open", true));
        let planned = async {
            let query = open().filter(Filter::missing("scheduled_at").negate()).sort("happens_at");
            if !sees_interactions {
                return Ok(Vec::new());
            }
            reader.linked(Interaction::decl(), record, query, MOST_OPEN).await
        };
        let tasks = async {
            if !sees_tasks {
                return Ok(Vec::new());
            }
            reader.linked(Task::decl(), record, open().sort("due_at"), MOST_OPEN).await
        };
        let (facts, planned, tasks) = futures::try_join!(facts, planned, tasks)?;
        let prospect = compiled.map(|compiled| {
            let is_hot = compiled.points(&facts).is_hot;
            let cools_at = if is_hot { cools_at(&compiled, &facts, compile) } else { None };
            Prospect { gains: compiled.gains(&facts), cools_at }
        });
        let held = if sees_interactions { facts.interactions.as_slice() } else { &[] };
        Ok(advise::advise(&Situation {
            record: &access.mask(&image),
            held: sees_interactions.then_some(held),
            planned: &planned,
            tasks: sees_tasks.then_some(&tasks),
            prospect,
            definitions,
            now,
            sees: &|field| !access.is_hidden(record.kind, field),
        }))
    }
}

/// Returns the first time, in whole days from now, at which a record would cease to be hot if nothing happened.
fn cools_at(compiled: &Compiled, facts: &scoring::Facts, compile: impl Fn(Time) -> Option<Compiled>) -> Option<Time> {
    (1..=KEEP_WARM_DAYS).map(|day| compiled.at.plus_days(day)).find(|&at| {
        // Filters with relative times are compiled for a time.
        let mut later = if compiled.needs.relative { compile(at) } else { Some(compiled.clone()) };
        later.as_mut().is_some_and(|later| {
            later.at = at;
            !later.points(facts).is_hot
        })
    })
}

/// `true` for a planned interaction or an open task whose time is before `moment`.
fn is_before<F: TypedField>(image: &Image, field: F, moment: Time) -> bool {
    image.at(field).as_time().is_some_and(|time| time < moment)
}
