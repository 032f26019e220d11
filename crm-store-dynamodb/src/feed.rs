//! The feed, based on DynamoDB Streams: the change items of the table, shard by shard, each delivered at least once.
//! The children of a shard are read after the shard itself. No other order is guaranteed, because DynamoDB does not
//! guarantee the order of the items of one transaction.
//!
//! The cursor is JSON: the stream, and the position in each shard that is still retained. DynamoDB retains 24 hours. An
//! older cursor is rejected; the changes it missed are in the history. A cursor is too old if a shard disappeared
//! before it was read to the end, or if the parent of a new shard was never seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue as Attribute};
use aws_sdk_dynamodbstreams::{
    Client as Streams,
    operation::{
        get_records::{GetRecordsError, GetRecordsOutput},
        get_shard_iterator::GetShardIteratorError,
    },
    types::{
        AttributeValue as StreamAttribute, OperationType, Record, Shard, ShardIteratorType, StreamDescription,
        StreamStatus,
    },
};
use crm_core::{
    change::Change,
    store::{FeedCursor, FeedPage, FeedPlace, StoreError},
    value::Id,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    DynamoStore,
    error::{self, Failure},
    expression::Placeholders,
    item,
    key::{self, Key, PK},
    value::{self, Item, corrupt},
};

/// The attributes of a consumer's place: its content as JSON, and the number of writes.
const PLACE: &str = "place";
const FENCE: &str = "fence";
/// The number of concurrent requests for the ends of shards.
const AT_ONCE: usize = 8;
/// The maximum number of records per `GetRecords`.
const MAX_RECORDS: usize = 1000;
/// The number of consecutive empty responses after which an open shard is considered read. An open shard may return
/// nothing although records follow.
const EMPTY_ANSWERS: usize = 3;

/// The position in a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    /// Before the first record: the shard has been seen but not read.
    #[serde(rename = "s")]
    Start,
    /// After the record with this sequence number.
    #[serde(rename = "q")]
    After(String),
    /// At this iterator while it is valid (15 minutes), later at the first record.
    #[serde(rename = "i")]
    At(String),
    /// At the end of a closed shard.
    #[serde(rename = "d")]
    Done,
}

/// The contents of a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The ARN of the stream.
    #[serde(rename = "a")]
    stream: String,
    /// The positions in the shards that have been seen.
    #[serde(rename = "s")]
    shards: BTreeMap<String, Place>,
    /// The shard that filled the last page. The next page starts with the shard after it, so that a busy shard does not
    /// starve the others.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

impl Cursor {
    fn of(stream: String) -> Self {
        Self { stream, ..Self::default() }
    }

    fn read(cursor: &FeedCursor) -> Result<Self, StoreError> {
        serde_json::from_str(&cursor.0).map_err(|_| foreign())
    }

    fn write(&self) -> Result<FeedCursor, StoreError> {
        serde_json::to_string(self).map(FeedCursor).map_err(|_| corrupt("cursor"))
    }

    /// Adds the retained shards and removes all others.
    ///
    /// # Errors
    /// If unread changes were dropped: those of a shard that is no longer retained and was not finished, or those of a
    /// shard that was never seen and only has a child left.
    fn follow(&mut self, shards: &[Shard]) -> Result<(), StoreError> {
        let kept: BTreeSet<&str> = shards.iter().filter_map(Shard::shard_id).collect();
        let is_lost = self.shards.iter().any(|(id, place)| *place != Place::Done && !kept.contains(id.as_str()));
        let is_known = |id: &str| kept.contains(id) || self.shards.contains_key(id);
        let is_orphan = |shard: &Shard| {
            let is_new = shard.shard_id().is_some_and(|id| !self.shards.contains_key(id));
            is_new && shard.parent_shard_id().is_some_and(|parent| !is_known(parent))
        };
        // Before the first page nothing was seen, so nothing can be missed.
        if is_lost || (!self.shards.is_empty() && shards.iter().any(is_orphan)) {
            return Err(error::forgotten());
        }
        self.shards.retain(|id, _| kept.contains(id.as_str()));
        for id in kept {
            self.shards.entry(id.to_owned()).or_insert(Place::Start);
        }
        Ok(())
    }

