//! Execution of list plans: several index reads are merged in one total order, with each record once.

use std::{cmp::Ordering, sync::Arc};

use super::{Plan, plan::Read};
use tracing::Instrument as _;

use crate::{
    engine::runtime::Engine,
    model::{
        error::Error,
        schema::Image,
        store::{Epochs, Page, Position, Query},
        value::{Id, Value},
    },
};

/// The maximum number of store pages read for one page of a list if they contain too few matching records.
const MAX_EMPTY_READS: usize = 4;

/// Returns a page of the merged reads: the records in order and the position of the next page.
///
/// The position in the merged list is (sort value, id). The order is total and the same in every read, so each read
/// continues after that position.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn walk_page(
    engine: &Engine,
    tenant: Id,
    plan: &Plan,
    after: Option<Position>,
    limit: usize,
) -> Result<Page, Error> {
    // The epochs are not needed.
    Ok(walk_page_under(engine, tenant, plan, after, limit, Some(Epochs::default())).await?.0)
}

/// Like [`walk_page`], with the tenant's epochs: the given ones, or those returned by the first read.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn walk_page_under(
    engine: &Engine,
    tenant: Id,
    plan: &Plan,
    after: Option<Position>,
    limit: usize,
    mut epochs: Option<Epochs>,
) -> Result<(Page, Epochs), Error> {
    let mut items: Vec<Arc<Image>> = Vec::with_capacity(limit);
    let mut position = after;
    for _ in 0..MAX_EMPTY_READS {
        let (limit, kind) = (limit - items.len(), plan.decl.kind);
        let index = plan.reads.first().map_or("", |read| &read.index.name);
        let span = tracing::debug_span!("crm.list", %tenant, %kind, index, reads = plan.reads.len(), limit);
        let page = read_once(engine, tenant, plan, position.clone(), limit, &mut epochs).instrument(span).await?;
        items.extend(
            page.items.into_iter().filter(|image| plan.extra.as_ref().is_none_or(|search| search.holds(image))),
        );
        position = page.next;
        if position.is_none() || items.len() >= limit {
            break;
        }
    }
    Ok((Page { items, next: position }, epochs.unwrap_or_default()))
}

/// Reads each index of the plan once and merges the results. The first read returns the epochs if they are not known.
async fn read_once(
    engine: &Engine,
    tenant: Id,
    plan: &Plan,
    after: Option<Position>,
    limit: usize,
    epochs: &mut Option<Epochs>,
) -> Result<Page, Error> {
    let query = |read: &Read| Query {
        tenant,
        decl: plan.decl,
        index: read.index,
        equals: read.equals.clone(),
        descending: plan.descending,
        filter: plan.filter.clone(),
        after: after.clone(),
        limit,
    };
    let queries: Vec<Query> = plan.reads.iter().map(query).collect();
    let (first, others) = match (queries.split_first(), &epochs) {
        (Some((first, others)), None) => (Some(first), others),
        _ => (None, queries.as_slice()),
    };
    let first = async {
        let Some(query) = first else { return Ok(None) };
        engine.store.list_with_epochs(query).await.map(Some)
    };
    let others = futures::future::try_join_all(others.iter().map(|query| engine.store.list(query)));
    let (first, mut pages) = futures::try_join!(first, others)?;
    if let Some((page, read)) = first {
        *epochs = Some(read);
        pages.insert(0, page);
    }
    if let [_] = plan.reads.as_slice() {
        return Ok(pages.pop().unwrap_or_default());
    }
    Ok(merge(plan, pages, limit))
}

/// Merges pages that start after the same position. A page that has more limits the merged page: records beyond its
/// position are not known yet.
fn merge(plan: &Plan, pages: Vec<Page>, limit: usize) -> Page {
    let order = |a: &Position, b: &Position| {
        let ascending = a.sort.sort_order(&b.sort).then_with(|| a.id.cmp(&b.id));
        if plan.descending { ascending.reverse() } else { ascending }
    };
    // All reads sort by the same field, so any of their indexes gives the position.
    let sort = |image: &Image| plan.reads.first().map_or(Value::Null, |read| read.index.sort_value(image));
    let place = |image: &Arc<Image>| Position { sort: sort(image), id: image.id };
    let border: Option<Position> = pages.iter().filter_map(|page| page.next.clone()).min_by(|a, b| order(a, b));
    let mut all: Vec<(Position, Arc<Image>)> =
        pages.into_iter().flat_map(|page| page.items).map(|image| (place(&image), image)).collect();
    all.sort_by(|(a, _), (b, _)| order(a, b));
    // A record found by two reads (for example in two teams) occurs twice in succession.
    all.dedup_by(|(a, _), (b, _)| a.id == b.id);
    let known =
        all.iter().take_while(|(at, _)| border.as_ref().is_none_or(|end| order(at, end) != Ordering::Greater)).count();
    let next = if known > limit { Some(all[limit - 1].0.clone()) } else { border };
    let items = all.into_iter().take(known.min(limit)).map(|(_, image)| image).collect();
    Page { items, next }
}

/// Returns the number of records in a planned list: one statement per read if the store can count, otherwise by reading
/// the list.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn count(engine: &Engine, tenant: Id, plan: &Plan) -> Result<u64, Error> {
    if let (Some(counts), Some(read), None) = (engine.store.counts(), plan.counted(), &plan.extra) {
        let query = Query {
            tenant,
            decl: plan.decl,
            index: read.index,
            equals: read.equals,
            descending: false,
            filter: plan.filter.clone(),
            after: None,
            limit: 1,
        };
        return Ok(counts.count(&query).await?);
    }
    let mut total = 0;
    let mut position = None;
    loop {
        let page = walk_page(engine, tenant, plan, position, 1000).await?;
        total += page.items.len() as u64;
        position = page.next;
        if position.is_none() {
            return Ok(total);
        }
    }
}
