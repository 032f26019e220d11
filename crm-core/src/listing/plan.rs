//! Planning a list: which declared indexes serve it, and what remains as a filter.
//!
//! The filter and what the actor may see are one condition. Where it pins the equal fields of an index that sorts as
//! asked, that index serves it; where it pins one of several values (the teams below, a stage kind that is not given),
//! several reads of the index are merged in order; else the kind's whole index in that order is read with the filter.

use super::ListQuery;
use crate::{
    access::{Access, Action, Permission},
    error::Error,
    filter::{Compare, Filter, Path, Predicate, Test},
    schema::{FieldType, Image, IndexDecl, KindDecl, common},
    value::{Choice, Value, fold},
};

/// Reads of indexes that are merged at most.
const MAX_BRANCHES: usize = 32;
/// Characters of a text to search for.
const MAX_SEARCH: usize = 200;

/// How a list is read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The kind.
    pub(crate) decl: &'static KindDecl,
    /// The index.
    pub(crate) index: &'static IndexDecl,
    /// The equal values of each read of it; merged in order.
    pub(crate) branches: Vec<Vec<Value>>,
    /// What must hold besides.
    pub(crate) filter: Predicate,
    /// What the core itself looks at on top: a text search by somebody who may not see all that is searched.
    pub(crate) extra: Option<TextSearch>,
    pub(crate) descending: bool,
}

/// A search in the fields that the actor may see, where that is not all that the record's search text holds.
#[derive(Clone, Debug)]
pub(crate) struct TextSearch {
    fields: Vec<usize>,
    text: String,
}

impl TextSearch {
    pub(crate) fn holds(&self, image: &Image) -> bool {
        let parts = self.fields.iter().filter_map(|&at| image.values[at].as_text());
        crate::value::search_key(parts, usize::MAX).contains(&self.text)
    }
}

/// Plans a list.
///
/// # Errors
/// [`Error::Forbidden`] without any grant to read the kind, [`Error::Invalid`] for a filter that does not compile or a
/// sort that no index serves (naming those that are served).
pub(crate) fn plan(
    access: &Access<'_>,
    decl: &'static KindDecl,
    query: &ListQuery,
    action: Action,
) -> Result<Plan, Error> {
    access.demand(Permission::new(decl.kind, action))?;
    let asked = access.compile(decl, query.filter.as_ref().unwrap_or(&Filter::all([])))?;
    let mut filter = asked.and(seen(access, decl, action));
    let extra = search(access, decl, query, &mut filter)?;
    let sort = query.sort.as_deref().unwrap_or(if query.archived { "archived_at" } else { "created_at" });
    let (index, branches) = if query.archived {
        if sort != "archived_at" {
            return Err(bad_sort(access, decl, sort));
        }
        (decl.archived(), vec![Vec::new()])
    } else {
        choose(access, decl, sort, &filter)?
    };
    Ok(Plan { decl, index, branches, filter, extra, descending: query.descending })
}

/// What the actor may see of a kind, as a condition. Private notes are their author's.
fn seen(access: &Access<'_>, decl: &'static KindDecl, action: Action) -> Predicate {
    let mut seen = access.predicate(action, decl);
    if let Some(private) = decl.position("is_private")
        && !access.actor().is_system()
    {
        let is_private = Predicate::field_eq(private, FieldType::Bool, Value::Bool(true));
        let author = access.actor().user().zip(decl.own.first()).map_or_else(Predicate::never, |(user, &own)| {
            Predicate::field_eq(own, decl.fields[own].ty, Value::Id(user))
        });
        let audit = access.predicate(Action::ReadPrivate, decl);
        seen = seen.and(Predicate::Not(Box::new(is_private)).or(author).or(audit));
    }
    seen
}

fn search(
    access: &Access<'_>,
    decl: &'static KindDecl,
    query: &ListQuery,
    filter: &mut Predicate,
) -> Result<Option<TextSearch>, Error> {
    let Some(text) = query.text.as_deref().map(fold).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > MAX_SEARCH || text.contains('\0') {
        return Err(Error::invalid("q", "too_long", format!("must have at most {MAX_SEARCH} characters, and no NUL")));
    }
    let searchable: Vec<usize> = (0..decl.fields.len()).filter(|&at| decl.fields[at].marks.searchable).collect();
    let visible: Vec<usize> =
        searchable.iter().copied().filter(|&at| !access.is_hidden(decl.kind, decl.fields[at].name)).collect();
    if visible.len() < searchable.len() {
        return Ok(Some(TextSearch { fields: visible, text }));
    }
    let holds = Predicate::Test(Test {
        path: Path { field: common::SEARCH_TEXT, property: None },
        ty: FieldType::Folded,
        list: false,
        compare: Compare::Contains,
        operands: vec![Value::text(text)],
    });
    *filter = std::mem::replace(filter, Predicate::always()).and(holds);
    Ok(None)
}

/// The index that serves a sort under a filter, with the values to read it at.
fn choose(
    access: &Access<'_>,
    decl: &'static KindDecl,
    sort: &str,
    filter: &Predicate,
) -> Result<(&'static IndexDecl, Vec<Vec<Value>>), Error> {
    if access.is_hidden(decl.kind, sort) {
        return Err(bad_sort(access, decl, sort));
    }
    let Some(sort_at) = decl.position(sort) else { return Err(bad_sort(access, decl, sort)) };
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
    best.ok_or_else(|| bad_sort(access, decl, sort))
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
        if wider.len() > MAX_BRANCHES {
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
        FieldType::Choice(names) if names == crate::pipelines::record::StageKind::NAMES => {
            Some(names.iter().map(|&name| Value::text(name)).collect())
        }
        _ => None,
    }
}

/// The values that a field can have where the filter holds, if it says so at its top: `field = a`, `field in (a, b)`,
/// or an `or` each of whose parts says so.
fn pinned(filter: &Predicate, field: usize) -> Option<Vec<Value>> {
    match filter {
        Predicate::Test(Test { path: Path { field: at, property: None }, compare, operands, .. }) if *at == field => {
            match compare {
                Compare::Eq | Compare::In => Some(operands.clone()),
                Compare::Missing => Some(vec![Value::Null]),
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
    let message = format!("cannot sort by `{shown}` under this filter; declared are: {}", known.join("; "));
    Error::invalid("sort", "unknown_sort", message)
}

/// Filters as part of a cursor's binding: equal queries have equal texts.
pub(crate) fn signature(decl: &KindDecl, query: &ListQuery) -> String {
    let filter = query.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok()).unwrap_or_default();
    format!("{} {filter} {:?} {:?} {} {}", decl.kind, query.text, query.sort, query.descending, query.archived)
}

/// For messages and tests: the plan in one line.
impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {}", self.index.describe(self.decl), self.branches.len())
    }
}
