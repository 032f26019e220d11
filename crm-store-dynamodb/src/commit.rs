//! Commits as transactions: the conditional writes of a commit and the interpretation of a failed condition.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue as Attribute, CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity,
        ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
    },
};
use crm_core::{
    schema::{Group, Image},
    store::{ClaimOp, Commit, CommitId, Guard, MAX_COMMIT_BYTES, StoreError, Write, settle},
    value::{Id, Ref, Value},
};

use crate::{
    DynamoStore, error,
    error::Failure,
    expression::Placeholders,
    item::{self, EXPIRES_AT, HOLDER},
    key::{self, Key, PK},
    layout::{self, MACHINE, PERSON, TEXTS_VERSION},
    reference::AnyRef,
    table::EXPIRES,
    value,
};

/// The role of an item in the transaction, which decides the meaning of its failed condition.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Key,
    Write(&'a Write),
    Guard(&'a Guard),
    Claim(&'a ClaimOp),
    /// An item without a condition of its own, or with one that cannot fail if the record's condition holds.
    Follows,
}

/// The items of the transaction and their roles.
#[derive(Debug, Default)]
struct Transaction<'a> {
    items: Vec<TransactWriteItem>,
    parts: Vec<Part<'a>>,
}

/// The clauses of an update expression under construction.
#[derive(Default)]
struct Clauses {
    set: Vec<String>,
    remove: Vec<String>,
    placeholders: Placeholders,
}

impl Clauses {
    /// Sets or removes an attribute.
    fn put(&mut self, name: &str, attribute: Option<Attribute>) {
        let name = self.placeholders.name(name);
        match attribute {
            Some(attribute) => {
                let value = self.placeholders.value(attribute);
                self.set.push(format!("{name}={value}"));
            }
            None => self.remove.push(name),
        }
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    fn expression(&self) -> String {
        let mut expression = String::new();
        if !self.set.is_empty() {
            expression.push_str("SET ");
            expression.push_str(&self.set.join(","));
        }
        if !self.remove.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&self.remove.join(","));
        }
        expression
    }
}

