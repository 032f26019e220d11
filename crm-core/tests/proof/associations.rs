//! Associations are visible to users who can read both ends. Nobody else learns of them in any way.

use crm_core::{
    access::{Action, Actor, Grant, Scope},
    associations::{Association, AssociationPatch, NewAssociation},
    companies::NewCompany,
    contacts::{ContactPatch, NewContact},
    deals::NewDeal,
    filter::Filter,
    leads::NewLead,
    listing::ListQuery,
    tasks::NewTask,
    value::{Id, Kind, Ref},
};

use crate::{
    racing::RacingStore,
    support::{World, assert_fault, assert_forbidden, assert_not_found, grants, hidden, run},
};

async fn contact(world: &World, actor: &Actor, name: &str) -> Ref {
    let new = NewContact { name: name.into(), ..Default::default() };
    Ref::new(Kind::Contact, world.crm.contacts(actor).create(new).await.unwrap().id)
}

async fn company(world: &World, actor: &Actor, name: &str) -> Ref {
    let new = NewCompany { name: name.into(), ..Default::default() };
    Ref::new(Kind::Company, world.crm.companies(actor).create(new).await.unwrap().id)
}

fn tie(from: Ref, to: Ref, label: &str) -> NewAssociation {
    NewAssociation { from: Some(from), to: Some(to), label: label.into(), ..Default::default() }
}

async fn tied(world: &World, from: Ref, to: Ref, label: &str) -> Id<Association> {
    world.crm.associations(&world.admin).create(tie(from, to, label)).await.unwrap().id
}

#[test]
fn one_end_is_not_enough_by_any_way_to_a_record() {
    run(async {
        let world = World::new().await;
        let (crm, rep) = (&world.crm, &world.rep);
        let mine = contact(&world, rep, "Mine").await;
        let theirs = company(&world, &world.manager, "Theirs").await;
        let other = contact(&world, &world.manager, "Other").await;
        let shown = tied(&world, mine, Ref::new(Kind::Lead, world.lead.id), "was").await;
        for (from, to, label) in [(mine, theirs, "works at"), (theirs, mine, "knows"), (other, theirs, "works at")] {
            let id = tied(&world, from, to, label).await;
            let commit = crm.associations(&world.admin).history(id).await.unwrap()[0].commit;
            // The representative has grants on all associations, and can read, write and undo none of these.
            let all = crm.associations(rep);
            assert_not_found(all.get(id).await);
            assert_not_found(all.update(id, AssociationPatch::new().role("boss")).await);
            assert_not_found(all.archive(id).await);
            assert_not_found(all.restore(id, AssociationPatch::new()).await);
            assert_not_found(all.undo(id, commit).await);
            assert_not_found(all.roll_back(id, 1).await);
            assert_not_found(all.history(id).await);
            assert_not_found(all.history_page(id, None, None, 10).await);
            assert_not_found(all.as_of(id, world.clock.now()).await);
            assert_not_found(all.explain(id, Action::Read).await);
            assert_not_found(crm.timeline(rep).of(Ref::new(Kind::Association, id), None, 10).await);
            // Nor through links to the association, which nobody may create.
            let link = Ref::new(Kind::Association, id);
            let about = NewTask { title: "t".into(), links: vec![link], ..Default::default() };
            assert_fault(crm.tasks(rep).create(about.clone()).await, "links wrong_kind");
            assert_fault(crm.tasks(&world.admin).create(about).await, "links wrong_kind");
        }
        let all = crm.associations(rep);
        assert_eq!(all.get(shown).await.unwrap().label, "was");
        let why = all.explain(shown, Action::Read).await.unwrap();
        assert!(why.allowed && why.grant.is_none() && why.reason.contains("both"), "{why:?}");
        all.update(shown, AssociationPatch::new().role("boss")).await.unwrap();
        all.archive(shown).await.unwrap();
        // Access depends on the current access to the ends.
        let away = ContactPatch::new().owner_id(world.manager_user.id);
        crm.contacts(&world.admin).update(mine.id.typed(), away).await.unwrap();
        assert_not_found(all.get(shown).await);
        // The system reads everything.
        crm.associations(&Actor::system(rep.tenant())).get(shown).await.unwrap();
    });
}

