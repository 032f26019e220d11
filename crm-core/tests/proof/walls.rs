//! Tenant isolation: with an id of another tenant, every use case of every kind returns the same as with an unknown id.

use std::{fmt::Debug, pin::Pin};

use crm_core::{
    Crm, Error, MemoryStore,
    access::{Action, Actor},
    associations::NewAssociation,
    catalog::{self, KindVisitor},
    collection::Collection,
    companies::{Company, CompanyPatch, NewCompany},
    contacts::NewContact,
    deals::NewDeal,
    filter::Filter,
    interactions::{NewInteraction, Participant},
    leads::{ConvertLead, LeadPatch, NewLead, Target},
    listing::ListQuery,
    notes::NewNote,
    pipelines::Stage,
    properties::NewProperty,
    rates::NewRate,
    roles::{NewRole, Role},
    schema::{FieldType, Patch, RecordKind},
    store::CommitId,
    tasks::NewTask,
    teams::{NewTeam, Team},
    users::{Handover, NewUser},
    value::{Currency, Date, Decimal, Id, Kind, Ref, Value},
};

use crate::support::{World, faults, run};

/// Checks the use cases common to all kinds with an id of another tenant.
async fn nothing_of<K: RecordKind>(records: Collection<'_, K>, id: Id<K>, commit: CommitId) {
    let not_found = |what: &str, result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::NotFound(kind)) if kind == K::KIND), "{} {what}: {result:?}", K::KIND);
    };
    not_found("get", records.get(id).await.map(drop));
    not_found("update", records.update(id, Patch::new()).await.map(drop));
    not_found("update of something", records.update(id, Patch::new().external_id("x")).await.map(drop));
    not_found("if_version", records.update(id, Patch::new()).if_version(1).await.map(drop));
    not_found("based_on", records.update(id, Patch::new()).based_on(1).await.map(drop));
    not_found("plan", records.update(id, Patch::new()).plan().await.map(drop));
    not_found("archive", records.archive(id).await.map(drop));
    not_found("restore", records.restore(id, Patch::new()).await.map(drop));
    not_found("undo", records.undo(id, commit).await.map(drop));
    not_found("roll_back", records.roll_back(id, 1).await.map(drop));
    not_found("history", records.history(id).await.map(drop));
    not_found("history_page", records.history_page(id, None, None, 10).await.map(drop));
    not_found("as_of", records.as_of(id, crm_core::value::Time::MAX).await.map(drop));
    not_found("stage_intervals", records.stage_intervals(id).await.map(drop));
    not_found("stage_times", records.stage_times(id).await.map(drop));
    not_found("explain", records.explain(id, Action::Read).await.map(drop));
    not_found("find", records.find("external_id", "theirs").await.map(drop));
}

/// Seeks a record of another tenant by every use case.
struct Seeker<'a> {
    crm: &'a Crm,
    me: &'a Actor,
    id: Id,
    commit: CommitId,
}

impl<'a> KindVisitor for Seeker<'a> {
    type Output = Pin<Box<dyn Future<Output = ()> + 'a>>;
    fn visit<K: RecordKind>(self) -> Self::Output {
        Box::pin(async move { nothing_of(self.crm.collection::<K>(self.me), self.id.typed(), self.commit).await })
    }
}

/// Makes a record of a kind from what its declaration requires.
struct Maker<'a> {
    crm: &'a Crm,
    actor: &'a Actor,
}

impl<'a> KindVisitor for Maker<'a> {
    type Output = Pin<Box<dyn Future<Output = Ref> + 'a>>;
    fn visit<K: RecordKind>(self) -> Self::Output {
        Box::pin(async move {
            let mut patch = Patch::<K>::new().external_id("theirs");
            for (at, field) in K::decl().fields.iter().enumerate().filter(|(_, field)| field.marks.required) {
                let value = match field.ty {
                    FieldType::Text(_) | FieldType::LongText | FieldType::Key => Value::text("theirs"),
                    FieldType::Choice(names) => Value::text(names[0]),
                    other => panic!("{}.{} is required: make up a {other:?} here", K::KIND, field.name),
                };
                patch = patch.set(at, value);
            }
            let made = self.crm.collection::<K>(self.actor).create_from(patch).await.unwrap();
            Ref::new(K::KIND, made.id)
        })
    }
}

