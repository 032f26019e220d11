//! The showcase: a lead from a trade fair, through conversion to a won deal, with a complete history. It is created
//! last, so that its existence shows that the demo is complete.

use crm_core::{
    Error,
    companies::Company,
    contacts::Contact,
    deals::{Deal, DealPatch, DealType, NewDeal},
    leads::{ConvertLead, Lead, LeadPatch, NewLead},
    tasks::{Priority, TaskStatus, TaskType},
    value::{Currency, Date, Id, Kind, Money, Ref, Time, Value},
};

use super::{
    World,
    activities::{About, Talk, Todo},
    staff::{ADMIN, AMERICAS_LEAD, DANA, MARKETING, Staff, VP},
};

/// The external id of the lead, set last of all.
pub(super) const EXTERNAL_ID: &str = "ledger-104233";

/// The number of days ago of each chapter.
const CHAPTERS: [i64; 14] = [123, 120, 117, 112, 109, 104, 101, 96, 88, 81, 74, 67, 60, 56];

const EMAIL: &str = "odile.marchbanks@saltwharf.example";

/// An interaction: author, links, chapter, type, inbound, subject, content, minutes, outcome.
type Said<'a> = (usize, &'a [Ref], usize, &'a str, bool, &'a str, &'a str, i64, &'a str);

