//! Executes a sequence on two stores. Operations are made concrete by the content of the memory store and sent to both,
//! and the answers are compared.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;

use super::{
    Base, ClaimMove, CommitOp, GuardOp, How, Op, Rng, Slot, WriteOp,
    generate::{CLAIMS, KEYS, SLOTS, TENANTS},
};
use crate::{
    catalog,
    conformance::{
        Edit, Failure, Harness, Lab, Outcome, World, differences,
        edit::sample,
        ensure,
        feed::once,
        filters::{COMPARES, takes},
        history::same_changes,
        lab::mix,
        samples,
    },
    model::{
        change::Change,
        filter::{Compare, Path, Predicate, Test},
        schema::{FieldType, Image, KindDecl, Section, common},
        store::{
            Claim, ClaimOp, Commit, Guard, HistoryQuery, KeyEntry, LogQuery, MemoryStore, Query, StageMoveQuery, Store,
            StoreError,
        },
        value::{Id, Kind, Ref, Time, Value},
    },
};

struct Memory;

#[async_trait]
impl Harness for Memory {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }
}

/// Both stores, and the state that they are expected to have.
struct Play<'a> {
    model: Lab<'a>,
    tested: Lab<'a>,
    worlds: Vec<World>,
    /// All past states of each record, by tenant.
    seen: BTreeMap<(usize, Ref), Vec<Arc<Image>>>,
    /// The stored commits that wrote something.
    stored: Vec<Commit>,
}

/// Executes the operations, then compares everything that is stored.
pub(super) async fn play(harness: &dyn Harness, ops: &[Op]) -> Outcome {
    let model = Lab::new(&Memory).await;
    let tested = Lab::new(harness).await;
    let mut play = Play { model, tested, worlds: Vec::new(), seen: BTreeMap::new(), stored: Vec::new() };
    for _ in 0..TENANTS {
        let (world, commit) = play.model.world();
        play.model.store.commit(&commit).await?;
        play.tested.store.commit(&commit).await.map_err(|error| Failure::from(error).at("making a tenant"))?;
        for write in &commit.writes {
            play.seen.insert((play.worlds.len(), write.record()), vec![Arc::clone(&write.after)]);
        }
        play.worlds.push(world);
    }
    for (number, op) in ops.iter().enumerate() {
        let outcome = play.op(op).await;
        outcome.map_err(|failure| failure.at(&format!("operation {} of {}, {op:?}", number + 1, ops.len())))?;
    }
    play.everything().await.map_err(|failure| failure.at("at the end"))
}

/// Returns the id of a slot, which is the same in each tenant.
fn id_of(slot: Slot) -> Id {
    let number = (slot.kind as u64) << 8 | u64::from(slot.number);
    Id::from_uuid(uuid::Uuid::from_u64_pair(mix(number), mix(!number)))
}

fn record_of(slot: Slot) -> Ref {
    Ref::new(slot.kind, id_of(slot))
}

fn key_name(key: u8) -> String {
    format!("key/{key}")
}

