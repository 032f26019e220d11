//! Interactions, tasks and notes, collected while leads and deals are generated and created after them.

use crm_core::{
    collection::NewWithHistory,
    interactions::{Direction, Interaction, NewInteraction, Participant, ParticipantRole},
    notes::{NewNote, Note},
    tasks::{ChecklistItem, NewTask, Priority, Task, TaskPatch, TaskStatus, TaskType},
    users::User,
    value::{Id, Ref, Time},
};

/// The collected activities, each with the index of its author.
#[derive(Debug, Default)]
pub(super) struct Activities {
    pub(super) interactions: Vec<(usize, NewWithHistory<Interaction>)>,
    pub(super) tasks: Vec<(usize, NewWithHistory<Task>)>,
    pub(super) notes: Vec<(usize, NewWithHistory<Note>)>,
}

/// The author and the links of an activity.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) author: usize,
    pub(super) links: Vec<Ref>,
    /// The address of the other party.
    pub(super) with: String,
}

/// An email, call or meeting.
#[derive(Clone, Debug)]
pub(super) struct Talk<'a> {
    pub(super) r#type: &'a str,
    /// `true` if initiated by the other party; not used for meetings.
    pub(super) inbound: bool,
    pub(super) subject: String,
    pub(super) content: Option<String>,
    pub(super) minutes: i64,
    pub(super) outcome: Option<&'a str>,
}

impl Activities {
    /// Adds an interaction that took place and was recorded at `at`.
    pub(super) fn talked(&mut self, about: &About, at: Time, talk: Talk<'_>) {
        let new = NewInteraction { completed_at: Some(at), ..interaction(about, talk) };
        self.interactions.push((about.author, NewWithHistory::new(new).created_at(at)));
    }

    /// Adds a future meeting, scheduled at `made`.
    pub(super) fn arranged(&mut self, about: &About, made: Time, at: Time, talk: Talk<'_>) {
        let new = NewInteraction { scheduled_at: Some(at), ..interaction(about, talk) };
        self.interactions.push((about.author, NewWithHistory::new(new).created_at(made)));
    }

    /// Adds a task: when it was created, when it is due, and when it was completed, if it was.
    pub(super) fn task(&mut self, about: &About, todo: Todo<'_>, assignee: Id<User>) {
        let new = NewTask {
            title: todo.title,
            r#type: todo.r#type,
            priority: todo.priority,
            due_at: Some(todo.due),
            assignee_id: Some(assignee),
            links: about.links.clone(),
            checklist: todo.checklist.iter().map(|&text| ChecklistItem { text: text.into(), done: false }).collect(),
            ..Default::default()
        };
        let mut new = NewWithHistory::new(new).created_at(todo.since);
        if let Some((at, status, outcome)) = todo.ended {
            let mut patch = TaskPatch::new().status(status).outcome(outcome);
            if status == TaskStatus::Completed && !todo.checklist.is_empty() {
                let done = todo.checklist.iter().map(|&text| ChecklistItem { text: text.into(), done: true });
                patch = patch.checklist(done.collect::<Vec<_>>());
            }
            new = new.then(at, patch);
        }
        self.tasks.push((about.author, new));
    }

    /// Adds a note written at `at`.
    pub(super) fn note(&mut self, about: &About, at: Time, title: &str, content: String) {
        let new = NewNote {
            title: Some(title.to_owned()),
            content,
            links: about.links.iter().copied().take(2).collect(),
            ..Default::default()
        };
        self.notes.push((about.author, NewWithHistory::new(new).created_at(at)));
    }
}

/// The text and times of a task.
#[derive(Clone, Debug)]
pub(super) struct Todo<'a> {
    pub(super) title: String,
    pub(super) r#type: TaskType,
    pub(super) priority: Priority,
    pub(super) since: Time,
    pub(super) due: Time,
    pub(super) ended: Option<(Time, TaskStatus, &'a str)>,
    pub(super) checklist: &'a [&'a str],
}

fn interaction(about: &About, talk: Talk<'_>) -> NewInteraction {
    let meeting = talk.r#type == "meeting";
    let role = match (meeting, talk.inbound) {
        (true, _) => ParticipantRole::Attendee,
        (false, true) => ParticipantRole::From,
        (false, false) => ParticipantRole::To,
    };
    let direction = if talk.inbound { Direction::Inbound } else { Direction::Outbound };
    NewInteraction {
        r#type: talk.r#type.to_owned(),
        direction: (!meeting).then_some(direction),
        subject: talk.subject,
        content: talk.content,
        duration_seconds: (talk.minutes > 0).then_some(talk.minutes * 60),
        outcome: talk.outcome.map(str::to_owned),
        participants: vec![Participant { reference: None, address: Some(about.with.clone()), role }],
        links: about.links.clone(),
        ..Default::default()
    }
}
