//! The store: the storage traits on one redb file.

use std::{fs::File, sync::Arc};

use async_trait::async_trait;
use crm_core::{
    catalog,
    change::Change,
    schema::{FieldType, KindDecl},
    store::{
        Answer, ChangePage, Commit, Definitions, Epochs, Feed, FeedCursor, FeedPage, FeedPlace, Got, History,
        HistoryQuery, KeyEntry, LogQuery, Page, Position, Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::{Id, Kind, Ref, Time, Value},
};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{
    commit::commit,
    failure::Failure,
    tables::{
        self, AFTER_ALL, CHANGES, CLAIMS, ChangeAt, EPOCHS, FEED, INDEX, IndexKey, KEYS, LOG, LogAt, MOVES, PLACES,
        RECORDS, RecordKey, Row, change_at, claim_key, floor, is_sortable, log_at, number, record_key, record_of,
        sort_bytes, span, time_of,
    },
};

/// The maximum number of rows that one list call examines before it returns a short page with a position, so that a
/// very selective filter does not make a caller wait for a scan of the whole kind.
const EXAMINED: usize = 4_000;

/// A store in one local file. All reads, including lists, are strongly consistent.
#[derive(Debug, Clone)]
pub struct RedbStore {
    db: Arc<Database>,
}

impl RedbStore {
    /// Opens a file. An empty file becomes a new store.
    pub fn open(file: File) -> Result<Self, StoreError> {
        Ok(Self { db: Arc::new(open(file)?) })
    }

    fn read(&self) -> Result<ReadTransaction, Failure> {
        Ok(self.db.begin_read()?)
    }
}

fn open(file: File) -> Result<Database, Failure> {
    for (decl, index) in catalog::all().flat_map(|decl| decl.indexes.iter().map(move |index| (decl, index))) {
        if !is_sortable(decl.fields[index.sort].ty) {
            let told = format!("`{}` of {} sorts by a type that has no order here", index.name, decl.kind);
            return Err(StoreError::corrupt(told).into());
        }
    }
    let db = Database::builder().create_file(file)?;
    let transaction = db.begin_write()?;
    {
        // Reading a missing table is an error, so all tables are created here.
        transaction.open_table(RECORDS)?;
        transaction.open_table(INDEX)?;
        transaction.open_table(CLAIMS)?;
        transaction.open_table(KEYS)?;
        transaction.open_table(EPOCHS)?;
        transaction.open_table(CHANGES)?;
        transaction.open_table(LOG)?;
        transaction.open_table(MOVES)?;
        transaction.open_table(FEED)?;
        transaction.open_table(PLACES)?;
    }
    transaction.commit().map_err(|error| StoreError::unavailable(error.to_string()))?;
    Ok(db)
}

fn row(records: &impl ReadableTable<RecordKey, &'static [u8]>, key: RecordKey) -> Result<Option<Row>, Failure> {
    let Some(bytes) = records.get(key)? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(bytes.value())?))
}

fn epochs(transaction: &ReadTransaction, tenant: Id) -> Result<Epochs, Failure> {
    let stored = transaction.open_table(EPOCHS)?.get(number(tenant))?.map(|epochs| epochs.value());
    Ok(tables::epochs(stored.unwrap_or_default()))
}

fn get(transaction: &ReadTransaction, tenant: Id, wants: &[Want]) -> Result<Answer, Failure> {
    let records = transaction.open_table(RECORDS)?;
    let claims = transaction.open_table(CLAIMS)?;
    let keys = transaction.open_table(KEYS)?;
    let record = |tenant: Id, record: Ref| -> Result<Got, Failure> {
        let found = row(&records, record_key(tenant, record))?;
        Ok(Got::Record(found.map(|row| Arc::new(row.image(tenant, record)))))
    };
    let mut got = Vec::with_capacity(wants.len());
    for want in wants {
        got.push(match want {
            Want::Record(reference) => record(tenant, *reference)?,
            Want::Claimed(claim) => {
                let holder = claims.get(claim_key(claim))?.and_then(|holder| record_of(holder.value()));
                // Claims under the nil tenant (slugs) may be held by any tenant's record, others only by the tenant's
                // own.
                match holder.filter(|(owner, _)| claim.tenant.is_nil() || (claim.tenant, *owner) == (tenant, tenant)) {
                    Some((owner, reference)) => record(owner, reference)?,
                    None => Got::Record(None),
                }
            }
            Want::Key(key) => {
                let entry = keys.get((number(tenant), key.as_str()))?;
                let entry: Option<KeyEntry> = entry.map(|bytes| serde_json::from_slice(bytes.value())).transpose()?;
                Got::Key(entry)
            }
        });
    }
    Ok(Answer { epochs: epochs(transaction, tenant)?, got })
}

