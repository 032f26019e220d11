//! Deals: those created by conversion of leads, and those with existing customers. The numbers of won, lost and open
//! deals per stage are fixed, so that no report is empty. A third of the closed deals is won, after twenty to sixty
//! days.

mod talk;

use std::collections::BTreeMap;

use crm_core::{
    Error,
    collection::NewWithHistory,
    contacts::Contact,
    deals::{Deal, DealPatch, DealType, NewDeal},
    leads::ConvertLead,
    pipelines::PipelineKind,
    value::{Id, Money, Time, Value},
};
use fastrand::Rng;

use super::{
    World,
    calendar::HISTORY,
    customers::Customer,
    leads::Converting,
    setup::{PRODUCTS, Product},
    staff::Staff,
    stage,
    words::{Person, pick, weighted},
};

const OPEN: [&str; 4] = ["prospecting", "qualification", "proposal", "negotiation"];
/// The share of each open stage in the duration of a sale, in hundredths.
const SHARES: [i64; 4] = [16, 26, 28, 30];

const WON: [(&str, u32); 4] = [("Best fit", 5), ("Existing relationship", 3), ("Price", 2), ("Reference customer", 2)];
const LOST: [(&str, u32); 6] = [
    ("Price", 6),
    ("No decision", 5),
    ("Chose a competitor", 5),
    ("Budget cut", 3),
    ("Missing feature", 2),
    ("Bad timing", 3),
];

/// The current state of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Won,
    Lost,
    /// In the open stage of this index.
    Open(usize),
}

/// The number of deals of each outcome, 119 without the showcase. Deals from converted leads count toward it.
const OUTCOMES: [(Outcome, usize); 6] = [
    (Outcome::Won, 31),
    (Outcome::Lost, 59),
    (Outcome::Open(0), 9),
    (Outcome::Open(1), 8),
    (Outcome::Open(2), 7),
    (Outcome::Open(3), 5),
];

/// The course of a deal: the number of days ago at which it entered each open stage, and at which it closed.
struct Journey {
    outcome: Outcome,
    entered: Vec<i64>,
    closed: Option<i64>,
}

impl Journey {
    /// The course of a deal that began `began` days ago, as far as it can have progressed since.
    fn forward(rng: &mut Rng, began: i64) -> Self {
        let takes = rng.i64(20..=60);
        let won = rng.u8(..100) < 45;
        let reached = if won { 3 } else { stage_of_loss(rng) };
        let mut entered = Vec::new();
        let mut spent = 0;
        for (at, share) in SHARES.iter().enumerate() {
            if spent > began {
                return Self { outcome: Outcome::Open(at - 1), entered, closed: None };
            }
            if at > reached {
                break;
            }
            entered.push(began - spent);
            spent += (takes * share / 100).max(1);
        }
        if spent > began {
            return Self { outcome: Outcome::Open(entered.len() - 1), entered, closed: None };
        }
        Self { outcome: if won { Outcome::Won } else { Outcome::Lost }, entered, closed: Some(began - spent) }
    }

    /// The course of a deal with a given outcome.
    fn back(rng: &mut Rng, outcome: Outcome) -> Self {
        let takes = rng.i64(20..=60);
        let stale = rng.u8(..7) == 0;
        let (reached, mut ago) = match outcome {
            Outcome::Won => (3, rng.i64(0..HISTORY - takes - 6)),
            Outcome::Lost => (stage_of_loss(rng), rng.i64(0..HISTORY - takes - 6)),
            Outcome::Open(at) => (at, if stale { rng.i64(25..55) } else { rng.i64(0..15) }),
        };
        let closed = (!matches!(outcome, Outcome::Open(_))).then_some(ago);
        let mut entered = vec![ago];
        if closed.is_some() {
            entered.clear();
            ago += (takes * SHARES[reached] / 100).max(1);
            entered.push(ago);
        }
        for share in SHARES[..reached].iter().rev() {
            ago += (takes * share / 100).max(1);
            entered.push(ago);
        }
        entered.reverse();
        Self { outcome, entered, closed }
    }
}

/// The stage from which a lost deal is lost.
fn stage_of_loss(rng: &mut Rng) -> usize {
    weighted(rng, &[(0, 2), (1, 5), (2, 5), (3, 3)])
}

