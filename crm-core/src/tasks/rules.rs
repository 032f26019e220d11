//! The rules of tasks.

use super::record::{Task, TaskStatus};
use crate::{
    engine::{
        definitions::Definitions,
        rules::{Rules, Settle},
    },
    model::{
        records::user::User,
        schema::{MAX_TEXT, Record, one_line},
        value::{FaultCode, Id, Time},
    },
};

impl Rules for Task {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if before.is_none() && after.assignee_id.is_none() && after.team_id.is_none() {
            after.assignee_id = cx.user;
        }
        for (at, item) in after.checklist.iter_mut().enumerate() {
            match one_line(&item.text, MAX_TEXT) {
                Ok(text) => item.text = text.to_owned(),
                Err(fault) => cx.faults.add(format!("checklist[{at}].text"), fault),
            }
            if item.text.is_empty() || item.text.chars().count() > 255 {
                cx.faults.push(format!("checklist[{at}].text"), FaultCode::Required, "must have 1 to 255 characters");
            }
        }
        for (at, reminder) in after.reminders.iter().enumerate() {
            if !(0..=525_600).contains(&reminder.minutes_before) {
                cx.faults.push(
                    format!("reminders[{at}].minutes_before"),
                    FaultCode::TooLarge,
                    "must be 0 to 525600 (one year)",
                );
            }
        }
        if after.start_at.zip(after.due_at).is_some_and(|(start, due)| start > due) {
            cx.faults.push("start_at", FaultCode::TooLarge, "must not be after due_at");
        }
    }

    fn stamp(&mut self, changed: &dyn Fn(&str) -> bool, occurred_at: Time, by: Option<Id<User>>) {
        if changed("status") {
            let done = self.status == TaskStatus::Completed;
            self.completed_at = done.then_some(occurred_at);
            self.completed_by = by.filter(|_| done);
        }
    }

    fn derive(&mut self, _: Time, _: &Definitions) {
        // If the status is unknown to this program, the stored value stays.
        if !matches!(self.status, TaskStatus::Unknown(_)) {
            self.is_open = matches!(self.status, TaskStatus::Pending | TaskStatus::InProgress);
        }
    }
}
