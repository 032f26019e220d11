//! What is asked of a list, and a page of it.

use crate::filter::Filter;

/// Records on a page where nothing else is asked.
pub(crate) const DEFAULT_LIMIT: usize = 20;
/// Records on a page at most.
pub(crate) const MAX_LIMIT: usize = 200;

/// A list of one kind: which records, in which order, from where on.
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
    /// Everything that the actor may see, in the order of the kind's first index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only records of which this holds. Called twice, both hold.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter {
            Some(before) => before.and(filter),
            None => filter,
        });
        self
    }

    /// Only records that have each of these words, or words that begin so, in whatever order, case and accents: of their
    /// names, addresses, numbers and texts. At most 8 words of 200 characters in all.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// By this field; `created_at` where not given. It must be the sort field of a declared index whose equal fields
    /// the filter gives.
    #[must_use]
    pub fn sort(mut self, field: impl Into<String>) -> Self {
        self.sort = Some(field.into());
        self
    }

    /// The exact reverse: missing values first.
    #[must_use]
    pub const fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// So many records at most: 1 to 200; 20 where not given.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// From where an earlier page ended.
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Archived records in place of live ones, by the time of archiving.
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
    /// Where to go on; `None` where the list is exhausted.
    pub next_cursor: Option<String>,
}
