//! Tasks: things to do.

use serde::{Deserialize, Serialize};

use crate::model::{
    schema::record,
    value::{Choice, Id, Kind, Ref, Time, choices, structured},
};

choices! {
    /// What there is to do.
    #[derive(Default)]
    pub enum TaskType {
        /// Get back to somebody.
        #[default]
        FollowUp = "follow_up",
        /// Show the product.
        Demo = "demo",
        /// Write a proposal.
        Proposal = "proposal",
        /// Work on a contract.
        Contract = "contract",
        /// Help.
        Support = "support",
        /// Meet.
        Meeting = "meeting",
        /// Call.
        Call = "call",
        /// Write.
        Email = "email",
        /// Anything else.
        Other = "other",
    }
    /// How pressing it is.
    #[derive(Default)]
    pub enum Priority {
        /// It can wait.
        Low = "low",
        /// As usual.
        #[default]
        Medium = "medium",
        /// Soon.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
    /// How far it is.
    #[derive(Default)]
    pub enum TaskStatus {
        /// Not begun.
        #[default]
        Pending = "pending",
        /// Begun.
        InProgress = "in_progress",
        /// Done.
        Completed = "completed",
        /// Given up.
        Cancelled = "cancelled",
    }
}

/// One line of a task's checklist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChecklistItem {
    /// What.
    pub text: String,
    /// Whether it is done.
    #[serde(default)]
    pub done: bool,
}

/// When to remind of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// So long before it is due.
    pub minutes_before: i64,
}
structured!(ChecklistItem, Reminder);

record! {
    /// Something to do.
    Task, NewTask, TaskPatch, TaskFields {
        visibility: Visibility::ByLinks(TaskFields::links as usize),
        own: [assignee_id], team: [team_id],
        person {
            /// What.
            title: String = Text(MAX_TEXT), [required, searchable];
            /// Description.
            description: Option<String> = LongText, [searchable];
            /// What kind of work.
            r#type: TaskType = FieldType::Choice(TaskType::NAMES), [reportable];
            /// A label of the tenant's own.
            category: Option<String> = Text(MAX_TEXT), [reportable];
            /// How pressing it is.
            priority: Priority = FieldType::Choice(Priority::NAMES), [reportable];
            /// How far it is.
            status: TaskStatus = FieldType::Choice(TaskStatus::NAMES), [reportable];
            /// When it must be done.
            due_at: Option<Time> = FieldType::Time, [];
            /// When to begin.
            start_at: Option<Time> = FieldType::Time, [];
            /// Who does it; the creator unless a team is given.
            assignee_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Which team does it.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Linked records.
            links: Vec<Ref> = Refs(Kind::LINKED, 20), [];
            /// Its parts.
            checklist: Vec<ChecklistItem> = Structs(100), [];
            /// When to remind.
            reminders: Vec<Reminder> = Structs(5), [];
            /// How it went.
            outcome: Option<String> = Text(2000), [];
        }
        read_only {}
        machine {}
        derived {
            /// Pending or in progress.
            is_open: bool = Bool, [] from [status];
            /// When it was completed.
            completed_at: Option<Time> = FieldType::Time, [] from [status];
            /// Who completed it.
            completed_by: Option<Id> = FieldType::Id(Kind::User), [] from [status];
        }
        indexes {
            (assignee_id, is_open) -> due_at; () [links] -> due_at; (team_id, is_open) -> due_at; (is_open) -> due_at;
            (assignee_id) -> completed_at;
        }
    }
}
