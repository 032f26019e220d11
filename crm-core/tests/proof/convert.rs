//! Conversion: restrictions are kept whoever converts, companies are matched by unique fields, faults name the record
//! they belong to, and hidden records are not revealed.

use crm_core::{
    companies::{CompanyPatch, NewCompany},
    contacts::{Contact, ContactPatch, NewContact},
    deals::NewDeal,
    leads::{ConvertLead, Converted, Lead, Matched, NewLead, Target},
    schema::Record,
    value::{Currency, Id, Kind, Money},
};

use crate::support::{World, assert_fault, faults, hidden, run};

async fn lead(world: &World, new: NewLead) -> Id<Lead> {
    world.crm.leads(&world.admin).create(new).await.expect("a lead").id
}

async fn convert(world: &World, new: NewLead) -> Converted {
    let id = lead(world, new).await;
    world.crm.leads(&world.admin).convert(id, ConvertLead::default()).await.expect("converted").into_value()
}

fn of(name: &str, email: &str, company: &str, website: &str) -> NewLead {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    NewLead {
        name: name.into(),
        email: some(email),
        company_name: some(company),
        website: some(website),
        ..Default::default()
    }
}

async fn contact(world: &World, email: &str) -> Id<Contact> {
    let new = NewContact { name: "C".into(), emails: vec![email.into()], ..Default::default() };
    world.crm.contacts(&world.admin).create(new).await.expect("a contact").id
}

#[test]
fn a_restriction_reaches_the_contact_whoever_converts_and_whatever_is_said() {
    run(async {
        let world = World::new().await;
        let known = contact(&world, "opt@out.example").await;
        let opt = || NewLead { do_not_email: true, do_not_call: true, ..of("Opt", "opt@out.example", "", "") };
        let made = convert(&world, opt()).await.contact.unwrap();
        assert_eq!(made.id, known);
        assert!(made.do_not_email && made.do_not_call);
        // A lead without opt-outs revokes none.
        let made = convert(&world, of("Opt", "opt@out.example", "", "")).await.contact.unwrap();
        assert!(made.do_not_email && made.do_not_call);
        // Nor does a user who cannot see them, or a conversion that sets them to false.
        let blind = [hidden(Kind::Lead, "do_not_email"), hidden(Kind::Contact, "do_not_email")];
        let rep = world.restricted_rep("blind", blind.to_vec()).await;
        for email in ["new@out.example", "old@out.example"] {
            if email.starts_with("old") {
                world
                    .crm
                    .contacts(&world.admin)
                    .create(NewContact {
                        name: "Old".into(),
                        emails: vec![email.into()],
                        owner_id: rep.user(),
                        ..Default::default()
                    })
                    .await
                    .unwrap();
            }
            let id =
                lead(&world, NewLead { owner_id: rep.user(), ..NewLead { email: Some(email.into()), ..opt() } }).await;
            let how = ConvertLead { contact_fields: ContactPatch::new().do_not_call(false), ..Default::default() };
            let made = world.crm.leads(&rep).convert(id, how).await.unwrap().contact.clone().unwrap().id;
            let made = world.crm.contacts(&world.admin).get(made).await.unwrap();
            assert!(made.do_not_email && made.do_not_call, "{email}");
        }
        // An upsert revokes none either; an explicit update by a user does.
        let contacts = world.crm.contacts(&world.admin);
        let no = ContactPatch::new().do_not_email(false).job_title("CTO");
        let kept = contacts.upsert_from("email", "opt@out.example", no.clone()).await.unwrap();
        assert!(kept.do_not_email && kept.job_title.as_deref() == Some("CTO"));
        assert!(!contacts.update(known, no).await.unwrap().do_not_email);
        let leads = world.crm.leads(&world.admin);
        let new = NewLead { external_id: Some("7".into()), do_not_call: true, ..of("L", "", "", "") };
        leads.create(new).await.unwrap();
        let again = crm_core::leads::LeadPatch::new().do_not_call(false);
        assert!(leads.upsert_from("external_id", "7", again).await.unwrap().do_not_call);
    });
}

fn company(made: &Converted) -> &Record<crm_core::companies::Company> {
    made.company.as_ref().expect("a company")
}