impl Play<'_> {
    fn world(&self, tenant: u8) -> (usize, &World) {
        let at = usize::from(tenant) % self.worlds.len().max(1);
        (at, &self.worlds[at])
    }

    /// Returns a claim of the pool. Of each kind, the last claim is global and the others are the tenant's own.
    fn claim(&self, tenant: usize, kind: Kind, number: u8) -> Claim {
        let own = self.worlds[tenant].tenant;
        match number % CLAIMS {
            0 => Claim::new(own, kind, "external_id", "ada@example.com"),
            1 => Claim::new(own, kind, "external_id", "it's \"100%\" 日本"),
            2 => Claim::new(own, kind, "domain", &"x".repeat(300)),
            _ => Claim::new(Id::NIL, kind, "slug", "acme"),
        }
    }

    /// Returns the current state of a record in the model.
    fn current(&self, tenant: usize, record: Ref) -> Option<&Arc<Image>> {
        self.seen.get(&(tenant, record)).and_then(|states| states.last())
    }

    /// Returns the current state of every record of a kind in a tenant.
    fn records(&self, tenant: usize, kind: Kind) -> Vec<Arc<Image>> {
        let all = self.seen.iter().filter(|((owner, record), _)| *owner == tenant && record.kind == kind);
        all.filter_map(|(_, states)| states.last().cloned()).collect()
    }

    async fn op(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Commit(op) => {
                let commit = self.concrete(op).await?;
                let parts = commit.writes.len() + commit.guards.len() + commit.claims.len();
                if parts == 0 && commit.key.is_none() {
                    // An empty commit, which no caller would send.
                    return Ok(());
                }
                self.commit(&commit).await
            }
            Op::Again { back } => self.again(*back).await,
            Op::Wait { minutes } => {
                self.model.wait(u32::from(*minutes) * 60);
                Ok(())
            }
            Op::Get { tenant, slot, claim, key } => {
                let (at, _) = self.world(*tenant);
                self.same_record(at, record_of(*slot)).await?;
                self.same_holder(at, &self.claim(at, slot.kind, *claim)).await?;
                self.same_key(at, *key).await
            }
            Op::List { tenant, kind, seed, descending, limit } => {
                let (at, _) = self.world(*tenant);
                let query = self.list_query(at, *kind, &mut Rng::new(*seed));
                self.tested.settle().await;
                self.same_list(&Query { descending: *descending, limit: usize::from(*limit).max(1), ..query }).await
            }
            Op::History { tenant, slot, seed, descending, limit } => {
                let (_, world) = self.world(*tenant);
                let query = HistoryQuery {
                    tenant: world.tenant,
                    record: record_of(*slot),
                    field: some_field(catalog::decl(slot.kind), &mut Rng::new(*seed)),
                    descending: *descending,
                    after: None,
                    limit: usize::from(*limit).max(1),
                };
                self.same_history(&query).await
            }
            Op::Log { tenant, seed, descending, limit } => {
                let (at, _) = self.world(*tenant);
                self.tested.settle().await;
                self.same_log(at, &mut Rng::new(*seed), *descending, usize::from(*limit).max(1)).await
            }
            Op::Definitions { tenant } => {
                let (at, _) = self.world(*tenant);
                self.same_definitions(at).await
            }
        }
    }

    /// Returns the commit of an operation in the current state.
    async fn concrete(&self, op: &CommitOp) -> Result<Commit, Failure> {
        let (at, world) = self.world(op.tenant);
        let mut commit = Commit {
            id: self.model.commit_ids().next(),
            tenant: world.tenant,
            at: self.model.now(),
            writes: Vec::new(),
            guards: Vec::new(),
            claims: Vec::new(),
            key: None,
        };
        let mut named: HashSet<Ref> = HashSet::new();
        for write in &op.writes {
            if named.insert(record_of(write.slot)) {
                commit.writes.push(self.edit(at, write).into_write(commit.id));
            }
        }
        for GuardOp { slot, stale } in &op.guards {
            let record = record_of(*slot);
            let version = self.current(at, record).map_or(1, |image| image.versions.person);
            if named.insert(record) {
                commit.guards.push(Guard { record, version: version.saturating_sub(u64::from(*stale)) });
            }
        }
        for (number, about) in &op.claims {
            let claim = self.claim(at, about.kind(), *number);
            if commit.claims.iter().any(|op| *op.claim() == claim) {
                continue;
            }
            let holder = self.model.claimed(world.tenant, &claim).await?.map(|image| image.reference());
            // The new holder of a claim is an existing record, or one created by the same commit.
            let there = |slot: &Slot| {
                let record = record_of(*slot);
                let made = commit.writes.iter().any(|write| write.is_new() && write.record() == record);
                (made || self.current(at, record).is_some()).then_some(record)
            };
            let moved =
                match about {
                    ClaimMove::Take(slot) => there(slot).map(|holder| ClaimOp::Take { claim, holder }),
                    ClaimMove::Release(slot) => Some(ClaimOp::Release { claim, holder: record_of(*slot) }),
                    ClaimMove::Free(_) => holder.map(|holder| ClaimOp::Release { claim, holder }),
                    ClaimMove::HandOver(slot) => {
                        holder.zip(there(slot)).map(|(from, to)| ClaimOp::Transfer { claim, from, to })
                    }
                    ClaimMove::Transfer(from, to) => there(&Slot { number: *to, ..*from })
                        .map(|to| ClaimOp::Transfer { claim, from: record_of(*from), to }),
                };
            commit.claims.extend(moved);
        }
        commit.key = op.key.map(|key| KeyEntry {
            key: key_name(key % KEYS),
            fingerprint: format!("{key}"),
            commit: commit.id,
            records: commit.writes.iter().map(|write| (write.record(), write.after.versions)).collect(),
            expires_at: commit.at.plus_micros(3_600_000_000),
        });
        commit.sort();
        Ok(commit)
    }

    /// Returns the edit of a write in the current state.
    fn edit(&self, tenant: usize, write: &WriteOp) -> Edit {
        let record = record_of(write.slot);
        let mut rng = Rng::new(write.seed);
        let at = self.model.now();
        // Impossible writes are sometimes kept, and usually replaced by possible ones.
        let there = self.current(tenant, record).is_some();
        let how = match (write.how, there) {
            (How::Create, true) if !rng.percent(12) => How::Person,
            (How::Create, _) => How::Create,
            (_, false) if !rng.percent(12) => How::Create,
            (how, _) => how,
        };
        if how == How::Create {
            let edit = sample(self.worlds[tenant].tenant, record, at);
            return self.fill(tenant, edit, &mut rng, 4, &[Section::User, Section::ReadOnly, Section::Derived]);
        }
        let states = self.seen.get(&(tenant, record)).map_or(&[][..], Vec::as_slice);
        let base = match (states.last(), write.base) {
            (Some(current), Base::Current) => Arc::clone(current),
            (Some(_), Base::Older(back)) => Arc::clone(&states[states.len().saturating_sub(1 + usize::from(back))]),
            // A record that does not exist, edited as if it had been read.
            (None, _) => sample(self.worlds[tenant].tenant, record, at).after(),
        };
        let edit = Edit::of(&base, at);
        let person = [Section::User, Section::ReadOnly, Section::Derived];
        let edit = match how {
            How::Create | How::Person => self.fill(tenant, edit, &mut rng, 3, &person),
            How::Machine => self.machine(tenant, edit, &mut rng),
            How::Both => {
                let edit = self.fill(tenant, edit, &mut rng, 2, &person);
                self.machine(tenant, edit, &mut rng)
            }
            How::Archive if base.is_archived() => edit.restore(),
            How::Archive => edit.archive(),
            How::Move => self.moved(tenant, edit, &mut rng),
        };
        if rng.percent(15) && how == How::Person {
            // A second change in the same write, which can have occurred earlier.
            let edit = edit.next(self.model.now());
            return self.fill(tenant, edit, &mut rng, 1, &person);
        }
        edit
    }

    fn moved(&self, tenant: usize, edit: Edit, rng: &mut Rng) -> Edit {
        let world = &self.worlds[tenant];
        let stage = world.stages[rng.below(world.stages.len())];
        let back = i64::try_from(rng.below(1_000)).unwrap_or_default() * 60_000_000;
        let occurred = self.model.now().plus_micros(-back);
        // A move to the current stage would be an empty change, which is never written.
        let edit = edit.property("moves", Value::Int(back));
        match edit.record().kind {
            Kind::Lead => edit.stage(world.lead_pipeline, stage).occurred(occurred).action("move_stage"),
            Kind::Deal => edit.stage(world.deal_pipeline, stage).occurred(occurred).action("move_stage"),
            _ => self.fill(tenant, edit, rng, 2, &[Section::User]),
        }
    }

    /// Writes machine fields or, for a kind without any, a user field.
    fn machine(&self, tenant: usize, edit: Edit, rng: &mut Rng) -> Edit {
        let decl = catalog::decl(edit.record().kind);
        if decl.fields.iter().all(|field| field.section != Section::Machine) {
            return self.fill(tenant, edit, rng, 2, &[Section::User]);
        }
        let edit = self.fill(tenant, edit, rng, 2, &[Section::Machine]);
        if decl.kind == Kind::Lead && rng.percent(30) {
            return edit.announce("is_hot", Value::Bool(rng.percent(50)));
        }
        edit
    }

    /// Sets this many random fields of some sections. For user sections, at least one of them is logged.
    fn fill(&self, tenant: usize, edit: Edit, rng: &mut Rng, count: usize, sections: &[Section]) -> Edit {
        let decl = catalog::decl(edit.record().kind);
        let free: Vec<usize> = (0..decl.fields.len())
            .filter(|&at| sections.contains(&decl.fields[at].section))
            .filter(|&at| !samples::is_kept_by_writes(at) && at != common::PROPERTIES)
            .collect();
        let mut edit = edit;
        if sections.contains(&Section::User) {
            let number = i64::try_from(rng.below(9)).unwrap_or_default();
            if rng.percent(30) {
                edit = edit.by(self.worlds[tenant].users[rng.below(3)]);
            }
            edit = edit.property(&format!("key_{}", rng.below(3)), Value::Int(number));
            if let Some((key, ty)) = rng.pick(&samples::property_types()).filter(|_| rng.percent(40))
                && let Some(value) = self.value(tenant, *ty, rng)
            {
                edit = edit.property(key, value);
            }
        }
        for _ in 0..=rng.below(count) {
            let Some(&at) = rng.pick(&free) else { continue };
            let value = if samples::may_be_missing(decl, at) && rng.percent(20) {
                Some(Value::Null)
            } else {
                self.value(tenant, decl.fields[at].ty, rng)
            };
            if let Some(value) = value {
                edit = edit.set(decl.fields[at].name, value);
            }
        }
        edit
    }

    /// Returns a random value of a type. References name existing records.
    fn value(&self, tenant: usize, ty: FieldType, rng: &mut Rng) -> Option<Value> {
        let world = &self.worlds[tenant];
        let some = |rng: &mut Rng, kind: Kind| {
            let there = self.records(tenant, kind);
            rng.pick(&there).map(|image| image.reference())
        };
        let several = |rng: &mut Rng, kinds: &[Kind]| {
            let mut found: Vec<Ref> = Vec::new();
            for _ in 0..rng.below(4) {
                let kind = rng.pick(kinds).copied()?;
                found.extend(some(rng, kind).filter(|record| !found.contains(record)));
            }
            Some(found)
        };
        match ty {
            FieldType::Id(kind) => some(rng, kind).map(|record| Value::Id(record.id)),
            FieldType::Ids(kind, _) => {
                several(rng, &[kind]).map(|all| Value::list(all.into_iter().map(|record| Value::Id(record.id))))
            }
            FieldType::Ref(kinds) => {
                let kind = rng.pick(kinds).copied()?;
                some(rng, kind).map(Value::Ref)
            }
            FieldType::Refs(kinds, _) => several(rng, kinds).map(|all| Value::list(all.into_iter().map(Value::Ref))),
            FieldType::LongText => rng.pick(&samples::TEXTS[..4]).map(|text| Value::text(*text)),
            // From a small set, so that records share values and filters match some.
            _ => {
                let mut values = samples::values(ty, world);
                if rng.percent(70) {
                    values.truncate(4);
                }
                rng.pick(&values).cloned()
            }
        }
    }

    /// Sends a commit to both stores, and compares their answers and the resulting state.
    async fn commit(&mut self, commit: &Commit) -> Outcome {
        let said = self.model.store.commit(commit).await;
        let told = self.tested.store.commit(commit).await;
        same_outcome(commit, &said, &told)?;
        self.touched(commit).await?;
        if said.is_ok() {
            self.remember(commit).await?;
        }
        Ok(())
    }

    async fn remember(&mut self, commit: &Commit) -> Outcome {
        let Some(at) = self.worlds.iter().position(|world| world.tenant == commit.tenant) else { return Ok(()) };
        for write in &commit.writes {
            let image = self.model.get(commit.tenant, write.record()).await?;
            self.seen.entry((at, write.record())).or_default().extend(image);
        }
        if !commit.writes.is_empty() {
            self.stored.push(commit.clone());
        }
        Ok(())
    }

    /// Compares everything that a commit names.
    async fn touched(&self, commit: &Commit) -> Outcome {
        let Some(at) = self.worlds.iter().position(|world| world.tenant == commit.tenant) else { return Ok(()) };
        let guarded = commit.guards.iter().map(|guard| guard.record);
        for record in commit.writes.iter().map(crate::model::store::Write::record).chain(guarded) {
            self.same_record(at, record).await?;
        }
        for op in &commit.claims {
            self.same_holder(at, op.claim()).await?;
        }
        if let Some(key) = &commit.key {
            self.same_entry(at, &key.key).await?;
        }
        let (said, told) = (self.model.epochs(commit.tenant).await?, self.tested.epochs(commit.tenant).await?);
        ensure!(said == told, "the epochs are {said:?}, the store says {told:?}");
        Ok(())
    }

    /// Resends a stored commit to the store under test. It may fail or succeed, and must not change anything.
    async fn again(&self, back: u8) -> Outcome {
        let Some(commit) = self.stored.iter().rev().nth(usize::from(back)) else { return Ok(()) };
        match self.tested.store.commit(commit).await {
            Ok(()) | Err(StoreError::Conflict { .. } | StoreError::KeyUsed) => {}
            Err(other) => return Err(Failure::new(format!("a commit that was stored, sent again: {other:?}"))),
        }
        for write in &commit.writes {
            let query = HistoryQuery {
                tenant: commit.tenant,
                record: write.record(),
                field: None,
                descending: false,
                after: None,
                limit: 100,
            };
            self.same_history(&query).await?;
        }
        self.touched(commit).await
    }

    async fn same_record(&self, tenant: usize, record: Ref) -> Outcome {
        let owner = self.worlds[tenant].tenant;
        let (said, told) = (self.model.get(owner, record).await?, self.tested.get(owner, record).await?);
        same_image(&format!("got {record}"), said.as_deref(), told.as_deref(), false)
    }

    async fn same_holder(&self, tenant: usize, claim: &Claim) -> Outcome {
        let owner = self.worlds[tenant].tenant;
        let (said, told) = (self.model.claimed(owner, claim).await?, self.tested.claimed(owner, claim).await?);
        same_image(&format!("the holder of {claim:?}"), said.as_deref(), told.as_deref(), false)
    }

    async fn same_key(&self, tenant: usize, key: u8) -> Outcome {
        self.same_entry(tenant, &key_name(key % KEYS)).await
    }

    /// An expired key may or may not be returned.
    async fn same_entry(&self, tenant: usize, key: &str) -> Outcome {
        let owner = self.worlds[tenant].tenant;
        let now = self.model.now();
        let alive = |entry: Option<KeyEntry>| entry.filter(|entry| entry.expires_at > now);
        let (said, told) = (alive(self.model.key(owner, key).await?), alive(self.tested.key(owner, key).await?));
        ensure!(said == told, "under the key `{key}` is {said:?}, the store says {told:?}");
        Ok(())
    }

    async fn same_list(&self, query: &Query) -> Outcome {
        let said = self.model.walk(query).await?;
        let told = self.tested.walk(query).await?;
        let what = || format!("the list of {} by `{}` = {:?}", query.decl.kind, query.index.name, query.equals);
        let ids = |list: &[Arc<Image>]| list.iter().map(|image| image.id).collect::<Vec<_>>();
        ensure!(
            ids(&said) == ids(&told),
            "{} is {:?}, the store says {:?}\nfilter {:?}\nsort values {:?}",
            what(),
            ids(&said),
            ids(&told),
            query.filter,
            said.iter().map(|image| query.index.sort_value(image)).collect::<Vec<_>>()
        );
        for (said, told) in said.iter().zip(&told) {
            same_image(&what(), Some(said), Some(told), true)?;
        }
        if let Some(counts) = self.tested.store.counts() {
            let count = counts.count(query).await?;
            ensure!(count == said.len() as u64, "{} has {} records, counted were {count}", what(), said.len());
        }
        Ok(())
    }

    async fn same_history(&self, query: &HistoryQuery) -> Outcome {
        let (said, told) = (self.model.history(query).await?, self.tested.history(query).await?);
        same_changes(&format!("the history of {} ({:?})", query.record, query.field), &said, &told)
    }

    async fn same_log(&self, tenant: usize, rng: &mut Rng, descending: bool, limit: usize) -> Outcome {
        let world = &self.worlds[tenant];
        let (mut from, mut until) = (Time::MIN, Time::MAX);
        // At the exact times of changes, to test the bounds of a range.
        let moments: Vec<Time> = self
            .stored
            .iter()
            .flat_map(|commit| &commit.writes)
            .flat_map(|write| &write.changes)
            .flat_map(|change| [change.recorded_at, change.occurred_at])
            .collect();
        if let Some(moment) = rng.pick(&moments).filter(|_| rng.percent(60)) {
            from = *moment;
        }
        if let Some(moment) = rng.pick(&moments).filter(|_| rng.percent(60)) {
            until = *moment;
        }
        let query = LogQuery { tenant: world.tenant, from, until, descending, after: None, limit };
        let (said, told) = (self.model.log(&query).await?, self.tested.log(&query).await?);
        same_changes(&format!("the log from {from} until {until}"), &said, &told)?;
        self.same_moves(world, from, until, limit).await
    }

    async fn same_moves(&self, world: &World, from: Time, until: Time, limit: usize) -> Outcome {
        for pipeline in [world.lead_pipeline, world.deal_pipeline].map(Id::typed) {
            let query = StageMoveQuery { tenant: world.tenant, pipeline, from, until, after: None, limit };
            let (said, told) = (self.model.stage_moves(&query).await?, self.tested.stage_moves(&query).await?);
            same_changes(&format!("the stage moves from {from} until {until}"), &said, &told)?;
        }
        Ok(())
    }

    async fn same_definitions(&self, tenant: usize) -> Outcome {
        let owner = self.worlds[tenant].tenant;
        let (mut said, mut told) =
            (self.model.store.definitions(owner).await?, self.tested.store.definitions(owner).await?);
        ensure!(said.epochs == told.epochs, "the epochs are {:?}, the store says {:?}", said.epochs, told.epochs);
        said.images.sort_by_key(|image| image.reference());
        told.images.sort_by_key(|image| image.reference());
        ensure!(
            said.images.len() == told.images.len(),
            "there are {} definitions, the store has {}",
            said.images.len(),
            told.images.len()
        );
        for (said, told) in said.images.iter().zip(&told.images) {
            same_image("a definition", Some(said), Some(told), false)?;
        }
        Ok(())
    }

    /// Returns a random list query: an index of the kind, equals that some record or no record has, and perhaps a
    /// filter.
    fn list_query(&self, tenant: usize, kind: Kind, rng: &mut Rng) -> Query {
        let decl = catalog::decl(kind);
        let records = self.records(tenant, kind);
        let index = &decl.indexes[rng.below(decl.indexes.len())];
        let mut entries: Vec<Vec<Value>> = records.iter().flat_map(|image| index.entries(image)).collect();
        entries.push(vec![Value::Null; index.equals.len()]);
        let equals = entries.swap_remove(rng.below(entries.len()));
        let filter = if rng.percent(60) { self.filter(decl, &records, rng, 3) } else { Predicate::always() };
        Query {
            tenant: self.worlds[tenant].tenant,
            decl,
            index,
            equals,
            descending: false,
            filter,
            after: None,
            limit: 100,
        }
    }

    fn filter(&self, decl: &'static KindDecl, records: &[Arc<Image>], rng: &mut Rng, depth: usize) -> Predicate {
        match rng.below(10) {
            0 if depth > 0 => Predicate::Not(Box::new(self.filter(decl, records, rng, depth - 1))),
            1 if depth > 0 => {
                Predicate::All((0..rng.below(4)).map(|_| self.filter(decl, records, rng, depth - 1)).collect())
            }
            2 if depth > 0 => {
                Predicate::Any((0..rng.below(4)).map(|_| self.filter(decl, records, rng, depth - 1)).collect())
            }
            _ => self.test(decl, records, rng),
        }
    }

    /// Returns a test of one field or property, with an operand that some record has, or another of its type.
    fn test(&self, decl: &'static KindDecl, records: &[Arc<Image>], rng: &mut Rng) -> Predicate {
        let (path, ty) = if rng.percent(25) {
            let types = samples::property_types();
            match rng.pick(&types) {
                Some((key, ty)) => (Path { field: common::PROPERTIES, property: Some(Arc::from(*key)) }, *ty),
                None => return Predicate::always(),
            }
        } else {
            let at = rng.below(decl.fields.len());
            (Path { field: at, property: None }, decl.fields[at].ty)
        };
        let allowed: Vec<Compare> = COMPARES.into_iter().filter(|&compare| takes(ty, compare)).collect();
        let Some(&compare) = rng.pick(&allowed) else { return Predicate::always() };
        let count = match compare {
            Compare::Missing => 0,
            Compare::In => 1 + rng.below(4),
            _ => 1,
        };
        let mut operands = Vec::new();
        for _ in 0..count {
            let stored = rng.pick(records).map(|image| path.value(image).clone());
            let stored =
                stored.and_then(|value| if ty.is_list() { rng.pick(value.items()).cloned() } else { Some(value) });
            let others = samples::values(ty.element(), &self.worlds[0]);
            let operand =
                stored.filter(|value| !value.is_null() && fits(value, ty.element())).filter(|_| rng.percent(80));
            operands.extend(operand.or_else(|| rng.pick(&others).cloned()));
        }
        if operands.len() < count {
            return Predicate::always();
        }
        Predicate::Test(Test { path, ty: ty.element(), list: ty.is_list(), compare, operands })
    }

    /// Compares everything that is stored.
    async fn everything(&self) -> Outcome {
        self.tested.settle().await;
        for (tenant, world) in self.worlds.iter().enumerate() {
            let slots = Kind::ALL.iter().flat_map(|&kind| (0..SLOTS).map(move |number| Slot { kind, number }));
            let mut records: Vec<Ref> = slots.map(record_of).collect();
            records.extend(world.records());
            for record in records {
                if self.current(tenant, record).is_some() {
                    let query = HistoryQuery {
                        tenant: world.tenant,
                        record,
                        field: None,
                        descending: false,
                        after: None,
                        limit: 50,
                    };
                    self.same_history(&query).await?;
                }
                self.same_record(tenant, record).await?;
            }
            for decl in catalog::all() {
                let records = self.records(tenant, decl.kind);
                for index in &decl.indexes {
                    let mut entries: HashMap<String, Vec<Value>> = HashMap::new();
                    for entry in records.iter().flat_map(|image| index.entries(image)) {
                        entries.insert(format!("{entry:?}"), entry);
                    }
                    for equals in entries.into_values() {
                        let query = self.tested.query(world.tenant, decl.kind, &index.name, equals);
                        self.same_list(&Query { limit: 2, ..query.clone() }).await?;
                        self.same_list(&Query { limit: 3, descending: true, ..query }).await?;
                    }
                }
            }
            for (&kind, number) in Kind::ALL.iter().flat_map(|kind| (0..CLAIMS).map(move |number| (kind, number))) {
                self.same_holder(tenant, &self.claim(tenant, kind, number)).await?;
            }
            for key in 0..KEYS {
                self.same_key(tenant, key).await?;
            }
            self.same_definitions(tenant).await?;
            let all = LogQuery {
                tenant: world.tenant,
                from: Time::MIN,
                until: Time::MAX,
                descending: false,
                after: None,
                limit: 50,
            };
            same_changes("the log", &self.model.log(&all).await?, &self.tested.log(&all).await?)?;
            self.same_moves(world, Time::MIN, Time::MAX, 3).await?;
        }
        self.same_feed().await
    }

    /// Requires that both feeds return the same changes, the one under test each at least once.
    async fn same_feed(&self) -> Outcome {
        let (said, _) = self.model.feed(None, 100, 0).await?;
        let (told, _) = self.tested.feed(None, 20, said.len()).await?;
        let sorted = |mut all: Vec<(Id, Change)>| {
            all.sort_by_key(|(tenant, change)| (*tenant, change.record, change.group, change.version));
            all
        };
        let (said, told) = (sorted(said), sorted(once(told)));
        let tenants = |all: &[(Id, Change)]| all.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>();
        ensure!(tenants(&said) == tenants(&told), "the feed tells changes of other tenants than there are");
        let changes = |all: Vec<(Id, Change)>| all.into_iter().map(|(_, change)| change).collect::<Vec<_>>();
        same_changes("the feed", &changes(said), &changes(told))
    }
}