/// Whether records of a kind are created by themselves.
fn is_created(kind: Kind) -> bool {
    !kind.is_internal() && !catalog::decl(kind).behavior.made_by_use_cases && kind != Kind::ScoringModel
}

/// One record of each kind of a tenant.
struct Theirs {
    ids: Vec<Ref>,
    commit: CommitId,
    stage: Id<Stage>,
}

async fn fill(crm: &Crm, actor: &Actor, world: &World) -> Theirs {
    let key = Some("theirs".to_owned());
    let mut ids = vec![
        Ref::new(Kind::Organization, actor.tenant()),
        Ref::new(Kind::Team, world.team.id),
        Ref::new(Kind::Pipeline, world.deal_pipeline.id),
        Ref::new(Kind::User, world.rep_user.id),
        Ref::new(Kind::Lead, world.lead.id),
    ];
    let role = NewRole { key: "r".into(), name: "R".into(), external_id: key.clone(), ..Default::default() };
    let role = crm.roles(actor).create(role).await.unwrap();
    let commit = role.commit.unwrap();
    ids.push(Ref::new(Kind::Role, role.id));
    let property = NewProperty {
        kind: Some(Kind::Lead),
        key: "p".into(),
        name: "P".into(),
        unique: true,
        external_id: key.clone(),
        ..Default::default()
    };
    ids.push(Ref::new(Kind::Property, crm.properties(actor).create(property).await.unwrap().id));
    let rate = NewRate {
        currency: Some(Currency::EUR),
        day: Some(Date::from_ymd(2026, 1, 1).unwrap()),
        rate: Decimal::from(2),
        external_id: key.clone(),
        ..Default::default()
    };
    ids.push(Ref::new(Kind::Rate, crm.rates(actor).create(rate).await.unwrap().id));
    let company = NewCompany {
        name: "C".into(),
        domain: Some("c.example".into()),
        external_id: key.clone(),
        ..Default::default()
    };
    let company = crm.companies(actor).create(company).await.unwrap();
    ids.push(Ref::new(Kind::Company, company.id));
    let contact = NewContact {
        name: "C".into(),
        emails: vec!["c@c.example".into()],
        external_id: key.clone(),
        ..Default::default()
    };
    let contact = crm.contacts(actor).create(contact).await.unwrap();
    ids.push(Ref::new(Kind::Contact, contact.id));
    let deal = NewDeal { title: "D".into(), external_id: key.clone(), ..Default::default() };
    ids.push(Ref::new(Kind::Deal, crm.deals(actor).create(deal).await.unwrap().id));
    let links = vec![Ref::new(Kind::Contact, contact.id)];
    let task = NewTask { title: "T".into(), links: links.clone(), external_id: key.clone(), ..Default::default() };
    ids.push(Ref::new(Kind::Task, crm.tasks(actor).create(task).await.unwrap().id));
    let meeting = NewInteraction {
        r#type: "meeting".into(),
        subject: "M".into(),
        links: links.clone(),
        external_id: key.clone(),
        ..Default::default()
    };
    ids.push(Ref::new(Kind::Interaction, crm.interactions(actor).create(meeting).await.unwrap().id));
    let note = NewNote { content: "N".into(), links, external_id: key.clone(), ..Default::default() };
    ids.push(Ref::new(Kind::Note, crm.notes(actor).create(note).await.unwrap().id));
    let association = NewAssociation {
        from: Some(Ref::new(Kind::Contact, contact.id)),
        to: Some(Ref::new(Kind::Company, company.id)),
        label: "works_at".into(),
        external_id: key,
        ..Default::default()
    };
    ids.push(Ref::new(Kind::Association, crm.associations(actor).create(association).await.unwrap().id));
    // Kinds for which nothing is written above.
    for &kind in Kind::ALL {
        if is_created(kind) && ids.iter().all(|record| record.kind != kind) {
            ids.push(catalog::visit(kind, Maker { crm, actor }).await);
        }
    }
    Theirs { ids, commit, stage: world.deal_pipeline.first_stage().unwrap().id }
}

