//! Completing, reopening and cancelling tasks.

use super::record::{Task, TaskPatch, TaskStatus};
use crate::{
    engine::{collection::Collection, draft::Pending},
    model::{schema::Record, value::Id},
};

impl Collection<'_, Task> {
    /// Completes a task, with its outcome.
    pub fn complete(&self, id: Id<Task>, outcome: Option<String>) -> Pending<Record<Task>> {
        let patch = TaskPatch::new().status(TaskStatus::Completed);
        let patch = if outcome.is_some() { patch.outcome(outcome) } else { patch };
        self.change(id, "complete", patch)
    }

    /// Reopens a task.
    pub fn reopen(&self, id: Id<Task>) -> Pending<Record<Task>> {
        self.change(id, "reopen", TaskPatch::new().status(TaskStatus::Pending))
    }

    /// Cancels a task.
    pub fn cancel(&self, id: Id<Task>) -> Pending<Record<Task>> {
        self.change(id, "cancel", TaskPatch::new().status(TaskStatus::Cancelled))
    }
}
