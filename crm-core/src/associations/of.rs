//! The associations of one record, as far as the actor may see what they tie it to.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::record::{Association, AssociationFields as F};
use crate::{
    access::{Access, Actor},
    collection::Collection,
    draft::{self, Lookup, Stop},
    engine::Engine,
    error::Error,
    filter::Predicate,
    listing::{self, ListPage, MAX_LIMIT, Plan, Read},
    schema::{Image, Record, RecordKind as _},
    store::{Epochs, Page, Position},
    value::{Kind, Ref, Value},
    view::View,
};

/// Reads for one page of a list, at most.
const MAX_READS: usize = 10;

impl Collection<'_, Association> {
    /// A page of the associations of a record, from it and to it, by label. Needs no grant on associations: one is seen
    /// by who may read both its ends. Those whose other end the actor may not see are left out as if there were none:
    /// a page is full, and has a cursor, exactly where what the actor may see says so.
    ///
    /// Costs a read of the record, and for each page's worth of the record's associations two lists at once and one
    /// read of their other ends; more where many are left out, up to all the record has.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the actor may not see the record; [`Error::Invalid`] for a limit or cursor that cannot
    /// be.
    pub async fn of(
        &self,
        record: Ref,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<Record<Association>>, Error> {
        let page = self.page_of(record, cursor, limit, |image, access| access.mask(image)).await?;
        let items = page.items.iter().map(|image| Record::from_image(image)).collect::<Result<_, _>>()?;
        Ok(ListPage { items, next_cursor: page.next_cursor })
    }

    /// As [`Collection::of`], as views.
    ///
    /// # Errors
    /// As [`Collection::of`].
    pub async fn view_of(&self, record: Ref, cursor: Option<&str>, limit: usize) -> Result<ListPage<View>, Error> {
        self.page_of(record, cursor, limit, View::new).await
    }

    async fn page_of<T: Send>(
        &self,
        record: Ref,
        cursor: Option<&str>,
        limit: usize,
        show: fn(&Arc<Image>, &Access<'_>) -> T,
    ) -> Result<ListPage<T>, Error> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", "too_large", format!("must be 1 to {MAX_LIMIT}")));
        }
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        let definitions = &outcome.definitions;
        let access = Access::new(self.actor, definitions, outcome.now);
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
            // One more than asked for tells whether there is more to see; what is hidden never does.
            let page = listing::walk_page(self.engine, self.actor.tenant(), &plan, after, limit + 1).await?;
            for image in &visible(self.engine, self.actor, page.items).await? {
                if items.len() == limit {
                    let next_cursor = last.map(|at| listing::seal(definitions, self.actor, &signature, &at));
                    return Ok(ListPage { items, next_cursor });
                }
                last = Some(Position { sort: index.sort_value(image), id: image.id });
                items.push(show(image, &access));
            }
            after = page.next;
            if after.is_none() {
                return Ok(ListPage { items, next_cursor: None });
            }
        }
    }
}

/// A page of a list of associations, without those of whose ends the actor may not read both. It has fewer than were asked
/// for where many are left out.
pub(crate) async fn walk_seen(
    engine: &Engine,
    actor: &Actor,
    plan: &Plan,
    after: Option<Position>,
    limit: usize,
    mut epochs: Option<Epochs>,
) -> Result<(Page, Epochs), Error> {
    let mut page = Page { items: Vec::with_capacity(limit), next: after };
    for _ in 0..MAX_READS {
        let left = limit - page.items.len();
        let (read, under) = listing::walk_page_under(engine, actor.tenant(), plan, page.next, left, epochs).await?;
        epochs = Some(under);
        page.items.extend(visible(engine, actor, read.items).await?);
        page.next = read.next;
        if page.next.is_none() || page.items.len() >= limit {
            break;
        }
    }
    Ok((page, epochs.unwrap_or_default()))
}

/// Of these associations, those of which the actor may read both ends.
async fn visible(engine: &Engine, actor: &Actor, associations: Vec<Arc<Image>>) -> Result<Vec<Arc<Image>>, Error> {
    let all: BTreeSet<Ref> = associations.iter().flat_map(|image| ends(image)).flatten().collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let hints: Vec<Lookup> = all.iter().map(|&end| end.into()).collect();
    let outcome = draft::decide_only(engine, actor, &hints, &|draft| {
        let mut seen = Vec::with_capacity(all.len());
        for &end in &all {
            match draft.read(end) {
                Ok(_) => seen.push(end),
                Err(Stop::Refuse(Error::NotFound(_))) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(seen)
    })
    .await?;
    let seen: HashSet<Ref> = outcome.images.iter().map(|image| image.reference()).collect();
    let is_seen = |image: &Arc<Image>| ends(image).iter().all(|end| end.is_some_and(|end| seen.contains(&end)));
    Ok(associations.into_iter().filter(is_seen).collect())
}

/// The two ends of an association.
pub(crate) fn ends(association: &Image) -> [Option<Ref>; 2] {
    [F::from, F::to].map(|end| match association.values[end as usize] {
        Value::Ref(end) => Some(end),
        _ => None,
    })
}

/// What has the record at one end, by label.
fn of_record(record: Ref) -> Plan {
    let decl = Association::decl();
    let by =
        |end: F| decl.indexes.iter().find(|index| index.equals == [end as usize] && index.sort == F::label as usize);
    let reads = [F::from, F::to].into_iter().filter_map(by);
    let reads = reads.map(|index| Read { index, equals: vec![Value::Ref(record)] }).collect();
    Plan { decl, reads, filter: Predicate::always(), extra: None, descending: false }
}