fn definitions(transaction: &ReadTransaction, tenant: Id) -> Result<Definitions, Failure> {
    let records = transaction.open_table(RECORDS)?;
    let mut images = Vec::new();
    for decl in catalog::all().filter(|decl| decl.is_definition) {
        let kind = tables::kind_key(decl.kind);
        for entry in records.range((number(tenant), kind, 0)..=(number(tenant), kind, u128::MAX))? {
            let (key, bytes) = entry?;
            let Some((_, record)) = record_of(key.value()) else { continue };
            images.push(Arc::new(serde_json::from_slice::<Row>(bytes.value())?.image(tenant, record)));
        }
    }
    Ok(Definitions { epochs: epochs(transaction, tenant)?, images })
}

/// Records are sorted by tenant, so the organization of each tenant is found by seeking.
fn tenants(transaction: &ReadTransaction, after: Option<Id>, limit: usize) -> Result<Vec<Id>, Failure> {
    let records = transaction.open_table(RECORDS)?;
    let (mut found, mut last) = (Vec::new(), number(after.unwrap_or(Id::NIL)));
    while found.len() < limit {
        let Some(next) = records.range((last + 1, 0, 0)..)?.next() else { break };
        last = next?.0.value().0;
        let kind = tables::kind_key(Kind::Organization);
        if records.range((last, kind, 0)..=(last, kind, u128::MAX))?.next().is_some() {
            found.push(tables::id(last));
        }
    }
    Ok(found)
}

fn list(transaction: &ReadTransaction, query: &Query) -> Result<Page, Failure> {
    if query.equals.len() != query.index.equals.len() {
        return Err(StoreError::BadQuery("a value is required for each equal field of the index".to_owned()).into());
    }
    let ty = query.decl.fields[query.index.sort].ty;
    let after = match &query.after {
        None => None,
        Some(after) => {
            let sort = sort_bytes(ty, &after.sort);
            Some((sort.ok_or_else(|| StoreError::BadQuery("the cursor does not fit this list".to_owned()))?, after.id))
        }
    };
    let (kind, equals) = (query.decl.kind, serde_json::to_string(&query.equals)?);
    let key = |sort, id| -> IndexKey<'_> {
        (number(query.tenant), tables::kind_key(kind), &query.index.name, &equals, sort, id)
    };
    let after = after.as_ref().map(|(sort, id)| key(sort, number(*id)));
    let none = Page { items: Vec::new(), next: None };
    let Some(range) = span(key(&[], 0), key(AFTER_ALL, 0), after, query.descending) else { return Ok(none) };

    let records = transaction.open_table(RECORDS)?;
    let index = transaction.open_table(INDEX)?;
    let mut entries = index.range::<IndexKey<'_>>(range)?;
    let mut turn = || if query.descending { entries.next_back() } else { entries.next() };
    let mut page = none;
    for _ in 0..EXAMINED {
        let Some(entry) = turn() else { return Ok(Page { next: None, ..page }) };
        let (tenant, kind, .., id) = entry?.0.value();
        let Some((tenant, record)) = record_of((tenant, kind, id)) else { continue };
        let Some(row) = row(&records, (number(tenant), kind, id))? else { continue };
        let image = row.listed(tenant, record);
        page.next = Some(Position { sort: query.index.sort_value(&image), id: record.id });
        if query.filter.holds(&image) {
            page.items.push(image);
            if page.items.len() == query.limit {
                break;
            }
        }
    }
    if turn().is_none() {
        page.next = None;
    }
    Ok(page)
}