/// Two tenants on one store, and the records of the first.
async fn two() -> (World, World, Theirs) {
    let store = MemoryStore::new();
    let one = World::on(store.clone(), 1).await;
    let theirs = fill(&one.crm, &one.admin, &one).await;
    // One CRM over both: what it caches of one tenant must not be used for the other.
    let two = World::on(store, 2).await;
    (one, two, theirs)
}

#[test]
fn every_use_case_of_every_kind_finds_nothing() {
    run(async {
        let (one, two, theirs) = two().await;
        let before = one.snapshot();
        // Kinds of which only use cases make records are covered by the tests of those.
        let created = Kind::ALL.iter().filter(|&&kind| is_created(kind)).count();
        assert_eq!(theirs.ids.len(), created, "one record of each kind");
        let crm = &one.crm;
        let me = &two.admin;
        let nobody: Id = Id::from_parts(7, [7; 10]);
        for target in &theirs.ids {
            for id in [target.id, nobody] {
                let seeker = Seeker { crm, me, id, commit: theirs.commit };
                catalog::visit(target.kind, seeker).await;
                let timeline = crm.timeline(me).of(Ref::new(target.kind, id), None, 10).await;
                assert!(matches!(timeline, Err(Error::NotFound(_))), "{timeline:?}");
            }
        }
        assert!(one.snapshot() == before, "nothing is stored");
    });
}

#[test]
fn the_use_cases_of_single_kinds_find_nothing() {
    run(async {
        let (one, two, theirs) = two().await;
        let before = one.snapshot();
        let (crm, me) = (&one.crm, &two.admin);
        let of = |kind: Kind| theirs.ids.iter().find(|record| record.kind == kind).unwrap().id;
        let not_found = |what: &str, result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::NotFound(_))), "{what}: {result:?}");
        };
        let (lead, deal, task, user, pipeline) =
            (of(Kind::Lead), of(Kind::Deal), of(Kind::Task), of(Kind::User), of(Kind::Pipeline));
        not_found("convert", crm.leads(me).convert(lead.typed(), ConvertLead::default()).await.map(drop));
        not_found("unconvert", crm.leads(me).unconvert(lead.typed()).await.map(drop));
        not_found("move lead", crm.leads(me).move_to(lead.typed(), "contacted").await.map(drop));
        not_found("disqualify", crm.leads(me).disqualify(lead.typed(), "no").await.map(drop));
        not_found("move deal", crm.deals(me).move_to(deal.typed(), "proposal").await.map(drop));
        not_found("win", crm.deals(me).win(deal.typed()).await.map(drop));
        not_found("lose", crm.deals(me).lose(deal.typed(), "no").await.map(drop));
        not_found("board", crm.deals(me).board(pipeline.typed(), &ListQuery::new()).await.map(drop));
        not_found("complete", crm.tasks(me).complete(task.typed(), None).await.map(drop));
        not_found("deactivate", crm.users(me).deactivate(user.typed(), Handover::Leave).await.map(drop));
        not_found("activate", crm.users(me).activate(user.typed()).await.map(drop));
        not_found(
            "retire",
            crm.pipelines(me).retire_stage(pipeline.typed(), "proposal", "negotiation").await.map(drop),
        );
        not_found("actor", crm.actor(me.tenant(), user.typed()).await.map(drop));
        // Their unique values are available here, and find nothing.
        not_found("find domain", crm.companies(me).find("domain", "c.example").await.map(drop));
        not_found("find e-mail", crm.contacts(me).find("email", "c@c.example").await.map(drop));
        assert!(one.snapshot() == before, "nothing is stored");
        let hand_over = crm.users(me).deactivate(two.rep_user.id, Handover::TransferTo(user.typed())).await;
        assert!(hand_over.is_err(), "{hand_over:?}");
        let convert = |how: ConvertLead| crm.leads(me).convert(two.lead.id, how);
        let target = Target::Existing(of(Kind::Contact).typed());
        not_found("into their contact", convert(ConvertLead { contact: target, ..Default::default() }).await.map(drop));
        let target = Target::Existing(of(Kind::Company).typed());
        not_found("into their company", convert(ConvertLead { company: target, ..Default::default() }).await.map(drop));
    });
}

