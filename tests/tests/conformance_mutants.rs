//! Deliberately broken stores. At least one named case of the suite detects each of them, which shows that the suite
//! can fail. The model test finds those that a sequence of operations can reveal, and shrinks the sequence to a few
//! steps.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use crm_core::{
    catalog,
    change::Change,
    conformance::{self, Harness, Task, model},
    filter::{Compare, Predicate, Test},
    schema::{FieldType, Group, Image, KindDecl, Versions},
    store::{
        Answer, ChangePage, Claim, ClaimOp, Commit, CommitId, Counts, Definitions, Feed, FeedCursor, FeedPage,
        FeedPlace, Got, History, HistoryQuery, LogQuery, MemoryStore, Page, Position, Query, Records, StageMoveQuery,
        Store, StoreError, Want, Write,
    },
    value::{Decimal, Id, Kind, Ref, Time, Value},
};

/// The defect of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    // In commits.
    ForgetsVersions,
    ForgetsGuards,
    GuardsMachineToo,
    MachineNeedsPerson,
    MachineWritesAll,
    CommitsOneByOne,
    ClaimsAfterwards,
    ForgetsClaims,
    TakeSteals,
    ReleaseUnchecked,
    TransferUnchecked,
    HolderCannotRetake,
    ClaimsFoldCase,
    ClaimsBeforeVersions,
    ConflictNamesLast,
    ConflictTellsNothing,
    KeyForgotten,
    KeyUsedTwice,
    KeyLivesForEver,
    KeyLast,
    BudgetLies,
    BudgetTight,
    ChecksThenWrites,
    DanglesByHalf,
    // In reads.
    LeaksGet,
    LeaksClaims,
    LeaksLists,
    LeaksHistory,
    NilClaimsOfOwnTenant,
    EpochForgotten,
    AccessEpochForgotten,
    EpochOfAnyCommit,
    DefinitionsHideArchived,
    LongTextNotGot,
    LongTextListed,
    // In lists.
    FilterDropped,
    FilterAfterPage,
    NotOfMissingIsFalse,
    ContainsFoldsCase,
    LikeWildcards,
    MoneyWithoutCurrency,
    DecimalsAsText,
    InTakesTheFirst,
    PropertiesWithoutType,
    PageSkipsOne,
    PageRepeatsOne,
    PageIgnoresLimit,
    WalkStopsEarly,
    NullsFirst,
    DescendingNullsLast,
    TiesReversed,
    TextsSortRaw,
    SortKeysUncut,
    NumbersSortAsText,
    ArchivedEverywhere,
    ElementsOnlyFirst,
    NullEqualsFindNothing,
    PositionsUnchecked,
    CountsIgnoreFilter,
    ListsOldImages,
    // In values.
    TextsTrimmed,
    EmptyIsMissing,
    DecimalsAsFloats,
    TimesInMillis,
    ListsSorted,
    ZeroIsMissing,
    AstralReplaced,
    // In logs.
    LosesSecondChange,
    HistoryIgnoresField,
    HistoryIgnoresDirection,
    HistoryEndsEarly,
    HistoryRepeats,
    LogByOccurred,
    LogUntilInclusive,
    LogFromExclusive,
    MovesByRecorded,
    MovesOfAllPipelines,
    FeedSkips,
    FeedTakesAnyCursor,
    FeedForgetsTenant,
    FeedEndsLate,
    FeedEndsAtTheBeginning,
    TenantsFromTheFirst,
    TenantsWithoutEnd,
    PlaceOfAnyConsumer,
    PlaceForgotten,
    PlaceKeptOnce,
    PlaceWithoutState,
    PlaceStaleKept,
    PlaceMadeUnderAnyFence,
    PlaceFenceOfTheCaller,
    PlaceLookedAtThenKept,
    DueOfTheFirstTenant,
    DueWithoutBound,
    DueWithoutLimit,
    DueFromTheFirst,
    DueNewestFirst,
    DueBefore,
    DueTooSoon,
    DueArchived,
    DueIdle,
    DueOnce,
}

/// The memory store with a bug.
struct Mutant {
    inner: MemoryStore,
    bug: Bug,
    /// The state some bugs need: known tenants, and the last commit of each.
    seen: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    last_commit: BTreeMap<Id, CommitId>,
    first_images: BTreeMap<(Id, Ref), Arc<Image>>,
    first_due: BTreeMap<(Id, Ref), Time>,
}

impl Mutant {
    fn tenants(&self) -> Vec<Id> {
        self.seen.lock().unwrap().last_commit.keys().copied().collect()
    }

    async fn current(&self, tenant: Id, record: Ref) -> Option<Arc<Image>> {
        match self.inner.get(tenant, &[Want::Record(record)]).await.unwrap().got.pop() {
            Some(Got::Record(image)) => image,
            _ => None,
        }
    }

    async fn holder(&self, tenant: Id, claim: &Claim) -> Option<Arc<Image>> {
        match self.inner.get(tenant, &[Want::Claimed(claim.clone())]).await.unwrap().got.pop() {
            Some(Got::Record(image)) => image,
            _ => None,
        }
    }

    /// The write, rebased on the stored record.
    async fn rebased(&self, tenant: Id, write: &Write) -> Write {
        let Some(current) = self.current(tenant, write.record()).await else { return write.clone() };
        let mut after = write.after.as_ref().clone();
        let raise =
            |group: Group| current.versions.of(group) + (write.after.versions.of(group) - write.base().of(group));
        after.versions = Versions { person: raise(Group::User), machine: raise(Group::Machine) };
        Write { before: Some(current), after: Arc::new(after), changes: write.changes.clone() }
    }

    async fn rebase(&self, commit: &mut Commit) {
        for at in 0..commit.writes.len() {
            commit.writes[at] = self.rebased(commit.tenant, &commit.writes[at]).await;
        }
    }

    async fn store(&self, commit: &Commit) -> Result<(), StoreError> {
        self.inner.commit(commit).await
    }

