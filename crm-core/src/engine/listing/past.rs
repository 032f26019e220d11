//! As-of lists: the records that existed at a time, as they were then.
//!
//! No additional data is stored for them. Candidates are read from the creation indexes of active and archived records,
//! merged as in any list. The state of each candidate that was written since is folded from its log. Permissions and
//! limits are part of the candidates' query.

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::{
    ListQuery, Plan, Read,
    merge::walk_page_under,
    plan::{TextSearch, choose, demand_ends, permitted, search},
};
use crate::{
    engine::{access::Access, definitions::Definitions, draft, rules, runtime::Engine},
    model::{
        access::Action,
        error::Error,
        filter::{Compare, Filter, Path, Predicate, Test},
        schema::{FieldType, Image, KindDecl, Section, common},
        store::{Epochs, Page, Position},
        value::{FaultCode, Id, Time, Value},
    },
};

/// The maximum number of records that one call examines.
const MAX_EXAMINED: usize = 500;
/// The number of histories read concurrently.
const AT_ONCE: usize = 8;
/// The time of an as-of list, and the latest recording time of changes to consider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Time,
    pub(crate) known_at: Option<Time>,
}

impl Moment {
    /// Returns the moment to look back at. Now or later means the latest state, whose changes may be slightly in the
    /// future if another process' clock is ahead.
    pub(crate) fn reached(self, now: Time) -> Self {
        let reached = |at: Time| if at >= now { Time::MAX } else { at };
        Self { at: reached(self.at), known_at: self.known_at.map(reached) }
    }

    /// Returns a text that binds cursors to the moment.
    pub(crate) fn signature(self) -> String {
        format!(" as of {} known {:?}", self.at, self.known_at)
    }

    /// Returns the time up to which recorded changes are certain to count: no change takes effect after it was
    /// recorded.
    fn settled(self) -> Time {
        self.known_at.map_or(self.at, |known| known.min(self.at))
    }
}

#[derive(Debug)]
pub(crate) struct PastPlan {
    /// The current records that may be in the list.
    candidates: Plan,
    /// The condition on the records as of the time.
    filter: Predicate,
    text: Option<TextSearch>,
    moment: Moment,
}

/// Plans an as-of list. Relative times in the filter are relative to `relative_to`, the requested time: a time that has
/// not passed yet means the latest state.
///
/// # Errors
/// As [`super::plan`]; [`Error::Invalid`] for a sort other than `created_at`, for archived records, and for a filter on
/// a field that is not in the log.
pub(crate) fn plan_past(
    access: &Access<'_>,
    decl: &'static KindDecl,
    query: &ListQuery,
    action: Action,
    relative_to: Time,
    moment: Moment,
) -> Result<PastPlan, Error> {
    demand_ends(access, decl)?;
    let seen = permitted(access, decl, action)?;
    if query.archived {
        return Err(Error::invalid(
            "archived",
            FaultCode::NotInThePast,
            "cannot be combined with as_of: an as-of list contains the records that were not archived then",
        ));
    }
    if query.sort.as_deref().is_some_and(|sort| sort != "created_at") {
        let message = "an as-of list can only be sorted by created_at";
        return Err(Error::invalid("sort", FaultCode::UnknownSort, message));
    }
    // Relative times in the filter are relative to the requested time.
    let then = access.at(relative_to);
    let mut filter = then.compile(decl, query.filter.as_ref().unwrap_or(&Filter::all([])))?;
    if let Some(name) = untold(decl, &filter) {
        let message = "is a computed field, whose past values are not in the log";
        return Err(Error::invalid(name, FaultCode::NotInThePast, message));
    }
    let now = if is_settled_alike(decl, &filter) { filter.clone() } else { Predicate::always() };
    let text = search(access, decl, query, &mut filter)?;

    let mut reads = choose(access, decl, "created_at", &seen)?;
    reads.push(Read { index: decl.archived_walk(), equals: Vec::new() });
    let time = |field, compare, time| {
        let path = Path { field, property: None };
        Predicate::Test(Test { path, ty: FieldType::Time, list: false, compare, operands: vec![Value::Time(time)] })
    };
    let is_live = Predicate::Test(Test {
        path: Path { field: common::ARCHIVED_AT, property: None },
        ty: FieldType::Time,
        list: false,
        compare: Compare::Missing,
        operands: Vec::new(),
    });
    let changed_since = time(common::UPDATED_AT, Compare::Gt, moment.settled());
    let candidates = Plan {
        decl,
        reads,
        // A record that was not written since is unchanged: whether it is archived and matches the filter can be tested
        // on its current state.
        filter: seen.and(time(common::CREATED_AT, Compare::Le, moment.at)).and(changed_since.or(is_live.and(now))),
        extra: None,
        descending: query.descending,
    };
    Ok(PastPlan { candidates, filter, text, moment })
}

