//! Undo by value: in any order, element by element, with conflicts only if the current value differs.

use std::collections::BTreeSet;

use crm_core::{
    Error,
    access::{Action, Scope},
    contacts::{ContactEmail, ContactPatch, NewContact},
    deals::{DealPatch, NewDeal},
    error::{ChangedSince, UndoRefusal},
    leads::{ConvertLead, LeadPatch, NewLead},
    properties::{NewProperty, PropertyType},
    store::CommitId,
    value::{Id, Kind, Value},
};
use proptest::prelude::*;

use crate::support::{World, assert_fault, assert_forbidden, grants, hidden, run};

fn changed_since<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<ChangedSince> {
    match result {
        Err(Error::Undo { why: UndoRefusal::ChangedSince(fields), .. }) => fields,
        other => panic!("expected fields that were changed since, got {other:?}"),
    }
}

fn names<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    let mut names: Vec<String> = changed_since(result).into_iter().map(|changed| changed.field).collect();
    names.sort();
    names
}

#[track_caller]
fn assert_undone_already<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Undo { why: UndoRefusal::AlreadyUndone, .. })), "{result:?}");
}

/// The part of a deal that the model knows.
#[derive(Clone, Debug, PartialEq)]
struct State {
    title: String,
    next_step: Option<String>,
    tags: BTreeSet<String>,
    plan: Option<i64>,
}

