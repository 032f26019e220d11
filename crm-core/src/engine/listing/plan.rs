//! Planning a list: which declared indexes serve it, and what remains as a filter.
//!
//! The filter and what the actor may see are one condition. Where it pins the equal fields of an index that sorts as
//! asked, that index serves it; where it pins one of several values (the teams below, a stage kind that is not given),
//! several reads of the index are merged in order; else the kind's whole index in that order is read with the filter.

use super::ListQuery;
use crate::{
    engine::{access::Access, search::Asked},
    model::{
        access::{Action, Permission},
        error::Error,
        filter::{Compare, Filter, Path, Predicate, Test},
        schema::{FieldType, Image, IndexDecl, KindDecl, Visibility},
        store::Position,
        value::{Choice, Value},
    },
};

/// Reads of indexes that are merged at most.
const MAX_READS: usize = 32;

/// How a list is read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The kind.
    pub(crate) decl: &'static KindDecl,
    /// The reads of its indexes, all in one order; merged. At least one.
    pub(crate) reads: Vec<Read>,
    /// What must hold besides.
    pub(crate) filter: Predicate,
    /// What the core itself looks at on top: a text search by somebody who may not see all that is searched.
    pub(crate) extra: Option<TextSearch>,
    pub(crate) descending: bool,
}

impl Plan {
    /// The place of a record in the list: all reads of a plan share one order.
    pub(crate) fn position(&self, image: &Image) -> Option<Position> {
        self.reads.first().map(|read| Position { sort: read.index.sort_value(image), id: image.id })
    }
}

/// One read of an index, at its equal values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) index: &'static IndexDecl,
    pub(crate) equals: Vec<Value>,
}

/// A search in the fields that the actor may see, where that is not all that the record's search text holds.
#[derive(Clone, Debug)]
pub(crate) struct TextSearch {
    asked: Asked,
    visible: Vec<&'static str>,
}

impl TextSearch {
    pub(crate) fn holds(&self, image: &Image) -> bool {
        self.asked.holds(image, |field| self.visible.contains(&field))
    }
}

/// Plans a list.
///
/// # Errors
/// [`Error::Forbidden`] without any grant of the action on the kind, and for an export also of reading it (of what ties two records: without one to read
/// all that can be at an end), [`Error::Invalid`] for a filter that does not compile or a
/// sort that no index serves (naming those that are served).
pub(crate) fn plan(
    access: &Access<'_>,
    decl: &'static KindDecl,
    query: &ListQuery,
    action: Action,
) -> Result<Plan, Error> {
    let seen = permitted(access, decl, action)?;
    let asked = access.compile(decl, query.filter.as_ref().unwrap_or(&Filter::all([])))?;
    let mut filter = asked.and(seen);
    let extra = search(access, decl, query, &mut filter)?;
    let sort = query.sort.as_deref().unwrap_or(if query.archived { "archived_at" } else { "created_at" });
    let reads = if query.archived {
        if sort != "archived_at" {
            return Err(bad_sort(access, decl, sort));
        }
        vec![Read { index: decl.archived(), equals: Vec::new() }]
    } else {
        choose(access, decl, sort, &filter)?
    };
    Ok(Plan { decl, reads, filter, extra, descending: query.descending })
}

/// What ties two records is seen by who may read both, which no index knows: it is counted, exported and listed as it was by
/// who may read all that can be at an end. A plain list leaves out what its reader may not see, page by page.
///
/// # Errors
/// [`Error::Forbidden`] for anybody else.
pub(crate) fn demand_ends(access: &Access<'_>, decl: &KindDecl) -> Result<(), Error> {
    let Visibility::ByEnds(_, kinds) = decl.behavior.visibility else { return Ok(()) };
    kinds.iter().try_for_each(|&kind| access.demand_all(Permission::new(kind, Action::Read)))
}

/// What the actor may list of a kind, as a condition.
///
/// # Errors
/// [`Error::Forbidden`] as [`plan`].
pub(super) fn permitted(access: &Access<'_>, decl: &'static KindDecl, action: Action) -> Result<Predicate, Error> {
    access.demand(Permission::new(decl.kind, action))?;
    if action == Action::Export {
        demand_ends(access, decl)?;
        // Never more than can be read.
        access.demand(Permission::new(decl.kind, Action::Read))?;
        return Ok(seen(access, decl, Action::Read).and(access.predicate(action, decl)));
    }
    Ok(seen(access, decl, action))
}

