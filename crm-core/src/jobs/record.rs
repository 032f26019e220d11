//! Jobs: long work, done piece by piece, that tells how far it is and goes on where it was interrupted.

use crate::{
    schema::record,
    scoring::Trial,
    value::{Choice, Id, Kind, Time, choices, structured},
};

choices! {
    /// What is to be done.
    #[derive(Default)]
    pub enum JobType {
        /// Deactivate a user and hand over what is theirs.
        #[default]
        DeactivateUser = "deactivate_user",
        /// Retire a stage and move what stands in it.
        RetireStage = "retire_stage",
        /// Try a scoring model.
        TryModel = "try_model",
        /// Learn from outcomes (feature `predictive`).
        Train = "train",
    }
    /// How far it is.
    #[derive(Default)]
    pub enum JobStatus {
        /// It waits, or is being done.
        #[default]
        Running = "running",
        /// It is done.
        Completed = "completed",
        /// It was refused, and will not go on.
        Failed = "failed",
    }
}

/// What a job is about: as its type needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobTarget {
    /// The user to deactivate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Id>,
    /// To whom the user's records go; they stay where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_to: Option<Id>,
    /// The pipeline of the stage to retire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline_id: Option<Id>,
    /// The stage to retire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_id: Option<Id>,
    /// The stage to move to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_stage_id: Option<Id>,
    /// The scoring model to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<Id>,
    /// Of which kind of record outcomes are learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Fields that are not learned from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// How far a job over many records has come.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Progress {
    /// In which of its lists it is.
    pub(crate) list: usize,
    /// After which place of that list it goes on, sealed: whoever may read the job may not see what it walks over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// True where this pass over the lists has changed a record.
    pub(crate) changed: bool,
}
/// What a job has made, as JSON: of training a `crm_core::scoring::Learned`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Product(pub serde_json::Value);

/// A record that a job could not change, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    /// Which record.
    pub id: Id,
    /// Why.
    pub reason: String,
}
structured!(HeldBack, Product; whole JobTarget, Progress);

record! {
    /// Long work. It is done on behalf of the user who asked for it, with what that user may do.
    Job, NewJob, JobPatch, JobFields {
        own: [user_id], team: [],
        person {}
        read_only {
            /// What is to be done.
            r#type: JobType = FieldType::Choice(JobType::NAMES), [required];
            /// Who asked for it.
            user_id: Option<Id> = FieldType::Id(Kind::User), [];
            /// What it is about.
            target: Option<JobTarget> = Struct, [required];
            /// How far it is.
            status: JobStatus = FieldType::Choice(JobStatus::NAMES), [];
            /// When it ended.
            finished_at: Option<Time> = FieldType::Time, [];
            /// Why it failed.
            failure: Option<String> = Text(MAX_TEXT), [];
        }
        machine {
            /// How many records it has changed.
            done: i64 = Int(0, i64::MAX), [] from [];
            /// Records that it could not change, the first hundred.
            held_back: Vec<HeldBack> = Structs(100), [] from [];
            /// How many it could not change.
            held_back_count: i64 = Int(0, i64::MAX), [] from [];
            /// Of work over many records: where it goes on.
            progress: Option<Progress> = Struct, [] from [];
            /// Of a trial of a scoring model: what it has come to.
            trial: Option<Trial> = Struct, [] from [];
            /// What it has made, where it makes something: of training the model and the report.
            product: Option<Product> = Struct, [] from [];
            /// Until when a worker has taken it.
            taken_until: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { (status) -> created_at; (user_id) -> created_at; }
    }
}