#[derive(Clone, Debug)]
enum Op {
    Edit { title: Option<u8>, next_step: Option<u8>, tags: Option<u8>, plan: Option<u8> },
    Undo(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let some = |max: u8| proptest::option::weighted(0.5, 0..max);
    prop_oneof![
        (some(3), some(3), some(16), some(3)).prop_map(|(title, next_step, tags, plan)| Op::Edit {
            title,
            next_step,
            tags,
            plan
        }),
        any::<usize>().prop_map(Op::Undo),
    ]
}

fn back<T: PartialEq + Clone>(old: &T, new: &T, now: &mut T) -> Result<(), ()> {
    if *now == *new {
        *now = old.clone();
        Ok(())
    } else if *now == *old || old == new {
        Ok(())
    } else {
        Err(())
    }
}

/// The state after undoing the change from `old` to `new`, or the conflicting fields.
fn undone(old: &State, new: &State, now: &State) -> Result<State, Vec<String>> {
    let mut to = now.clone();
    let mut conflicts = Vec::new();
    let mut hold = |name: &str, result: Result<(), ()>| {
        if result.is_err() {
            conflicts.push(name.to_owned());
        }
    };
    hold("next_step", back(&old.next_step, &new.next_step, &mut to.next_step));
    hold("properties.plan", back(&old.plan, &new.plan, &mut to.plan));
    hold("title", back(&old.title, &new.title, &mut to.title));
    to.tags.retain(|tag| old.tags.contains(tag) || !new.tags.contains(tag));
    to.tags.extend(old.tags.difference(&new.tags).cloned());
    if conflicts.is_empty() { Ok(to) } else { Err(conflicts) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn undo_in_any_order_is_the_model_by_value(ops in proptest::collection::vec(op(), 1..25)) {
        run(async {
            let world = World::new().await;
            let new = NewProperty { kind: Some(Kind::Deal), key: "plan".into(), name: "Plan".into(), r#type: PropertyType::Integer, ..Default::default() };
            world.crm.properties(&world.admin).create(new).await.unwrap();
            let deals = world.crm.deals(&world.admin);
            let id = deals.create(NewDeal { title: "start".into(), ..Default::default() }).await.unwrap().id;
            let mut now = State { title: "start".into(), next_step: None, tags: BTreeSet::new(), plan: None };
            let mut changes: Vec<(CommitId, State, State)> = Vec::new();
            for op in ops {
                world.clock.advance_seconds(60);
                let mut to = now.clone();
                let commit = match op {
                    Op::Edit { title, next_step, tags, plan } => {
                        let mut patch = DealPatch::new();
                        if let Some(n) = title {
                            to.title = format!("title {n}");
                            patch = patch.title(to.title.clone());
                        }
                        if let Some(n) = next_step {
                            to.next_step = (n > 0).then(|| n.to_string());
                            patch = patch.next_step(to.next_step.clone());
                        }
                        if let Some(bits) = tags {
                            to.tags = (0..4).filter(|n| bits >> n & 1 == 1).map(|n| n.to_string()).collect();
                            // The model ignores order, so changes of order only, which can be undone, are not
                            // generated.
                            if to.tags != now.tags {
                                patch = patch.tags(to.tags.iter().cloned().collect::<Vec<_>>());
                            }
                        }
                        if let Some(n) = plan {
                            to.plan = (n > 0).then_some(i64::from(n));
                            patch = patch.property("plan", to.plan.map_or(Value::Null, Value::Int));
                        }
                        deals.update(id, patch).await.unwrap().commit
                    }
                    Op::Undo(_) if changes.is_empty() => None,
                    Op::Undo(pick) => {
                        let (commit, old, new) = &changes[pick % changes.len()];
                        let undoing = deals.undo(id, *commit).await;
                        match undone(old, new, &now) {
                            Err(conflicts) => {
                                assert_eq!(names(undoing), conflicts);
                                None
                            }
                            Ok(same) if same == now => {
                                assert_undone_already(undoing);
                                None
                            }
                            Ok(state) => {
                                to = state;
                                undoing.unwrap().commit
                            }
                        }
                    }
                };
                if let Some(commit) = commit {
                    changes.push((commit, now, to.clone()));
                }
                now = to;
                let deal = deals.get(id).await.unwrap();
                let found = State {
                    title: deal.title.clone(),
                    next_step: deal.next_step.clone(),
                    tags: deal.tags.iter().cloned().collect(),
                    plan: deal.property("plan").map(|plan| if let Value::Int(plan) = plan { *plan } else { -1 }),
                };
                assert_eq!(found, now);
            }
            // Undoing all, latest first, restores the initial state; then the creation can be undone too.
            for (commit, ..) in changes.iter().rev() {
                let _ = deals.undo(id, *commit).await;
            }
            let start = State { title: "start".into(), next_step: None, tags: BTreeSet::new(), plan: None };
            let deal = deals.get(id).await.unwrap();
            if deal.title == start.title && deal.next_step.is_none() && deal.tags.is_empty() && deal.properties.is_empty() {
                let creation = deals.history(id).await.unwrap()[0].commit;
                assert!(deals.undo(id, creation).await.unwrap().archived_at.is_some());
            }
        });
    }
}

#[test]
fn changes_are_undone_in_any_order_and_the_creation_last() {
    run(async {
        let world = World::new().await;
        let leads = world.crm.leads(&world.admin);
        let made = leads.create(NewLead { name: "N".into(), ..Default::default() }).await.unwrap();
        let id = made.id;
        let title = leads.update(id, LeadPatch::new().job_title("CEO")).await.unwrap().commit.unwrap();
        let stage = leads.move_to(id, "contacted").await.unwrap().commit.unwrap();
        let more = leads.update(id, LeadPatch::new().job_title("CTO")).await.unwrap().commit.unwrap();
        let found = changed_since(leads.undo(id, title).await);
        assert_eq!(
            found,
            [ChangedSince { field: "job_title".into(), left: Value::text("CEO"), current: Value::text("CTO") }]
        );
        assert_eq!(names(leads.undo(id, made.commit.unwrap()).await), ["job_title", "stage_id"]);
        leads.undo(id, stage).await.unwrap();
        let undo = leads.undo(id, more).await.unwrap().commit.unwrap();
        assert_undone_already(leads.undo(id, more).await);
        let message = leads.undo(id, more).await.unwrap_err().to_string();
        assert!(message.contains("already undone"), "{message}");
        // An undo can be undone, and that undo too.
        let redo = leads.undo(id, undo).await.unwrap();
        assert_eq!(redo.job_title.as_deref(), Some("CTO"));
        leads.undo(id, redo.commit.unwrap()).await.unwrap();
        leads.undo(id, title).await.unwrap();
        let gone = leads.undo(id, made.commit.unwrap()).await.unwrap();
        assert!(gone.archived_at.is_some());
        assert_undone_already(leads.undo(id, made.commit.unwrap()).await);
        // Undoing the undo of the creation restores the record.
        assert!(leads.undo(id, gone.commit.unwrap()).await.unwrap().archived_at.is_none());
        let refused = leads.undo(id, Id::from_parts(1, [1; 10])).await.unwrap_err();
        assert!(matches!(refused, Error::Undo { why: UndoRefusal::NoSuchChange, .. }), "{refused:?}");
        for version in [0, 99, u64::MAX] {
            assert_fault(leads.roll_back(id, version).await, "version too_large");
        }
        // An archived record cannot be changed, by undo either.
        let late = leads.update(id, LeadPatch::new().job_title("d")).await.unwrap().commit.unwrap();
        leads.archive(id).await.unwrap();
        assert_fault(leads.undo(id, late).await, "archived_at archived");
        assert_fault(leads.update(id, LeadPatch::new().job_title("e")).await, "archived_at archived");
        assert_fault(leads.move_to(id, "contacted").await, "archived_at archived");
        assert_fault(leads.convert(id, ConvertLead::default()).await, "archived_at archived");
    });
}

#[test]
fn elements_of_lists_are_taken_back_one_by_one() {
    run(async {
        let world = World::new().await;
        let contacts = world.crm.contacts(&world.admin);
        let email = |address: &str| ContactEmail::from(address);
        let new = NewContact { name: "C".into(), emails: vec![email("a@x.example")], ..Default::default() };
        let id = contacts.create(new).await.unwrap().id;
        let emails = |all: &[ContactEmail]| ContactPatch::new().emails(all.to_vec());
        let second = contacts.update(id, emails(&[email("a@x.example"), email("b@x.example")])).await.unwrap();
        let third =
            contacts.update(id, emails(&[email("a@x.example"), email("b@x.example"), email("c@x.example")])).await;
        let third = third.unwrap().commit.unwrap();
        let left = contacts.undo(id, second.commit.unwrap()).await.unwrap();
        assert_eq!(left.emails, [email("a@x.example"), email("c@x.example")]);
        let left = contacts.undo(id, third).await.unwrap();
        assert_eq!((left.emails.len(), left.email.as_deref()), (1, Some("a@x.example")));
        let tagged = contacts.update(id, ContactPatch::new().tags(vec!["y".into()])).await.unwrap().commit.unwrap();
        contacts.update(id, ContactPatch::new().tags(vec!["y".into(), "z".into()])).await.unwrap();
        assert_eq!(contacts.undo(id, tagged).await.unwrap().tags, ["z"]);
        assert_undone_already(contacts.undo(id, tagged).await);
        // An address that was marked as primary and changed since conflicts with the undo.
        let primary = ContactEmail { primary: true, ..email("a@x.example") };
        let marked = contacts.update(id, emails(&[primary])).await.unwrap().commit.unwrap();
        let home = ContactEmail { kind: crm_core::contacts::EmailKind::Home, primary: true, ..email("a@x.example") };
        contacts.update(id, emails(&[home])).await.unwrap();
        assert_eq!(names(contacts.undo(id, marked).await), ["emails"]);
    });
}

#[test]
fn what_stands_against_an_undo_is_named_to_who_may_see_it() {
    run(async {
        let world = World::new().await;
        let rep = world.restricted_rep("blind", vec![hidden(Kind::Lead, "email")]).await;
        let all = world.crm.leads(&world.admin);
        let new = NewLead { name: "L".into(), owner_id: rep.user(), ..Default::default() };
        let made = all.create(new).await.unwrap();
        let both = LeadPatch::new().email("a@x.example").job_title("a");
        let both = all.update(made.id, both).await.unwrap().commit.unwrap();
        let later = LeadPatch::new().email("b@x.example").job_title("b");
        all.update(made.id, later).await.unwrap();
        assert_eq!(names(all.undo(made.id, both).await), ["email", "job_title"]);
        let leads = world.crm.leads(&rep);
        for commit in [both, made.commit.unwrap()] {
            let refused = leads.undo(made.id, commit).await.unwrap_err();
            let text = format!("{refused:?} {refused}");
            assert!(!text.contains("email") && !text.contains("x.example"), "{text}");
            assert_eq!(names::<()>(Err(refused)), ["job_title"]);
        }
        // A user who cannot write cannot undo.
        let reader = world.role("reader", grants(&[Kind::Lead], &[Action::Read], Scope::All), vec![]).await.id;
        let reader = world.actor_with("reader", vec![reader]).await;
        all.update(made.id, LeadPatch::new().job_title("a").email("a@x.example")).await.unwrap();
        assert_forbidden(world.crm.leads(&reader).undo(made.id, both).await);
    });
}
