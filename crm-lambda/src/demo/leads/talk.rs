//! Activities of leads, stage by stage.

use crm_core::{
    leads::Lead,
    tasks::{Priority, TaskStatus, TaskType},
    value::{Id, Kind, Ref},
};
use fastrand::Rng;

use super::{Coming, Fate};
use crate::demo::{
    World,
    activities::{About, Talk, Todo},
    staff::Staff,
    words::{pick, weighted},
};

impl Coming {
    /// The number of stages after the first that it reached before it was disqualified or converted.
    const fn reached(&self) -> usize {
        match self.fate {
            Fate::New => 0,
            Fate::Contacted => 1,
            Fate::Qualified | Fate::Converted => 2,
            Fate::Unqualified(stages) => stages,
        }
    }
}

impl World<'_> {
    /// Adds the activities of a lead, stage by stage.
    pub(super) fn follow(&mut self, id: Id<Lead>, lead: &Coming) {
        let about =
            About { author: lead.author, links: vec![Ref::new(Kind::Lead, id)], with: lead.person.email.clone() };
        let first = lead.person.first;
        let what = lead.product.label.to_lowercase();
        let rng = &mut self.rng;
        let reached = lead.reached();
        if matches!(lead.source, "web" | "advert") && rng.u8(..4) < 3 {
            let inbound = Talk {
                r#type: "website",
                inbound: true,
                subject: format!("Enquiry: {what}"),
                content: Some(enquiry(rng, lead)),
                minutes: 0,
                outcome: None,
            };
            self.activities.talked(&about, lead.moments[0], inbound);
        }
        if reached >= 1 {
            let at = lead.moments[1];
            let called = rng.u8(..3) > 0;
            let outcome = weighted(rng, &[("connected", 5), ("voicemail", 3), ("no_answer", 2)]);
            let talk = if called {
                Talk {
                    r#type: "call",
                    inbound: false,
                    subject: format!("First call with {first}"),
                    content: (outcome == "connected").then(|| first_call(rng, lead)),
                    minutes: if outcome == "connected" { rng.i64(4..19) } else { 0 },
                    outcome: Some(outcome),
                }
            } else {
                let content = format!(
                    "Hello {first},\n\nthank you for your interest in {what}. When would be a good time to talk?"
                );
                let replied = if reached >= 2 { "replied" } else { "no_reply" };
                Talk {
                    r#type: "email",
                    inbound: false,
                    subject: format!("{} at {}", lead.product.label, lead.firm.name),
                    content: Some(content),
                    minutes: 0,
                    outcome: Some(replied),
                }
            };
            self.activities.talked(&about, at, talk);
        }
        if reached >= 2 {
            let talk = Talk {
                r#type: pick(rng, &["call", "call", "meeting"]),
                inbound: rng.bool(),
                subject: format!("Needs of {}", lead.firm.name),
                content: Some(needs(rng, lead)),
                minutes: rng.i64(20..55),
                outcome: None,
            };
            let outcome = if talk.r#type == "meeting" { "held" } else { "connected" };
            self.activities.talked(&about, lead.moments[2], Talk { outcome: Some(outcome), ..talk });
        }
        if reached >= 2 && rng.u8(..4) == 0 {
            let at = self.calendar.soon(rng, lead.moments[2]);
            let content = format!("{} decides together with purchasing. {}", first, pick(rng, REMARKS));
            self.activities.note(&about, at, "Who decides", content);
        }
        self.plan_next(lead, &about);
    }

    /// Adds the next task of a lead, open or completed.
    fn plan_next(&mut self, lead: &Coming, about: &About) {
        let (first, zone) = (lead.person.first, Staff::zone(lead.owner));
        let whom = format!("{first} {}, {}", lead.person.last, lead.firm.name);
        let owner = self.staff.id(lead.owner);
        let rng = &mut self.rng;
        let open = matches!(lead.fate, Fate::New | Fate::Contacted | Fate::Qualified);
        if open && lead.author == lead.owner && rng.u8(..3) > 0 {
            // One in four is overdue.
            let since = lead.moments[lead.moments.len() - 1];
            let late = self.calendar.moment(rng, zone, 1);
            let due = if rng.u8(..4) == 0 && late > since {
                late
            } else {
                let days = rng.i64(1..12);
                self.calendar.ahead(rng, zone, days)
            };
            let (title, r#type) = match lead.fate {
                Fate::New => (format!("Call {whom} back"), TaskType::Call),
                Fate::Contacted => (format!("Try {whom} again"), TaskType::FollowUp),
                _ => (format!("Agree on a survey date with {whom}"), TaskType::Meeting),
            };
            let priority = weighted(rng, &[(Priority::Medium, 5), (Priority::High, 3), (Priority::Low, 1)]);
            let todo = Todo { title, r#type, priority, since, due, ended: None, checklist: &[] };
            self.activities.task(about, todo, owner);
        } else if lead.reached() >= 1 && rng.u8(..4) == 0 {
            let (since, done) = (lead.moments[0], lead.moments[1]);
            let todo = Todo {
                title: format!("Call {whom}"),
                r#type: TaskType::Call,
                priority: Priority::Medium,
                since,
                due: self.calendar.soon(rng, done),
                ended: Some((done, TaskStatus::Completed, "Reached")),
                checklist: &[],
            };
            self.activities.task(about, todo, owner);
        }
    }
}

const REMARKS: &[&str] = &[
    "Budget is there until the end of the quarter.",
    "They want a pilot in one site first.",
    "The auditor asked for continuous records; that is what drives it.",
    "An older system of another maker is in place and out of support.",
    "Prefers e-mail over calls.",
];

fn enquiry(rng: &mut Rng, lead: &Coming) -> String {
    let why = pick(
        rng,
        &[
            "Our auditor asks for continuous temperature records.",
            "We lost a load last month and nobody noticed until morning.",
            "Our present loggers are read out by hand.",
            "We are opening a second site in autumn.",
        ],
    );
    format!(
        "We are looking for {} for about {} {}. {why}",
        lead.product.label.to_lowercase(),
        lead.units,
        lead.product.unit
    )
}

fn first_call(rng: &mut Rng, lead: &Coming) -> String {
    let next = pick(
        rng,
        &["Sends a floor plan.", "Wants a price range first.", "Talks to the site manager.", "Call again next week."],
    );
    format!("{} runs {} with paper logs today. {next}", lead.firm.name, lead.product.label.to_lowercase())
}

fn needs(rng: &mut Rng, lead: &Coming) -> String {
    let by = pick(
        rng,
        &["before the next audit", "by the end of the quarter", "site by site", "with alarms by text message"],
    );
    format!("About {} {} needed, {by}. {}", lead.units, lead.product.unit, pick(rng, REMARKS))
}
