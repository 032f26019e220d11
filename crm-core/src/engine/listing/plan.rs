//! List planning: selects the declared indexes that serve a list, and the remaining filter.
//!
//! The filter and the actor's permissions form one condition. If it fixes the equal fields of an index with the
//! requested sort, that index is read. If it fixes one of them to several values (the teams below, an unspecified stage
//! kind), several reads of the index are merged in order. Otherwise the kind's complete index with that sort is read
//! with the filter.

use super::ListQuery;
use crate::{
    engine::{access::Access, search::Asked},
    model::{
        access::{Action, Permission},
        error::Error,
        filter::{Compare, Filter, Path, Predicate, Test},
        schema::{FieldType, Image, IndexDecl, KindDecl, Visibility},
        store::Position,
        value::{Choice, FaultCode, Value},
    },
};

/// The maximum number of index reads that are merged.
const MAX_READS: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) decl: &'static KindDecl,
    /// The reads of its indexes, all with the same order, to be merged. At least one.
    pub(crate) reads: Vec<Read>,
    /// The remaining filter.
    pub(crate) filter: Predicate,
    /// A text search that the core applies to the results, if the actor may not see all searched fields.
    pub(crate) extra: Option<TextSearch>,
    pub(crate) descending: bool,
}

impl Plan {
    /// Returns the position of a record in the list: all reads of a plan have the same order.
    pub(crate) fn position(&self, image: &Image) -> Option<Position> {
        self.reads.first().map(|read| Position { sort: read.index.sort_value(image), id: image.id })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) index: &'static IndexDecl,
    pub(crate) equals: Vec<Value>,
}

/// A search restricted to the fields that the actor may see, if these are not all fields of the search text.
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
/// [`Error::Forbidden`] without any grant of the action on the kind; an export also requires a grant to read the kind
/// (for records that connect two others: grants to read all kinds that they can connect). [`Error::Invalid`] for a
/// filter that does not compile, and for a sort that no index serves, with the available sorts.
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

/// Checks that the actor may read all records of all kinds that a kind can connect. A record that connects two others
/// is visible to users who may read both, which no index can express. Counts, exports and as-of lists therefore require
/// this permission; a plain list omits invisible records page by page.
///
/// # Errors
/// [`Error::Forbidden`] without that permission.
pub(crate) fn demand_ends(access: &Access<'_>, decl: &KindDecl) -> Result<(), Error> {
    let Visibility::ByEnds(_, kinds) = decl.behavior.visibility else { return Ok(()) };
    kinds.iter().try_for_each(|&kind| access.demand_all(Permission::new(kind, Action::Read)))
}

/// Returns the condition that selects the records of a kind that the actor may list.
///
/// # Errors
/// [`Error::Forbidden`] as [`plan`].
pub(super) fn permitted(access: &Access<'_>, decl: &'static KindDecl, action: Action) -> Result<Predicate, Error> {
    access.demand(Permission::new(decl.kind, action))?;
    if action == Action::Export {
        demand_ends(access, decl)?;
        // An export never contains records that the actor may not read.
        access.demand(Permission::new(decl.kind, Action::Read))?;
        return Ok(seen(access, decl, Action::Read).and(access.predicate(action, decl)));
    }
    Ok(seen(access, decl, action))
}

/// Returns the condition that selects the records of a kind that the actor may see: the same decision as by id
/// (`gate::may_read`), without records visible only through links. Private records are visible to their author and to
/// auditors.
fn seen(access: &Access<'_>, decl: &'static KindDecl, action: Action) -> Predicate {
    let seen = access.predicate(action, decl);
    let Some(private) = decl.behavior.private.filter(|_| !access.actor().is_system()) else { return seen };
    let is_private = || Predicate::field_eq(private.flag, FieldType::Bool, Value::Bool(true));
    let author = access.actor().user().map_or_else(Predicate::never, |user| {
        Predicate::field_eq(private.author, decl.fields[private.author].ty, Value::from(user))
    });
    let audit = access.predicate(Action::ReadPrivate, decl);
    seen.and(Predicate::Not(Box::new(is_private()))).or(is_private().and(author.or(audit)))
}

/// Adds the query's text search to the filter. If the actor may not see all searched fields, returns a search to apply
/// to the results of the store.
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

/// Returns the reads that serve a sort under a filter.
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
    // No condition is fixed as a whole: separate index reads of the actor's own, shared and team records return fewer
    // records than the complete index.
    several_indexes(decl, sort_at, filter).or(best).ok_or_else(|| bad_sort(access, decl, sort))
}

/// Returns the reads of the single index that fixes the most fields.
fn one_index(decl: &'static KindDecl, sort_at: usize, filter: &Predicate) -> Option<Vec<Read>> {
    let mut best: Option<(&'static IndexDecl, Vec<Vec<Value>>)> = None;
    for index in decl.indexes.iter().filter(|index| index.sort == sort_at && !index.archived) {
        let Some(branches) = branches(decl, index, filter) else { continue };
        // More equal fields are better; with the same number, fewer reads are.
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

/// If the filter is a disjunction and each alternative has an index, returns the reads of all of them. Each read keeps
/// the complete filter, and merging removes duplicates.
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

/// Returns the values at which an index must be read to find all records that match the filter; `None` if the filter
/// does not fix its equal fields, or to too many values.
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

/// Returns all values of a type that has few.
fn every(ty: FieldType) -> Option<Vec<Value>> {
    match ty {
        FieldType::Bool => Some(vec![Value::Bool(true), Value::Bool(false)]),
        FieldType::Choice(names) if names == crate::model::records::pipeline::StageKind::NAMES => {
            Some(names.iter().map(|&name| Value::text(name)).collect())
        }
        _ => None,
    }
}

/// Returns the values that a field can have if the filter matches, as far as its top level states it: `field = a`,
/// `field in (a, b)`, or a disjunction of such conditions.
fn pinned(filter: &Predicate, field: usize) -> Option<Vec<Value>> {
    match filter {
        Predicate::Test(Test { path: Path { field: at, property: None }, compare, operands, list, .. })
            if *at == field =>
        {
            match compare {
                Compare::Eq | Compare::In => Some(operands.clone()),
                // An index with one entry per element has none for an empty list.
                Compare::Missing if !list => Some(vec![Value::Null]),
                _ => None,
            }
        }
        // The part with the fewest values.
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
    Error::invalid("sort", FaultCode::UnknownSort, message)
}

/// Returns the part of a cursor's binding that identifies the query: equal queries have equal signatures.
pub(crate) fn signature(decl: &KindDecl, query: &ListQuery) -> String {
    let filter = query.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok()).unwrap_or_default();
    format!("{} {filter} {:?} {:?} {} {}", decl.kind, query.text, query.sort, query.descending, query.archived)
}

impl Plan {
    /// Returns the single read that contains every record once, for a store to count: the plan's own, or that of the
    /// complete kind.
    pub(crate) fn counted(&self) -> Option<Read> {
        match self.reads.as_slice() {
            [read] if !read.index.per_element => Some(read.clone()),
            [read, ..] if !read.index.archived => Some(Read { index: self.decl.walk(), equals: Vec::new() }),
            _ => None,
        }
    }
}

/// Formats the plan in one line, for messages and tests.
impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, read) in self.reads.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { " + " }, read.index.describe(self.decl))?;
        }
        Ok(())
    }
}
