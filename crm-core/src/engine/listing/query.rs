//! List queries and pages.

use crate::model::filter::Filter;

/// The default number of records per page.
pub(crate) const DEFAULT_LIMIT: usize = 20;
pub(crate) const MAX_LIMIT: usize = 200;

/// A list of one kind: filter, sort, limit and cursor.
///
/// ```
/// # use crm_core::{filter::{Filter, Op}, listing::ListQuery};
/// let query = ListQuery::new().filter(Filter::eq("source", "web")).sort("score").descending().limit(50);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    pub(crate) filter: Option<Filter>,
    pub(crate) text: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) descending: bool,
    pub(crate) limit: Option<usize>,
    pub(crate) cursor: Option<String>,
    pub(crate) archived: bool,
}

impl ListQuery {
    /// Creates a query for all records that the actor may see, in the order of the kind's first index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts the list to records that match the filter. Repeated calls are combined with AND.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter {
            Some(before) => before.and(filter),
            None => filter,
        });
        self
    }

    /// Restricts the list to records that contain all words, as a word or as the beginning of one, in any order,
    /// ignoring case and accents, in names, addresses, numbers and texts. At most 8 words and 200 characters.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the sort field; the default is `created_at`. It must be the sort field of a declared index whose equal
    /// fields are set by the filter.
    #[must_use]
    pub fn sort(mut self, field: impl Into<String>) -> Self {
        self.sort = Some(field.into());
        self
    }

    /// Reverses the order: missing values come first.
    #[must_use]
    pub const fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// Sets the maximum number of records: 1 to 200; the default is 20.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Continues after an earlier page.
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Lists archived records instead of active ones, by archiving time.
    #[must_use]
    pub const fn archived(mut self) -> Self {
        self.archived = true;
        self
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage<T> {
    /// The records, in order. A page may be short, even empty, and still have a cursor.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` if there are no more.
    pub next_cursor: Option<String>,
}
