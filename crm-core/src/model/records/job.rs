//! The record of a job.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::{
    error::Error,
    schema::record,
    value::{Choice, Id, Kind, Time, choices, structured},
};

choices! {
    /// How far it is.
    #[derive(Default)]
    pub enum JobStatus {
        /// It waits, or is being done.
        #[default]
        Running = "running",
        /// It is done.
        Completed = "completed",
        /// It was refused, and is not tried again.
        Failed = "failed",
        /// Somebody cancelled it. What it had done stays.
        Cancelled = "cancelled",
    }
}

/// A structure whose members are known to the job's handler alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobData(pub serde_json::Value);

impl JobData {
    /// Reads it as a type.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is not of that type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read(&self.0)
    }
}

/// Reads a structure of a job as a type.
pub(crate) fn read<T: DeserializeOwned>(json: &serde_json::Value) -> Result<T, Error> {
    T::deserialize(json).map_err(|error| Error::invalid("target", "wrong_type", error.to_string()))
}

/// A structure of a job as JSON.
pub(crate) fn written<T: Serialize>(value: &T) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::invalid("product", "unfit", format!("cannot be written: {error}")))
}

/// A record that a job could not change, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    /// Which record.
    pub id: Id,
    /// Why.
    pub reason: String,
}
structured!(HeldBack, JobData);

/// Of a job that was done in one go: what became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many records it changed.
    pub moved: u64,
    /// The first hundred that it could not change, and why.
    pub held_back: Vec<HeldBack>,
    /// How many it could not change.
    pub held_back_count: u64,
    /// True where a worker of another process has taken the job: that one does the rest.
    pub unfinished: bool,
}

record! {
    /// Long work. It is done on behalf of the user who asked for it, with the rights that the user has while it is done.
    Job, NewJob, JobPatch, JobFields {
        due: due_at,
        visibility: Visibility::ByUser(JobFields::user_id as usize),
        made_by_use_cases: true,
        own: [user_id], team: [],
        person {}
        read_only {
            /// What is to be done: the name of a [`JobHandler`](crate::engine::jobs::JobHandler).
            r#type: String = Text(100), [required];
            /// Who asked for it.
            user_id: Option<Id> = FieldType::Id(Kind::User), [];
            /// The arguments, as its type needs them.
            target: Option<JobData> = Struct, [required];
            /// Of which kinds (`lead`) or fields (`lead.score`) its place and product tell: they are shown to nobody from
            /// whom such a field, or any field of such a kind, is hidden.
            discloses: Vec<String> = Texts(50, 120), [];
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
            /// After which place it continues, as its type needs it.
            place: Option<JobData> = Struct, [] from [];
            /// Its result, where its type has one: of training the model and the report, of trying a model the trial.
            product: Option<JobData> = Struct, [] from [];
            /// How often it was begun since it last made progress.
            attempts: i64 = Int(0, i64::MAX), [] from [];
            /// When it is to be resumed: while a worker has it, when another may take it; missing once it has ended.
            due_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { (status) -> created_at; (user_id) -> created_at; () -> due_at; }
    }
}