#[test]
fn both_ends_are_enough_without_a_grant_on_associations() {
    run(async {
        let world = World::new().await;
        let reads = grants(&[Kind::Contact, Kind::Company], &[Action::Read], Scope::All);
        let role = world.role("reader", reads, vec![]).await;
        let reader = world.actor_with("reader", vec![role.id]).await;
        let (from, to) = (contact(&world, &world.admin, "C").await, company(&world, &world.admin, "D").await);
        let id = tied(&world, from, to, "works at").await;
        let all = world.crm.associations(&reader);
        assert_eq!(all.get(id).await.unwrap().from, Some(from));
        assert_eq!(all.of(to, None, 10).await.unwrap().items.len(), 1);
        // Read access does not imply write access.
        assert_forbidden(all.update(id, AssociationPatch::new().role("boss")).await);
        assert_forbidden(all.archive(id).await);
        assert_forbidden(all.create(tie(from, to, "knows")).await);
    });
}

#[test]
fn a_list_leaves_out_what_its_reader_may_not_see() {
    run(async {
        let world = World::new().await;
        let (crm, admin) = (&world.crm, &world.admin);
        let (from, to) = (contact(&world, admin, "C").await, company(&world, admin, "D").await);
        tied(&world, from, to, "works at").await;
        let by_from = || ListQuery::new().sort("label").filter(Filter::eq("from", serde_json::to_value(from).unwrap()));
        let analyst = world.actor_with("ann", vec![world.role_id("analyst").await]).await;
        for actor in [admin, &analyst] {
            assert_eq!(crm.associations(actor).list(&by_from()).await.unwrap().items.len(), 1);
            assert_eq!(crm.associations(actor).count(Filter::all([])).await.unwrap(), 1);
        }
        let mut narrow = grants(&[Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal], &[Action::Read], Scope::All);
        narrow.push(Grant::new(Kind::Association, Action::Read, Scope::All));
        for grant in &mut narrow {
            if grant.resource == Kind::Company {
                grant.condition = Some(Filter::eq("lifecycle", "customer"));
            }
        }
        let narrow = world.role("narrow", narrow, vec![]).await;
        let narrow = world.actor_with("nan", vec![narrow.id]).await;
        for actor in [&world.rep, &narrow] {
            let all = crm.associations(actor);
            for query in [by_from(), ListQuery::new(), ListQuery::new().archived(), ListQuery::new().text("works")] {
                let page = all.list(&query).await.unwrap();
                assert!(page.items.is_empty() && page.next_cursor.is_none(), "{page:?}");
            }
            assert_forbidden(all.count(Filter::all([])).await);
            assert_forbidden(all.list_as_of(&ListQuery::new(), world.clock.now()).await);
            assert_forbidden(all.export(&ListQuery::new(), None).await);
        }
        // Pages are full as far as enough associations are visible.
        let (mine, other) = (contact(&world, &world.rep, "M").await, contact(&world, admin, "O").await);
        let firm = company(&world, &world.rep, "F").await;
        let mut seen = Vec::new();
        for n in 0..12 {
            let end = if n % 3 == 0 { mine } else { other };
            let id = tied(&world, end, firm, &format!("label {n}")).await;
            seen.extend((n % 3 == 0).then_some(id));
        }
        let all = crm.associations(&world.rep);
        let (mut found, mut query) = (Vec::new(), ListQuery::new().limit(2));
        loop {
            let page = all.list(&query).await.unwrap();
            found.extend(page.items.iter().map(|one| one.id));
            match page.next_cursor {
                Some(cursor) => query = query.cursor(cursor),
                None => break,
            }
        }
        assert_eq!(found, seen);
        // A user who can read all kinds that can be associated still needs the grant to list associations.
        let reads = grants(&[Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal], &[Action::Read], Scope::All);
        let reader = world.role("reader", reads, vec![]).await;
        let reader = world.actor_with("rob2", vec![reader.id]).await;
        assert_forbidden(crm.associations(&reader).list(&ListQuery::new()).await);
    });
}

/// A contact of the representative with associations in both directions, some of them visible to the representative:
/// these, ordered by label.
async fn scene(world: &World, number: usize) -> (Ref, Vec<Id<Association>>) {
    let mine = contact(world, &world.rep, "Mine").await;
    let mut seen = Vec::new();
    for at in 0..number {
        let visible = at % 3 == 1 || at % 7 == 2;
        let owner = if visible { &world.rep } else { &world.manager };
        let other = match at % 4 {
            0 => contact(world, owner, "C").await,
            1 => company(world, owner, "D").await,
            2 => {
                let new = NewLead { name: "L".into(), ..Default::default() };
                Ref::new(Kind::Lead, world.crm.leads(owner).create(new).await.unwrap().id)
            }
            _ => {
                let new = NewDeal { title: "T".into(), ..Default::default() };
                Ref::new(Kind::Deal, world.crm.deals(owner).create(new).await.unwrap().id)
            }
        };
        let (from, to) = if at % 2 == 0 { (mine, other) } else { (other, mine) };
        let id = tied(world, from, to, &format!("label {at:03}")).await;
        if visible {
            seen.push(id);
        }
    }
    (mine, seen)
}

