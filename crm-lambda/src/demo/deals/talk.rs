//! Activities of deals, stage by stage.

use crm_core::{
    deals::Deal,
    tasks::{Priority, TaskStatus, TaskType},
    value::{Id, Kind, Ref},
};

use super::{Coming, Outcome};
use crate::demo::{
    World,
    activities::{About, Talk, Todo},
    staff::{SUPPORT, Staff},
    words::{Person, pick},
};

impl World<'_> {
    /// Adds the activities of a deal, stage by stage.
    pub(super) fn follow_deal(&mut self, id: Id<Deal>, deal: &Coming) {
        let rng = &mut self.rng;
        let customer = &self.customers[deal.customer];
        let Some((contact, person)) = &deal.contact else { return };
        let links =
            vec![Ref::new(Kind::Deal, id), Ref::new(Kind::Contact, *contact), Ref::new(Kind::Company, customer.id)];
        let about = About { author: deal.owner, links, with: person.email.clone() };
        let owner = self.staff.id(deal.owner);
        let (first, name, what) = (person.first, &customer.firm.name, deal.product.label.to_lowercase());
        let reached = deal.journey.entered.len() - 1;
        if reached >= 1 {
            let no_show = rng.u8(..9) == 0;
            let (minutes, outcome) = if no_show { (0, "no_show") } else { (rng.i64(40..120), "held") };
            let content = if no_show { "Nobody came; a new date is agreed." } else { pick(rng, SURVEYS) };
            let survey = talk("meeting", false, format!("Site survey at {name}"), content.to_owned(), minutes, outcome);
            self.activities.talked(&about, deal.moments[1], survey);
        }
        if reached >= 2 {
            let at = deal.moments[2];
            let since = self.calendar.soon(rng, deal.moments[1]);
            if since < at && rng.bool() {
                let todo = Todo {
                    title: format!("Write the proposal for {name}"),
                    r#type: TaskType::Proposal,
                    priority: pick(rng, &[Priority::Medium, Priority::High]),
                    since,
                    due: at,
                    ended: Some((at, TaskStatus::Completed, "Sent")),
                    checklist: &["Count the measuring points", "Have the discount approved", "Attach the references"],
                };
                self.activities.task(&about, todo, owner);
            }
            let content = format!("Hello {first},\n\nattached is our proposal for {what}. It holds for thirty days.");
            let replied = if reached >= 3 { "replied" } else { "no_reply" };
            self.activities.talked(&about, at, talk("email", false, format!("Proposal: {what}"), content, 0, replied));
        }
        if reached >= 3 {
            let minutes = rng.i64(12..50);
            let content = pick(rng, TERMS).to_owned();
            let call =
                talk("call", rng.bool(), format!("Terms and delivery with {first}"), content, minutes, "connected");
            self.activities.talked(&about, deal.moments[3], call);
        }
        if rng.u8(..5) < 2 {
            let at = self.calendar.soon(rng, deal.moments[reached]);
            // The lead of the team takes part at times.
            let lead = Self::lead_of(customer.firm.region);
            let author = if rng.u8(..4) == 0 { lead } else { deal.owner };
            let by = About { author, ..about.clone() };
            self.activities.note(&by, at, pick(rng, &["Account", "Risk", "Next"]), pick(rng, NOTES).to_owned());
        }
        self.end_or_go_on(deal, &about, person);
    }

    /// Adds the last activity of a closed deal, or the next step of an open one.
    fn end_or_go_on(&mut self, deal: &Coming, about: &About, person: &Person) {
        let (rng, zone) = (&mut self.rng, Staff::zone(deal.owner));
        let (first, name, owner) = (person.first, &self.customers[deal.customer].firm.name, self.staff.id(deal.owner));
        match (deal.journey.outcome, deal.moments.last()) {
            (Outcome::Won, Some(&at)) => {
                let content = "Please find our purchase order attached.".to_owned();
                let order = talk("email", true, format!("Purchase order, {name}"), content, 0, "replied");
                self.activities.talked(about, at, order);
                let due = at.plus_days(14);
                let done = at.plus_days(rng.i64(8..16));
                let todo = Todo {
                    title: format!("Set up {name}"),
                    r#type: TaskType::Support,
                    priority: Priority::Medium,
                    since: at,
                    due,
                    ended: (done < self.calendar.now).then_some((done, TaskStatus::Completed, "All sensors report")),
                    checklist: &["Ship the gateway", "Map the sensors", "Train two people"],
                };
                self.activities.task(&About { author: SUPPORT, ..about.clone() }, todo, self.staff.id(SUPPORT));
            }
            (Outcome::Lost, Some(&at)) if rng.u8(..3) > 0 => {
                let content = pick(rng, FAREWELLS).to_owned();
                self.activities.talked(
                    about,
                    at,
                    talk("call", true, format!("{first} calls off"), content, 6, "connected"),
                );
            }
            (Outcome::Open(at), Some(&since)) => {
                let days = rng.i64(1..15);
                if at >= 1 && rng.bool() {
                    let when = self.calendar.ahead(rng, zone, days);
                    let (subject, minutes) =
                        (pick(rng, &["Demonstration", "Review of the proposal", "Contract review"]), 45);
                    let meeting = Talk {
                        r#type: "meeting",
                        inbound: false,
                        subject: format!("{subject} with {first}"),
                        content: None,
                        minutes,
                        outcome: None,
                    };
                    self.activities.arranged(about, since, when, meeting);
                }
                let overdue = self.calendar.moment(rng, zone, 2);
                let late = rng.u8(..3) == 0 && overdue > since;
                let todo = Todo {
                    title: format!(
                        "{} {first} {}, {name}",
                        pick(rng, &["Call", "Write to", "Remind", "Send figures to"]),
                        person.last
                    ),
                    r#type: TaskType::FollowUp,
                    priority: pick(rng, &[Priority::Medium, Priority::High, Priority::Urgent]),
                    since,
                    due: if late { overdue } else { self.calendar.ahead(rng, zone, days) },
                    ended: None,
                    checklist: &[],
                };
                self.activities.task(about, todo, owner);
            }
            _ => {}
        }
    }
}

fn talk<'a>(
    r#type: &'a str,
    inbound: bool,
    subject: String,
    content: String,
    minutes: i64,
    outcome: &'a str,
) -> Talk<'a> {
    Talk { r#type, inbound, subject, content: Some(content), minutes, outcome: Some(outcome) }
}

const SURVEYS: &[&str] = &[
    "Walked through all rooms. Radio reaches everywhere but the lift shaft; one repeater more.",
    "Two rooms at minus thirty need the long-life probes. Photos are in the shared folder.",
    "Network only by cable; their IT wants the gateway in a segment of its own.",
    "Counted the doors: six points more than they had told us.",
];
const TERMS: &[&str] = &[
    "Wants delivery in two lots and payment after each.",
    "Asks for three years at a fixed price; we can do two.",
    "Legal has two questions on data retention.",
    "Purchasing compares with one other maker. Service is what they like with us.",
];
const FAREWELLS: &[&str] = &[
    "Thanked us for the effort. Ask again next spring.",
    "The project is stopped until the new director is there.",
    "Another offer was lower by a fifth.",
];
const NOTES: &[&str] = &[
    "Their fiscal year ends in June; nothing is signed after the tenth.",
    "The site manager is for us, the finance director still asks why not do it by hand.",
    "A reference visit would help: same trade, same size.",
    "Competes with a cheaper logger without alarms. Stress the night watch.",
    "Could become a frame agreement for all sites.",
];