    /// Commits with this bug.
    #[allow(clippy::too_many_lines)] // one arm per bug
    async fn wrongly(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut wrong = commit.clone();
        match self.bug {
            Bug::ForgetsVersions => {
                self.rebase(&mut wrong).await;
                self.store(&wrong).await
            }
            Bug::ForgetsGuards => {
                wrong.guards.clear();
                self.store(&wrong).await
            }
            Bug::GuardsMachineToo => {
                for guard in &commit.guards {
                    if let Some(image) = self.current(commit.tenant, guard.record).await
                        && image.versions.machine > 0
                    {
                        return Err(StoreError::Conflict { record: guard.record, current: Some(image.versions) });
                    }
                }
                self.store(&wrong).await
            }
            Bug::MachineNeedsPerson => {
                for write in commit.writes.iter().filter(|write| !write.is_new()) {
                    if let Some(image) = self.current(commit.tenant, write.record()).await
                        && image.versions.person != write.base().person
                    {
                        let (record, current) = (write.record(), Some(image.versions));
                        return Err(StoreError::Conflict { record, current });
                    }
                }
                self.store(&wrong).await
            }
            Bug::MachineWritesAll => {
                self.store(&wrong).await?;
                // Then all fields once more, as they were when read.
                for write in wrong.writes.iter_mut().filter(|write| !write.is_new() && !write.writes(Group::User)) {
                    if let Some(current) = self.current(commit.tenant, write.record()).await {
                        let mut before = current.as_ref().clone();
                        before.values.clone_from(&write.after.values);
                        self.overwrite(&before);
                    }
                }
                Ok(())
            }
            Bug::CommitsOneByOne => {
                for write in &commit.writes {
                    let one = Commit {
                        writes: vec![write.clone()],
                        guards: Vec::new(),
                        claims: Vec::new(),
                        key: None,
                        ..commit.clone()
                    };
                    self.store(&one).await?;
                }
                wrong.writes.clear();
                self.store(&wrong).await
            }
            Bug::ClaimsAfterwards => {
                let claims = std::mem::take(&mut wrong.claims);
                self.store(&wrong).await?;
                let after = Commit { claims, writes: Vec::new(), guards: Vec::new(), key: None, ..commit.clone() };
                self.store(&after).await
            }
            Bug::ForgetsClaims => {
                wrong.claims.clear();
                self.store(&wrong).await
            }
            Bug::TakeSteals => {
                for op in &mut wrong.claims {
                    if let ClaimOp::Take { claim, holder } = op
                        && let Some(from) = self.holder(commit.tenant, claim).await
                        && from.tenant == commit.tenant
                    {
                        *op = ClaimOp::Transfer { claim: claim.clone(), from: from.reference(), to: *holder };
                    }
                }
                self.store(&wrong).await
            }
            Bug::ReleaseUnchecked | Bug::TransferUnchecked => {
                let mut kept = Vec::new();
                for op in wrong.claims {
                    let holder = self.holder(commit.tenant, op.claim()).await.map(|image| image.reference());
                    kept.push(match (op, holder) {
                        (ClaimOp::Release { claim, .. }, Some(holder)) if self.bug == Bug::ReleaseUnchecked => {
                            ClaimOp::Release { claim, holder }
                        }
                        (ClaimOp::Release { .. }, None) if self.bug == Bug::ReleaseUnchecked => continue,
                        (ClaimOp::Transfer { claim, to, .. }, Some(from)) if self.bug == Bug::TransferUnchecked => {
                            ClaimOp::Transfer { claim, from, to }
                        }
                        (ClaimOp::Transfer { claim, to, .. }, None) if self.bug == Bug::TransferUnchecked => {
                            ClaimOp::Take { claim, holder: to }
                        }
                        (op, _) => op,
                    });
                }
                wrong.claims = kept;
                self.store(&wrong).await
            }
            Bug::HolderCannotRetake => {
                for op in &commit.claims {
                    if let ClaimOp::Take { claim, .. } = op
                        && let Some(holder) = self.holder(commit.tenant, claim).await
                    {
                        return Err(StoreError::Claimed { claim: claim.clone(), holder: holder.reference() });
                    }
                }
                self.store(&wrong).await
            }
            Bug::ClaimsFoldCase => {
                for op in &mut wrong.claims {
                    let (ClaimOp::Take { claim, .. }
                    | ClaimOp::Release { claim, .. }
                    | ClaimOp::Transfer { claim, .. }) = op;
                    claim.value = claim.value.to_lowercase();
                }
                self.store(&wrong).await
            }
            Bug::ClaimsBeforeVersions => {
                let claims = Commit { writes: Vec::new(), guards: Vec::new(), key: None, ..commit.clone() };
                for op in &claims.claims {
                    if let ClaimOp::Take { claim, holder } = op
                        && let Some(other) = self.holder(commit.tenant, claim).await
                        && (other.tenant, other.reference()) != (commit.tenant, *holder)
                    {
                        return Err(StoreError::Claimed { claim: claim.clone(), holder: other.reference() });
                    }
                }
                self.store(&wrong).await
            }
            Bug::ConflictNamesLast => match self.store(&wrong).await {
                Err(StoreError::Conflict { record, current }) => {
                    let last = commit.writes.last().map_or(record, Write::record).max(record);
                    Err(StoreError::Conflict { record: last, current })
                }
                other => other,
            },
            Bug::ConflictTellsNothing => match self.store(&wrong).await {
                Err(StoreError::Conflict { record, .. }) => Err(StoreError::Conflict { record, current: None }),
                other => other,
            },
            Bug::KeyForgotten => {
                wrong.key = None;
                self.store(&wrong).await
            }
            Bug::KeyUsedTwice => match self.store(&wrong).await {
                Err(StoreError::KeyUsed) => {
                    wrong.key = None;
                    self.store(&wrong).await
                }
                other => other,
            },
            Bug::KeyLivesForEver => {
                wrong.at = Time::MIN;
                self.store(&wrong).await
            }
            Bug::KeyLast => match self.store(&wrong).await {
                Err(StoreError::KeyUsed) => {
                    let unkeyed = Commit { key: None, ..wrong };
                    let probe = self.fork(commit).await;
                    probe.commit(&unkeyed).await.and(Err(StoreError::KeyUsed))
                }
                other => other,
            },
            Bug::BudgetLies => match self.store(&wrong).await {
                Err(StoreError::TooLarge { .. }) => Ok(()),
                other => other,
            },
            Bug::BudgetTight if commit.items() > 99 => {
                Err(StoreError::TooLarge { what: "the number of items in one commit", limit: 100 })
            }
            Bug::ChecksThenWrites => {
                // Versions and claims are checked, and written later without a check.
                let probe = self.fork(commit).await;
                probe.commit(&wrong).await?;
                tokio::task::yield_now().await;
                self.rebase(&mut wrong).await;
                wrong.guards.clear();
                let mut claims = Vec::new();
                for op in wrong.claims {
                    let holder = self.holder(commit.tenant, op.claim()).await.map(|image| image.reference());
                    claims.push(match (op, holder) {
                        (ClaimOp::Take { claim, holder: to } | ClaimOp::Transfer { claim, to, .. }, Some(from)) => {
                            ClaimOp::Transfer { claim, from, to }
                        }
                        (op, _) => op,
                    });
                }
                wrong.claims = claims;
                self.store(&wrong).await
            }
            Bug::DanglesByHalf => {
                for write in &commit.writes {
                    if let Some(owner) = write.after.get("owner_id").as_id()
                        && self.current(commit.tenant, Ref::new(Kind::User, owner)).await.is_none()
                    {
                        let half = Commit { writes: commit.writes[..1].to_vec(), claims: Vec::new(), ..wrong };
                        self.store(&half).await?;
                        return Err(StoreError::Dangling);
                    }
                }
                self.store(&wrong).await
            }
            Bug::LosesSecondChange => {
                wrong.writes.iter_mut().for_each(|write| write.changes.truncate(1));
                self.store(&wrong).await
            }
            _ => self.store(&wrong).await,
        }
    }

