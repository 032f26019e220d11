//! Conversion: turns a lead into a contact, a company and optionally a deal, in one commit; and its undo.

use super::record::{Lead, LeadFields, Matched};
use crate::{
    companies::{
        Company, CompanyFields, Lifecycle, NewCompany,
        name::{self, NameKeys},
        shared_hosts::SharedHosts,
    },
    contacts::{Contact, ContactEmail, ContactFields, ContactPhone, NewContact, PhoneKind},
    deals::{Deal, DealFields, NewDeal},
    engine::{
        collection::Collection,
        draft::{self, Answer, Draft, Input, Lookup, Pending, Step, Stop},
        stages::gates::Transition,
        typing::property_type,
    },
    model::{
        access::Action,
        error::{Error, Faults},
        records::pipeline::StageKind,
        schema::{Image, Patch, Record, RecordKind, common},
        store::{Claim, Want},
        value::{Choice, FaultCode, FieldValue, Id, Kind, Ref, Value, normalize_domain},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// Options of a conversion.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ConvertLead {
    /// The contact.
    pub contact: Target<Contact>,
    /// Fields of the contact. They override values copied from the lead and values of an existing contact.
    pub contact_fields: Patch<Contact>,
    /// The company.
    pub company: Target<Company>,
    /// Fields of the company, with the same effect. Name, domain and website are also used to match the company.
    pub company_fields: Patch<Company>,
    /// The fields of the deal to open (`NewDeal { … }.into()`). Company, contact, owner and team default to those of
    /// the conversion.
    pub open_deal: Option<Patch<Deal>>,
}

/// The record on one side of a conversion.
#[derive(Debug, Default, PartialEq, serde::Serialize)]
#[serde(bound = "")]
pub enum Target<K> {
    /// An existing record that the actor may see, otherwise a new one. A contact is matched by the lead's email
    /// address; a company by the domain of the lead's website, by the domain of the email address if the names do not
    /// differ, or by its name. Hosts that many companies share (free mail, social networks, site builders) are not
    /// used. No company is created if the lead has no company name.
    #[default]
    Auto,
    /// This record; only its blank fields are filled.
    Existing(Id<K>),
    /// A new record, even if there is a match. It is created without an email address or domain that another record
    /// holds.
    New,
    /// None. A conversion needs a contact or a company.
    Skip,
}

impl<K> Clone for Target<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Target<K> {}

impl<K: RecordKind> Target<K> {
    fn existing(self) -> Option<Ref> {
        if let Target::Existing(id) = self { Some(id.into()) } else { None }
    }
}

/// The result of a conversion.
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
    /// Converts a lead in one commit: creates or links a contact and a company, optionally opens a deal, and moves the
    /// lead to its pipeline's won stage, through all gates. The lead's `converted_contact_by` and
    /// `converted_company_by` record how the records were matched; [`Pending::plan`] shows this in advance.
    ///
    /// Fields of the lead that the actor may not see are not copied, except opt-outs of email and calls: they are
    /// always copied, and no conversion removes one. Custom properties are copied if the target kind has one of the
    /// same key and type. The lead is not rewritten: its history and activities remain its own and appear on the
    /// timelines of the converted records. A record that the actor may not see is neither used nor revealed: the new
    /// record is created without the email address or domain that the hidden one holds.
    ///
    /// Costs three reads, one of them for all candidates.
    ///
    /// # Errors
    /// On awaiting: a fault belongs to the lead unless its field names another record: `company.name`, `deal.value`.
    pub fn convert(&self, id: Id<Lead>, how: ConvertLead) -> Pending<Converted> {
        let lead = Ref::new(Kind::Lead, id);
        let mut hints: Vec<Lookup> = vec![lead.into()];
        hints.extend(how.contact.existing().map(Lookup::from));
        hints.extend(how.company.existing().map(Lookup::from));
        let asked = draft::fingerprint(&(id, how.clone()));
        let shared = self.engine.setting::<SharedHosts>();
        Pending::new(self.engine, self.actor, "convert", asked, hints, move |draft: &mut Draft<'_>, step: Step| {
            convert(draft, id, &how, &shared, Step { transition: Transition::Convert, ..step })
        })
        .on(lead, vec!["stage_id".to_owned()])
        .retry_on_duplicate()
    }

    /// Undoes a conversion: the lead returns to its previous stage, and the records that the conversion created are
    /// archived, provided that nobody changed them since.
    pub fn unconvert(&self, id: Id<Lead>) -> Pending<Record<Lead>> {
        let lead = Ref::new(Kind::Lead, id);
        let hints = vec![lead.into(), Lookup::History(lead)];
        Pending::new(
            self.engine,
            self.actor,
            "unconvert",
            draft::fingerprint(&id),
            hints,
            move |draft: &mut Draft<'_>, step: Step| {
                draft.want(Lookup::History(lead));
                let current = draft.record::<Lead>(id)?;
                if current.converted_at.is_none() {
                    return Err(Error::invalid("stage_id", FaultCode::NotConverted, "the lead is not converted").into());
                }
                let history = draft.history(lead)?;
                let conversion = history.iter().rev().find(|change| change.action == "convert");
                let commit = conversion.map(|change| change.commit).ok_or(Stop::not_found(Kind::Lead))?;
                draft::undo(draft, lead, commit, Step { transition: Transition::Unconvert, ..step })?;
                Ok(vec![lead])
            },
        )
        .on(lead, vec!["stage_id".to_owned()])
    }
}

