//! Lists of records that connect two others and are visible to users who may read both.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::{Plan, walk_page_under};
use crate::{
    engine::{
        draft::{self, Lookup, Stop},
        runtime::Engine,
    },
    model::{
        access::Actor,
        error::Error,
        schema::Image,
        store::{Epochs, Page, Position},
        value::Ref,
    },
};

/// The maximum number of reads for one page of a list.
const MAX_READS: usize = 10;

/// Returns a page of a list without the records whose ends the actor may not both read. The page may be shorter than
/// requested if many are omitted.
pub(crate) async fn walk_with_seen_ends(
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
        let (read, under) = walk_page_under(engine, actor.tenant(), plan, page.next, left, epochs).await?;
        epochs = Some(under);
        page.items.extend(with_seen_ends(engine, actor, read.items).await?);
        page.next = read.next;
        if page.next.is_none() || page.items.len() >= limit {
            break;
        }
    }
    Ok((page, epochs.unwrap_or_default()))
}

/// Returns the records whose ends the actor may both read. One round trip.
pub(crate) async fn with_seen_ends(
    engine: &Engine,
    actor: &Actor,
    records: Vec<Arc<Image>>,
) -> Result<Vec<Arc<Image>>, Error> {
    let all: BTreeSet<Ref> = records.iter().filter_map(|image| image.ends()).flatten().flatten().collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let hints: Vec<Lookup> = all.iter().map(|&end| end.into()).collect();
    let outcome = draft::decide_only(engine, actor, &hints, &mut |draft| {
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
    let is_seen = |end: Option<Ref>| end.is_some_and(|end| seen.contains(&end));
    Ok(records.into_iter().filter(|image| image.ends().is_some_and(|ends| ends.into_iter().all(is_seen))).collect())
}