    /// A separate store with the records that the commit checks, to obtain its result.
    async fn fork(&self, commit: &Commit) -> MemoryStore {
        let fork = MemoryStore::new();
        let named = commit.writes.iter().map(Write::record).chain(commit.guards.iter().map(|guard| guard.record));
        let mut writes = Vec::new();
        for record in named {
            if let Some(image) = self.current(commit.tenant, record).await {
                writes.push(Write { before: None, after: image, changes: Vec::new() });
            }
        }
        let mut claims = Vec::new();
        for op in &commit.claims {
            if let Some(holder) = self.holder(commit.tenant, op.claim()).await {
                claims.push(ClaimOp::Take { claim: op.claim().clone(), holder: holder.reference() });
            }
        }
        let there = Commit { writes, claims, guards: Vec::new(), key: None, ..commit.clone() };
        fork.commit(&there).await.unwrap();
        fork
    }

    /// Replaces values in the images returned by later reads, at the stored versions.
    fn overwrite(&self, image: &Image) {
        let key = (image.tenant, image.reference());
        self.seen.lock().unwrap().first_images.insert(key, Arc::new(image.clone()));
    }

    /// The view of a stored image with this bug.
    fn seen_as(&self, image: &Arc<Image>) -> Arc<Image> {
        let map = |change: &dyn Fn(&Value) -> Value| {
            let mut other = image.as_ref().clone();
            other.values = other.values.iter().map(|value| deep(value, change)).collect();
            Arc::new(other)
        };
        match self.bug {
            Bug::MachineWritesAll => {
                let seen = self.seen.lock().unwrap();
                match seen.first_images.get(&(image.tenant, image.reference())) {
                    Some(other) if other.versions == image.versions => Arc::clone(other),
                    _ => Arc::clone(image),
                }
            }
            Bug::TextsTrimmed => map(&|value| match value {
                Value::Text(text) => Value::text(text.trim()),
                other => other.clone(),
            }),
            Bug::EmptyIsMissing => map(&|value| match value {
                Value::Text(text) if text.is_empty() => Value::Null,
                other => other.clone(),
            }),
            Bug::AstralReplaced => map(&|value| match value {
                Value::Text(text) => {
                    Value::text(text.chars().map(|c| if c > '\u{ffff}' { '\u{fffd}' } else { c }).collect::<String>())
                }
                other => other.clone(),
            }),
            Bug::DecimalsAsFloats => {
                let float = |number: Decimal| {
                    let text = format!("{:.12}", number.to_f64());
                    text.parse().unwrap_or(number)
                };
                map(&|value| match value {
                    Value::Decimal(number) => Value::Decimal(float(*number)),
                    Value::Money(money) => {
                        let mut money = *money;
                        money.amount = float(money.amount);
                        Value::Money(money)
                    }
                    other => other.clone(),
                })
            }
            Bug::TimesInMillis => map(&|value| match value {
                Value::Time(time) => Value::Time(time.plus_micros(-time.micros().rem_euclid(1000))),
                other => other.clone(),
            }),
            Bug::ListsSorted => map(&|value| match value {
                Value::List(items) => {
                    let mut items = items.to_vec();
                    items.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
                    Value::list(items)
                }
                other => other.clone(),
            }),
            Bug::ZeroIsMissing => map(&|value| match value {
                Value::Int(0) | Value::Bool(false) => Value::Null,
                other => other.clone(),
            }),
            _ => Arc::clone(image),
        }
    }