/// A deal to be created.
struct Coming {
    customer: usize,
    owner: usize,
    contact: Option<(Id<Contact>, Person)>,
    product: Product,
    journey: Journey,
    /// The times at which it entered each open stage, and at which it closed.
    moments: Vec<Time>,
    new: NewDeal,
    /// The stage and changes of each move; the first is to the second stage.
    moves: Vec<(&'static str, DealPatch)>,
}

impl World<'_> {
    /// Converts the leads to be converted, and creates all other deals.
    pub(super) async fn deals(&mut self, converting: Vec<Converting>) -> Result<(), Error> {
        let stages = self.stages(PipelineKind::Deal).await?;
        let mut wanted = OUTCOMES;
        let mut all: Vec<(Id<Deal>, Coming)> = Vec::new();
        for (number, lead) in converting.into_iter().enumerate() {
            // One in nine is converted without a deal.
            let Some((id, deal)) = self.convert(lead, number % 9 != 8).await? else { continue };
            if let Some((_, left)) = wanted.iter_mut().find(|(outcome, _)| *outcome == deal.journey.outcome) {
                *left = left.saturating_sub(1);
            }
            all.push((id, deal));
        }
        let mut coming = Vec::new();
        for (outcome, many) in wanted {
            for _ in 0..many {
                coming.push(self.with_customer(outcome));
            }
        }
        let mut many = Vec::with_capacity(coming.len());
        for deal in &coming {
            let mut new = NewWithHistory::new(deal.new.clone()).created_at(deal.moments[0]);
            for (&at, (key, patch)) in deal.moments[1..].iter().zip(&deal.moves) {
                new = new.then(at, patch.clone().stage_id(stage(&stages, key)?));
            }
            many.push((deal.owner, new));
        }
        let made = self.bring(many).await?;
        all.extend(made.iter().map(|made| made.id).zip(coming));
        for (id, deal) in &all {
            self.follow_deal(*id, deal);
            if let (Outcome::Won, Some(&at)) = (deal.journey.outcome, deal.moments.last()) {
                self.won_over(deal.customer, at).await?;
            }
        }
        Ok(())
    }

    /// Converts a lead, and moves its deal as far as it progressed.
    async fn convert(&mut self, lead: Converting, opens: bool) -> Result<Option<(Id<Deal>, Coming)>, Error> {
        let journey = Journey::forward(&mut self.rng, lead.ago);
        let name = lead.firm.name.clone();
        let mut deal = self.deal(
            (usize::MAX, &name, lead.firm.region),
            lead.owner,
            None,
            (lead.product, lead.units),
            journey,
            Some(lead.at),
        );
        deal.new.r#type = Some(DealType::NewBusiness);
        let author = self.staff.author(lead.owner).clone();
        let open_deal = opens.then(|| deal.new.clone().into());
        let converted = self.crm.leads(&author).convert(lead.lead, ConvertLead { open_deal, ..Default::default() });
        let converted = converted.occurred_at(lead.at).await?.into_value();
        let contact = converted.contact.as_ref().map(|contact| (contact.id, lead.person));
        if let Some(at) = lead.known {
            self.customers[at].contacts.extend(contact.clone());
            deal.customer = at;
        } else if let Some(company) = converted.company {
            deal.customer = self.customers.len();
            self.customers.push(Customer {
                id: company.id,
                firm: lead.firm,
                owner: lead.owner,
                since: lead.at,
                has_bought: false,
                contacts: contact.clone().into_iter().collect(),
            });
        }
        deal.contact = contact;
        let Some(opened) = converted.deal else { return Ok(None) };
        let deals = self.crm.deals(&author);
        for (&at, (key, patch)) in deal.moments[1..].iter().zip(&deal.moves) {
            deals.move_with(opened.id, *key, patch).occurred_at(at).await?;
        }
        Ok(Some((opened.id, deal)))
    }

    /// A deal with an existing customer.
    fn with_customer(&mut self, outcome: Outcome) -> Coming {
        let rng = &mut self.rng;
        let journey = Journey::back(rng, outcome);
        let began = self.calendar.moment(rng, chrono_tz::UTC, journey.entered[0]);
        let at = loop {
            let at = rng.usize(..self.customers.len());
            // Usually a customer known for a month at least.
            if self.customers[at].since.plus_days(30) < began || self.customers[at].since < began && rng.u8(..8) == 0 {
                break at;
            }
        };
        let product = if self.customers[at].has_bought { pick(rng, &PRODUCTS) } else { pick(rng, &PRODUCTS[..3]) };
        let units = rng.i64(product.from..=product.to);
        let customer = &self.customers[at];
        let (name, region, owner) = (customer.firm.name.clone(), customer.firm.region, customer.owner);
        let contact = pick_one(rng, &customer.contacts);
        let is_customer = customer.has_bought;
        let mut deal = self.deal((at, &name, region), owner, contact, (product, units), journey, None);
        let kind = match (is_customer, product.key) {
            (false, _) => DealType::NewBusiness,
            (true, "calibration") => DealType::Renewal,
            (true, _) => DealType::Expansion,
        };
        deal.new.r#type = Some(kind);
        let customer = &self.customers[at];
        deal.new.company_id = Some(customer.id);
        deal.new.primary_contact_id = deal.contact.as_ref().map(|(id, _)| *id);
        deal.new.owner_id = Some(self.staff.id(owner));
        let source = if is_customer { "customer" } else { pick(&mut self.rng, &["outbound", "partner", "trade_fair"]) };
        deal.new.source = Some(source.to_owned());
        deal
    }

