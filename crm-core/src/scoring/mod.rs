//! Scoring: explained points for the properties of a record and its events.
//!
//! A [model](ModelDefinition) is data: groups of rules and behaviors, a grade matrix, a threshold. A score is a pure
//! function of (history, model version, time, time up to which changes are known): facts are read from the change log,
//! and the same function computes current and past scores. A score is never looked up.
//!
//! | file | content |
//! |---|---|
//! | `model` | a model as data, and the starter model |
//! | `compiled` | a compiled model, with validation |
//! | `facts`, `history` | the facts of a score, now and at any past time |
//! | `evaluate`, `score`, `what_if` | from facts to points, contributions, and possible gains |
//! | `models` | the tenant's models, as part of its definitions |
//! | `ask`, `backtest` | the use cases: a score, the score history; backtesting a model before it is activated |
//! | `jobs` | backtesting and training as jobs |
//! | `learn` | a model trained on the tenant's own outcomes, and its predictions |
//! | `dirty_marks`, `sweeper`, `batch`, `sweep_report`, `write_back` | keeping the scores on records up to date |
//!
//! **In the commit and after it.** A record is scored in the commit that creates it, when it has no events yet. Every
//! later commit that changes what the active model reads marks the record as due, in the same commit, so that nothing
//! is lost; [`Sweeper::sweep`] scores records that are due because of a mark or because time passes. A score is written
//! to the machine group of fields, in its own commit: rescoring never turns a user's edit into a conflict. If a score
//! crosses the model's threshold or its grade changes, that commit also contains a change that followers receive
//! (`became_hot`, `cooled_down`, `grade_changed`).

mod ask;
mod backtest;
mod batch;
mod compiled;
mod dirty_marks;
mod evaluate;
mod facts;
mod history;
mod jobs;
#[cfg(feature = "predictive")]
mod learn;
mod model;
mod models;
mod record;
pub mod rescorings;
mod rules;
mod score;
mod sweep_report;
mod sweeper;
mod what_if;
mod write_back;

pub use ask::{Moment, ScoreHistory, ScoreQuery, Scoring};
pub use backtest::{BAR, Backtest, Histogram, MAX_OUTCOMES, Next, Ranking};
pub use compiled::{Compiled, KINDS, MAX_GROUPS, MAX_POINTS, MAX_RULES, Needs, compile};
pub use facts::Facts;
pub(crate) use history::Reader;
#[cfg(feature = "predictive")]
pub use learn::{Learned, Likelihood, MAX_ROWS, Reason};
pub use model::{Axis, Behavior, Decay, Event, GradeMatrix, Group, Limit, ModelDefinition, On, Rule};
pub(crate) use models::Models;
pub use record::{NewScoringModel, ScoringModel, ScoringModelFields, ScoringModelPatch};
pub use score::{Contribution, Fact, Points, Score, Source};
pub use sweep_report::{SweepAllReport, SweepReport};
pub use sweeper::Sweeper;
pub use what_if::WhatIf;

pub(crate) fn system() -> crate::engine::system::System {
    let system = crate::engine::system::System::new("scoring")
        .kinds(&[crate::model::value::Kind::ScoringModel, crate::model::value::Kind::Rescoring])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::ScoringModel))
        .hook(dirty_marks::Marks)
        .hides(models::hidden_scores)
        .background(sweeper::Sweep)
        .job(jobs::TryModel);
    #[cfg(feature = "predictive")]
    let system = system.job(jobs::Train);
    system
}