/// Asserts that the faults of an input do not depend on whether a record exists in another tenant or nowhere.
fn same<T: Debug>(theirs: Result<T, Error>, nowhere: Result<T, Error>) {
    let (theirs, nowhere) = (faults(theirs), faults(nowhere));
    assert_eq!(theirs, nowhere);
    assert!(
        theirs.iter().all(|fault| fault.ends_with("not_found") || fault.ends_with("unknown_pipeline")),
        "{theirs:?}"
    );
}

#[test]
fn references_across_the_wall_are_references_to_nothing() {
    run(async {
        let (one, two, theirs) = two().await;
        let before = one.snapshot();
        let (crm, me) = (&one.crm, &two.admin);
        let of = |kind: Kind| theirs.ids.iter().find(|record| record.kind == kind).unwrap().id;
        let nobody: Id = Id::from_parts(7, [7; 10]);
        let lead = async |patch: &dyn Fn(Id) -> LeadPatch, kind: Kind| {
            same(
                crm.leads(me).update(two.lead.id, patch(of(kind))).await,
                crm.leads(me).update(two.lead.id, patch(nobody)).await,
            );
        };
        lead(&|id| LeadPatch::new().owner_id(id.typed()), Kind::User).await;
        lead(&|id| LeadPatch::new().team_id(id.typed()), Kind::Team).await;
        lead(&|id| LeadPatch::new().pipeline_id(id.typed()), Kind::Pipeline).await;
        lead(&|id| LeadPatch::new().shared_with([Ref::new(Kind::User, id)]), Kind::User).await;
        lead(&|id| LeadPatch::new().shared_with([Ref::new(Kind::Team, id)]), Kind::Team).await;
        let contact = async |make: &dyn Fn(Id) -> NewContact, kind: Kind| {
            same(crm.contacts(me).create(make(of(kind))).await, crm.contacts(me).create(make(nobody)).await);
        };
        contact(
            &|id| NewContact { name: "X".into(), company_id: Some(id.typed()), ..Default::default() },
            Kind::Company,
        )
        .await;
        let company = async |id: Id<Company>| {
            crm.companies(me).create(NewCompany { name: "X".into(), parent_id: Some(id), ..Default::default() }).await
        };
        same(company(of(Kind::Company).typed()).await, company(nobody.typed()).await);
        let task = async |target: Ref| {
            crm.tasks(me).create(NewTask { title: "X".into(), links: vec![target], ..Default::default() }).await
        };
        for kind in [Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal] {
            same(task(Ref::new(kind, of(kind))).await, task(Ref::new(kind, nobody)).await);
        }
        let meeting = async |target: Ref| {
            let mine = Ref::new(Kind::Lead, two.lead.id);
            let participant = Participant { reference: Some(target), ..Default::default() };
            let new = NewInteraction {
                r#type: "meeting".into(),
                subject: "X".into(),
                links: vec![mine],
                participants: vec![participant],
                ..Default::default()
            };
            crm.interactions(me).create(new).await
        };
        same(meeting(Ref::new(Kind::Contact, of(Kind::Contact))).await, meeting(Ref::new(Kind::Contact, nobody)).await);
        let user = async |role: Id<Role>| {
            let new = NewUser { external_id: Some("u".into()), role_ids: vec![role], ..Default::default() };
            crm.users(me).create(new).await
        };
        same(user(of(Kind::Role).typed()).await, user(nobody.typed()).await);
        let team = async |parent: Id<Team>| {
            crm.teams(me).create(NewTeam { name: "X".into(), parent_id: Some(parent), ..Default::default() }).await
        };
        same(team(of(Kind::Team).typed()).await, team(nobody.typed()).await);
        let deal = |stage: Id<Stage>| {
            crm.deals(me).create(NewDeal { title: "X".into(), stage_id: Some(stage), ..Default::default() })
        };
        assert_eq!(faults(deal(theirs.stage).await), faults(deal(nobody.typed()).await));
        assert!(one.snapshot() == before, "nothing is stored");
    });
}