/// Returns a page of the changes that the pointers refer to, filtered.
fn page(
    transaction: &ReadTransaction,
    pointers: impl Iterator<Item = Result<(RecordKey, ChangeAt), Failure>>,
    limit: usize,
    wanted: impl Fn(&Change) -> bool,
) -> Result<ChangePage, Failure> {
    let table = transaction.open_table(CHANGES)?;
    let mut changes = Vec::new();
    for at in pointers {
        let Some(bytes) = table.get(at?)? else { continue };
        let change: Change = serde_json::from_slice(bytes.value())?;
        if wanted(&change) {
            if changes.len() == limit {
                return Ok(ChangePage { changes, more: true });
            }
            changes.push(change);
        }
    }
    Ok(ChangePage { changes, more: false })
}

fn directed<'a, I: DoubleEndedIterator + 'a>(items: I, descending: bool) -> Box<dyn Iterator<Item = I::Item> + 'a> {
    if descending { Box::new(items.rev()) } else { Box::new(items) }
}

/// The change that a position in a log refers to.
fn pointer(tenant: Id, (_, kind, id, group, version): LogAt, recorded: i64) -> (RecordKey, ChangeAt) {
    ((number(tenant), kind, id), (recorded, group, version))
}

fn history(transaction: &ReadTransaction, query: &HistoryQuery) -> Result<ChangePage, Failure> {
    let key = |at: ChangeAt| (record_key(query.tenant, query.record), at);
    let after = query.after.map(|after| key(change_at(after.recorded_at, after.group, after.version)));
    let (low, high) = (key((i64::MIN, 0, 0)), key((i64::MAX, 0, 0)));
    let Some(range) = span(low, high, after, query.descending) else { return Ok(NO_CHANGES) };
    let table = transaction.open_table(CHANGES)?;
    let pointers = table.range(range)?.map(|entry| Ok(entry?.0.value()));
    let touches = |change: &Change| query.field.as_deref().is_none_or(|name| change.field(name).is_some());
    page(transaction, directed(pointers, query.descending), query.limit, touches)
}

fn log(transaction: &ReadTransaction, query: &LogQuery) -> Result<ChangePage, Failure> {
    let key = |at: LogAt| (number(query.tenant), at);
    let after = query.after.as_ref().map(|after| key(log_at(after)));
    let (low, high) = (key(floor(query.from)), key(floor(query.until)));
    let Some(range) = span(low, high, after, query.descending) else { return Ok(NO_CHANGES) };
    let table = transaction.open_table(LOG)?;
    let pointers = table.range(range)?.map(|entry| {
        let (_, at) = entry?.0.value();
        Ok(pointer(query.tenant, at, at.0))
    });
    page(transaction, directed(pointers, query.descending), query.limit, |_| true)
}

fn stage_moves(transaction: &ReadTransaction, query: &StageMoveQuery) -> Result<ChangePage, Failure> {
    let key = |at: LogAt| (number(query.tenant), number(query.pipeline), at);
    let after = query.after.as_ref().map(|after| key(log_at(after)));
    let Some(range) = span(key(floor(query.from)), key(floor(query.until)), after, false) else {
        return Ok(NO_CHANGES);
    };
    let table = transaction.open_table(MOVES)?;
    let pointers = table.range(range)?.map(|entry| {
        let (at, recorded) = entry?;
        Ok(pointer(query.tenant, at.value().2, recorded.value()))
    });
    page(transaction, pointers, query.limit, |_| true)
}

const NO_CHANGES: ChangePage = ChangePage { changes: Vec::new(), more: false };

fn feed(transaction: &ReadTransaction, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, Failure> {
    let table = transaction.open_table(FEED)?;
    // With a single writer, the numbers are in commit order and no number becomes visible late.
    let next = match after {
        None => Some(0),
        Some(FeedCursor(text)) => text.parse().ok().filter(|next| *next <= table.len().unwrap_or(0)),
    };
    let next: u64 = next.ok_or_else(|| StoreError::BadQuery("the cursor does not belong to this feed".to_owned()))?;
    let bodies = transaction.open_table(CHANGES)?;
    let mut changes = Vec::new();
    for entry in table.range(next..)?.take(limit) {
        let at = entry?.1.value();
        let missing = || StoreError::corrupt("the feed names a change that is not there");
        let (tenant, _) = record_of(at.0).ok_or_else(missing)?;
        changes.push((tenant, serde_json::from_slice(bodies.get(at)?.ok_or_else(missing)?.value())?));
    }
    Ok(FeedPage { cursor: FeedCursor((next + changes.len() as u64).to_string()), changes })
}

/// The place of a consumer and its fence.
fn place(
    places: &impl ReadableTable<&'static str, &'static [u8]>,
    consumer: &str,
) -> Result<Option<FeedPlace>, Failure> {
    let Some(bytes) = places.get(consumer)? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(bytes.value())?))
}

