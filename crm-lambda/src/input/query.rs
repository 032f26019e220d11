//! Query parameters: those common to all lists, and any field of the kind as a simple condition.

use std::collections::BTreeMap;

use crate::problem::Problem;
use axum::{extract::FromRequestParts, http::request::Parts};
use crm_core::{
    error::Faults,
    filter::{Filter, Op},
    listing::ListQuery,
    schema::{FieldType, KindDecl},
    value::{FaultCode, Time},
};

/// The maximum length of the query string in characters.
const MAX_QUERY: usize = 16 * 1024;

/// The expected format of a time, for error messages.
pub(crate) const MOMENT: &str = "a time such as 2024-01-31T09:30:00Z";

/// The parameters of the URL. Only fields of a list can occur more than once.
#[derive(Clone, Debug)]
pub(crate) struct Params(BTreeMap<String, Vec<String>>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if query.len() > MAX_QUERY {
            return Err(Problem::malformed(
                "query_too_long",
                format!("a query string may have at most {MAX_QUERY} characters"),
            ));
        }
        let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            params.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Ok(Self(params))
    }
}

impl Params {
    /// Removes a parameter and returns it. One that occurs twice is left, and [`Params::done`] reports it.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        if self.0.get(name)?.len() > 1 {
            return None;
        }
        self.0.remove(name)?.pop()
    }

    /// Removes a parameter and parses it.
    ///
    /// # Errors
    /// 400 if it cannot be parsed.
    pub(crate) fn read<T: std::str::FromStr>(&mut self, name: &'static str, what: &str) -> Result<Option<T>, Problem> {
        self.take(name)
            .map(|text| text.parse().map_err(|_| bad(name, FaultCode::BadParameter, format!("must be {what}"))))
            .transpose()
    }

    /// Removes a boolean parameter; `false` if it is absent.
    ///
    /// # Errors
    /// 400 for any other value.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let mut faults = Faults::new();
        let flag = flag(self, name, &mut faults);
        if faults.is_empty() { Ok(flag) } else { Err(Problem::bad_request(&faults)) }
    }

    /// Checks that no parameters are left.
    ///
    /// # Errors
    /// 400 with the names of the unknown parameters.
    pub(crate) fn done(self) -> Result<(), Problem> {
        let mut faults = Faults::new();
        for (name, values) in &self.0 {
            let (code, message) = match values.len() {
                1 => (FaultCode::UnknownParameter, "is not a parameter of this route"),
                _ => (FaultCode::RepeatedParameter, "must not be given twice"),
            };
            faults.push(shown(name), code, message);
        }
        if faults.is_empty() { Ok(()) } else { Err(Problem::bad_request(&faults)) }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn bad(name: &str, code: FaultCode, message: impl Into<String>) -> Problem {
    let mut faults = Faults::new();
    faults.push(name, code, message);
    Problem::bad_request(&faults)
}

/// The parameters of lists that are not fields.
const PARAMETERS: [&str; 11] =
    ["q", "filter", "sort", "limit", "cursor", "archived", "with_total", "fields", "include", "as_of", "known_at"];

/// The parsed parameters of a list.
#[derive(Clone, Debug)]
pub(crate) struct ListParams {
    /// The query.
    pub(crate) query: ListQuery,
    /// The fields to return; all if `None`.
    pub(crate) fields: Option<Vec<String>>,
    /// The references to include.
    pub(crate) include: Vec<String>,
    /// `true` if the total is to be counted.
    pub(crate) with_total: bool,
    /// The time at which records are to be shown, and the time up to which recorded changes are considered.
    pub(crate) as_of: Option<(Time, Option<Time>)>,
}

impl ListParams {
    /// Parses the parameters of a list of a kind.
    ///
    /// # Errors
    /// 400 with every fault.
    pub(crate) fn read(mut params: Params, decl: &KindDecl) -> Result<Self, Problem> {
        let mut faults = Faults::new();
        let mut query = ListQuery::new();
        let mut filters: Vec<Filter> = Vec::new();
        if let Some(text) = params.take("filter") {
            match serde_json::from_str::<Filter>(&text) {
                Ok(filter) => filters.push(filter),
                Err(_) => faults.push("filter", FaultCode::BadFilter, "must be a filter in JSON"),
            }
        }
        if let Some(text) = params.take("q").filter(|text| !text.trim().is_empty()) {
            query = query.text(text);
        }
        if let Some(sort) = params.take("sort") {
            let (field, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |field| (field, true));
            if field.contains(',') {
                let message = "must be a single field; ties are ordered by id";
                faults.push("sort", FaultCode::UnknownSort, format!("{message}. {}", sorts(decl)));
            }
            query = query.sort(field);
            if descending {
                query = query.descending();
            }
        }
        if let Some(limit) = params.take("limit") {
            match limit.parse() {
                Ok(limit) => query = query.limit(limit),
                Err(_) => faults.push("limit", FaultCode::BadParameter, "must be a number from 1 to 200"),
            }
        }
        if let Some(cursor) = params.take("cursor") {
            query = query.cursor(cursor);
        }
        if flag(&mut params, "archived", &mut faults) {
            query = query.archived();
        }
        let with_total = flag(&mut params, "with_total", &mut faults);
        let fields = fields(&mut params, decl, &mut faults);
        let include = include(&mut params, decl, &mut faults);
        let as_of = as_of(&mut params, &mut faults);
        if as_of.is_some() {
            for (name, given) in [("with_total", with_total), ("include", !include.is_empty())] {
                if given {
                    faults.push(name, FaultCode::NotInThePast, "cannot be combined with as_of");
                }
            }
        }
        for (name, values) in params.0 {
            if name == "id" || name.starts_with("properties.") || decl.position(&name).is_some() {
                // The core knows the types, including those of custom properties.
                filters.push(Filter::is(name, Op::Written, values));
            } else if PARAMETERS.contains(&name.as_str()) {
                faults.push(shown(&name), FaultCode::RepeatedParameter, "must not be given twice");
            } else {
                let message = format!("is neither a parameter of lists nor a field of `{}`", decl.kind);
                faults.push(shown(&name), FaultCode::UnknownParameter, message);
            }
        }
        if !faults.is_empty() {
            return Err(Problem::bad_request(&faults));
        }
        let filter = match filters.len() {
            0 => None,
            1 => filters.pop(),
            _ => Some(Filter::all(filters)),
        };
        if let Some(filter) = filter {
            query = query.filter(filter);
        }
        Ok(Self { query, fields, include, with_total, as_of })
    }

    /// Parses `fields` and `include`, for a single record.
    ///
    /// # Errors
    /// 400 with every fault.
    pub(crate) fn of_one(mut params: Params, decl: &KindDecl) -> Result<(Option<Vec<String>>, Vec<String>), Problem> {
        let mut faults = Faults::new();
        let fields = fields(&mut params, decl, &mut faults);
        let include = include(&mut params, decl, &mut faults);
        if !faults.is_empty() {
            return Err(Problem::bad_request(&faults));
        }
        params.done()?;
        Ok((fields, include))
    }
}

/// The sort orders declared by a kind, for error messages.
fn sorts(decl: &KindDecl) -> String {
    let mut names: Vec<&str> =
        decl.indexes.iter().filter(|index| !index.archived).map(|index| decl.fields[index.sort].name).collect();
    names.sort_unstable();
    names.dedup();
    format!("Sorts of `{}`: {}", decl.kind, names.join(", "))
}

fn flag(params: &mut Params, name: &'static str, faults: &mut Faults) -> bool {
    match params.take(name).as_deref() {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(_) => {
            faults.push(name, FaultCode::BadParameter, "must be true or false");
            false
        }
    }
}

/// Parses `as_of` and `known_at`, which requires `as_of`.
fn as_of(params: &mut Params, faults: &mut Faults) -> Option<(Time, Option<Time>)> {
    let is_given = params.0.contains_key("as_of");
    let mut moment = |name: &'static str| -> Option<Time> {
        let read = params.take(name)?.parse();
        if read.is_err() {
            faults.push(name, FaultCode::BadParameter, format!("must be {MOMENT}"));
        }
        read.ok()
    };
    let (at, known_at) = (moment("as_of"), moment("known_at"));
    if known_at.is_some() && !is_given {
        faults.push("known_at", FaultCode::BadParameter, "requires as_of");
    }
    at.map(|at| (at, known_at))
}

