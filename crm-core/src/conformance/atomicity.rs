//! Atomicity: if one of many items is invalid, wherever it stands, nothing is stored.

use std::sync::Arc;

use super::{Case, Failure, Lab, Outcome, Step, World, case, ensure};
use crate::model::{
    change::Change,
    schema::Image,
    store::{Claim, CommitId, LogQuery, StoreError},
    value::{Kind, Ref, Time, Value},
};

pub(super) const CASES: &[Case] = &[
    case!(
        "atomicity",
        failure_leaves_nothing_behind,
        "a commit that fails for any reason leaves no record, claim, key, change or epoch behind"
    ),
    case!("atomicity", success_leaves_everything, "the same commit without its bad item stores all of it"),
    case!("atomicity", large_commit_is_one, "a commit of a hundred items is stored whole"),
];

/// The subject of a large commit: three existing records, three claims, and a used key.
struct Scene {
    world: World,
    old: Vec<Arc<Image>>,
    stale: Arc<Image>,
    current: Arc<Image>,
    held: Claim,
    other: Claim,
    fresh: Claim,
    new: Vec<Ref>,
}

impl Scene {
    async fn new(lab: &Lab<'_>) -> Result<Self, Failure> {
        let world = lab.tenant().await?;
        let tenant = world.tenant;
        let old = lab.put_all((0..3).map(|_| lab.new_record(tenant, Kind::Contact)).collect()).await?;
        let stale = lab.put(lab.new_record(tenant, Kind::Contact)).await?;
        let current = lab.put(lab.change(&stale).set("source", Value::text("web"))).await?;
        let claim = |value: &str| Claim::new(tenant, Kind::Contact, "emails", value);
        let (held, other, fresh) = (claim("held@example.com"), claim("other@example.com"), claim("free@example.com"));
        let (a, b) = (old[0].reference(), old[1].reference());
        lab.step(tenant).take(&held, a).take(&other, b).key("used", 24).send().await?;
        let kinds = [Kind::Company, Kind::Lead, Kind::Deal, Kind::Task, Kind::Note, Kind::Team];
        let new = kinds.iter().map(|&kind| Ref::new(kind, lab.mixed_id())).collect();
        Ok(Self { world, old, stale, current, held, other, fresh, new })
    }

    /// Writes of many kinds, including a definition, claims of every sort, a guard and a key.
    fn step<'a>(&self, lab: &'a Lab<'a>) -> Step<'a> {
        let a = self.old[0].reference();
        let b = self.old[1].reference();
        let links = Value::list([Value::Ref(a), Value::Ref(b)]);
        let mut step = lab.step(self.world.tenant);
        for &record in &self.new {
            let mut edit = super::edit::sample(self.world.tenant, record, lab.now());
            if matches!(record.kind, Kind::Task | Kind::Note) {
                edit = edit.set("links", links.clone());
            }
            if record.kind == Kind::Deal {
                edit = edit.stage(self.world.deal_pipeline, self.world.stages[0]);
            }
            step = step.write(edit);
        }
        step.write(lab.change(&self.old[0]).set("source", Value::text("fair")).set("description", Value::text("long")))
            .write(lab.change(&self.old[1]).set("score", Value::Int(5)))
            .guard(&self.old[2])
            .take(&self.fresh, a)
            .release(&self.held, a)
            .transfer(&self.other, b, a)
            .key("fresh", 24)
    }