#[test]
fn companies_are_found_by_name_and_legal_form() {
    run(async {
        let world = World::new().await;
        let first = convert(&world, of("E0", "e0@gmail.com", "Same GmbH", "")).await;
        assert_eq!((first.lead.converted_company_by, company(&first).domain.as_deref()), (Some(Matched::New), None));
        for name in ["same gmbh", "SAME G.m.b.H.", "Same"] {
            let made = convert(&world, of("E", "", name, "")).await;
            assert_eq!(company(&made).id, company(&first).id, "{name}");
            assert_eq!(made.lead.converted_company_by, Some(Matched::Name));
        }
        assert_ne!(company(&convert(&world, of("E", "", "Same AG", "")).await).id, company(&first).id);
        // A company that was created manually, renamed, archived, restored.
        let companies = world.crm.companies(&world.admin);
        let hand =
            companies.create(NewCompany { name: "Müller & Söhne KG".into(), ..Default::default() }).await.unwrap().id;
        let find = async |name: &str| {
            let id = lead(&world, of("F", "", name, "")).await;
            let plan = world.crm.leads(&world.admin).convert(id, ConvertLead::default()).plan().await.unwrap();
            let lead = plan.changes.iter().find(|change| change.record.kind == Kind::Lead).unwrap();
            lead.field("converted_company_id").and_then(|field| field.new.as_id()).map(Id::typed)
        };
        assert_eq!(find("Muller und Sohne kg").await, Some(hand), "and the plan says so");
        companies.update(hand, CompanyPatch::new().name("Meier")).await.unwrap();
        assert_ne!(find("Müller & Söhne KG").await, Some(hand));
        assert_eq!(find("MEIER").await, Some(hand));
        companies.archive(hand).await.unwrap();
        assert_ne!(find("Meier").await, Some(hand));
        companies.restore(hand, CompanyPatch::new()).await.unwrap();
        assert_eq!(find("Meier").await, Some(hand));
        // Company names are not unique.
        let second = companies.create(NewCompany { name: "Meier".into(), ..Default::default() }).await.unwrap().id;
        assert_eq!(find("Meier").await, Some(hand));
        companies.archive(hand).await.unwrap();
        assert_eq!(find("Meier").await, Some(second), "the second is found by it too");
    });
}

#[test]
fn companies_are_found_by_a_domain_that_is_theirs_alone() {
    run(async {
        let world = World::new().await;
        for host in ["www.facebook.com/", "linktr.ee/", "de-de.facebook.com/", "user.wixsite.com/", "g.page/"] {
            let fay = convert(&world, of("Fay", "", &format!("Fay {host}"), &format!("https://{host}fay"))).await;
            let gus = convert(&world, of("Gus", "", &format!("Gus {host}"), &format!("https://{host}gus"))).await;
            assert_ne!(company(&fay).id, company(&gus).id, "{host}");
            assert_eq!(company(&fay).domain, None);
        }
        let mail = convert(&world, of("A", "a@gmail.com", "A Ltd", "")).await;
        let other = convert(&world, of("B", "b@gmail.com", "B Ltd", "")).await;
        assert_ne!(company(&mail).id, company(&other).id);
        let acme = convert(&world, of("W", "", "Acme", "https://www.acme.example/about")).await;
        let id = company(&acme).id;
        for (email, name, site) in [
            ("", "Acme Incorporated Europe", "acme.example"),
            ("x@acme.example", "", ""),
            ("y@acme.example", "Acme Europe", ""),
        ] {
            let made = convert(&world, of("X", email, name, site)).await;
            assert_eq!(
                (company(&made).id, made.lead.converted_company_by),
                (id, Some(Matched::Domain)),
                "{email} {name}"
            );
        }
        let isp = convert(&world, of("Y", "z@acme.example", "Bakery Zed", "")).await;
        assert_ne!(company(&isp).id, id, "who writes from a host need not work there");
        let named_alike = convert(&world, of("Z", "", "Acme", "https://acme-two.example")).await;
        assert_ne!(company(&named_alike).id, id, "two of one name with sites of their own are two");
        let hosted = convert(&world, of("H", "", "Hosted", "https://acme.github.io")).await;
        assert_eq!(company(&hosted).domain.as_deref(), Some("acme.github.io"), "a name of its own below a shared host");
        let nothing = convert(&world, of("N", "n@nobody.example", "", "")).await;
        assert_eq!(nothing.company, None, "an address alone makes no company");
    });
}