/// With a single writer, no other write can happen between checking the fence and writing.
fn keep_feed_place(db: &Database, consumer: &str, new: &FeedPlace, was: u64) -> Result<bool, Failure> {
    let transaction = db.begin_write()?;
    {
        let mut places = transaction.open_table(PLACES)?;
        if place(&places, consumer)?.map_or(0, |kept| kept.fence) != was {
            return Ok(false);
        }
        let new = serde_json::to_vec(&FeedPlace { fence: was + 1, ..new.clone() })?;
        places.insert(consumer, new.as_slice())?;
    }
    transaction.commit().map_err(|error| StoreError::outcome_unknown(error.to_string()))?;
    Ok(true)
}

/// Index entries are sorted by tenant, so the first entries of each tenant in the index by due time are read.
fn due(
    transaction: &ReadTransaction,
    decl: &KindDecl,
    until: Time,
    after: Option<Id>,
    (per_tenant, limit): (usize, usize),
) -> Result<Vec<(Id, Ref, Time)>, Failure> {
    let Some(index) = decl.due_index() else { return Ok(Vec::new()) };
    let end = sort_bytes(FieldType::Time, &Value::Time(until)).unwrap_or_default();
    let entries = transaction.open_table(INDEX)?;
    let (mut due, mut last) = (Vec::new(), number(after.unwrap_or(Id::NIL)));
    while due.len() < limit {
        let next: IndexKey<'_> = (last + 1, 0, "", "", &[], 0);
        let Some(next) = entries.range::<IndexKey<'_>>(next..)?.next() else { break };
        last = next?.0.value().0;
        let key = |sort, id| -> IndexKey<'_> { (last, tables::kind_key(decl.kind), &index.name, "[]", sort, id) };
        let first = entries.range::<IndexKey<'_>>(key(&[], 0)..=key(&end, u128::MAX))?;
        for entry in first.take(per_tenant.min(limit - due.len())) {
            let entry = entry?.0;
            let (.., sort, id) = entry.value();
            let at = time_of(sort).ok_or_else(|| StoreError::corrupt("an index holds what is no time"))?;
            due.push((tables::id(last), Ref { kind: decl.kind, id: tables::id(id) }, at));
        }
    }
    Ok(due)
}

#[async_trait]
impl Records for RedbStore {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        Ok(get(&self.read()?, tenant, wants)?)
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        Ok(definitions(&self.read()?, tenant)?)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(list(&self.read()?, query)?)
    }

    async fn commit(&self, batch: &Commit) -> Result<(), StoreError> {
        // A commit waits for the disk and for other writers, so it must not block an async worker thread.
        let (db, batch) = (Arc::clone(&self.db), batch.clone());
        let stored = tokio::task::spawn_blocking(move || commit(&db, &batch)).await;
        Ok(stored.map_err(|error| StoreError::outcome_unknown(error.to_string()))??)
    }
}

#[async_trait]
impl History for RedbStore {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        Ok(history(&self.read()?, query)?)
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        Ok(log(&self.read()?, query)?)
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        Ok(stage_moves(&self.read()?, query)?)
    }
}

#[async_trait]
impl Feed for RedbStore {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        Ok(feed(&self.read()?, after, limit)?)
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        Ok(tenants(&self.read()?, after, limit)?)
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        let told = self.read()?.open_table(FEED).and_then(|table| Ok(table.len()?));
        Ok(FeedCursor(told.map_err(Failure::from)?.to_string()))
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        let places = self.read()?.open_table(PLACES).map_err(Failure::from)?;
        Ok(place(&places, consumer)?)
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        let (db, consumer, place) = (Arc::clone(&self.db), consumer.to_owned(), place.clone());
        let kept = tokio::task::spawn_blocking(move || keep_feed_place(&db, &consumer, &place, was)).await;
        Ok(kept.map_err(|error| StoreError::outcome_unknown(error.to_string()))??)
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        Ok(due(&self.read()?, decl, until, after, (per_tenant, limit))?)
    }
}

/// Counting is left to the core, which walks the list.
impl Store for RedbStore {}
