//! The associations of one record, limited to those whose other end the actor may see.

use super::record::{Association, AssociationFields as F};
use crate::{
    engine::{
        collection::{Collection, Projection},
        draft,
        listing::{self, ListPage, MAX_LIMIT, Plan, Read},
        view::View,
    },
    model::{
        error::Error,
        filter::Predicate,
        schema::{Record, RecordKind as _},
        store::Position,
        value::{FaultCode, Kind, Ref, Value},
    },
};

impl Collection<'_, Association> {
    /// Returns a page of the associations from and to a record, by label. Requires no grant on associations: an
    /// association is visible to users who may read both its ends. Associations whose other end is hidden are omitted
    /// completely: neither the number of items on a page nor the presence of a cursor reveals them.
    ///
    /// Costs a read of the record, and for each page of the record's associations two concurrent lists and one read of
    /// their other ends; more if many are omitted, up to all associations of the record.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the actor may not see the record; [`Error::Invalid`] for an invalid limit or cursor.
    pub async fn of(
        &self,
        record: Ref,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<Record<Association>>, Error> {
        self.page_of(record, cursor, limit).await
    }

    /// Like [`Collection::of`], as views.
    ///
    /// # Errors
    /// As [`Collection::of`].
    pub async fn view_of(&self, record: Ref, cursor: Option<&str>, limit: usize) -> Result<ListPage<View>, Error> {
        self.page_of(record, cursor, limit).await
    }

    async fn page_of<T: Projection>(
        &self,
        record: Ref,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<T>, Error> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", FaultCode::TooLarge, format!("must be 1 to {MAX_LIMIT}")));
        }
        let (_, outcome) = draft::read_record(self.engine, self.actor, record).await?;
        let definitions = &outcome.definitions;
        let access = outcome.access(self.actor);
        let signature = format!("associations {record}");
        let mut after: Option<Position> = match cursor {
            Some(cursor) => Some(listing::open(definitions, self.actor, &signature, cursor)?),
            None => None,
        };
        if ["from", "to"].into_iter().any(|end| access.is_hidden(Kind::Association, end)) {
            return Ok(ListPage { items: Vec::new(), next_cursor: None });
        }
        let plan = of_record(record);
        let Some(index) = plan.reads.first().map(|read| read.index) else {
            return Ok(ListPage { items: Vec::new(), next_cursor: None });
        };
        let mut items: Vec<T> = Vec::with_capacity(limit);
        let mut last: Option<Position> = None;
        loop {
            // One more than requested shows whether there is a next page; hidden associations are never counted.
            let page = listing::walk_page(self.engine, self.actor.tenant(), &plan, after, limit + 1).await?;
            for image in &listing::with_seen_ends(self.engine, self.actor, page.items).await? {
                if items.len() == limit {
                    let next_cursor = last.map(|at| listing::seal(definitions, self.actor, &signature, &at));
                    return Ok(ListPage { items, next_cursor });
                }
                last = Some(Position { sort: index.sort_value(image), id: image.id });
                items.push(T::project(image, &access)?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(ListPage { items, next_cursor: None });
            }
        }
    }
}

/// The associations that have the record at one end, by label.
fn of_record(record: Ref) -> Plan {
    let decl = Association::decl();
    let by =
        |end: F| decl.indexes.iter().find(|index| index.equals == [end as usize] && index.sort == F::label as usize);
    let reads = [F::from, F::to].into_iter().filter_map(by);
    let reads = reads.map(|index| Read { index, equals: vec![Value::Ref(record)] }).collect();
    Plan { decl, reads, filter: Predicate::always(), extra: None, descending: false }
}
