//! Pieces of jobs over the records of lists.
//!
//! Lists may lag, and records may change between the list and the commit, so handlers check [`still_fits`] for each
//! record in the commit. A position is a total order, (sort value, id), independent of changes to earlier records. Sort
//! values may change while the lists are read, so they are read again until a pass has changed nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::handler::{JobContext, Piece, Row};
use crate::{
    catalog,
    engine::{
        access::Access,
        draft::{Draft, Stop},
        listing::{self, ListQuery},
    },
    model::{
        access::Action,
        error::Error,
        filter::Filter,
        records::job::{read, written},
        value::{Kind, Ref},
    },
};

/// A list: the records of a kind that match a filter, in an order.
pub(crate) struct List {
    pub(crate) kind: Kind,
    pub(crate) filter: Filter,
    pub(crate) sort: &'static str,
}

/// The position of the next piece.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Place {
    /// The index of the list.
    list: usize,
    /// The position in that list, sealed: users who may read the job may not be allowed to see the listed records.
    after: Option<String>,
    /// The number of changed records when the pass began.
    since: u64,
}

/// `true` if the position is one in lists.
pub(crate) fn is_place(place: Option<&Json>) -> bool {
    place.is_none_or(|place| read::<Place>(place).is_ok())
}

/// Returns the next piece of the records of the lists, or the end once a pass has changed nothing.
///
/// # Errors
/// [`Error::Forbidden`] if the actor may not list a kind; errors of the store.
pub(crate) async fn next(cx: &JobContext<'_>, lists: &[List], place: Option<&Json>) -> Result<Piece, Error> {
    let mut place: Place = place.map(read).transpose()?.unwrap_or_default();
    let is_new_pass = place.list >= lists.len();
    if is_new_pass {
        if place.since == cx.done() {
            return Ok(Piece::done(None));
        }
        place = Place { since: cx.done(), ..Place::default() };
    }
    let (engine, actor) = (&cx.crm().engine, cx.actor());
    let definitions = engine.authority(actor).await?;
    let access = Access::new(actor, &definitions, engine.clock.now());
    let (mut rows, mut is_first): (Vec<Row>, bool) = (Vec::new(), true);
    // At least one page, even if the time is up.
    while let Some(list) = lists.get(place.list)
        && rows.len() < cx.limit()
        && (std::mem::take(&mut is_first) || !cx.is_over())
    {
        let decl = catalog::decl(list.kind);
        let query = ListQuery::new().filter(list.filter.clone()).sort(list.sort);
        let plan = listing::plan(&access, decl, &query, Action::Read)?;
        let signature = listing::signature(decl, &query);
        // A position that can no longer be opened means the beginning of its list.
        let after = place.after.take().and_then(|after| listing::open(&definitions, actor, &signature, &after).ok());
        let page = listing::walk_page(engine, actor.tenant(), &plan, after, cx.limit() - rows.len()).await?;
        rows.extend(page.items.iter().map(|image| Row::from(image.reference())));
        match page.next {
            Some(next) => place.after = Some(listing::seal(&definitions, actor, &signature, &next)),
            None => place.list += 1,
        }
    }
    let piece = Piece::new(rows, written(&place)?);
    Ok(if is_new_pass { piece.of_new_pass() } else { piece })
}

/// `true` if the record, as read for the commit, is live and matches the filter. Also `true` if the record does not
/// exist, so that the write reports the error.
pub(crate) fn still_fits(draft: &mut Draft<'_>, record: Ref, filter: &Filter) -> Result<bool, Stop> {
    let Some(image) = draft.peek(record)? else { return Ok(true) };
    Ok(!image.is_archived() && draft.cx.access.compile(image.decl, filter)?.holds(&image))
}