    /// A deal with its moves, from its creation on.
    fn deal(
        &mut self,
        (customer, name, region): (usize, &str, super::words::Region),
        owner: usize,
        contact: Option<(Id<Contact>, Person)>,
        (product, units): (Product, i64),
        journey: Journey,
        opened: Option<Time>,
    ) -> Coming {
        let (rng, zone) = (&mut self.rng, Staff::zone(owner));
        let days = journey.entered.iter().copied().chain(journey.closed);
        let mut moments = self.calendar.moments(rng, zone, days);
        if let Some(opened) = opened {
            moments[0] = opened;
            for at in 1..moments.len() {
                if moments[at] <= moments[at - 1] {
                    moments[at] = self.calendar.soon(rng, moments[at - 1]);
                }
            }
        }
        let currency = if region == super::words::Region::Americas {
            crm_core::value::Currency::USD
        } else {
            crm_core::value::Currency::EUR
        };
        let full = (units * product.price * rng.i64(88..=112) / 100 / 50 * 50).max(500);
        let money = |amount: i64| Money::new(amount, currency);
        // The first estimate is a round number.
        let guess = (full * rng.i64(80..=125) / 100 / 500 * 500).max(500);
        let began = journey.entered[0];
        let hoped = began - rng.i64(35..60);
        let new = NewDeal {
            title: format!("{name}: {}, {units} {}", product.label.to_lowercase(), product.unit),
            value: Some(money(guess)),
            expected_close_date: Some(self.calendar.day(zone, hoped)),
            next_step: (journey.outcome == Outcome::Open(0)).then(|| "Book the site survey".to_owned()),
            properties: BTreeMap::from([("product_line".to_owned(), Value::text(product.key))]),
            ..Default::default()
        };
        let mut moves = Vec::new();
        for (at, &key) in OPEN.iter().enumerate().take(journey.entered.len()).skip(1) {
            let mut patch = DealPatch::new();
            match at {
                1 => patch = patch.property("units", Value::Int(units)),
                2 => {
                    let live = self.calendar.day(zone, journey.entered[at] - rng.i64(50..100));
                    patch = patch.value(money(full)).property("go_live_on", Value::Date(live));
                }
                // Every second customer gets a discount.
                _ if rng.bool() => patch = patch.value(money(full * rng.i64(88..97) / 100 / 10 * 10)),
                _ => {}
            }
            if journey.outcome == Outcome::Open(at) {
                // One in eight is overdue.
                let left = if rng.u8(..8) == 0 {
                    -rng.i64(1..9)
                } else {
                    rng.i64(4..16) * (5 - i64::try_from(at).unwrap_or(4))
                };
                let next = [
                    "",
                    "Survey report to the customer",
                    "Answer questions on the proposal",
                    "Send the final contract",
                ];
                patch = patch.expected_close_date(self.calendar.day(zone, -left)).next_step(next[at]);
            }
            moves.push((key, patch));
        }
        match journey.outcome {
            Outcome::Won => moves.push(("closed_won", DealPatch::new().close_reason(weighted(rng, &WON)))),
            Outcome::Lost => {
                let reason = weighted(rng, &LOST);
                let mut patch = DealPatch::new().close_reason(reason);
                if reason == "Chose a competitor" {
                    patch = patch.close_note("They took a bundle with their refrigeration contract.");
                }
                moves.push(("closed_lost", patch));
            }
            Outcome::Open(_) => {}
        }
        Coming { customer, owner, contact, product, journey, moments, new, moves }
    }
}

fn pick_one(rng: &mut Rng, of: &[(Id<Contact>, Person)]) -> Option<(Id<Contact>, Person)> {
    (!of.is_empty()).then(|| of[rng.usize(..of.len())].clone())
}
