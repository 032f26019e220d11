//! A newer program writes beside this one. What this one does not know it reads, leaves alone and keeps: keys of
//! structures, choices, conditions, values.

use std::{collections::BTreeMap, sync::Arc};

use crm_core::{
    Error,
    access::{Action, FieldAccess, Grant, Permission, Scope},
    change::FieldChange,
    contacts::{ContactPatch, NewContact},
    deals::{DealPatch, NewDeal},
    filter::{Filter, Op},
    jobs::JobStatus,
    leads::{LeadPatch, NewLead},
    listing::ListQuery,
    organizations::{OrganizationPatch, WeekStart},
    pipelines::{PipelinePatch, Stage, StageKind},
    properties::{NewProperty, PropertyPatch, PropertyType},
    roles::{NewRole, RolePatch},
    schema::{Group, Image, Patch, RecordKind},
    scoring::{ScoringModel, ScoringModelPatch},
    store::{Claim, ClaimOp, Commit, Got, History as _, HistoryQuery, Records as _, Want, Write},
    tasks::{NewTask, Priority, TaskPatch, TaskStatus},
    users::{Handover, User, UserPatch},
    value::{Choice, Id, Kind, Ref, Time, Value},
};
use serde_json::{Value as Json, json};

use crate::support::{World, assert_fault, assert_forbidden, grants, run, stage};

