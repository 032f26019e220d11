//! Companies and contacts: those known when the organization began to use the CRM, and contacts added later at
//! companies created from leads.

use std::collections::BTreeMap;

use crm_core::{
    Error,
    associations::{Association, NewAssociation},
    collection::NewWithHistory,
    companies::{Company, CompanyPatch, Lifecycle, NewCompany},
    contacts::{Contact, ContactEmail, ContactPhone, NewContact, PhoneKind},
    value::{Address, Currency, Id, Kind, Money, Ref, Time, Value},
};

use super::{
    World,
    calendar::HISTORY,
    staff::{EUROPE_LEAD, Staff},
    words::{Firm, Person, Region, phone, pick, street},
};

/// The number of initial companies, and how many of them are customers.
const COMPANIES: usize = 34;
const CUSTOMERS: usize = 16;

/// A company and its contacts.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    pub(super) id: Id<Company>,
    pub(super) firm: Firm,
    /// The index of its owner.
    pub(super) owner: usize,
    /// The time of its creation.
    pub(super) since: Time,
    pub(super) has_bought: bool,
    pub(super) contacts: Vec<(Id<Contact>, Person)>,
}

impl World<'_> {
    /// Creates the initial companies and contacts, imported from spreadsheets.
    pub(super) async fn first_customers(&mut self) -> Result<(), Error> {
        let mut coming = Vec::with_capacity(COMPANIES);
        for number in 0..COMPANIES {
            let region = if number % 5 < 3 { Region::Americas } else { Region::Europe };
            let firm = self.directory.firm(&mut self.rng, region);
            let owner = Staff::seller(&mut self.rng, region);
            let ago = HISTORY - self.rng.i64(0..4);
            let since = self.calendar.moment(&mut self.rng, Staff::zone(owner), ago);
            coming.push((firm, owner, since, number % COMPANIES < CUSTOMERS));
        }
        let many = coming.iter().map(|(firm, owner, since, is_customer)| (firm, *owner, *since, *is_customer));
        let many: Vec<_> = many.collect();
        let mut new = Vec::with_capacity(COMPANIES);
        for (firm, owner, since, is_customer) in many {
            new.push((owner, NewWithHistory::<Company>::new(self.company(firm, owner, is_customer)).created_at(since)));
        }
        let made = self.bring(new).await?;
        for (company, (firm, owner, since, is_customer)) in made.into_iter().zip(coming) {
            let contacts = Vec::new();
            self.customers.push(Customer { id: company.id, firm, owner, since, has_bought: is_customer, contacts });
        }
        let first = 0..self.customers.len();
        let many = first.flat_map(|at| [at, at]).chain((0..self.customers.len()).filter(|at| at % 3 == 0)).collect();
        self.meet(many).await
    }

    fn company(&mut self, firm: &Firm, owner: usize, is_customer: bool) -> NewCompany {
        let rng = &mut self.rng;
        let currency = if firm.region == Region::Americas { Currency::USD } else { Currency::EUR };
        NewCompany {
            name: firm.name.clone(),
            domain: Some(firm.domain.clone()),
            website: Some(format!("https://www.{}", firm.domain)),
            phone: Some(phone(rng, firm.place)),
            email: Some(format!("info@{}", firm.domain)),
            industry: Some(firm.industry.to_owned()),
            employee_count: Some(firm.employees),
            annual_revenue: Some(Money::new(firm.employees * rng.i64(90..260) * 1000, currency)),
            founded_year: Some(rng.i64(1921..2019)),
            addresses: vec![Address {
                street: Some(street(rng, firm.place)),
                city: Some(firm.place.city.to_owned()),
                region: Some(firm.place.region.to_owned()),
                postal_code: Some(firm.place.postal_code.to_owned()),
                country: Some(firm.place.country.to_owned()),
                ..Default::default()
            }],
            lifecycle: if is_customer { Lifecycle::Customer } else { Lifecycle::Prospect },
            source: Some(pick(rng, &["outbound", "partner", "trade_fair", "referral"]).to_owned()),
            owner_id: Some(self.staff.id(owner)),
            tags: if firm.employees > 600 { vec!["key account".to_owned()] } else { Vec::new() },
            properties: BTreeMap::from([("sites".to_owned(), Value::Int(1 + firm.employees / 120))]),
            ..Default::default()
        }
    }

    /// Creates a contact at each of these companies, soon after the company's creation.
    async fn meet(&mut self, at: Vec<usize>) -> Result<(), Error> {
        let mut new = Vec::with_capacity(at.len());
        let mut people = Vec::with_capacity(at.len());
        for at in at {
            let customer = &self.customers[at];
            let person = self.directory.person(&mut self.rng, &customer.firm);
            let since = self.calendar.soon(&mut self.rng, customer.since);
            let mobile =
                ContactPhone { kind: PhoneKind::Mobile, ..phone(&mut self.rng, customer.firm.place).as_str().into() };
            let phones = vec![person.phone.as_str().into(), mobile];
            let contact = NewContact {
                first_name: Some(person.first.to_owned()),
                last_name: Some(person.last.to_owned()),
                emails: vec![ContactEmail::from(person.email.as_str())],
                phones: phones.into_iter().take(self.rng.usize(1..=2)).collect(),
                company_id: Some(customer.id),
                job_title: Some(person.title.to_owned()),
                lifecycle: if customer.has_bought { Lifecycle::Customer } else { Lifecycle::Prospect },
                owner_id: Some(self.staff.id(customer.owner)),
                do_not_call: self.rng.u8(..25) == 0,
                ..Default::default()
            };
            new.push((customer.owner, NewWithHistory::<Contact>::new(contact).created_at(since)));
            people.push((at, person));
        }
        for (contact, (at, person)) in self.bring(new).await?.into_iter().zip(people) {
            self.customers[at].contacts.push((contact.id, person));
        }
        Ok(())
    }

    /// Adds a second contact where there is only one, and the associations between records.
    pub(super) async fn colleagues(&mut self) -> Result<(), Error> {
        let alone = (0..self.customers.len()).filter(|&at| self.customers[at].contacts.len() < 2).collect();
        self.meet(alone).await?;
        let mut ties = Vec::new();
        let tie = |from: Ref, to: Ref, label: &str, role: Option<&str>| NewAssociation {
            from: Some(from),
            to: Some(to),
            label: label.to_owned(),
            role: role.map(str::to_owned),
            ..Default::default()
        };
        for (at, customer) in self.customers.iter().enumerate() {
            let [(first, _), (second, person), ..] = customer.contacts.as_slice() else { continue };
            let (first, second) = (Ref::new(Kind::Contact, *first), Ref::new(Kind::Contact, *second));
            let met = self.calendar.soon(&mut self.rng, customer.since);
            let since = self.calendar.soon(&mut self.rng, met);
            let mut add = |new| ties.push((customer.owner, NewWithHistory::<Association>::new(new).created_at(since)));
            if at % 2 == 0 {
                add(tie(second, first, "reports_to", None));
            }
            if at % 5 == 0
                && let Some(neighbour) = self.customers.get(at + 1)
            {
                // Every fifth company shares an adviser with the next one and is its partner.
                let other = Ref::new(Kind::Company, neighbour.id);
                add(tie(second, other, "advises", Some(person.title)));
                add(tie(Ref::new(Kind::Company, customer.id), other, "partner_of", None));
            }
        }
        self.bring(ties).await.map(drop)
    }

    /// Makes a company that bought a customer, and the contact of the deal as well.
    pub(super) async fn won_over(&mut self, at: usize, when: Time) -> Result<(), Error> {
        let customer = &mut self.customers[at];
        if std::mem::replace(&mut customer.has_bought, true) {
            return Ok(());
        }
        let (id, owner, contact) = (customer.id, customer.owner, customer.contacts.first().map(|(id, _)| *id));
        let author = self.staff.author(owner);
        let patch = CompanyPatch::new().lifecycle(Lifecycle::Customer);
        self.crm.companies(author).update(id, patch).occurred_at(when).await?;
        if let Some(contact) = contact {
            let patch = crm_core::contacts::ContactPatch::new().lifecycle(Lifecycle::Customer);
            self.crm.contacts(author).update(contact, patch).occurred_at(when).await?;
        }
        Ok(())
    }

    /// The lead of the team of a region, for matters above a representative.
    pub(super) const fn lead_of(region: Region) -> usize {
        match region {
            Region::Americas => super::staff::AMERICAS_LEAD,
            Region::Europe => EUROPE_LEAD,
        }
    }
}
