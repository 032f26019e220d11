//! Lists of the past: the records that existed at a moment, as they were then.
//!
//! Nothing is kept for them: candidates come from the indexes by creation, of live and of archived records, merged as any
//! list is, and each that anything was written of since is folded from its log. Who may see them, and the bounds of what
//! is looked at, are part of the candidates' query.

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
        value::{Id, Time, Value},
    },
};

/// Records that one call looks at, at most.
const MAX_EXAMINED: usize = 500;
/// Histories that are read at once.
const AT_ONCE: usize = 8;
/// A moment to look back at, and by when what counts had to be recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Time,
    pub(crate) known_at: Option<Time>,
}

impl Moment {
    /// What tells the cursors of two moments apart.
    pub(crate) fn signature(self) -> String {
        format!(" as of {} known {:?}", self.at, self.known_at)
    }

    /// What was recorded by then counts, whenever it occurred: nothing occurs after it was recorded.
    fn settled(self) -> Time {
        self.known_at.map_or(self.at, |known| known.min(self.at))
    }
}

/// How a list of the past is read.
#[derive(Debug)]
pub(crate) struct PastPlan {
    /// The records as they are now that may be in it.
    candidates: Plan,
    /// What must hold of them as they were.
    filter: Predicate,
    text: Option<TextSearch>,
    moment: Moment,
}

/// Plans a list of the past. What is relative to now in the filter is relative to `relative_to`, the moment as it was asked
/// for: a moment that has not passed yet stands for the latest state.
///
/// # Errors
/// As [`super::plan`]; [`Error::Invalid`] for another sort than `created_at`, for archived records, and for a filter on
/// what the log does not tell.
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
            "not_in_the_past",
            "cannot be combined with as_of: an as-of list contains the records that were not archived then",
        ));
    }
    if query.sort.as_deref().is_some_and(|sort| sort != "created_at") {
        let message = "an as-of list can only be sorted by created_at";
        return Err(Error::invalid("sort", "unknown_sort", message));
    }
    // What is relative to now in it is relative to the moment.
    let then = access.at(relative_to);
    let mut filter = then.compile(decl, query.filter.as_ref().unwrap_or(&Filter::all([])))?;
    if let Some(name) = untold(decl, &filter) {
        let message = "is a computed field, whose past values are not in the log";
        return Err(Error::invalid(name, "not_in_the_past", message));
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
        // What nobody wrote of since is now as it was then: archived or not, and let through by the filter or not.
        filter: seen.and(time(common::CREATED_AT, Compare::Le, moment.at)).and(changed_since.or(is_live.and(now))),
        extra: None,
        descending: query.descending,
    };
    Ok(PastPlan { candidates, filter, text, moment })
}

/// A page of a list of the past, with the tenant's epochs. Where they are others than those it was planned under, the page
/// is empty and worth nothing.
///
/// # Errors
/// What the store says.
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
        // As many as are wanted; where the filter lets few through, twice as many the next time.
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
    /// Where it begins: with what was created last by then, if it goes backwards.
    fn beginning(&self) -> Option<Position> {
        let after = self.moment.at.plus_micros(1);
        let begins = self.candidates.descending && after > self.moment.at;
        begins.then_some(Position { sort: Value::Time(after), id: Id::NIL })
    }

    /// False for a place behind which nothing was created by then.
    fn reaches(&self, place: &Position) -> bool {
        self.candidates.descending || place.sort.as_time().is_none_or(|created| created <= self.moment.at)
    }

    fn holds(&self, image: &Image) -> bool {
        !image.is_archived() && self.filter.holds(image) && self.text.as_ref().is_none_or(|search| search.holds(image))
    }

    /// The records as they were, in order; none for what was not known then.
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

    /// True where all that the log holds of a record had been recorded by then, and none of it was the machine's. What
    /// nobody wrote anything of has no log.
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

/// A record that is as it was, as the log would tell it: without what the machine computed, and with what is derived by
/// today's definitions.
fn kept(image: &Image, definitions: &Definitions) -> Result<Arc<Image>, Error> {
    let mut then = image.clone();
    for (field, value) in image.decl.fields.iter().zip(&mut then.values) {
        if field.section == Section::Machine {
            *value = Value::Null;
        }
    }
    rules::derive(&mut then, None, definitions)?;
    // Its words are those of its long texts too.
    then.values[common::SEARCH_TEXT] = image.values[common::SEARCH_TEXT].clone();
    // Long texts were not read, which the rules do not know.
    for (at, field) in image.decl.fields.iter().enumerate() {
        if field.is_long() {
            then.values[at] = image.values[at].clone();
        }
    }
    Ok(Arc::new(then))
}

/// A field that a filter asks for and that the log never tells.
fn untold(decl: &KindDecl, filter: &Predicate) -> Option<&'static str> {
    let untold = |test: &Test| {
        let field = &decl.fields[test.path.field];
        (field.section == Section::Machine && !field.marks.announced).then_some(field.name)
    };
    find(filter, &untold)
}

/// True where a filter says the same of a record as it is and as it was, if nobody wrote of it in between. What is derived
/// goes by today's definitions and may be stored by those of then; what the machine computes goes its own ways.
fn is_settled_alike(decl: &KindDecl, filter: &Predicate) -> bool {
    let other = |test: &Test| {
        let section = decl.fields[test.path.field].section;
        matches!(section, Section::Machine | Section::Derived).then_some(())
    };
    find(filter, &other).is_none()
}

/// The first of something among the tests of a filter.
fn find<T>(filter: &Predicate, what: &impl Fn(&Test) -> Option<T>) -> Option<T> {
    match filter {
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().find_map(|part| find(part, what)),
        Predicate::Not(part) => find(part, what),
        Predicate::Test(test) => what(test),
        // The log's record has its id from the beginning.
        Predicate::Ids(_) => None,
    }
}
