//! Conversion: a lead becomes a contact, a company and, if wished, a deal, in one commit; and its way back.

use super::record::{Lead, LeadFields};
use crate::{
    access::Action,
    collection::Collection,
    companies::record::{Company, CompanyFields, Lifecycle, NewCompany},
    contacts::record::{Contact, ContactEmail, ContactFields, ContactPhone, NewContact, PhoneKind},
    deals::record::{Deal, DealFields, NewDeal},
    draft::{self, Answer, Draft, Lookup, Pending, Sets, Step, Stop},
    error::Error,
    pipelines::{gates::Passage, record::StageKind},
    properties::typing::property_type,
    schema::{Image, Patch, Record, RecordKind, common},
    value::{Choice, FieldValue, Id, Kind, Ref, Value, normalize_domain},
};
use std::{collections::BTreeMap, sync::Arc};

/// What a lead becomes.
#[derive(Clone, Debug, Default)]
pub struct ConvertLead {
    /// Which contact.
    pub contact: Target,
    /// Which company.
    pub company: Target,
    /// The fields of the deal to open (`NewDeal { … }.into()`); its company, contact, owner and team are the conversion's
    /// where it names none.
    pub open_deal: Option<Patch<Deal>>,
}

/// Which record one side of a conversion is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The one that has the lead's e-mail address (a contact) or domain (a company), else a new one. No company where
    /// the lead names none.
    #[default]
    Auto,
    /// This one; only its blank fields are filled.
    Existing(Id),
    /// None. A conversion needs a contact or a company.
    Skip,
}

/// What a lead became.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The lead, in its converted stage.
    pub lead: Record<Lead>,
    /// The contact.
    pub contact: Option<Record<Contact>>,
    /// The company.
    pub company: Option<Record<Company>>,
    /// The deal.
    pub deal: Option<Record<Deal>>,
}

impl Answer for Converted {
    fn build(images: &[Arc<Image>]) -> Result<Self, Error> {
        fn find<K: RecordKind>(images: &[Arc<Image>]) -> Result<Option<Record<K>>, Error> {
            Ok(images
                .iter()
                .find(|image| image.kind() == K::KIND)
                .map(|image| Record::from_image(image))
                .transpose()?)
        }
        Ok(Self {
            lead: find(images)?.ok_or(Error::NotFound(Kind::Lead))?,
            contact: find(images)?,
            company: find(images)?,
            deal: find(images)?,
        })
    }
}

impl Collection<'_, Lead> {
    /// Converts a lead, in one commit: makes or links a contact and a company, opens a deal if asked, and moves the
    /// lead to its pipeline's won stage, all gates holding.
    ///
    /// Of a lead's fields, those that the actor may not see are not copied. Custom properties are copied where the
    /// target kind has one of the same key and type. Nothing of the lead is rewritten: its history and activities stay
    /// its own and show on the timeline of what it became.
    pub fn convert(&self, id: Id, how: ConvertLead) -> Pending<Converted> {
        let lead = Ref::new(Kind::Lead, id);
        let mut hints: Vec<Lookup> = vec![lead.into()];
        for (kind, target) in [(Kind::Contact, how.contact), (Kind::Company, how.company)] {
            if let Target::Existing(id) = target {
                hints.push(Ref::new(kind, id).into());
            }
        }
        let asked = draft::asked_for(&(id, how.clone()));
        Pending::new(self.engine, self.actor, "convert", asked, hints, move |draft: &mut Draft<'_>, step: Step| {
            convert(draft, id, &how, Step { passage: Passage::Convert, ..step })
        })
        .on(lead, vec!["stage_id".to_owned()])
    }

    /// Takes a conversion back: the lead returns to the stage it came from, and what the conversion made is archived,
    /// as long as nobody changed it since.
    pub fn unconvert(&self, id: Id) -> Pending<Record<Lead>> {
        let lead = Ref::new(Kind::Lead, id);
        let hints = vec![lead.into(), Lookup::History(lead)];
        Pending::new(
            self.engine,
            self.actor,
            "unconvert",
            draft::asked_for(&id),
            hints,
            move |draft: &mut Draft<'_>, step: Step| {
                draft.want(Lookup::History(lead));
                let current = draft.record::<Lead>(id)?;
                if current.converted_at.is_none() {
                    return Err(Error::invalid("stage_id", "not_converted", "the lead is not converted").into());
                }
                let history = draft.history(lead)?;
                let conversion = history.iter().rev().find(|change| change.action == "convert");
                let commit = conversion.map(|change| change.commit).ok_or(Stop::not_found(Kind::Lead))?;
                draft::undo(draft, lead, commit, Step { passage: Passage::Unconvert, ..step })?;
                Ok(vec![lead])
            },
        )
        .on(lead, vec!["stage_id".to_owned()])
    }
}