    /// Returns everything that a reader can see of it.
    async fn seen(&self, lab: &Lab<'_>) -> Result<Seen, Failure> {
        let tenant = self.world.tenant;
        lab.settle().await;
        let mut seen = Seen { epoch: lab.epoch(tenant).await?, ..Seen::default() };
        let old = self.old.iter().chain([&self.current]).map(|image| image.reference());
        for record in self.new.iter().copied().chain(old) {
            seen.records.push(lab.get(tenant, record).await?);
            seen.histories.push(lab.changes(tenant, record).await?);
            let walk = crate::catalog::decl(record.kind).walk();
            seen.lists.push(lab.walk(&lab.query(tenant, record.kind, &walk.name, vec![])).await?);
        }
        for claim in [&self.held, &self.other, &self.fresh] {
            seen.holders.push(lab.claimed(tenant, claim).await?.map(|image| image.reference()));
        }
        seen.key = lab.key(tenant, "fresh").await?.is_some();
        let mut definitions = lab.store.definitions(tenant).await?.images;
        definitions.sort_by_key(|image| image.reference());
        seen.definitions = definitions;
        let all = LogQuery { tenant, from: Time::MIN, until: Time::MAX, descending: false, after: None, limit: 1000 };
        seen.log = lab.log(&all).await?;
        let links = lab.query(tenant, Kind::Task, "links -> due_at", vec![Value::Ref(self.old[0].reference())]);
        seen.lists.push(lab.walk(&links).await?);
        Ok(seen)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    epoch: CommitId,
    records: Vec<Option<Arc<Image>>>,
    histories: Vec<Vec<Change>>,
    lists: Vec<Vec<Arc<Image>>>,
    holders: Vec<Option<Ref>>,
    key: bool,
    definitions: Vec<Arc<Image>>,
    log: Vec<Change>,
}

async fn failure_leaves_nothing_behind(lab: &Lab<'_>) -> Outcome {
    let scene = Scene::new(lab).await?;
    let before = scene.seen(lab).await?;
    let tenant = scene.world.tenant;
    let stale = scene.stale.reference();
    let twice = |kind: Kind| {
        let there = scene.world.records().find(|record| record.kind == kind);
        there.map(|record| super::edit::sample(tenant, record, lab.now()))
    };
    let taken = Claim::new(tenant, Kind::Contact, "emails", "taken@example.com");
    lab.step(tenant).take(&taken, stale).send().await?;
    let last = Claim::new(tenant, Kind::Contact, "zzz", "zzz");
    lab.step(tenant).take(&last, stale).send().await?;
    let a = scene.old[0].reference();
    let step = || scene.step(lab);
    let mut bad: Vec<(&str, Step<'_>)> = vec![
        ("a stale write", step().write(lab.change(&scene.stale).set("source", Value::text("late")))),
        ("a stale guard", step().guard(&scene.stale)),
        ("a guard on nothing", step().guard_at(Ref::new(Kind::Association, lab.id()), 1)),
        ("a taken claim", step().take(&taken, a)),
        ("a taken claim that comes last", step().take(&last, a)),
        ("a release of another's claim", step().release(&taken, a)),
        ("a transfer of another's claim", step().transfer(&taken, a, scene.old[1].reference())),
        ("a used key", step().key("used", 24)),
    ];
    // The first and the last kind in the order in which stores process a commit.
    for kind in [Kind::Organization, Kind::User] {
        bad.extend(twice(kind).map(|edit| ("a second creation", step().write(edit))));
    }
    let huge = Value::text("x".repeat(crate::model::store::MAX_RECORD_BYTES));
    bad.push(("a record that is too large", step().write(lab.new_record(tenant, Kind::Note).set("content", huge))));
    let many = (0..90)
        .fold(step(), |step, number| step.take(&Claim::new(tenant, Kind::Contact, "many", &number.to_string()), a));
    bad.push(("too many items", many));
    for (why, step) in bad {
        let outcome = step.send().await;
        ensure!(
            matches!(
                outcome,
                Err(StoreError::Conflict { .. }
                    | StoreError::Claimed { .. }
                    | StoreError::KeyUsed
                    | StoreError::TooLarge { .. })
            ),
            "{why}: the store said {outcome:?}"
        );
        let after = scene.seen(lab).await?;
        ensure!(before == after, "{why} left something behind\nbefore {before:?}\nafter {after:?}");
    }
    let good = scene.step(lab).send().await;
    good.map(drop).map_err(|error| Failure::from(error).at("after the failures, the good commit"))
}

async fn success_leaves_everything(lab: &Lab<'_>) -> Outcome {
    let scene = Scene::new(lab).await?;
    let commit = scene.step(lab).send().await?;
    let seen = scene.seen(lab).await?;
    ensure!(seen.epoch == commit.id, "the epoch is {}, the commit {}", seen.epoch, commit.id);
    ensure!(seen.records.iter().all(Option::is_some), "not every record is there");
    for write in &commit.writes {
        lab.expect(&write.after).await?;
    }
    let a = Some(scene.old[0].reference());
    ensure!(seen.holders == [None, a, a], "the claims are held by {:?}", seen.holders);
    ensure!(seen.key, "the key is not there");
    let logged = seen.log.iter().filter(|change| change.commit == commit.id).count();
    let written: usize = commit.writes.iter().map(|write| write.changes.len()).sum();
    ensure!(logged == written, "{written} changes were written, {logged} are in the tenant's log");
    Ok(())
}

async fn large_commit_is_one(lab: &Lab<'_>) -> Outcome {
    let world = lab.tenant().await?;
    let edits: Vec<_> = (0..50).map(|_| lab.new_record(world.tenant, Kind::Company)).collect();
    let images: Vec<_> = edits.iter().map(super::Edit::after).collect();
    let commit = edits.into_iter().fold(lab.step(world.tenant), Step::write).send().await?;
    ensure!(commit.items() == 100, "the commit has {} items", commit.items());
    for image in &images {
        lab.expect(image).await?;
    }
    lab.settle().await;
    lab.expect_list(&images, &lab.query(world.tenant, Kind::Company, " -> name", vec![])).await
}