fn convert(
    draft: &mut Draft<'_>,
    id: Id<Lead>,
    how: &ConvertLead,
    shared: &SharedHosts,
    step: Step,
) -> Result<Vec<Ref>, Stop> {
    let lead_ref = Ref::new(Kind::Lead, id);
    let image = draft.read(lead_ref)?;
    if !draft.cx.access.allows(Action::Update, &image) {
        let permission = crate::model::access::Permission::new(Kind::Lead, Action::Update);
        return Err(Error::forbidden(permission).into());
    }
    // Fields that the actor may not see are not copied.
    let seen = draft.cx.access.mask(&image);
    let lead = Record::<Lead>::from_image(&seen)?;
    if Record::<Lead>::from_image(&image)?.converted_at.is_some() {
        return Err(Error::invalid("stage_id", FaultCode::Converted, "the lead is already converted").into());
    }
    let looked = Looked::new(draft, &lead, how, shared);
    for claim in looked.companies.iter().map(|(_, claim)| claim).chain(&looked.contact).chain(&looked.domain()) {
        draft.want(Lookup::Want(Want::Claimed(claim.clone())));
    }
    draft.stop_if_missing()?;
    let mut faults = Faults::new();
    let lead = Brought { lead: &lead, whole: &image, looked };
    let company = part(&mut faults, "company", company_of(draft, &lead, how, step))?.flatten();
    let contact = part(&mut faults, "contact", contact_of(draft, &lead, how, company.map(|(made, _)| made), step))?;
    let contact = contact.flatten();
    if contact.is_none() && company.is_none() && faults.is_empty() {
        return Err(
            Error::invalid("contact", FaultCode::Required, "a conversion requires a contact or a company").into()
        );
    }
    let ends = (company.map(|(made, _)| made), contact.map(|(made, _)| made));
    let deal = match &how.open_deal {
        Some(new) => part(&mut faults, "deal", open_deal(draft, &lead, new, ends, step))?,
        None => None,
    };
    faults.into_result()?;
    let definitions = draft.cx.definitions;
    let pipeline = image.at(DealFields::pipeline_id).as_id().and_then(|id| definitions.pipeline(id.typed()));
    let won = pipeline
        .and_then(|pipeline| pipeline.first_of(StageKind::Won))
        .ok_or_else(|| Error::invalid("stage_id", FaultCode::NoWonStage, "the lead's pipeline has no won stage"))?;
    let at = step.occurred_at.unwrap_or(draft.cx.now);
    let id_or_null = |made: Option<Ref>| made.map_or(Value::Null, |made| Value::Id(made.id));
    let asked = [(LeadFields::stage_id as usize, Value::from(won.id))];
    let own = [
        (LeadFields::converted_at as usize, Value::Time(at)),
        (LeadFields::converted_contact_ids as usize, Value::list(ends.1.iter().map(|contact| Value::Id(contact.id)))),
        (LeadFields::converted_company_id as usize, id_or_null(ends.0)),
        (LeadFields::converted_contact_by as usize, contact.map(|(_, by)| by).into_value()),
        (LeadFields::converted_company_by as usize, company.map(|(_, by)| by).into_value()),
        (LeadFields::converted_deal_id as usize, id_or_null(deal)),
    ];
    draft.update(lead_ref, Input::both(&asked, &own), step)?;
    draft.tie();
    Ok([Some(lead_ref), ends.1, ends.0, deal].into_iter().flatten().collect())
}

/// Returns the result for one record of a conversion; `None` if it has faults, which are collected under its name.
fn part<T>(faults: &mut Faults, name: &str, made: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(Stop::Refuse(Error::Invalid(of_part))) => {
            for fault in of_part.all() {
                faults.add(format!("{name}.{}", fault.field), fault.fault.clone());
            }
            Ok(None)
        }
        Err(stop) => Err(stop),
    }
}