fn convert(draft: &mut Draft<'_>, id: Id, how: &ConvertLead, step: Step) -> Result<Vec<Ref>, Stop> {
    let lead_ref = Ref::new(Kind::Lead, id);
    let image = draft.read(lead_ref)?;
    if !draft.cx.access.allows(Action::Update, &image) {
        let permission = crate::access::Permission::new(Kind::Lead, Action::Update);
        return Err(Error::forbidden(permission).into());
    }
    // What the actor may not see is not carried over.
    let seen = draft.cx.access.mask(&image);
    let lead = Record::<Lead>::from_image(&seen)?;
    if Record::<Lead>::from_image(&image)?.converted_at.is_some() {
        return Err(Error::invalid("stage_id", "converted", "the lead is converted already").into());
    }
    let company = company_of(draft, &lead, how, step)?;
    let contact = contact_of(draft, &lead, how, company, step)?;
    if contact.is_none() && company.is_none() {
        return Err(Error::invalid("contact", "required", "a conversion makes or names a contact or a company").into());
    }
    let deal = match &how.open_deal {
        Some(new) => Some(open_deal(draft, &lead, new, company, contact, step)?),
        None => None,
    };
    let definitions = draft.cx.definitions;
    let pipeline = image.get("pipeline_id").as_id().and_then(|id| definitions.pipeline(id));
    let won = pipeline.and_then(|pipeline| pipeline.first_of(StageKind::Won)).ok_or_else(|| {
        Error::invalid("stage_id", "no_won_stage", "the lead's pipeline has no won stage to convert into")
    })?;
    let at = step.occurred_at.unwrap_or(draft.cx.now);
    let id_or_null = |made: Option<Ref>| made.map_or(Value::Null, |made| Value::Id(made.id));
    let asked = [(LeadFields::stage_id as usize, Value::Id(won.id))];
    let own = [
        (LeadFields::converted_at as usize, Value::Time(at)),
        (LeadFields::converted_contact_ids as usize, Value::list(contact.iter().map(|contact| Value::Id(contact.id)))),
        (LeadFields::converted_company_id as usize, id_or_null(company)),
        (LeadFields::converted_deal_id as usize, id_or_null(deal)),
    ];
    draft.update(lead_ref, Sets::both(&asked, &own), step)?;
    draft.tie();
    Ok([Some(lead_ref), contact, company, deal].into_iter().flatten().collect())
}