    /// The readable shards in turn: not finished, and with a parent that is finished or no longer retained.
    fn open<'a>(&self, shards: &'a [Shard]) -> Vec<&'a str> {
        let kept: BTreeSet<&str> = shards.iter().filter_map(Shard::shard_id).collect();
        let is_done = |shard: &str| self.shards.get(shard) == Some(&Place::Done);
        let turn = self.last.as_deref().and_then(|last| shards.iter().position(|shard| shard.shard_id() == Some(last)));
        let (before, behind) = shards.split_at(turn.map_or(0, |turn| turn + 1));
        behind
            .iter()
            .chain(before)
            .filter(|shard| shard.parent_shard_id().is_none_or(|parent| !kept.contains(parent) || is_done(parent)))
            .filter_map(Shard::shard_id)
            .filter(|shard| !is_done(shard))
            .collect()
    }
}

fn foreign() -> StoreError {
    StoreError::BadQuery("the cursor does not belong to this feed".to_owned())
}

impl DynamoStore {
    fn streams(&self) -> Result<&Streams, StoreError> {
        self.streams.as_ref().ok_or_else(|| StoreError::unavailable("the store has no DynamoDB Streams client"))
    }

    pub(crate) async fn feed_page(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        let streams = self.streams()?;
        let mut cursor = match after {
            Some(after) => Cursor::read(after)?,
            None => Cursor::of(self.latest_stream().await?),
        };
        // While the known stream exists, the table need not be queried for its current stream.
        let described = self.describe(streams, &cursor.stream).await;
        let goes_on = described.as_ref().is_ok_and(|stream| {
            stream.stream_status() == Some(&StreamStatus::Enabled) && stream.table_name() == Some(self.table.as_str())
        });
        if !goes_on && self.latest_stream().await? != cursor.stream {
            return Err(foreign());
        }
        let described = described?;
        let shards = described.shards();
        cursor.follow(shards)?;

        let mut changes = Vec::new();
        let mut caught_up: BTreeSet<String> = BTreeSet::new();
        let mut last = None;
        // Finishing a shard may make its children readable, so the open shards are determined in each iteration.
        while changes.len() < limit.max(1) {
            let Some(shard) = cursor.open(shards).into_iter().find(|&shard| !caught_up.contains(shard)) else { break };
            let shard = shard.to_owned();
            let wanted = limit.max(1) - changes.len();
            if self.read_shard(streams, &mut cursor, &shard, wanted, &mut changes).await? {
                caught_up.insert(shard);
            } else {
                last = Some(shard);
            }
        }
        cursor.last = last;
        Ok(FeedPage { changes, cursor: cursor.write()? })
    }

    /// Returns a cursor after everything that the stream contains now. A shard with children is finished. The other
    /// shards are asked for their end and the iterator after it, so that the position does not depend on when it is
    /// first read.
    pub(crate) async fn end_of_feed(&self) -> Result<FeedCursor, StoreError> {
        let streams = self.streams()?;
        let mut cursor = Cursor::of(self.latest_stream().await?);
        let described = self.describe(streams, &cursor.stream).await?;
        let parents: BTreeSet<&str> = described.shards().iter().filter_map(Shard::parent_shard_id).collect();
        let end = |shard: &str| {
            let (stream, shard) = (cursor.stream.clone(), shard.to_owned());
            let is_parent = parents.contains(shard.as_str());
            async move {
                if is_parent {
                    return Ok((shard, Place::Done));
                }
                let latest = self.iterator(streams, &stream, &shard, ShardIteratorType::Latest, None).await?;
                let Some(answer) = self.records(streams, &latest, 1).await? else { return Ok((shard, Place::Start)) };
                Ok::<_, StoreError>((shard, answer.next_shard_iterator.map_or(Place::Done, Place::At)))
            }
        };
        let ends = stream::iter(described.shards().iter().filter_map(Shard::shard_id).map(end).collect::<Vec<_>>());
        cursor.shards = ends.buffer_unordered(AT_ONCE).try_collect().await?;
        cursor.write()
    }