#[test]
fn a_new_company_is_forced_and_fields_are_given() {
    run(async {
        let world = World::new().await;
        let acme = convert(&world, of("W", "w@acme.example", "Acme", "https://acme.example")).await;
        let id = lead(
            &world,
            NewLead { job_title: Some("CEO".into()), ..of("V", "w@acme.example", "Acme", "acme.example") },
        )
        .await;
        let how = ConvertLead {
            company: Target::New,
            company_fields: CompanyPatch::new().name("Acme Two").industry("Steel".to_owned()),
            contact: Target::New,
            contact_fields: ContactPatch::new().job_title("CTO".to_owned()),
            ..Default::default()
        };
        let made = world.crm.leads(&world.admin).convert(id, how).await.unwrap().into_value();
        assert_ne!(company(&made).id, company(&acme).id);
        assert_eq!((company(&made).name.as_str(), company(&made).domain.as_deref()), ("Acme Two", None));
        assert_eq!(company(&made).industry.as_deref(), Some("Steel"));
        let contact = made.contact.as_ref().unwrap();
        assert_eq!((contact.job_title.as_deref(), contact.email.as_deref()), (Some("CTO"), None));
        // On an existing record, given fields are set and fields from the lead only fill blanks.
        let id = lead(&world, of("U", "w@acme.example", "Acme", "acme.example")).await;
        let how = ConvertLead { company_fields: CompanyPatch::new().industry("Wood".to_owned()), ..Default::default() };
        let again = world.crm.leads(&world.admin).convert(id, how).await.unwrap().into_value();
        assert_eq!((company(&again).id, company(&again).industry.as_deref()), (company(&acme).id, Some("Wood")));
        assert_eq!(again.lead.converted_contact_by, Some(Matched::Email));

        let id = lead(&world, of("T", "", "", "")).await;
        let bad = NewDeal {
            title: "D".into(),
            value: Some(Money { amount: "-1".parse().unwrap(), currency: Currency::EUR }),
            ..Default::default()
        };
        let how = ConvertLead {
            company_fields: CompanyPatch::new().name("x".repeat(300)),
            contact_fields: ContactPatch::new().emails(vec!["none".into()]),
            open_deal: Some(bad.into()),
            ..Default::default()
        };
        let all = faults(world.crm.leads(&world.admin).convert(id, how).await);
        for field in ["company.name", "contact.emails[0].email", "deal.value"] {
            assert!(all.iter().any(|fault| fault.starts_with(field)), "{field} in {all:?}");
        }
    });
}

#[test]
fn who_may_not_see_the_holder_converts_and_learns_nothing() {
    run(async {
        let world = World::new().await;
        // Owned by the administrator, without a team: the representative sees neither.
        contact(&world, "held@acme.example").await;
        let held = NewCompany { name: "Acme GmbH".into(), domain: Some("acme.example".into()), ..Default::default() };
        let held = world.crm.companies(&world.admin).create(held).await.unwrap().id;
        let role = world
            .role(
                "own",
                crate::support::grants(
                    &[Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal],
                    &[
                        crm_core::access::Action::Read,
                        crm_core::access::Action::Create,
                        crm_core::access::Action::Update,
                    ],
                    crm_core::access::Scope::Own,
                ),
                vec![],
            )
            .await;
        let rep = world.actor_with("own", vec![role.id]).await;
        let new = NewLead { owner_id: rep.user(), ..of("R", "held@acme.example", "Acme GmbH", "acme.example") };
        let id = lead(&world, new).await;
        let made = world.crm.leads(&rep).convert(id, ConvertLead::default()).await.unwrap();
        let (contact, company) = (made.contact.as_ref().unwrap(), made.company.as_ref().unwrap());
        assert_ne!(company.id, held);
        assert_eq!((&company.domain, &contact.email), (&None, &None));
        assert_eq!(
            (made.lead.converted_contact_by, made.lead.converted_company_by),
            (Some(Matched::New), Some(Matched::New))
        );
        // An explicitly requested record is rejected as usual.
        let id = lead(&world, NewLead { owner_id: rep.user(), ..of("Q", "", "Q", "") }).await;
        let how = ConvertLead { contact: Target::Existing(held.erase().typed()), ..Default::default() };
        assert!(world.crm.leads(&rep).convert(id, how).await.is_err());
        assert_fault(
            world
                .crm
                .leads(&rep)
                .convert(id, ConvertLead { contact: Target::Skip, company: Target::Skip, ..Default::default() })
                .await,
            "contact required",
        );
    });
}