#[test]
fn lists_counts_cursors_and_actors_stay_inside() {
    run(async {
        let (one, two, _) = two().await;
        let crm = &one.crm;
        for _ in 0..3 {
            let new = NewLead { name: "L".into(), ..Default::default() };
            crm.leads(&one.admin).create(new.clone()).await.unwrap();
            crm.leads(&two.admin).create(new).await.unwrap();
        }
        let query = ListQuery::new().limit(2);
        let page = crm.leads(&one.admin).list(&query).await.unwrap();
        let stolen = query.clone().cursor(page.next_cursor.clone().unwrap());
        assert_eq!(faults(crm.leads(&two.admin).list(&stolen).await), ["cursor bad_cursor"]);
        assert_eq!(faults(crm.leads(&one.manager).list(&stolen).await), ["cursor bad_cursor"]);
        assert_eq!(crm.leads(&two.admin).count(Filter::all([])).await.unwrap(), 4);
        let mut seen = Vec::new();
        crm.leads(&two.admin)
            .for_each(ListQuery::new(), |lead| {
                seen.push(lead.id);
                Ok(())
            })
            .await
            .unwrap();
        assert!(!seen.contains(&one.lead.id) && seen.len() == 4);
        // An actor with ids of two tenants is an actor of one tenant without rights.
        let owner = one.rep_user.id;
        let mixed = Actor::trusted(two.admin.tenant(), owner, one.rep.roles().to_vec(), one.rep.teams().to_vec());
        assert!(matches!(crm.leads(&mixed).get(two.lead.id).await, Err(Error::NotFound(_))));
        assert!(matches!(crm.leads(&mixed).list(&ListQuery::new()).await, Err(Error::Forbidden { .. })));
        // The same unique values can be used in both tenants.
        let new = NewCompany { name: "C".into(), domain: Some("c.example".into()), ..Default::default() };
        crm.companies(&two.admin).create(new).await.unwrap();
        let patch = CompanyPatch::new().external_id("theirs");
        let found = crm.companies(&two.admin).find("domain", "c.example").await.unwrap();
        crm.companies(&two.admin).update(found.id, patch).await.unwrap();
        // An idempotency key belongs to a tenant.
        let created = crm.leads(&one.admin).create(NewLead { name: "K".into(), ..Default::default() });
        let created = created.idempotency_key("k").await.unwrap();
        let again = crm.leads(&two.admin).create(NewLead { name: "K".into(), ..Default::default() });
        assert_ne!(again.idempotency_key("k").await.unwrap().id, created.id);
    });
}

#[test]
fn a_tenant_that_was_never_made_can_do_nothing() {
    run(async {
        let world = World::new().await;
        let ghost = Actor::trusted(
            Id::from_parts(1, [1; 10]),
            world.admin.user().unwrap(),
            world.admin.roles().to_vec(),
            vec![],
        );
        assert!(world.crm.leads(&ghost).create(NewLead { name: "X".into(), ..Default::default() }).await.is_err());
        assert!(matches!(world.crm.leads(&ghost).list(&ListQuery::new()).await, Err(Error::Forbidden { .. })));
    });
}