impl DynamoStore {
    /// Sends a commit, with retries, until the outcome is known.
    pub(crate) async fn send_commit(&self, commit: &Commit) -> Result<(), StoreError> {
        commit.check_budget()?;
        let transaction = self.transaction(commit)?;
        if transaction.items.is_empty() {
            return Ok(());
        }
        // The token identifies a repeated request for ten minutes. It changes only after the previous request was
        // certainly rejected.
        let mut token = 0_u32;
        let mut is_unsure = false;
        let mut sent = 0_u32;
        loop {
            sent += 1;
            let answer = self
                .client
                .transact_write_items()
                .set_transact_items(Some(transaction.items.clone()))
                .client_request_token(request_token(commit.id, token))
                .set_return_consumed_capacity(self.capacity())
                .send()
                .await;
            let failed = match answer {
                Ok(answer) => {
                    self.consumed("commit", answer.consumed_capacity());
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let refused = if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                failed.as_service_error()
            {
                let reasons = cancelled.cancellation_reasons();
                let is_last = sent >= self.retry.attempts;
                match self.verdict(commit, &transaction.parts, reasons, is_last).await {
                    Ok(Verdict::Final(verdict)) | Err(verdict) => Some(verdict),
                    // The rejection is final for this token, so the next attempt is a new transaction of the same
                    // commit.
                    Ok(Verdict::Again) => {
                        token += 1;
                        None
                    }
                    Ok(Verdict::Refused) => Some(error::unavailable(&failed)),
                }
            } else {
                match error::classify(&failed) {
                    Failure::Lost | Failure::InProgress => {
                        is_unsure = true;
                        None
                    }
                    Failure::Busy | Failure::TokenTaken => {
                        token += 1;
                        None
                    }
                    Failure::Throttled | Failure::NotSent => None,
                    Failure::TooLarge => Some(too_large()),
                    Failure::Refused => Some(error::unavailable(&failed)),
                }
            };
            let refused = match refused {
                Some(refused) => refused,
                None if self.retry.wait(sent).await => continue,
                None => error::unavailable(&failed),
            };
            // After a lost response, this error may be caused by the commit itself being stored.
            return if is_unsure { settle(self, commit, refused).await } else { Err(refused) };
        }
    }

    pub(crate) fn capacity(&self) -> Option<ReturnConsumedCapacity> {
        self.on_consumed.as_ref().map(|_| ReturnConsumedCapacity::Total)
    }

    fn transaction<'a>(&self, commit: &'a Commit) -> Result<Transaction<'a>, StoreError> {
        let mut transaction = Transaction::default();
        if let Some(entry) = &commit.key {
            let mut names = Placeholders::default();
            let condition = format!(
                "attribute_not_exists({}) OR {} <= {}",
                names.name(PK),
                names.name(EXPIRES_AT),
                names.value(value::number(commit.at.micros()))
            );
            self.put(&mut transaction, Part::Key, item::entry(commit.tenant, entry), Some((condition, names)))?;
        }
        for write in &commit.writes {
            self.write(&mut transaction, commit, write)?;
        }
        for guard in &commit.guards {
            let mut names = Placeholders::default();
            let condition = format!("{}={}", names.name(PERSON), names.value(value::number(guard.version)));
            let (names, values) = names.into_maps();
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(key::record(commit.tenant, guard.record).attributes()))
                .condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(OnFailure::AllOld)
                .build()
                .map_err(error::unavailable)?;
            transaction.items.push(TransactWriteItem::builder().condition_check(check).build());
            transaction.parts.push(Part::Guard(guard));
        }
        for op in &commit.claims {
            self.claim(&mut transaction, commit, op)?;
        }
        // Only the changed epochs are set, because both share one item.
        let mut epochs = Clauses::default();
        for (epoch, touched) in
            [(&item::DEFINITIONS, commit.touches_definitions()), (&item::ACCESS, commit.touches_access())]
        {
            if touched {
                epochs.put(epoch.id, Some(value::id(commit.id)));
                epochs.put(epoch.written, Some(item::written(&commit.writes)));
            }
        }
        self.update(&mut transaction, Part::Follows, &key::epoch(commit.tenant), epochs, None)?;
        if commit.makes_organization() {
            self.put(&mut transaction, Part::Follows, key::directory(commit.tenant).attributes(), None)?;
        }
        Ok(transaction)
    }

    fn write<'a>(&self, to: &mut Transaction<'a>, commit: &Commit, write: &'a Write) -> Result<(), StoreError> {
        let after = &write.after;
        match &write.before {
            None => {
                let names = is_absent();
                self.put(to, Part::Write(write), item::record(after), Some(names))?;
                if let Some(texts) = item::texts(after) {
                    self.put(to, Part::Follows, texts, None)?;
                }
            }
            Some(before) => {
                let has_new_texts = are_texts_changed(write, before);
                self.update_record(to, write, before, has_new_texts)?;
                if has_new_texts {
                    self.write_texts(to, after)?;
                }
            }
        }
        for change in &write.changes {
            // The condition on the record's version implies that the change is new. If the log disagrees, nothing is
            // overwritten.
            self.put(to, Part::Follows, item::change(commit.tenant, change), Some(is_absent()))?;
        }
        self.write_entries(to, write)
    }

    /// Sets and removes the fields of the written groups and the attributes of their indexes.
    fn update_record<'a>(
        &self,
        to: &mut Transaction<'a>,
        write: &'a Write,
        before: &Image,
        has_new_texts: bool,
    ) -> Result<(), StoreError> {
        let after = &write.after;
        let mut clauses = Clauses::default();
        for (field, value) in after.values.iter().enumerate() {
            let is_kept = *value == Value::NotLoaded || !write.writes(layout::group(after.decl.fields[field].section));
            if !is_kept {
                clauses.put(layout::attribute(after.decl, field), value::to_field(after.decl, field, value));
            }
        }
        if let Some((field, time)) = item::expires_at(after)
            && write.writes(layout::group(after.decl.fields[field].section))
        {
            clauses.put(EXPIRES, time);
        }
        if let Some((field, name, partition)) = item::due(after)
            && write.writes(layout::group(after.decl.fields[field].section))
        {
            clauses.put(name, partition.map(Attribute::S));
        }
        if write.writes(Group::User) {
            clauses.put(PERSON, Some(value::number(after.versions.person)));
            for (name, partition) in item::partitions(after) {
                clauses.put(name, partition.map(Attribute::S));
            }
            if has_new_texts {
                clauses.put(TEXTS_VERSION, Some(value::number(after.versions.person)));
            }
        }
        if write.writes(Group::Machine) {
            clauses.put(MACHINE, Some(value::number(after.versions.machine)));
        }
        for (name, place) in layout::of(after.decl).sort_keys(after, |group| write.writes(group)) {
            clauses.put(name, Some(Attribute::S(place)));
        }
        let mut conditions = Vec::new();
        for (group, name) in [(Group::User, PERSON), (Group::Machine, MACHINE)] {
            if write.writes(group) {
                let value = clauses.placeholders.value(value::number(before.versions.of(group)));
                conditions.push(format!("{}={value}", clauses.placeholders.name(name)));
            }
        }
        if conditions.is_empty() {
            conditions.push(format!("attribute_exists({})", clauses.placeholders.name(PK)));
        }
        let key = key::record(after.tenant, after.reference());
        self.update(to, Part::Write(write), &key, clauses, Some(conditions.join(" AND ")))
    }

    /// Sets and removes the declared texts. The item is kept even if none is left, because it may contain a text that
    /// only a newer program knows.
    fn write_texts(&self, to: &mut Transaction<'_>, after: &Image) -> Result<(), StoreError> {
        let mut clauses = Clauses::default();
        clauses.put(TEXTS_VERSION, Some(value::number(after.versions.person)));
        for (field, value) in after.decl.fields.iter().zip(&after.values) {
            if field.is_long() && *value != Value::NotLoaded {
                clauses.put(field.name, value.as_text().map(|text| Attribute::S(text.to_owned())));
            }
        }
        self.update(to, Part::Follows, &key::texts(after.tenant, after.reference()), clauses, None)
    }

    /// Adds, moves and removes the entries of list-valued indexes that changed.
    fn write_entries(&self, to: &mut Transaction<'_>, write: &Write) -> Result<(), StoreError> {
        if !write.writes(Group::User) {
            return Ok(());
        }
        let after = &write.after;
        let layout = layout::of(after.decl);
        for (field, indexes) in &layout.element_fields {
            let entries_of = |image: &Image| {
                let elements = image.values[*field].items();
                let live = elements.iter().enumerate().filter(|_| !image.is_archived());
                // Duplicate elements of a list share one entry. An opaque element has an entry if it is a reference.
                live.filter(|(at, element)| !elements[..*at].contains(element))
                    .filter(|(_, element)| !matches!(element, Value::Opaque(_)) || AnyRef::of(element).is_some())
                    .map(|(_, element)| (element.clone(), entry_keys(image, layout, indexes, element)))
                    .collect::<Vec<_>>()
            };
            let old = write.before.as_deref().map(entries_of).unwrap_or_default();
            let new = entries_of(after);
            for (element, keys) in &new {
                if old.iter().any(|(other, held)| other == element && held == keys) {
                    continue;
                }
                let mut clauses = Clauses::default();
                for (name, key) in keys {
                    clauses.put(name, Some(Attribute::S(key.clone())));
                }
                let key = key::entry(after.tenant, after.decl, *field, element, after.id);
                self.update(to, Part::Follows, &key, clauses, None)?;
            }
            for (element, _) in old.iter().filter(|(element, _)| new.iter().all(|(other, _)| other != element)) {
                let key = key::entry(after.tenant, after.decl, *field, element, after.id);
                self.delete(to, Part::Follows, &key, None)?;
            }
        }
        Ok(())
    }

    fn claim<'a>(&self, to: &mut Transaction<'a>, commit: &Commit, op: &'a ClaimOp) -> Result<(), StoreError> {
        let key = key::claim(op.claim());
        let holder = |record| item::holder(commit.tenant, record);
        let mut names = Placeholders::default();
        match op {
            ClaimOp::Take { holder: record, .. } => {
                let condition = format!(
                    "attribute_not_exists({}) OR {}={}",
                    names.name(PK),
                    names.name(HOLDER),
                    names.value(holder(*record))
                );
                let mut item = key.attributes();
                item.insert(HOLDER.to_owned(), holder(*record));
                self.put(to, Part::Claim(op), item, Some((condition, names)))
            }
            ClaimOp::Release { holder: record, .. } => {
                let condition = format!("{}={}", names.name(HOLDER), names.value(holder(*record)));
                self.delete(to, Part::Claim(op), &key, Some((condition, names)))
            }
            ClaimOp::Transfer { from, to: target, .. } => {
                let mut clauses = Clauses { placeholders: names, ..Clauses::default() };
                let held = clauses.placeholders.value(holder(*from));
                let condition = format!("{}={held}", clauses.placeholders.name(HOLDER));
                clauses.put(HOLDER, Some(holder(*target)));
                self.update(to, Part::Claim(op), &key, clauses, Some(condition))
            }
        }
    }

    fn put<'a>(
        &self,
        to: &mut Transaction<'a>,
        part: Part<'a>,
        item: HashMap<String, Attribute>,
        condition: Option<(String, Placeholders)>,
    ) -> Result<(), StoreError> {
        let mut put = Put::builder().table_name(&self.table).set_item(Some(item));
        if let Some((condition, names)) = condition {
            let (names, values) = names.into_maps();
            put = put
                .condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(OnFailure::AllOld);
        }
        let put = put.build().map_err(error::unavailable)?;
        to.items.push(TransactWriteItem::builder().put(put).build());
        to.parts.push(part);
        Ok(())
    }

    fn update<'a>(
        &self,
        to: &mut Transaction<'a>,
        part: Part<'a>,
        key: &Key,
        clauses: Clauses,
        condition: Option<String>,
    ) -> Result<(), StoreError> {
        if clauses.is_empty() {
            return Ok(());
        }
        let expression = clauses.expression();
        let (names, values) = clauses.placeholders.into_maps();
        let on_failure = condition.as_ref().map(|_| OnFailure::AllOld);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .set_return_values_on_condition_check_failure(on_failure)
            .build()
            .map_err(error::unavailable)?;
        to.items.push(TransactWriteItem::builder().update(update).build());
        to.parts.push(part);
        Ok(())
    }

    fn delete<'a>(
        &self,
        to: &mut Transaction<'a>,
        part: Part<'a>,
        key: &Key,
        condition: Option<(String, Placeholders)>,
    ) -> Result<(), StoreError> {
        let mut delete = Delete::builder().table_name(&self.table).set_key(Some(key.attributes()));
        if let Some((condition, names)) = condition {
            let (names, values) = names.into_maps();
            delete = delete
                .condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(OnFailure::AllOld);
        }
        let delete = delete.build().map_err(error::unavailable)?;
        to.items.push(TransactWriteItem::builder().delete(delete).build());
        to.parts.push(part);
        Ok(())
    }

    /// Interprets a cancelled transaction, which has one reason per item, in order.
    async fn verdict(
        &self,
        commit: &Commit,
        parts: &[Part<'_>],
        reasons: &[CancellationReason],
        is_last: bool,
    ) -> Result<Verdict, StoreError> {
        let is_failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        let is_passing = reasons.iter().any(|reason| {
            matches!(
                reason.code(),
                Some(
                    "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" | "InternalServerError"
                )
            )
        });
        // While another transaction holds an item, the result of its condition is unknown, and deciding now might
        // report the wrong error. On the last attempt the known reasons are used.
        if is_passing && !is_last {
            return Ok(Verdict::Again);
        }
        let failed: Vec<(&Part<'_>, &CancellationReason)> =
            parts.iter().zip(reasons).filter(|(_, reason)| is_failed(reason)).collect();
        if failed.iter().any(|(part, _)| matches!(part, Part::Key)) {
            return Ok(Verdict::Final(StoreError::KeyUsed));
        }
        let mut conflict: Option<(Ref, &CancellationReason)> = None;
        for (part, reason) in &failed {
            let record = match part {
                Part::Write(write) => write.record(),
                Part::Guard(guard) => guard.record,
                _ => continue,
            };
            if conflict.is_none_or(|(first, _)| record < first) {
                conflict = Some((record, reason));
            }
        }
        if let Some((record, reason)) = conflict {
            let current = reason.item().map(item::versions).transpose()?;
            return Ok(Verdict::Final(StoreError::Conflict { record, current }));
        }
        for (part, reason) in &failed {
            let Part::Claim(op) = part else { continue };
            return Ok(match (op.held_before(), reason.item()) {
                (Some(record), _) => {
                    let current = self.current_versions(commit.tenant, record).await?;
                    Verdict::Final(StoreError::Conflict { record, current })
                }
                (None, Some(item)) => {
                    let (_, holder) = item::read_holder(item)?;
                    // Of a holder of unknown kind only the id can be reported.
                    let holder = holder.known().unwrap_or(Ref::new(op.claim().kind, holder.id));
                    Verdict::Final(StoreError::Claimed { claim: op.claim().clone(), holder })
                }
                // The condition failed but no item was returned; the next attempt resolves the contradiction.
                (None, None) => Verdict::Again,
            });
        }
        if reasons.iter().any(|reason| reason.code() == Some("ItemCollectionSizeLimitExceeded"))
            || reasons.iter().any(|reason| {
                reason.code() == Some("ValidationError")
                    && reason.message().is_some_and(|message| message.to_ascii_lowercase().contains("size"))
            })
        {
            return Ok(Verdict::Final(too_large()));
        }
        // The log already contains a change with a version that the record does not have.
        if !failed.is_empty() {
            return Err(StoreError::corrupt("the log holds a change that its record does not know of"));
        }
        Ok(if is_passing { Verdict::Again } else { Verdict::Refused })
    }

    async fn current_versions(
        &self,
        tenant: Id,
        record: Ref,
    ) -> Result<Option<crm_core::schema::Versions>, StoreError> {
        let key = key::record(tenant, record);
        let items = self.batch_get("commit", vec![key.clone()]).await?;
        items.get(&key).map(item::versions).transpose()
    }
}

/// The interpretation of a cancelled transaction.
enum Verdict {
    Final(StoreError),
    /// The outcome is not decided yet.
    Again,
    /// DynamoDB rejected the transaction for a reason that is not a condition of the commit.
    Refused,
}

/// Returns `true` if a write changes a long text.
fn are_texts_changed(write: &Write, before: &Image) -> bool {
    let after = &write.after;
    let is_changed = |(at, value): (usize, &Value)| {
        after.decl.fields[at].is_long() && *value != Value::NotLoaded && *value != before.values[at]
    };
    write.writes(Group::User) && after.values.iter().enumerate().any(is_changed)
}

fn entry_keys(
    image: &Image,
    layout: &layout::Layout,
    indexes: &[usize],
    element: &Value,
) -> Vec<(&'static str, String)> {
    let mut keys = Vec::with_capacity(indexes.len() * 2);
    for index in indexes.iter().map(|&at| &image.decl.indexes[at]) {
        let equals: Vec<Value> = std::iter::once(element.clone())
            .chain(index.equals[1..].iter().map(|&field| image.values[field].clone()))
            .collect();
        let slot = layout.slots[index.position];
        keys.push((layout::PARTITIONS[slot], key::index(image.tenant, image.decl, index, &equals)));
        let place = key::index_place(&index.sort_value(image), image.id);
        keys.push((layout::SORTS[layout::SORT_OF[slot]], place));
    }
    keys
}

fn is_absent() -> (String, Placeholders) {
    let mut names = Placeholders::default();
    let condition = format!("attribute_not_exists({})", names.name(PK));
    (condition, names)
}

fn too_large() -> StoreError {
    StoreError::TooLarge { what: "the bytes of one commit", limit: MAX_COMMIT_BYTES }
}

/// The token of the nth transaction of a commit: at most 36 characters.
fn request_token(commit: CommitId, number: u32) -> String {
    let mut token = String::with_capacity(36);
    crate::ordered::push_id(&mut token, commit);
    token.push('.');
    token.push_str(&number.to_string());
    token
}
