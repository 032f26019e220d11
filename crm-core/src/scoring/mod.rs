//! Scoring: points for what a record is and what happened with it, that explain themselves.
//!
//! A [model](ModelDefinition) is data: groups of rules and behaviour, a grade matrix, a threshold. A score is a pure
//! function of (history, model version, moment, what was known by when): facts are read from the change log and the
//! same function computes today's score and any past one. Nothing about a score is looked up.
//!
//! | file | what |
//! |---|---|
//! | `model` | a model as data, and the starter |
//! | `compiled` | a model made ready, with every fault found |
//! | `facts`, `course` | what a score is made of, now and at any past moment |
//! | `evaluate`, `score`, `gains` | from facts to points, what they are made of, and what would raise them |
//! | `models` | the tenant's models, among its definitions |
//! | `ask`, `trial` | the use cases: a score, its course; trying a model before it is put in force |
//! | `jobs` | trying and learning a model as jobs |
//! | `learn` | a model learned from the tenant's own outcomes, and what it says of a record |
//! | `mark`, `sweeper`, `batch`, `sweep_report`, `carry` | how the scores that records carry are kept up to date |
//!
//! **What runs in the commit, and what after it.** A record is scored when it is created, in the same commit: nothing has
//! happened with it yet. Every later commit that touches what the active model reads marks the record as due, in the same
//! commit, so that nothing is lost; [`Sweeper::sweep`] scores what is due, and what is due because time passes. A score is
//! written to the machine's group of fields, by a commit of its own: rescoring never turns a person's edit into a
//! conflict. Where a score crosses the model's threshold or its grade changes, that commit also writes a change that
//! others can follow in the feed (`became_hot`, `cooled_down`, `grade_changed`).

mod ask;
mod batch;
mod carry;
mod compiled;
mod course;
mod evaluate;
mod facts;
mod gains;
mod jobs;
#[cfg(feature = "predictive")]
mod learn;
mod mark;
mod model;
mod models;
mod record;
pub mod rescorings;
mod rules;
mod score;
mod sweep_report;
mod sweeper;
mod trial;

pub use ask::{Course, Moment, ScoreQuery, Scoring};
pub use compiled::{Compiled, KINDS, MAX_GROUPS, MAX_POINTS, MAX_RULES, Needs, compile};
pub(crate) use course::Reader;
pub use facts::Facts;
pub use gains::Gain;
#[cfg(feature = "predictive")]
pub use learn::{Learned, Likelihood, MAX_ROWS, Reason};
pub use model::{Axis, Behavior, Decay, Event, GradeMatrix, Group, Limit, ModelDefinition, On, Rule};
pub(crate) use models::Models;
pub use record::{NewScoringModel, ScoringModel, ScoringModelFields, ScoringModelPatch};
pub use score::{Contribution, Fact, Points, Score, Source};
pub use sweep_report::{SweepAllReport, SweepReport};
pub use sweeper::Sweeper;
pub use trial::{BAR, Histogram, MAX_OUTCOMES, Next, Ranking, Trial};

/// What it adds to the engine.
pub(crate) fn system() -> crate::engine::system::System {
    let system = crate::engine::system::System::new("scoring")
        .kinds(&[crate::model::value::Kind::ScoringModel, crate::model::value::Kind::Rescoring])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::ScoringModel))
        .hook(mark::Marks)
        .hides(models::hidden_scores)
        .background(sweeper::Sweep)
        .job(jobs::TryModel);
    #[cfg(feature = "predictive")]
    let system = system.job(jobs::Train);
    system
}