#[test]
fn what_is_hidden_never_bends_a_page() {
    run(async {
        let world = World::new().await;
        let (mine, seen) = scene(&world, 60).await;
        let crumbs = RacingStore::on(world.store.clone()).in_crumbs();
        let on_crumbs = world.crm.on(crumbs);
        for (what, crm) in [("whole pages", world.crm.clone()), ("crumbs", on_crumbs)] {
            for limit in [1, 3, seen.len() - 1, seen.len(), 200] {
                let mut found: Vec<Id<Association>> = Vec::new();
                let mut cursor: Option<String> = None;
                loop {
                    let page = crm.associations(&world.rep).of(mine, cursor.as_deref(), limit).await.unwrap();
                    let left = seen.len() - found.len();
                    found.extend(page.items.iter().map(|item| item.id));
                    // As if the hidden ones did not exist: a page is full if enough are visible, and has a cursor only
                    // if more are visible.
                    assert_eq!(page.items.len(), left.min(limit), "{what}, pages of {limit}");
                    assert_eq!(page.next_cursor.is_some(), left > limit, "{what}, pages of {limit}");
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(found, seen, "{what}, pages of {limit}");
            }
        }
        let all = world.crm.associations(&world.admin).of(mine, None, 200).await.unwrap();
        assert_eq!(all.items.len(), 60);
        // If all are hidden the page is empty, and nothing reveals that they exist.
        let lonely = contact(&world, &world.rep, "Lonely").await;
        for at in 0..5 {
            let other = contact(&world, &world.manager, "X").await;
            tied(&world, lonely, other, &format!("l{at}")).await;
        }
        let page = world.crm.associations(&world.rep).of(lonely, None, 1).await.unwrap();
        assert!(page.items.is_empty() && page.next_cursor.is_none());
    });
}

#[test]
fn the_associations_of_a_record_are_asked_for_by_who_may_see_it_with_what_is_theirs() {
    run(async {
        let world = World::new().await;
        let (mine, seen) = scene(&world, 12).await;
        let all = world.crm.associations(&world.rep);
        let theirs = contact(&world, &world.manager, "Theirs").await;
        assert_not_found(all.of(theirs, None, 10).await);
        assert_not_found(all.of(Ref::new(Kind::Company, mine.id), None, 10).await);
        for limit in [0, 201] {
            assert_fault(all.of(mine, None, limit).await, "limit too_large");
        }
        let cursor = all.of(mine, None, 1).await.unwrap().next_cursor.unwrap();
        assert!(all.of(mine, Some(&cursor), 1).await.is_ok());
        assert_fault(world.crm.associations(&world.manager).of(mine, Some(&cursor), 1).await, "cursor bad_cursor");
        let another = contact(&world, &world.rep, "Another").await;
        assert_fault(all.of(another, Some(&cursor), 1).await, "cursor bad_cursor");
        assert_fault(all.of(mine, Some("rubbish"), 1).await, "cursor bad_cursor");
        let other = World::on(world.store.clone(), 1).await;
        assert_not_found(other.crm.associations(&other.admin).of(mine, None, 10).await);
        // Archived associations and hidden fields are not shown.
        world.crm.associations(&world.admin).archive(seen[0]).await.unwrap();
        let left: Vec<Id<Association>> =
            all.of(mine, None, 10).await.unwrap().items.iter().map(|item| item.id).collect();
        assert_eq!(left, seen[1..]);
        let quiet = world.restricted_rep("quiet", vec![hidden(Kind::Association, "role")]).await;
        let own = contact(&world, &quiet, "Own").await;
        let also = company(&world, &quiet, "Also").await;
        let told = NewAssociation { role: Some("boss".into()), ..tie(own, also, "works at") };
        world.crm.associations(&world.admin).create(told).await.unwrap();
        let page = world.crm.associations(&quiet).of(own, None, 10).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].role.as_deref()), (1, None));
    });
}