/// Returns `true` if a value can be the operand of a filter on a type.
fn fits(value: &Value, ty: FieldType) -> bool {
    match (value, ty) {
        (Value::Bool(_), FieldType::Bool)
        | (Value::Int(_), FieldType::Int(..))
        | (Value::Decimal(_), FieldType::Decimal)
        | (Value::Money(_), FieldType::Money)
        | (Value::Time(_), FieldType::Time)
        | (Value::Date(_), FieldType::Date)
        | (Value::Id(_), FieldType::Id(_) | FieldType::StageId)
        | (Value::Ref(_), FieldType::Ref(_)) => true,
        (Value::Text(_), ty) => !matches!(
            ty,
            FieldType::Bool
                | FieldType::Int(..)
                | FieldType::Decimal
                | FieldType::Money
                | FieldType::Time
                | FieldType::Date
                | FieldType::Id(_)
                | FieldType::StageId
                | FieldType::Ref(_)
        ),
        _ => false,
    }
}

/// Returns the name of a field of a kind, or of a property; `None` in one of three cases.
fn some_field(decl: &KindDecl, rng: &mut Rng) -> Option<String> {
    match rng.below(6) {
        0 | 1 => None,
        2 => Some(format!("properties.key_{}", rng.below(4))),
        _ => rng.pick(&decl.fields).map(|field| field.name.to_owned()),
    }
}