fn fields(params: &mut Params, decl: &KindDecl, faults: &mut Faults) -> Option<Vec<String>> {
    let text = params.take("fields")?;
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).filter(|n| !n.is_empty()).collect();
    for name in &names {
        if decl.position(name).is_none() && !matches!(name.as_str(), "id" | "version" | "machine_version") {
            let shown: String = name.chars().take(64).collect();
            faults.push("fields", FaultCode::UnknownField, format!("`{}` has no field `{shown}`", decl.kind));
        }
    }
    Some(names)
}

fn include(params: &mut Params, decl: &KindDecl, faults: &mut Faults) -> Vec<String> {
    let Some(text) = params.take("include") else { return Vec::new() };
    let mut names = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match reference_field(decl, name) {
            Some(field) if !names.contains(&field) => names.push(field),
            Some(_) => {}
            None => {
                let known: Vec<&str> = references(decl).collect();
                let shown: String = name.chars().take(64).collect();
                faults.push(
                    "include",
                    FaultCode::UnknownInclude,
                    format!("`{shown}` must be one of {}", known.join(", ")),
                );
            }
        }
    }
    names
}

/// The names under which a kind's references can be included: `owner` for `owner_id`, `links` for `links`.
pub(crate) fn references(decl: &KindDecl) -> impl Iterator<Item = &'static str> {
    let is_reference = |ty: FieldType| matches!(ty.element(), FieldType::Id(_) | FieldType::Ref(_));
    decl.fields
        .iter()
        .filter(move |field| is_reference(field.ty) && !field.marks.secret)
        .map(|field| field.name.strip_suffix("_ids").or_else(|| field.name.strip_suffix("_id")).unwrap_or(field.name))
}

fn reference_field(decl: &KindDecl, name: &str) -> Option<String> {
    references(decl).find(|known| *known == name)?;
    let names = [format!("{name}_id"), format!("{name}_ids"), name.to_owned()];
    names.into_iter().find(|field| decl.position(field).is_some())
}
