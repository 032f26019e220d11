//! The record of a job.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::{
    error::Error,
    records::user::User,
    schema::record,
    value::{Choice, FaultCode, Id, Kind, Time, choices, structured},
};

choices! {
    /// Status of a job.
    #[derive(Default)]
    pub enum JobStatus {
        /// Waiting or being processed.
        #[default]
        Running = "running",
        /// Completed.
        Completed = "completed",
        /// Failed; not tried again.
        Failed = "failed",
        /// Cancelled by a user. Completed pieces remain.
        Cancelled = "cancelled",
    }
}

/// A structure whose members are known only to the handler of the job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobData(pub serde_json::Value);

impl JobData {
    /// Deserializes the structure.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it does not match the type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read(&self.0)
    }
}

pub(crate) fn read<T: DeserializeOwned>(json: &serde_json::Value) -> Result<T, Error> {
    T::deserialize(json).map_err(|error| Error::invalid("target", FaultCode::WrongType, error.to_string()))
}

pub(crate) fn written<T: Serialize>(value: &T) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::invalid("product", FaultCode::Unfit, format!("cannot be written: {error}")))
}

/// A record that a job could not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    /// Id of the record.
    pub id: Id,
    /// Reason.
    pub reason: String,
}
structured!(HeldBack, JobData);

/// The result of a job that was run to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The number of changed records.
    pub moved: u64,
    /// The first hundred records that could not be changed, with reasons.
    pub held_back: Vec<HeldBack>,
    /// The number of records that could not be changed.
    pub held_back_count: u64,
    /// `true` if another process continues the job.
    pub unfinished: bool,
}

record! {
    /// A long-running operation on behalf of the user who started it, with the permissions that this user has while it
    /// runs.
    Job, NewJob, JobPatch, JobFields {
        due: due_at,
        visibility: Visibility::ByUser(JobFields::user_id as usize),
        made_by_use_cases: true,
        own: [user_id], team: [],
        person {}
        read_only {
            /// Type: the name of a [`JobHandler`](crate::engine::jobs::JobHandler).
            r#type: String = Text(100), [required];
            /// User who started the job.
            user_id: Option<Id<User>> = FieldType::Id(Kind::User), [];
            /// Arguments, depending on the type.
            target: Option<JobData> = Struct, [required];
            /// Kinds (`lead`) and fields (`lead.score`) that the position and the result reveal. Both are hidden from
            /// users from whom such a field, or any field of such a kind, is hidden.
            discloses: Vec<String> = Texts(50, 120), [];
            /// Status.
            status: JobStatus = FieldType::Choice(JobStatus::NAMES), [];
            /// Time at which the job ended.
            finished_at: Option<Time> = FieldType::Time, [];
            /// Reason of the failure.
            failure: Option<String> = Text(MAX_TEXT), [];
        }
        machine {
            /// Number of changed records.
            done: i64 = Int(0, i64::MAX), [] from [];
            /// Records that could not be changed: the first hundred.
            held_back: Vec<HeldBack> = Structs(100), [] from [];
            /// Number of records that could not be changed.
            held_back_count: i64 = Int(0, i64::MAX), [] from [];
            /// Position after which the job continues, depending on the type.
            place: Option<JobData> = Struct, [] from [];
            /// Result, if the type has one: model and report of a training, result of a backtest.
            product: Option<JobData> = Struct, [] from [];
            /// Number of attempts since the last progress.
            attempts: i64 = Int(0, i64::MAX), [] from [];
            /// Time at which the job is resumed; while a worker processes it, the time at which another may take it
            /// over. Missing once the job has ended.
            due_at: Option<Time> = FieldType::Time, [] from [];
        }
        derived {}
        indexes { (status) -> created_at; (user_id) -> created_at; () -> due_at; }
    }
}
