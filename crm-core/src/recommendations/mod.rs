//! What to do next about a lead, contact, company or deal, and why: what waits (a task, an answer, a stage that has gone
//! stale) and what would move its score. Worked out from the record, its tasks, what happened with it and the active
//! scoring model, each time it is asked for; nothing is stored and nothing is guessed.
//!
//! `advise` holds the rules, one pure function over what this file reads.

mod advise;

use std::sync::Arc;

use serde::Serialize;

use crate::{
    engine::{access::Access, draft::decide_only, listing::ListQuery, runtime::Engine},
    interactions::Interaction,
    model::{
        access::{Action, Actor, Permission},
        error::Error,
        filter::Filter,
        schema::{Image, RecordKind as _, TypedField},
        value::{Kind, Ref, Time, choices},
    },
    scoring::{self, Compiled, Fact, KINDS, Models as _, Needs, Reader},
    tasks::Task,
};

use advise::{Prospect, Situation};

/// Days without an interaction after which somebody is to be asked again.
pub const QUIET_DAYS: i64 = 14;
/// Days ahead in which a record that would cease to be hot is told.
pub const KEEP_WARM_DAYS: i64 = 14;
/// How many of one kind are told: tasks, behaviours, unknown facts.
pub const MOST_OF_A_KIND: usize = 3;
/// Open tasks, and planned interactions, of a record that are looked at.
const MOST_OPEN: usize = 100;

choices! {
    /// What to do, the most pressing first.
    pub enum NextStep {
        /// Give it to somebody: it has no owner.
        Assign = "assign",
        /// Answer: they wrote or called last.
        Reply = "reply",
        /// Do a task that is overdue.
        DoTask = "do_task",
        /// Say how a planned interaction went.
        RecordOutcome = "record_outcome",
        /// Get in touch for the first time.
        FirstContact = "first_contact",
        /// Move it on or give it up: it has been in its stage for longer than the stage allows.
        MoveOn = "move_on",
        /// Set another closing date: the expected one is past.
        UpdateCloseDate = "update_close_date",
        /// Get in touch again: nothing has happened for some time.
        FollowUp = "follow_up",
        /// Do something before it ceases to be hot.
        KeepWarm = "keep_warm",
        /// Convert the lead: no open stage is left before it.
        Convert = "convert",
        /// Fill in what the next stage asks for.
        FillIn = "fill_in",
        /// Plan something: no task is open and nothing is agreed.
        Plan = "plan",
        /// Bring about what the scoring model gives points for.
        Engage = "engage",
        /// Find out what the scoring model would look at.
        FindOut = "find_out",
    }
}

/// One thing to do next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// What to do.
    pub step: NextStep,
    /// Why, as a sentence.
    pub reason: String,
    /// By how many thousandths of a point the record's score would rise with it, where that is known: of a fact that is to
    /// be found out at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<i64>,
    /// The rule of the scoring model that it rests on, where it rests on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// What it rests on: a field that is missing has the value `null`.
    pub facts: Vec<Fact>,
}

/// Recommendations, as an actor may see them.
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

    /// What to do next about a record: the most pressing first, among equals what would raise the score most. Of a record
    /// that is won, lost or archived only what is left open. What would rest on a field that the actor may not see is
    /// left out; the score counts where the actor may see it and a model is in force.
    ///
    /// Costs a read of the record, and then up to three round trips one after the other (what it is related to, its
    /// interactions, its history, as far as the model looks at them); its open tasks and planned interactions are read at
    /// the same time.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the actor may not see the record; [`Error::Invalid`] for a kind that is not scored.
    pub async fn of(&self, record: Ref) -> Result<Vec<Recommendation>, Error> {
        if !KINDS.contains(&record.kind) {
            return Err(Error::invalid("kind", "unknown_choice", "must be lead, contact, company or deal"));
        }
        let outcome = decide_only(self.engine, self.actor, &[record.into()], &|draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        let image = outcome.images.into_iter().next().ok_or(Error::NotFound(record.kind))?;
        let (definitions, now) = (&outcome.definitions, outcome.now);
        let access = Access::new(self.actor, definitions, now);
        let roles = access.roles();
        let sees = |kind: Kind, fields: &[&str]| {
            access.is_within_limits(Permission::new(kind, Action::Read))
                && fields.iter().all(|field| !roles.is_hidden(kind, field))
        };
        // A model that makes no sense any more says nothing here; asking for the score tells what is wrong with it.
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

/// The first moment within the days ahead, whole days from now, at which a record would no longer be hot if nothing
/// happened.
fn cools_at(compiled: &Compiled, facts: &scoring::Facts, compile: impl Fn(Time) -> Option<Compiled>) -> Option<Time> {
    (1..=KEEP_WARM_DAYS).map(|day| compiled.at.plus_days(day)).find(|&at| {
        // Filters with relative times are made for their moment.
        let mut later = if compiled.needs.relative { compile(at) } else { Some(compiled.clone()) };
        later.as_mut().is_some_and(|later| {
            later.at = at;
            !later.points(facts).is_hot
        })
    })
}

/// A planned interaction, or an open task, whose time is before a moment.
fn is_before<F: TypedField>(image: &Image, field: F, moment: Time) -> bool {
    image.at(field).as_time().is_some_and(|time| time < moment)
}