fn same_image(what: &str, said: Option<&Image>, told: Option<&Image>, listed: bool) -> Outcome {
    match (said, told) {
        (None, None) => Ok(()),
        (Some(said), Some(told)) => match differences(said, told, listed) {
            None => Ok(()),
            Some(different) => Err(Failure::new(format!("{what}: {different}"))),
        },
        (Some(said), None) => Err(Failure::new(format!("{what}: the store has nothing, there is {said:?}"))),
        (None, Some(told)) => Err(Failure::new(format!("{what}: there is nothing, the store has {told:?}"))),
    }
}

/// Requires that two results of a commit are equal, as far as the contract specifies them: of several invalid claims,
/// any one may be reported, with its holder at any version.
fn same_outcome(commit: &Commit, said: &Result<(), StoreError>, told: &Result<(), StoreError>) -> Outcome {
    let of_claims = |error: &StoreError| match error {
        StoreError::Claimed { .. } => true,
        StoreError::Conflict { record, .. } => commit.claims.iter().any(|op| op.held_before() == Some(*record)),
        _ => false,
    };
    let same = match (said, told) {
        (Ok(()), Ok(())) | (Err(StoreError::KeyUsed), Err(StoreError::KeyUsed)) => true,
        (
            Err(StoreError::Conflict { record: a, current: a_now }),
            Err(StoreError::Conflict { record: b, current: b_now }),
        ) if a == b => a_now == b_now || commit.claims.iter().any(|op| op.held_before() == Some(*a)),
        (Err(StoreError::Claimed { claim: a, holder: a_by }), Err(StoreError::Claimed { claim: b, holder: b_by }))
            if a == b =>
        {
            a_by == b_by
        }
        (Err(StoreError::TooLarge { limit: a, .. }), Err(StoreError::TooLarge { limit: b, .. })) => a == b,
        (Err(a), Err(b)) => commit.claims.len() > 1 && of_claims(a) && of_claims(b),
        _ => false,
    };
    ensure!(same, "the commit gave {said:?}, the store says {told:?}\n{commit:?}");
    Ok(())
}
