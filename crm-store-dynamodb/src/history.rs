//! Reads the change log: of a record from its own partition, strongly consistent, and of a tenant or a pipeline from
//! two global indexes.

use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use crm_core::{
    change::Change,
    store::{ChangePage, HistoryQuery, LogQuery, StageMoveQuery, StoreError},
    value::{Id, Time},
};

use crate::{
    DynamoStore,
    expression::Placeholders,
    item::{self, FIELDS},
    key::{self, CHANGE, PK, SK},
    layout::{LOG, LOG_NAME, MOVES, MOVES_NAME},
    ordered::JUST_AFTER,
    value::{Item, corrupt},
};

/// The maximum number of DynamoDB pages per call, once a change was found.
const MAX_PAGES: usize = 4;
/// The minimum page size after an insufficient first page, because thousands of changes of unknown kinds may follow.
const MIN_PAGE: usize = 100;

/// A range of changes in a partition of the table or of an index. Both bounds are inclusive.
struct Run<'a> {
    operation: &'static str,
    index: Option<&'static str>,
    partition: (&'static str, String),
    sort: (&'static str, String, String),
    /// A position to exclude from the range: the end of the previous page.
    except: Option<String>,
    field: Option<&'a str>,
    descending: bool,
    limit: usize,
}

impl DynamoStore {
    pub(crate) async fn history_page(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        let after = query.after.map(key::history);
        let first = String::from(CHANGE);
        let last = String::from(CHANGE) + "~";
        let (from, to) = match (&after, query.descending) {
            (None, _) => (first, last),
            (Some(after), false) => (after.clone() + &String::from(JUST_AFTER), last),
            (Some(after), true) => (first, after.clone()),
        };
        self.changes(Run {
            operation: "history",
            index: None,
            partition: (PK, key::partition(query.tenant, query.record)),
            sort: (SK, from, to),
            except: after.filter(|_| query.descending),
            field: query.field.as_deref(),
            descending: query.descending,
            limit: query.limit,
        })
        .await
    }

    pub(crate) async fn log_page(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        let after = query.after.map(key::log_place);
        let (from, to) = between(query.from, query.until, after.as_deref(), query.descending);
        self.changes(Run {
            operation: "log",
            index: Some(LOG_NAME),
            partition: (LOG.0, key::log(query.tenant)),
            sort: (LOG.1, from, to),
            except: after.filter(|_| query.descending),
            field: None,
            descending: query.descending,
            limit: query.limit,
        })
        .await
    }

    pub(crate) async fn stage_move_page(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        let after = query.after.map(key::log_place);
        let (from, to) = between(query.from, query.until, after.as_deref(), false);
        self.changes(Run {
            operation: "stage_moves",
            index: Some(MOVES_NAME),
            partition: (MOVES.0, key::stage_moves(query.tenant, query.pipeline)),
            sort: (MOVES.1, from, to),
            except: None,
            field: None,
            descending: false,
            limit: query.limit,
        })
        .await
    }

    /// Returns the tenants after the given one, from the directory.
    pub(crate) async fn directory_page(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        let mut names = Placeholders::default();
        let condition = format!(
            "{}={} AND {}>{}",
            names.name(PK),
            names.value(Attribute::S(key::directory_partition())),
            names.name(SK),
            names.value(Attribute::S(key::directory(after.unwrap_or(Id::NIL)).sk)),
        );
        let (names, values) = names.into_maps();
        let mut tenants: Vec<Id> = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let answer = self
                .retry
                .read(|| {
                    self.client
                        .query()
                        .table_name(&self.table)
                        .key_condition_expression(&condition)
                        .set_expression_attribute_names(names.clone())
                        .set_expression_attribute_values(values.clone())
                        .set_exclusive_start_key(start.clone())
                        .set_limit(i32::try_from(limit - tenants.len()).ok())
                        .consistent_read(true)
                        .set_return_consumed_capacity(self.capacity())
                        .send()
                })
                .await?;
            self.consumed("tenants", answer.consumed_capacity.as_slice());
            for item in answer.items() {
                let key = key::Key::of(item);
                tenants.push(key.as_ref().and_then(key::read_directory).ok_or_else(|| corrupt("directory"))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || tenants.len() >= limit {
                return Ok(tenants);
            }
        }
    }

    async fn changes(&self, run: Run<'_>) -> Result<ChangePage, StoreError> {
        let limit = run.limit.max(1);
        let mut changes: Vec<Change> = Vec::new();
        // DynamoDB rejects a range whose end precedes its start.
        if run.sort.1 > run.sort.2 {
            return Ok(ChangePage { changes, more: false });
        }
        let mut names = Placeholders::default();
        let condition = format!(
            "{}={} AND {} BETWEEN {} AND {}",
            names.name(run.partition.0),
            names.value(Attribute::S(run.partition.1.clone())),
            names.name(run.sort.0),
            names.value(Attribute::S(run.sort.1.clone())),
            names.value(Attribute::S(run.sort.2.clone())),
        );
        let filter = run
            .field
            .map(|field| format!("contains({},{})", names.name(FIELDS), names.value(Attribute::S(field.to_owned()))));
        let (names, values) = names.into_maps();
        let mut start: Option<Item> = None;
        let mut pages = 0;
        loop {
            pages += 1;
            // One more than the limit shows whether more changes follow, and another may be the excluded one.
            let least = if pages == 1 { 1 } else { MIN_PAGE };
            let page_size = i32::try_from((limit - changes.len() + 2).max(least)).unwrap_or(i32::MAX);
            let answer = self
                .retry
                .read(|| {
                    self.client
                        .query()
                        .table_name(&self.table)
                        .set_index_name(run.index.map(str::to_owned))
                        .key_condition_expression(&condition)
                        .set_filter_expression(filter.clone())
                        .set_expression_attribute_names(names.clone())
                        .set_expression_attribute_values(values.clone())
                        .set_exclusive_start_key(start.clone())
                        .scan_index_forward(!run.descending)
                        .set_limit(Some(page_size).filter(|_| filter.is_none()))
                        .set_consistent_read(Some(run.index.is_none()))
                        .set_return_consumed_capacity(self.capacity())
                        .send()
                })
                .await?;
            self.consumed(run.operation, answer.consumed_capacity.as_slice());
            for item in answer.items() {
                let place = item.get(run.sort.0).and_then(|place| place.as_s().ok());
                if run.except.is_some() && place == run.except.as_ref() {
                    continue;
                }
                let Some((_, change)) = item::read_change(item)? else { continue };
                if changes.len() == limit {
                    return Ok(ChangePage { changes, more: true });
                }
                changes.push(change);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(ChangePage { changes, more: false });
            }
            // The next page starts after the last change of this one, so a page must not be empty.
            if pages >= MAX_PAGES && !changes.is_empty() {
                return Ok(ChangePage { changes, more: true });
            }
        }
    }
}

/// The sort keys from one time until another (exclusive), after a position.
fn between(from: Time, until: Time, after: Option<&str>, descending: bool) -> (String, String) {
    let (mut low, mut high) = (key::time_prefix(from), key::time_prefix(until));
    match (after, descending) {
        (None, _) => {}
        (Some(after), false) => low = low.max(after.to_owned() + &String::from(JUST_AFTER)),
        (Some(after), true) => high = high.min(after.to_owned()),
    }
    (low, high)
}
