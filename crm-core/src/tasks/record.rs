//! Tasks: work to be done by users.

use serde::{Deserialize, Serialize};

use crate::model::{
    records::{team::Team, user::User},
    schema::record,
    value::{Choice, Id, Kind, Ref, Time, choices, structured},
};

choices! {
    /// Type of a task.
    #[derive(Default)]
    pub enum TaskType {
        /// Follow up.
        #[default]
        FollowUp = "follow_up",
        /// Demonstrate the product.
        Demo = "demo",
        /// Prepare a proposal.
        Proposal = "proposal",
        /// Prepare a contract.
        Contract = "contract",
        /// Give support.
        Support = "support",
        /// Meet.
        Meeting = "meeting",
        /// Call.
        Call = "call",
        /// Send an email.
        Email = "email",
        /// Anything else.
        Other = "other",
    }
    /// Priority of a task.
    #[derive(Default)]
    pub enum Priority {
        /// Low.
        Low = "low",
        /// Medium.
        #[default]
        Medium = "medium",
        /// High.
        High = "high",
        /// Urgent.
        Urgent = "urgent",
    }
    /// Status of a task.
    #[derive(Default)]
    pub enum TaskStatus {
        /// Not started.
        #[default]
        Pending = "pending",
        /// Started.
        InProgress = "in_progress",
        /// Completed.
        Completed = "completed",
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

/// An item of a task's checklist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChecklistItem {
    /// Text.
    pub text: String,
    /// `true` if the item is done.
    #[serde(default)]
    pub done: bool,
}

/// A reminder of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// Minutes before the due date.
    pub minutes_before: i64,
}
structured!(ChecklistItem, Reminder);

record! {
    /// Work to be done by a user or a team.
    Task, NewTask, TaskPatch, TaskFields {
        visibility: Visibility::ByLinks(TaskFields::links as usize),
        own: [assignee_id], team: [team_id],
        person {
            /// Title.
            title: String = Text(MAX_TEXT), [required, searchable];
            /// Description.
            description: Option<String> = LongText, [searchable];
            /// Type.
            r#type: TaskType = FieldType::Choice(TaskType::NAMES), [reportable];
            /// Category, defined by the organization.
            category: Option<String> = Text(MAX_TEXT), [reportable];
            /// Priority.
            priority: Priority = FieldType::Choice(Priority::NAMES), [reportable];
            /// Status.
            status: TaskStatus = FieldType::Choice(TaskStatus::NAMES), [reportable];
            /// Due date.
            due_at: Option<Time> = FieldType::Time, [];
            /// Start date.
            start_at: Option<Time> = FieldType::Time, [];
            /// Assignee; default: the creator, unless a team is given.
            assignee_id: Option<Id<User>> = FieldType::Id(Kind::User), [reportable];
            /// Team.
            team_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [reportable];
            /// Linked records.
            links: Vec<Ref> = Refs(Kind::LINKED, 20), [];
            /// Checklist.
            checklist: Vec<ChecklistItem> = Structs(100), [];
            /// Reminders.
            reminders: Vec<Reminder> = Structs(5), [];
            /// Outcome.
            outcome: Option<String> = Text(2000), [];
        }
        read_only {}
        machine {}
        derived {
            /// `true` for pending and in progress.
            is_open: bool = Bool, [] from [status];
            /// Time of completion.
            completed_at: Option<Time> = FieldType::Time, [] from [status];
            /// User who completed the task.
            completed_by: Option<Id<User>> = FieldType::Id(Kind::User), [] from [status];
        }
        indexes {
            (assignee_id, is_open) -> due_at; () [links] -> due_at; (team_id, is_open) -> due_at; (is_open) -> due_at;
            (assignee_id) -> completed_at;
        }
    }
}
