//! Leads: their sources, how far each progressed, and their activities. The number of leads per outcome is fixed, so
//! that every demo has some of each; people, times and topics are random.

mod talk;

use std::collections::BTreeMap;

use crm_core::{
    Error,
    collection::NewWithHistory,
    leads::{Lead, LeadPatch, NewLead},
    pipelines::{PipelineKind, Stage},
    value::{Address, Id, Kind, Money, Time, Value},
};
use fastrand::Rng;

use super::{
    World,
    calendar::HISTORY,
    setup::{PRODUCTS, Product},
    staff::{MARKETING, Staff},
    stage,
    words::{Firm, Person, Region, pick, weighted},
};

/// The current state of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not contacted yet.
    New,
    Contacted,
    Qualified,
    /// Disqualified after this number of open stages.
    Unqualified(usize),
    Converted,
}

/// The number of leads of each fate: 250 together with the showcase, 38 of them converted.
const FATES: [(Fate, usize); 7] = [
    (Fate::New, 22),
    (Fate::Contacted, 27),
    (Fate::Qualified, 21),
    (Fate::Unqualified(0), 45),
    (Fate::Unqualified(1), 73),
    (Fate::Unqualified(2), 24),
    (Fate::Converted, 37),
];

/// The number of converted leads whose company is already known.
const OF_KNOWN_COMPANIES: usize = 9;

const OPEN: [&str; 3] = ["new", "contacted", "qualified"];

/// Sources of leads: source and details, with the weight of the source.
const SOURCES: [((&str, &[&str]), u32); 7] = [
    (("web", &["Contact form", "Pricing page", "Data sheet download", "Newsletter"]), 32),
    (("advert", &["Search: vaccine storage alarm", "Search: freezer monitoring", "Trade journal, spring issue"]), 14),
    (("trade_fair", &["Cold Chain Forum, stand 4.112", "LabDays, aisle C"]), 16),
    (("webinar", &["Audit-ready temperature records", "Wireless probes in practice"]), 12),
    (("referral", &["Recommended by a customer", "Former colleague"]), 12),
    (("partner", &["Installer network", "Refrigeration contractor"]), 8),
    (("outbound", &["Call list, food wholesale", "Call list, hospital pharmacies"]), 10),
];

const UNQUALIFIED: [(&str, u32); 7] = [
    ("No budget this year", 24),
    ("No reply", 26),
    ("Not a fit", 18),
    ("Too small", 12),
    ("Bought elsewhere", 12),
    ("Wrong contact", 8),
    ("Student project", 5),
];

/// A lead to be created.
struct Coming {
    fate: Fate,
    owner: usize,
    author: usize,
    firm: Firm,
    person: Person,
    product: Product,
    units: i64,
    /// The times at which it entered each of its stages, the first at its creation.
    moments: Vec<Time>,
    /// The number of days ago at which it entered the last stage.
    ago: i64,
    source: &'static str,
    detail: &'static str,
    /// The index of its company, if already known.
    known: Option<usize>,
}

/// A lead to be converted, with the data of its deal.
pub(super) struct Converting {
    pub(super) lead: Id<Lead>,
    pub(super) owner: usize,
    pub(super) at: Time,
    pub(super) ago: i64,
    pub(super) firm: Firm,
    pub(super) person: Person,
    pub(super) product: Product,
    pub(super) units: i64,
    pub(super) known: Option<usize>,
}

/// The numbers of days ago at which a lead of this fate entered each of its stages.
fn days(rng: &mut Rng, fate: Fate) -> Vec<i64> {
    // One in six is stale.
    let stale = rng.u8(..6) == 0;
    let (last, before) = match fate {
        Fate::New => (if stale { rng.i64(10..30) } else { rng.i64(0..10) }, 0),
        Fate::Contacted => (if stale { rng.i64(40..85) } else { rng.i64(0..38) }, 1),
        Fate::Qualified => (if stale { rng.i64(45..85) } else { rng.i64(0..42) }, 2),
        Fate::Unqualified(stages) => (rng.i64(0..150), stages + 1),
        Fate::Converted => (rng.i64(2..160), 3),
    };
    let mut days = vec![last];
    for stage in (0..before).rev() {
        let took = if stage == 0 { rng.i64(0..4) } else { rng.i64(2..12) };
        days.push((days[days.len() - 1] + took).min(HISTORY));
    }
    days.reverse();
    days
}