/// What the actor may see of a kind, as a condition: the decision by id (`gate::may_read`), less what is seen through
/// links alone. What is private is its author's and an auditor's.
fn seen(access: &Access<'_>, decl: &'static KindDecl, action: Action) -> Predicate {
    let seen = access.predicate(action, decl);
    let Some(private) = decl.behavior.private.filter(|_| !access.actor().is_system()) else { return seen };
    let is_private = || Predicate::field_eq(private.flag, FieldType::Bool, Value::Bool(true));
    let author = access.actor().user().map_or_else(Predicate::never, |user| {
        Predicate::field_eq(private.author, decl.fields[private.author].ty, Value::Id(user))
    });
    let audit = access.predicate(Action::ReadPrivate, decl);
    seen.and(Predicate::Not(Box::new(is_private()))).or(is_private().and(author.or(audit)))
}

/// Adds the query's text to the filter. Where the actor may not see all that is searched, what the store finds is looked
/// at once more by the search that is given back.
pub(super) fn search(
    access: &Access<'_>,
    decl: &'static KindDecl,
    query: &ListQuery,
    filter: &mut Predicate,
) -> Result<Option<TextSearch>, Error> {
    let asked = Asked::parse(query.text.as_deref().unwrap_or_default());
    let asked = asked.map_err(|fault| Error::invalid("q", fault.code, fault.message))?;
    let Some(asked) = asked else { return Ok(None) };
    *filter = std::mem::replace(filter, Predicate::always()).and(asked.predicate());
    let is_visible = |field: &&'static str| {
        let all = decl.position(field).and_then(|at| decl.members_of(at)).map(|(all, _)| decl.fields[all].name);
        !access.is_hidden(decl.kind, field) && !all.is_some_and(|all| access.is_hidden(decl.kind, all))
    };
    let visible: Vec<&'static str> = crate::engine::search::fields(decl).filter(is_visible).collect();
    let is_all = visible.len() == crate::engine::search::fields(decl).count();
    Ok((!is_all).then_some(TextSearch { asked, visible }))
}

/// The reads that serve a sort under a filter.
pub(super) fn choose(
    access: &Access<'_>,
    decl: &'static KindDecl,
    sort: &str,
    filter: &Predicate,
) -> Result<Vec<Read>, Error> {
    if access.is_hidden(decl.kind, sort) {
        return Err(bad_sort(access, decl, sort));
    }
    let Some(sort_at) = decl.position(sort) else { return Err(bad_sort(access, decl, sort)) };
    let best = one_index(decl, sort_at, filter);
    if let Some(reads) = &best
        && reads.iter().all(|read| !read.index.equals.is_empty())
    {
        return Ok(reads.clone());
    }
    // Nothing is pinned as a whole: the actor's own records, those shared with them and those of their teams each by
    // an index of their own are fewer than all.
    several_indexes(decl, sort_at, filter).or(best).ok_or_else(|| bad_sort(access, decl, sort))
}