/// Custom properties of the lead that the target kind has too, with the same key and type.
fn properties(draft: &Draft<'_>, lead: &Record<Lead>, kind: Kind) -> BTreeMap<String, Value> {
    let definitions = draft.cx.definitions;
    let ty = |kind: Kind, key: &str| definitions.property(kind, key).map(|property| property_type(property));
    lead.properties
        .iter()
        .filter(|(key, _)| ty(kind, key).is_some() && ty(kind, key) == ty(Kind::Lead, key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn company_of(draft: &mut Draft<'_>, lead: &Record<Lead>, how: &ConvertLead, step: Step) -> Result<Option<Ref>, Stop> {
    let domain = lead.website.as_deref().and_then(|website| normalize_domain(website).ok());
    let found = match how.company {
        Target::Skip => return Ok(None),
        Target::Existing(id) => Some(Ref::new(Kind::Company, id)),
        Target::Auto => {
            if lead.company_name.is_none() && domain.is_none() {
                return Ok(None);
            }
            match &domain {
                Some(domain) => claimed(draft, Kind::Company, "domain", domain)?,
                None => None,
            }
        }
    };
    let new: Patch<Company> = NewCompany {
        name: lead.company_name.clone().or(domain.clone()).unwrap_or_default(),
        domain,
        website: lead.website.clone(),
        industry: lead.industry.clone(),
        employee_count: lead.employee_count,
        annual_revenue: lead.annual_revenue,
        source: lead.source.clone(),
        owner_id: lead.owner_id,
        team_id: lead.team_id,
        lifecycle: if how.open_deal.is_some() { Lifecycle::Prospect } else { Lifecycle::Lead },
        properties: properties(draft, lead, Kind::Company),
        ..NewCompany::default()
    }
    .into();
    make_or_fill(draft, found, Kind::Company, new.sets(), lead, step).map(Some)
}

fn contact_of(
    draft: &mut Draft<'_>,
    lead: &Record<Lead>,
    how: &ConvertLead,
    company: Option<Ref>,
    step: Step,
) -> Result<Option<Ref>, Stop> {
    let found = match how.contact {
        Target::Skip => return Ok(None),
        Target::Existing(id) => Some(Ref::new(Kind::Contact, id)),
        Target::Auto => match &lead.email {
            // Where contacts may share addresses, an address says nothing of who it is.
            Some(_) if draft.cx.definitions.organization().is_some_and(|org| org.allow_shared_emails) => None,
            Some(email) => claimed(draft, Kind::Contact, "email", email)?,
            None => None,
        },
    };
    let mobile = lead.mobile_phone.as_deref().map(|phone| ContactPhone { kind: PhoneKind::Mobile, ..phone.into() });
    let new: Patch<Contact> = NewContact {
        name: lead.name.clone(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        emails: lead.email.as_deref().map(ContactEmail::from).into_iter().collect(),
        phones: lead.phone.as_deref().map(ContactPhone::from).into_iter().chain(mobile).collect(),
        addresses: lead.address.clone().into_iter().collect(),
        company_id: company.map(|company| company.id),
        job_title: lead.job_title.clone(),
        source: lead.source.clone(),
        description: lead.description.clone(),
        do_not_email: lead.do_not_email,
        do_not_call: lead.do_not_call,
        owner_id: lead.owner_id,
        team_id: lead.team_id,
        tags: lead.tags.clone(),
        lifecycle: if how.open_deal.is_some() { Lifecycle::Prospect } else { Lifecycle::Lead },
        properties: properties(draft, lead, Kind::Contact),
        ..NewContact::default()
    }
    .into();
    make_or_fill(draft, found, Kind::Contact, new.sets(), lead, step).map(Some)
}

/// The record that holds a unique value. One that the actor may not see is taken as there: its value cannot be used
/// again, and the commit will say which field it is.
fn claimed(draft: &mut Draft<'_>, kind: Kind, field: &str, value: &str) -> Result<Option<Ref>, Stop> {
    let tenant = draft.cx.actor.tenant();
    let Some(claim) = draft::claim_of_value(tenant, kind, field, &Value::text(value)) else { return Ok(None) };
    let Some(found) = draft.peek_claimed(&claim)? else { return Ok(None) };
    match draft.read(found.reference()) {
        Ok(_) => Ok(Some(found.reference())),
        Err(Stop::Refuse(Error::NotFound(_))) => Err(Error::Duplicate { kind, field: field.to_owned() }.into()),
        Err(stop) => Err(stop),
    }
}

/// What the lead brings, less what the actor may not write there: it is carried over for the actor, not by the actor.
fn carried(draft: &Draft<'_>, kind: Kind, sets: &[(usize, Value)]) -> Vec<(usize, Value)> {
    let access = &draft.cx.access;
    let may = |name: &str| !access.is_hidden(kind, name) && !access.is_read_only(kind, name);
    let decl = crate::catalog::decl(kind);
    let mut kept: Vec<(usize, Value)> = sets.iter().filter(|(at, _)| may(decl.fields[*at].name)).cloned().collect();
    for (at, value) in &mut kept {
        if let (common::PROPERTIES, Some(map)) = (*at, value.as_map()) {
            let map = map.iter().filter(|(key, _)| may(&format!("properties.{key}")));
            *value = Value::Map(Arc::new(map.map(|(key, value)| (key.clone(), value.clone())).collect()));
        }
    }
    kept
}

/// Creates a record, or fills the blank fields of the one that was found.
fn make_or_fill(
    draft: &mut Draft<'_>,
    found: Option<Ref>,
    kind: Kind,
    sets: &[(usize, Value)],
    lead: &Record<Lead>,
    step: Step,
) -> Result<Ref, Stop> {
    let source = Value::Ref(Ref::new(Kind::Lead, lead.id));
    let sets = carried(draft, kind, sets);
    let Some(record) = found else {
        let id = draft.new_id();
        let own = [(common::SOURCE_IDS, Value::list([source]))];
        return draft.create(kind, id, Sets::both(&sets, &own), step);
    };
    let current = draft.read(record)?;
    let blank = |at: usize| match &current.values[at] {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        _ => false,
    };
    let progress = |at: usize| {
        let is_lifecycle = at == ContactFields::lifecycle as usize && kind == Kind::Contact
            || at == CompanyFields::lifecycle as usize && kind == Kind::Company;
        is_lifecycle && current.values[at].as_text() == Some(Lifecycle::Lead.name())
    };
    let mut asked: Vec<(usize, Value)> =
        sets.iter().filter(|(at, _)| *at != common::PROPERTIES && (blank(*at) || progress(*at))).cloned().collect();
    if let Some((_, Value::Map(map))) = sets.iter().find(|(at, _)| *at == common::PROPERTIES) {
        let has = current.values[common::PROPERTIES].as_map();
        let missing: BTreeMap<String, Value> = map
            .iter()
            .filter(|(key, _)| has.is_none_or(|has| !has.contains_key(*key)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !missing.is_empty() {
            asked.push((common::PROPERTIES, Value::Map(Arc::new(missing))));
        }
    }
    let mut sources: Vec<Value> = current.values[common::SOURCE_IDS].items().to_vec();
    if !sources.contains(&source) {
        sources.push(source);
        let from = sources.len().saturating_sub(20);
        sources.drain(..from);
    }
    let own = [(common::SOURCE_IDS, Value::List(sources.into()))];
    draft.update(record, Sets::both(&asked, &own), step)?;
    Ok(record)
}

fn open_deal(
    draft: &mut Draft<'_>,
    lead: &Record<Lead>,
    asked: &Patch<Deal>,
    company: Option<Ref>,
    contact: Option<Ref>,
    step: Step,
) -> Result<Ref, Stop> {
    let more: Patch<Deal> = NewDeal {
        title: lead.company_name.clone().unwrap_or_else(|| lead.name.clone()),
        company_id: company.map(|company| company.id),
        primary_contact_id: contact.map(|contact| contact.id),
        owner_id: lead.owner_id,
        team_id: lead.team_id,
        source: lead.source.clone(),
        ..NewDeal::default()
    }
    .into();
    let named = |at: usize| asked.sets().iter().any(|(set, _)| *set == at);
    let mut sets: Vec<(usize, Value)> = asked.sets().to_vec();
    sets.extend(carried(draft, Kind::Deal, more.sets()).into_iter().filter(|(at, _)| !named(*at)));
    let mut brought = properties(draft, lead, Kind::Deal);
    let given = asked.sets().iter().find(|(at, _)| *at == common::PROPERTIES).and_then(|(_, value)| value.as_map());
    brought.retain(|key, _| !given.is_some_and(|given| given.contains_key(key)));
    let brought = [(common::PROPERTIES, Value::Map(Arc::new(brought)))];
    // Placed before what was asked for, one key at a time: neither replaces the other.
    sets.splice(0..0, carried(draft, Kind::Deal, &brought));
    let own = [
        (DealFields::lead_id as usize, Some(lead.id).into_value()),
        (common::SOURCE_IDS, Value::list([Value::Ref(Ref::new(Kind::Lead, lead.id))])),
    ];
    let id = draft.new_id();
    draft.create(Kind::Deal, id, Sets::both(&sets, &own), step)
}