    /// The whole, broken list, which is then paged correctly.
    async fn whole_list(&self, query: &Query) -> Result<Vec<Arc<Image>>, StoreError> {
        let whole = Query { after: None, limit: usize::MAX, ..query.clone() };
        let mut items = self.inner.list(&whole).await?.items;
        let sort = |image: &Image| query.index.sort_value(image);
        let raw = |image: &Image| image.values[query.index.sort].clone();
        let by = |items: &mut Vec<Arc<Image>>, order: &dyn Fn(&Image, &Image) -> Ordering| {
            items.sort_by(|a, b| order(a, b).then_with(|| a.id.cmp(&b.id)));
            if query.descending {
                items.reverse();
            }
        };
        match self.bug {
            Bug::NullsFirst => items.sort_by_key(|image| sort(image).is_null() == query.descending),
            Bug::DescendingNullsLast if query.descending => items.sort_by_key(|image| sort(image).is_null()),
            Bug::TiesReversed => items.sort_by(|a, b| {
                let order = sort(a).sort_order(&sort(b));
                if query.descending { order.reverse().then(a.id.cmp(&b.id)) } else { order.then(b.id.cmp(&a.id)) }
            }),
            Bug::TextsSortRaw => by(&mut items, &|a, b| raw(a).sort_order(&raw(b))),
            Bug::SortKeysUncut => by(&mut items, &|a, b| match (&raw(a), &raw(b)) {
                (Value::Text(a), Value::Text(b)) => crm_core::value::fold(a).cmp(&crm_core::value::fold(b)),
                (a, b) => a.sort_order(b),
            }),
            Bug::NumbersSortAsText => by(&mut items, &|a, b| match (&raw(a), &raw(b)) {
                (Value::Int(a), Value::Int(b)) => a.to_string().cmp(&b.to_string()),
                (a, b) => a.sort_order(b),
            }),
            Bug::ArchivedEverywhere if !query.index.archived => {
                let archived = Query { index: query.decl.archived(), equals: Vec::new(), ..whole };
                let more = self.inner.list(&archived).await?.items;
                items.extend(more.into_iter().filter(|image| {
                    let mut live = image.as_ref().clone();
                    live.values[crm_core::schema::common::ARCHIVED_AT] = Value::Null;
                    query.index.entries(&live).contains(&query.equals)
                }));
                by(&mut items, &|a, b| sort(a).sort_order(&sort(b)));
            }
            Bug::ElementsOnlyFirst if query.index.per_element => {
                items.retain(|image| {
                    let first = image.values[query.index.equals[0]].items().first().cloned();
                    first.as_ref() == query.equals.first()
                });
            }
            Bug::NullEqualsFindNothing if query.equals.contains(&Value::Null) => items.clear(),
            Bug::LeaksLists => {
                for tenant in self.tenants().into_iter().filter(|tenant| *tenant != query.tenant) {
                    let other = Query { tenant, after: None, limit: usize::MAX, ..query.clone() };
                    items.extend(self.inner.list(&other).await?.items);
                }
                by(&mut items, &|a, b| sort(a).sort_order(&sort(b)));
            }
            Bug::LongTextListed => {
                for item in &mut items {
                    if let Some(whole) = self.current(query.tenant, item.reference()).await {
                        *item = whole;
                    }
                }
            }
            Bug::ListsOldImages => {
                let seen = self.seen.lock().unwrap();
                for item in &mut items {
                    if let Some(first) = seen.first_images.get(&(item.tenant, item.reference())) {
                        *item = Arc::clone(first);
                    }
                }
            }
            _ => {}
        }
        Ok(items)
    }

    /// A page of a whole list.
    fn page(query: &Query, items: Vec<Arc<Image>>) -> Page {
        let start = query
            .after
            .as_ref()
            .map_or(0, |after| items.iter().position(|image| image.id == after.id).map_or(items.len(), |at| at + 1));
        let rest: Vec<_> = items.into_iter().skip(start).collect();
        let more = rest.len() > query.limit;
        let items: Vec<_> = rest.into_iter().take(query.limit).collect();
        let next = items.last().filter(|_| more).map(|image| place(query, image));
        Page { items, next }
    }

    /// The records under the index that match a broken filter.
    async fn quirky(&self, query: &Query) -> Result<Page, StoreError> {
        let open = Query { filter: Predicate::always(), ..query.clone() };
        let mut items = self.whole_list(&open).await?;
        items.retain(|image| holds(self.bug, &query.filter, image) == Some(true));
        Ok(Self::page(query, items))
    }
}

fn place(query: &Query, image: &Image) -> Position {
    Position { sort: query.index.sort_value(image), id: image.id }
}

fn deep(value: &Value, change: &dyn Fn(&Value) -> Value) -> Value {
    match change(value) {
        Value::List(items) => Value::list(items.iter().map(|item| deep(item, change))),
        Value::Map(map) => {
            Value::Map(Arc::new(map.iter().map(|(key, value)| (key.clone(), deep(value, change))).collect()))
        }
        other => other,
    }
}

/// A filter as an engine might misinterpret it; `None` is SQL's unknown.
fn holds(bug: Bug, filter: &Predicate, image: &Image) -> Option<bool> {
    match filter {
        Predicate::All(parts) => Some(parts.iter().all(|part| holds(bug, part, image) == Some(true))),
        Predicate::Any(parts) => Some(parts.iter().any(|part| holds(bug, part, image) == Some(true))),
        Predicate::Not(part) => holds(bug, part, image).map(|holds| !holds),
        Predicate::Test(test) => holds_test(bug, test, image),
        Predicate::Ids(ids) => Some(ids.contains(&image.id)),
    }
}

fn holds_test(bug: Bug, test: &Test, image: &Image) -> Option<bool> {
    let value = test.path.value(image);
    let letters = |value: &Value| value.as_text().map(str::to_owned);
    let part = test.operands.first().and_then(letters);
    let parts = matches!(test.compare, Compare::Contains | Compare::StartsWith);
    match bug {
        Bug::NotOfMissingIsFalse if value.is_null() && test.compare != Compare::Missing => None,
        Bug::ContainsFoldsCase if parts => {
            let (Some(whole), Some(part)) = (letters(value), part) else { return Some(false) };
            let (whole, part) = (whole.to_lowercase(), part.to_lowercase());
            Some(if test.compare == Compare::Contains { whole.contains(&part) } else { whole.starts_with(&part) })
        }
        Bug::LikeWildcards if parts => {
            let (Some(whole), Some(part)) = (letters(value), part) else { return Some(false) };
            let pattern = if test.compare == Compare::Contains { format!("%{part}%") } else { format!("{part}%") };
            Some(like(&whole.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>()))
        }
        Bug::MoneyWithoutCurrency if test.ty == FieldType::Money && test.compare != Compare::Missing => {
            let amount = |value: &Value| if let Value::Money(money) = value { Some(money.amount) } else { None };
            let test = Test {
                ty: FieldType::Decimal,
                operands: test.operands.iter().filter_map(amount).map(Value::Decimal).collect(),
                ..test.clone()
            };
            Some(amount(value).is_some_and(|amount| test_value(&test, &Value::Decimal(amount))))
        }
        Bug::DecimalsAsText if test.ty == FieldType::Decimal && test.compare != Compare::Missing => {
            let digits = |value: &Value| match value {
                Value::Decimal(number) => Value::text(number.to_string()),
                other => other.clone(),
            };
            let test = Test { operands: test.operands.iter().map(digits).collect(), ..test.clone() };
            Some(test_value(&test, &digits(value)))
        }
        Bug::InTakesTheFirst if test.compare == Compare::In => {
            let test = Test { compare: Compare::Eq, operands: test.operands[..1].to_vec(), ..test.clone() };
            Some(Predicate::Test(test).holds(image))
        }
        Bug::PropertiesWithoutType if test.path.property.is_some() && test.compare == Compare::Eq => {
            let plain = |value: &Value| value.to_json().to_string().replace('"', "");
            Some(test.operands.iter().any(|operand| plain(operand) == plain(value)))
        }
        _ => Some(Predicate::Test(test.clone()).holds(image)),
    }
}