/// The lead: as the actor sees it, and complete.
struct Brought<'a> {
    lead: &'a Record<Lead>,
    whole: &'a Image,
    looked: Looked,
}

/// The keys by which the records of a conversion are matched.
struct Looked {
    /// Claims by which a company may be matched, the most reliable first.
    companies: Vec<(Matched, Claim)>,
    /// The claim by which a contact may be matched, and that a new one would hold.
    contact: Option<Claim>,
    tenant: Id,
    /// The host of the company's website.
    site: Option<String>,
    /// The host of the email address.
    mail: Option<String>,
    name: Option<String>,
}

impl Looked {
    fn new(draft: &Draft<'_>, lead: &Record<Lead>, how: &ConvertLead, shared: &SharedHosts) -> Self {
        let tenant = draft.cx.actor.tenant();
        let given = |field: CompanyFields| how.company_fields.sets().iter().find(|(at, _)| *at == field as usize);
        let text = |field: CompanyFields| given(field).map(|(_, value)| value.as_text().map(str::to_owned));
        let own = |host: &str| normalize_domain(host).ok().filter(|host| !shared.is_shared(host));
        let website = text(CompanyFields::website).unwrap_or_else(|| lead.website.clone());
        let site = match text(CompanyFields::domain) {
            Some(domain) => domain.and_then(|domain| normalize_domain(&domain).ok()),
            None => website.as_deref().and_then(own),
        };
        let mail = lead.email.as_deref().and_then(|email| own(email.rsplit_once('@')?.1));
        let name = text(CompanyFields::name).unwrap_or_else(|| lead.company_name.clone());
        let mut companies = Vec::new();
        let mut look = |by: Matched, field: &str, value: &str| {
            let claim = draft::claim_of_value(tenant, Kind::Company, field, &Value::text(value));
            companies.extend(claim.map(|claim| (by, claim)));
        };
        if how.company == Target::Auto {
            if let Some(site) = &site {
                look(Matched::Domain, "domain", site);
            }
            if let Some(mail) = mail.as_ref().filter(|mail| site.as_ref() != Some(mail)) {
                look(Matched::Domain, "domain", mail);
            }
            if let Some(keys) = name.as_deref().map(NameKeys::of) {
                // The same legal form; otherwise one of the two names may have omitted it.
                let other = match &keys.stem {
                    Some(stem) => ("name_claim", stem),
                    None => ("stem_claim", &keys.whole),
                };
                for (field, key) in [("name_claim", &keys.whole), other] {
                    for place in name::places(key) {
                        look(Matched::Name, field, &place);
                    }
                }
            }
        }
        // If contacts may share email addresses, an address identifies nobody.
        let shared = draft.cx.definitions.organization().is_some_and(|org| org.allow_shared_emails);
        let email = lead.email.as_deref().filter(|_| !shared);
        let contact =
            email.and_then(|email| draft::claim_of_value(tenant, Kind::Contact, "email", &Value::text(email)));
        Self { companies, contact, tenant, site, mail, name }
    }

    /// The claim that a new company would hold.
    fn domain(&self) -> Option<Claim> {
        let domain = self.site.as_ref().or(self.mail.as_ref())?;
        draft::claim_of_value(self.tenant, Kind::Company, "domain", &Value::text(domain.as_str()))
    }

    /// `true` if a matched company may be the lead's.
    fn fits(&self, by: Matched, claim: &Claim, found: &Image) -> bool {
        let theirs = found.at(CompanyFields::domain).as_text();
        match by {
            // Companies with the same name and different websites are different.
            Matched::Name => self.site.as_deref().zip(theirs).is_none_or(|(mine, theirs)| mine == theirs),
            // The sender of an email need not work for the owner of its host.
            _ if self.site.as_deref().is_none_or(|site| claim.value != site) => {
                let names = self.name.as_deref().zip(found.at(CompanyFields::name).as_text());
                names.is_none_or(|(mine, theirs)| NameKeys::of(mine).resembles(&NameKeys::of(theirs)))
            }
            _ => true,
        }
    }
}