/// The reads of the one index that pins most.
fn one_index(decl: &'static KindDecl, sort_at: usize, filter: &Predicate) -> Option<Vec<Read>> {
    let mut best: Option<(&'static IndexDecl, Vec<Vec<Value>>)> = None;
    for index in decl.indexes.iter().filter(|index| index.sort == sort_at && !index.archived) {
        let Some(branches) = branches(decl, index, filter) else { continue };
        // More equal fields pin more; of as many, fewer reads.
        let better = best.as_ref().is_none_or(|(other, others)| {
            (index.equals.len(), std::cmp::Reverse(branches.len()))
                > (other.equals.len(), std::cmp::Reverse(others.len()))
        });
        if better {
            best = Some((index, branches));
        }
    }
    let (index, branches) = best?;
    Some(branches.into_iter().map(|equals| Read { index, equals }).collect())
}

/// Where the filter asks for one of several conditions and each has an index of its own: the reads of all of them. The
/// filter stays whole in each read, and merging drops what two of them find.
fn several_indexes(decl: &'static KindDecl, sort_at: usize, filter: &Predicate) -> Option<Vec<Read>> {
    let ways: &[Predicate] = match filter {
        Predicate::Any(parts) => parts,
        Predicate::All(parts) => parts.iter().find_map(|part| match part {
            Predicate::Any(parts) if parts.len() > 1 => Some(parts.as_slice()),
            _ => None,
        })?,
        _ => return None,
    };
    let mut reads: Vec<Read> = Vec::new();
    for way in ways {
        let found = one_index(decl, sort_at, way).filter(|reads| reads.iter().all(|r| !r.index.equals.is_empty()));
        for read in found.or_else(|| several_indexes(decl, sort_at, way))? {
            if !reads.contains(&read) {
                reads.push(read);
            }
        }
        if reads.len() > MAX_READS {
            return None;
        }
    }
    (!reads.is_empty()).then_some(reads)
}

/// The values at which an index must be read so that nothing the filter lets through is missed; `None` where the
/// filter does not pin its equal fields, or at too many values.
fn branches(decl: &KindDecl, index: &IndexDecl, filter: &Predicate) -> Option<Vec<Vec<Value>>> {
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for &field in &index.equals {
        let values = pinned(filter, field).or_else(|| every(decl.fields[field].ty))?;
        let mut wider = Vec::with_capacity(all.len() * values.len());
        for prefix in &all {
            for value in &values {
                let mut longer = prefix.clone();
                longer.push(value.clone());
                wider.push(longer);
            }
        }
        if wider.len() > MAX_READS {
            return None;
        }
        all = wider;
    }
    Some(all)
}

/// Every value of a type that has few.
fn every(ty: FieldType) -> Option<Vec<Value>> {
    match ty {
        FieldType::Bool => Some(vec![Value::Bool(true), Value::Bool(false)]),
        FieldType::Choice(names) if names == crate::model::records::pipeline::StageKind::NAMES => {
            Some(names.iter().map(|&name| Value::text(name)).collect())
        }
        _ => None,
    }
}

/// The values that a field can have where the filter holds, if it says so at its top: `field = a`, `field in (a, b)`,
/// or an `or` each of whose parts says so.
fn pinned(filter: &Predicate, field: usize) -> Option<Vec<Value>> {
    match filter {
        Predicate::Test(Test { path: Path { field: at, property: None }, compare, operands, list, .. })
            if *at == field =>
        {
            match compare {
                Compare::Eq | Compare::In => Some(operands.clone()),
                // An empty list stands nowhere in an index of its elements.
                Compare::Missing if !list => Some(vec![Value::Null]),
                _ => None,
            }
        }
        // The part that pins the fewest values.
        Predicate::All(parts) => parts.iter().filter_map(|part| pinned(part, field)).min_by_key(Vec::len),
        Predicate::Any(parts) if !parts.is_empty() => {
            let mut all: Vec<Value> = Vec::new();
            for part in parts {
                for value in pinned(part, field)? {
                    if !all.contains(&value) {
                        all.push(value);
                    }
                }
            }
            Some(all)
        }
        _ => None,
    }
}

fn bad_sort(access: &Access<'_>, decl: &KindDecl, sort: &str) -> Error {
    let shown: String = sort.chars().take(64).collect();
    let visible = |at: &usize| !access.is_hidden(decl.kind, decl.fields[*at].name);
    let known: Vec<String> = decl
        .indexes
        .iter()
        .filter(|index| !index.archived && visible(&index.sort) && index.equals.iter().all(&visible))
        .map(|index| index.describe(decl))
        .collect();
    let message = format!("cannot sort by `{shown}` with this filter; available sorts: {}", known.join("; "));
    Error::invalid("sort", "unknown_sort", message)
}

/// Filters as part of a cursor's binding: equal queries have equal texts.
pub(crate) fn signature(decl: &KindDecl, query: &ListQuery) -> String {
    let filter = query.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok()).unwrap_or_default();
    format!("{} {filter} {:?} {:?} {} {}", decl.kind, query.text, query.sort, query.descending, query.archived)
}

impl Plan {
    /// The one read that finds every record once, for an engine to count: the plan's own, or the whole kind.
    pub(crate) fn counted(&self) -> Option<Read> {
        match self.reads.as_slice() {
            [read] if !read.index.per_element => Some(read.clone()),
            [read, ..] if !read.index.archived => Some(Read { index: self.decl.walk(), equals: Vec::new() }),
            _ => None,
        }
    }
}

/// For messages and tests: the plan in one line.
impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, read) in self.reads.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { " + " }, read.index.describe(self.decl))?;
        }
        Ok(())
    }
}