/// A test on a single value.
fn test_value(test: &Test, value: &Value) -> bool {
    let decl = catalog::decl(Kind::Lead);
    let mut image = Image::empty(decl, Id::NIL, Id::NIL);
    image.values[0] = value.clone();
    let mut test = test.clone();
    test.path.field = 0;
    test.path.property = None;
    Predicate::Test(test).holds(&image)
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skip| like(&text[skip..], rest)),
        Some((c, rest)) => text.split_first().is_some_and(|(t, more)| (t == c || *c == '_') && like(more, rest)),
    }
}

#[async_trait]
impl Records for Mutant {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        let mut wants = wants.to_vec();
        if self.bug == Bug::ClaimsFoldCase {
            for want in &mut wants {
                if let Want::Claimed(claim) = want {
                    claim.value = claim.value.to_lowercase();
                }
            }
        }
        let mut answer = self.inner.get(tenant, &wants).await?;
        for (want, got) in wants.iter().zip(&mut answer.got) {
            let Got::Record(found) = got else { continue };
            match (self.bug, want) {
                (Bug::LeaksGet, Want::Record(record)) if found.is_none() => {
                    for other in self.tenants() {
                        *found = found.take().or(self.current(other, *record).await);
                    }
                }
                (Bug::LeaksClaims, Want::Claimed(claim)) if found.is_none() => {
                    *found = self.holder(claim.tenant, claim).await;
                }
                (Bug::NilClaimsOfOwnTenant, _) if found.as_ref().is_some_and(|image| image.tenant != tenant) => {
                    *found = None;
                }
                _ => {}
            }
            if let Some(image) = found {
                *image = self.seen_as(image);
                if self.bug == Bug::LongTextNotGot && image.has_long_text() {
                    let mut cut = image.as_ref().clone();
                    let long = |(at, field): (usize, &crm_core::schema::FieldDecl)| field.is_long().then_some(at);
                    for at in image.decl.fields.iter().enumerate().filter_map(long) {
                        cut.values[at] = Value::NotLoaded;
                    }
                    *image = Arc::new(cut);
                }
            }
        }
        match self.bug {
            Bug::EpochForgotten => answer.epochs.definitions = Id::NIL,
            Bug::AccessEpochForgotten => answer.epochs.access = Id::NIL,
            Bug::EpochOfAnyCommit => {
                let seen = self.seen.lock().unwrap();
                answer.epochs.definitions = seen.last_commit.get(&tenant).copied().unwrap_or_default();
            }
            _ => {}
        }
        Ok(answer)
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        let mut definitions = self.inner.definitions(tenant).await?;
        match self.bug {
            Bug::DefinitionsHideArchived => definitions.images.retain(|image| !image.is_archived()),
            Bug::EpochForgotten => definitions.epochs.definitions = Id::NIL,
            Bug::AccessEpochForgotten => definitions.epochs.access = Id::NIL,
            _ => {}
        }
        Ok(definitions)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        // The correct store checks positions and equality conditions, unless that is the bug.
        let checked = self.inner.list(query).await;
        if self.bug == Bug::PositionsUnchecked && checked.is_err() {
            return self.inner.list(&Query { after: None, ..query.clone() }).await;
        }
        let right = checked?;
        let mut page = match self.bug {
            Bug::FilterDropped => self.inner.list(&Query { filter: Predicate::always(), ..query.clone() }).await?,
            Bug::FilterAfterPage => {
                let open = self.inner.list(&Query { filter: Predicate::always(), ..query.clone() }).await?;
                let items: Vec<_> = open.items.into_iter().filter(|image| query.filter.holds(image)).collect();
                // And an empty page is taken as the end.
                Page { next: open.next.filter(|_| !items.is_empty()), items }
            }
            Bug::NotOfMissingIsFalse
            | Bug::ContainsFoldsCase
            | Bug::LikeWildcards
            | Bug::MoneyWithoutCurrency
            | Bug::DecimalsAsText
            | Bug::InTakesTheFirst
            | Bug::PropertiesWithoutType => self.quirky(query).await?,
            Bug::NullsFirst
            | Bug::DescendingNullsLast
            | Bug::TiesReversed
            | Bug::TextsSortRaw
            | Bug::SortKeysUncut
            | Bug::NumbersSortAsText
            | Bug::ArchivedEverywhere
            | Bug::ElementsOnlyFirst
            | Bug::NullEqualsFindNothing
            | Bug::LeaksLists
            | Bug::LongTextListed
            | Bug::ListsOldImages => Self::page(query, self.whole_list(query).await?),
            Bug::PageSkipsOne => {
                let mut page = right;
                if page.next.is_some() && page.items.len() > 1 {
                    page.items.pop();
                }
                page
            }
            Bug::PageRepeatsOne => {
                let mut page = right;
                if page.next.is_some() && page.items.len() > 1 {
                    page.next = Some(place(query, &page.items[page.items.len() - 2]));
                }
                page
            }
            Bug::PageIgnoresLimit => {
                let page = self.inner.list(&Query { limit: query.limit + 1, ..query.clone() }).await?;
                if page.items.len() > query.limit { page } else { right }
            }
            Bug::WalkStopsEarly if query.after.is_some() => Page { next: None, ..right },
            _ => right,
        };
        page.items = page.items.iter().map(|image| self.seen_as(image)).collect();
        Ok(page)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        {
            let mut seen = self.seen.lock().unwrap();
            seen.last_commit.entry(commit.tenant).or_default();
        }
        self.wrongly(commit).await?;
        let mut seen = self.seen.lock().unwrap();
        seen.last_commit.insert(commit.tenant, commit.id);
        if self.bug == Bug::ListsOldImages {
            for write in commit.writes.iter().filter(|write| write.is_new()) {
                seen.first_images.insert((commit.tenant, write.record()), Arc::clone(&write.after));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl History for Mutant {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        let mut wrong = query.clone();
        match self.bug {
            Bug::HistoryIgnoresField => wrong.field = None,
            Bug::HistoryIgnoresDirection => wrong.descending = false,
            Bug::HistoryRepeats => {
                wrong.after = wrong.after.map(|mut after| {
                    after.version = after.version.saturating_sub(1);
                    after
                });
            }
            Bug::LeaksHistory => {
                for tenant in self.tenants() {
                    let page = self.inner.history(&HistoryQuery { tenant, ..wrong.clone() }).await?;
                    if !page.changes.is_empty() {
                        return Ok(page);
                    }
                }
            }
            _ => {}
        }
        let mut page = self.inner.history(&wrong).await?;
        if self.bug == Bug::HistoryEndsEarly && query.after.is_some() {
            page.more = false;
        }
        Ok(page)
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        match self.bug {
            Bug::LogUntilInclusive => {
                self.inner.log(&LogQuery { until: query.until.plus_micros(1), ..query.clone() }).await
            }
            Bug::LogFromExclusive => {
                self.inner.log(&LogQuery { from: query.from.plus_micros(1), ..query.clone() }).await
            }
            Bug::LogByOccurred => {
                let whole = LogQuery { limit: usize::MAX, after: None, ..query.clone() };
                let mut changes = self.inner.log(&whole).await?.changes;
                changes.sort_by_key(|change| change.occurred_at);
                if query.descending {
                    changes.reverse();
                }
                let after = query.after;
                let start = after.map_or(0, |after| {
                    let is_it = |change: &Change| {
                        (change.record, change.group, change.version) == (after.record, after.group, after.version)
                    };
                    changes.iter().position(is_it).map_or(changes.len(), |at| at + 1)
                });
                let rest = changes.split_off(start.min(changes.len()));
                let more = rest.len() > query.limit;
                Ok(ChangePage { changes: rest.into_iter().take(query.limit).collect(), more })
            }
            _ => self.inner.log(query).await,
        }
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        let log = async || -> Result<Vec<Change>, StoreError> {
            let all = LogQuery {
                tenant: query.tenant,
                from: Time::MIN,
                until: Time::MAX,
                descending: false,
                after: None,
                limit: usize::MAX,
            };
            Ok(self.inner.log(&all).await?.changes)
        };
        match self.bug {
            Bug::MovesByRecorded | Bug::MovesOfAllPipelines if query.after.is_none() => {
                let by_recorded = self.bug == Bug::MovesByRecorded;
                let mut moves = log().await?;
                moves.retain(|change| {
                    change.stage_move.is_some_and(|pipeline| !by_recorded || pipeline == query.pipeline)
                        && (query.from..query.until).contains(&change.occurred_at)
                });
                if !by_recorded {
                    moves.sort_by_key(|change| (change.occurred_at, change.record, change.version));
                }
                moves.truncate(query.limit);
                Ok(ChangePage { changes: moves, more: false })
            }
            _ => self.inner.stage_moves(query).await,
        }
    }
}

#[async_trait]
impl Feed for Mutant {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        let after = match self.bug {
            Bug::FeedTakesAnyCursor => after.filter(|cursor| cursor.0.parse::<usize>().is_ok()),
            _ => after,
        };
        let late = match after {
            Some(FeedCursor(end)) if end == "end" => Some(self.inner.feed_end().await?),
            _ => None,
        };
        let after = late.as_ref().or(after);
        let mut page = self.inner.feed(after, limit).await?;
        match self.bug {
            Bug::FeedSkips if after.is_some() && page.changes.len() > 1 => {
                page.changes.remove(0);
            }
            Bug::FeedForgetsTenant => page.changes.iter_mut().for_each(|(tenant, _)| *tenant = Id::NIL),
            _ => {}
        }
        Ok(page)
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        match self.bug {
            Bug::TenantsFromTheFirst => self.inner.tenants(None, limit).await,
            Bug::TenantsWithoutEnd => self.inner.tenants(after, usize::MAX).await,
            _ => self.inner.tenants(after, limit).await,
        }
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        match self.bug {
            Bug::FeedEndsAtTheBeginning => Ok(FeedCursor("0".to_owned())),
            // The end is determined when it is first read from.
            Bug::FeedEndsLate => Ok(FeedCursor("end".to_owned())),
            _ => self.inner.feed_end().await,
        }
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        match self.bug {
            Bug::PlaceOfAnyConsumer => self.inner.feed_place("whoever").await,
            Bug::PlaceForgotten => Ok(None),
            _ => self.inner.feed_place(consumer).await,
        }
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        let kept = self.inner.feed_place(consumer).await?.map_or(0, |kept| kept.fence);
        match self.bug {
            Bug::PlaceOfAnyConsumer => self.inner.keep_feed_place("whoever", place, was).await,
            Bug::PlaceKeptOnce if kept > 0 => Ok(kept == was),
            Bug::PlaceWithoutState => {
                let bare = FeedPlace { state: None, ..place.clone() };
                self.inner.keep_feed_place(consumer, &bare, was).await
            }
            Bug::PlaceStaleKept if kept > 0 => self.inner.keep_feed_place(consumer, place, kept).await,
            Bug::PlaceMadeUnderAnyFence if kept == 0 => self.inner.keep_feed_place(consumer, place, 0).await,
            Bug::PlaceFenceOfTheCaller => self.inner.keep_feed_place(consumer, place, place.fence).await,
            Bug::PlaceLookedAtThenKept if kept == was => {
                tokio::task::yield_now().await;
                let now = self.inner.feed_place(consumer).await?.map_or(0, |kept| kept.fence);
                self.inner.keep_feed_place(consumer, place, now).await
            }
            _ => self.inner.keep_feed_place(consumer, place, was).await,
        }
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        let (until, after, per_tenant, limit) = match self.bug {
            Bug::DueWithoutBound => (until, after, usize::MAX, limit),
            Bug::DueWithoutLimit => (until, after, per_tenant, usize::MAX),
            Bug::DueFromTheFirst => (until, None, per_tenant, limit),
            Bug::DueBefore => (until.plus_micros(-1), after, per_tenant, limit),
            Bug::DueTooSoon => (until.plus_micros(1), after, per_tenant, limit),
            _ => (until, after, per_tenant, limit),
        };
        let mut due = self.inner.due(decl, until, after, per_tenant, limit).await?;
        match self.bug {
            Bug::DueOfTheFirstTenant => {
                let first = due.first().map(|(tenant, ..)| *tenant);
                due.retain(|(tenant, ..)| Some(*tenant) == first);
            }
            Bug::DueNewestFirst => due.sort_by_key(|(tenant, _, at)| (*tenant, std::cmp::Reverse(*at))),
            Bug::DueOnce => {
                // As it was when first found.
                let mut seen = self.seen.lock().unwrap();
                for (tenant, record, at) in &due {
                    seen.first_due.entry((*tenant, *record)).or_insert(*at);
                }
                due = seen.first_due.iter().map(|((tenant, record), at)| (*tenant, *record, *at)).collect();
                due.sort_unstable_by_key(|(tenant, record, at)| (*tenant, *at, record.id));
            }
            Bug::DueArchived | Bug::DueIdle => {
                let archived = self.bug == Bug::DueArchived;
                for tenant in self.tenants() {
                    let index = if archived { decl.archived() } else { decl.walk() };
                    let query = Query {
                        tenant,
                        decl,
                        index,
                        equals: Vec::new(),
                        descending: false,
                        filter: Predicate::always(),
                        after: None,
                        limit: usize::MAX,
                    };
                    for image in self.inner.list(&query).await?.items {
                        let at = decl.due.and_then(|at| image.values[at].as_time());
                        if archived || at.is_none() {
                            due.push((tenant, image.reference(), at.unwrap_or(Time::MIN)));
                        }
                    }
                }
                due.sort_unstable_by_key(|(tenant, record, at)| (*tenant, *at, record.id));
                due.truncate(limit);
            }
            _ => {}
        }
        Ok(due)
    }
}

#[async_trait]
impl Counts for Mutant {
    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        if self.bug == Bug::CountsIgnoreFilter {
            let open = Query { filter: Predicate::always(), ..query.clone() };
            return self.inner.counts().unwrap().count(&open).await;
        }
        self.inner.counts().unwrap().count(query).await
    }
}