    /// Returns the stored place of a consumer.
    pub(crate) async fn kept_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        let Some(item) = self.item("feed_place", &key::feed_place(consumer)).await? else { return Ok(None) };
        let place = item.get(PLACE).and_then(|place| place.as_s().ok());
        let place: Option<FeedPlace> = place.and_then(|place| serde_json::from_str(place).ok());
        let place = place.ok_or_else(|| corrupt("place"))?;
        Ok(Some(FeedPlace { fence: value::read_version(&item, FENCE)?, ..place }))
    }

    /// Stores the place of a consumer unless it was stored again since `was`. Returns `true` if it was stored.
    pub(crate) async fn keep_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        let mut item = key::feed_place(consumer).attributes();
        item.insert(PLACE.to_owned(), Attribute::S(serde_json::to_string(place).map_err(|_| corrupt("place"))?));
        item.insert(FENCE.to_owned(), value::number(was + 1));
        let mut names = Placeholders::default();
        let condition = match was {
            0 => format!("attribute_not_exists({})", names.name(PK)),
            _ => format!("{}={}", names.name(FENCE), names.value(value::number(was))),
        };
        let (names, values) = names.into_maps();
        let mut sent = 0;
        let mut is_unsure = false;
        loop {
            sent += 1;
            let answer = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item.clone()))
                .condition_expression(&condition)
                .set_expression_attribute_names(names.clone())
                .set_expression_attribute_values(values.clone())
                .set_return_consumed_capacity(self.capacity())
                .send()
                .await;
            let failed = match answer {
                Ok(answer) => {
                    self.consumed("keep_feed_place", answer.consumed_capacity.as_slice());
                    return Ok(true);
                }
                Err(failed) => failed,
            };
            if failed.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) && !is_unsure
            {
                return Ok(false);
            }
            let failure = error::classify(&failed);
            is_unsure |= failure == Failure::Lost;
            if !failure.is_passing() || !self.retry.wait(sent).await {
                // After a lost response, a place that differs from `was` may be the one just written.
                return Err(if is_unsure {
                    StoreError::OutcomeUnknown(Arc::new(failed))
                } else {
                    error::unavailable(failed)
                });
            }
        }
    }

    /// Returns the current stream of the table.
    async fn latest_stream(&self) -> Result<String, StoreError> {
        let described = self.retry.read(|| self.client.describe_table().table_name(&self.table).send()).await?;
        let stream = described.table().and_then(|table| table.latest_stream_arn());
        stream.map(str::to_owned).ok_or_else(|| StoreError::unavailable("the table has no stream"))
    }

    /// Returns the description of a stream with all its shards.
    async fn describe(&self, streams: &Streams, stream: &str) -> Result<StreamDescription, StoreError> {
        let mut shards = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let answer = self
                .retry
                .read(|| streams.describe_stream().stream_arn(stream).set_exclusive_start_shard_id(last.clone()).send())
                .await?;
            let description = answer.stream_description;
            let mut description = description.ok_or_else(|| StoreError::unavailable("the stream is not described"))?;
            shards.extend(description.shards.take().unwrap_or_default());
            last = description.last_evaluated_shard_id.take();
            if last.is_none() {
                description.shards = Some(shards);
                return Ok(description);
            }
        }
    }

    /// Reads from one shard. Returns `true` if it has no more records for now.
    async fn read_shard(
        &self,
        streams: &Streams,
        cursor: &mut Cursor,
        shard: &str,
        wanted: usize,
        changes: &mut Vec<(Id, Change)>,
    ) -> Result<bool, StoreError> {
        let mut iterator = Some(self.iterator_of(streams, cursor, shard).await?);
        let mut empty = 0;
        let mut found = 0;
        while let Some(at) = iterator {
            let Some(answer) = self.records(streams, &at, wanted - found).await? else {
                if matches!(cursor.shards.get(shard), Some(Place::At(_))) {
                    cursor.shards.insert(shard.to_owned(), Place::Start);
                }
                iterator = Some(self.iterator_of(streams, cursor, shard).await?);
                continue;
            };
            let records = answer.records.unwrap_or_default();
            empty = if records.is_empty() { empty + 1 } else { 0 };
            for record in records {
                let sequence = record.dynamodb().and_then(|record| record.sequence_number());
                let sequence = sequence.ok_or_else(|| corrupt("place in the stream"))?.to_owned();
                if let Some(change) = read(record)? {
                    changes.push(change);
                    found += 1;
                }
                cursor.shards.insert(shard.to_owned(), Place::After(sequence));
            }
            iterator = answer.next_shard_iterator;
            match (&iterator, cursor.shards.get_mut(shard)) {
                (None, _) => {
                    cursor.shards.insert(shard.to_owned(), Place::Done);
                    return Ok(true);
                }
                (Some(next), Some(Place::At(at))) => at.clone_from(next),
                _ => {}
            }
            if found == wanted {
                return Ok(false);
            }
            if empty == EMPTY_ANSWERS {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Returns at most `limit` records; `None` if the iterator has expired.
    async fn records(
        &self,
        streams: &Streams,
        iterator: &str,
        limit: usize,
    ) -> Result<Option<GetRecordsOutput>, StoreError> {
        let limit = i32::try_from(limit.min(MAX_RECORDS)).unwrap_or(i32::MAX);
        self.retry
            .read(|| async move {
                match streams.get_records().shard_iterator(iterator).limit(limit).send().await {
                    Err(failed)
                        if failed.as_service_error().is_some_and(GetRecordsError::is_expired_iterator_exception) =>
                    {
                        Ok(None)
                    }
                    answer => answer.map(Some),
                }
            })
            .await
    }

    /// Returns an iterator for the position of a cursor in a shard.
    async fn iterator_of(&self, streams: &Streams, cursor: &Cursor, shard: &str) -> Result<String, StoreError> {
        let (kind, sequence) = match cursor.shards.get(shard) {
            Some(Place::At(iterator)) => return Ok(iterator.clone()),
            Some(Place::After(sequence)) => (ShardIteratorType::AfterSequenceNumber, Some(sequence.as_str())),
            _ => (ShardIteratorType::TrimHorizon, None),
        };
        self.iterator(streams, &cursor.stream, shard, kind, sequence).await
    }

    async fn iterator(
        &self,
        streams: &Streams,
        stream: &str,
        shard: &str,
        kind: ShardIteratorType,
        sequence: Option<&str>,
    ) -> Result<String, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = streams
                .get_shard_iterator()
                .stream_arn(stream)
                .shard_id(shard)
                .shard_iterator_type(kind.clone())
                .set_sequence_number(sequence.map(str::to_owned))
                .send()
                .await;
            match answer {
                Ok(answer) => {
                    return answer.shard_iterator.ok_or_else(|| StoreError::unavailable("a shard has no iterator"));
                }
                Err(failed)
                    if matches!(
                        failed.as_service_error(),
                        Some(GetShardIteratorError::TrimmedDataAccessException(_))
                    ) =>
                {
                    return Err(error::forgotten());
                }
                // The shard has no record with this sequence number.
                Err(failed) if sequence.is_some() && error::classify(&failed) == Failure::Refused => {
                    return Err(foreign());
                }
                Err(failed) => {
                    if !error::classify(&failed).is_passing() || !self.retry.wait(tries).await {
                        return Err(error::unavailable(failed));
                    }
                }
            }
        }
    }
}