impl World<'_> {
    /// Creates the showcase. Returns the lead and its deal.
    pub(super) async fn showcase(&mut self) -> Result<(Id<Lead>, Option<Id<Deal>>), Error> {
        let zone = Staff::zone(DANA);
        let at = self.calendar.moments(&mut self.rng, zone, CHAPTERS);
        let lead = self.meets_at_the_fair(&at).await?;
        let (deal, contact, company) = self.becomes_a_deal(lead, &at).await?;
        self.is_talked_about(lead, [deal.into(), contact.into(), company.into()], &at);
        self.bring_activities().await?;
        let leads = self.crm.leads(self.staff.author(ADMIN));
        leads.update(lead, LeadPatch::new().external_id(EXTERNAL_ID)).await?;
        Ok((lead, Some(deal)))
    }

    /// From the trade fair to the qualified lead.
    async fn meets_at_the_fair(&self, at: &[Time]) -> Result<Id<Lead>, Error> {
        let new = NewLead {
            first_name: Some("Odile".into()),
            last_name: Some("Marchbanks".into()),
            email: Some(EMAIL.into()),
            company_name: Some("Salt Wharf Seafood".into()),
            job_title: Some("Quality".into()),
            source: Some("trade_fair".into()),
            source_detail: Some("Cold Chain Forum, stand 4.112".into()),
            tags: vec!["fair".into()],
            properties: [("product_line".to_owned(), Value::text("cold_rooms"))].into(),
            ..Default::default()
        };
        let by = |post| self.crm.leads(self.staff.author(post));
        let lead = by(MARKETING).create(new).occurred_at(at[0]).await?.id;
        let to_dana = LeadPatch::new().owner_id(self.staff.id(DANA));
        by(AMERICAS_LEAD).update(lead, to_dana).occurred_at(at[1]).await?;
        let reached = LeadPatch::new().phone("+16175550142").job_title("Head of quality");
        by(DANA).move_with(lead, "contacted", &reached).occurred_at(at[2]).await?;
        let found = LeadPatch::new()
            .website("https://saltwharf.example")
            .industry("Food distribution")
            .employee_count(210)
            .property("units", Value::Int(60));
        by(DANA).update(lead, found).occurred_at(at[3]).await?;
        let counted = LeadPatch::new().property("units", Value::Int(84));
        by(DANA).update(lead, counted).occurred_at(at[4]).await?;
        let worth = LeadPatch::new().annual_revenue(Money::new(38_500_000, Currency::USD));
        by(DANA).move_with(lead, "qualified", &worth).occurred_at(at[5]).await?;
        Ok(lead)
    }

    /// From the conversion to the won deal. Returns the deal, the contact and the company.
    async fn becomes_a_deal(&self, lead: Id<Lead>, at: &[Time]) -> Result<(Id<Deal>, Id<Contact>, Id<Company>), Error> {
        let usd = |amount: i64| Money::new(amount, Currency::USD);
        let on = |time: Time, days: i32| -> Date { time.date_in(Staff::zone(DANA)) + days };
        let author = self.staff.author(DANA);
        let open_deal = NewDeal {
            title: "Salt Wharf Seafood: cold-room monitoring, 84 points".into(),
            value: Some(usd(18_000)),
            expected_close_date: Some(on(at[6], 30)),
            r#type: Some(DealType::NewBusiness),
            ..Default::default()
        };
        let how = ConvertLead { open_deal: Some(open_deal.into()), ..Default::default() };
        let converted = self.crm.leads(author).convert(lead, how).occurred_at(at[6]).await?.into_value();
        let missing = Error::NotFound;
        let deal = converted.deal.ok_or(missing(Kind::Deal))?.id;
        let contact = converted.contact.ok_or(missing(Kind::Contact))?.id;
        let company = converted.company.ok_or(missing(Kind::Company))?.id;
        let deals = self.crm.deals(author);
        let surveyed = DealPatch::new().next_step("Proposal with and without door contacts");
        deals.move_with(deal, "qualification", &surveyed).occurred_at(at[7]).await?;
        let offered = DealPatch::new()
            .value(usd(21_450))
            .property("go_live_on", Value::Date(on(at[8], 70)))
            .next_step("Answer the questions of their IT");
        deals.move_with(deal, "proposal", &offered).occurred_at(at[8]).await?;
        deals.update(deal, DealPatch::new().expected_close_date(on(at[12], 0))).occurred_at(at[9]).await?;
        let agreed = DealPatch::new().value(usd(20_350)).next_step("Have the discount of five per cent approved");
        deals.move_with(deal, "negotiation", &agreed).occurred_at(at[10]).await?;
        let approved = DealPatch::new().probability(90).next_step("Wait for the purchase order");
        self.crm.deals(self.staff.author(VP)).update(deal, approved).occurred_at(at[11]).await?;
        let won = DealPatch::new().close_reason("Best fit").close_note("Alarms by text message decided it.");
        deals.move_with(deal, "closed_won", &won).occurred_at(at[12]).await?;
        let customer = crm_core::companies::Lifecycle::Customer;
        let patch = crm_core::companies::CompanyPatch::new().lifecycle(customer);
        self.crm.companies(author).update(company, patch).occurred_at(at[12]).await?;
        let patch = crm_core::contacts::ContactPatch::new().lifecycle(customer).department("Quality");
        self.crm.contacts(author).update(contact, patch).occurred_at(at[12]).await?;
        Ok((deal, contact, company))
    }

    /// The activities of the showcase.
    fn is_talked_about(&mut self, lead: Id<Lead>, of_deal: [Ref; 3], at: &[Time]) {
        let about = |author, links: &[Ref]| About { author, links: links.to_vec(), with: EMAIL.to_owned() };
        let of_lead = [Ref::new(Kind::Lead, lead)];
        let talks: [Said<'_>; 10] = [
            (MARKETING, &of_lead, 0, "meeting", true, "At the stand", FAIR, 15, "held"),
            (DANA, &of_lead, 1, "call", false, "First call", "Left a message on her voicemail.", 0, "voicemail"),
            (DANA, &of_lead, 2, "call", true, "Odile calls back", CALL_BACK, 14, "connected"),
            (DANA, &of_lead, 3, "email", false, "What we talked about", SUMMARY, 0, "replied"),
            (DANA, &of_lead, 5, "meeting", false, "Video call with quality and IT", VIDEO, 50, "held"),
            (DANA, &of_deal, 7, "meeting", false, "Site survey on the wharf", SURVEY, 110, "held"),
            (DANA, &of_deal, 8, "email", false, "Proposal: cold-room monitoring", PROPOSAL, 0, "replied"),
            (DANA, &of_deal, 9, "email", true, "Questions of our IT", QUESTIONS, 0, "replied"),
            (DANA, &of_deal, 10, "call", true, "Price and delivery", PRICE, 26, "connected"),
            (DANA, &of_deal, 12, "email", true, "Purchase order 2207", ORDER, 0, "replied"),
        ];
        for (author, links, when, r#type, inbound, subject, content, minutes, outcome) in talks {
            let (subject, content) = (subject.to_owned(), Some(content.to_owned()));
            let talk = Talk { r#type, inbound, subject, content, minutes, outcome: Some(outcome) };
            self.activities.talked(&about(author, links), at[when], talk);
        }
        let todo = |title: &str, r#type, since: Time, done: Time, outcome, checklist| Todo {
            title: title.to_owned(),
            r#type,
            priority: Priority::High,
            since,
            due: done,
            ended: Some((done, TaskStatus::Completed, outcome)),
            checklist,
        };
        let dana = self.staff.id(DANA);
        let call = todo("Call Odile Marchbanks", TaskType::Call, at[1], at[2], "She called back herself", &[]);
        self.activities.task(&about(AMERICAS_LEAD, &of_lead), call, dana);
        let parts: &[&str] = &["Count the doors", "Price with door contacts", "Two references"];
        let proposal = todo("Proposal for Salt Wharf", TaskType::Proposal, at[7], at[8], "Sent", parts);
        self.activities.task(&about(DANA, &of_deal), proposal, dana);
        let approve = todo("Approve five per cent", TaskType::Contract, at[10], at[11], "Approved", &[]);
        self.activities.task(&about(DANA, &of_deal), approve, self.staff.id(VP));
        let visit = Todo {
            title: "Visit Salt Wharf: how is it going?".into(),
            r#type: TaskType::Meeting,
            priority: Priority::Medium,
            since: at[13],
            due: self.calendar.ahead(&mut self.rng, Staff::zone(DANA), 6),
            ended: None,
            checklist: &[],
        };
        self.activities.task(&about(DANA, &of_deal), visit, dana);
        let who = "Odile decides on quality, her brother Piers signs above 20,000. Both want it before the summer.";
        self.activities.note(&about(DANA, &of_lead), at[5], "Who decides", who.to_owned());
        let stock = "Five per cent are fine if they take delivery in one lot.";
        self.activities.note(&about(VP, &of_deal), at[11], "Discount", stock.to_owned());
    }
}

const ORDER: &str = "Our order is attached. We look forward.";
const FAIR: &str = "Stopped at the live display. Eighty-odd doors, checked with a clipboard twice a day.";
const CALL_BACK: &str =
    "Lost a room of scallops in March: the alarm rang in an empty office. Wants to hear of it at home.";
const SUMMARY: &str = "Hello Odile,\n\nas promised: the data sheet, the list of alarm channels, and two fish markets \
that run sixty points each. Shall we look at your rooms together by video?";
const VIDEO: &str =
    "Six cold rooms, two blast freezers. IT is fine with a gateway of its own. Budget until the summer.";
const SURVEY: &str = "Walked all rooms with Odile. 84 points with the dock doors; salt air, so the sealed probes.";
const PROPOSAL: &str =
    "Hello Odile,\n\nhere is our proposal, with and without door contacts. It holds for thirty days.";
const QUESTIONS: &str = "Where are the records kept, for how long, and who can switch an alarm off?";
const PRICE: &str = "Five per cent less and it is done before the season. Delivery in one lot is fine with them.";