/// The custom properties of the lead that the target kind also has, with the same key and type.
fn properties(draft: &Draft<'_>, lead: &Record<Lead>, kind: Kind) -> BTreeMap<String, Value> {
    let definitions = draft.cx.definitions;
    let ty = |kind: Kind, key: &str| definitions.property(kind, key).and_then(|property| property_type(property));
    lead.properties
        .iter()
        .filter(|(key, _)| ty(kind, key).is_some() && ty(kind, key) == ty(Kind::Lead, key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn company_of(
    draft: &mut Draft<'_>,
    brought: &Brought<'_>,
    how: &ConvertLead,
    step: Step,
) -> Result<Option<(Ref, Matched)>, Stop> {
    let Brought { lead, looked, .. } = brought;
    let found = match how.company {
        Target::Skip => return Ok(None),
        Target::Existing(id) => Some((id.into(), Matched::Named)),
        Target::New => None,
        Target::Auto => {
            let mut found = None;
            for (by, claim) in &looked.companies {
                if let Some(image) = seen(draft, claim)?
                    && looked.fits(*by, claim, &image)
                {
                    found = Some((image.reference(), *by));
                    break;
                }
            }
            if found.is_none() && looked.name.is_none() && looked.site.is_none() && lead.website.is_none() {
                return Ok(None);
            }
            found
        }
    };
    // An existing company does not get the host of an email address, and no company gets a host that another one holds.
    let domain = if found.is_some() { looked.site.clone() } else { looked.site.clone().or(looked.mail.clone()) };
    let domain = match domain.as_ref().and(looked.domain()) {
        Some(claim) if draft.peek_claimed(&claim)?.is_some() => None,
        _ => domain,
    };
    let host = || lead.website.as_deref().and_then(|website| normalize_domain(website).ok());
    let new: Patch<Company> = NewCompany {
        name: looked.name.clone().or(looked.site.clone()).or_else(host).unwrap_or_default(),
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
    make_or_fill(draft, found, Kind::Company, (new.sets(), how.company_fields.sets()), brought, step).map(Some)
}

fn contact_of(
    draft: &mut Draft<'_>,
    brought: &Brought<'_>,
    how: &ConvertLead,
    company: Option<Ref>,
    step: Step,
) -> Result<Option<(Ref, Matched)>, Stop> {
    let Brought { lead, looked, .. } = brought;
    let found = match (how.contact, &looked.contact) {
        (Target::Skip, _) => return Ok(None),
        (Target::Existing(id), _) => Some((id.into(), Matched::Named)),
        (Target::Auto, Some(claim)) => seen(draft, claim)?.map(|image| (image.reference(), Matched::Email)),
        (Target::Auto, None) | (Target::New, _) => None,
    };
    let email = match &looked.contact {
        Some(claim) if draft.peek_claimed(claim)?.is_some() => None,
        _ => lead.email.as_deref(),
    };
    let mobile = lead.mobile_phone.as_deref().map(|phone| ContactPhone { kind: PhoneKind::Mobile, ..phone.into() });
    let new: Patch<Contact> = NewContact {
        name: lead.name.clone(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        emails: email.map(ContactEmail::from).into_iter().collect(),
        phones: lead.phone.as_deref().map(ContactPhone::from).into_iter().chain(mobile).collect(),
        addresses: lead.address.clone().into_iter().collect(),
        company_id: company.map(|company| company.id.typed()),
        job_title: lead.job_title.clone(),
        source: lead.source.clone(),
        description: lead.description.clone(),
        owner_id: lead.owner_id,
        team_id: lead.team_id,
        tags: lead.tags.clone(),
        lifecycle: if how.open_deal.is_some() { Lifecycle::Prospect } else { Lifecycle::Lead },
        properties: properties(draft, lead, Kind::Contact),
        ..NewContact::default()
    }
    .into();
    make_or_fill(draft, found, Kind::Contact, (new.sets(), how.contact_fields.sets()), brought, step).map(Some)
}

/// Returns the record that holds a claim, if the actor may see it and the claimed field.
fn seen(draft: &mut Draft<'_>, claim: &Claim) -> Result<Option<Arc<Image>>, Stop> {
    let by = if claim.kind == Kind::Company && claim.name != "domain" { "name" } else { &*claim.name };
    if draft.cx.access.is_hidden(claim.kind, by) {
        return Ok(None);
    }
    let Some(found) = draft.peek_claimed(claim)? else { return Ok(None) };
    match draft.read(found.reference()) {
        Err(Stop::Refuse(Error::NotFound(_))) => Ok(None),
        other => other.map(Some),
    }
}

/// The opt-outs of the lead that another kind also has. The rule copies them, so the actor need not be allowed to see
/// them.
fn restrictions(lead: &Image, kind: Kind) -> impl Iterator<Item = (usize, Value)> {
    let of_lead = lead.decl.fields.iter().zip(&lead.values);
    let set = of_lead.filter(|(field, value)| field.marks.restricts && *value == &Value::Bool(true));
    set.filter_map(move |(field, _)| Some((crate::catalog::decl(kind).position(field.name)?, Value::Bool(true))))
}

/// The values copied from the lead, without those that the actor may not write: they are copied on the actor's behalf.
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

/// Combines copied and given values; given values take precedence, custom properties one by one. A given owner implies
/// that owner's team.
fn joined(brought: Vec<(usize, Value)>, given: &[(usize, Value)], owner: usize, team: usize) -> Vec<(usize, Value)> {
    let named = |at: usize| given.iter().any(|(set, _)| *set == at);
    let stays = |at: usize| at == common::PROPERTIES || !(named(at) || at == team && named(owner));
    let mut all: Vec<(usize, Value)> = brought.into_iter().filter(|(at, _)| stays(*at)).collect();
    for (at, value) in given {
        match (all.iter_mut().find(|(set, _)| set == at), value) {
            (Some((_, Value::Map(map))), Value::Map(given)) => {
                Arc::make_mut(map).extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            _ => all.push((*at, value.clone())),
        }
    }
    all
}

type Values<'a> = &'a [(usize, Value)];

/// Creates a record, or fills the blank fields of the matched one; given values are set on either.
fn make_or_fill(
    draft: &mut Draft<'_>,
    found: Option<(Ref, Matched)>,
    kind: Kind,
    (sets, given): (Values<'_>, Values<'_>),
    brought: &Brought<'_>,
    step: Step,
) -> Result<(Ref, Matched), Stop> {
    let source = Value::Ref(Ref::new(Kind::Lead, brought.lead.id));
    let decl = crate::catalog::decl(kind);
    let at = |list: &[usize]| list.first().copied().unwrap_or(usize::MAX);
    let (owner, team) = (at(&decl.own), at(&decl.team));
    let sets = carried(draft, kind, sets);
    let Some((record, by)) = found else {
        let id = draft.new_id();
        let mut own = vec![(common::SOURCE_IDS, Value::list([source]))];
        own.extend(restrictions(brought.whole, kind));
        let made = draft.create(kind, id, Input::both(&joined(sets, given, owner, team), &own), step)?;
        return Ok((made, Matched::New));
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
    let mut fills: Vec<(usize, Value)> =
        sets.iter().filter(|(at, _)| *at != common::PROPERTIES && (blank(*at) || progress(*at))).cloned().collect();
    if let Some((_, Value::Map(map))) = sets.iter().find(|(at, _)| *at == common::PROPERTIES) {
        let has = current.values[common::PROPERTIES].as_map();
        let missing: BTreeMap<String, Value> = map
            .iter()
            .filter(|(key, _)| has.is_none_or(|has| !has.contains_key(*key)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !missing.is_empty() {
            fills.push((common::PROPERTIES, Value::Map(Arc::new(missing))));
        }
    }
    let mut asked = joined(fills, given, owner, team);
    asked.retain(|(at, value)| !current.is_widened_by(*at, value));
    let mut sources: Vec<Value> = current.values[common::SOURCE_IDS].items().to_vec();
    if !sources.contains(&source) {
        sources.push(source);
        let from = sources.len().saturating_sub(20);
        sources.drain(..from);
    }
    let mut own = vec![(common::SOURCE_IDS, Value::List(sources.into()))];
    own.extend(restrictions(brought.whole, kind));
    draft.update(record, Input::both(&asked, &own), step)?;
    Ok((record, by))
}

fn open_deal(
    draft: &mut Draft<'_>,
    brought: &Brought<'_>,
    asked: &Patch<Deal>,
    (company, contact): (Option<Ref>, Option<Ref>),
    step: Step,
) -> Result<Ref, Stop> {
    let lead = brought.lead;
    let more: Patch<Deal> = NewDeal {
        title: lead.company_name.clone().unwrap_or_else(|| lead.name.clone()),
        company_id: company.map(|company| company.id.typed()),
        primary_contact_id: contact.map(|contact| contact.id.typed()),
        owner_id: lead.owner_id,
        team_id: lead.team_id,
        source: lead.source.clone(),
        properties: properties(draft, lead, Kind::Deal),
        ..NewDeal::default()
    }
    .into();
    let sets = carried(draft, Kind::Deal, more.sets());
    let sets = joined(sets, asked.sets(), DealFields::owner_id as usize, DealFields::team_id as usize);
    let own = [
        (DealFields::lead_id as usize, Some(lead.id).into_value()),
        (common::SOURCE_IDS, Value::list([Value::Ref(Ref::new(Kind::Lead, lead.id))])),
    ];
    let id = draft.new_id();
    draft.create(Kind::Deal, id, Input::both(&sets, &own), step)
}