/// What the store holds.
async fn stored(world: &World, record: Ref) -> Arc<Image> {
    match world.store.get(world.admin.tenant(), &[Want::Record(record)]).await.unwrap().got.pop() {
        Some(Got::Record(Some(image))) => image,
        other => panic!("{other:?}"),
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Json(json) => json.as_ref().clone(),
        Value::List(items) => items.iter().map(json_of).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

/// The JSON of a structured field, as it is stored.
async fn stored_json(world: &World, record: Ref, field: &str) -> Json {
    json_of(stored(world, record).await.get(field))
}

fn objects(json: Json) -> Value {
    match json {
        Json::Array(items) => Value::list(items.into_iter().map(|item| Value::Json(Arc::new(item)))),
        one => Value::Json(Arc::new(one)),
    }
}

/// Writes a field of a record straight into the store, as tomorrow's program does.
async fn write(world: &World, record: Ref, field: &str, value: Value) {
    write_claiming(world, record, field, value, Vec::new()).await;
}

/// And with what it claims.
async fn write_claiming(world: &World, record: Ref, field: &str, value: Value, claims: Vec<ClaimOp>) {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let before = stored(world, record).await;
    let at = before.decl.position(field).expect("a field");
    let mut after = before.as_ref().clone();
    let old = std::mem::replace(&mut after.values[at], value.clone());
    let group = before.decl.fields[at].section.group();
    let query = HistoryQuery { tenant: before.tenant, record, field: None, descending: true, after: None, limit: 1 };
    let mut change = world.store.history(&query).await.unwrap().changes.remove(0);
    let id = Id::from_parts(NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst), [9; 10]);
    (change.commit, change.action, change.stage_move) = (id, "update".into(), None);
    change.fields = match &value {
        Value::Map(map) => map
            .iter()
            .map(|(key, new)| FieldChange {
                field: format!("properties.{key}").into(),
                old: old.as_map().and_then(|old| old.get(key)).cloned().unwrap_or_default(),
                new: new.clone(),
            })
            .collect(),
        _ => vec![FieldChange { field: field.to_owned().into(), old, new: value }],
    };
    let changes = if group == Group::User && before.decl.fields[at].is_logged() {
        after.versions.person += 1;
        change.version = after.versions.person;
        vec![change]
    } else if group == Group::User {
        panic!("derived with another")
    } else {
        after.versions.machine += 1;
        Vec::new()
    };
    let write = Write { before: Some(before), after: Arc::new(after), changes };
    let commit = Commit {
        id,
        tenant: world.admin.tenant(),
        at: world.clock.now(),
        writes: vec![write],
        guards: Vec::new(),
        claims,
        key: None,
    };
    world.store.commit(&commit).await.expect("tomorrow's write");
}

fn patch<K: RecordKind>(json: Json) -> Patch<K> {
    Patch::from_json(json.as_object().unwrap()).expect("fields")
}

#[test]
fn stages_keep_what_is_unknown_and_nothing_goes_where_its_meaning_is() {
    run(async {
        let world = World::new().await;
        let (crm, admin) = (&world.crm, &world.admin);
        let pipelines = crm.pipelines(admin);
        let pipeline = Ref::new(Kind::Pipeline, world.deal_pipeline.id);
        let mut stages = stored_json(&world, pipeline, "stages").await;
        let paused: Id<Stage> = "0190c5e0-0000-7000-8000-0000000000aa".parse().unwrap();
        stages[0]["sla"] = json!({"hours": 4});
        stages[1]["gate"] = json!({"and": [
            {"field": "value", "op": "near", "value": 5},
            {"not": {"ask": "an oracle"}},
        ]});
        stages[2]["forecast_category"] = json!("upside");
        stages[2]["required_fields"] = json!(["mood"]);
        stages.as_array_mut().unwrap().push(json!({
            "id": paused, "key": "paused", "name": "Paused", "position": 9, "kind": "paused", "probability": 50,
            "required_fields": [], "allowed_from": [], "forecast_category": "pipeline", "retired": false, "wakes": 1,
        }));
        write(&world, pipeline, "stages", objects(stages.clone())).await;

        // It is read and shown.
        let read = pipelines.get(pipeline.id.typed()).await.unwrap();
        let kind = read.stage(paused).unwrap().kind;
        assert!(matches!(kind, StageKind::Unknown(_)) && kind.is_open());
        assert_eq!(kind.to_string(), "paused");
        assert!(matches!(read.stages[1].gate, Some(Filter::All { .. })));
        assert_eq!(serde_json::to_value(&read.stages[1].gate).unwrap(), stages[1]["gate"]);
        let shown = serde_json::to_value(pipelines.view(pipeline.id.typed()).await.unwrap().only(None)).unwrap();
        assert_eq!(shown["stages"], stages);
        assert!(!StageKind::NAMES.contains(&"paused"));

        // It is edited by what was read, one stage and all of them, typed and as JSON.
        let mut typed = read.stages.clone();
        typed[0].name = "Looking".into();
        typed[1].name = "Asking".into();
        typed[5].probability = 51;
        pipelines.update(pipeline.id.typed(), PipelinePatch::new().stages(typed)).await.unwrap();
        let mut expected = stages.clone();
        expected[0]["name"] = json!("Looking");
        expected[1]["name"] = json!("Asking");
        for stage in expected.as_array_mut().unwrap().iter_mut().filter(|stage| stage["key"] == "closed_lost") {
            stage["probability"] = json!(0);
        }
        assert_eq!(stored_json(&world, pipeline, "stages").await, expected);
        let mut sent = expected.clone();
        sent[2]["name"] = json!("Offering");
        sent[2].as_object_mut().unwrap().remove("color");
        pipelines.update(pipeline.id.typed(), patch(json!({"stages": sent}))).await.unwrap();
        assert_eq!(stored_json(&world, pipeline, "stages").await, sent);
        // A client that does not know the keys sends what it knows.
        let mut plain = sent.clone();
        plain[0].as_object_mut().unwrap().remove("sla");
        plain[0]["name"] = json!("Finding");
        let commit =
            pipelines.update(pipeline.id.typed(), patch(json!({"stages": plain}))).await.unwrap().commit.unwrap();
        sent[0]["name"] = json!("Finding");
        assert_eq!(stored_json(&world, pipeline, "stages").await, sent);
        pipelines.update(pipeline.id.typed(), PipelinePatch::new().name("Selling")).await.unwrap();
        assert_eq!(stored_json(&world, pipeline, "stages").await, sent);

        // From outside nothing new of the kind is taken, and each is named.
        let mut new = sent.clone();
        new[0]["sla"] = json!({"hours": 5});
        new[1]["colour"] = json!("red");
        new[2]["forecast_category"] = json!("downside");
        new[3]["kind"] = json!("paused");
        let refused = pipelines.update(pipeline.id.typed(), patch(json!({"stages": new}))).await;
        let all = crate::support::faults(refused);
        assert_eq!(
            all,
            [
                "stages[0].sla unknown_field",
                "stages[1].colour unknown_field",
                "stages[2].forecast_category unknown_choice",
                "stages[3].kind unknown_choice",
            ]
        );
        let mut wrong = sent.clone();
        wrong[1]["position"] = json!("first");
        assert_fault(
            pipelines.update(pipeline.id.typed(), patch(json!({"stages": wrong}))).await,
            "stages[1].position wrong_type",
        );
        wrong[1]["position"] = json!(2);
        wrong[1]["gate"] = json!({"field": "value", "op": "far", "value": 5});
        assert_fault(
            pipelines.update(pipeline.id.typed(), patch(json!({"stages": wrong}))).await,
            "stages[1].gate wrong_type",
        );

        // Records move among what is known.
        let deals = crm.deals(&world.rep);
        let new = || NewDeal { title: "Ten".into(), ..Default::default() };
        let deal = deals.create(new()).await.unwrap().into_value();
        assert_eq!(deal.status, "prospecting");
        assert_fault(deals.move_to(deal.id, "qualification").await, "stage_id gate");
        assert_fault(deals.move_to(deal.id, "proposal").await, "mood required_by_stage");
        assert_fault(deals.move_to(deal.id, "paused").await, "stage_id unknown_stage_kind");
        let created = deals.create(NewDeal { stage_id: Some(paused), ..new() }).await;
        assert_fault(created, "stage_id unknown_stage_kind");
        let moved = deals.move_to(deal.id, "negotiation").await.unwrap();
        let back = deals.undo(deal.id, moved.commit.unwrap()).await.unwrap();
        assert_eq!(back.status, "prospecting");

        // What stands in the unknown stage is read, listed, edited and undone, and stays there.
        let record = Ref::new(Kind::Deal, deal.id);
        write(&world, record, "stage_id", Value::from(paused)).await;
        let edited = deals.update(deal.id, DealPatch::new().title("Eleven")).await.unwrap();
        assert_eq!((edited.stage_id, edited.stage_kind), (Some(paused), kind));
        assert_eq!(edited.actual_close_date, None);
        assert_fault(deals.move_to(deal.id, "negotiation").await, "stage_id unknown_stage_kind");
        assert_fault(deals.win(deal.id).await, "stage_id unknown_stage_kind");
        let undone = deals.undo(deal.id, edited.commit.unwrap()).await.unwrap();
        assert_eq!((undone.title.as_str(), undone.stage_id), ("Ten", Some(paused)));
        assert_eq!(deals.list(&ListQuery::new()).await.unwrap().items.len(), 1);
        deals.history(deal.id).await.unwrap();
        deals.stage_times(deal.id).await.unwrap();
        deals.as_of(deal.id, world.clock.now()).await.unwrap().unwrap();
        let board = pipelines.view_board(pipeline.id.typed(), &ListQuery::new()).await.unwrap();
        assert_eq!(board.iter().find(|column| column.stage.id == paused).unwrap().count, 1);
        crm.kinds(admin).await.unwrap();

        // An edit of the stages is undone, and what was unknown before it is there.
        pipelines.undo(pipeline.id.typed(), commit).await.unwrap();
        let stages = stored_json(&world, pipeline, "stages").await;
        assert_eq!(stages[0]["name"], "Looking");
        assert_eq!((&stages[0]["sla"], &stages[6]["wakes"]), (&json!({"hours": 4}), &json!(1)));
        assert_eq!(stages[2]["forecast_category"], "upside");
    });
}

#[test]
fn a_pipeline_of_an_unknown_kind_is_there_and_nothing_goes_through_it() {
    run(async {
        let world = World::new().await;
        let extra =
            world.pipeline("Returns", vec![crm_core::pipelines::Stage::new("in", "In", StageKind::Open, 1)]).await;
        let record = Ref::new(Kind::Pipeline, extra.id);
        let name = |name: &str| Claim::new(world.admin.tenant(), Kind::Pipeline, "name", name);
        let claims = vec![
            ClaimOp::Release { claim: name("deal returns"), holder: record },
            ClaimOp::Take { claim: name("ticket returns"), holder: record },
        ];
        write_claiming(&world, record, "kind", Value::text("ticket"), claims).await;
        let pipelines = world.crm.pipelines(&world.admin);
        assert_eq!(pipelines.get(extra.id).await.unwrap().kind.to_string(), "ticket");
        pipelines.update(extra.id, PipelinePatch::new().name("Complaints")).await.unwrap();
        let image = stored(&world, Ref::new(Kind::Pipeline, extra.id)).await;
        assert_eq!(image.get("kind"), &Value::text("ticket"));
        let deals = world.crm.deals(&world.rep);
        let new = NewDeal { title: "X".into(), pipeline_id: Some(extra.id), ..Default::default() };
        assert_fault(deals.create(new).await, "pipeline_id unknown_pipeline");
        crate::support::assert_not_found(pipelines.view_board(extra.id, &ListQuery::new()).await);
        deals.create(NewDeal { title: "Y".into(), ..Default::default() }).await.unwrap();
    });
}

#[test]
fn choices_elements_and_references_of_records_stay() {
    run(async {
        let world = World::new().await;
        let tasks = world.crm.tasks(&world.rep);
        let lead = Ref::new(Kind::Lead, world.lead.id);
        let new = NewTask { title: "Call".into(), links: vec![lead], ..Default::default() };
        let id = tasks.create(new).await.unwrap().id;
        let task = Ref::new(Kind::Task, id);
        let gadget =
            Value::Opaque(Arc::new(json!({"r": {"kind": "gadget", "id": "0190c5e0-0000-7000-8000-0000000000bb"}})));
        write(&world, task, "priority", Value::text("cosmic")).await;
        write(&world, task, "links", Value::list([gadget.clone(), Value::Ref(lead)])).await;
        write(&world, task, "checklist", objects(json!([{"text": "a", "done": false, "by": "ann"}]))).await;
        write(&world, task, "status", Value::text("waiting")).await;

        let read = tasks.get(id).await.unwrap();
        assert_eq!((read.priority.name(), read.status.name()), ("cosmic", "waiting"));
        assert!(matches!((read.priority, read.status), (Priority::Unknown(_), TaskStatus::Unknown(_))));
        assert_eq!(read.links, [lead]);
        assert!(read.is_open, "as whoever stored the status had it");
        let shown = serde_json::to_value(tasks.view(id).await.unwrap().only(None)).unwrap();
        assert_eq!((&shown["priority"], &shown["links"][0]), (&json!("cosmic"), &Json::Null));

        let kept = async || {
            let image = stored(&world, task).await;
            assert_eq!(image.get("priority"), &Value::text("cosmic"));
            assert_eq!(image.get("status"), &Value::text("waiting"));
            assert!(image.get("links").items().contains(&gadget));
            assert_eq!(json_of(image.get("checklist"))[0]["by"], "ann");
        };
        let titled = tasks.update(id, TaskPatch::new().title("Call back")).await.unwrap();
        kept().await;
        // Written back as they were read.
        let back = TaskPatch::new().links(read.links.clone()).checklist(read.checklist.clone());
        let same = tasks.update(id, back.priority(read.priority).status(read.status)).await.unwrap();
        assert!(!same.changed());
        let mut checklist = read.checklist.clone();
        checklist[0].done = true;
        checklist.push(crm_core::tasks::ChecklistItem { text: "b".into(), done: false });
        let company = world.crm.companies(&world.rep);
        let company = company.create(crm_core::companies::NewCompany { name: "C".into(), ..Default::default() }).await;
        let company = Ref::new(Kind::Company, company.unwrap().id);
        tasks.update(id, TaskPatch::new().checklist(checklist).links(vec![company])).await.unwrap();
        kept().await;
        assert_eq!(tasks.get(id).await.unwrap().links, [company]);
        tasks.undo(id, titled.commit.unwrap()).await.unwrap();
        kept().await;
        let other = patch(json!({"priority": "urgent"}));
        let commit = tasks.update(id, other).await.unwrap().commit.unwrap();
        tasks.undo(id, commit).await.unwrap();
        kept().await;
        assert_fault(tasks.update(id, patch(json!({"priority": "comic"}))).await, "priority unknown_choice");
        for query in [
            ListQuery::new(),
            ListQuery::new().filter(Filter::is("priority", Op::Ne, "high")),
            ListQuery::new().filter(Filter::is("links", Op::Contains, json!({"kind": "company", "id": company.id}))),
        ] {
            assert_eq!(tasks.list(&query).await.unwrap().items.len(), 1);
        }
        assert_eq!(tasks.count(Filter::eq("priority", "high")).await.unwrap(), 0);
        assert_eq!(tasks.as_of(id, world.clock.now()).await.unwrap().unwrap().priority.name(), "cosmic");
        tasks.roll_back(id, 1).await.unwrap();
        tasks.complete(id, None).await.unwrap();
        assert_eq!(tasks.get(id).await.unwrap().status, TaskStatus::Completed);
        assert_eq!(tasks.history(id).await.unwrap()[1].field("priority").unwrap().new, Value::text("cosmic"));
    });
}

#[test]
fn addresses_of_a_contact_and_settings_of_an_organization_keep_their_keys() {
    run(async {
        let world = World::new().await;
        let contacts = world.crm.contacts(&world.rep);
        let new = NewContact { name: "Ann".into(), emails: vec!["ann@x.example".into()], ..Default::default() };
        let id = contacts.create(new).await.unwrap().id;
        let contact = Ref::new(Kind::Contact, id);
        let emails = json!([{"email": "ann@x.example", "kind": "assistant", "primary": true, "verified": "yes"}]);
        write(&world, contact, "emails", objects(emails.clone())).await;
        let read = contacts.get(id).await.unwrap();
        assert_eq!(read.emails[0].kind.name(), "assistant");
        let mut more = read.emails.clone();
        more.insert(0, "bob@x.example".into());
        contacts.update(id, ContactPatch::new().emails(more)).await.unwrap();
        let stored_emails = stored_json(&world, contact, "emails").await;
        assert_eq!((&stored_emails[0]["email"], &stored_emails[1]), (&json!("bob@x.example"), &emails[0]));
        contacts.update(id, ContactPatch::new().job_title("CTO")).await.unwrap();
        assert_eq!(stored_json(&world, contact, "emails").await, stored_emails);
        contacts.update(id, patch(json!({"emails": [{"email": "bob@x.example"}]}))).await.unwrap();
        assert_eq!(stored_json(&world, contact, "emails").await.as_array().unwrap().len(), 1);
        let extra = json!({"emails": [{"email": "bob@x.example", "verified": "yes"}]});
        assert_fault(contacts.update(id, patch(extra)).await, "emails[0].verified unknown_field");

        let organization = Ref::new(Kind::Organization, world.admin.tenant());
        let organizations = world.crm.organizations(&world.admin);
        write(&world, organization, "branding", objects(json!({"color": "#fff", "font": {"size": 3}}))).await;
        write(&world, organization, "week_start", Value::text("wednesday")).await;
        let read = organizations.get(organization.id.typed()).await.unwrap();
        assert!(matches!(read.week_start, WeekStart::Unknown(_)));
        let mut branding = read.branding.clone().unwrap();
        branding.color = None;
        organizations.update(organization.id.typed(), OrganizationPatch::new().branding(Some(branding))).await.unwrap();
        assert_eq!(stored_json(&world, organization, "branding").await, json!({"font": {"size": 3}}));
        let image = stored(&world, organization).await;
        assert_eq!(image.get("week_start"), &Value::text("wednesday"));
        let week = ListQuery::new().filter(Filter::eq("created_at", "this_week"));
        assert_eq!(world.crm.leads(&world.rep).list(&week).await.unwrap().items.len(), 1);
        // A state that is unknown is none in which somebody may write.
        write(&world, organization, "status", Value::text("frozen")).await;
        let refused = world.crm.leads(&world.rep).update(world.lead.id, LeadPatch::new().source("web")).await;
        assert!(refused.is_err());
    });
}

#[test]
fn grants_that_are_unknown_grant_nothing_and_rules_hide() {
    run(async {
        let world = World::new().await;
        let role = world.role("odd", vec![Grant::new(Kind::Lead, Action::Read, Scope::Own)], Vec::new()).await;
        let record = Ref::new(Kind::Role, role.id);
        let actor = world.actor_with("odd", vec![role.id]).await;
        let all = |kind: &str, action: &str, scope: &str| json!({"resource": kind, "action": action, "scope": scope});
        let mut until = all("company", "read", "all");
        until["until"] = json!("2030-01-01");
        let mut near = all("contact", "read", "all");
        near["condition"] = json!({"field": "name", "op": "near", "value": "x"});
        let grants = json!([
            all("lead", "read", "own"),
            all("gadget", "read", "all"),
            all("lead", "sniff", "all"),
            all("deal", "read", "galaxy"),
            until,
            near,
        ]);
        write(&world, record, "grants", objects(grants.clone())).await;
        let hides = json!([{"kind": "lead", "field": "email", "access": "blurred"}, {"kind": "gadget", "field": "x", "access": "hidden"}]);
        write(&world, record, "field_rules", objects(hides.clone())).await;

        let roles = world.crm.roles(&world.admin);
        let read = roles.get(role.id).await.unwrap();
        assert!(read.field_rules.iter().any(|rule| matches!(rule.access, FieldAccess::Unknown(_))));
        let leads = world.crm.leads(&actor);
        assert_eq!(leads.list(&ListQuery::new()).await.unwrap().items.len(), 0, "own ones alone");
        assert_fault(leads.count(Filter::missing("email")).await, "email unknown_field");
        assert_eq!(world.crm.contacts(&actor).list(&ListQuery::new()).await.map_or(0, |page| page.items.len()), 0);
        assert_forbidden(world.crm.companies(&actor).list(&ListQuery::new()).await);
        assert_forbidden(world.crm.deals(&actor).list(&ListQuery::new()).await);

        let mut more = read.grants.clone();
        more.push(Grant::new(Kind::Note, Action::Read, Scope::Own));
        roles.update(role.id, RolePatch::new().grants(more)).await.unwrap();
        let now = stored_json(&world, record, "grants").await;
        for grant in grants.as_array().unwrap() {
            assert!(now.as_array().unwrap().contains(grant), "{grant} of {now}");
        }
        assert!(now.as_array().unwrap().contains(&all("note", "read", "own")));
        roles.update(role.id, RolePatch::new().name("Odd one")).await.unwrap();
        assert_eq!(stored_json(&world, record, "grants").await, now);
        assert_eq!(stored_json(&world, record, "field_rules").await, hides);
        let refused = roles.update(role.id, patch(json!({"grants": [all("gadget", "read", "all")]}))).await;
        assert!(refused.is_ok(), "it is there already: {refused:?}");
        let refused = roles.update(role.id, patch(json!({"grants": [all("lead", "bark", "all")]}))).await;
        assert_fault(refused, "grants[0].action unknown_choice");
        assert!("lead.sniff".parse::<Permission>().is_err());
    });
}

#[test]
fn a_role_that_cannot_be_read_in_full_is_given_by_who_has_it_and_by_admin() {
    run(async {
        let world = World::new().await;
        let read = Grant::new(Kind::Lead, Action::Read, Scope::Own);
        let odd = world.role("odd", vec![read.clone()], Vec::new()).await;
        let held =
            [serde_json::to_value(&read).unwrap(), json!({"resource": "lead", "action": "sniff", "scope": "all"})];
        write(&world, Ref::new(Kind::Role, odd.id), "grants", objects(json!(held))).await;
        let mut personnel = grants(&[Kind::User], &[Action::Read, Action::Create, Action::Update], Scope::All);
        personnel.push(read);
        let personnel = world.role("personnel", personnel, Vec::new()).await;
        let (_, user) = world.member("ann", vec![personnel.id], Vec::new()).await;
        let give = || UserPatch::new().role_ids(vec![odd.id]);

        let without = world.actor_with("without", vec![personnel.id]).await;
        let refused = world.crm.users(&without).update(user.id, give()).await;
        assert_fault(refused, "grants unknown_grant");
        let heir = NewRole { key: "heir".into(), name: "Heir".into(), inherits: vec![odd.id], ..Default::default() };
        let heir = world.crm.roles(&world.admin).create(heir).await.unwrap().id;
        let refused = world.crm.users(&without).update(user.id, UserPatch::new().role_ids(vec![heir])).await;
        assert_fault(refused, "grants unknown_grant");

        let with = world.actor_with("with", vec![personnel.id, odd.id]).await;
        world.crm.users(&with).update(user.id, give()).await.unwrap();
        world.crm.users(&world.admin).update(user.id, UserPatch::new().role_ids(vec![personnel.id])).await.unwrap();
        world.crm.users(&world.admin).update(user.id, give()).await.unwrap();
    });
}

#[test]
fn properties_keep_values_of_tomorrow() {
    run(async {
        let world = World::new().await;
        let properties = world.crm.properties(&world.admin);
        let new =
            |key: &str| NewProperty { kind: Some(Kind::Lead), key: key.into(), name: key.into(), ..Default::default() };
        for key in ["place", "size", "rank"] {
            properties.create(new(key)).await.unwrap();
        }
        let place =
            properties.list(&ListQuery::new()).await.unwrap().items.iter().find(|p| p.key == "place").unwrap().id;
        write(&world, Ref::new(Kind::Property, place), "type", Value::text("geo")).await;
        write(&world, Ref::new(Kind::Property, place), "required", Value::Bool(true)).await;
        let geo = Value::Opaque(Arc::new(json!({"g": [1.5, 2.5]})));
        let lead = Ref::new(Kind::Lead, world.lead.id);
        let map = |entries: &[(&str, Value)]| -> Value {
            let map: BTreeMap<String, Value> =
                entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            Value::Map(Arc::new(map))
        };
        // Of an unknown type, and of a known one.
        write(
            &world,
            lead,
            "properties",
            map(&[("place", geo.clone()), ("rank", geo.clone()), ("size", Value::text("s"))]),
        )
        .await;

        assert!(matches!(properties.get(place).await.unwrap().r#type, PropertyType::Unknown(_)));
        properties.update(place, PropertyPatch::new().name("Where")).await.unwrap();
        let leads = world.crm.leads(&world.rep);
        let kept = async || {
            let image = stored(&world, lead).await;
            let map = image.get("properties").as_map().unwrap().clone();
            assert_eq!((&map["place"], &map["rank"]), (&geo, &geo));
        };
        let edited = leads.update(lead.id.typed(), LeadPatch::new().property("size", Value::text("m"))).await.unwrap();
        assert_eq!(edited.property("place"), Some(&geo));
        kept().await;
        let shown = serde_json::to_value(leads.view(lead.id.typed()).await.unwrap().only(None)).unwrap();
        assert_eq!(shown["properties"], json!({"place": null, "rank": null, "size": "m"}));
        // A form sends back what it read.
        leads
            .update(lead.id.typed(), patch(json!({"properties": {"place": null, "rank": null, "size": "l"}})))
            .await
            .unwrap();
        kept().await;
        leads.undo(lead.id.typed(), edited.commit.unwrap()).await.unwrap_err();
        leads.update(lead.id.typed(), LeadPatch::new().source("web")).await.unwrap();
        kept().await;
        for given in [json!("here"), json!({"g": [1.5, 2.5]})] {
            let refused = leads.update(lead.id.typed(), patch(json!({"properties": {"place": given}}))).await;
            assert_fault(refused, "properties.place unknown_type");
        }
        let opaque = LeadPatch::new().property("size", geo.clone());
        assert_fault(leads.update(lead.id.typed(), opaque).await, "properties.size wrong_type");
        assert_fault(leads.count(Filter::eq("properties.place", "x")).await, "properties.place unknown_field");
        assert_eq!(leads.count(Filter::eq("properties.rank", "x")).await.unwrap(), 0);
        assert_eq!(leads.count(Filter::is("properties.rank", Op::Ne, "x")).await.unwrap(), 1);
        // What cannot be written cannot be demanded.
        leads.create(NewLead { name: "Bob".into(), ..Default::default() }).await.unwrap();
        assert!(!world.crm.kinds(&world.admin).await.unwrap().kinds.is_empty());
        // A value of today takes its place, and is taken back.
        let commit =
            leads.update(lead.id.typed(), LeadPatch::new().property("rank", Value::text("a"))).await.unwrap().commit;
        leads.undo(lead.id.typed(), commit.unwrap()).await.unwrap();
        kept().await;
        assert_eq!(
            leads.as_of(lead.id.typed(), world.clock.now()).await.unwrap().unwrap().property("place"),
            Some(&geo)
        );
    });
}

#[test]
fn jobs_and_models_of_tomorrow_are_left_to_it() {
    run(async {
        let world = World::new().await;
        let jobs = world.crm.jobs(&world.admin);
        let until = || Time::from_micros(world.clock.now().micros() + 1_000_000).unwrap();
        let deactivate = |user: Id<User>| jobs.deactivate_user(user, Handover::TransferTo(world.manager_user.id), None);
        let first = deactivate(world.rep_user.id).await.unwrap();
        let record = Ref::new(Kind::Job, first.id);
        let before = stored(&world, record).await;
        for (field, value) in [
            ("type", Value::text("reindex")),
            ("type", Value::text("deactivate_user")),
            ("target", {
                let mut target = json_of(before.get("target"));
                target["only"] = json!("deals");
                objects(target)
            }),
        ] {
            write(&world, record, field, value).await;
            let versions = stored(&world, record).await.versions;
            let is_known = stored(&world, record).await.get("type") == before.get("type")
                && stored(&world, record).await.get("target") == before.get("target");
            if is_known {
                continue;
            }
            let job = jobs.resume(first.id, until()).await.unwrap();
            assert_eq!(job.status, JobStatus::Running);
            assert_eq!(stored(&world, record).await.versions, versions, "{field}");
        }
        assert_eq!(world.crm.leads(&world.admin).get(world.lead.id).await.unwrap().owner_id, Some(world.rep_user.id));

        let models = world.crm.scoring_models(&world.admin);
        let model = models.create(ScoringModel::starter()).await.unwrap();
        let record = Ref::new(Kind::ScoringModel, model.id);
        let mut definition = stored_json(&world, record, "definition").await;
        definition["groups"][0]["rules"][0]["weekday"] = json!("monday");
        write(&world, record, "definition", objects(definition.clone())).await;
        models.update(model.id, ScoringModelPatch::new().name("Ours")).await.unwrap();
        assert_eq!(stored_json(&world, record, "definition").await, definition);
        let leads = world.crm.leads(&world.admin);
        let lead =
            leads.create(NewLead { name: "Cy".into(), source: Some("referral".into()), ..Default::default() }).await;
        let lead = lead.unwrap().id;
        world.clock.advance_seconds(60);
        let sweeper = world.crm.score_sweeper();
        sweeper.sweep(world.admin.tenant(), std::time::Duration::from_secs(5)).await.unwrap();
        assert_eq!(leads.get(lead).await.unwrap().score, 0);
        let mark = stored(&world, Ref::new(Kind::Rescoring, lead)).await;
        assert!(mark.get("due_at").as_time().is_some(), "it is still due, for whoever knows the model");
    });
}

#[test]
fn a_key_is_known_again_by_what_is_asked() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.rep);
        let asked = |patch: LeadPatch| leads.update(world.lead.id, patch).idempotency_key("k");
        let first = asked(LeadPatch::new().source("web").job_title("CTO")).await.unwrap();
        let again = asked(LeadPatch::new().job_title("CTO").source("web")).await.unwrap();
        assert_eq!(first.commit, again.commit, "whatever order fields are set in");
        let other = asked(LeadPatch::new().job_title("CEO").source("web")).await;
        assert!(matches!(other, Err(Error::KeyReused)), "{other:?}");
        let Some(Got::Key(Some(entry))) =
            world.store.get(world.admin.tenant(), &[Want::Key("k".into())]).await.unwrap().got.pop()
        else {
            panic!("a key")
        };
        assert!(entry.fingerprint.starts_with("1:") && entry.fingerprint.len() == 34, "{}", entry.fingerprint);
    });
}

#[test]
fn the_stages_of_a_pipeline_are_found_by_key_where_no_id_is_sent() {
    run(async {
        let world = World::new().await;
        let pipeline = Ref::new(Kind::Pipeline, world.lead_pipeline.id);
        let id = stage(&world.lead_pipeline, "new");
        let mut stages = stored_json(&world, pipeline, "stages").await;
        stages[0]["sla"] = json!(1);
        write(&world, pipeline, "stages", objects(stages.clone())).await;
        let mut sent = stages.clone();
        sent.as_array_mut().unwrap().reverse();
        let last = sent.as_array().unwrap().len() - 1;
        sent[last].as_object_mut().unwrap().remove("sla");
        world.crm.pipelines(&world.admin).update(pipeline.id.typed(), patch(json!({"stages": sent}))).await.unwrap();
        let now = stored_json(&world, pipeline, "stages").await;
        assert_eq!((&now[last]["id"], &now[last]["sla"]), (&json!(id), &json!(1)));
    });
}
