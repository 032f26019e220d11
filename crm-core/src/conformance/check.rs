//! Assertions with messages, and the expected content of lists, computed from the declarations alone.

use std::{fmt, sync::Arc};

use crate::model::{
    schema::{FieldDecl, FieldType, Image},
    store::{Query, StoreError},
    value::Value,
};

/// The reason why a case failed.
#[derive(Clone, Debug)]
pub struct Failure(String);

/// The result of a case.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// Creates a failure with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Adds the place of the failure to its message.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(format!("the store failed where it should not: {error} ({error:?})"))
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Failure::new(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Returns the canonical form of a value: for lists and properties, missing and empty are equal.
fn canonical(field: &FieldDecl, value: &Value) -> Value {
    match (value, field.ty) {
        (Value::Null, ty) if ty.is_list() => Value::list([]),
        (Value::Null, FieldType::Properties) => Value::Map(Arc::default()),
        (value, _) => value.clone(),
    }
}

/// Returns the differences between two images of a record, field by field; `None` if they are equal. If `listed` is
/// set, `got` comes from a list, which omits long texts.
pub fn differences(expected: &Image, got: &Image, listed: bool) -> Option<String> {
    use fmt::Write as _;
    let mut told = String::new();
    if (expected.kind(), expected.tenant, expected.id) != (got.kind(), got.tenant, got.id) {
        let _ = writeln!(
            told,
            "expected {} of tenant {}, got {} of tenant {}",
            expected.reference(),
            expected.tenant,
            got.reference(),
            got.tenant
        );
    }
    if expected.versions != got.versions {
        let _ = writeln!(told, "versions: expected {:?}, got {:?}", expected.versions, got.versions);
    }
    if expected.values.len() != got.values.len() {
        let _ = writeln!(told, "expected {} values, got {}", expected.values.len(), got.values.len());
    }
    for ((field, wanted), found) in expected.decl.fields.iter().zip(&expected.values).zip(&got.values) {
        let wanted = if listed && field.is_long() && !wanted.is_null() { &Value::NotLoaded } else { wanted };
        if canonical(field, wanted) != canonical(field, found) {
            let _ = writeln!(told, "field `{}`: expected {}, got {}", field.name, short(wanted), short(found));
        }
    }
    if told.is_empty() { None } else { Some(format!("{}\n{told}", expected.reference())) }
}

/// Returns a truncated value for a message.
pub(super) fn short(value: &Value) -> String {
    cut(&format!("{value:?}"), 400)
}

/// Returns the beginning of a text, and its length.
pub(super) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// Returns the expected content of a list over all its pages, computed naively from every record of the kind, the
/// declaration of the index and [`crate::model::filter::Predicate::holds`]. `after` and `limit` are ignored.
pub fn expected_list(records: &[Arc<Image>], query: &Query) -> Vec<Arc<Image>> {
    let mut listed: Vec<Arc<Image>> = records
        .iter()
        .filter(|image| image.tenant == query.tenant && image.kind() == query.decl.kind)
        .filter(|image| query.index.entries(image).contains(&query.equals))
        .filter(|image| query.filter.holds(image))
        .cloned()
        .collect();
    listed.sort_by(|a, b| {
        let order = query.index.sort_value(a).sort_order(&query.index.sort_value(b)).then_with(|| a.id.cmp(&b.id));
        if query.descending { order.reverse() } else { order }
    });
    listed
}

/// Requires that a list contains these records in this order, complete except for their long texts.
pub(super) fn same_list(what: &str, expected: &[Arc<Image>], got: &[Arc<Image>]) -> Outcome {
    let ids = |list: &[Arc<Image>]| list.iter().map(|image| image.id.to_string()).collect::<Vec<_>>().join(" ");
    ensure!(
        expected.iter().map(|image| image.id).eq(got.iter().map(|image| image.id)),
        "{what}: expected {} records, got {}\nexpected {}\ngot      {}",
        expected.len(),
        got.len(),
        cut(&ids(expected), 2000),
        cut(&ids(got), 2000)
    );
    for (expected, got) in expected.iter().zip(got) {
        if let Some(told) = differences(expected, got, true) {
            return Err(Failure::new(format!("{what}: {told}")));
        }
    }
    Ok(())
}