/// Returns a page of an as-of list with the tenant's epochs. If they differ from those of the plan, the page is empty
/// and must be discarded.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn walk_past(
    engine: &Engine,
    access: &Access<'_>,
    plan: &PastPlan,
    after: Option<Position>,
    limit: usize,
    mut epochs: Option<Epochs>,
) -> Result<(Page, Epochs), Error> {
    let (tenant, definitions) = (access.actor().tenant(), access.definitions());
    let mut items: Vec<Arc<Image>> = Vec::with_capacity(limit);
    let mut position = after.or_else(|| plan.beginning());
    let mut examined = 0;
    loop {
        // Reads as many records as are missing; if the filter matches few, twice as many in the next round.
        let ask = (limit - items.len()).max(examined).min(MAX_EXAMINED - examined);
        let (page, read) = walk_page_under(engine, tenant, &plan.candidates, position, ask, epochs).await?;
        epochs = Some(read);
        if !access.authority().holds_under(read) {
            return Ok((Page::default(), read));
        }
        let is_full = page.items.len() >= ask;
        examined += page.items.len();
        let next = page.next.filter(|next| plan.reaches(next));
        let then = plan.as_they_were(engine, definitions, &page.items).await?;
        let count = then.len();
        for (at, image) in then.into_iter().enumerate() {
            let Some(image) = image.filter(|image| plan.holds(image)) else { continue };
            let place = Position { sort: image.values[common::CREATED_AT].clone(), id: image.id };
            items.push(image);
            if items.len() == limit {
                let is_end = at + 1 == count && next.is_none();
                return Ok((Page { items, next: (!is_end).then_some(place) }, read));
            }
        }
        if next.is_none() || !is_full || examined >= MAX_EXAMINED {
            return Ok((Page { items, next }, read));
        }
        position = next;
    }
}

impl PastPlan {
    /// Returns the start position: for a descending list, the last record created by the time.
    fn beginning(&self) -> Option<Position> {
        let after = self.moment.at.plus_micros(1);
        let begins = self.candidates.descending && after > self.moment.at;
        begins.then_some(Position { sort: Value::Time(after), id: Id::NIL })
    }

    /// Returns `false` for a position after which no record was created by the time.
    fn reaches(&self, place: &Position) -> bool {
        self.candidates.descending || place.sort.as_time().is_none_or(|created| created <= self.moment.at)
    }

    fn holds(&self, image: &Image) -> bool {
        !image.is_archived() && self.filter.holds(image) && self.text.as_ref().is_none_or(|search| search.holds(image))
    }

    /// Returns the records as of the time, in order; `None` for those that were not known then.
    async fn as_they_were(
        &self,
        engine: &Engine,
        definitions: &Definitions,
        now: &[Arc<Image>],
    ) -> Result<Vec<Option<Arc<Image>>>, Error> {
        let changed = now.iter().filter(|image| !self.is_as_it_was(image));
        let folded: Vec<_> = changed.map(|image| self.folded(engine, definitions, image).boxed()).collect();
        let folded: Vec<_> = stream::iter(folded).buffered(AT_ONCE).try_collect().await?;
        let mut folded = folded.into_iter();
        now.iter()
            .map(|image| {
                if self.is_as_it_was(image) { kept(image, definitions).map(Some) } else { Ok(folded.next().flatten()) }
            })
            .collect()
    }

    /// Returns `true` if all logged changes of a record were recorded by then and none of them is of the machine group.
    /// A kind without logged fields has no log.
    fn is_as_it_was(&self, image: &Image) -> bool {
        let updated = image.values[common::UPDATED_AT].as_time();
        updated.is_some_and(|updated| updated <= self.moment.settled())
            && image.versions.machine == 0
            && image.decl.fields[common::COUNT..].iter().any(crate::model::schema::FieldDecl::is_logged)
    }

    async fn folded(
        &self,
        engine: &Engine,
        definitions: &Definitions,
        image: &Image,
    ) -> Result<Option<Arc<Image>>, Error> {
        let Moment { at, known_at } = self.moment;
        let history = draft::read_history(engine, image.tenant, image.reference()).await?;
        let then = crate::engine::history::as_it_was(image.tenant, &history, at, known_at, definitions)?;
        Ok(then.map(|mut image| {
            for (field, value) in image.decl.fields.iter().zip(&mut image.values) {
                if field.is_long() && !value.is_null() {
                    *value = Value::NotLoaded;
                }
            }
            Arc::new(image)
        }))
    }
}

/// Returns an unchanged record as folding its log would: without computed fields, and with derived fields by today's
/// definitions.
fn kept(image: &Image, definitions: &Definitions) -> Result<Arc<Image>, Error> {
    let mut then = image.clone();
    for (field, value) in image.decl.fields.iter().zip(&mut then.values) {
        if field.section == Section::Machine {
            *value = Value::Null;
        }
    }
    rules::derive(&mut then, None, definitions)?;
    // The search text includes words of long texts.
    then.values[common::SEARCH_TEXT] = image.values[common::SEARCH_TEXT].clone();
    // Long texts were not read, so the rules do not have them.
    for (at, field) in image.decl.fields.iter().enumerate() {
        if field.is_long() {
            then.values[at] = image.values[at].clone();
        }
    }
    Ok(Arc::new(then))
}

/// Returns a field that the filter uses and that is not in the log.
fn untold(decl: &KindDecl, filter: &Predicate) -> Option<&'static str> {
    let untold = |test: &Test| {
        let field = &decl.fields[test.path.field];
        (field.section == Section::Machine && !field.marks.announced).then_some(field.name)
    };
    find(filter, &untold)
}

/// Returns `true` if the filter gives the same result for a record now and then, provided it was not written in
/// between. Derived fields follow today's definitions but may be stored under earlier ones, and computed fields change
/// independently.
fn is_settled_alike(decl: &KindDecl, filter: &Predicate) -> bool {
    let other = |test: &Test| {
        let section = decl.fields[test.path.field].section;
        matches!(section, Section::Machine | Section::Derived).then_some(())
    };
    find(filter, &other).is_none()
}

/// Returns the first result among the tests of a filter.
fn find<T>(filter: &Predicate, what: &impl Fn(&Test) -> Option<T>) -> Option<T> {
    match filter {
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().find_map(|part| find(part, what)),
        Predicate::Not(part) => find(part, what),
        Predicate::Test(test) => what(test),
        // The id of a record never changes.
        Predicate::Ids(_) => None,
    }
}