impl World<'_> {
    /// Creates the leads except the showcase. Returns those to be converted.
    pub(super) async fn leads(&mut self) -> Result<Vec<Converting>, Error> {
        let stages = self.stages(PipelineKind::Lead).await?;
        let mut coming = Vec::new();
        for (fate, many) in FATES {
            for number in 0..many {
                let known = (fate == Fate::Converted && number < OF_KNOWN_COMPANIES).then(|| {
                    let known = self.customers.len();
                    self.rng.usize(..known)
                });
                let lead = self.lead(fate, known, number % 4 == 0);
                coming.push(lead);
            }
        }
        let mut many = Vec::with_capacity(coming.len());
        for lead in &coming {
            many.push((lead.author, self.with_history(lead, &stages)?));
        }
        let made = self.bring(many).await?;
        let mut converting = Vec::new();
        for (made, lead) in made.iter().zip(coming) {
            self.follow(made.id, &lead);
            if let (Fate::Converted, Some(&at)) = (lead.fate, lead.moments.last()) {
                converting.push(Converting {
                    lead: made.id,
                    owner: lead.owner,
                    at,
                    ago: lead.ago,
                    firm: lead.firm,
                    person: lead.person,
                    product: lead.product,
                    units: lead.units,
                    known: lead.known,
                });
            }
        }
        Ok(converting)
    }

    fn lead(&mut self, fate: Fate, known: Option<usize>, unassigned: bool) -> Coming {
        let rng = &mut self.rng;
        let firm = if let Some(at) = known {
            self.customers[at].firm.clone()
        } else {
            let region = if rng.u8(..5) < 3 { Region::Americas } else { Region::Europe };
            self.directory.firm(rng, region)
        };
        let owner = known.map_or_else(|| Staff::seller(rng, firm.region), |at| self.customers[at].owner);
        // Referrals buy more often than cold calls.
        let mut chances = SOURCES;
        if fate == Fate::Converted {
            chances[4].1 *= 3;
            chances[5].1 *= 2;
            chances[6].1 /= 2;
        }
        let (source, details) = weighted(rng, &chances);
        let days = days(rng, fate);
        let mut moments = self.calendar.moments(rng, Staff::zone(owner), days.iter().copied());
        if let Some(at) = known {
            // No lead is older than its company.
            let since = self.customers[at].since;
            for moment in &mut moments {
                *moment = (*moment).max(since);
            }
        }
        let product = pick(rng, &PRODUCTS[..3]);
        Coming {
            fate,
            owner,
            // New unassigned leads are created by marketing.
            author: if fate == Fate::New && unassigned { MARKETING } else { owner },
            person: self.directory.person(rng, &firm),
            firm,
            product,
            units: rng.i64(product.from..=product.to),
            moments,
            ago: days.last().copied().unwrap_or_default(),
            source,
            detail: pick(rng, details),
            known,
        }
    }

    /// The lead with its moves. A lead to be converted is qualified first.
    fn with_history(
        &mut self,
        lead: &Coming,
        stages: &BTreeMap<String, Id<Stage>>,
    ) -> Result<NewWithHistory<crm_core::leads::Lead>, Error> {
        let rng = &mut self.rng;
        let mine = lead.author == lead.owner;
        let described = lead.fate != Fate::New || rng.bool();
        let new = NewLead {
            first_name: Some(lead.person.first.to_owned()),
            last_name: Some(lead.person.last.to_owned()),
            email: Some(lead.person.email.clone()),
            phone: (described || rng.bool()).then(|| lead.person.phone.clone()),
            company_name: Some(lead.firm.name.clone()),
            job_title: Some(lead.person.title.to_owned()),
            website: described.then(|| format!("https://{}", lead.firm.domain)),
            industry: Some(lead.firm.industry.to_owned()),
            employee_count: described.then_some(lead.firm.employees),
            address: described.then(|| Address {
                city: Some(lead.firm.place.city.to_owned()),
                region: Some(lead.firm.place.region.to_owned()),
                country: Some(lead.firm.place.country.to_owned()),
                ..Default::default()
            }),
            source: Some(lead.source.to_owned()),
            source_detail: Some(lead.detail.to_owned()),
            owner_id: mine.then(|| self.staff.id(lead.owner)),
            do_not_email: rng.u8(..30) == 0,
            tags: if lead.source == "trade_fair" { vec!["fair".to_owned()] } else { Vec::new() },
            properties: BTreeMap::from([("product_line".to_owned(), Value::text(lead.product.key))]),
            ..Default::default()
        };
        let (first, later) = lead.moments.split_first().ok_or(Error::NotFound(Kind::Lead))?;
        let mut new = NewWithHistory::new(new).created_at(*first);
        let moves = if lead.fate == Fate::Converted { &later[..later.len() - 1] } else { later };
        for (&at, open) in moves.iter().zip(1..) {
            let lost = matches!(lead.fate, Fate::Unqualified(stages) if stages + 1 == open);
            let mut patch = LeadPatch::new().stage_id(stage(stages, if lost { "unqualified" } else { OPEN[open] })?);
            if lost {
                patch = patch.unqualified_reason(weighted(rng, &UNQUALIFIED));
            } else if open == 2 {
                let currency = if lead.firm.region == Region::Americas { "USD" } else { "EUR" };
                let revenue = format!("{} {currency}", lead.firm.employees * rng.i64(90..260) * 1000);
                patch = patch.property("units", Value::Int(lead.units));
                if let Ok(revenue) = revenue.parse::<Money>() {
                    patch = patch.annual_revenue(revenue);
                }
            }
            new = new.then(at, patch);
        }
        Ok(new)
    }
}