#[test]
fn each_of_those_that_are_called_the_same_is_found_by_who_sees_it() {
    run(async {
        let world = World::new().await;
        let new = |name: &str, domain: Option<&str>| NewCompany {
            name: name.into(),
            domain: domain.map(Into::into),
            ..Default::default()
        };
        let all = world.crm.companies(&world.admin);
        let hidden_one = all.create(new("Vis GmbH", None)).await.unwrap().id;
        let rep = world.restricted_rep("plain", vec![]).await;
        let own = NewCompany { owner_id: rep.user(), ..new("Vis GmbH", None) };
        let own = all.create(own).await.unwrap().id;
        for _ in 0..2 {
            let id = lead(&world, NewLead { owner_id: rep.user(), ..of("L", "", "Vis GmbH", "") }).await;
            let made = world.crm.leads(&rep).convert(id, ConvertLead::default()).await.unwrap().into_value();
            assert_eq!((company(&made).id, made.lead.converted_company_by), (own, Some(Matched::Name)));
        }
        // If the existing one is not visible, a new one is created once, and found afterwards.
        all.create(new("Hid GmbH", None)).await.unwrap();
        let mut found = Vec::new();
        for _ in 0..3 {
            let id = lead(&world, NewLead { owner_id: rep.user(), ..of("L", "", "Hid GmbH", "") }).await;
            let made = world.crm.leads(&rep).convert(id, ConvertLead::default()).await.unwrap().into_value();
            found.push(company(&made).id);
        }
        assert!(found[0] == found[1] && found[1] == found[2] && found[0] != hidden_one, "{found:?}");
        // Of two companies with the same name, the one with the domain of the lead's address.
        all.create(new("Mü GmbH", Some("mu-berlin.example"))).await.unwrap();
        let koeln = all.create(new("Mü GmbH", Some("mu-koeln.example"))).await.unwrap().id;
        let made = convert(&world, of("L", "x@mu-koeln.example", "Mü GmbH", "")).await;
        assert_eq!((company(&made).id, made.lead.converted_company_by), (koeln, Some(Matched::Domain)));
    });
}

#[test]
fn nothing_is_found_by_a_field_that_is_hidden() {
    run(async {
        let world = World::new().await;
        let rules = vec![hidden(Kind::Contact, "emails"), hidden(Kind::Company, "domain")];
        let rep = world.restricted_rep("blind", rules).await;
        let known = NewContact {
            owner_id: rep.user(),
            emails: vec!["k@kk.example".into()],
            name: "K".into(),
            ..Default::default()
        };
        world.crm.contacts(&world.admin).create(known).await.unwrap();
        let firm = NewCompany {
            owner_id: rep.user(),
            domain: Some("kk.example".into()),
            name: "Other".into(),
            ..Default::default()
        };
        world.crm.companies(&world.admin).create(firm).await.unwrap();
        let new = NewLead { owner_id: rep.user(), ..of("L", "k@kk.example", "Third", "https://kk.example") };
        let id = lead(&world, new).await;
        let made = world.crm.leads(&rep).convert(id, ConvertLead::default()).await.unwrap();
        assert_eq!(
            (made.lead.converted_contact_by, made.lead.converted_company_by),
            (Some(Matched::New), Some(Matched::New))
        );
    });
}

#[test]
fn a_way_back_takes_back_no_restriction() {
    run(async {
        let world = World::new().await;
        let known = contact(&world, "o2@o.example").await;
        let mut converted = Vec::new();
        for _ in 0..2 {
            let new = NewLead { do_not_email: true, ..of("L", "o2@o.example", "", "") };
            let made = convert(&world, new).await;
            assert_eq!(made.contact.unwrap().id, known);
            converted.push(made.lead.id);
        }
        for id in converted {
            world.crm.leads(&world.admin).unconvert(id).await.unwrap();
            assert!(world.crm.contacts(&world.admin).get(known).await.unwrap().do_not_email);
        }
    });
}