impl Store for Mutant {
    fn counts(&self) -> Option<&dyn Counts> {
        (self.bug == Bug::CountsIgnoreFilter).then_some(self)
    }
}

struct Broken(Bug);

#[async_trait]
impl Harness for Broken {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(Mutant { inner: MemoryStore::new(), bug: self.0, seen: Mutex::default() })
    }

    fn spawn(&self, task: Task) -> Task {
        Box::pin(async { tokio::spawn(task).await.expect("a task of a race panicked") })
    }
}

/// Every bug, with the themes in which at least one case must detect it.
const CAUGHT_BY: &[(Bug, &[&str])] = &[
    (Bug::ForgetsVersions, &["commits"]),
    (Bug::ForgetsGuards, &["guards"]),
    (Bug::GuardsMachineToo, &["guards"]),
    (Bug::MachineNeedsPerson, &["groups"]),
    (Bug::MachineWritesAll, &["groups"]),
    (Bug::CommitsOneByOne, &["atomicity"]),
    (Bug::ClaimsAfterwards, &["atomicity"]),
    (Bug::ForgetsClaims, &["claims"]),
    (Bug::TakeSteals, &["claims"]),
    (Bug::ReleaseUnchecked, &["claims"]),
    (Bug::TransferUnchecked, &["claims"]),
    (Bug::HolderCannotRetake, &["claims"]),
    (Bug::ClaimsFoldCase, &["claims"]),
    (Bug::ClaimsBeforeVersions, &["precedence"]),
    (Bug::ConflictNamesLast, &["commits"]),
    (Bug::ConflictTellsNothing, &["commits"]),
    (Bug::KeyForgotten, &["keys"]),
    (Bug::KeyUsedTwice, &["keys"]),
    (Bug::KeyLivesForEver, &["keys"]),
    (Bug::KeyLast, &["precedence"]),
    (Bug::BudgetLies, &["budget"]),
    (Bug::BudgetTight, &["budget"]),
    (Bug::ChecksThenWrites, &["races"]),
    (Bug::DanglesByHalf, &["references"]),
    (Bug::LeaksGet, &["tenancy"]),
    (Bug::LeaksClaims, &["tenancy"]),
    (Bug::LeaksLists, &["tenancy"]),
    (Bug::LeaksHistory, &["tenancy"]),
    (Bug::NilClaimsOfOwnTenant, &["claims"]),
    (Bug::EpochForgotten, &["definitions"]),
    (Bug::AccessEpochForgotten, &["access"]),
    (Bug::EpochOfAnyCommit, &["definitions"]),
    (Bug::DefinitionsHideArchived, &["definitions"]),
    (Bug::LongTextNotGot, &["long_texts"]),
    (Bug::LongTextListed, &["long_texts"]),
    (Bug::FilterDropped, &["filters"]),
    (Bug::FilterAfterPage, &["pages"]),
    (Bug::NotOfMissingIsFalse, &["filters"]),
    (Bug::ContainsFoldsCase, &["filters"]),
    (Bug::LikeWildcards, &["filters"]),
    (Bug::MoneyWithoutCurrency, &["filters"]),
    (Bug::DecimalsAsText, &["filters"]),
    (Bug::InTakesTheFirst, &["filters"]),
    (Bug::PropertiesWithoutType, &["filters"]),
    (Bug::PageSkipsOne, &["lists"]),
    (Bug::PageRepeatsOne, &["lists"]),
    (Bug::PageIgnoresLimit, &["lists"]),
    (Bug::WalkStopsEarly, &["lists"]),
    (Bug::NullsFirst, &["lists"]),
    (Bug::DescendingNullsLast, &["lists"]),
    (Bug::TiesReversed, &["lists"]),
    (Bug::TextsSortRaw, &["lists"]),
    (Bug::SortKeysUncut, &["lists"]),
    (Bug::NumbersSortAsText, &["lists"]),
    (Bug::ArchivedEverywhere, &["lists"]),
    (Bug::ElementsOnlyFirst, &["lists"]),
    (Bug::NullEqualsFindNothing, &["lists"]),
    (Bug::PositionsUnchecked, &["pages"]),
    (Bug::CountsIgnoreFilter, &["filters"]),
    (Bug::ListsOldImages, &["lists"]),
    (Bug::TextsTrimmed, &["values"]),
    (Bug::EmptyIsMissing, &["values"]),
    (Bug::DecimalsAsFloats, &["values"]),
    (Bug::TimesInMillis, &["values"]),
    (Bug::ListsSorted, &["values"]),
    (Bug::ZeroIsMissing, &["values"]),
    (Bug::AstralReplaced, &["values"]),
    (Bug::LosesSecondChange, &["commits", "history"]),
    (Bug::HistoryIgnoresField, &["history"]),
    (Bug::HistoryIgnoresDirection, &["history"]),
    (Bug::HistoryEndsEarly, &["history"]),
    (Bug::HistoryRepeats, &["history"]),
    (Bug::LogByOccurred, &["log"]),
    (Bug::LogUntilInclusive, &["log"]),
    (Bug::LogFromExclusive, &["log"]),
    (Bug::MovesByRecorded, &["stage_moves"]),
    (Bug::MovesOfAllPipelines, &["stage_moves"]),
    (Bug::FeedSkips, &["feed"]),
    (Bug::FeedTakesAnyCursor, &["feed"]),
    (Bug::FeedForgetsTenant, &["feed"]),
    (Bug::TenantsFromTheFirst, &["feed"]),
    (Bug::TenantsWithoutEnd, &["feed"]),
    (Bug::FeedEndsLate, &["feed"]),
    (Bug::FeedEndsAtTheBeginning, &["feed"]),
    (Bug::PlaceOfAnyConsumer, &["feed"]),
    (Bug::PlaceForgotten, &["feed"]),
    (Bug::PlaceKeptOnce, &["feed"]),
    (Bug::PlaceWithoutState, &["feed"]),
    (Bug::PlaceStaleKept, &["feed", "races"]),
    (Bug::PlaceMadeUnderAnyFence, &["feed"]),
    (Bug::PlaceFenceOfTheCaller, &["feed"]),
    (Bug::PlaceLookedAtThenKept, &["races"]),
    (Bug::DueOfTheFirstTenant, &["feed"]),
    (Bug::DueWithoutBound, &["feed"]),
    (Bug::DueWithoutLimit, &["feed"]),
    (Bug::DueFromTheFirst, &["feed"]),
    (Bug::DueNewestFirst, &["feed"]),
    (Bug::DueBefore, &["feed"]),
    (Bug::DueTooSoon, &["feed"]),
    (Bug::DueArchived, &["feed"]),
    (Bug::DueIdle, &["feed"]),
    (Bug::DueOnce, &["feed"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_mutant_is_caught() {
    let mut survivors = Vec::new();
    for (bug, themes) in CAUGHT_BY {
        for theme in *themes {
            let report = conformance::run_where(&Broken(*bug), |case| case.theme == *theme).await;
            let names: Vec<&str> = report.failed.iter().map(|failed| failed.case.name).collect();
            println!("{bug:?}: {theme}: {names:?}");
            if names.is_empty() {
                survivors.push(format!("{bug:?} survives {theme}"));
            }
        }
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
}

/// The bugs that sequences of operations reveal.
const FOUND_BY_THE_MODEL: &[Bug] = &[
    Bug::ForgetsVersions,
    Bug::ForgetsGuards,
    Bug::MachineNeedsPerson,
    Bug::CommitsOneByOne,
    Bug::ClaimsAfterwards,
    Bug::TakeSteals,
    Bug::ReleaseUnchecked,
    Bug::TransferUnchecked,
    Bug::HolderCannotRetake,
    Bug::ConflictTellsNothing,
    Bug::KeyUsedTwice,
    Bug::KeyLivesForEver,
    Bug::LeaksGet,
    Bug::LeaksLists,
    Bug::NilClaimsOfOwnTenant,
    Bug::EpochOfAnyCommit,
    Bug::DefinitionsHideArchived,
    Bug::FilterDropped,
    Bug::NotOfMissingIsFalse,
    Bug::PageSkipsOne,
    Bug::WalkStopsEarly,
    Bug::NullsFirst,
    Bug::TiesReversed,
    Bug::ArchivedEverywhere,
    Bug::ListsOldImages,
    Bug::ListsSorted,
    Bug::LosesSecondChange,
    Bug::HistoryIgnoresField,
    Bug::LogUntilInclusive,
    Bug::MovesByRecorded,
    Bug::FeedSkips,
];

#[tokio::test(flavor = "multi_thread")]
async fn the_model_test_finds_mutants_and_shrinks_them() {
    let mut survivors = Vec::new();
    for bug in FOUND_BY_THE_MODEL {
        let mut found = None;
        for seed in 0..20 {
            if let Err(disagreement) = model::check(&Broken(*bug), seed, 80).await {
                found = Some(disagreement);
                break;
            }
        }
        match found {
            None => survivors.push(*bug),
            Some(found) => {
                println!("{bug:?}: seed {}, {} operations left", found.seed, found.ops.len());
                assert!(found.ops.len() <= 12, "{bug:?} was not shrunk: {found}");
                // The shrunk sequence still fails.
                assert!(model::agree(&Broken(*bug), &found.ops).await.is_err(), "{bug:?}: {found}");
                assert!(found.to_string().contains(&format!("seed {}", found.seed)));
            }
        }
    }
    assert!(survivors.is_empty(), "the model test does not find {survivors:?}");
}

struct NoStore;

#[async_trait]
impl Harness for NoStore {
    async fn fresh(&self) -> Arc<dyn Store> {
        panic!("there is no server")
    }
}

#[tokio::test]
async fn a_report_names_every_failure_and_a_panic_is_one() {
    let report = conformance::run_where(&Broken(Bug::ForgetsGuards), |case| case.theme == "guards").await;
    let text = report.to_string();
    assert!(report.failed.len() >= 3, "{text}");
    assert!(report.failed.iter().all(|failed| text.contains(failed.case.name) && text.contains(failed.case.about)));
    let panicked = std::panic::catch_unwind(|| report.assert()).expect_err("a failed report asserts");
    assert!(panicked.downcast_ref::<String>().is_some_and(|message| message.contains("many_guards")));

    let report = conformance::run_where(&NoStore, |case| case.theme == "keys").await;
    assert!(report.passed.is_empty());
    assert!(report.failed.iter().all(|failed| failed.message.contains("there is no server")));

    // A filter that selects no case is not a success.
    let nothing = conformance::run_where(&NoStore, |_| false).await;
    assert!(std::panic::catch_unwind(|| nothing.assert()).is_err());
}