/// Decodes the change of a stream record. `None` if the item is not a change, is of an unknown kind, or was erased in
/// place.
fn read(record: Record) -> Result<Option<(Id, Change)>, StoreError> {
    if record.event_name() != Some(&OperationType::Insert) {
        return Ok(None);
    }
    let Some(image) = record.dynamodb.and_then(|record| record.new_image) else { return Ok(None) };
    let item =
        image.into_iter().map(|(name, value)| Ok((name, plain(value)?))).collect::<Result<Item, StoreError>>()?;
    if Key::of(&item).as_ref().and_then(key::read_change).is_none() {
        return Ok(None);
    }
    item::read_change(&item)
}

/// Converts an attribute between the types of the two clients.
fn plain(attribute: StreamAttribute) -> Result<Attribute, StoreError> {
    Ok(match attribute {
        StreamAttribute::B(bytes) => Attribute::B(bytes),
        StreamAttribute::Bs(all) => Attribute::Bs(all),
        StreamAttribute::Bool(flag) => Attribute::Bool(flag),
        StreamAttribute::L(items) => Attribute::L(items.into_iter().map(plain).collect::<Result<_, _>>()?),
        StreamAttribute::M(map) => Attribute::M(
            map.into_iter().map(|(key, value)| Ok((key, plain(value)?))).collect::<Result<_, StoreError>>()?,
        ),
        StreamAttribute::N(number) => Attribute::N(number),
        StreamAttribute::Ns(numbers) => Attribute::Ns(numbers),
        StreamAttribute::Null(flag) => Attribute::Null(flag),
        StreamAttribute::S(text) => Attribute::S(text),
        StreamAttribute::Ss(texts) => Attribute::Ss(texts),
        _ => return Err(corrupt("attribute")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parent: Option<&str>) -> Shard {
        Shard::builder().shard_id(id).set_parent_shard_id(parent.map(str::to_owned)).build()
    }

    #[test]
    fn a_child_is_read_when_its_parent_is_done() {
        let shards = [shard("a", Some("gone")), shard("b", Some("a")), shard("c", Some("a")), shard("d", None)];
        let mut cursor = Cursor::default();
        assert_eq!(cursor.open(&shards), ["a", "d"]);
        cursor.shards.insert("a".to_owned(), Place::After("7".to_owned()));
        assert_eq!(cursor.open(&shards), ["a", "d"]);
        cursor.shards.insert("a".to_owned(), Place::Done);
        assert_eq!(cursor.open(&shards), ["b", "c", "d"]);
        // Starting after the shard that filled the last page, wrapping around.
        for (last, turns) in [("b", ["c", "d", "b"]), ("d", ["b", "c", "d"]), ("gone", ["b", "c", "d"])] {
            cursor.last = Some(last.to_owned());
            assert_eq!(cursor.open(&shards), turns);
        }
    }

    #[test]
    fn a_shard_that_went_unread_is_a_gap_and_one_that_was_read_is_none() {
        let gap = |cursor: &Cursor, shards: &[Shard]| cursor.clone().follow(shards).is_err();
        let mut cursor = Cursor::default();
        // Reading starts with the oldest retained shard, whose parent may be unknown.
        cursor.follow(&[shard("a", Some("gone")), shard("b", None)]).unwrap();
        assert_eq!(cursor.shards.values().collect::<Vec<_>>(), [&Place::Start, &Place::Start]);
        let both = [shard("a", Some("gone")), shard("b", None), shard("c", Some("a"))];
        assert!(!gap(&cursor, &both));
        assert!(gap(&cursor, &both[1..]), "it was never begun");
        cursor.shards.insert("a".to_owned(), Place::After("7".to_owned()));
        assert!(gap(&cursor, &both[1..]), "it was not read to its end");
        cursor.shards.insert("a".to_owned(), Place::Done);
        assert!(!gap(&cursor, &both[1..]), "all of it was read, and its child is there from its beginning");
        assert!(gap(&cursor, &[shard("b", None), shard("d", Some("c"))]), "a child came and went");
        assert!(!gap(&cursor, &[both.as_slice(), &[shard("d", Some("c"))]].concat()));
        cursor.follow(&both[1..]).unwrap();
        assert!(!cursor.shards.contains_key("a") && cursor.shards["c"] == Place::Start);
        assert!(!gap(&cursor, &[shard("b", None), shard("c", Some("a")), shard("e", Some("b"))]));
    }

    #[test]
    fn a_cursor_reads_back_and_rubbish_is_refused() {
        let mut cursor = Cursor { last: Some("a".to_owned()), ..Cursor::of("arn".to_owned()) };
        cursor.shards.insert("a".to_owned(), Place::After("7".to_owned()));
        cursor.shards.insert("b".to_owned(), Place::Done);
        cursor.shards.insert("c".to_owned(), Place::At("iterator".to_owned()));
        assert_eq!(Cursor::read(&cursor.write().unwrap()).unwrap(), cursor);
        for wrong in ["", "7", "{}", "{\"a\":\"x\",\"s\":{\"b\":1}}"] {
            let read = Cursor::read(&FeedCursor(wrong.to_owned()));
            assert!(matches!(read, Err(StoreError::BadQuery(_))), "{wrong}");
        }
    }
}
